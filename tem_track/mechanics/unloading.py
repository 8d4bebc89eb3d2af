"""Modulus from the start of unloading.

For a column that is slope times length over area. The indentation formula is for a half-space.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.records import FloatArray

__all__ = ["PowerLaw", "column_modulus_GPa", "fit_unloading", "plate_reduced_modulus_GPa"]

_FEWEST = 5
"""Points that a line is fitted to."""


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """Force = factor (deformation - residual)^power.

    Attributes
    ----------
    factor, power, residual_nm : float
        Force in nN, deformation in nm.
    n_points : int
    u_stiffness : float
        Relative standard uncertainty of the slope at its beginning, from scatter and from what
        other powers would say; NaN where it is not known.
    """

    factor: float
    power: float
    residual_nm: float
    n_points: int = 0
    u_stiffness: float = math.nan

    def stiffness_nN_per_nm(self, deformation_nm: float) -> float:
        """Return the slope at a deformation; NaN where the law has no force left."""
        depth = deformation_nm - self.residual_nm
        if depth <= 0:
            return math.nan
        return float(self.factor * self.power * depth ** (self.power - 1))


def fit_unloading(deformation_nm: FloatArray, force_nN: FloatArray) -> PowerLaw | None:
    """Fit a power law to the unloading branch between 95 and 40 % of its first force.

    Parameters
    ----------
    deformation_nm, force_nN : FloatArray
        From the largest force on, shape (n,).

    Returns
    -------
    PowerLaw or None
        None below five points, or where the branch is not a rising power law.
    """
    known = np.isfinite(deformation_nm) & np.isfinite(force_nN)
    if not known.any():
        return None
    x, y = deformation_nm[known], force_nN[known]
    use = (y <= 0.95 * y[0]) & (y >= 0.40 * y[0])
    x, y = x[use], y[use]
    if x.size < _FEWEST or not np.ptp(x) > 0:
        return None
    powers = np.linspace(1.0, 3.0, 201)
    fits = [_line_for(x, y, power) for power in powers]
    left = np.array([fit[2] for fit in fits])
    # The straightest law that the data do not contradict: a high power needs evidence.
    as_good = left <= left.min() * (1 + 4 / x.size)
    best = int(np.argmax(as_good))
    slope, residual, _ = fits[best]
    if not slope > 0:
        return None
    power = float(powers[best])
    start = float(deformation_nm[known][0])
    laws = [_law(fit, p) for fit, p in zip(fits, powers, strict=True)]
    stiffness = np.array([law.stiffness_nN_per_nm(start) for law in laws])
    chosen = stiffness[as_good & np.isfinite(stiffness)]
    spread = float(np.ptp(chosen)) / math.sqrt(12) / stiffness[best] if chosen.size else math.nan
    root = y ** (1 / power)
    scatter = math.sqrt(float(left[best]) / max(x.size - 3, 1))
    u_line = power * scatter / (slope * float(np.std(root)) * math.sqrt(x.size))
    return PowerLaw(
        float(slope**-power), power, residual, int(x.size), float(math.hypot(spread, u_line))
    )


def _law(fit: tuple[float, float, float], power: float) -> PowerLaw:
    slope, residual, _ = fit
    return PowerLaw(float(slope**-power) if slope > 0 else math.nan, float(power), residual)


def _line_for(x: FloatArray, y: FloatArray, power: float) -> tuple[float, float, float]:
    """Deformation = residual + slope * force^(1/power): the noise is in the deformation."""
    root = y ** (1 / power)
    d = root - root.mean()
    slope = float(d @ x / (d @ d))
    left = x - x.mean() - slope * d
    return slope, float(x.mean() - slope * root.mean()), float(left @ left)


def column_modulus_GPa(
    stiffness_nN_per_nm: float,
    length_nm: float,
    area_nm2: float,
    diameter_nm: float = math.nan,
    base_modulus_GPa: float = math.inf,
    base_poisson: float = 0.3,
) -> float:
    """Return S L / A of a column, after the base's own compliance (Sneddon) was taken off.

    Parameters
    ----------
    stiffness_nN_per_nm : float
        Slope of the unloading, S.
    length_nm, area_nm2, diameter_nm : float
        Of the column where the unloading begins; the diameter is that of the end that presses.
    base_modulus_GPa, base_poisson : float
        Of the base; an infinite modulus takes nothing off.
    """
    compliance = 1 / stiffness_nN_per_nm
    if math.isfinite(base_modulus_GPa):
        compliance -= (1 - base_poisson**2) / (base_modulus_GPa * diameter_nm)
    return length_nm / (area_nm2 * compliance) if compliance > 0 else math.nan


def plate_reduced_modulus_GPa(stiffness_nN_per_nm: float, contact_radius_nm: float) -> float:
    """Return E* of a sphere between two plates: two equal contacts in series, E* = S / a."""
    return stiffness_nN_per_nm / contact_radius_nm

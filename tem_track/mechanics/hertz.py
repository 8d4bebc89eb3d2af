"""A sphere between two plates, small deformation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.mechanics.known import known_rms
from tem_track.records import FloatArray

__all__ = ["Hertz", "fit_hertz", "hertz_force_nN"]

VALID_STRAIN = 0.02
"""Deformation over diameter up to which Hertz is fitted; it is strictly good to about 1 %."""


@dataclass(frozen=True, slots=True)
class Hertz:
    """Reduced modulus of a sphere.

    Attributes
    ----------
    reduced_GPa, u_reduced_GPa : float
        E / (1 - nu^2) between rigid plates.
    zero_nm : float
        Deformation at first contact.
    n_points : int
    flows : bool
        The force rises as the deformation itself rather than as its power 1.5: the sphere flows
        from first contact on, and its modulus cannot be seen.
    """

    reduced_GPa: float
    u_reduced_GPa: float
    zero_nm: float
    n_points: int
    flows: bool = False

    def modulus_GPa(self, poisson: float) -> float:
        """Return Young's modulus of the sphere for a Poisson's ratio."""
        return self.reduced_GPa * (1 - poisson**2)


def hertz_force_nN(reduced_GPa: float, radius_nm: float, deformation_nm: float) -> float:
    """Return the force on a sphere that two plates shorten by a deformation.

    Each contact takes half of it: (4/3) E* sqrt(R) (deformation/2)^1.5. With the whole
    deformation at one contact the force would be 2.83 times as large.
    """
    return float(4 / 3 * reduced_GPa * math.sqrt(radius_nm) * (deformation_nm / 2) ** 1.5)


def fit_hertz(
    deformation_nm: FloatArray, force_nN: FloatArray, u_deformation_nm: FloatArray, radius_nm: float
) -> Hertz | None:
    """Fit the reduced modulus and the zero of the deformation to a loading branch.

    Force^(2/3) is a line in the deformation, and the deformation carries the noise: it is
    regressed on force^(2/3).

    Parameters
    ----------
    deformation_nm, force_nN, u_deformation_nm : FloatArray
        Shape (n,).
    radius_nm : float

    Returns
    -------
    Hertz or None
        None below four points within 2 % of the diameter.
    """
    use = np.isfinite(deformation_nm) & (force_nN > 0)
    use &= deformation_nm <= VALID_STRAIN * 2 * radius_nm
    n = int(use.sum())
    if n < 4:
        return None
    x, y = force_nN[use] ** (2 / 3), deformation_nm[use]
    dx = x - x.mean()
    if not np.ptp(x) > 0:
        return None
    slope = float(dx @ y / (dx @ dx))
    if slope <= 0:
        return None
    left = y - y.mean() - slope * dx
    stated = float(np.nan_to_num(known_rms(u_deformation_nm[use])))
    scatter = max(float(left @ left) / (n - 2), stated**2)
    u_slope = math.sqrt(scatter / float(dx @ dx))
    reduced = 0.75 / math.sqrt(radius_nm) * (2 / slope) ** 1.5
    zero = float(y.mean() - slope * x.mean())
    flows = _left(force_nN[use], y) < float(left @ left)
    return Hertz(reduced, 1.5 * reduced * u_slope / slope, zero, n, flows)


def _left(x: FloatArray, y: FloatArray) -> float:
    """Sum of squares that a straight line of y over x leaves."""
    dx, dy = x - x.mean(), y - y.mean()
    rest = dy - dx * float(dx @ dy) / float(dx @ dx)
    return float(rest @ rest)

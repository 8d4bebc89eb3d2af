"""Strain hardening and true stress."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.records import FloatArray

__all__ = ["Hollomon", "fit_hollomon", "true_stress"]

_FEWEST = 5
"""Points that a power law is fitted to."""


@dataclass(frozen=True, slots=True)
class Hollomon:
    """True stress = strength * (plastic strain)^exponent.

    Attributes
    ----------
    strength_MPa, exponent, u_exponent : float
    n_points : int
    """

    strength_MPa: float
    exponent: float
    u_exponent: float
    n_points: int

    def stress_MPa(self, plastic_strain: float) -> float:
        """Return the true stress at a plastic strain."""
        return float(self.strength_MPa * plastic_strain**self.exponent)

    @property
    def tensile_strength_MPa(self) -> float:
        """Largest engineering stress in tension, K (n/e)^n: at a true strain of n."""
        return float(self.strength_MPa * (self.exponent / math.e) ** self.exponent)


def true_stress(engineering: FloatArray, strain_eng: FloatArray, mode: str) -> FloatArray:
    """Return the true stress of a specimen that keeps its volume and stays straight.

    (1 + e) in tension and (1 - e) in compression, e positive in the test's direction. Not valid
    in a neck or a barrel: use a measured area there.
    """
    sign = 1.0 if mode == "tension" else -1.0
    return engineering * (1 + sign * strain_eng)


def fit_hollomon(
    plastic_strain: FloatArray, stress: FloatArray, u_stress: FloatArray | None = None
) -> Hollomon | None:
    """Fit ln(stress) against ln(plastic strain) between yield and the uniform strain's end.

    Parameters
    ----------
    plastic_strain, stress : FloatArray
        True values, shape (n,).
    u_stress : FloatArray or None
        Weights of the points.

    Returns
    -------
    Hollomon or None
        None below five points.
    """
    use = np.isfinite(plastic_strain) & np.isfinite(stress) & (plastic_strain > 0) & (stress > 0)
    n = int(use.sum())
    if n < _FEWEST or np.ptp(plastic_strain[use]) <= 0:
        return None
    x, y = np.log(plastic_strain[use]), np.log(stress[use])
    w = np.ones(n) if u_stress is None else stress[use] / np.maximum(u_stress[use], 1e-12)
    design = np.stack([np.ones(n), x], axis=1) * w[:, None]
    solution, *_ = np.linalg.lstsq(design, y * w, rcond=None)
    left = y * w - design @ solution
    covariance = np.linalg.inv(design.T @ design) * float(left @ left) / max(n - 2, 1)
    u = math.sqrt(max(float(covariance[1, 1]), 0.0))
    return Hollomon(math.exp(float(solution[0])), float(solution[1]), u, n)

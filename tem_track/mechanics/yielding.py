"""Offset yield: where the curve leaves its elastic line by a given strain."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.mechanics.modulus import Modulus
from tem_track.records import FloatArray

__all__ = ["Yield", "offset_yield", "proportional_limit"]


@dataclass(frozen=True, slots=True)
class Yield:
    """A point on the curve; NaN where the curve does not reach it.

    Attributes
    ----------
    strain, stress_MPa, u_stress_MPa : float
    """

    strain: float = math.nan
    stress_MPa: float = math.nan
    u_stress_MPa: float = math.nan


def _crossing(
    strain: FloatArray, stress: FloatArray, slope: float, zero: float
) -> tuple[float, float]:
    """Stress at which the curve first falls below slope (strain - zero), interpolated.

    The second number is the step of stress between the two points that it lies between.
    """
    above = stress - slope * (strain - zero)
    rows = np.flatnonzero((above[:-1] >= 0) & (above[1:] < 0))
    if not rows.size:
        return (math.nan, math.nan)
    i = int(rows[0])
    share, step = above[i] / (above[i] - above[i + 1]), float(stress[i + 1] - stress[i])
    return (float(stress[i] + share * step), step)


def offset_yield(
    strain: FloatArray,
    stress: FloatArray,
    modulus: Modulus,
    offset: float = 0.002,
    u_strain: float = 0.0,
    u_stress: float = 0.0,
) -> Yield:
    """Return the first crossing with the elastic line moved by the offset strain.

    Parameters
    ----------
    strain, stress : FloatArray
        Loading branch, shape (n,).
    modulus : Modulus
        In the stress' unit.
    offset : float
    u_strain, u_stress : float
        Of one point; the crossing lies between two.
    """
    if not math.isfinite(modulus.value):
        return Yield()
    zero = modulus.zero_strain + offset
    later = strain >= min(modulus.last, float(strain.max()))
    start = max(int(np.argmax(later)) - 1, 0)
    x, y = strain[start:], stress[start:]
    value, step = _crossing(x, y, modulus.value, zero)
    if not math.isfinite(value):
        return Yield()
    pivot = (modulus.first + modulus.last) / 2 - modulus.zero_strain
    turned = modulus.value + modulus.u
    moved, _ = _crossing(x, y, turned, zero + pivot * (1 - modulus.value / turned))
    aside, _ = _crossing(x, y, modulus.value, zero + u_strain)
    # What the curve does between two points is not known, only that it passes through both.
    parts = [v - value for v in (moved, aside) if math.isfinite(v)]
    parts += [u_stress, step / math.sqrt(12)]
    return Yield(zero + value / modulus.value, value, math.hypot(*parts))


def proportional_limit(strain: FloatArray, stress: FloatArray, modulus: Modulus) -> Yield:
    """Return the end of the elastic line."""
    if not math.isfinite(modulus.value):
        return Yield()
    value = modulus.value * (modulus.last - modulus.zero_strain)
    return Yield(modulus.last, float(value), math.nan)

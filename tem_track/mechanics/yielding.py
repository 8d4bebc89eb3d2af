"""Offset yield: where the curve leaves its elastic line by a given strain."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.mechanics.modulus import Modulus
from tem_track.records import FloatArray

__all__ = ["Yield", "offset_yield", "proportional_limit", "smoothed"]

_SMOOTH_POINTS, _SMOOTH_DEGREE = 11, 3
"""Window and degree of the Savitzky-Golay filter."""
_LONG_ENOUGH = 100
"""Below so many points a cubic through eleven of them takes the knee off the curve."""


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


@dataclass(frozen=True, slots=True)
class _Crossing:
    """Stress at which a curve falls below a line; NaN where it does not.

    Noise may take it back and forth: `spread` is between the first and the last time, `step`
    between the two points that the first time lies between.
    """

    stress: float = math.nan
    spread: float = 0.0
    step: float = 0.0


def _crossing(strain: FloatArray, stress: FloatArray, slope: float, zero: float) -> _Crossing:
    """Return where a curve falls below slope (strain - zero), by linear interpolation."""
    above = stress - slope * (strain - zero)
    rows = np.flatnonzero((above[:-1] >= 0) & (above[1:] < 0))
    if not rows.size:
        return _Crossing()
    step = np.diff(stress)[rows]
    at = stress[rows] + above[rows] / (above[rows] - above[rows + 1]) * step
    return _Crossing(float(at[0] + at[-1]) / 2, float(at[-1] - at[0]), float(step[0]))


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
    found = _crossing(x, y, modulus.value, zero)
    if not math.isfinite(found.stress):
        return Yield()
    pivot = (modulus.first + modulus.last) / 2 - modulus.zero_strain
    turned = modulus.value + modulus.u
    moved = _crossing(x, y, turned, zero + pivot * (1 - modulus.value / turned))
    aside = _crossing(x, y, modulus.value, zero + u_strain)
    # What the curve does between two points is not known, only that it passes through both.
    parts = [c.stress - found.stress for c in (moved, aside) if math.isfinite(c.stress)]
    parts += [u_stress, found.step / math.sqrt(12), found.spread / math.sqrt(12)]
    return Yield(zero + found.stress / modulus.value, found.stress, math.hypot(*parts))


def smoothed(stress: FloatArray) -> FloatArray | None:
    """Return the stress after a cubic through eleven neighbours, None for a record below 100.

    As programs for tensile tests do it. Where noise exceeds one per cent of the stress it nearly
    halves the error of an offset yield; where the stress falls soon after the yield it mixes peak
    and plateau.

    Parameters
    ----------
    stress : FloatArray
        Of the loading branch, shape (n,).
    """
    if stress.size < _LONG_ENOUGH:
        return None
    half = _SMOOTH_POINTS // 2
    powers = np.vander(np.arange(-half, half + 1.0), _SMOOTH_DEGREE + 1)
    fitted = powers @ np.linalg.pinv(powers)
    smooth: FloatArray = np.convolve(stress, fitted[half], mode="same")
    smooth[:half] = fitted[:half] @ stress[:_SMOOTH_POINTS]
    smooth[-half:] = fitted[-half:] @ stress[-_SMOOTH_POINTS:]
    return smooth


def proportional_limit(modulus: Modulus) -> Yield:
    """Return the end of the elastic line."""
    if not math.isfinite(modulus.value):
        return Yield()
    value = modulus.value * (modulus.last - modulus.zero_strain)
    return Yield(modulus.last, float(value), math.nan)

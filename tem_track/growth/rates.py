"""How fast something grows, with its uncertainty; and the current that the growth would carry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tem_track.constants import FARADAY_C_PER_MOL
from tem_track.records import FloatArray

__all__ = [
    "MOLAR_VOLUME_CM3_PER_MOL",
    "Rate",
    "Step",
    "current_A",
    "local_rate",
    "mean_rate",
    "rates_by_step",
    "steps_of",
]

MOLAR_VOLUME_CM3_PER_MOL = {"Li": 13.0, "Na": 23.7, "K": 45.9}
"""Li and Na as in the paper (Liu et al.); K from its density, 0.856 g/cm3."""

_ENOUGH = 3


@dataclass(frozen=True, slots=True)
class Rate:
    """A slope against time, in the quantity's unit per second, and its standard uncertainty."""

    value_per_s: float
    u_value_per_s: float
    n_points: int


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of constant potential."""

    first: int
    last: int
    potential_V: float


def mean_rate(time_s: FloatArray, value: FloatArray, u_value: FloatArray) -> Rate:
    """Return the weighted straight line's slope.

    Where the points scatter more than their uncertainties say, the slope's uncertainty grows with
    them; where they curve, it is still the slope of the best line.

    Parameters
    ----------
    time_s, value, u_value : FloatArray
        Shape (n,); missing points are left out.

    Returns
    -------
    Rate
        NaN below three points.
    """
    use = np.isfinite(time_s) & np.isfinite(value) & (u_value > 0)
    n = int(use.sum())
    if n < _ENOUGH:
        return Rate(math.nan, math.nan, n)
    t, y, w = time_s[use], value[use], 1 / u_value[use] ** 2
    middle = float((w * t).sum() / w.sum())
    x = t - middle
    spread = float((w * x * x).sum())
    if spread <= 0:
        return Rate(math.nan, math.nan, n)
    slope = float((w * x * y).sum() / spread)
    rest = y - slope * x - float((w * y).sum() / w.sum())
    excess = float((w * rest * rest).sum() / (n - 2))
    return Rate(slope, math.sqrt(max(excess, 1.0) / spread), n)


def local_rate(
    time_s: FloatArray, value: FloatArray, u_value: FloatArray, window: int
) -> tuple[FloatArray, FloatArray]:
    """Return the slope in a window about each point, and its uncertainty, shape (n,) each.

    Parameters
    ----------
    window : int
        Points on either side.
    """
    rates = [
        mean_rate(time_s[part], value[part], u_value[part])
        for part in (slice(max(i - window, 0), i + window + 1) for i in range(len(time_s)))
    ]
    return (
        np.array([rate.value_per_s for rate in rates]),
        np.array([rate.u_value_per_s for rate in rates]),
    )


def current_A(volume_rate_nm3_per_s: float, molar_volume_cm3_per_mol: float) -> float:
    """Return the current that deposits a volume rate, one electron an atom: F (dV/dt) / V_m."""
    return FARADAY_C_PER_MOL * volume_rate_nm3_per_s * 1e-21 / molar_volume_cm3_per_mol


def steps_of(potential_V: FloatArray, least: int = _ENOUGH) -> list[Step]:
    """Cut a potential into its constant stretches.

    A stretch ends where the potential moves by more than a twentieth of its whole range; stretches
    of fewer than `least` frames (the ramps between) are left out.
    """
    known = np.isfinite(potential_V)
    if not known.any():
        return []
    tolerance = max(0.05 * float(np.ptp(potential_V[known])), 1e-6)
    steps: list[Step] = []
    start: int | None = None
    for i, value in enumerate([*potential_V.tolist(), math.nan]):
        if start is not None and not abs(value - float(potential_V[start])) <= tolerance:
            _close(steps, potential_V, start, i - 1, least)
            start = None
        if start is None and math.isfinite(value):
            start = i
    return steps


def _close(steps: list[Step], potential: FloatArray, first: int, last: int, least: int) -> None:
    if last - first + 1 >= least:
        level = float(np.median(potential[first : last + 1]))
        steps.append(Step(first, last, level))


def rates_by_step(
    steps: Sequence[Step], time_s: FloatArray, value: FloatArray, u_value: FloatArray
) -> list[Rate]:
    """Return the mean rate within each step, its first and last frame left out of long ones."""
    rates = []
    for step in steps:
        trim = 1 if step.last - step.first >= 2 * _ENOUGH else 0
        part = slice(step.first + trim, step.last + 1 - trim)
        rates.append(mean_rate(time_s[part], value[part], u_value[part]))
    return rates

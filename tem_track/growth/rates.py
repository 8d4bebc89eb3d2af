"""How fast something grows, with its uncertainty; and the current that the growth would carry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

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
"""Points of the shortest stretch of which a rate is told: two fix the line, the third how far it
can be trusted."""
_NEIGHBOURS = 7
"""Frames over which the median of u is taken."""
_OFF, _MOST_OFF = 4.0, 2
"""Deviations from a step's line at which a frame at either end of it is left out, and at most so
many of them."""
_SHIFTED = 3**1.5 / 12
"""h^3 / 12 over u^3, for a clock that is off by anything up to h = sqrt(3) u; see `_strayed`."""
_LEAST_ALIKE, _BEND = 10, 3
"""Points from which on it is asked how far neighbours' errors are alike, about a polynomial of this
order: growth slows down, and a straight line's residuals would all be alike."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A slope against time, in the quantity's unit per second, and its standard uncertainty.

    Attributes
    ----------
    value_per_s, u_value_per_s : float
        NaN where there are too few points.
    n_points : int
    """

    value_per_s: float
    u_value_per_s: float
    n_points: int


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of constant potential.

    Attributes
    ----------
    first, last : int
        Frames, inclusive.
    potential_V : float
        Its median.
    """

    first: int
    last: int
    potential_V: float


def mean_rate(
    time_s: FloatArray, value: FloatArray, u_value: FloatArray, bend: int = _BEND
) -> Rate:
    """Return the weighted straight line's slope.

    Where the points scatter more than their uncertainties say, or neighbours lie off the line
    alike, the slope's uncertainty grows with them; where they curve, it is still the slope of the
    best line. A point weighs no more than its neighbours: one that claims to be far better is
    mostly wrong about it.

    Parameters
    ----------
    time_s, value, u_value : FloatArray
        Shape (n,); missing points are left out.
    bend : int
        Degree of what the course itself may be, 1 where it is straight: only what is left of it
        tells whether errors last.

    Returns
    -------
    Rate
        NaN below three points.
    """
    use = np.isfinite(time_s) & np.isfinite(value) & (u_value > 0)
    n = int(use.sum())
    if n < _ENOUGH:
        return Rate(math.nan, math.nan, n)
    t, y = time_s[use], value[use]
    w = 1 / _no_better_than_neighbours(u_value[use]) ** 2
    middle = float((w * t).sum() / w.sum())
    x = t - middle
    spread = float((w * x * x).sum())
    if spread <= 0:
        return Rate(math.nan, math.nan, n)
    slope = float((w * x * y).sum() / spread)
    rest = y - slope * x - float((w * y).sum() / w.sum())
    excess = float((w * rest * rest).sum() / (n - 2))
    return Rate(slope, math.sqrt(max(excess, 1.0) * _alike(x, rest, bend) / spread), n)


def _no_better_than_neighbours(u: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(u, median_filter(u, size=_NEIGHBOURS, mode="nearest")))


def _alike(x: FloatArray, rest: FloatArray, bend: int) -> float:
    """Return by how much a mean's variance grows where each error holds a part of the last one.

    ``(1 + r) / (1 - r)`` of a first-order autoregression, r from what the course does not explain.
    """
    if len(rest) < _LEAST_ALIKE:
        return 1.0
    rest = rest - np.polyval(np.polyfit(x, rest, bend), x)
    square = float((rest * rest).sum())
    if square <= 0:
        return 1.0
    shared = float(np.clip((rest[1:] * rest[:-1]).sum() / square, 0.0, 0.9))
    return (1 + shared) / (1 - shared)


def local_rate(
    time_s: FloatArray, value: FloatArray, u_value: FloatArray, window: int
) -> tuple[FloatArray, FloatArray]:
    """Return the slope in a window about each point, and its uncertainty, shape (n,) each.

    Parameters
    ----------
    time_s, value, u_value : FloatArray
        Shape (n,).
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
    """Return the current that deposits a volume rate, one electron an atom: F (dV/dt) / V_m.

    Parameters
    ----------
    volume_rate_nm3_per_s : float
    molar_volume_cm3_per_mol : float
        See `MOLAR_VOLUME_CM3_PER_MOL`.
    """
    return FARADAY_C_PER_MOL * volume_rate_nm3_per_s * 1e-21 / molar_volume_cm3_per_mol


def steps_of(potential_V: FloatArray, least: int = _ENOUGH) -> list[Step]:
    """Cut a potential into its constant stretches.

    A stretch ends where the potential moves by more than a twentieth of its whole range; stretches
    of fewer than `least` frames (the ramps between) are left out.

    Parameters
    ----------
    potential_V : FloatArray
        Shape (n,), one value a frame.
    least : int
        Frames of the shortest step.

    Returns
    -------
    list of Step
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
    steps: Sequence[Step],
    time_s: FloatArray,
    value: FloatArray,
    u_value: FloatArray,
    u_log_s: float = 0.0,
) -> list[Rate]:
    """Return the mean rate within each step, the first and last frame of long ones left out.

    So are up to two frames more at either end that lie off the line of the others: a body that
    only emerges, or a frame of the neighbouring step.

    Parameters
    ----------
    steps : sequence of Step
    time_s, value, u_value : FloatArray
        Shape (n,), one a frame.
    u_log_s : float
        Standard uncertainty of the log's clock against the movie's. In a short step, whose end
        frames serve, one of them may belong to the neighbour.
    """
    rates = []
    for number, step in enumerate(steps):
        rows = np.arange(step.first, step.last + 1)
        if len(rows) > 2 * _ENOUGH:
            rows = _on_line(rows[1:-1], time_s, value, u_value)
            rates.append(mean_rate(time_s[rows], value[rows], u_value[rows], 1))
            continue
        u = u_value[rows].copy()
        own = mean_rate(time_s[rows], value[rows], u).value_per_s
        for end, other in ((0, number - 1), (-1, number + 1)):
            if u_log_s > 0 and 0 <= other < len(steps) and math.isfinite(own):
                near = np.arange(steps[other].first, steps[other].last + 1)
                rate = mean_rate(time_s[near], value[near], u_value[near]).value_per_s
                u[end] = math.hypot(u[end], _strayed(rate - own, u_log_s, time_s))
        rates.append(mean_rate(time_s[rows], value[rows], u))
    return rates


def _strayed(change_per_s: float, u_log_s: float, time_s: FloatArray) -> float:
    """Return how far the frame at a step's end lies off, root mean square, if it may not be in it.

    With the log's clock off by d, uniform over +-h, a boundary that is anywhere between two frames
    is on the wrong side of one of them in d / dt of the cases, and by d^2 / 3 in the mean square:
    h^3 / 12 dt in all.
    """
    if not math.isfinite(change_per_s):
        return 0.0
    between = float(np.median(np.diff(time_s)))
    return abs(change_per_s) * math.sqrt(_SHIFTED * u_log_s**3 / between)


def _on_line(
    rows: NDArray[np.intp], time_s: FloatArray, value: FloatArray, u_value: FloatArray
) -> NDArray[np.intp]:
    """Leave out ends that lie off the line of the others, two frames at the most each."""
    rows = rows[np.isfinite(value[rows]) & (u_value[rows] > 0)]
    for end in (0, -1):
        for _ in range(_MOST_OFF):
            if len(rows) <= 2 * _ENOUGH:
                break
            others = rows[1:] if end == 0 else rows[:-1]
            off, u = _off_line(others, int(rows[end]), time_s, value, u_value)
            if off <= _OFF * u:
                break
            rows = others
    return rows


def _off_line(
    rows: NDArray[np.intp],
    row: int,
    time_s: FloatArray,
    value: FloatArray,
    u_value: FloatArray,
) -> tuple[float, float]:
    """Return how far a point lies off the line of others, and how far it may."""
    t, y, u = time_s[rows], value[rows], _no_better_than_neighbours(u_value[rows])
    rate, w = mean_rate(t, y, u_value[rows]), 1 / u**2
    middle, level = float((w * t).sum() / w.sum()), float((w * y).sum() / w.sum())
    rest = y - level - rate.value_per_s * (t - middle)
    scatter = math.sqrt(max(float((w * rest * rest).sum()) / (len(rows) - 2), 1.0))
    reach = float(time_s[row]) - middle
    off = abs(float(value[row]) - level - rate.value_per_s * reach)
    own = scatter * max(float(u_value[row]), float(np.median(u)))
    return off, math.sqrt(own**2 + (rate.u_value_per_s * reach) ** 2)

"""Modulus of a long record after ASTM E3076-18, with all of its quality figures.

The record is cut at the tangency point of a line from an offset near its start, normalised, and
every contiguous window is fitted; the one with the smallest normalised residual is the elastic
line. The figures say how far the data and the fit can be trusted; they are reported, not hidden.

Source: ASTM E3076-18, as described by Lucon, NIST Technical Note 2050 (2019).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np

from tem_track.mechanics.measurement import RowArray
from tem_track.records import FloatArray

__all__ = ["E3076", "Quality", "fit_e3076"]

_ROUNDS = 12
"""Tries, each with a longer part of the record for its tangency (0.15 of it, then 0.05 more)."""

_MOST_PLACES = 600
"""A longer record's windows begin and end at every n-th point: all of them would be too many."""
_DIGITAL_STEP = 2.0**-12
"""Unit of the digital resolution, of a record scaled to 1: that of a 12-bit converter."""


@dataclass(frozen=True, slots=True)
class Quality:
    """The standard's quality figures; each of the first four is good up to 1.

    Attributes
    ----------
    noise_strain, noise_stress : float
        Scatter of the steps over 0.005 of the cut record's range.
    resolution_strain, resolution_stress : float
        Digital step over three times 2^-12 of the range.
    residual_slope_first, residual_slope_last : float
        Slope of the residuals in the first and last quarter over the modulus; good within 0.05.
    points_first, points_last : int
        Points in these quarters; at least five.
    fit_range : float
        Share of the cut record's stress that the fit covers; at least 0.4.
    """

    noise_strain: float
    noise_stress: float
    resolution_strain: float
    resolution_stress: float
    residual_slope_first: float
    residual_slope_last: float
    points_first: int
    points_last: int
    fit_range: float

    @property
    def data_good(self) -> bool:
        """The record's own noise and resolution meet the standard."""
        return (
            max(
                self.noise_strain,
                self.noise_stress,
                self.resolution_strain,
                self.resolution_stress,
            )
            <= 1
        )

    @property
    def fit_good(self) -> bool:
        """The line meets the standard."""
        slopes = max(abs(self.residual_slope_first), abs(self.residual_slope_last))
        enough = min(self.points_first, self.points_last) >= 5
        return slopes <= 0.05 and enough and self.fit_range >= 0.4

    def as_dict(self) -> dict[str, float | int | bool]:
        """Return all figures and both verdicts."""
        return asdict(self) | {"data_good": self.data_good, "fit_good": self.fit_good}


@dataclass(frozen=True, slots=True, eq=False)
class E3076:
    """The elastic line of a long record.

    Attributes
    ----------
    slope : float
        Ordinary least squares in the chosen window.
    rows : RowArray
        Rows of that window in the record given.
    quality : Quality
    """

    slope: float
    rows: RowArray
    quality: Quality


def fit_e3076(x: FloatArray, y: FloatArray) -> E3076 | None:
    """Find the elastic line of a loading record.

    Parameters
    ----------
    x, y : FloatArray
        Strain and stress from the start to the largest stress, shape (n,).

    Returns
    -------
    E3076 or None
        None where the record is too short: fewer than ten points up to its tangency, or a window
        without five points in each outer quarter.
    """
    x, y = x - x[0], y - y[0]
    top = int(np.argmax(y))
    if top < 10:
        return None
    for attempt in range(_ROUNDS):
        end = _tangency(x[: top + 1], y[: top + 1], 0.15 + 0.05 * attempt)
        if end is None:
            return None
        found = _window(x, y, end)
        if found is None:
            continue
        rows, slope, at_end = found
        if not at_end:
            quality = _quality(x, y, rows, slope, end)
            return E3076(slope, rows, quality)
    return None


def _tangency(x: FloatArray, y: FloatArray, share: float) -> int | None:
    """Row where a line from the offset point touches the record: its steepest secant."""
    top = float(y.max())
    start = int(np.argmax(y > 0.05 * top))
    offset = float(y[start]) + share * top
    beyond = np.flatnonzero((y > offset) & (x > x[start]))
    if beyond.size < 3:
        return None
    secant = (y[beyond] - offset) / (x[beyond] - x[start])
    return int(beyond[int(np.argmax(secant))])


def _window(x: FloatArray, y: FloatArray, end: int) -> tuple[RowArray, float, bool] | None:
    """Find the contiguous window of the cut record with the smallest normalised residual."""
    rows = np.flatnonzero((x <= x[end]) & (y <= y[end]))
    rows = rows[rows <= end]
    n = rows.size
    shortest = max(n // 5, 10)
    if n < shortest or not (x[end] > 0 and y[end] > 0):
        return None
    u, v = x[rows] / x[end], y[rows] / y[end]
    step = -(-n // _MOST_PLACES)
    starts, ends = np.arange(0, n, step), np.arange(n - 1, -1, -step)[::-1]
    i, j = np.nonzero(ends[None, :] - starts[:, None] >= shortest - 1)
    first, last = starts[i], ends[j]
    slope, residual = _all_lines(u, v, first, last)
    best = int(np.argmin(residual))
    chosen = rows[first[best] : last[best] + 1]
    return chosen, float(slope[best] * y[end] / x[end]), bool(last[best] == n - 1)


def _all_lines(
    u: FloatArray, v: FloatArray, first: RowArray, last: RowArray
) -> tuple[FloatArray, FloatArray]:
    """Slope and residual over total sum of squares of every window."""

    def between(terms: FloatArray) -> FloatArray:
        total = np.concatenate([[0.0], np.cumsum(terms)])
        inside: FloatArray = total[last + 1] - total[first]
        return inside

    n = (last - first + 1).astype(float)
    su, sv = between(u), between(v)
    suu = between(u * u) - su**2 / n
    svv = between(v * v) - sv**2 / n
    suv = between(u * v) - su * sv / n
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = 1 - suv**2 / (suu * svv)
        slope = suv / suu
    return slope, np.where((suu > 0) & (svv > 0) & (slope > 0), residual, np.inf)


def _quality(x: FloatArray, y: FloatArray, rows: RowArray, slope: float, end: int) -> Quality:
    cut = np.flatnonzero((x <= x[end]) & (y <= y[end]))
    cut = cut[cut <= end]
    u, v = x[cut] / x[end], y[cut] / y[end]
    residual = y[rows] - slope * x[rows]
    quarters = np.quantile(x[rows], [0.0, 0.25, 0.75, 1.0])
    low, high = x[rows] <= quarters[1], x[rows] >= quarters[2]
    return Quality(
        noise_strain=float(np.std(np.diff(u))) / 0.005,
        noise_stress=float(np.std(np.diff(v))) / 0.005,
        resolution_strain=_resolution(u),
        resolution_stress=_resolution(v),
        residual_slope_first=_slope(x[rows][low], residual[low]) / slope,
        residual_slope_last=_slope(x[rows][high], residual[high]) / slope,
        points_first=int(low.sum()),
        points_last=int(high.sum()),
        fit_range=float(np.ptp(y[rows]) / y[end]),
    )


def _slope(x: FloatArray, y: FloatArray) -> float:
    if x.size < 2 or not np.ptp(x) > 0:
        return math.nan
    centred = x - x.mean()
    return float(centred @ y / (centred @ centred))


def _resolution(values: FloatArray) -> float:
    """Commonest step of the second differences in units of 2^-12, over three."""
    steps = np.round(np.abs(np.diff(values, 2)) / _DIGITAL_STEP)
    steps = steps[steps > 0]
    if not steps.size:
        return 0.0
    kinds, counts = np.unique(steps, return_counts=True)
    if counts.max() <= 0.25 * (values.size - 2):
        return float(min(1.0, kinds[int(np.argmax(counts))] / 3))
    return float(kinds[int(np.argmax(counts))] / 3)

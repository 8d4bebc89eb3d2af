"""What the specimen's own end lines say beyond the tracks: the slow part of its length.

The tracked faces give the length with little noise, but would carry a wrong track, or a face that
is not fixed to its target, into it. The end lines that are seen in every picture owe nothing to the
tracks and are noisier. So the frame-to-frame part of the length comes from the tracks and the slow
part from the end lines; what the two differ by is what the closure shows.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tem_track.mechanics.measurement import BoolArray, Measurement, RowArray
from tem_track.records import FloatArray

__all__ = ["WINDOW", "seating_px", "u_seat_slope_px"]

WINDOW = 21
"""Frames over which the end lines are averaged (a running median, so that a slip stays sharp)."""

COLUMNS = ("seat_left_px", "seat_mid_px", "seat_right_px")
CURVED = "seat_curved_px"
"""The end lines seen in other ways."""

_FIRST = 10
"""Values that the end lines' place to begin with is taken from."""
_LEAST = 5
"""Values below which nothing is said."""
_MOSTLY = 0.5
"""Share of the rows in which a way to see the end lines has to be seen."""
_MEDIAN = 1.2533  # the standard error of a median over that of a mean


def seating_px(measurement: Measurement, usable: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return how far the end lines have moved apart beyond the tracked faces since contact began.

    Parameters
    ----------
    measurement : Measurement
    usable : BoolArray
        Rows that may be believed, shape (n,).

    Returns
    -------
    seating_px, u_seating_px : FloatArray
        Shape (n,); NaN where no end lines were seen, and everywhere where too few were.
    """
    n = len(measurement)
    seat, _ = measurement.measured("seat_px")
    rows = np.flatnonzero(usable & np.isfinite(seat))
    missing = np.full(n, np.nan)
    if rows.size < _LEAST:
        return missing, missing.copy()
    smooth, u = missing, missing.copy()
    smooth[rows], noise = _since_first(seat[rows])
    u[rows] = np.hypot(noise, _disagreement(measurement, rows))
    return smooth, u


def u_seat_slope_px(
    measurement: Measurement, load: FloatArray, rows: RowArray, *, taken_off: bool
) -> float:
    """Return how far the end lines may move apart per unit of load without being believed.

    A slope in the load is what a seat that gives way adds to an elastic line; what the end lines
    say at a single load does not count. Each way to see them has its own slope: the noise of the
    first way, and what the ways differ by beyond their noise, count. The thirds of the columns make
    up a mean, so theirs counts as a mean's.

    Parameters
    ----------
    measurement : Measurement
    load : FloatArray
        The load, or what the seats are taken to follow in its place, shape (n,).
    rows : RowArray
        Rows over which it is sought.
    taken_off : bool
        Whether the end lines' running median was taken off. If not, what their slope has beyond
        twice its own uncertainty counts too.

    Returns
    -------
    float
        Standard uncertainty in pixels per unit of load; zero where no end lines were seen.
    """
    seat, curved = _series(measurement, "seat_px", rows), _series(measurement, CURVED, rows)
    slope, u = _slope(load[rows], seat)
    if not math.isfinite(u):
        return 0.0
    columns = np.array([_slope(load[rows], _series(measurement, n, rows)) for n in COLUMNS])
    columns = columns[np.isfinite(columns).all(axis=1)]
    apart, u_apart = _slope(load[rows], seat - curved)
    beyond = [apart**2 - u_apart**2] if math.isfinite(u_apart) else []
    if len(columns) > 1:
        excess = float(columns[:, 0].var(ddof=1) - (columns[:, 1] ** 2).mean())
        beyond.append(excess / len(columns))
    disagreement = math.sqrt(max([0.0, *beyond]))
    if taken_off:
        return math.hypot(_MEDIAN * u, disagreement)
    u = math.hypot(u, disagreement)
    return math.hypot(u, max(0.0, abs(slope) - 2 * u))


def _series(measurement: Measurement, name: str, rows: RowArray) -> FloatArray:
    """Return a way to see the end lines; NaN where it was not looked for or seldom seen."""
    missing = np.full(rows.size, np.nan)
    if name not in measurement.columns:
        return missing
    values = measurement.number(name)[rows]
    return values if np.isfinite(values).mean() > _MOSTLY else missing


def _slope(load: FloatArray, values: FloatArray) -> tuple[float, float]:
    """Return the slope of least squares and its uncertainty from the scatter about the line."""
    known = np.isfinite(values) & np.isfinite(load)
    if int(known.sum()) < _LEAST or np.ptp(load[known]) == 0:
        return math.nan, math.nan
    x, y = load[known] - load[known].mean(), values[known] - values[known].mean()
    slope = float(x @ y / (x @ x))
    rest = y - slope * x
    return slope, math.sqrt(float(rest @ rest) / (x.size - 2) / float(x @ x))


def _since_first(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the slow part of a series against its first values, and the noise left in it."""
    first = values[:_FIRST]
    slow, count = _running_median(values)
    noise = _MEDIAN * _noise(values) * np.sqrt(1 / count + 1 / first.size)
    return slow - np.median(first), noise


def _disagreement(measurement: Measurement, rows: RowArray) -> FloatArray:
    """Return by how much other ways to see the end lines disagree, beyond their noise."""
    columns = _slow(measurement, COLUMNS, rows)
    forms = _slow(measurement, ("seat_px", CURVED), rows)
    apart: FloatArray = np.maximum(_spread(columns), math.sqrt(2) * _spread(forms))
    return apart


def _slow(
    measurement: Measurement, names: tuple[str, ...], rows: RowArray
) -> list[tuple[FloatArray, FloatArray]]:
    series = [measurement.number(name)[rows] for name in names if name in measurement.columns]
    mostly = [each for each in series if np.isfinite(each).mean() > _MOSTLY]
    return [_since_first(_filled(each)) for each in mostly] or [(np.zeros(rows.size),) * 2]


def _spread(series: list[tuple[FloatArray, FloatArray]]) -> FloatArray:
    """Return the standard deviation of several series about their mean, less their noise."""
    if len(series) < 2:
        return np.zeros_like(series[0][0])
    slow, noise = (np.array(each) for each in zip(*series, strict=True))
    beyond = slow.var(axis=0, ddof=1) - (noise**2).mean(axis=0)
    spread: FloatArray = np.sqrt(np.maximum(beyond, 0.0))
    return spread


def _filled(values: FloatArray) -> FloatArray:
    at = np.arange(values.size)
    known = np.isfinite(values)
    return np.asarray(np.interp(at, at[known], values[known]))


def _running_median(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the median over the window about every value, cut at both ends, and its count."""
    half = WINDOW // 2
    padded = np.pad(values, half, constant_values=np.nan)
    windows = sliding_window_view(padded, WINDOW)
    return np.nanmedian(windows, axis=1), np.isfinite(windows).sum(axis=1).astype(np.float64)


def _noise(values: FloatArray) -> float:
    """Return the noise of single values from their differences, which slow change leaves alone."""
    return 1.4826 * float(np.median(np.abs(np.diff(values)))) / math.sqrt(2)

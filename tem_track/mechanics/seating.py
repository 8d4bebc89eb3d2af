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

from tem_track.mechanics.measurement import BoolArray, Measurement
from tem_track.records import FloatArray

__all__ = ["WINDOW", "seating_px"]

WINDOW = 21
"""Frames over which the end lines are averaged (a running median, so that a slip stays sharp)."""

_FIRST = 10
_LEAST = 5
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
    values = seat[rows]
    first = values[:_FIRST]
    slow, count = _running_median(values)
    noise = _MEDIAN * _noise(values)
    smooth, u = missing, missing.copy()
    smooth[rows] = slow - np.median(first)
    u[rows] = noise * np.sqrt(1 / count + 1 / first.size)
    return smooth, u


def _running_median(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the median over the window about every value, cut at both ends, and its count."""
    half = WINDOW // 2
    padded = np.pad(values, half, constant_values=np.nan)
    windows = sliding_window_view(padded, WINDOW)
    return np.nanmedian(windows, axis=1), np.isfinite(windows).sum(axis=1).astype(np.float64)


def _noise(values: FloatArray) -> float:
    """Return the noise of single values from their differences, which slow change leaves alone."""
    return 1.4826 * float(np.median(np.abs(np.diff(values)))) / math.sqrt(2)

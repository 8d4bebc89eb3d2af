"""In which bands nothing absorbs between the two faces, compiled."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tem_track.compiled import compiled, inner
from tem_track.records import FloatArray
from tem_track.specimen.few import median, median_where, on_lines

__all__ = ["parted"]

_THINNEST_PX = 5.0
"""Thickness of a thread that would be seen."""
_MEAN_CHORD, _WINDOW_PX = 0.85, 7.0
"""Mean thickness of a round thread over its width, and the window it is looked for in."""
_THIN, _MISSING = 0.5, 0.45
"""Width over the usual and darkness over the expected, below which the body is parted."""
_WIDE, _OFF_PX = 0.35, 8.0
"""Width over the usual that is a body's, and the way aside that is not."""
_SHIFTS = (-0.2, 0.0, 0.2)
"""Places about the midline, over the usual width, that are looked at."""


@compiled(nogil=True)
def parted(
    bands: FloatArray,
    t_px: FloatArray,
    s_px: FloatArray,
    edges: FloatArray,
    good: NDArray[np.bool_],
    mu_per_px: float,
) -> NDArray[np.bool_]:
    """Return the bands that are empty; see `breaks.find_opening`.

    Parameters
    ----------
    bands : array, shape (n, m)
    t_px : array, shape (m,)
        Positions of the columns, one pixel apart.
    s_px : array, shape (n,)
    edges : array, shape (n, 2)
    good : array of bool, shape (n,)
        Bands with both edges.
    mu_per_px : float
    """
    n = len(bands)
    empty = np.zeros(n, np.bool_)
    if good.sum() < 3:
        return empty
    width = edges[:, 1] - edges[:, 0]
    usual = median_where(width, good)
    seen = good & (width > 0.1 * usual) & ~_aside(s_px, edges, good, usual)
    if not seen.any():
        return empty
    at, between = s_px[seen], (edges[:, 0][seen] + edges[:, 1][seen]) / 2
    dark = np.empty(n)
    for i in range(n):
        dark[i] = _darkest(bands[i], t_px, on_lines(s_px[i], at, between), usual)
    least = min(1.0 - math.exp(-mu_per_px * _THINNEST_PX), 0.25 * median_where(dark, seen))
    least = max(least, 0.02)
    expected = np.empty(n)
    for i in range(n):
        wide = width[i] if width[i] > 0.0 else 0.0  # and where no edges were found
        share = min(wide / _WINDOW_PX, 1.0)
        expected[i] = (1.0 - math.exp(-_MEAN_CHORD * mu_per_px * wide)) * share
    for i in range(n):  # a thin neck is hardly darker than the noise of one band
        low, high = max(i - 1, 0), min(i + 1, n - 1)
        steady = (dark[low] + dark[i] + dark[high]) / 3
        missing = _MISSING * (expected[low] + expected[i] + expected[high]) / 3
        thin = width[i] < _THIN * usual and steady < missing and steady < least
        empty[i] = thin or (not seen[i] and dark[i] < least)
    return empty


@inner
def _aside(
    s_px: FloatArray, edges: FloatArray, good: NDArray[np.bool_], usual: float
) -> NDArray[np.bool_]:
    """Return the thin bands far off the line through the wide ones beside.

    Between two pieces an uneven background or the film may look like a thread; it lies anywhere.
    """
    n = len(s_px)
    aside = np.zeros(n, np.bool_)
    middle = (edges[:, 0] + edges[:, 1]) / 2
    wide = good & (edges[:, 1] - edges[:, 0] > _WIDE * usual)
    if not wide.any():
        return aside
    at, between = s_px[wide], middle[wide]
    for i in range(n):
        off = abs(middle[i] - on_lines(s_px[i], at, between))
        aside[i] = good[i] and not wide[i] and off > max(_WIDE * usual, _OFF_PX)
    return aside


@inner
def _darkest(row: FloatArray, t_px: FloatArray, middle: float, usual: float) -> float:
    """Return the largest darkness of three narrow windows about the midline of a band."""
    m = len(row)
    reach = 0.6 * usual + 4
    outer = np.empty(m)
    count = 0
    for j in range(m):
        outer[count] = row[j]
        count += abs(t_px[j] - middle) > reach
    if count == 0:
        return 0.0
    background = max(median(outer[:count]), 1e-6)
    most = 0.0
    for k in range(len(_SHIFTS)):
        about = middle + _SHIFTS[k] * usual
        first = min(max(math.floor(about - _WINDOW_PX / 2 - t_px[0]), 0), m)
        last = min(max(math.ceil(about + _WINDOW_PX / 2 - t_px[0]) + 1, 0), m)
        total, near = 0.0, 0
        for j in range(first, last):
            if abs(t_px[j] - about) <= _WINDOW_PX / 2:
                total += row[j]
                near += 1
        dark = 1.0 - total / max(near, 1) / background
        most = dark if k == 0 else max(most, dark)
    return most

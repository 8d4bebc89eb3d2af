"""What is read off the smooth widths of a specimen, compiled."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tem_track.compiled import compiled
from tem_track.records import FloatArray
from tem_track.specimen.few import median, median_where, on_lines, quantile

__all__ = ["central", "edges_near", "outer_line", "upper_part", "volume", "weights_at"]

_SLOPE_BANDS = 4
"""Bands over which the side's slope is read."""
_CENTRAL_SHARE = 0.4
"""Share of the length to either side of the middle, whose widths make the mid diameter."""


@compiled(nogil=True)
def weights_at(s_px: FloatArray, at: float) -> FloatArray:
    """Return the weights by which values on the bands give the one at a place.

    Linear between two bands; beyond the last, by a straight line through it and the fourth from
    it, so that a steep end is read at the face and not some pixels before it.
    """
    n = len(s_px)
    out = np.zeros(n)
    position = on_lines(at, s_px, np.arange(n).astype(np.float64))
    i = min(int(position), n - 2)
    out[i], out[i + 1] = 1 - (position - i), position - i
    step = min(_SLOPE_BANDS, n - 1)
    for k in range(2):
        end, near = (0, step) if k == 0 else (n - 1, n - 1 - step)
        beyond, apart = at - s_px[end], s_px[end] - s_px[near]
        if beyond * apart > 0:
            out[end] += beyond / apart
            out[near] -= beyond / apart
    return out


@compiled(nogil=True)
def central(
    s_px: FloatArray, width: FloatArray, u: FloatArray, low: float, high: float
) -> tuple[float, float, float, float, float]:
    """Return the width at half length and its u, the smallest of the middle part, its u and place.

    The middle part is four fifths of the length from `low` to `high`.
    """
    half = (low + high) / 2
    reach = _CENTRAL_SHARE * (high - low)
    first, last = half - reach, half + reach
    least, at = on_lines(first, s_px, width), first
    for i in range(len(s_px)):
        if abs(s_px[i] - half) < reach and width[i] < least:
            least, at = width[i], s_px[i]
    if on_lines(last, s_px, width) < least:
        least, at = on_lines(last, s_px, width), last
    mid, u_mid = on_lines(half, s_px, width), on_lines(half, s_px, u)
    return mid, u_mid, least, on_lines(at, s_px, u), at


@compiled(nogil=True)
def outer_line(
    s_px: FloatArray, width: FloatArray, u: FloatArray, at: float, reach: float
) -> tuple[float, float, float]:
    """Return value and slope at a face of the straight line through the bands near it, and mean u.

    NaN where there are less than two.
    """
    count, centre, mean, total = 0, 0.0, 0.0, 0.0
    for i in range(len(s_px)):
        if abs(s_px[i] - at) <= reach:
            count += 1
            centre += s_px[i] - at
            mean += width[i]
            total += u[i]
    if count < 2:
        return math.nan, math.nan, math.nan
    centre, mean = centre / count, mean / count
    power = product = 0.0
    for i in range(len(s_px)):
        if abs(s_px[i] - at) <= reach:
            x = s_px[i] - at - centre
            power += x * x
            product += x * (width[i] - mean)
    slope = product / power
    return mean - slope * centre, slope, total / count


@compiled(nogil=True)
def volume(
    s_px: FloatArray, width: FloatArray, u: FloatArray, low: float, high: float
) -> tuple[float, float]:
    """Return the volume of a body of revolution between two faces, and its u."""
    n = len(s_px)
    total = 0.0
    before, x = on_lines(low, s_px, width), low
    for i in range(n + 1):
        here = on_lines(high, s_px, width) if i == n else width[i]
        to = high if i == n else s_px[i]
        total += (to - x) * (before**2 + here**2) / 2
        before, x = here, to
    relative = np.empty(n)
    for i in range(n):
        relative[i] = u[i] / max(width[i], 1e-6)
    total *= math.pi / 4
    return total, total * 2 * median(relative) / 3


@compiled(nogil=True)
def upper_part(
    s_px: FloatArray, edges: FloatArray, good: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Return left and right edge of the upper half, and half the width of the widest twentieth.

    Parameters
    ----------
    s_px : array, shape (n,)
    edges : array, shape (n, 2)
    good : array of bool, shape (n, 2)
    """
    seen = good[:, 0] & good[:, 1]
    if not seen.any():
        left, right = float(np.mean(edges[:, 0])), float(np.mean(edges[:, 1]))
        return left, right, (right - left) / 2
    upper = seen & (s_px > median(s_px))
    use = upper if upper.any() else seen
    left, right = median_where(edges[:, 0], use), median_where(edges[:, 1], use)
    wide = quantile(edges[:, 1][seen] - edges[:, 0][seen], 0.95)
    return left, right, wide / 2


@compiled(nogil=True)
def edges_near(
    s_px: FloatArray, edges: FloatArray, good: NDArray[np.bool_], at: float, reach: float
) -> tuple[float, float]:
    """Return left and right edge about a place: the median of the good bands within reach, or all.

    Parameters
    ----------
    s_px : array, shape (n,)
    edges : array, shape (n, 2)
    good : array of bool, shape (n,)
    at, reach : float
    """
    near = good & (np.abs(s_px - at) < reach)
    use = near if near.any() else good
    return median_where(edges[:, 0], use), median_where(edges[:, 1], use)

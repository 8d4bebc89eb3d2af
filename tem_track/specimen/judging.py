"""Which fitted edges are believed, compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tem_track.compiled import compiled, inner
from tem_track.records import FloatArray
from tem_track.specimen.few import median

__all__ = ["believed", "believed_at_first", "carried_on", "level_sides"]

_WORST_PX = 4.0
"""Uncertainty from which on an edge is not seen."""
_WORST_SHARE = 0.06  # of the width: where the contrast is low, many uncertain bands still tell it
_LEAST_SEEN = 0.6  # share of an edge's pixels that must lie in the picture
_LEAST_CONTRAST = 0.25
"""Contrast over the mean look's, below which an edge is not seen."""
_STRAYED_PX, _OUTER = 4.0, 4
"""From the smooth curve, beyond which one of so many outer bands has strayed."""


@compiled(nogil=True)
def believed_at_first(found: FloatArray, start: FloatArray) -> NDArray[np.bool_]:
    """Return which edges the first fit may have found.

    Parameters
    ----------
    found : array, shape (n, 2, N_RESULTS)
        From `fit_bands`.
    start : array, shape (n, 2)
        What it began with.
    """
    good = np.zeros(start.shape, np.bool_)
    for i in range(len(start)):
        worst = _worst(start[i])
        for k in range(2):
            edge, u, step = found[i, k, 0], found[i, k, 1], found[i, k, 4]
            good[i, k] = _is_seen(found[i, k]) and u < 0.75 * worst and abs(step) < 0.6
            good[i, k] &= abs(edge - start[i, k]) < 8.0
    return good


@compiled(nogil=True)
def believed(found: FloatArray, start: FloatArray, whole: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which edges the last fit has found; `whole` are the bands that the first one had."""
    good = np.zeros(start.shape, np.bool_)
    known = np.empty(2 * len(start))
    count = 0
    for i in range(len(start)):
        for k in range(2):
            if whole[i]:
                known[count] = found[i, k, 1]
                count += 1
    usual = median(known[:count])
    for i in range(len(start)):
        most = min(_worst(start[i]), 3.5 * usual)
        for k in range(2):
            u, step = found[i, k, 1], found[i, k, 4]
            good[i, k] = _is_seen(found[i, k]) and u < most and abs(step) < 3.0 * u + 1.0
    return good


@inner
def _worst(edges: FloatArray) -> float:
    """Return the largest u that is believed; none where no edges were seen to begin with."""
    width = float(edges[1] - edges[0])
    return max(_WORST_PX, _WORST_SHARE * width) if width == width else -1.0


@inner
def _is_seen(one: FloatArray) -> bool:
    return bool(one[5] > _LEAST_SEEN and one[3] > _LEAST_CONTRAST)


@compiled(nogil=True)
def carried_on(
    left: FloatArray, right: FloatArray, found: FloatArray, whole: NDArray[np.bool_], keep: bool
) -> FloatArray:
    """Return the smooth sides as one array.

    A side that is carried on past the last band bends away from it: with `keep`, the outermost
    edges stay where they were found if the side strays.
    """
    n = len(left)
    smooth = np.column_stack((left, right))
    if not keep:
        return smooth
    before, total = 0, whole.sum()
    for i in range(n):
        if not whole[i]:
            continue
        before += 1
        if min(before, total - before + 1) <= _OUTER:
            for k in range(2):
                if abs(smooth[i, k] - found[i, k, 0]) > _STRAYED_PX:
                    smooth[i, k] = found[i, k, 0]
    return smooth


@compiled(nogil=True)
def level_sides(edge: FloatArray, s_px: FloatArray, steepest: float) -> NDArray[np.bool_]:
    """Return the bands in which half the width changes less than so much along the axis."""
    n = len(s_px)
    steep, even = np.empty(n), np.empty(n)
    for i in range(n):
        low, high = max(i - 1, 0), min(i + 1, n - 1)
        rise = (edge[high, 1] - edge[high, 0] - edge[low, 1] + edge[low, 0]) / 2
        steep[i] = abs(rise / (s_px[high] - s_px[low]))
    for i in range(n):
        even[i] = (steep[max(i - 1, 0)] + steep[i] + steep[min(i + 1, n - 1)]) / 3
    level, near = np.zeros(n, np.bool_), np.empty(5)
    for i in range(n):
        for j in range(5):
            at = i + j - 2
            at = -at - 1 if at < 0 else at
            near[j] = even[2 * n - 1 - at if at >= n else at]
        level[i] = median(near) < steepest
    return level

"""Where the edges of every band are to some pixels, compiled."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tem_track.compiled import compiled, inner
from tem_track.records import FloatArray
from tem_track.specimen.few import median, median_where, mirrored, on_lines, quantile

__all__ = ["LEVEL", "crossings", "darkness_begins", "jumps_at_tip", "median_beside", "steadied"]

LEVEL = 0.4
"""Share of the darkness at which a body begins: a pale layer belongs to it."""
_JUMP_PX, _JUMP_SHARE = 8.0, 0.1
"""By how much a band may be wider than the body before it is the tip's."""
_HEAD_SHARE, _BODY_SHARES = 0.2, (0.4, 0.8)
"""Share of the length next to the tip that is looked at, and that which tells the usual width."""
_STEADY_PX = 3.0
"""From its neighbours' median, beyond which an edge is replaced by it."""
_BESIDE = 10
"""Columns at either end of a band that tell the light."""


@compiled(nogil=True)
def crossings(bands: FloatArray, t_px: FloatArray, middle_px: float) -> FloatArray:
    """Find both edges of every band from the outside inwards; see `edges.coarse_edges`."""
    n, m = bands.shape
    edges = np.full((n, 2), math.nan)
    reach = 0.12 * (t_px[m - 1] - t_px[0])
    first, last = m, -1
    for j in range(m):
        if abs(t_px[j] - middle_px) < reach:
            first, last = min(first, j), j
    if last < 0:
        return edges
    dark = _darkness(_blurred(bands), t_px)
    plateau = np.empty(n)
    for i in range(n):  # a thin neck fills little of the inner columns
        middle = dark[i, first : last + 1].copy()
        plateau[i] = max(quantile(middle, 0.5), 0.6 * quantile(middle, 0.85))
    most = 1.6 * median(plateau)
    for i in range(n):
        level = max(LEVEL * min(plateau[i], most), 0.04)
        edges[i, 0] = _first_crossing(dark[i], level, t_px)
        edges[i, 1] = _first_crossing(dark[i, ::-1], level, t_px[::-1])
        if edges[i, 1] - edges[i, 0] < 2.0:
            edges[i] = math.nan
    return edges


@inner
def _blurred(bands: FloatArray) -> FloatArray:
    """Return means of five columns and three bands; the outermost stand for those beyond."""
    n, m = bands.shape
    along, out = np.empty((n, m)), np.empty((n, m))
    wide = np.empty(m + 4)
    for i in range(n):
        for j in range(m + 4):
            wide[j] = bands[i, min(max(j - 2, 0), m - 1)]
        for j in range(m):
            along[i, j] = (wide[j] + wide[j + 1] + wide[j + 2] + wide[j + 3] + wide[j + 4]) / 5
    for i in range(n):
        above, below = along[max(i - 1, 0)], along[min(i + 1, n - 1)]
        for j in range(m):
            out[i, j] = (above[j] + along[i, j] + below[j]) / 3
    return out


@inner
def _darkness(bands: FloatArray, t_px: FloatArray) -> FloatArray:
    """Return how much of the light is missing, against the background at both sides."""
    n, m = bands.shape
    out = np.empty((n, m))
    beside = min(2 * max(3, m // 16), m)
    span = t_px[m - 1] - t_px[0]
    for i in range(n):
        left = quantile(bands[i, :beside].copy(), 0.7)
        right = quantile(bands[i, m - beside :].copy(), 0.7)
        for j in range(m):
            weight = (t_px[j] - t_px[0]) / span
            lit = max(left * (1 - weight) + right * weight, 1e-6)
            out[i, j] = 1.0 - bands[i, j] / lit
    return out


@inner
def _first_crossing(dark: FloatArray, level: float, t_px: FloatArray) -> float:
    """Return where a row first stays above its level for three pixels.

    What is dark already at the border is a neighbour, and is passed over.
    """
    passed = False
    for j in range(len(dark) - 2):
        if not dark[j] > level:
            passed = True
        elif passed and dark[j + 1] > level and dark[j + 2] > level:
            rise = dark[j] - dark[j - 1]
            part = (level - dark[j - 1]) / (rise if abs(rise) > 1e-9 else 1.0)
            part = min(max(part, 0.0), 1.0)
            return float(t_px[j - 1] + part * (t_px[j] - t_px[j - 1]))
    return math.nan


@compiled(nogil=True)
def steadied(edges: FloatArray, width: int) -> FloatArray:
    """Fill gaps, and take out bands that jump; see `edges.steady`."""
    n = len(edges)
    out, near = np.full((n, 2), math.nan), np.empty(width)
    for k in range(2):
        seen = np.isfinite(edges[:, k])
        if not seen.any():
            continue
        at, kept = np.flatnonzero(seen).astype(np.float64), edges[:, k][seen]
        filled = np.empty(n)
        for i in range(n):
            filled[i] = on_lines(float(i), at, kept)
        for i in range(n):
            for j in range(width):
                near[j] = filled[mirrored(i + j - width // 2, n)]
            middle = median(near)
            out[i, k] = middle if abs(filled[i] - middle) > _STEADY_PX else filled[i]
    return out


@compiled(nogil=True)
def jumps_at_tip(
    edges: FloatArray, s_px: FloatArray, s_low: float, s_high: float
) -> NDArray[np.bool_]:
    """Return the bands near the tip of which an edge lies far outside the line of those below.

    Where a bow moves both edges to one side, the width stays, and nothing is beside it.
    """
    n = len(s_px)
    jumps, seen, body = np.zeros(n, np.bool_), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    length, width = max(s_high - s_low, 1.0), np.empty(n)
    count = 0
    for i in range(n):
        share = (s_px[i] - s_low) / length
        width[i] = edges[i, 1] - edges[i, 0]
        seen[i] = math.isfinite(edges[i, 0]) and math.isfinite(edges[i, 1])
        body[i] = seen[i] and _BODY_SHARES[0] < share < _BODY_SHARES[1]
        count += body[i]
    if count < 6:
        return jumps
    left, right = _line(edges[:, 0], s_px, body), _line(edges[:, 1], s_px, body)
    margin = _JUMP_PX + _JUMP_SHARE * median_where(width, body)
    for i in range(n):
        if seen[i] and (s_px[i] - s_low) / length > 1.0 - _HEAD_SHARE:
            from_left = left[0] + left[1] * s_px[i]
            from_right = right[0] + right[1] * s_px[i]
            jumps[i] = edges[i, 0] < from_left - margin or edges[i, 1] > from_right + margin
            jumps[i] &= abs(width[i] - (from_right - from_left)) > 0.5 * margin
    return jumps


@inner
def _line(values: FloatArray, s_px: FloatArray, use: NDArray[np.bool_]) -> tuple[float, float]:
    """Return level at zero and slope of the straight line through some of the values."""
    count, centre, mean = 0, 0.0, 0.0
    for i in range(len(values)):
        if use[i]:
            count += 1
            centre += s_px[i]
            mean += values[i]
    centre, mean = centre / count, mean / count
    power = product = 0.0
    for i in range(len(values)):
        if use[i]:
            power += (s_px[i] - centre) ** 2
            product += (s_px[i] - centre) * (values[i] - mean)
    slope = product / power
    return mean - slope * centre, slope


@compiled(nogil=True)
def median_beside(grey: NDArray[np.float32], start: int, stop: int) -> float:
    """Return the median brightness of some rows' outermost ten columns at both sides.

    NaN where nothing was seen.
    """
    width = grey.shape[1]
    seen = np.empty(max(stop - start, 0) * 2 * min(_BESIDE, width))
    count = 0
    for i in range(start, stop):
        for j in range(2 * min(_BESIDE, width)):
            at = j if j < min(_BESIDE, width) else width - 1 - (j - min(_BESIDE, width))
            if math.isfinite(grey[i, at]):
                seen[count] = grey[i, at]
                count += 1
    return median(seen[:count])


@compiled(nogil=True)
def darkness_begins(
    profile: FloatArray,
    without: FloatArray,
    s_px: FloatArray,
    faces: tuple[float, float],
    share: float,
) -> float:
    """Coming from the tip, return where the specimen's darkness reaches a share of its level."""
    n = len(profile)
    inside = np.isfinite(profile) & (s_px > faces[0]) & (s_px < faces[1])
    if not inside.any():
        return faces[1]
    level = median_where(without - profile, inside)
    for i in range(n - 1, -1, -1):
        if inside[i] and without[i] - profile[i] > share * level:
            return float(s_px[i]) + 0.5
    return faces[0]

"""Whether light crosses the specimen from one side to the other along any path.

Two pieces whose ends are slanted overlap in every band across the axis, and yet a slit parts them.
The path is sought whose darkest place is as bright as can be. Contours and fringes only change how
dark a body is; where one crosses a whole rod, it is still far darker than a slit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tem_track.compiled import compiled
from tem_track.records import FloatArray
from tem_track.specimen.edges import Edges
from tem_track.specimen.strip import Strip

__all__ = ["Slit", "find_slit"]

_CELL_PX = 2
"""Pixels that are averaged, in both directions."""
_STEEPEST = 2  # cells that a path may rise from column to column
_LEAST_ROWS, _LEAST_BANDS = 6, 2  # cells to look at, and bands of a body on either side
_WIDE_PX, _NEAR_ROWS = 24.0, 3
"""What is thinner, in the rows crossed or so near to them, may be a neck."""
_SPARSE = 3  # of so many rows one tells the light and the usual darkness
_CLEAR = 5.0  # a body's usual darkness over the noise, from which on ways are told apart
_BRIGHT = 2.0  # how many times the noise a slit's fringes exceed the light: there is no thin neck
_AROUND_PX, _AWAY_PX = 6.0, 26.0  # from the edges, where the light is read
_MEAN_CHORD, _MISSING = 0.85, 0.45  # mean thickness over width, and darkness over the expected
_PARTED, _WHOLE = 0.25, 0.5
"""Darkness on the path over the usual, below which a body is parted, and above which it is not."""


@dataclass(frozen=True, slots=True)
class Slit:
    """The brightest way across a specimen.

    Attributes
    ----------
    s_low_px, s_high_px : float
        Between which places along the axis it crosses the body.
    span_px : (float, float)
        Between which places it was sought.
    parts : bool
        Whether there is no body on it.
    is_shut : bool
        Whether a body is on it wherever it crosses.
    """

    s_low_px: float
    s_high_px: float
    span_px: tuple[float, float]
    parts: bool
    is_shut: bool

    def bars(self, s_low_px: float, s_high_px: float) -> bool:
        """Return whether a body is on every way across that lies in some stretch of the axis."""
        within = self.span_px[0] <= s_low_px and s_high_px <= self.span_px[1]
        return self.is_shut and within


def find_slit(strip: Strip, edges: Edges, mu_per_px: float) -> Slit | None:
    """Return the brightest way across a specimen between its first and its last bands.

    Parameters
    ----------
    strip : Strip
    edges : Edges
        Where the two sides were found.
    mu_per_px : float
        Absorption of the body.

    Returns
    -------
    Slit or None
        None where too little was seen.
    """
    good = edges.good.all(axis=1)
    seen = edges.s_px[good]
    if len(seen) < 2 * _LEAST_BANDS:
        return None
    span = float(seen[_LEAST_BANDS - 1]), float(seen[-_LEAST_BANDS])
    rows = strip.rows(*span)
    n = (rows.stop - rows.start) // _CELL_PX
    m = strip.grey.shape[1] // _CELL_PX
    if n < _LEAST_ROWS or m < _LEAST_ROWS:
        return None
    grey = strip.grey[rows.start : rows.start + n * _CELL_PX, : m * _CELL_PX]
    middle = (_CELL_PX - 1) / 2 + _CELL_PX * np.arange(max(n, m), dtype=np.float64)
    s = strip.grid.s_px[rows.start] + middle[:n]
    sides = [np.interp(s, seen, edges.t_px[good, k]) for k in (0, 1)]
    noise, darkest, usual, on_path, filled = _brightest_way(
        np.ascontiguousarray(grey, dtype=np.float64),
        strip.grid.t_px[0] + middle[:m],
        sides[0],
        sides[1],
    )
    if not (math.isfinite(darkest) and usual > _CLEAR * noise and on_path[1] >= on_path[0]):
        return None
    low, high = (float(s[k]) for k in on_path)
    first, last = max(int(on_path[0]) - _NEAR_ROWS, 0), int(on_path[1]) + _NEAR_ROWS + 1
    width = float(filled[first:last].min())
    expected = 1.0 - math.exp(-_MEAN_CHORD * mu_per_px * width)
    lit = min(_PARTED * usual, _MISSING * expected) if width >= _WIDE_PX else -_BRIGHT * noise
    parts = darkest < lit
    half = _CELL_PX / 2
    shut = bool(darkest > _WHOLE * usual)
    return Slit(low - half, high + half, span, bool(parts), shut)


@compiled(nogil=True)
def _brightest_way(
    grey: FloatArray, t_px: FloatArray, left: FloatArray, right: FloatArray
) -> tuple[float, float, float, NDArray[np.int64], FloatArray]:
    """Find the way from left to right whose darkest place is brightest.

    Parameters
    ----------
    grey : array, shape (2 n, 2 m)
    t_px : array, shape (m,)
        Middles of the cells across the axis.
    left, right : array, shape (n,)
        The specimen's sides. Beyond them all is light, whatever is there.

    Returns
    -------
    noise, darkest, usual : float
        The light's scatter; darkness of the darkest place on the way and the body's median.
    on_path : array of int, shape (2,)
        First and last row where the way is inside the body.
    filled : array, shape (n,)
        How wide a body of the usual darkness would be that darkens a row as much, in pixels.
    """
    n, m = len(left), len(t_px)
    cells, filled, counted = np.empty((n, m)), np.zeros(n), np.zeros(n)
    beside, inside, apart = np.empty(n * m), np.empty(n * m), np.empty(n * m)
    n_beside = n_inside = 0
    for i in range(n):
        for j in range(m):
            value = 0.0
            for a in range(_CELL_PX):
                for b in range(_CELL_PX):
                    value += grey[_CELL_PX * i + a, _CELL_PX * j + b]
            value /= _CELL_PX * _CELL_PX
            out = max(left[i] - t_px[j], t_px[j] - right[i])
            cells[i, j] = value if math.isfinite(value) else -math.inf  # unknown is no way
            if not math.isfinite(value):
                continue
            if i % _SPARSE == 0 and _AROUND_PX < out < _AWAY_PX:
                beside[n_beside] = value
                apart[n_beside] = abs(value - cells[i, j - 1]) if j > 0 else math.inf
                n_beside += 1
            elif i % _SPARSE == 0 and out < -_AROUND_PX:
                inside[n_inside] = value
                n_inside += 1
            if out < _AWAY_PX:
                filled[i] += value
                counted[i] += 1
    on_path = np.array([n, -1])
    if n_beside == 0 or n_inside == 0:
        return math.nan, math.nan, math.nan, on_path, filled
    light = np.median(beside[:n_beside])
    noise = 1.05 * np.median(apart[:n_beside]) / light  # of a normal difference of two
    for i in range(n):
        for j in range(m):
            if max(left[i] - t_px[j], t_px[j] - right[i]) > 0.0:
                cells[i, j] = math.inf
    usual = 1.0 - np.median(inside[:n_inside]) / light
    filled = _CELL_PX * (counted - filled / light) / max(usual, 0.01)
    best, following = cells[:, 0].copy(), np.empty(n)
    came = np.empty((n, m), np.int16)
    for j in range(1, m):
        for i in range(n):
            at, most = i, best[i]
            for step in range(1, _STEEPEST + 1):
                if i >= step and best[i - step] > most:
                    at, most = i - step, best[i - step]
                if i + step < n and best[i + step] > most:
                    at, most = i + step, best[i + step]
            came[i, j] = at
            following[i] = min(most, cells[i, j])
        best[:] = following
    at = int(np.argmax(best))
    darkest = 1.0 - best[at] / light
    for j in range(m - 1, -1, -1):
        if math.isfinite(cells[at, j]):
            on_path[0], on_path[1] = min(on_path[0], at), max(on_path[1], at)
        at = came[at, j] if j > 0 else at
    return noise, darkest, usual, on_path, filled

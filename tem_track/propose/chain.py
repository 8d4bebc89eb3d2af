"""The chain of tip, specimen and base in one reduced picture.

A path is laid from one border of the picture to the opposite one, through as little vacuum as can
be, and cut where darkness and width change: tip, specimen, base.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.propose.glance import Picture
from tem_track.records import FloatArray

__all__ = ["CLEAR", "Chain", "find_chain", "lay_path"]

CLEAR = 0.82
"""Transmission above which a pixel counts as vacuum."""

SHORTEST = 0.04
"""Shortest length of tip, specimen or base, over the picture's."""

WIRE = 0.025
"""Width of matter, over the picture's, that is a wire or a speck and counts as vacuum."""

NOISE = 0.06
"""Scatter of darkness and of the width's logarithm within one part."""

Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Chain:
    """Two thick ends and what is between them, in a picture that is turned upright.

    Attributes
    ----------
    path : FloatArray, shape (rows,)
        Column of the path in each row.
    left, right : FloatArray, shape (rows,)
        Run of matter around the path in each row; NaN in vacuum.
    upper, top, bottom, lower : int
        Last row of the upper end, first and last row of the specimen, first row of the lower end.
    levels : (float, float, float)
        Transmissions of upper end, specimen and lower end.
    contrast : float
        How far the specimen differs from both ends, in darkness or in width: 0 not at all.
    gap_px : int
        Rows of vacuum that the path has to cross.
    """

    path: FloatArray
    left: FloatArray
    right: FloatArray
    upper: int
    top: int
    bottom: int
    lower: int
    levels: tuple[float, float, float]
    contrast: float
    gap_px: int

    @property
    def length_px(self) -> int:
        """Rows from end to end of the specimen's room, gaps included."""
        return self.lower - self.upper - 1

    @property
    def loose_ends(self) -> int:
        """How many of the two ends do not reach the picture's border."""
        return int(np.count_nonzero(np.isnan(self.left[[0, -1]])))

    @property
    def trunk(self) -> slice:
        """Rows of the specimen without those next to the ends, where their shoulders begin."""
        cut = (self.bottom - self.top + 1) // 10
        return slice(self.top + cut, self.bottom + 1 - cut)

    @property
    def widest_px(self) -> float:
        """Largest usual width of the specimen; NaN where its trunk is not seen."""
        widths = (self.right - self.left + 1)[self.trunk]
        return float(np.nanpercentile(widths, 95)) if np.isfinite(widths).any() else math.nan

    def width_px(self, row: int) -> float:
        """Width of the matter in a row."""
        return float(self.right[row] - self.left[row] + 1)


def find_chain(turned: Picture, length: float | None = None) -> Chain | None:
    """Return the chain along the rows of a picture, if there is one.

    `length` is the specimen's, in pixels, where other frames have told it.
    """
    path = lay_path(turned)
    left, right = _runs(turned, path)
    thin = right - left + 1 < WIRE * turned.shape[1]
    left[thin] = right[thin] = np.nan
    inside = ~np.isnan(left)
    level = _along(turned, path)
    if inside.mean() < 0.3:
        return None
    width = np.where(inside, right - left + 1, np.nan)
    cut = _cut(level, np.log(width), inside, length)
    if cut is None:
        return None
    return _described(path, left, right, level, inside, cut)


def lay_path(clear: Picture) -> Rows:
    """Return for each row the column of the path from the first to the last row.

    Vacuum costs most; within matter the middle is cheapest; neighbouring rows are at most one
    column apart.
    """
    matter = (clear < CLEAR).astype(np.uint8)
    depth = cv2.distanceTransform(matter, cv2.DIST_L2, 3)
    cost = np.where(matter > 0, 0.6 / (1.0 + depth), 1.5)
    total = cost.copy()
    back = np.zeros(cost.shape, dtype=np.int8)
    for row in range(1, cost.shape[0]):
        above = np.pad(total[row - 1], 1, constant_values=np.inf)
        choices = np.stack([above[1:-1], above[:-2] + 0.15, above[2:] + 0.15])
        step = np.argmin(choices, axis=0)
        total[row] += np.take_along_axis(choices, step[None], 0)[0]
        back[row] = np.array([0, -1, 1], dtype=np.int8)[step]
    path = np.empty(cost.shape[0], dtype=np.intp)
    path[-1] = int(np.argmin(total[-1]))
    for row in range(cost.shape[0] - 1, 0, -1):
        path[row - 1] = path[row] + back[row, path[row]]
    return path


def _runs(clear: Picture, path: Rows) -> tuple[FloatArray, FloatArray]:
    """Return the first and last column of the matter around the path in each row."""
    left, right = np.full((2, path.size), np.nan)
    for row, column in enumerate(path):
        empty = np.flatnonzero(clear[row] >= CLEAR)
        if clear[row, column] >= CLEAR:
            continue
        at = np.searchsorted(empty, column)
        left[row] = empty[at - 1] + 1 if at else 0
        right[row] = empty[at] - 1 if at < empty.size else clear.shape[1] - 1
    return left, right


def _along(clear: Picture, path: Rows) -> FloatArray:
    """Return the transmission along the path, averaged over a few columns."""
    reach = 4
    columns = np.clip(path[:, None] + np.arange(-reach, reach + 1), 0, clear.shape[1] - 1)
    return np.asarray(np.median(np.take_along_axis(clear, columns, 1), axis=1), dtype=np.float64)


# --------------------------------------------------------------------------- where to cut


def _cut(
    level: FloatArray, width: FloatArray, inside: NDArray[np.bool_], length: float | None
) -> tuple[int, int] | None:
    """Return the rows [a, b) of the specimen that leave the least scatter in the three parts."""
    rows = np.flatnonzero(inside)
    first, last = int(rows[0]), int(rows[-1]) + 1
    shortest = max(3, round(SHORTEST * level.size))
    whole = inside & np.roll(inside, 2) & np.roll(inside, -2)  # faces are ragged
    misfit = sum(
        (_misfits(series / NOISE, whole) for series in (level, width)),
        start=np.zeros((level.size + 1, level.size + 1)),
    )
    misfit += 40.0 * _holes(inside)
    a = np.arange(first + shortest, last)
    b = np.arange(first + shortest, last - shortest + 1)
    total = misfit[first, a][:, None] + misfit[np.ix_(a, b)] + misfit[b, last][None, :]
    total[b[None, :] - a[:, None] < shortest] = np.inf
    if length is not None:
        matter = np.concatenate([[0], np.cumsum(inside)])
        off = (matter[b][None, :] - matter[a][:, None]) / length - 1
        total += 40.0 * (off / 0.12) ** 2
    if not np.isfinite(total).any():
        return None
    i, j = np.unravel_index(int(np.argmin(total)), total.shape)
    return int(a[i]), int(b[j])


def _misfits(series: FloatArray, inside: NDArray[np.bool_]) -> FloatArray:
    """Return the misfit of a parabola to every run of rows [i, j), as a matrix (n + 1, n + 1)."""
    n = series.size
    y = np.where(inside, series, 0.0)
    w = inside.astype(float)
    x = np.linspace(-1, 1, n)
    powers = [np.concatenate([[0.0], np.cumsum(w * x**k)]) for k in range(5)]
    loads = [np.concatenate([[0.0], np.cumsum(w * y * x**k)]) for k in range(3)]
    square = np.concatenate([[0.0], np.cumsum(w * y * y)])
    i, j = np.triu_indices(n + 1, 3)
    p = [q[j] - q[i] for q in powers]
    m = np.stack([np.stack([p[r + c] for c in range(3)], -1) for r in range(3)], -2)
    v = np.stack([q[j] - q[i] for q in loads], -1)
    m[:, [0, 1, 2], [0, 1, 2]] += 1e-9
    fit = np.linalg.solve(m, v[..., None])[..., 0]
    out = np.zeros((n + 1, n + 1))
    out[i, j] = np.maximum(square[j] - square[i] - (fit * v).sum(-1), 0)
    return out


def _holes(inside: NDArray[np.bool_]) -> FloatArray:
    """Return how many rows of vacuum lie within the matter of every run of rows [i, j)."""
    n = inside.size
    empty = np.concatenate([[0], np.cumsum(~inside)])
    index = np.arange(n)
    after = np.minimum.accumulate(np.where(inside, index, n)[::-1])[::-1]
    before = np.maximum.accumulate(np.where(inside, index, -1))
    first = np.append(after, n)[:, None]
    last = np.concatenate([[-1], before])[None, :]
    holes = empty[np.clip(last + 1, 0, n)] - empty[np.clip(first, 0, n)]
    return np.where(last > first, holes, 0).astype(np.float64)


def _described(
    path: Rows,
    left: FloatArray,
    right: FloatArray,
    level: FloatArray,
    inside: NDArray[np.bool_],
    cut: tuple[int, int],
) -> Chain:
    a, b = cut
    rows = np.flatnonzero(inside)
    upper, lower = int(rows[rows < a][-1]), int(rows[rows >= b][0])
    body = rows[(rows >= a) & (rows < b)]
    top, bottom = int(body[0]), int(body[-1])
    levels = tuple(
        float(np.median(level[part])) for part in (rows[rows < a], body, rows[rows >= b])
    )
    near = max(4, (bottom - top) // 4)
    width = right - left + 1
    narrow = float(np.nanmedian(width[body]))
    apart = []
    for end, end_level in (
        (slice(max(upper - near, 0), upper + 1), levels[0]),
        (slice(lower, lower + near), levels[2]),
    ):
        wider = float(np.log(np.nanmedian(width[end]) / narrow))
        apart.append(max((levels[1] - end_level) / 0.3, 0.0) + max(wider, 0.0))
    contrast = math.sqrt(apart[0] * apart[1])
    return Chain(
        path.astype(np.float64), left, right, upper, top, bottom, lower,
        (levels[0], levels[1], levels[2]), contrast, int(np.count_nonzero(~inside)),
    )  # fmt: skip

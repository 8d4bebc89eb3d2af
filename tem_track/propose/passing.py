"""The part of the bar that nothing else passes while the movie runs."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.propose.bar import BarCandidate
from tem_track.propose.glance import Picture
from tem_track.propose.turning import Edges
from tem_track.records import FloatArray

__all__ = ["never_passed"]

OTHER = 0.25
"""Change of transmission from which a pixel beside the bar shows something else."""

FEW = 0.04
"""Share of the frames in which something else may be there, and no harm is done."""

LOOSE_PX = 2
"""How well the pictures are laid over each other, in reduced pixels."""

AROUND_PX = 6
"""How far around the box it is looked for what passes, in reduced pixels."""

MINOR = 0.25
"""Share of the box's sharpness along the axis that may be passed: the tracker leaves it out by
itself as long as the rest outvotes it."""

SHORTEST_PX = 10
"""Sides of a part that is worth following, in reduced pixels."""

LEAST = 0.1
"""Share of the box's sharpness along the axis that the part must hold."""


def never_passed(
    clear: Picture, bar: BarCandidate, edges: Edges, along: tuple[float, float]
) -> Edges | None:
    """Return the part of a box that nothing passes; None where the whole will do, or none will.

    A base or tip beside the bar is as dark as the bar, and takes its edge along when it moves.

    Parameters
    ----------
    clear : Picture, shape (n, rows, columns)
    bar : BarCandidate
    edges : (float, float, float, float)
        The box x0, y0, x1, y1 around the whole bar, open ends, in reduced pixels.
    along : (float, float)
        Direction (x, y) of the loading axis: across it the part needs edges.
    """
    rows, columns = clear.shape[1:]
    x0, y0 = (max(int(np.floor(v)), 0) for v in edges[:2])
    x1, y1 = min(int(np.ceil(edges[2])), columns), min(int(np.ceil(edges[3])), rows)
    still = _still(clear, bar)
    usual = np.median(still, axis=0)
    left, top = max(x0 - AROUND_PX, 0), max(y0 - AROUND_PX, 0)
    near = (slice(top, y1 + AROUND_PX), slice(left, x1 + AROUND_PX))
    passed = _passed(still[:, *near], usual[near])[y0 - top :, x0 - left :][: y1 - y0, : x1 - x0]
    sharp = _sharpness(usual[y0:y1, x0:x1], along)
    whole = float(sharp.sum())
    if float(sharp[passed].sum()) <= MINOR * whole:
        return None
    beside = cv2.dilate(passed.astype(np.uint8), np.ones((3, 3), dtype=np.uint8)) > 0
    sharp[beside] = 0.0  # half an edge tells nothing
    part = _sharpest(passed, sharp, LEAST * whole)
    if part is None:
        return None
    x, y, right, bottom = part
    # what the part shares with the whole box keeps the box's own edge, to a fraction of a pixel
    return (
        edges[0] if x == 0 else float(x0 + x),
        edges[1] if y == 0 else float(y0 + y),
        edges[2] if right == x1 - x0 else float(x0 + right),
        edges[3] if bottom == y1 - y0 else float(y0 + bottom),
    )


def _still(clear: Picture, bar: BarCandidate) -> Picture:
    """Return the pictures with the bar where it is in the first."""
    out = []
    for picture, (dx, dy) in zip(clear, np.nan_to_num(bar.track.moved), strict=True):
        matrix = np.array([[1.0, 0.0, -dx], [0.0, 1.0, -dy]])
        size = (picture.shape[1], picture.shape[0])
        out.append(cv2.warpAffine(picture, matrix, size, borderMode=cv2.BORDER_REPLICATE))
    return np.stack(out).astype(np.float32)


def _passed(still: Picture, usual: Picture) -> NDArray[np.bool_]:
    """Return the pixels at which something else is seen in more than a few frames."""
    kernel = np.ones((2 * LOOSE_PX + 1, 2 * LOOSE_PX + 1), dtype=np.uint8)
    darkest, clearest = cv2.erode(usual, kernel), cv2.dilate(usual, kernel)
    other = (still < darkest - OTHER) | (still > clearest + OTHER)
    often = (other.mean(axis=0) > FEW).astype(np.uint8)
    return np.asarray(cv2.dilate(often, kernel) > 0)


def _sharpness(picture: Picture, along: tuple[float, float]) -> FloatArray:
    """Return the square of the slope along the axis."""
    dy, dx = np.gradient(picture.astype(np.float64))
    return np.asarray((dx * along[0] + dy * along[1]) ** 2, dtype=np.float64)


def _sharpest(
    passed: NDArray[np.bool_], sharp: FloatArray, least: float
) -> tuple[int, int, int, int] | None:
    """Return the rectangle without passed pixels that holds most sharpness; None where little."""
    rows, columns = passed.shape
    cost, worth = _summed(passed.astype(np.float64)), _summed(sharp)
    best, found = least, None
    for top in range(rows - SHORTEST_PX + 1):
        for bottom in range(top + SHORTEST_PX, rows + 1):
            bad, good = (table[bottom] - table[top] for table in (cost, worth))
            bads = bad[None, :] - bad[:, None]  # from a left to a right edge
            goods = np.where(bads <= 0, good[None, :] - good[:, None], -1.0)
            goods[np.tril_indices(columns + 1, SHORTEST_PX - 1)] = -1.0
            left, right = np.unravel_index(int(np.argmax(goods)), goods.shape)
            if goods[left, right] > best:
                best, found = float(goods[left, right]), (int(left), top, int(right), bottom)
    return found


def _summed(values: FloatArray) -> FloatArray:
    """Return sums over all pixels above and to the left, shape (rows + 1, columns + 1)."""
    out: FloatArray = np.pad(values, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    return out

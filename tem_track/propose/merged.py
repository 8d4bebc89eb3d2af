"""A bar that the tip or the base lies over: where they are as black, only its still edges tell."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.propose.bar import Mask
from tem_track.propose.glance import Picture
from tem_track.records import FloatArray

__all__ = ["still_corner"]

DARK, CLEAR = 0.45, 0.6
"""Transmissions of the inside, at most, and of what is beside it, at least."""

BESIDE_PX = 4.0
"""How far from an edge, on both sides, it is looked for what is dark and what is clear: as far may
the camera wander, in reduced pixels."""

ALWAYS = 0.9
"""Share of the frames in which an edge that stands still is where it is."""

ACROSS = 0.7
"""Cosine, at least, between an edge's normal and the axis where it tells the way along it."""

SHORTEST_PX = 10
"""Edges across the axis that are worth following, in reduced pixels."""

FULL = 0.8
"""Share of a row that is dark, as far as the bar goes."""

AT_BORDER_PX = 6
"""Distance from the border, in reduced pixels, within which an edge ends there."""


def still_corner(clear: Picture, along: tuple[float, float]) -> Mask | None:
    """Return the part of the picture between its border and dark edges that stand still.

    Parameters
    ----------
    clear : Picture, shape (n, rows, columns)
    along : (float, float)
        Direction (x, y) of the loading axis: edges across it are sought, with what adjoins them.

    Returns
    -------
    Mask or None
        Dark pixels of the rectangle between the edges and the border.
    """
    usual = cv2.GaussianBlur(np.median(clear, axis=0), (0, 0), 1.0).astype(np.float32)
    ys, xs, normals = _rim(usual)
    kept = _still(clear, ys, xs, normals) & (np.abs(normals @ np.array(along)) > ACROSS)
    ys, xs, normals = ys[kept], xs[kept], normals[kept]
    dark = (usual < DARK) & (clear[0] < DARK)  # what comes to touch it is apart in the beginning
    best: tuple[int, Mask] | None = None
    for own in _pieces(usual.shape, ys, xs):
        length = int(own.sum())
        if length < SHORTEST_PX or (best is not None and length <= best[0]):
            continue
        corner = _behind(dark, ys[own], xs[own], normals[own].mean(axis=0))
        if corner is not None:
            best = (length, corner)
    return None if best is None else best[1]


def _rim(usual: Picture) -> tuple[NDArray[np.intp], NDArray[np.intp], FloatArray]:
    """Return the dark pixels beside clearer ones, with the direction (x, y) out of the dark."""
    dark = (usual < DARK).astype(np.uint8)
    inner = cv2.erode(dark, np.ones((3, 3), np.uint8), borderValue=1)
    ys, xs = np.nonzero((dark > 0) & (inner == 0))
    gy, gx = np.gradient(cv2.GaussianBlur(usual, (0, 0), 1.5))
    out = np.stack([gx[ys, xs], gy[ys, xs]], axis=1).astype(np.float64)
    return ys, xs, out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6)


def _still(
    clear: Picture, ys: NDArray[np.intp], xs: NDArray[np.intp], normals: FloatArray
) -> NDArray[np.bool_]:
    """Return which edges have dark on their one side and vacuum on the other in all frames."""
    inside = _values(clear, ys, xs, -BESIDE_PX * normals)
    outside = _values(clear, ys, xs, BESIDE_PX * normals)
    kept: NDArray[np.bool_] = ((inside < DARK) & (outside > CLEAR)).mean(axis=0) >= ALWAYS
    return kept


def _values(
    clear: Picture, ys: NDArray[np.intp], xs: NDArray[np.intp], steps: FloatArray
) -> Picture:
    """Return transmissions beside pixels, shape (n, pixels); beyond the border those at it."""
    rows, columns = clear.shape[1:]
    y = np.clip(np.rint(ys + steps[:, 1]), 0, rows - 1).astype(int)
    x = np.clip(np.rint(xs + steps[:, 0]), 0, columns - 1).astype(int)
    return np.asarray(clear[:, y, x])


def _pieces(
    shape: tuple[int, ...], ys: NDArray[np.intp], xs: NDArray[np.intp]
) -> list[NDArray[np.bool_]]:
    """Return the edges that hang together, each as a choice among all."""
    drawn = np.zeros(shape, dtype=np.uint8)
    drawn[ys, xs] = 1
    count, labels = cv2.connectedComponents(cv2.dilate(drawn, np.ones((3, 3), np.uint8)))
    own = labels[ys, xs]
    return [own == i for i in range(1, count)]


def _behind(dark: Mask, ys: NDArray[np.intp], xs: NDArray[np.intp], out: FloatArray) -> Mask | None:
    """Return what is dark behind an edge; None where neither reaches the picture's border."""
    x0, x1, y0, y1 = int(xs.min()), int(xs.max()) + 1, int(ys.min()), int(ys.max()) + 1
    rows, columns = dark.shape
    if abs(out[1]) >= abs(out[0]):
        x0, x1 = _to_border(x0, x1, columns)
        deep = _depth(dark[:, x0:x1].mean(axis=1), y0 if out[1] > 0 else y1 - 1, out[1])
        y0, y1 = (y0 - deep, y1) if out[1] > 0 else (y0, y1 + deep)
    else:
        y0, y1 = _to_border(y0, y1, rows)
        deep = _depth(dark[y0:y1].mean(axis=0), x0 if out[0] > 0 else x1 - 1, out[0])
        x0, x1 = (x0 - deep, x1) if out[0] > 0 else (x0, x1 + deep)
    if not (x0 == 0 or y0 == 0 or x1 == columns or y1 == rows):
        return None
    mask = np.zeros(dark.shape, dtype=bool)
    mask[y0:y1, x0:x1] = dark[y0:y1, x0:x1]
    return mask


def _to_border(first: int, last: int, size: int) -> tuple[int, int]:
    """Return an edge's ends, at the border where they are close to it."""
    return 0 if first <= AT_BORDER_PX else first, size if last >= size - AT_BORDER_PX else last


def _depth(share: FloatArray, at: int, out: float) -> int:
    """Return how many rows behind one are dark, against the direction out of the dark."""
    behind = share[:at][::-1] if out > 0 else share[at + 1 :]
    light = np.flatnonzero(behind < FULL)
    return int(light[0]) if light.size else behind.size

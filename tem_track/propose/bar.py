"""The beam-blocking bar: dark, at the picture's border, and the same in every frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.propose.glance import Picture
from tem_track.propose.motion import Track, follow

__all__ = ["BarCandidate", "bar_candidates", "without"]

Mask = NDArray[np.bool_]

DARK = (0.45, 0.10)
"""Transmissions below which the bar is looked for: apart from all else, or where it touches the
base, apart by its blackness."""

LARGEST, SMALLEST = 0.25, 0.001
"""Area of a bar, over the picture's."""

MOST = 4
REACH_PX = 16
"""How far the camera may wander, in reduced pixels."""

ALWAYS = 0.9
"""Share of the frames in which a pixel of the bar is dark."""


@dataclass(frozen=True, eq=False)
class BarCandidate:
    """Something dark at the border that may be the bar.

    Attributes
    ----------
    mask : Mask
        Its pixels in the first frame, reduced.
    bounds : (int, int, int, int)
        x0, y0, x1, y1, open ends.
    quality : float
        0 to 1: how much it stays the same while the movie runs, dark, apart from other matter.
    track : Track
        Its motion, in reduced pixels: the camera's.
    """

    mask: Mask
    bounds: tuple[int, int, int, int]
    quality: float
    track: Track


def bar_candidates(clear: Picture) -> list[BarCandidate]:
    """Return what may be the bar in a stack of reduced pictures, best first."""
    found: list[BarCandidate] = []
    for level in DARK:
        share = (clear < level).mean(axis=0)
        for mask in _at_border(share >= ALWAYS):
            part = _in_first(clear[0] < level, mask)
            if not any(_alike(part, other.mask) for other in found):
                found.append(_judged(clear, part))
    found = [one for one in found if one.quality > 0.02]
    return sorted(found, key=lambda one: -one.quality)[:MOST]


def _alike(one: Mask, other: Mask) -> bool:
    """Whether two parts are the same one, seen at two levels."""
    return int((one & other).sum()) > 0.7 * int((one | other).sum())


def _at_border(mask: Mask) -> list[Mask]:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=4
    )
    rows, columns = mask.shape
    parts = []
    for i in range(1, count):
        x, y, w, h, area = stats[i]
        touches = x == 0 or y == 0 or x + w == columns or y + h == rows
        if touches and SMALLEST < area / mask.size < LARGEST:
            parts.append(labels == i)
    return parts


def _in_first(dark: Mask, always: Mask) -> Mask:
    """Return the part as it is in the first frame, where that is not part of something larger."""
    _, labels = cv2.connectedComponents(dark.astype(np.uint8), connectivity=4)
    inside = labels[always & dark]
    if inside.size == 0:
        return always
    whole: Mask = labels == np.bincount(inside).argmax()
    return whole if whole.sum() < 1.5 * always.sum() else always


def _judged(clear: Picture, mask: Mask) -> BarCandidate:
    bounds = bounds_of(mask)
    margin = 4
    x0, y0, x1, y1 = bounds
    rows, columns = mask.shape
    box = (
        max(x0 - margin, 0),
        max(y0 - margin, 0),
        min(x1 + margin, columns),
        min(y1 + margin, rows),
    )
    track = follow(clear, box, reach=(REACH_PX, REACH_PX))
    same = float(np.median(track.score))  # the base may come close in many frames
    apart = _apart(clear, mask)
    black = float(np.clip(1 - np.median(clear[:, mask]) / 0.4, 0, 1))
    still = float(np.clip((same - 0.6) / 0.3, 0, 1))
    quality = still * apart * (0.4 + 0.6 * black)
    return BarCandidate(mask, bounds, quality, track)


def bounds_of(mask: Mask) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1 (open ends) of the pixels that are set."""
    ys, xs = np.nonzero(mask)
    return (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)


def _apart(clear: Picture, mask: Mask) -> float:
    """Return the share of the rim, just outside, that is usually clearer than the inside."""
    kernel = np.ones((3, 3), dtype=np.uint8)
    near = cv2.dilate(mask.astype(np.uint8), kernel, iterations=3)
    far = cv2.dilate(mask.astype(np.uint8), kernel, iterations=5)
    ring = (far > 0) & (near == 0)
    if not ring.any():
        return 0.0
    inside = float(np.median(clear[:, mask]))
    clearer: NDArray[np.float64] = (clear[:, ring] > inside + 0.3).mean(axis=0)
    return float((clearer > 0.5).mean())


def without(clear: Picture, candidate: BarCandidate | None) -> Picture:
    """Return the pictures with vacuum in the bar's place, wherever the camera has put it."""
    if candidate is None:
        return clear
    moved = np.nanmax(np.abs(candidate.track.moved), axis=0)
    wide = 2 * (int(np.ceil(np.nan_to_num(moved, nan=0.0).max())) + 3) + 1
    mask = cv2.dilate(candidate.mask.astype(np.uint8), np.ones((wide, wide), np.uint8)) > 0
    out = clear.copy()
    out[:, mask] = 1.0
    return out

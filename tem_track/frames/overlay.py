"""Find what a recording program has drawn into every frame: a scale bar, a label.

Camera noise moves every pixel of a picture sooner or later; what is drawn in afterwards stays as
it is, but for what a lossy codec does to it. So a pixel is still where its grey values span a
small part of what they span elsewhere. A movie without noise has no such evidence. A saturated
border or a black mask is still as well; it is told from a drawing by what is in it: a drawing has
contrast, or is a bar or the strokes of letters and does not run off the picture.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import Box, Image

__all__ = ["Extremes", "find_overlay"]

_LEAST_PX = 12
_MOST_STILL = 0.5
"""Pixels of the smallest caption, and the largest part of the picture that may stand still."""
_STILL = 0.25
"""Still pixels span at most this part of what the picture's pixels span in the median."""
_CONTRAST = 0.15
"""Letters and their ground differ by at least this part of the grey values used."""
_FULL = 0.8
_FEWEST_LETTERS = 3
"""What is drawn is a filled plate (part of its box that is still) or a row of letters (pieces)."""


class Extremes:
    """The lowest and the highest grey value of every pixel."""

    def __init__(self) -> None:
        self.lowest: Image | None = None
        self.highest: Image | None = None
        self.frames = 0

    def add(self, image: Image) -> None:
        """Take one picture into account."""
        self.frames += 1
        if self.lowest is None or self.highest is None:
            self.lowest, self.highest = image.copy(), image.copy()
            return
        np.minimum(self.lowest, image, out=self.lowest)
        np.maximum(self.highest, image, out=self.highest)


def find_overlay(extremes: Extremes) -> Box | None:
    """Return the box of the largest overlay that stays still over all frames; None without one."""
    if extremes.lowest is None or extremes.highest is None or extremes.frames < 3:
        return None
    lowest = extremes.lowest.astype(np.float32)
    span = extremes.highest.astype(np.float32) - lowest
    usual = float(np.median(span))
    still = span <= _STILL * usual
    if usual <= 0 or not _LEAST_PX <= still.sum() <= _MOST_STILL * still.size:
        return None
    grey = lowest + span / 2
    used = float(extremes.highest.max()) - float(lowest.min())
    boxes = [box for box in _groups(still) if _is_drawn(box, still, grey, used)]
    return max(boxes, key=lambda box: box.width_px * box.height_px, default=None)


def _groups(still: NDArray[np.bool_]) -> list[Box]:
    """Return the boxes of the groups of still pixels, gaps of a letter's width closed."""
    core = cv2.morphologyEx(still.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    joined = cv2.morphologyEx(core, cv2.MORPH_CLOSE, np.ones((9, 17), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    return [
        Box(x, y, width, height)
        for x, y, width, height, area in stats[1:].tolist()
        if area >= _LEAST_PX
    ]


def _is_drawn(box: Box, still: NDArray[np.bool_], grey: NDArray[Any], used: float) -> bool:
    """Return whether a group of still pixels looks drawn, not merely saturated or masked."""
    rows, columns = _slices(box)
    inside, values = still[rows, columns], grey[rows, columns]
    low, high = np.percentile(values[inside], (3, 97))
    if high - low >= _CONTRAST * used:
        return True
    if _runs_off(box, still.shape):
        return False
    around = _slices(_wider(box))
    ground = grey[around][~still[around]]
    if not ground.size or abs(np.median(ground) - (low + high) / 2) < _CONTRAST * used:
        return False  # dark and quiet here and there, as thick material is
    letters = cv2.connectedComponents(inside.astype(np.uint8))[0] - 1
    return bool(inside.mean() >= _FULL or letters >= _FEWEST_LETTERS)


def _wider(box: Box) -> Box:
    x, y, width, height = box.as_tuple()
    return Box(x - 1, y - 1, width + 2, height + 2)


def _runs_off(box: Box, shape: tuple[int, ...]) -> bool:
    x, y, width, height = box.as_tuple()
    return x <= 0 or y <= 0 or x + width >= shape[1] or y + height >= shape[0]


def _slices(box: Box) -> tuple[slice, slice]:
    x, y, w, h = (int(v) for v in box.as_tuple())
    return slice(y, y + h), slice(x, x + w)

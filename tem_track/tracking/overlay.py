"""Pixels that belong to no object: a burnt-in label, a black rim of a registered movie.

They stand still in the frame and hardly vary, yet are as sharp as nothing behind a real lens.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import Image

__all__ = ["Still"]

FEWEST = 5
"""Frames from which on what stands still is known."""
REACH_PX = 3
"""Pixels around ink that are left out as well: a codec's ripple."""
INK = 0.15
"""How far the ink may be from the brightest grey, over the range."""
AT_END, STILL, JUMP = 0.02, 0.2, 0.25
"""What is drawn is at an end of the range of grey, to this part of it; varies by so much of what
the box usually varies by; and differs from a neighbour by so much of the range."""
SHARP_RIM = 0.3
"""Part of such a figure's rim that is as sharp."""
STROKE_PX = 5
STEP = 0.45
"""How much darker the ground beside a stroke is, over the range."""
SHARP_PART = 0.8
"""Part of a written figure's rim that is as sharp."""
FIGURE_PX = 24
"""Largest side of a figure that the box cuts through; what is larger may be vacuum."""
MOST_PART = 0.06
"""Area of one figure, over the box's, at most."""


@dataclass(slots=True)
class Still:
    """The least and the largest grey value of every pixel of a place in the frame."""

    x: int
    y: int
    least: Image
    most: Image
    n_frames: int = 0

    @classmethod
    def begin(cls, image: Image, x: int, y: int, shape: tuple[int, int]) -> Still:
        """Begin at a box whose top-left pixel and shape (h, w) are given."""
        part = image[y : y + shape[0], x : x + shape[1]]
        return cls(x, y, part.copy(), part.copy(), 1)

    def add(self, image: Image) -> None:
        """Take in a further frame."""
        h, w = self.least.shape
        part = image[self.y : self.y + h, self.x : self.x + w]
        if part.shape == self.least.shape:
            np.minimum(self.least, part, out=self.least)
            np.maximum(self.most, part, out=self.most)
            self.n_frames += 1

    def mask(self) -> NDArray[np.bool_]:
        """Return the pixels of overlays, with what lies within a few pixels of them."""
        least, most = self.least.astype(float), self.most.astype(float)
        spread = most - least
        usual = float(np.median(spread))
        grey = (most + least) / 2
        low, high = float(least.min()), float(most.max())
        if self.n_frames < FEWEST or usual <= 0 or high <= low:
            return np.zeros(grey.shape, bool)
        near = AT_END * (high - low)
        end = (grey <= low + near) | (grey >= high - near)
        still = (spread <= STILL * usual) & end
        jump = cv2.dilate(grey, np.ones((3, 3))) - cv2.erode(grey, np.ones((3, 3)))
        sharp = still & (jump > JUMP * (high - low))
        return _parts_with(still, sharp) | _written(most, low, high)


def _parts_with(still: NDArray[np.bool_], sharp: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the connected parts of `still` of which a good part is sharp, widened."""
    count, labels = cv2.connectedComponents(still.astype(np.uint8))
    sizes = np.bincount(labels.ravel(), minlength=count)
    hits = np.bincount(labels[sharp], minlength=count)
    rim = np.bincount(labels[still & ~_inner(still)], minlength=count)
    chosen = (hits > SHARP_RIM * rim) & (sizes > 3)
    chosen[0] = False
    size = 2 * REACH_PX + 1
    wide = cv2.dilate(chosen[labels].astype(np.uint8), np.ones((size, size)))
    return np.asarray(wide > 0)


def _written(most: NDArray[np.floating], low: float, high: float) -> NDArray[np.bool_]:
    """Return bright strokes on dark ground, whether their figures change or a codec blurs them.

    `most` is the largest grey that a pixel ever has: what moves is smeared in it, and a lens makes
    no bright thing so small and so sharp. Where vacuum is as bright as the ink, what the box cuts
    through may be vacuum, and is left alone.
    """
    bright = most >= high - INK * (high - low)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bright.astype(np.uint8))
    ground = cv2.erode(most, np.ones((STROKE_PX, STROKE_PX)))
    rim = bright & ~_inner(bright)
    sharp = rim & (most - ground > STEP * (high - low))
    size, of_rim, of_sharp = (
        np.bincount(labels[part], minlength=count) for part in (bright, rim, sharp)
    )
    chosen = (of_sharp > SHARP_PART * of_rim) & (size > 3)
    x, y, w, h, _ = stats.T
    cut = (x == 0) | (y == 0) | (x + w == most.shape[1]) | (y + h == most.shape[0])
    figure = np.maximum(w, h) <= FIGURE_PX
    chosen &= (~cut & (size < MOST_PART * most.size)) | (cut & figure)
    chosen[0] = False
    if size[chosen].sum() < 0.5 * size[1:].sum():
        chosen &= ~cut
    reach = 2 * REACH_PX + 1
    return np.asarray(cv2.dilate(chosen[labels].astype(np.uint8), np.ones((reach, reach))) > 0)


def _inner(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(cv2.erode(mask.astype(np.uint8), np.ones((3, 3)), borderValue=1) > 0)

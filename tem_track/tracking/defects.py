"""Hot and dead pixels of the detector: they stand still in the frame, and a dark target moves.

A hot pixel is as sharp as nothing behind a lens and its noise is that of the dark around it, so in
the fit of a bar it outweighs the bar's edges and holds it where it is. It is told from everything
that a lens has drawn by standing alone, in most frames, and is given its neighbours' grey. What a
codec has copied from the frame before says nothing new: its noise stands still as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import Image
from tem_track.tracking.crops import SLACK, Crop

__all__ = ["Defects", "Speckles", "around", "stand_out"]

Float32 = NDArray[np.float32]

FRAMES = 8
EVERY = 16
"""Frames that are looked at, and of the later ones each how many-th."""
FEWEST = 5
"""Frames from which on a pixel that stands out is told from a cosmic ray."""
MOSTLY = 0.5
"""Part of the frames that say something new in which a pixel must stand out, by `SIGMAS`, as it
must on average: a cosmic ray does in one."""
SIGMAS = 2.5
"""Standard deviations of the noise beside it."""
LEAST_PART = 0.03
"""How far it must on average, over the range of grey."""
WINDOW_PX = 15
"""Side of the window in which the noise beside a pixel is read."""
ALONE = 3.0
"""How much further than all but two of its neighbours."""
GLARING = 0.25
"""How far it stands out, over the range of grey and by four times `SIGMAS`, where a copied frame
counts all the same: in the dark of a bar nothing varies but the electrons, and there may be no
electrons."""
MOST_PART = 0.02
"""More of the pixels are no defects but what the movie shows."""
_AROUND = np.array([(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]).T[..., None]


@dataclass(frozen=True, slots=True, eq=False)
class Defects:
    """Pixels that say nothing.

    Attributes
    ----------
    rows, columns : int64 (n,)
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    def mended(self, image: Image) -> Image:
        """Return a frame in which they have the median grey of their neighbours."""
        return self._mended(image, 0, 0)

    def mend(self, crop: Crop) -> None:
        """Mend them in what was cut out of a frame."""
        crop.image = self._mended(crop.image, crop.y - SLACK, crop.x - SLACK)

    def _mended(self, part: Image, top: int, left: int) -> Image:
        y, x = self.rows - top, self.columns - left
        here = (y >= 0) & (y < part.shape[0]) & (x >= 0) & (x < part.shape[1])
        y, x = y[here], x[here]
        if not y.size:
            return part
        out = part.copy()
        beside = np.sort(around(part, y, x), axis=0)
        out[y, x] = beside[3:5].mean(axis=0).astype(part.dtype)  # the median of eight
        return out


@dataclass(slots=True)
class Speckles:
    """The sampled frames' pixels that stand out from their neighbours."""

    shown: int = 0
    asked: int = 0
    low: float = np.inf
    high: float = -np.inf
    before: Image | None = None
    fresh: Float32 = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    standing: Float32 = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    total: Float32 = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    usual: Float32 = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def add(self, image: Image) -> None:
        """Take in a frame of the sample; the later ones not all."""
        self.shown += 1
        if self.shown > FRAMES and self.shown % EVERY:
            return
        if not self.asked:
            self.fresh, self.standing, self.total, self.usual = (
                np.zeros(image.shape, np.float32) for _ in range(4)
            )
        if image.shape != self.total.shape:
            return
        self.asked += 1
        grey = image if image.dtype.name in ("uint8", "uint16") else image.astype(np.float32)
        grey = np.ascontiguousarray(grey)
        out, usual = stand_out(grey)
        size = np.abs(out)
        low, high = (float(v) for v in np.quantile(grey[::16, ::16], [0.01, 0.99]))
        self.low, self.high = min(self.low, low), max(self.high, high)
        glaring = (size > GLARING * (high - low)) & (size > 4 * SIGMAS * usual)
        new = self._new(grey) | _where(glaring)
        cv2.accumulate(new, self.fresh)
        cv2.accumulate(out, self.total, mask=new)
        cv2.accumulate(usual, self.usual, mask=new)
        cv2.accumulate(_where(size > SIGMAS * usual) & new, self.standing)

    def _new(self, grey: Image) -> NDArray[np.uint8]:
        """Return 255 where a pixel or a neighbour is not what it was, else 0."""
        before, self.before = self.before, grey
        if before is None:
            return np.full(grey.shape, 255, np.uint8)
        return np.asarray(cv2.dilate(_where(grey != before), np.ones((3, 3), np.uint8)), np.uint8)

    def defects(self) -> Defects | None:
        """Return the pixels that stand alone in most frames; None where there are none."""
        if self.asked < FEWEST:
            return None
        times = self.fresh / 255
        often = (times >= FEWEST) & (self.standing >= MOSTLY * self.fresh)
        often &= np.abs(self.total) > SIGMAS * self.usual
        mean = np.abs(self.total) / np.maximum(times, 1)
        often &= mean > LEAST_PART * (self.high - self.low)
        if not often.any() or often.mean() > MOST_PART:
            return None
        y, x = np.nonzero(often)
        third = np.sort(around(mean, y, x), axis=0)[-3]
        alone = mean[y, x] > ALONE * third
        return Defects(y[alone], x[alone]) if alone.any() else None


def stand_out(grey: Image) -> tuple[Float32, Float32]:
    """Return by how much each pixel stands out from those around, and what is usual beside it."""
    out = np.asarray(cv2.subtract(grey, cv2.medianBlur(grey, 3), dtype=cv2.CV_32F), np.float32)
    usual = 1.25 * cv2.blur(np.abs(out), (WINDOW_PX, WINDOW_PX))
    return out, np.asarray(usual, np.float32)


def _where(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return 255 where a mask holds, else 0."""
    return mask.view(np.uint8) * np.uint8(255)


def around(image: Image, y: NDArray[np.int64], x: NDArray[np.int64]) -> Image:
    """Return the eight neighbours (8, n) of pixels; the border's are continued."""
    height, width = image.shape
    rows = np.minimum(np.maximum(y + _AROUND[0], 0), height - 1)
    columns = np.minimum(np.maximum(x + _AROUND[1], 0), width - 1)
    return np.asarray(image[rows, columns])

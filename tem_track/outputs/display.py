"""Grey values as a screen shows them: eight bits, the same levels for the whole movie."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import Image

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = ["Levels", "levels_of", "resized"]

SAMPLES = 8
FLAT_RANGE = 64.0
BAD_FRAME_GREY = 96

Grey = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Levels:
    """The grey values that are shown as black and as white."""

    black: float
    white: float

    def apply(self, image: Image) -> Grey:
        """Return an image in eight bits."""
        if image.dtype == np.uint8 and (self.black, self.white) == (0.0, 255.0):
            return np.asarray(image, dtype=np.uint8)
        gain = 255.0 / max(self.white - self.black, 1e-12)
        scaled = (np.nan_to_num(image.astype(np.float32)) - self.black) * gain
        grey: Grey = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
        return grey


def levels_of(movie: Movie, frames: Iterable[int] | None = None) -> Levels:
    """Return levels that fit a few frames spread over the movie.

    Eight-bit movies with some contrast are shown as they are.
    """
    chosen = list(frames) if frames is not None else list(range(len(movie)))
    picked = sorted({chosen[round(i)] for i in np.linspace(0, len(chosen) - 1, SAMPLES)})
    images = [frame.image for frame in movie.select(picked) if frame.ok]
    if not images:
        return Levels(0.0, 255.0)
    values = np.concatenate([image[::4, ::4].ravel() for image in images])
    low, high = (float(v) for v in np.nanpercentile(values, (0.1, 99.9)))
    if images[0].dtype == np.uint8 and high - low >= FLAT_RANGE:
        return Levels(0.0, 255.0)
    return Levels(low, high) if high > low else Levels(low - 1.0, low + 1.0)


def resized(image: Grey, width: int, height: int) -> Grey:
    """Return an image of another size: averaged when smaller, interpolated when larger."""
    smaller = width < image.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), dtype=np.uint8)

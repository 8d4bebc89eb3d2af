"""NumPy arrays, in memory or mapped, as a movie; and the exact types that a frame may have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tem_track.errors import MovieError
from tem_track.frames.info import MovieInfo
from tem_track.frames.movie import Picture
from tem_track.frames.pixels import grey_of_rgb
from tem_track.records import FloatArray, Image

__all__ = ["ArraySource", "as_image", "depth_of"]

_EXACT_IN_FLOAT32 = 2**24
"""Whole numbers up to here are exact in 32-bit floats, whose mantissa has 24 bits."""


def depth_of(dtype: np.dtype[Any]) -> int:
    """Return the bits of a grey value that a frame of this stored type has: 8, 16 or 32."""
    if dtype.kind in "bu" and dtype.itemsize <= 2:
        return 8 * dtype.itemsize
    if dtype.kind in "iuf":
        return 32
    raise MovieError(f"pixels of type {dtype} are not grey values; give integers or floats")


def as_image(values: NDArray[Any]) -> Image:
    """Return stored pixels as a frame's image: uint8, uint16 or float32, values unchanged.

    Parameters
    ----------
    values : NDArray, shape (height, width) or (height, width, 3 or 4)
        Integers or floats. Signed and 32-bit integers become float32, which holds whole numbers
        up to 2^24 exactly; float64 is rounded to float32.

    Raises
    ------
    MovieError
        If a whole number is too large for float32.
    """
    if values.ndim == 3:
        return grey_of_rgb(as_image_channels(values[..., :3]))
    return as_image_channels(values)


def as_image_channels(values: NDArray[Any]) -> NDArray[Any]:
    """Return the values, of any shape, in one of the three types."""
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.dtype.kind in "iu" and values.dtype.itemsize > 2 and values.size:
        largest = max(abs(int(values.min())), abs(int(values.max())))
        if largest > _EXACT_IN_FLOAT32:
            raise MovieError(
                f"grey value {largest} cannot be kept exactly; convert the movie to 16 bit"
            )
    return values.astype(np.float32)


class ArraySource:
    """Frames of an array of shape (frames, height, width[, 3 or 4]) or (height, width)."""

    path: Path | None = None
    lends = True

    def __init__(self, stack: NDArray[Any]) -> None:
        stack = stack[np.newaxis] if stack.ndim == 2 else stack
        colour = stack.ndim == 4 and stack.shape[3] in (3, 4)
        if not (stack.ndim == 3 or colour) or 0 in stack.shape:
            raise MovieError(
                f"an array of shape {stack.shape} is not a movie; give (frames, height, width)"
            )
        self._stack = stack
        self.info = MovieInfo(
            format="array",
            codec="",
            width_px=stack.shape[2],
            height_px=stack.shape[1],
            bit_depth=depth_of(stack.dtype),
            grey="0.299 R + 0.587 G + 0.114 B" if colour else "grey as stored",
        )

    def count(self) -> int:
        """Return the number of frames."""
        return len(self._stack)

    def times_s(self) -> FloatArray:
        """Return NaN: an array has no clock."""
        return np.full(self.count(), np.nan)

    def read(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Yield the pictures of rising frame numbers."""
        for index in indices:
            yield as_image(self._stack[index]), ""

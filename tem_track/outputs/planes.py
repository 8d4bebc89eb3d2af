"""A picture as the encoder wants it: brightness at full size, colour at half (YUV 4:2:0, BT.709).

What is painted is grey for the most part. To paint in these planes saves the conversion of every
picture, which takes as long as half the encoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["BLACK", "SHIFT", "WHITE", "Colour", "Picture", "Planes", "rgb"]

Colour = tuple[int, int, int]
Picture = NDArray[np.uint8]
Plane = NDArray[np.uint8]

BLACK, WHITE, NEUTRAL = 16, 235, 128
SHIFT = 4
"""Fractional bits of the coordinates that OpenCV draws at."""
HALF_PX = 8
"""A pixel's colour is shared with those to its right and below."""


def rgb(colour: str) -> Colour:
    """Return ``#rrggbb`` as three numbers."""
    return (int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16))


@lru_cache(maxsize=64)
def _parts(colour: Colour) -> tuple[int, int, int]:
    """Return brightness and the two differences of colour."""
    red, green, blue = (value / 255 for value in colour)
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    differences = ((blue - light) / 1.8556, (red - light) / 1.5748)
    return (
        round(BLACK + (WHITE - BLACK) * light),
        round(NEUTRAL + 224 * differences[0]),
        round(NEUTRAL + 224 * differences[1]),
    )


@lru_cache(maxsize=64)
def _inks(light: int) -> Plane:
    """Return the brightness of ink on white for every value of a mask."""
    inks = np.rint(WHITE + np.arange(256) * (light - WHITE) / 255).astype(np.uint8)
    inks.setflags(write=False)
    return inks


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """A picture of even sides, or a part of one that begins at even numbers.

    Attributes
    ----------
    luma : array
        Brightness, shape (height, width).
    blue, red : array
        Differences of colour, half as high and wide.
    whole : array or None
        All three one after the other, as the encoder takes them; None for a part.
    """

    luma: Plane
    blue: Plane
    red: Plane
    whole: Plane | None = None

    @classmethod
    def blank(cls, width: int, height: int, light: int = WHITE) -> Planes:
        """Return a grey picture."""
        whole = np.full((height * 3 // 2, width), NEUTRAL, dtype=np.uint8)
        whole[:height] = light
        blue, red = whole[height:].reshape(2, height // 2, width // 2)
        return cls(whole[:height], blue, red, whole)

    @classmethod
    def of(cls, picture: Picture) -> Planes:
        """Return a picture in red, green and blue; an odd last row or column is left off."""
        height, width = (side // 2 * 2 for side in picture.shape[:2])
        made = cls.blank(width, height)
        red, green, blue = np.moveaxis(picture[:height, :width].astype(np.float32) / 255, 2, 0)
        light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        made.luma[:] = np.rint(BLACK + (WHITE - BLACK) * light)
        for plane, part, share in ((made.blue, blue, 1.8556), (made.red, red, 1.5748)):
            half = cv2.resize(part - light, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
            plane[:] = np.rint(NEUTRAL + 224 / share * np.asarray(half))
        return made

    def rgb(self) -> Picture:
        """Return red, green and blue, shape (height, width, 3)."""
        height, width = self.luma.shape
        light = (self.luma.astype(np.float32) - BLACK) / (WHITE - BLACK)
        blue, red = (
            (np.asarray(cv2.resize(plane, (width, height)), dtype=np.float32) - NEUTRAL) / 224
            for plane in (self.blue, self.red)
        )
        blue, red = light + 1.8556 * blue, light + 1.5748 * red
        green = (light - 0.2126 * red - 0.0722 * blue) / 0.7152
        picture = np.rint(255 * np.stack([red, green, blue], axis=2))
        return np.clip(picture, 0, 255).astype(np.uint8)

    def part(self, left: int, top: int, width: int, height: int) -> Planes:
        """Return a part that paints on the whole; even numbers all."""
        wide, high = slice(left, left + width), slice(top, top + height)
        half = slice(top // 2, (top + height) // 2), slice(left // 2, (left + width) // 2)
        return Planes(self.luma[high, wide], self.blue[half], self.red[half])

    def show(self, other: Planes) -> None:
        """Copy another picture of the same size."""
        self.luma[:], self.blue[:], self.red[:] = other.luma, other.blue, other.red

    def fill(self, grey: Plane) -> None:
        """Show grey values (0 to 255), without any colour."""
        cv2.convertScaleAbs(grey, dst=self.luma, alpha=(WHITE - BLACK) / 255, beta=BLACK)
        self.blue.fill(NEUTRAL)
        self.red.fill(NEUTRAL)

    def lines(
        self,
        lines: Sequence[NDArray[np.int32]],
        colour: Colour,
        thickness: int,
        tinted: Sequence[NDArray[np.int32]] | None = None,
    ) -> None:
        """Draw lines through points (x, y) in 16ths of a pixel; colour along others, where given.

        Dashes in brightness on an undivided line in colour look alike and take a third of the time.
        """
        light, blue, red = _parts(colour)
        cv2.polylines(self.luma, lines, False, light, thickness, cv2.LINE_AA, SHIFT)
        halves = [line - HALF_PX for line in (lines if tinted is None else tinted)]
        thin = max(1, round(thickness / 2))
        cv2.polylines(self.blue, halves, False, blue, thin, cv2.LINE_AA, SHIFT + 1)
        cv2.polylines(self.red, halves, False, red, thin, cv2.LINE_AA, SHIFT + 1)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Draw a filled circle."""
        for plane, value, half in zip(
            (self.luma, self.blue, self.red), _parts(colour), (False, True, True), strict=True
        ):
            size, (u, v) = radius, (x, y)
            if half:
                size, u, v = size / 2, (u - 0.5) / 2, (v - 0.5) / 2
            place, size_16 = (round(16 * u), round(16 * v)), round(16 * size)
            cv2.circle(plane, place, size_16, value, -1, cv2.LINE_AA, SHIFT)

    def paste(self, left: int, top: int, other: Planes) -> None:
        """Show another picture at a place, as much of it as there is room for."""
        height, width = self.luma.shape
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(left + other.luma.shape[1], width), min(top + other.luma.shape[0], height)
        if x1 <= x0 or y1 <= y0:
            return
        self.luma[y0:y1, x0:x1] = other.luma[y0 - top : y1 - top, x0 - left : x1 - left]
        x0, y0 = x0 // 2, y0 // 2
        x1, y1 = min(x1 // 2, width // 2), min(y1 // 2, height // 2)
        u, v = x0 - left // 2, y0 - top // 2
        part = np.s_[v : v + y1 - y0, u : u + x1 - x0]
        self.blue[y0:y1, x0:x1], self.red[y0:y1, x0:x1] = other.blue[part], other.red[part]

    def ink(self, left: int, top: int, mask: Plane, colour: Colour) -> None:
        """Do as `cover` for a grey colour on white ground, in a quarter of the time."""
        height, width = mask.shape
        view = self.luma[max(top, 0) : top + height, max(left, 0) : left + width]
        inked = cv2.LUT(mask, _inks(_parts(colour)[0]))
        inked = inked[max(-top, 0) :, max(-left, 0) :][: view.shape[0], : view.shape[1]]
        np.minimum(view, inked, out=view)

    def cover(self, left: int, top: int, mask: Plane, colour: Colour) -> None:
        """Paint a colour through a mask (0 to 255) whose upper left corner stands at a place."""
        height, width = self.luma.shape
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(left + mask.shape[1], width), min(top + mask.shape[0], height)
        if x1 <= x0 or y1 <= y0:
            return
        mask = mask[y0 - top : y1 - top, x0 - left : x1 - left]
        light, blue, red = _parts(colour)
        _blend(self.luma[y0:y1, x0:x1], mask, light)
        if (blue, red) == (NEUTRAL, NEUTRAL):
            return  # colour that lies below is faint: words stand on a dark plate, or on white
        halved = _halved(mask, x0 % 2, y0 % 2)
        half = np.s_[y0 // 2 : y0 // 2 + halved.shape[0], x0 // 2 : x0 // 2 + halved.shape[1]]
        for plane, value in ((self.blue, blue), (self.red, red)):
            view = plane[half]
            _blend(view, halved[: view.shape[0], : view.shape[1]], value)


def _halved(mask: Plane, left: int, top: int) -> Plane:
    """Return a mask at half the size, averaged over the pixels that share a colour."""
    height, width = (-(-side // 2) for side in (mask.shape[0] + top, mask.shape[1] + left))
    padded = np.zeros((2 * height, 2 * width), dtype=np.uint8)
    padded[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    half = cv2.resize(padded, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(half, dtype=np.uint8)


def _blend(view: Plane, mask: Plane, value: int) -> None:
    old = view.astype(np.int32)
    view[:] = old + ((value - old) * mask + 127) // 255

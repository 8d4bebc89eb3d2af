"""Marks and words painted on a picture in colour (RGB, eight bits)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

from tem_track.outputs.display import Corner, Grey, resized
from tem_track.outputs.marks import Mark
from tem_track.outputs.style import COLOURS, font_file

if TYPE_CHECKING:
    from tem_track.records import FloatArray

__all__ = ["Canvas", "Colour", "length_words", "nice_length_nm", "rgb", "write_words"]

Colour = tuple[int, int, int]
Picture = NDArray[np.uint8]

SHIFT = 4
"""Fractional bits of the coordinates that OpenCV draws at."""

DASHED = frozenset({"zero_line", "tip_box", "bar_box", "base_box"})
THIN = frozenset({"tip_box", "bar_box", "base_box", "axis", "zero_line"})
HALO: Colour = (0, 0, 0)


def rgb(colour: str) -> Colour:
    """Return ``#rrggbb`` as three numbers."""
    return (int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16))


class Canvas:
    """A frame, enlarged or reduced, to draw on in the frame's own pixels.

    Attributes
    ----------
    picture : array
        Shape (height, width, 3), RGB.
    scale : float
        Pixels of the canvas for one pixel of the frame.
    """

    def __init__(
        self, image: Grey, width: int, height: int, origin_px: tuple[float, float] = (0.0, 0.0)
    ) -> None:
        self.picture: Picture = np.repeat(resized(image, width, height)[:, :, None], 3, axis=2)
        self.scale = width / image.shape[1]
        self._origin = np.array(origin_px)
        self._named: list[FloatArray] = []
        self.line = max(1.4, min(width, height) / 450)

    def draw(self, marks: Iterable[Mark]) -> None:
        """Draw marks, each with a dark seam that keeps it legible on bright ground."""
        for mark in marks:
            self._draw(mark)

    def at(self, points_px: FloatArray) -> FloatArray:
        """Return points of the frame as points of the canvas; both count from pixel centres."""
        placed: FloatArray = (points_px - self._origin + 0.5) * self.scale - 0.5
        return placed

    def _draw(self, mark: Mark) -> None:
        colour, points = rgb(COLOURS[mark.role]), self.at(mark.points_px)
        if len(points) == 0:
            return
        if len(points) == 1:
            self._cross(points[0], colour)
            return
        if mark.closed:
            points = np.concatenate([points, points[:1]])
        width = self.line * (1.1 if mark.role in THIN else 1.3)
        pieces = _dashes(points, 7 * self.line) if mark.role in DASHED else [points]
        self._lines(pieces, HALO, width + 1.3 * self.line, 0.35)
        self._lines(pieces, colour, width)

    def _lines(
        self, pieces: list[FloatArray], colour: Colour, width: float, opacity: float = 1.0
    ) -> None:
        """Draw lines at once: a dashed one has a hundred pieces."""
        if not pieces:
            return
        points, ends = np.concatenate(pieces), np.cumsum([len(piece) for piece in pieces])[:-1]
        limit = 4.0 * max(self.picture.shape)
        fixed = np.rint(np.clip(points, -limit, limit) * (1 << SHIFT)).astype(np.int32)
        thickness = max(1, round(width))
        if opacity >= 1.0:
            lines = np.split(fixed, ends)
            cv2.polylines(self.picture, lines, False, colour, thickness, cv2.LINE_AA, SHIFT)
            return
        low = np.floor(points.min(axis=0) - width - 2).astype(int)
        high = np.ceil(points.max(axis=0) + width + 3).astype(int)
        height, wide = self.picture.shape[:2]
        x0, y0 = max(low[0], 0), max(low[1], 0)
        x1, y1 = min(high[0], wide), min(high[1], height)
        if x1 <= x0 or y1 <= y0:
            return
        view = self.picture[y0:y1, x0:x1]
        seam = view.copy()
        moved = fixed - np.array([x0, y0], dtype=np.int32) * (1 << SHIFT)
        cv2.polylines(seam, np.split(moved, ends), False, colour, thickness, cv2.LINE_AA, SHIFT)
        view[:] = cv2.addWeighted(seam, opacity, view, 1 - opacity, 0)

    def _cross(self, centre: FloatArray, colour: Colour) -> None:
        reach, hole = 9 * self.line, 2.5 * self.line
        arms = [
            centre + np.array([[dx * hole, dy * hole], [dx * reach, dy * reach]])
            for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1))
        ]
        self._lines(arms, HALO, 4 * self.line, 0.6)
        self._lines(arms, colour, 2 * self.line)

    def scale_bar(self, scale_nm_per_px: float, corner: Corner = (False, True)) -> None:
        """Draw a scale bar with its length in a corner."""
        height, width = self.picture.shape[:2]
        length_nm = nice_length_nm(0.25 * width / self.scale * scale_nm_per_px)
        length = length_nm / scale_nm_per_px * self.scale
        size = max(13, round(min(width, height) / 32))
        pad, thick = 0.5 * size, max(3, size // 4)
        plate_width, plate_height = max(length, 4 * size) + 2 * pad, 2.4 * size
        left = width - plate_width - pad if corner[0] else pad
        top = height - plate_height - pad if corner[1] else pad
        shade(self.picture, (left, top, left + plate_width, top + plate_height), 0.55)
        middle = left + plate_width / 2
        x0, y0 = round(middle - length / 2), round(top + 1.8 * size)
        x1 = round(middle + length / 2)
        cv2.rectangle(self.picture, (x0, y0), (x1, y0 + thick - 1), (255, 255, 255), -1)
        place = (middle, top + 0.95 * size)
        write_words(self.picture, place, length_words(length_nm), size, centred=True)

    def name(self, text: str, points_px: FloatArray, colour: str) -> None:
        """Write a line's name just above its left end; beside its upper end where it is steep."""
        points = self.at(points_px)
        size = max(12, round(min(self.picture.shape[:2]) / 46))
        wide, high = np.ptp(points, axis=0)
        x, y = points[np.argmin(points[:, 0 if wide >= high else 1])]
        y = y - 0.9 * size if wide >= high else y + 1.2 * size
        place = np.array([max(x, 0.0) + 0.6 * size, max(y, size)])
        while any((np.abs(place - other) < (6 * size, 1.3 * size)).all() for other in self._named):
            place[1] += 1.4 * size
        self._named.append(place)
        width = _font(size, bold=False).getlength(text)
        left, top = place - (0.4 * size, 0.7 * size)
        shade(self.picture, (left, top, left + width + 0.8 * size, top + 1.4 * size), 0.5)
        write_words(self.picture, (place[0], place[1]), text, size, rgb(colour), halo=HALO)


def shade(picture: Picture, box: tuple[float, float, float, float], opacity: float) -> None:
    """Darken a box (left, top, right, bottom)."""
    left, top, right, bottom = (round(max(0.0, value)) for value in box)
    view = picture[top:bottom, left:right]
    view[:] = np.rint(view * (1 - opacity)).astype(np.uint8)


def write_words(
    picture: Picture,
    place: tuple[float, float],
    text: str,
    size: int,
    colour: Colour = (255, 255, 255),
    *,
    bold: bool = False,
    centred: bool = False,
    halo: Colour | None = None,
) -> float:
    """Write one line, its middle at the place's height, and return its width in pixels."""
    font = _font(size, bold)
    width = font.getlength(text)
    x = place[0] - (width / 2 if centred else 0.0)
    top, bottom = math.floor(place[1] - size), math.ceil(place[1] + size)
    left, right = math.floor(x) - 1, math.ceil(x + width) + 2
    top, left = max(top, 0), max(left, 0)
    view = picture[top:bottom, left:right]
    if view.size == 0:
        return float(width)
    words = Pictures.fromarray(np.ascontiguousarray(view))
    ImageDraw.Draw(words).text(
        (x - left, place[1] - top),
        text,
        colour,
        font,
        anchor="lm",
        stroke_width=0 if halo is None else 2,
        stroke_fill=halo,
    )
    view[:] = np.asarray(words)
    return float(width)


@lru_cache(maxsize=32)
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(font_file(bold=bold)), size, layout_engine=ImageFont.Layout.BASIC)


def nice_length_nm(most_nm: float) -> float:
    """Return the longest of 1, 2, 5, 10, ... that is not longer than `most_nm`."""
    decade = 10.0 ** math.floor(math.log10(most_nm))
    return float(max(step * decade for step in (1, 2, 5) if step * decade <= most_nm * (1 + 1e-9)))


def length_words(length_nm: float) -> str:
    """Return a scale bar's length in words."""
    return f"{length_nm / 1000:g} µm" if length_nm >= 1000 else f"{length_nm:g} nm"


def _dashes(points: FloatArray, period: float) -> list[FloatArray]:
    """Cut a line into dashes of half the period."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    if not 0 < along[-1] < 400 * period:
        period = max(along[-1] / 400, 1e-9)
    starts = np.arange(0.0, along[-1], period)
    if not len(starts):
        return []
    ends = np.minimum(starts + period / 2, along[-1])
    own = np.searchsorted(starts, along) - 1
    inside = (own >= 0) & (along < ends[own])
    dash = np.arange(len(starts))
    knots = np.concatenate([starts, ends, along[inside]])
    numbers = np.concatenate([dash, dash, own[inside]])
    order = np.lexsort((knots, numbers))
    placed = np.column_stack([np.interp(knots[order], along, points[:, i]) for i in (0, 1)])
    return np.split(placed, np.flatnonzero(np.diff(numbers[order])) + 1)

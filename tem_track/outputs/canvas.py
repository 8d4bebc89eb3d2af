"""Marks and words painted on a picture."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageFont

from tem_track.outputs.display import Corner
from tem_track.outputs.marks import Mark
from tem_track.outputs.planes import SHIFT, Colour, Planes, rgb
from tem_track.outputs.style import COLOURS, font_file

if TYPE_CHECKING:
    from tem_track.records import FloatArray

__all__ = ["Canvas", "length_words", "nice_length_nm", "words_width", "write_words"]

Lines = list[NDArray[np.int32]]

DASHED = frozenset({"zero_line", "tip_box", "bar_box", "base_box"})
THIN = frozenset({"tip_box", "bar_box", "base_box", "axis", "zero_line"})
SEAM = 0.35
STRAIGHT = 0.25
"""Pixels by which a line may pass a point: a stroke of a thousand pieces takes long."""
WHITE: Colour = (255, 255, 255)


@dataclass(frozen=True, slots=True, eq=False)
class _Stroke:
    """Lines in 16ths of a pixel, and those that lie below as a seam, darker by a share."""

    lines: Lines
    ground: Lines
    colour: Colour
    thickness: int
    seam: float = SEAM


class Canvas:
    """A frame on a picture, enlarged or reduced, to draw on in the frame's own pixels.

    Parameters
    ----------
    picture : Planes
        It shows the frame already.
    scale : float
        Pixels of the picture for one pixel of the frame.
    """

    def __init__(self, picture: Planes, scale: float) -> None:
        self.picture, self.scale = picture, scale
        self._named: list[FloatArray] = []
        self._short = min(picture.luma.shape)
        self.line = max(1.4, self._short / 450)
        self._shade = np.empty_like(picture.luma)

    def begin(self) -> None:
        """Begin with a new frame."""
        self._named.clear()

    def draw(self, marks: Iterable[Mark]) -> None:
        """Draw marks, on dark seams that keep them legible on bright ground."""
        strokes = [self._stroke(mark) for mark in marks if len(mark.points_px)]
        self._shade.fill(255)
        for stroke in strokes:
            seam = round(255 * (1 - stroke.seam))
            wide = max(1, round(stroke.thickness + 1.3 * self.line))
            cv2.polylines(self._shade, stroke.ground, False, seam, wide, cv2.LINE_AA, SHIFT)
        luma = self.picture.luma
        cv2.multiply(luma, self._shade, dst=luma, scale=1 / 255)
        for (colour, thickness), alike in groupby(strokes, key=lambda s: (s.colour, s.thickness)):
            lines = [line for stroke in alike for line in stroke.lines]
            self.picture.lines(lines, colour, thickness)

    def at(self, points_px: FloatArray) -> FloatArray:
        """Return points of the frame as points of the canvas; both count from pixel centres."""
        placed: FloatArray = (points_px + 0.5) * self.scale - 0.5
        return placed

    def _stroke(self, mark: Mark) -> _Stroke:
        colour, points = rgb(COLOURS[mark.role]), self.at(mark.points_px)
        if len(points) == 1:
            cross = self._cross(points[0])
            return _Stroke(cross, cross, colour, max(1, round(2 * self.line)), 0.6)
        if mark.closed:
            points = np.concatenate([points, points[:1]])
        width = max(1, round(self.line * (1.1 if mark.role in THIN else 1.3)))
        fixed = self._fixed(points)
        if mark.role in DASHED:
            dashes = list(self._fixed(_dashes(points, 10 * self.line)))
            return _Stroke(dashes, [fixed], colour, width)
        line = cv2.approxPolyDP(fixed, STRAIGHT * (1 << SHIFT), False)
        whole = [np.asarray(line, dtype=np.int32)]
        return _Stroke(whole, whole, colour, width)

    def _fixed(self, points: FloatArray) -> NDArray[np.int32]:
        limit = 4.0 * max(self.picture.luma.shape)
        return np.rint(np.clip(points, -limit, limit) * (1 << SHIFT)).astype(np.int32)

    def _cross(self, centre: FloatArray) -> Lines:
        reach, hole = 9 * self.line, 2.5 * self.line
        ways = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)], dtype=float)
        arms = centre + ways[:, None, :] * np.array([hole, reach])[None, :, None]
        return list(self._fixed(arms))

    def scale_bar(self, scale_nm_per_px: float, corner: Corner = (False, True)) -> None:
        """Draw a scale bar with its length in a corner."""
        height, width = self.picture.luma.shape
        length_nm = nice_length_nm(0.25 * width / self.scale * scale_nm_per_px)
        length = length_nm / scale_nm_per_px * self.scale
        size = max(13, round(min(width, height) / 32))
        pad, thick = 0.5 * size, max(3, size // 4)
        plate_width, plate_height = max(length, 4 * size) + 2 * pad, 2.4 * size
        left = width - plate_width - pad if corner[0] else pad
        top = height - plate_height - pad if corner[1] else pad
        self.picture.darken(left, top, left + plate_width, top + plate_height, 0.55)
        middle = left + plate_width / 2
        x0, y0 = round(middle - length / 2), round(top + 1.8 * size)
        x1 = round(middle + length / 2)
        bar = np.full((thick, x1 - x0 + 1), 255, dtype=np.uint8)
        self.picture.cover(x0, y0, bar, WHITE)
        place = (middle, top + 0.95 * size)
        write_words(self.picture, place, length_words(length_nm), size, WHITE, centred=True)

    def name(self, text: str, points_px: FloatArray, colour: str) -> None:
        """Write a line's name just above its left end; beside its upper end where it is steep."""
        points = self.at(points_px)
        size = max(12, round(self._short / 46))
        wide, high = np.ptp(points, axis=0)
        x, y = points[np.argmin(points[:, 0 if wide >= high else 1])]
        y = y - 0.9 * size if wide >= high else y + 1.2 * size
        place = np.array([max(x, 0.0) + 0.6 * size, max(y, size)])
        while any((np.abs(place - other) < (6 * size, 1.3 * size)).all() for other in self._named):
            place[1] += 1.4 * size
        self._named.append(place)
        left, top = place - (0.4 * size, 0.7 * size)
        right = left + words_width(text, size) + 0.8 * size
        self.picture.darken(left, top, right, top + 1.4 * size, 0.6)
        write_words(self.picture, (place[0], place[1]), text, size, rgb(colour))


def write_words(
    picture: Planes,
    place: tuple[float, float],
    text: str,
    size: int,
    colour: Colour,
    *,
    bold: bool = False,
    centred: bool = False,
) -> float:
    """Write one line, its middle at the place's height, and return its width in pixels."""
    mask, width = _words(text, size, bold)
    left = round(place[0] - (width / 2 if centred else 0.0)) - MARGIN
    picture.cover(left, round(place[1]) - mask.shape[0] // 2, mask, colour)
    return width


def words_width(text: str, size: int, *, bold: bool = False) -> float:
    """Return the width of a line in pixels."""
    return _words(text, size, bold)[1]


MARGIN = 2
"""Letters may reach beyond their own room."""


@lru_cache(maxsize=512)
def _words(text: str, size: int, bold: bool) -> tuple[NDArray[np.uint8], float]:
    """Return a line as a mask, put together from its letters, and its width."""
    letters = [_letter(letter, size, bold) for letter in text]
    ends = np.cumsum([advance for _, advance in letters])
    width = float(ends[-1]) if len(letters) else 0.0
    mask = np.zeros((2 * size, math.ceil(width) + 2 * MARGIN + size), dtype=np.uint8)
    for (drawn, advance), end in zip(letters, ends, strict=True):
        x = round(end - advance)
        view = mask[:, x : x + drawn.shape[1]]
        np.maximum(view, drawn, out=view)
    mask.setflags(write=False)
    return mask, width


@lru_cache(maxsize=2048)
def _letter(letter: str, size: int, bold: bool) -> tuple[NDArray[np.uint8], float]:
    from PIL import Image as Pictures
    from PIL import ImageDraw

    font = _font(size, bold)
    advance = float(font.getlength(letter))
    sheet = Pictures.new("L", (math.ceil(advance) + 2 * MARGIN, 2 * size))
    ImageDraw.Draw(sheet).text((MARGIN, size), letter, 255, font, anchor="lm")
    return np.asarray(sheet), advance


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


def _dashes(corners: FloatArray, period: float) -> FloatArray:
    """Return dashes of half the period along every side, shape (n, 2, 2)."""
    sides = [_side(a, b, period) for a, b in pairwise(corners)]
    dashes: FloatArray = np.concatenate(sides)
    return dashes


def _side(start: FloatArray, end: FloatArray, period: float) -> FloatArray:
    length = float(np.hypot(*(end - start)))
    count = min(400, max(1, math.ceil(length / period - 0.5)))
    step = length / (count - 0.5)  # a dash at either end
    begins = np.arange(count) * step
    along = np.column_stack([begins, begins + step / 2])
    placed: FloatArray = start + along[..., None] * (end - start) / max(length, 1e-9)
    return placed

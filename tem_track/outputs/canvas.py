"""Marks and words painted on a picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageFont

from tem_track.outputs.display import Corner, Grey
from tem_track.outputs.marks import Mark
from tem_track.outputs.planes import SHIFT, Colour, Planes, rgb
from tem_track.outputs.style import COLOURS, font_file

if TYPE_CHECKING:
    from tem_track.records import FloatArray

__all__ = ["Canvas", "length_words", "nice_length_nm", "words_width", "write_words"]

Lines = list[NDArray[np.int32]]

BOXES = frozenset({"tip_box", "bar_box", "base_box"})
"""Drawn inside the frame: a line along its edge would be half a line, and without its colour."""
DASHED = BOXES | {"zero_line"}
THIN = DASHED | {"axis"}
SEAM = 0.35
STRAIGHT = 0.25
"""Pixels by which a line may pass a point: a stroke of a thousand pieces takes long."""
WHITE: Colour = (255, 255, 255)
PLATE = 68
"""Brightness of what words on a frame stand on."""


@dataclass(frozen=True, slots=True, eq=False)
class _Stroke:
    """Lines in 16ths of a pixel, and those that lie below: colour, and a seam darker by a share."""

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
    scale : float
        Pixels of the picture for one pixel of the frame.
    """

    def __init__(self, picture: Planes, scale: float) -> None:
        self.picture, self.scale = picture, scale
        self._named: list[FloatArray] = []
        self._short = min(picture.luma.shape)
        self.line = max(1.4, self._short / 450)
        self._shade = np.empty_like(picture.luma)

    def begin(self, grey: Grey) -> None:
        """Show a new frame, of the picture's size."""
        self.picture.fill(grey)
        self._named.clear()

    def draw(self, marks: Iterable[Mark]) -> None:
        """Draw marks, on dark seams that keep them legible on bright ground."""
        strokes = self._strokes([mark for mark in marks if len(mark.points_px)])
        self._shade.fill(255)
        for (seam, thickness), group in groupby(strokes, key=lambda s: (s.seam, s.thickness)):
            ground = [line for stroke in group for line in stroke.ground]
            wide = max(1, round(thickness + 1.3 * self.line))
            grey = round(255 * (1 - seam))
            cv2.polylines(self._shade, ground, False, grey, wide, cv2.LINE_AA, SHIFT)
        luma = self.picture.luma
        cv2.multiply(luma, self._shade, dst=luma, scale=1 / 255)
        for (colour, thickness), group in groupby(strokes, key=lambda s: (s.colour, s.thickness)):
            alike = list(group)
            lines = [line for stroke in alike for line in stroke.lines]
            tinted = [line for stroke in alike for line in stroke.ground]
            self.picture.lines(lines, colour, thickness, tinted)

    def at(self, points_px: FloatArray) -> FloatArray:
        """Return points of the frame as points of the canvas; both count from pixel centres."""
        placed: FloatArray = (points_px + 0.5) * self.scale - 0.5
        return placed

    def _strokes(self, marks: Sequence[Mark]) -> list[_Stroke]:
        """Return the strokes of marks; their points are placed in one go, and so are all dashes."""
        if not marks:
            return []
        placed = self._fixed(self.at(np.concatenate([mark.points_px for mark in marks])))
        ends = np.cumsum([len(mark.points_px) for mark in marks]).tolist()
        lines = [
            self._line(mark, placed[end - len(mark.points_px) : end])
            for mark, end in zip(marks, ends, strict=True)
        ]
        dashed = [mark.role in DASHED for mark in marks]
        corners = [line for line, is_dashed in zip(lines, dashed, strict=True) if is_dashed]
        dashes = iter(_dashes(corners, 10 * self.line * (1 << SHIFT)))
        return [
            self._stroke(mark, line, next(dashes) if is_dashed else None)
            for mark, line, is_dashed in zip(marks, lines, dashed, strict=True)
        ]

    def _line(self, mark: Mark, points: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return a mark's line from its points: closed, and a box inside the frame."""
        if mark.role in BOXES:
            edge = self.line / 2 + 0.5
            high, wide = self.picture.luma.shape
            limits = (np.array([wide, high]) - 1 - edge) * (1 << SHIFT)
            points = np.clip(points, int(edge * (1 << SHIFT)), limits.astype(np.int32))
        return np.concatenate([points, points[:1]]) if mark.closed else points

    def _stroke(self, mark: Mark, line: NDArray[np.int32], dashes: Lines | None) -> _Stroke:
        colour = rgb(COLOURS[mark.role])
        if len(line) == 1:
            cross = self._cross(line[0])
            return _Stroke(cross, cross, colour, max(1, round(2 * self.line)), 0.6)
        width = max(1, round(self.line * (1.1 if mark.role in THIN else 1.3)))
        if dashes is not None:
            return _Stroke(dashes, [line], colour, width)
        if len(line) > 2:
            line = np.asarray(cv2.approxPolyDP(line, STRAIGHT * (1 << SHIFT), False))
        return _Stroke([line], [line], colour, width)

    def _fixed(self, points: FloatArray) -> NDArray[np.int32]:
        limit = 4.0 * max(self.picture.luma.shape)
        return np.rint(np.clip(points, -limit, limit) * (1 << SHIFT)).astype(np.int32)

    def _cross(self, centre: NDArray[np.int32]) -> Lines:
        reach, hole = 9 * self.line, 2.5 * self.line
        ways = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)])
        ends = np.rint(np.array([hole, reach]) * (1 << SHIFT)).astype(np.int32)
        return list((centre + ways[:, None, :] * ends[:, None]).astype(np.int32))

    def scale_bar(self, scale_nm_per_px: float, corner: Corner = (False, True)) -> None:
        """Draw a scale bar with its length in a corner."""
        height, width = self.picture.luma.shape
        length_nm = nice_length_nm(0.25 * width / self.scale * scale_nm_per_px)
        length = round(length_nm / scale_nm_per_px * self.scale)
        size = max(13, round(min(width, height) / 32))
        plate, pad = _bar_plate(length_words(length_nm), length, size), size // 2
        high, wide = plate.luma.shape
        left = width - wide - pad if corner[0] else pad
        top = height - high - pad if corner[1] else pad
        self.picture.paste(left, top, plate)

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
        plate = _name_plate(text, size, rgb(colour))
        left, top = place - (0.4 * size, plate.luma.shape[0] / 2)
        self.picture.paste(round(left), round(top), plate)


@lru_cache(maxsize=32)
def _name_plate(text: str, size: int, colour: Colour) -> Planes:
    plate = Planes.blank(_even(words_width(text, size) + 0.8 * size), _even(1.4 * size), PLATE)
    write_words(plate, (0.4 * size, plate.luma.shape[0] / 2), text, size, colour)
    return plate


@lru_cache(maxsize=32)
def _bar_plate(text: str, length: int, size: int) -> Planes:
    plate = Planes.blank(_even(max(length, 4 * size) + size), _even(2.4 * size), PLATE)
    middle, thick = plate.luma.shape[1] // 2, max(3, size // 4)
    bar = np.full((thick, length), 255, dtype=np.uint8)
    plate.cover(middle - length // 2, round(1.8 * size), bar, WHITE)
    write_words(plate, (middle, 0.95 * size), text, size, WHITE, centred=True)
    return plate


def _even(length: float) -> int:
    return round(length / 2) * 2


def write_words(
    picture: Planes,
    place: tuple[float, float],
    text: str,
    size: int,
    colour: Colour,
    *,
    bold: bool = False,
    centred: bool = False,
    on_white: bool = False,
) -> float:
    """Write one line, its middle at the place's height, and return its width in pixels."""
    mask, width = _words(text, size, bold)
    left = round(place[0] - (width / 2 if centred else 0.0)) - MARGIN
    write = picture.ink if on_white else picture.cover
    write(left, round(place[1]) - mask.shape[0] // 2, mask, colour)
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
    if all(letter.fits for letter in letters):
        mask = np.concatenate([_room(size), *(letter.cell for letter in letters), _room(size)], 1)
        return mask, float(mask.shape[1] - 2 * MARGIN)
    ends = np.cumsum([letter.advance for letter in letters])
    mask = np.zeros((2 * size, math.ceil(ends[-1]) + 2 * MARGIN + size), dtype=np.uint8)
    for letter, end in zip(letters, ends, strict=True):
        x = round(end - letter.advance)
        view = mask[:, x : x + letter.drawn.shape[1]]
        np.maximum(view, letter.drawn, out=view)
    return mask, float(ends[-1])


@dataclass(frozen=True, slots=True, eq=False)
class _Letter:
    """A letter's mask with margins, its advance, and its cell, where all of it `fits` into that."""

    drawn: NDArray[np.uint8]
    advance: float
    cell: NDArray[np.uint8]
    fits: bool


@lru_cache(maxsize=32)
def _room(size: int) -> NDArray[np.uint8]:
    return np.zeros((2 * size, MARGIN), dtype=np.uint8)


@lru_cache(maxsize=2048)
def _letter(letter: str, size: int, bold: bool) -> _Letter:
    from PIL import Image as Pictures
    from PIL import ImageDraw

    font = _font(size, bold)
    advance = float(font.getlength(letter))
    sheet = Pictures.new("L", (math.ceil(advance) + 2 * MARGIN, 2 * size))
    ImageDraw.Draw(sheet).text((MARGIN, size), letter, 255, font, anchor="lm")
    drawn = np.asarray(sheet)
    cell = drawn[:, MARGIN : MARGIN + round(advance)]
    fits = advance.is_integer() and int(drawn.sum()) == int(cell.sum())
    return _Letter(drawn, advance, cell, fits)


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


def _dashes(lines: Lines, period: float) -> list[Lines]:
    """Return the dashes of every line, half a period long, one at either end of every side."""
    if not lines:
        return []
    starts = np.concatenate([line[:-1] for line in lines])
    ways = np.concatenate([line[1:] for line in lines]) - starts
    counts = np.clip(np.ceil(np.hypot(*ways.T) / period - 0.5), 1, 400).astype(int)
    side = np.repeat(np.arange(len(counts)), counts)
    lasts = np.cumsum(counts)
    number = np.arange(len(side)) - (lasts - counts)[side]
    shares = (number[:, None] + (0.0, 0.5)) / (counts[side, None] - 0.5)
    dashes = starts[side, None] + np.rint(shares[..., None] * ways[side, None]).astype(np.int32)
    ends = lasts[np.cumsum([len(line) - 1 for line in lines]) - 1].tolist()
    return [list(dashes[a:b]) for a, b in pairwise([0, *ends])]

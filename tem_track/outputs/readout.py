"""What stands beside a film's frame: its numbers, and the curve up to it.

All that stays the same is painted once; of a picture only the numbers, the curve's last stretch and
its point are new.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from textwrap import wrap

import numpy as np

from tem_track.analysis import Result
from tem_track.outputs.canvas import words_width, write_words
from tem_track.outputs.figures import common_share, draw_band, journal_style, new_figure
from tem_track.outputs.panels import column, main_panel
from tem_track.outputs.planes import Colour, Picture, Planes, rgb
from tem_track.outputs.style import PHASE_COLOURS, PROBLEMS, flag_words
from tem_track.outputs.words import RowWords, clock_words
from tem_track.records import FloatArray

__all__ = ["Readout", "readout_of"]

FULL_PX = 864
LEAST_SCALE = 0.74
WIDTH = 640
INK: Colour = (20, 20, 20)
SOFT: Colour = (90, 90, 90)
WARN: Colour = (190, 30, 20)
POINT: Colour = rgb("#D55E00")
PAD, LINE, SIZE, COLUMN = 22, 27, 19, 210
HEAD, FOOT = 74, 84
LEAST_CURVE = 260
"""The panel beside a frame of full height, in pixels: that height, the least reduction at which
words can be read, width, colours, margin, line, size of words, column of numbers, room above and
below them, least height of the curve."""


@dataclass(frozen=True, eq=False)
class _Rows:
    """What is written of every row."""

    frames: Sequence[int]
    clock: Sequence[str]
    phases: Sequence[str]
    flags: Sequence[str]
    numbers: RowWords


class Readout:
    """Draws the panel of any row; rows one after the other cost least.

    Parameters
    ----------
    rows : _Rows
    size : (int, int)
        Width and height of the panel.
    text_size : (int, int)
        Of its part with the numbers, in the upper left corner.
    scale : float
        Size of the letters over the usual.
    note : str
        What stands below the numbers.
    curve : Picture
        The curve's axes with the whole curve in grey, for the lower right corner.
    curve_xy : FloatArray
        Place of every point on `curve`, shape (n, 2), NaN where there is none.

    Attributes
    ----------
    curve_place : (int, int)
        The curve's upper left corner.
    """

    def __init__(
        self,
        rows: _Rows,
        size: tuple[int, int],
        text_size: tuple[int, int],
        scale: float,
        note: str,
        curve: Picture,
        curve_xy: FloatArray,
    ) -> None:
        self.size, self._text_size, self._scale = size, text_size, scale
        self._rows, self._xy = rows, curve_xy
        seen: list[bool] = np.isfinite(curve_xy.sum(axis=1)).tolist()
        self._joined = [False, *(a and b for a, b in pairwise(seen))]
        self._colours = [_colour(phase) for phase in rows.phases]
        width, height = size
        self.curve_place = (width - curve.shape[1], height - curve.shape[0])
        self._empty = Planes.of(curve)
        self._so_far = Planes.of(curve)
        self._drawn = 0
        self._base = Planes.blank(*text_size)
        self._write_names(note)

    def draw(self, panel: Planes, row: int) -> None:
        """Draw a row on a panel of the right size."""
        text = panel.part(0, 0, *self._text_size)
        text.show(self._base)
        self._write(text, row)
        height, width = self._empty.luma.shape
        curve = panel.part(*self.curve_place, width, height)
        self._advance(row)
        curve.show(self._so_far)
        x, y = self._xy[row]
        if np.isfinite(x + y):
            curve.disc(x, y, 8 * self._scale, (255, 255, 255))
            curve.disc(x, y, 6 * self._scale, POINT)

    def _px(self, length: float) -> int:
        return round(length * self._scale)

    # ------------------------------------------------------------------ numbers

    def _write_names(self, note: str) -> None:
        y: float = HEAD
        for name in self._rows.numbers.names:
            self._words(self._base, PAD, y, name, SIZE, SOFT)
            y += LINE
        lines = wrap(note, max(20, int((self._text_size[0] / self._scale - 2 * PAD) / 8.4)))
        for line in lines:
            self._words(self._base, PAD, y, line, 14, SOFT)
            y += 20
        self._flags_y = y + 8

    def _write(self, text: Planes, row: int) -> None:
        rows = self._rows
        x = PAD + self._words(text, PAD, 36, f"frame {rows.frames[row]}", 26, INK, bold=True)
        if rows.clock[row]:
            x += 24 + self._words(text, x + 24, 36, rows.clock[row], 24, INK)
        self._words(text, x + 24, 36, rows.phases[row], 22, SOFT)
        y: float = HEAD
        for name, value in rows.numbers.of(row):
            value = value.replace("-", "\u2212")
            self._words(text, PAD + COLUMN, y, value, SIZE + 2, INK, bold=name == "force")
            y += LINE
        flags, y = rows.flags[row], self._flags_y
        if not flags:
            return
        colour = WARN if PROBLEMS & set(flags.split(";")) else INK
        room = int((self._text_size[0] / self._scale - 2 * PAD) / 13)
        for line in wrap(", ".join(flag_words(flags)), max(12, room)):
            self._words(text, PAD, y, line, SIZE, colour, bold=True)
            y += 26

    def _words(
        self,
        text: Planes,
        x: float,
        y: float,
        words: str,
        size: int,
        colour: Colour,
        *,
        bold: bool = False,
    ) -> float:
        """Write at a place in the usual size's pixels, and return the width in these."""
        place, high = (x * self._scale, y * self._scale), max(11, self._px(size))
        write_words(text, place, words, high, colour, bold=bold, on_white=colour != WARN)
        return words_width(words, high, bold=bold) / self._scale

    # ------------------------------------------------------------------ curve

    def _advance(self, row: int) -> None:
        """Have the curve drawn up to a row."""
        if row + 1 < self._drawn:
            self._so_far.show(self._empty)
            self._drawn = 0
        first, self._drawn = self._drawn, row + 1
        for joined, colour, steps in self._stretches(first, row):
            if joined:
                line = np.rint(self._xy[steps[0] - 1 : steps[-1] + 1] * 16).astype(np.int32)
                self._so_far.lines([line], colour, 2)
            else:
                self._alone(steps, colour)

    def _stretches(self, first: int, last: int) -> Iterator[tuple[bool, Colour, range]]:
        """Yield rows of one colour, all joined to the row before them or none."""
        start = first
        for step in range(first, last + 1):
            here = (self._joined[step], self._colours[step])
            if step == last or here != (self._joined[step + 1], self._colours[step + 1]):
                yield *here, range(start, step + 1)
                start = step + 1

    def _alone(self, steps: Sequence[int], colour: Colour) -> None:
        """Draw points that no line leads to."""
        for x, y in self._xy[list(steps)]:
            if np.isfinite(x + y):
                self._so_far.disc(x, y, 1.5, colour)


def readout_of(result: Result, wide: int, high: int, note: str = "", *, beside: bool) -> Readout:
    """Prepare the panel beside, or below, a frame of the size at which it is shown.

    A note is added to that on uncertainties.
    """
    points = result.points
    rows = _Rows(
        points["frame"].tolist(),
        clock_words(result),
        points["phase"].astype(str).tolist(),
        points["flags"].astype(str).tolist(),
        RowWords(result),
    )
    lines = len(rows.numbers.names)
    if beside:
        scale = min(1.0, max(LEAST_SCALE, high / FULL_PX))
        text_high = HEAD + LINE * lines + FOOT
        tall = max(high, _even((text_high + LEAST_CURVE) * scale))
        size = (_even(WIDTH * scale), tall)
        text_size = (size[0], _even(text_high * scale))
        curve_size = (size[0], min(tall - text_size[1], _even(600 * scale)))
    else:
        scale = min(1.0, max(LEAST_SCALE, wide / 960))
        size = (wide, _even(max(380, HEAD + LINE * lines + FOOT) * scale))
        text_size = (_even(480 * scale), size[1])
        curve_size = (wide - text_size[0], size[1])
    curve, places = _curve(result, *curve_size)
    note = "; ".join(filter(None, (_uncertainty_note(result), note)))
    return Readout(rows, size, text_size, scale, note, curve, places)


def _even(length: float) -> int:
    return round(length / 2) * 2


def _curve(result: Result, width: int, height: int) -> tuple[Picture, FloatArray]:
    panel = main_panel(result)
    empty = np.full((len(result.points), 2), np.nan)
    if panel is None:
        return np.full((height, width, 3), 255, dtype=np.uint8), empty
    dpi = 160 * min(1.0, max(LEAST_SCALE, width / WIDTH))
    with journal_style():
        figure = new_figure((width + 0.5) / dpi * 25.4, (height + 0.5) / dpi * 25.4)
        figure.set_dpi(dpi)
        axes = figure.add_subplot()
        x, y = column(result, panel.x), column(result, panel.ys[0])
        draw_band(axes, result, panel, panel.ys[0], "#B0B0B0")
        axes.plot(x, y, "-o", color="#C8C8C8", lw=1.0, ms=1.4, mew=0)
        axes.set_xlabel(panel.x_label)
        axes.set_ylabel(panel.y_label)
        figure.canvas.draw()
        drawn = np.asarray(figure.canvas.buffer_rgba())[..., :3]  # type: ignore[attr-defined]
        places = axes.transData.transform(np.column_stack([x, y]))
    places[:, 1] = drawn.shape[0] - places[:, 1]
    return np.ascontiguousarray(drawn[:height, :width]), places - 0.5


def _colour(phase: str) -> Colour:
    """Return a phase's colour; phases of growth are not told apart."""
    return rgb(PHASE_COLOURS.get(phase, PHASE_COLOURS["load"]))


def _uncertainty_note(result: Result) -> str:
    """Say what the uncertainties beside the frame are, and what is common to all frames."""
    note = "\u00b1 from frame to frame, k = 1"
    common = common_share(result, "force_nN")
    return f"{note}; common to all forces: \u00b1 {100 * common:.2g} %" if common else note

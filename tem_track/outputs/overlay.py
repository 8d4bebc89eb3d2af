"""The film of the test: each frame with its marks, its numbers and the curve up to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.analysis import Progress, Result
from tem_track.outputs.canvas import Canvas, Colour, Picture, rgb, write_words
from tem_track.outputs.display import BAD_FRAME_GREY, Corner, Levels, survey
from tem_track.outputs.encode import ahead, encode
from tem_track.outputs.figures import common_share, draw_band, journal_style, new_figure
from tem_track.outputs.files import replacing
from tem_track.outputs.marks import Marks, boxes_of, marks_of
from tem_track.outputs.panels import column, first_rows, main_panel
from tem_track.outputs.style import COLOURS, PHASE_COLOURS, PROBLEMS, flag_words
from tem_track.outputs.words import clock_words, measured_columns, row_words
from tem_track.records import FloatArray, Frame

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = ["Film", "film_of", "frames_per_second", "write_overlay"]

FRAME_BOX = (960, 864)
PANEL_WIDTH = 640
WIDE = 1.45
INK = (20, 20, 20)
SOFT = (90, 90, 90)
WARN = (190, 30, 20)


@dataclass(frozen=True, eq=False)
class Film:
    """Paints the picture of any row.

    Attributes
    ----------
    result : Result
    marks : Marks
    levels : Levels
    frame_size : (int, int)
        Width and height of the frame on the picture.
    beside : bool
        The panel stands to the right of the frame; below it otherwise.
    curve : Picture
        The curve's axes with the whole curve in grey.
    words : frozenset of str
        The columns whose values stand in the panel.
    clock : list of str
        The time of every row.
    corner : (bool, bool)
        Where the scale bar stands.
    curve_xy : FloatArray
        Place of every point on `curve`, shape (n, 2), NaN where there is none.
    """

    result: Result
    marks: Marks
    levels: Levels
    frame_size: tuple[int, int]
    beside: bool
    panel_size: tuple[int, int]
    curve: Picture
    curve_xy: FloatArray
    words: frozenset[str]
    clock: list[str]
    corner: Corner

    def paint(self, row: int, frame: Frame) -> Picture:
        """Return the picture of a row, shape (height, width, 3), RGB, even sizes."""
        left = self._frame(row, frame)
        panel = self._panel(row)
        whole = np.concatenate([left, panel], axis=1 if self.beside else 0)
        return np.ascontiguousarray(whole[: whole.shape[0] // 2 * 2, : whole.shape[1] // 2 * 2])

    def _frame(self, row: int, frame: Frame) -> Picture:
        grey = self.levels.apply(frame.image)
        if not frame.ok:
            grey = np.full_like(grey, BAD_FRAME_GREY)
        canvas = Canvas(grey, *self.frame_size)
        canvas.draw(self.marks.at(row))
        self._name_lines(canvas, row)
        canvas.scale_bar(self.result.experiment.calibration.scale_nm_per_px, self.corner)
        return canvas.picture

    def _name_lines(self, canvas: Canvas, row: int) -> None:
        for text, point in (
            ("bar", self.marks.bar_line_at(row)),
            ("tip without load", self.marks.zero_at(row)),
        ):
            line = None if point is None else self.marks.across_frame(point)
            if line is not None:
                canvas.name(text, line, COLOURS["bar_line"])

    def _panel(self, row: int) -> Picture:
        width, height = self.panel_size
        panel = np.full((height, width, 3), 255, dtype=np.uint8)
        curve_height, curve_width = self.curve.shape[:2]
        top, left = height - curve_height, width - curve_width
        panel[top:, left:] = self.curve
        self._progress_on(panel, np.array([left, top]), row)
        text_width = width if self.beside else left
        self._text(panel[:, :text_width], row)
        return panel

    def _text(self, panel: Picture, row: int) -> None:
        points = self.result.points
        pad, line, size = 22, 30, 19
        y = 36.0
        frame_number = int(points["frame"].iloc[row])
        x = pad + write_words(panel, (pad, y), f"frame {frame_number}", 26, INK, bold=True)
        if self.clock[row]:
            x += 24 + write_words(panel, (x + 24, y), self.clock[row], 24, INK)
        write_words(panel, (x + 24, y), str(points["phase"].iloc[row]), 22, SOFT)
        y += 42
        for name, value in row_words(self.result, row, self.words):
            write_words(panel, (pad, y), name, size, SOFT)
            write_words(
                panel,
                (pad + 210, y),
                value.replace("-", "\u2212"),
                size + 2,
                INK,
                bold=name == "force",
            )
            y += line
        note = _uncertainty_note(self.result)
        write_words(panel, (pad, y), note, 14, SOFT)
        y += 28
        flags = str(points["flags"].iloc[row])
        colour = WARN if PROBLEMS & set(flags.split(";")) else INK
        for text in wrap(", ".join(flag_words(flags)), max(12, (panel.shape[1] - 2 * pad) // 13)):
            write_words(panel, (pad, y), text, size, colour, bold=True)
            y += 26

    def _progress_on(self, panel: Picture, corner: NDArray[np.int_], row: int) -> None:
        past = self.curve_xy[: row + 1] + corner
        phases = self.result.points["phase"].astype(str).tolist()
        for rows in _runs(past):
            if len(rows) == 1:
                x, y = (int(v) for v in np.rint(past[rows[0]] * 16))
                cv2.circle(panel, (x, y), 2 * 16, self._colour(phases[rows[0]]), -1, cv2.LINE_AA, 4)
            for phase, steps in groupby(rows[1:], key=phases.__getitem__):
                stretch = list(steps)
                line = np.rint(past[stretch[0] - 1 : stretch[-1] + 1] * 16).astype(np.int32)
                cv2.polylines(panel, [line], False, self._colour(phase), 2, cv2.LINE_AA, 4)
        if np.isfinite(past[-1]).all():
            x, y = (int(v) for v in np.rint(past[-1] * 16))
            cv2.circle(panel, (x, y), 8 * 16, (255, 255, 255), -1, cv2.LINE_AA, 4)
            cv2.circle(panel, (x, y), 6 * 16, rgb("#D55E00"), -1, cv2.LINE_AA, 4)

    def _colour(self, phase: str) -> Colour:
        """Return a phase's colour; phases of growth are not told apart."""
        return rgb(PHASE_COLOURS.get(phase, PHASE_COLOURS["load"]))


def film_of(result: Result, movie: Movie) -> Film:
    """Prepare the film of a result: sizes, grey levels, and the curve's axes."""
    wide, high = movie.info.width_px, movie.info.height_px
    scale = min(FRAME_BOX[0] / wide, FRAME_BOX[1] / high)
    size = (round(wide * scale) // 2 * 2, round(high * scale) // 2 * 2)
    beside = wide / high < WIDE
    words = measured_columns(result)
    if beside:
        panel_size = (PANEL_WIDTH, size[1])
        curve_size = (PANEL_WIDTH, max(260, min(600, size[1] - 160 - 30 * len(words))))
    else:
        panel_size = (size[0], max(380, 170 + 30 * len(words)))
        curve_size = (size[0] - 480, panel_size[1])
    seen = survey(movie, result.points["frame"].tolist())
    curve, curve_xy = _curve(result, *curve_size)
    return Film(
        result,
        marks_of(result, movie),
        seen.levels,
        size,
        beside,
        panel_size,
        curve,
        curve_xy,
        words,
        clock_words(result),
        seen.corner(boxes_of(result)),
    )


def _curve(result: Result, width: int, height: int) -> tuple[Picture, FloatArray]:
    panel = main_panel(result)
    empty = np.full((len(result.points), 2), np.nan)
    if panel is None:
        return np.full((height, width, 3), 255, dtype=np.uint8), empty
    dpi = 160
    with journal_style():
        figure = new_figure(width / dpi * 25.4, height / dpi * 25.4)
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


def _runs(points: FloatArray) -> list[list[int]]:
    """Return the rows of a line's stretches between points that are missing."""
    seen = np.flatnonzero(np.isfinite(points).all(axis=1))
    return [run.tolist() for run in np.split(seen, np.flatnonzero(np.diff(seen) > 1) + 1)]


def _uncertainty_note(result: Result) -> str:
    """Say what the uncertainties beside the frame are, and what is common to all frames."""
    note = "\u00b1 from frame to frame, k = 1"
    common = common_share(result, "force_nN")
    return f"{note}; common to all forces: \u00b1 {100 * common:.2g} %" if common else note


def frames_per_second(count: int) -> int:
    """Return a playable rate: long movies at 25 frames a second, short ones over 5 s or so."""
    return int(min(25, max(2, round(count / 6))))


def write_overlay(
    result: Result,
    movie: Movie,
    path: str | os.PathLike[str],
    progress: Progress | None = None,
) -> None:
    """Write the film as H.264 in an MP4 that every browser and slide program plays.

    Parameters
    ----------
    result : Result
    movie : Movie
    path : path
    progress : callable, optional
        Called as ``progress("overlay", done, total)``.
    """
    film = film_of(result, movie)
    total = len(first_rows(result.points["frame"].tolist()))
    with replacing(Path(path)) as part:
        pictures = ahead(_pictures(film, movie))
        for done in encode(pictures, part, frames_per_second(total)):
            if progress is not None:
                progress("overlay", done, total)


def _pictures(film: Film, movie: Movie) -> Iterator[Picture]:
    frames = film.result.points["frame"].tolist()
    rows = first_rows(frames)
    chosen = movie.select(frames[row] for row in rows)
    for row, frame in zip(rows, chosen, strict=True):
        yield film.paint(row, frame)

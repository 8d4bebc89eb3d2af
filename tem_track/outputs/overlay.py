"""The film of the test: each frame with its marks, its numbers and the curve up to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import av

from tem_track.analysis import Progress, Result
from tem_track.outputs.canvas import Canvas
from tem_track.outputs.display import (
    SMOOTHED_PX,
    Corner,
    Grey,
    Levels,
    shown,
    shown_size,
    smoothed,
    survey,
)
from tem_track.outputs.encode import ahead, encode, frame_of
from tem_track.outputs.files import replacing
from tem_track.outputs.marks import Marks, Role, boxes_of, marks_of
from tem_track.outputs.panels import first_rows
from tem_track.outputs.planes import Picture, Planes
from tem_track.outputs.readout import Readout, readout_of
from tem_track.outputs.style import COLOURS
from tem_track.records import Frame

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = ["Film", "Watcher", "film_of", "frames_per_second", "write_overlay"]

WIDE = 1.45
"""Width over height of a frame from which on the panel stands below it, not beside it."""
NAMES: dict[Role, str] = {"bar_line": "bar", "zero_line": "tip without load"}
SHEETS = 4
"""Pictures at a time: one that is encoded, one that waits, one that is painted, one to spare."""

Watcher = Callable[[int, Grey], None]
"""Is shown every row's frame as the film shows it, without marks."""


@dataclass(frozen=True, eq=False)
class _Sheet:
    """A picture, its parts with the frame and with the readout, and a canvas on the frame's."""

    whole: Planes
    panel: Planes
    canvas: Canvas


@dataclass(frozen=True, eq=False)
class Film:
    """Paints the picture of any row.

    Attributes
    ----------
    result : Result
    marks : Marks
    levels : Levels
    corner : (bool, bool)
        Where the scale bar stands.
    readout : Readout
        Numbers and curve.
    noisy : bool
        Frames are smoothed a little: noise is what the encoder's time and the film's bytes are
        spent on, since it is new in every picture.
    sheets : iterator
        Pictures to paint, used in turn.
    """

    result: Result
    marks: Marks
    levels: Levels
    corner: Corner
    readout: Readout
    noisy: bool
    sheets: Iterator[_Sheet]

    def paint(self, row: int, frame: Frame) -> Picture:
        """Return the picture of a row, shape (height, width, 3), RGB, even sizes."""
        return self.draw(row, shown(frame, self.levels)).rgb()

    def draw(self, row: int, grey: Grey) -> Planes:
        """Return the same as the encoder takes it, valid while the next `SHEETS` - 1 are drawn.

        Parameters
        ----------
        row : int
        grey : array
            Its frame, as `shown` returns it.
        """
        sheet = next(self.sheets)
        canvas = sheet.canvas
        canvas.begin(smoothed(grey) if self.noisy else grey)
        marks = self.marks.at(row)
        canvas.draw(marks)
        lines = {mark.role: mark.points_px for mark in marks if mark.role in NAMES}
        for role, name in NAMES.items():
            if role in lines:
                canvas.name(name, lines[role], COLOURS[role])
        canvas.scale_bar(self.result.experiment.calibration.scale_nm_per_px, self.corner)
        self.readout.draw(sheet.panel, row)
        return sheet.whole


def film_of(result: Result, movie: Movie) -> Film:
    """Prepare the film of a result: sizes, grey levels, and the curve's axes."""
    wide, high = shown_size(movie.info.width_px, movie.info.height_px)
    beside = wide / high < WIDE
    seen = survey(movie, result.points["frame"].tolist())
    noisy = seen.noisy
    note = f"frames smoothed by {SMOOTHED_PX} px against noise" if noisy else ""
    readout = readout_of(result, wide, high, note, beside=beside)
    scale = wide / movie.info.width_px
    sheets = [_sheet(wide, high, readout.size, scale, beside=beside) for _ in range(SHEETS)]
    return Film(
        result,
        marks_of(result, movie),
        seen.levels,
        seen.corner(boxes_of(result)),
        readout,
        noisy,
        cycle(sheets),
    )


def _sheet(wide: int, high: int, size: tuple[int, int], scale: float, *, beside: bool) -> _Sheet:
    """Lay out a frame of a width and height, and a readout of a size beside or below it."""
    width, height = size
    if beside:
        whole = Planes.blank(wide + width, height)
        left = whole.part(0, (height - high) // 4 * 2, wide, high)
        panel = whole.part(wide, 0, width, height)
    else:
        whole = Planes.blank(width, high + height)
        left = whole.part(0, 0, wide, high)
        panel = whole.part(0, high, width, height)
    return _Sheet(whole, panel, Canvas(left, scale))


def frames_per_second(count: int) -> int:
    """Return a playable rate: long movies at 25 frames a second, short ones over 5 s or so."""
    return int(min(25, max(2, round(count / 6))))


def write_overlay(
    result: Result,
    movie: Movie,
    path: str | os.PathLike[str],
    progress: Progress | None = None,
    watcher: Watcher | None = None,
) -> None:
    """Write the film as H.264 in an MP4 that every browser and slide program plays.

    Parameters
    ----------
    result : Result
    movie : Movie
    path : path
    progress : callable, optional
        Called as ``progress("overlay", done, total)``.
    watcher : callable, optional
        Called with every row and its frame, so that the movie is decoded once for all.
    """
    film = film_of(result, movie)
    total = len(first_rows(result.points["frame"].tolist()))
    with replacing(Path(path)) as part, ThreadPoolExecutor(1) as beside:
        greys = ahead(_greys(film, movie))
        pictures = ahead(_pictures(film, greys, watcher, beside))
        for done in encode(pictures, part, frames_per_second(total)):
            if progress is not None:
                progress("overlay", done, total)


def _greys(film: Film, movie: Movie) -> Iterator[tuple[int, Grey]]:
    """Yield every row and its frame as it is shown."""
    frames = film.result.points["frame"].tolist()
    rows = first_rows(frames)
    chosen = movie.select(frames[row] for row in rows)
    for row, frame in zip(rows, chosen, strict=True):
        yield row, shown(frame, film.levels)


def _pictures(
    film: Film, greys: Iterator[tuple[int, Grey]], watcher: Watcher | None, beside: Executor
) -> Iterator[av.VideoFrame]:
    """Yield pictures; each frame is watched in a thread of its own while it is painted."""
    watching: Future[None] | None = None
    for row, grey in greys:
        if watching is not None:
            watching.result()
        watching = beside.submit(watcher, row, grey) if watcher is not None else None
        yield frame_of(film.draw(row, grey))
    if watching is not None:
        watching.result()

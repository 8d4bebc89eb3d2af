"""The film of the test: each frame with its marks, its numbers and the curve up to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import av

from tem_track.analysis import Progress, Result
from tem_track.outputs.canvas import Canvas
from tem_track.outputs.display import Corner, Grey, Levels, shown, shown_size, survey
from tem_track.outputs.encode import ahead, encode, frame_of
from tem_track.outputs.files import replacing
from tem_track.outputs.marks import Marks, boxes_of, marks_of
from tem_track.outputs.panels import first_rows
from tem_track.outputs.planes import Picture, Planes, luma_of
from tem_track.outputs.readout import Readout, readout_of
from tem_track.outputs.style import COLOURS
from tem_track.records import Frame

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = ["Film", "Watcher", "film_of", "frames_per_second", "write_overlay"]

WIDE = 1.45
"""Width over height of a frame from which on the panel stands below it, not beside it."""

Watcher = Callable[[int, Grey], None]
"""Is shown every row's frame as the film shows it, without marks."""


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
    whole, left, panel : Planes
        The picture, and its parts with the frame and with the readout.
    canvas : Canvas
        On the frame's part.
    """

    result: Result
    marks: Marks
    levels: Levels
    corner: Corner
    readout: Readout
    whole: Planes
    left: Planes
    panel: Planes
    canvas: Canvas

    def paint(self, row: int, frame: Frame) -> Picture:
        """Return the picture of a row, shape (height, width, 3), RGB, even sizes."""
        return self.draw(row, shown(frame, self.levels)).rgb()

    def draw(self, row: int, grey: Grey) -> Planes:
        """Return the same as the encoder takes it, valid until the next is drawn.

        Parameters
        ----------
        row : int
        grey : array
            Its frame, as `shown` returns it.
        """
        self.left.luma[:] = luma_of(grey)
        self.left.uncolour()
        self.canvas.begin()
        self.canvas.draw(self.marks.at(row))
        self._name_lines(row)
        self.canvas.scale_bar(self.result.experiment.calibration.scale_nm_per_px, self.corner)
        self.readout.draw(self.panel, row)
        return self.whole

    def _name_lines(self, row: int) -> None:
        for text, point in (
            ("bar", self.marks.bar_line_at(row)),
            ("tip without load", self.marks.zero_at(row)),
        ):
            line = None if point is None else self.marks.across_frame(point)
            if line is not None:
                self.canvas.name(text, line, COLOURS["bar_line"])


def film_of(result: Result, movie: Movie) -> Film:
    """Prepare the film of a result: sizes, grey levels, and the curve's axes."""
    wide, high = shown_size(movie.info.width_px, movie.info.height_px)
    beside = wide / high < WIDE
    readout = readout_of(result, wide, high, beside=beside)
    width, height = readout.size
    seen = survey(movie, result.points["frame"].tolist())
    if beside:
        whole = Planes.blank(wide + width, height)
        left = whole.part(0, (height - high) // 4 * 2, wide, high)
        panel = whole.part(wide, 0, width, height)
    else:
        whole = Planes.blank(width, high + height)
        left = whole.part(0, 0, wide, high)
        panel = whole.part(0, high, width, height)
    return Film(
        result,
        marks_of(result, movie),
        seen.levels,
        seen.corner(boxes_of(result)),
        readout,
        whole,
        left,
        panel,
        Canvas(left, wide / movie.info.width_px),
    )


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
    with replacing(Path(path)) as part:
        pictures = ahead(_pictures(film, movie, watcher))
        for done in encode(pictures, part, frames_per_second(total)):
            if progress is not None:
                progress("overlay", done, total)


def _pictures(film: Film, movie: Movie, watcher: Watcher | None) -> Iterator[av.VideoFrame]:
    frames = film.result.points["frame"].tolist()
    rows = first_rows(frames)
    chosen = movie.select(frames[row] for row in rows)
    for row, frame in zip(rows, chosen, strict=True):
        grey = shown(frame, film.levels)
        if watcher is not None:
            watcher(row, grey)
        yield frame_of(film.draw(row, grey))

"""A sample of a movie's frames that is walked several times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from tem_track.records import Frame

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = ["Sample"]

SAMPLE_FRAMES = 100
"""Frames that are learnt from. The noise of their mean is a tenth of a frame's, which adds half a
per cent to a position's error; each more has to be decoded twice."""

Progress = Callable[[str, int, int], None]


class Sample:
    """About a hundred good frames spread over a range of a movie's frames, in order.

    Parameters
    ----------
    movie : Movie
        Where it can keep frames, it does.
    frame_range : range
    progress : callable
        Called as ``progress("template", done, total)`` while the movie is walked for the first
        time.
    """

    def __init__(self, movie: Movie, frame_range: range, progress: Progress) -> None:
        count = min(SAMPLE_FRAMES, len(frame_range))
        spread = np.linspace(frame_range[0], frame_range[-1], count)
        self._indices = sorted({round(float(i)) for i in spread})
        self._movie = movie
        self._progress: Progress | None = progress
        movie.keep(self._indices, then=frame_range)

    def __iter__(self) -> Iterator[Frame]:
        progress, self._progress = self._progress, None
        for done, frame in enumerate(self._movie.select(self._indices), start=1):
            if frame.ok:
                yield frame
            if progress is not None:
                progress("template", done, len(self._indices))

"""A sample of a movie's frames that is walked several times and decoded once.

Small frames are kept in memory, large ones in a nameless file: to read one back takes a tenth of
the time that it takes to decode one. Where there is no room for either, the movie is decoded again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import IO, TYPE_CHECKING, Protocol

import numpy as np

from tem_track.records import Frame

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = ["Sample"]

SAMPLE_FRAMES = 100
MEMORY_BYTES = 128_000_000
FILE_BYTES = 2_000_000_000

Progress = Callable[[str, int, int], None]


class Sample:
    """About a hundred good frames spread over a range of a movie's frames, in order.

    What is kept of them is let go at the end of its context.

    Parameters
    ----------
    movie : Movie
    frame_range : range
    progress : callable
        Called as ``progress("template", done, total)`` while the movie is decoded.
    """

    def __init__(self, movie: Movie, frame_range: range, progress: Progress) -> None:
        count = min(SAMPLE_FRAMES, len(frame_range))
        spread = np.linspace(frame_range[0], frame_range[-1], count)
        self._indices = sorted({round(float(i)) for i in spread})
        self._movie = movie
        self._progress = progress
        self._store: _Store | None = None
        self._whole = False

    def __enter__(self) -> Sample:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._let_go()

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._store) if self._whole and self._store is not None else self._read()

    def _read(self) -> Iterator[Frame]:
        total = len(self._indices)
        self._let_go()
        for done, frame in enumerate(self._movie.select(self._indices), start=1):
            if done == 1:
                self._store = _store_for(frame.image.nbytes * total)
            if frame.ok:
                yield self._kept(frame)
            self._progress("template", done, total)
        self._whole = True

    def _kept(self, frame: Frame) -> Frame:
        if self._store is not None:
            try:
                return self._store.add(frame)
            except OSError:  # no room
                self._let_go()
        return frame

    def _let_go(self) -> None:
        if self._store is not None:
            self._store.close()
        self._store, self._whole = None, False


class _Store(Protocol):
    def add(self, frame: Frame) -> Frame:
        """Keep a frame, and return it or a copy."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames that are kept."""

    def close(self) -> None:
        """Forget them."""


def _store_for(size: int) -> _Store | None:
    if size <= MEMORY_BYTES:
        return _Memory()
    if size <= FILE_BYTES:
        with suppress(OSError):
            return _File()
    return None


class _Memory:
    """Frames in memory."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []

    def add(self, frame: Frame) -> Frame:
        """Keep the frame with an image of its own, not a view of the decoder's memory.

        That holds the colours too, and the decoder keeps for ever what it once had lent.
        """
        image = frame.image.copy()
        image.setflags(write=False)
        own = replace(frame, image=image)
        self._frames.append(own)
        return own

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)

    def close(self) -> None:
        """Forget the frames."""
        self._frames.clear()


class _File:
    """Frames in a file that is gone with the process, however it ends."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._frames: list[tuple[Frame, int]] = []

    def add(self, frame: Frame) -> Frame:
        """Write the frame behind the others.

        Raises
        ------
        OSError
            There is no room.
        """
        self._file.write(np.ascontiguousarray(frame.image).data)
        self._file.flush()
        nothing = np.empty((0, frame.image.shape[1]), frame.image.dtype)
        self._frames.append((replace(frame, image=nothing), frame.image.shape[0]))
        return frame

    def __iter__(self) -> Iterator[Frame]:
        place = 0
        for frame, rows in self._frames:
            width = frame.image.shape[1]
            self._file.seek(place)
            data = self._file.read(rows * width * frame.image.itemsize)
            place += len(data)
            yield replace(frame, image=np.frombuffer(data, frame.image.dtype).reshape(rows, width))

    def close(self) -> None:
        """Take the file away."""
        with suppress(OSError):  # what a full disk did not take
            self._file.close()

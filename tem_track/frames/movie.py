"""One movie for every kind of file: counted, indexed, iterated, sampled, pickled the same way.

A reader of one family of formats is a `Source`: it says how many frames there are and when they
were taken, and gives the frames of a rising list of numbers. Everything else is here.
"""

from __future__ import annotations

import contextlib
import math
import operator
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, SupportsIndex

import numpy as np

from tem_track.errors import MovieError
from tem_track.frames.ahead import ahead
from tem_track.frames.info import MovieInfo
from tem_track.frames.kept import KeptSource, Places
from tem_track.frames.patience import wait_until_there
from tem_track.records import FloatArray, Frame, Image

if TYPE_CHECKING:
    from tem_track.frames.hashing import Hashing

__all__ = ["Movie", "Picture", "Source"]

Picture = tuple[Image | None, str]
"""The grey values, or None and why there are none."""


class Source(Protocol):
    """What a reader of one family of formats gives."""

    path: Path | None
    info: MovieInfo

    def count(self) -> int:
        """Return the number of frames that can be read, bad ones included."""
        ...

    def times_s(self) -> FloatArray:
        """Return the time of every frame by the file's own clock; NaN where it has none."""
        ...

    def read(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Yield the pictures of rising frame numbers."""
        ...


class Movie:
    """Frames of a movie, decoded when they are asked for.

    ``movie[i]`` is the i-th frame of iteration, whatever the format. A frame that cannot be
    decoded is there with `ok` false, is counted, and shifts nothing after it. Images are
    read-only; copy one to draw on it.

    Attributes
    ----------
    path : Path or None
        The file or folder; None for arrays.
    info : MovieInfo
        What the file says about itself.
    """

    def __init__(self, source: Source, frame_interval_s: float | None = None) -> None:
        self._source = source
        self._frame_interval_s = frame_interval_s
        self._times_s: FloatArray | None = None
        self._hashing: Hashing | None = None
        self.path = source.path
        self.info = source.info

    def __repr__(self) -> str:
        size = f"{self.info.width_px}x{self.info.height_px} px"
        return f"<Movie {self._name()}: {self.info.format} {self.info.codec}, {size}>"

    def __len__(self) -> int:
        return self._source.count()

    def __getitem__(self, index: SupportsIndex) -> Frame:
        number = self._position(operator.index(index))
        return next(iter(self._read([number])))

    def __iter__(self) -> Iterator[Frame]:
        return self.frames()

    @property
    def times_s(self) -> FloatArray:
        """Time of every frame in seconds, shape (n,); NaN where the file has no clock."""
        if self._times_s is None:
            self._times_s = self._clock()
        return self._times_s

    @property
    def notes(self) -> tuple[str, ...]:
        """What only counting the frames has shown, such as where a file is cut."""
        note = getattr(self._source, "end_note", "")
        return (note,) if note else ()

    @property
    def given_interval_s(self) -> float | None:
        """The frame interval that replaces the file's own clock; None where it does not."""
        return self._frame_interval_s

    def with_frame_interval(self, frame_interval_s: float | None) -> Movie:
        """Return the same movie on a given clock; itself where none is given.

        Raises
        ------
        MovieError
            If the interval is not a positive number of seconds.
        """
        if frame_interval_s is None or frame_interval_s == self._frame_interval_s:
            return self
        return Movie(self._source, checked_interval(frame_interval_s))

    @contextlib.contextmanager
    def hashing(self) -> Iterator[None]:
        """Work out `sha256` in a thread meanwhile."""
        from tem_track.frames.hashing import Hashing

        self._hashing = Hashing(self.path) if self.path is not None else None
        try:
            yield
        finally:
            if self._hashing is not None:
                self._hashing.end()

    def sha256(self) -> str | None:
        """Return the SHA-256 of the file or folder; None where there is none."""
        from tem_track.frames.hashing import sha256

        if self._hashing is not None:
            return self._hashing.result()
        return None if self.path is None else sha256(self.path)

    def frames(self, first: int = 0, last: int = -1, step: int = 1) -> Iterator[Frame]:
        """Return the frames from `first` to `last`, decoded ahead in a thread.

        Parameters
        ----------
        first, last : int
            Frame numbers, both included; negative ones count from the end.
        step : int
            Every `step`-th frame.

        Raises
        ------
        MovieError
            If a number lies outside the movie or the step is not positive.
        """
        if step < 1:
            raise MovieError(f"{self._name()}: step {step} is not 1 or more; give a positive step")
        start, stop = self._position(first), self._position(last)
        return self._stream(range(start, stop + 1, step))

    @contextlib.contextmanager
    def keeping(self) -> Iterator[Movie]:
        """Lend the same movie, which can `keep` frames until the end of the context."""
        if isinstance(self._source, KeptSource) or getattr(self._source, "lends", False):
            yield self
            return
        kept = KeptSource(self._source)
        try:
            yield Movie(kept, self._frame_interval_s)
        finally:
            kept.close()

    def keep(self, indices: Iterable[int], *, then: Sequence[int] | None = None) -> None:
        """Keep frames that will be read more than once, where `keeping` has lent the movie.

        Parameters
        ----------
        indices : iterable of int
        then : sequence of int, optional
            What will be read after them, in rising order. A thread begins to read now.
        """
        if isinstance(self._source, KeptSource):
            self._source.keep(indices, then=then)

    def read_on(self) -> None:
        """Allow frames to be read before they are asked for, where `keeping` has lent the movie."""
        if isinstance(self._source, KeptSource):
            self._source.read_on()

    @property
    def decoding_s(self) -> float | None:
        """Processor time to decode a frame, where frames were read before they were asked for."""
        return self._source.decoding_s if isinstance(self._source, KeptSource) else None

    def kept(self) -> tuple[int, Places] | None:
        """Return the file that holds what is kept, and where in it; None where nothing is."""
        return self._source.lent() if isinstance(self._source, KeptSource) else None

    def take_kept(self, file: int, places: Places) -> None:
        """Have the frames that another process has kept of this movie."""
        if isinstance(self._source, KeptSource):
            self._source.take(file, places)
        else:
            os.close(file)

    def select(self, indices: Iterable[int]) -> Iterator[Frame]:
        """Return the frames of the given numbers in rising order, each once.

        Decoding starts from the nearest key frame, so that a sample spread over a long movie
        costs little.
        """
        numbers = sorted({self._position(operator.index(index)) for index in indices})
        return self._stream(numbers)

    def _stream(self, numbers: Sequence[int]) -> Iterator[Frame]:
        frames = self._read(numbers)
        return frames if getattr(self._source, "lends", False) else ahead(frames)

    def _read(self, numbers: Sequence[int]) -> Iterator[Frame]:
        blank = np.zeros((self.info.height_px, self.info.width_px), self._dtype())
        blank.setflags(write=False)
        times_s = self.times_s
        for number, (image, note) in zip(numbers, self._pictures(numbers), strict=True):
            time_s = float(times_s[number])
            if image is not None and (image.shape, image.dtype) != (blank.shape, blank.dtype):
                note = f"is {image.shape[1]}x{image.shape[0]} px of {image.dtype}"
                image = None
            if image is None:
                yield Frame(number, time_s, blank, ok=False, note=note)
            else:
                image.setflags(write=False)
                yield Frame(number, time_s, image, note=note)

    def _pictures(self, numbers: Sequence[int]) -> Iterator[Picture]:
        """Yield the pictures; where the whole movie is away, wait and read on from there."""
        given = 0
        while given < len(numbers):
            for picture in self._source.read(numbers[given:]):
                if picture[0] is None and wait_until_there(self.path):
                    break
                yield picture
                given += 1
            else:
                return

    def _dtype(self) -> type[np.generic]:
        depth = self.info.bit_depth
        return np.uint8 if depth <= 8 else np.uint16 if depth <= 16 else np.float32

    def _clock(self) -> FloatArray:
        if self._frame_interval_s is not None:
            return np.arange(len(self), dtype=np.float64) * self._frame_interval_s
        return self._source.times_s()

    def _position(self, index: int) -> int:
        count = len(self)
        number = index + count if index < 0 else index
        if not 0 <= number < count:
            # IndexError as well, so that the old iteration protocol and callers of lists work.
            raise _FrameNumberError(
                f"{self._name()}: there is no frame {index}; it has {count}, numbered from 0"
            )
        return number

    def _name(self) -> str:
        return self.path.name if self.path is not None else "array"


class _FrameNumberError(MovieError, IndexError):
    """A frame number outside the movie."""


def checked_interval(frame_interval_s: float | None) -> float | None:
    """Return the interval, or raise `MovieError` where it is not a positive number."""
    if frame_interval_s is None:
        return None
    if not (math.isfinite(frame_interval_s) and frame_interval_s > 0):
        raise MovieError(
            f"frame_interval_s = {frame_interval_s} is not a positive number of seconds"
        )
    return float(frame_interval_s)

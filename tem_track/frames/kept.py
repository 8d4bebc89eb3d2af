"""Decoded frames in a file without a name, so that what is walked several times is decoded once.

To read a frame back takes a tenth of the time that it takes to decode one, or less. Where a sample
of the frames costs as much as all of them, since pictures rest on those before them, all are kept.
Where there is no room, frames are decoded again.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import IO, Any

import numpy as np

from tem_track.frames.info import MovieInfo
from tem_track.records import FloatArray, Image

__all__ = ["KeptSource"]

MOST_BYTES = 2_000_000_000
ALL_FROM = 0.5
"""Part of the frames that have to be decoded for some of them, from which on all are kept."""
_ROOM_LEFT = 2.0
"""Free room on the disk over what is to be kept."""

Picture = tuple[Image | None, str]


class KeptSource:
    """A source that remembers some of its pictures.

    Parameters
    ----------
    source : Source
        What is read once.
    """

    path: Path | None
    info: MovieInfo

    def __init__(self, source: Any) -> None:
        self._source = source
        self.path, self.info = source.path, source.info
        self._wanted: range | frozenset[int] = frozenset()
        self._all = False
        self._places: dict[int, tuple[int, tuple[int, ...], np.dtype[Any]]] = {}
        self._file: IO[bytes] | None = None
        self._alone = Lock()

    @property
    def end_note(self) -> str:
        """Why the movie ends early; empty where it does not."""
        return str(getattr(self._source, "end_note", ""))

    def count(self) -> int:
        """Return the number of frames."""
        return int(self._source.count())

    def times_s(self) -> FloatArray:
        """Return the times by the file's own clock."""
        times: FloatArray = self._source.times_s()
        return times

    def keep(self, indices: Iterable[int]) -> None:
        """Keep these frames once they are read, and all between them if they cost as much."""
        numbers = sorted(set(indices))
        self.close()
        if not numbers:
            return
        span = range(numbers[0], numbers[-1] + 1)
        decoded = getattr(self._source, "decoded_for", len)(numbers)
        frame = self.info.width_px * self.info.height_px * max(1, -(-self.info.bit_depth // 8))
        place = _place()
        for wanted, whole in ((span, True), (frozenset(numbers), False)):
            if whole and decoded < ALL_FROM * len(span):
                continue
            if _has_room(place, frame * len(wanted)):
                with suppress(OSError):
                    self._file = tempfile.TemporaryFile(dir=place)  # noqa: SIM115
                    self._wanted, self._all = wanted, whole
                    return

    def read(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Yield the pictures of rising frame numbers."""
        missing = [index for index in indices if index not in self._places]
        fresh, known = self._fresh(missing), set(indices).difference(missing)
        for index in indices:
            if index not in known:
                yield next(fresh)
            elif (image := self._kept(index)) is not None:
                yield image, ""
            else:  # forgotten in the meantime, since the disk is full
                yield from self._source.read([index])

    def _fresh(self, missing: list[int]) -> Iterator[Picture]:
        """Yield pictures that are not kept, and keep what is to be."""
        if not missing:
            return
        asked = set(missing)
        first, last = missing[0], missing[-1]
        numbers: Sequence[int] = missing
        if self._all and first in self._wanted and last in self._wanted:
            numbers = [i for i in range(first, last + 1) if i in asked or i not in self._places]
        for index, picture in zip(numbers, self._source.read(numbers), strict=True):
            if picture[0] is not None and index in self._wanted:
                self._put(index, picture[0])
            if index in asked:
                yield picture

    def _put(self, index: int, image: Image) -> None:
        with self._alone:
            if self._file is None or index in self._places:
                return
            try:
                place = self._file.seek(0, os.SEEK_END)
                self._file.write(np.ascontiguousarray(image).data)
                self._file.flush()
            except OSError:  # no room
                self._forget()
            else:
                self._places[index] = (place, image.shape, image.dtype)

    def _kept(self, index: int) -> Image | None:
        with self._alone:
            known = self._places.get(index)
            if known is None or self._file is None:
                return None
            place, shape, kind = known
            self._file.seek(place)
            data = self._file.read(int(np.prod(shape)) * kind.itemsize)
        return np.frombuffer(data, kind).reshape(shape)

    def _forget(self) -> None:
        self._places.clear()
        self._wanted, self._all = frozenset(), False
        if self._file is not None:
            with suppress(OSError):  # what a full disk did not take
                self._file.close()
            self._file = None

    def close(self) -> None:
        """Take the file away."""
        with self._alone:
            self._forget()


def _place() -> str:
    """Return the folder for the file: not one in memory, where the system has another."""
    named = os.environ.get("TMPDIR")
    large = "/var/tmp"
    if not named and Path(large).is_dir() and os.access(large, os.W_OK | os.X_OK):
        return large
    return tempfile.gettempdir()


def _has_room(place: str, size: int) -> bool:
    with suppress(OSError):
        return size <= MOST_BYTES and shutil.disk_usage(place).free > _ROOM_LEFT * size
    return False

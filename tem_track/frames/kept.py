"""Decoded frames in a file without a name, so that what is walked several times is decoded once.

To read a frame back takes a tenth of the time that it takes to decode one, or less. Where a sample
of the frames costs as much as all of them, since pictures rest on those before them, all are kept.
Where there is no room, frames are decoded again. They are read by a thread as soon as it is known
which, while the program is still loading what looks at them. Where decoding takes longer than
keeping, the thread then reads on from the first frame to be measured: preparing leaves a core idle
for most of its time. Each of these frames is kept until it is read, and its place used again.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from threading import Condition
from time import perf_counter, thread_time
from typing import IO, Any

import numpy as np

from tem_track.frames.fetching import Fetched, Fetching
from tem_track.frames.info import MovieInfo
from tem_track.records import FloatArray, Image

__all__ = ["KeptSource", "Places"]

MOST_BYTES = 2_000_000_000
MOST_WHOLE_BYTES = 8_000_000_000
"""The same where all frames are kept, since otherwise all of them would be decoded twice."""
_WHOLE_ROOM_LEFT = 4.0
_RESERVE_BYTES = 4_000_000_000
"""Room that a large file leaves on the disk, whatever else is written there meanwhile."""
ALL_FROM = 0.5
"""Part of the frames that have to be decoded for some of them, from which on all are kept."""
ALL_FROM_SLOW = 0.25
"""The same where to decode a frame takes many times as long as to keep it."""
_ROOM_LEFT = 2.0
"""Free room on the disk over what is to be kept."""
_MOST_WRITTEN = 2 * MOST_BYTES
"""Bytes that are written while reading on: a disk is no place for a whole long movie."""
_WORTH = 1.5
"""Time to decode a frame over that to keep it, from which on it is worth while to read on."""
_POLL_S = 0.1
_FEWEST = 8
"""Frames that tell how long one takes to decode."""

Picture = tuple[Image | None, str]
Places = dict[int, tuple[int, tuple[int, ...], np.dtype[Any]]]
"""By frame: where in the file it begins, its shape and its kind."""


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
        self._places: Places = {}
        self._file: IO[bytes] | None = None
        self._alone = Condition()
        self._fetching: Fetching | None = None
        self._reads_on = False
        self._once: set[int] = set()
        self._free: list[int] = []
        self._end = self._written = 0
        self._room = 0
        self._putting_s = self._decoding_s = 0.0
        self._decoded = 0
        self._onwards: Iterator[tuple[int, Picture]] | None = None
        self._pending: tuple[int, Picture] | None = None

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

    def read_on(self) -> None:
        """Allow a thread to read all frames before they are asked for."""
        self._reads_on = True

    def keep(self, indices: Iterable[int], *, then: Sequence[int] | None = None) -> None:
        """Keep these frames once they are read, and all between them if they cost as much.

        Where it is said what is read `then`, a thread begins now; who asks for one of the first
        frames waits for it.
        """
        numbers = sorted(set(indices))
        self.close()
        if not numbers:
            return
        span = range(numbers[0], numbers[-1] + 1)
        decoded = getattr(self._source, "decoded_for", len)(numbers)
        frame = self.info.width_px * self.info.height_px * max(1, -(-self.info.bit_depth // 8))
        place = _place()
        slow = getattr(self._source, "is_slow", False)
        least = (ALL_FROM_SLOW if slow else ALL_FROM) * len(span)
        for wanted, whole in ((span, True), (frozenset(numbers), False)):
            if whole and decoded < least:
                continue
            if frame * len(wanted) <= (_room_for_all(place) if whole else _room(place)):
                with suppress(OSError):
                    self._file = tempfile.TemporaryFile(dir=place)  # noqa: SIM115
                    self._wanted, self._all = wanted, whole
                    if then is not None:
                        onwards = [] if whole or not self._reads_on else then
                        self._fetching = Fetching(self._fetched(numbers, onwards), numbers)
                    return

    def read(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Yield the pictures of rising frame numbers."""
        given = 0
        for image, note in self._before_asked(indices):
            yield image, note
            given += 1
        indices = indices[given:]
        if len(indices) > 1 and self._fetching is None:
            given = 0
            for image, note in self._taken_over(indices):
                yield image, note
                given += 1
            indices = indices[given:]
        missing = [index for index in indices if index not in self._places]
        fresh, known = self._fresh(missing), set(indices).difference(missing)
        for index in indices:
            if index not in known:
                yield next(fresh)
            elif (image := self._kept(index)) is not None:
                yield image, ""
            else:  # forgotten in the meantime, since the disk is full
                yield from self._source.read([index])

    def _before_asked(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Yield pictures for as long as the thread is ahead; it ends where it is not."""
        for number in indices:
            fetching = self._fetching
            if fetching is None:
                return
            is_awaited = fetching.has_passed(number)
            image, note = self._kept(number), fetching.why_not(number)
            if image is None and not note:
                if is_awaited or len(indices) > 1:  # whatever is wrong, reading goes on from here
                    self._stop_fetching()
                return
            yield image, note

    def _fetched(self, numbers: list[int], onwards: Sequence[int]) -> Generator[Fetched]:
        """Yield the frames that are wanted first, and then those onwards, and keep them."""
        begun = perf_counter()
        for number, (image, note) in zip(numbers, self._fresh(numbers), strict=True):
            yield number, image, note
        both_s = perf_counter() - begun
        if both_s - self._putting_s < _WORTH * self._putting_s:
            return
        rest = [number for number in onwards if number not in self._places]
        if not rest or not getattr(self._source, "is_compressed", False):
            return
        self._room = _room(_place())
        self._onwards = zip(rest, self._source.read(rest), strict=True)
        begun_s = self._processor_s()
        for number, (image, note) in self._onwards:
            self._decoded += 1
            self._decoding_s += self._processor_s() - begun_s
            if image is not None and not self._put_once(number, image):
                self._pending = number, (image, note)
                return
            yield number, image, note
            begun_s = self._processor_s()

    def _processor_s(self) -> float:
        return thread_time() + float(getattr(self._source, "elsewhere_s", 0.0))

    @property
    def decoding_s(self) -> float | None:
        """Processor time to decode a frame; None where it is not known."""
        if self._decoded < _FEWEST or getattr(self._source, "is_threaded", True):
            return None
        return self._decoding_s / self._decoded

    def _taken_over(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Yield pictures from where the thread has come to: its decoder need not begin anew."""
        onwards, pending, self._onwards, self._pending = self._onwards, self._pending, None, None
        if onwards is None:
            return
        coming = onwards if pending is None else chain([pending], onwards)
        number, picture = next(coming, (-1, None))
        for index in indices:
            image = self._kept(index)
            while image is None and -1 < number < index:
                number, picture = next(coming, (-1, None))
            if image is not None:
                yield image, ""
            elif picture is not None and number == index:
                yield picture
            else:
                return

    def _fresh(self, missing: list[int]) -> Generator[Picture]:
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
            self._put_at(self._end, index, image)

    def _put_once(self, index: int, image: Image) -> bool:
        """Keep a picture until it is read; wait for a place. False where there will be none."""
        with self._alone:
            while self._file is not None and self._written + image.nbytes <= _MOST_WRITTEN:
                if self._free or self._end + image.nbytes <= self._room:
                    self._once.add(index)
                    at = self._free.pop() if self._free else self._end
                    self._put_at(at, index, image)
                    self._written += image.nbytes
                    return True
                self._alone.wait(_POLL_S)
                if self._fetching is not None and self._fetching.is_to_end():
                    return False
        return False

    def _put_at(self, place: int, index: int, image: Image) -> None:
        if self._file is None or index in self._places:
            return
        begun = perf_counter()
        try:
            if place > MOST_BYTES and not _is_spared(self._file):
                raise OSError(errno.ENOSPC, "the rest of the disk is for others")
            self._file.seek(place)
            self._file.write(np.ascontiguousarray(image).data)
            self._file.flush()
        except OSError:  # no room
            self._forget()
        else:
            self._places[index] = (place, image.shape, image.dtype)
            self._end = max(self._end, place + image.nbytes)
        self._putting_s += perf_counter() - begun

    def _kept(self, index: int) -> Image | None:
        with self._alone:
            known = self._places.get(index)
            if known is None or self._file is None:
                return None
            place, shape, kind = known
            self._file.seek(place)
            data = self._file.read(int(np.prod(shape)) * kind.itemsize)
            if index in self._once:
                self._once.remove(index)
                del self._places[index]
                self._free.append(place)
                self._alone.notify_all()
        return np.frombuffer(data, kind).reshape(shape)

    def lent(self) -> tuple[int, Places] | None:
        """Return the file's number and where each frame is in it; None where nothing is kept."""
        self._stop_fetching()
        with self._alone:
            return None if self._file is None else (self._file.fileno(), dict(self._places))

    def take(self, file: int, places: Places) -> None:
        """Have what another process has kept of the same movie: its file is this one's now."""
        self.close()
        with self._alone:
            self._file, self._places = os.fdopen(file, "rb"), dict(places)

    def _forget(self) -> None:
        self._places.clear()
        self._once.clear()
        self._free.clear()
        self._end = 0
        self._wanted, self._all = frozenset(), False
        if self._file is not None:
            with suppress(OSError):  # what a full disk did not take
                self._file.close()
            self._file = None

    def close(self) -> None:
        """Take the file away."""
        self._stop_fetching()
        self._onwards = self._pending = None
        with self._alone:
            self._forget()

    def _stop_fetching(self) -> None:
        if self._fetching is not None:
            if not self._fetching.end():
                self._onwards = self._pending = None  # they are at work
            self._fetching = None


def _place() -> str:
    """Return the folder for the file: not one in memory, where the system has another."""
    named = os.environ.get("TMPDIR")
    large = "/var/tmp"
    if not named and Path(large).is_dir() and os.access(large, os.W_OK | os.X_OK):
        return large
    return tempfile.gettempdir()


def _room(place: str) -> int:
    """Return how large the file may become."""
    with suppress(OSError):
        return min(MOST_BYTES, int(shutil.disk_usage(place).free / _ROOM_LEFT))
    return 0


def _room_for_all(place: str) -> int:
    """Return how large the file may become where it holds all frames."""
    with suppress(OSError):
        large = min(MOST_WHOLE_BYTES, int(shutil.disk_usage(place).free / _WHOLE_ROOM_LEFT))
        return max(_room(place), large)
    return 0


def _is_spared(file: IO[bytes]) -> bool:
    """Tell whether the disk of a file has room for others too."""
    if not hasattr(os, "fstatvfs"):
        return True
    disk = os.fstatvfs(file.fileno())
    return disk.f_bavail * disk.f_frsize > _RESERVE_BYTES

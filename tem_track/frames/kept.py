"""Decoded frames in a file without a name, so that what is walked several times is decoded once.

To read a frame back takes a tenth of the time that it takes to decode one, or less. Where a sample
of the frames costs as much as all of them, since pictures rest on those before them, all are kept.
Where there is no room, frames are decoded again. They are read by a thread as soon as it is known
which, while the program is still loading what looks at them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Condition, Lock, Thread
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
_PATIENCE_S = 5.0

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
        self._fetching: _Fetching | None = None

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

    def keep(self, indices: Iterable[int], *, fetch: bool = False) -> None:
        """Keep these frames once they are read, and all between them if they cost as much.

        With `fetch` a thread begins to read them now; who asks for one waits for it.
        """
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
                    if fetch:
                        self._fetching = _Fetching(self._fresh(numbers), numbers)
                    return

    def read(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Yield the pictures of rising frame numbers."""
        indices = list(indices)
        while indices and (fetching := self._fetching) is not None:
            number = indices[0]
            image = self._kept(number) if fetching.has_passed(number) else None
            note = fetching.why_not(number)
            if image is None and not note and number in fetching:
                fetching.end()  # what is wrong is found out below, and reading goes on there
                self._fetching = None
            if image is None and not note:
                break
            yield image, note
            del indices[0]
        missing = [index for index in indices if index not in self._places]
        fresh, known = self._fresh(missing), set(indices).difference(missing)
        for index in indices:
            if index not in known:
                yield next(fresh)
            elif (image := self._kept(index)) is not None:
                yield image, ""
            else:  # forgotten in the meantime, since the disk is full
                yield from self._source.read([index])

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
        if self._fetching is not None:
            self._fetching.end()
            self._fetching = None
        with self._alone:
            self._forget()


class _Fetching:
    """A thread that goes through pictures, so that they are kept.

    Parameters
    ----------
    pictures : generator of Picture
        Keeps each as it yields it.
    numbers : list of int
        The frames that they are.
    """

    def __init__(self, pictures: Generator[Picture], numbers: Sequence[int]) -> None:
        self._pictures, self._numbers = pictures, numbers
        self._all = frozenset(numbers)
        self._notes: dict[int, str] = {}
        self._passed = -1
        self._asked_to_end = False
        self._changed = Condition()
        self._thread = Thread(target=self._run, name="fetch", daemon=True)
        self._thread.start()

    def __contains__(self, number: int) -> bool:
        return number in self._all

    def _run(self) -> None:
        try:
            with suppress(Exception):  # it is met again by whoever asks for the picture
                for number, (image, note) in zip(self._numbers, self._pictures, strict=True):
                    with self._changed:
                        if image is None:
                            self._notes[number] = note
                        self._passed = number
                        self._changed.notify_all()
                        if self._asked_to_end:
                            return
        finally:
            self._pictures.close()
            with self._changed:
                self._passed = self._numbers[-1]
                self._changed.notify_all()

    def has_passed(self, number: int) -> bool:
        """Wait until a picture has been gone through; False where it is none of them."""
        if number not in self._all:
            return False
        with self._changed:
            self._changed.wait_for(lambda: self._passed >= number or self._asked_to_end)
        return True

    def why_not(self, number: int) -> str:
        """Return once what was wrong with a picture; who asks again has it read again."""
        return self._notes.pop(number, "")

    def end(self) -> None:
        """Ask the thread to end; it may wait for a file that is away, and is then left alone."""
        with self._changed:
            self._asked_to_end = True
            self._changed.notify_all()
        self._thread.join(_PATIENCE_S)


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

"""What has been measured so far, on disk: a killed run loses at most the block it was in.

The file starts with a line that says what was measured with what; a journal of another movie,
experiment or version is not used. Behind it stand blocks, each with its length and checksum, so
that a torn end is seen and cut away. Workers that share a movie keep a file each; whoever goes on
reads them all. The outlines of a long movie, which only the pictures need, wait in a file too.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from array import array
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import replace
from pathlib import Path
from tempfile import SpooledTemporaryFile
from threading import Lock
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tem_track.columns import Block, Outlines, block_from_bytes, block_to_bytes, merged
from tem_track.errors import ResultsError
from tem_track.frames.patience import Patience, is_away

__all__ = ["NAME", "Journal", "StoredOutlines"]

NAME = ".measured"

_HEAD = struct.Struct("<4sQI")
_MARK = b"BLK1"

_OUTLINE = struct.Struct("<I")
_HELD_BYTES = 8 << 20
"""Outlines kept in memory; beyond, they lie in a file that has no name."""
_TOGETHER = 512
"""Blocks joined at once while they are read, so that the pieces do not add up to a second copy."""


class Journal:
    """What a results folder holds of a measurement; new blocks go to a file of one's own.

    Parameters
    ----------
    folder : Path
        The results folder; kept as an attribute.
    key : dict
        What the measurement depends on, as plain data.
    part : int, optional
        First frame of the part that is added to, where several workers share the movie.
    patience : Patience, optional
        How long to wait for a folder that is away.
    """

    def __init__(
        self,
        folder: Path,
        key: dict[str, Any],
        part: int | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.folder = folder
        self._path = folder / (NAME if part is None else f"{NAME}-{part:08d}")
        self._line = json.dumps(key, sort_keys=True).encode() + b"\n"
        self._file: IO[bytes] | None = None
        self._patience = patience or Patience()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def blocks(self, outlines: Outlines | None = None) -> list[Block]:
        """Return the whole blocks that earlier runs left, each once, in the order of their begin.

        Parameters
        ----------
        outlines : mapping, optional
            Where the outlines go instead; the blocks have none then, and many are merged to one,
            since small arrays by the hundred thousand leave holes in the memory.
        """
        found: dict[int, Block] = {}
        few: list[Block] = []
        seen: set[int] = set()
        for path in self._files():
            for block, _ in self._whole(path):
                first = int(block.columns["frame"][0])
                if first in seen:
                    continue
                seen.add(first)
                if outlines is None:
                    found[first] = block
                    continue
                outlines.update(block.outlines)
                few.append(replace(block, outlines={}))
                if len(few) == _TOGETHER:
                    one, few = merged(few, emptying=True), []
                    found[int(one.columns["frame"][0])] = one
        if few:
            one = merged(few, emptying=True)
            found[int(one.columns["frame"][0])] = one
        return [found[frame] for frame in sorted(found)]

    def frames(self) -> set[int]:
        """Return the numbers of the frames that earlier runs have measured."""
        every = (block for path in self._files() for block, _ in self._whole(path))
        return {int(frame) for block in every for frame in block.columns["frame"]}

    def append(self, block: Block) -> None:
        """Add a block; when this returns, it survives the end of the process."""
        self.append_bytes(block_to_bytes(block))

    def append_bytes(self, payload: bytes) -> None:
        """Add a block that `block_to_bytes` has stored.

        A folder on a share that is away is waited for.

        Raises
        ------
        ResultsError
            The disk is full, or the folder stayed away too long. What was added before is kept.
        """
        data = _HEAD.pack(_MARK, len(payload), zlib.crc32(payload)) + payload
        while True:
            try:
                self._write(data)
            except OSError as error:
                self._close()
                if not is_away(error):
                    raise ResultsError(
                        f"{self.folder}: cannot be written ({error.strerror or error}); make room"
                        " and give the same command again: what is measured so far is kept"
                    ) from None
                self._patience.wait(self.folder, error)
            else:
                self._patience.over(self.folder)
                return

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._file = self._opened()
        rest = memoryview(data)
        while rest:  # a disk that fills takes a part without a complaint
            rest = rest[self._file.write(rest) :]
        os.fsync(self._file.fileno())

    def _opened(self) -> IO[bytes]:
        """Open the own file behind its last whole block; a file of another key begins anew."""
        read = list(self._whole(self._path)) if self._path.exists() else []
        own = bool(read) or _starts_with(self._path, self._line)
        # Without a buffer: what a full disk did not take must not come again when it is closed.
        file = self._path.open("r+b" if own else "wb", buffering=0)
        try:
            if own:
                file.truncate(read[-1][1] if read else len(self._line))
                file.seek(0, os.SEEK_END)
            else:
                file.write(self._line)
        except OSError:
            file.close()
            raise
        return file

    def remove(self) -> None:
        """Take the files away, those of workers too: the results hold it all now."""
        self._close()
        for path in self._files():
            path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _files(self) -> list[Path]:
        parts = self.folder.glob(f"{NAME}-????????")
        return [path for path in (self.folder / NAME, *sorted(parts)) if path.exists()]

    def _whole(self, path: Path) -> Iterator[tuple[Block, int]]:
        """Yield the whole blocks of a file of this key, and where each ends."""
        with path.open("rb") as file:
            if file.read(len(self._line)) == self._line:
                yield from _read(file.read, len(self._line))


def _starts_with(path: Path, line: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(line)) == line
    except FileNotFoundError:
        return False


def _read(read: Callable[[int], bytes], end: int) -> Iterator[tuple[Block, int]]:
    while len(head := read(_HEAD.size)) == _HEAD.size:
        mark, length, checksum = _HEAD.unpack(head)
        if mark != _MARK:
            return
        payload = read(length)
        if len(payload) < length or zlib.crc32(payload) != checksum:
            return
        end += _HEAD.size + length
        yield block_from_bytes(payload), end


class StoredOutlines(MutableMapping[int, NDArray[np.float32]]):
    """Outlines by frame; from some thousands on they are in a file without a name.

    Each has its number of stations before it. What is replaced stays in the file, unused.

    Parameters
    ----------
    folder : Path
        Where the file is made; it goes with the object or the process.
    """

    def __init__(self, folder: Path) -> None:
        self._file = SpooledTemporaryFile(max_size=_HELD_BYTES, dir=str(folder))  # noqa: SIM115
        self._places = array("q")
        """Where a frame's outline begins in the file, -1 where it has none."""
        self._count = 0
        self._alone = Lock()

    def __getitem__(self, frame: int) -> NDArray[np.float32]:
        place = self._place_of(frame)
        with self._alone:
            self._file.seek(place)
            (count,) = _OUTLINE.unpack(self._file.read(_OUTLINE.size))
            data = self._file.read(count * 6 * 4)
        return np.frombuffer(data, dtype=np.float32).reshape(count, 6)

    def __setitem__(self, frame: int, points: NDArray[np.float32]) -> None:
        data = np.ascontiguousarray(points, dtype=np.float32).tobytes()
        with self._alone:
            if frame >= len(self._places):
                self._places.extend([-1] * (frame + 1 - len(self._places)))
            self._count += self._places[frame] < 0
            self._places[frame] = self._file.seek(0, os.SEEK_END)
            self._file.write(_OUTLINE.pack(len(points)) + data)

    def __delitem__(self, frame: int) -> None:
        self._place_of(frame)
        self._places[frame] = -1
        self._count -= 1

    def _place_of(self, frame: int) -> int:
        place = self._places[frame] if 0 <= frame < len(self._places) else -1
        if place < 0:
            raise KeyError(frame)
        return place

    def __iter__(self) -> Iterator[int]:
        return (frame for frame, place in enumerate(self._places) if place >= 0)

    def __len__(self) -> int:
        return self._count

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

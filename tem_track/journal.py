"""What has been measured so far, on disk: a killed run loses at most the block it was in.

The file starts with a line that says what was measured with what; a journal of another movie,
experiment or version is not used. Behind it stand blocks, each with its length and checksum, so
that a torn end is seen and cut away.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from tem_track.columns import Block, block_from_bytes, block_to_bytes

__all__ = ["Journal"]

_HEAD = struct.Struct("<4sQI")
_MARK = b"BLK1"


class Journal:
    """An append-only file of blocks.

    Parameters
    ----------
    path : Path
    key : dict
        What the measurement depends on, as plain data.
    """

    def __init__(self, path: Path, key: dict[str, Any]) -> None:
        self._path = path
        self._line = json.dumps(key, sort_keys=True).encode() + b"\n"
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def blocks(self) -> list[Block]:
        """Return the whole blocks that an earlier run left, and cut away a torn end."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return []
        if not data.startswith(self._line):
            self.remove()
            return []
        read = list(_read(data, len(self._line)))
        whole = read[-1][1] if read else len(self._line)
        if whole < len(data):
            os.truncate(self._path, whole)
        return [block for block, _ in read]

    def append(self, block: Block) -> None:
        """Add a block; when this returns, it survives the end of the process."""
        if self._file is None:
            fresh = not self._path.exists()
            self._file = self._path.open("ab")
            if fresh:
                self._file.write(self._line)
        payload = block_to_bytes(block)
        self._file.write(_HEAD.pack(_MARK, len(payload), zlib.crc32(payload)) + payload)
        self._file.flush()
        os.fsync(self._file.fileno())

    def remove(self) -> None:
        """Take the file away: the results hold it all now."""
        self.__exit__(None, None, None)
        self._path.unlink(missing_ok=True)


def _read(data: bytes, start: int) -> Iterator[tuple[Block, int]]:
    while start + _HEAD.size <= len(data):
        mark, length, checksum = _HEAD.unpack_from(data, start)
        end = start + _HEAD.size + length
        payload = data[start + _HEAD.size : end]
        if mark != _MARK or len(payload) < length or zlib.crc32(payload) != checksum:
            return
        yield block_from_bytes(payload), end
        start = end

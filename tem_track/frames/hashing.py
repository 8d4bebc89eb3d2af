"""The fingerprint of a movie's file, worked out in a thread while frames are measured."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

from tem_track.frames.em import files_of

__all__ = ["Hashing", "sha256"]

_BLOCK_BYTES = 1 << 20
"""Bytes read at once; between two blocks it is asked whether to go on."""


class _EndedError(Exception):
    """Says that nobody wants it any more."""


def sha256(path: str | Path, is_to_end: Callable[[], bool] = lambda: False) -> str:
    """Return the SHA-256 of a movie file; of a folder, over its files' names and contents.

    A recording in several parts is taken as the parts one after the other.

    Parameters
    ----------
    path : path
    is_to_end : callable
        Asked between blocks of the file; where it answers true, the call ends with an error.

    Returns
    -------
    str
        In hexadecimal digits.
    """
    target = Path(path)
    digest = hashlib.sha256()
    if not target.is_dir():
        for part in files_of(target):
            _feed(digest, part, is_to_end)
        return digest.hexdigest()
    for file in sorted(f for f in target.iterdir() if f.is_file()):
        digest.update(file.name.encode() + b"\0")
        _feed(digest, file, is_to_end)
    return digest.hexdigest()


def _feed(digest: Any, file: Path, is_to_end: Callable[[], bool]) -> None:
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            if is_to_end():
                raise _EndedError
            digest.update(block)


class Hashing:
    """The SHA-256 of a movie, begun at once.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: str | None = None
        self._end = Event()
        self._thread = Thread(target=self._run, name="hash", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with suppress(Exception):  # it is met again where the answer is asked for
            self._found = sha256(self._path, self._end.is_set)

    def result(self) -> str:
        """Return it."""
        self._thread.join()
        if self._found is None:
            self._found = sha256(self._path)
        return self._found

    def end(self) -> None:
        """End; nobody wants it any more."""
        self._end.set()

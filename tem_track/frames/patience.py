"""Waiting for a network share that is away for a while, instead of calling its movie damaged."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from tem_track.errors import MovieError, ResultsError

__all__ = ["Patience", "PatientFile", "is_away", "wait_until_there"]

_log = logging.getLogger("tem_track")

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0
_GIVE_UP_S = 900.0
"""Seconds between two tries, at first and at the longest, and after which it is given up, unless
the environment says otherwise."""
_SETTING = "TEM_TRACK_PATIENCE_S"

_NAMES = (
    "EIO ESTALE ENOTCONN ETIMEDOUT EHOSTDOWN EHOSTUNREACH ENETDOWN ENETUNREACH ENETRESET"
    " ECONNRESET ECONNABORTED ECONNREFUSED EREMOTEIO ENODEV ENXIO ENOLINK ENOENT ENOTDIR EBADF"
)
_AWAY = {getattr(errno, name) for name in _NAMES.split() if hasattr(errno, name)}
_AWAY_WINDOWS = {2, 3, 21, 51, 53, 55, 59, 64, 67, 121, 1231, 1232, 1236}
"""Errors of Windows of a drive, path or network that is not there."""


def is_away(error: OSError) -> bool:
    """Return whether an error is one that an unreachable share gives, such as a stale handle."""
    number = getattr(error, "winerror", None)
    return error.errno in _AWAY if number is None else number in _AWAY_WINDOWS


class Patience:
    """Waits between attempts, longer each time, says so once, and gives up in the end.

    Parameters
    ----------
    give_up_s : float, optional
        Seconds of waiting in a row after which it gives up; by default 15 minutes, or what the
        environment variable ``TEM_TRACK_PATIENCE_S`` says.
    """

    def __init__(self, give_up_s: float | None = None) -> None:
        self._give_up_s = give_up_s if give_up_s is not None else _given()
        self._pause_s = _FIRST_WAIT_S
        self._waited_s = 0.0

    def wait(self, path: Path, error: OSError | None = None) -> None:
        """Wait a little for a file or folder.

        Raises
        ------
        ResultsError
            It has been waited for long enough.
        """
        reason = (error.strerror or str(error)) if error is not None else "it cannot be reached"
        if self._waited_s >= self._give_up_s:
            raise ResultsError(
                f"{path}: did not come back within {self._give_up_s:g} s ({reason}); what is"
                " measured so far is kept: give the same command again when it is there"
            )
        if self._waited_s == 0:
            _log.warning("%s: %s; waiting for it to come back", path, reason)
        time.sleep(self._pause_s)
        self._waited_s += self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_WAIT_S)

    def over(self, path: Path) -> None:
        """Note that it is there again."""
        if self._waited_s:
            _log.warning("%s: is there again after %.0f s", path, self._waited_s)
        self._waited_s, self._pause_s = 0.0, _FIRST_WAIT_S


def _given() -> float:
    with contextlib.suppress(ValueError):
        return float(os.environ.get(_SETTING, _GIVE_UP_S))
    return _GIVE_UP_S


class PatientFile:
    """A file that is read at given places; while its share is away, reading waits.

    An error of the file itself, such as a bad sector, is not waited for.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb", buffering=0)
        self._size = os.fstat(self._file.fileno()).st_size

    def fileno(self) -> int:
        """Return the open file's number."""
        return self._file.fileno()

    def close(self) -> None:
        """Close it."""
        self._file.close()

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes from a place of the file.

        Raises
        ------
        OSError
            These bytes cannot be read though the file can be reached.
        MovieError
            The file stayed away too long, or another one has taken its place.
        """
        return self._patiently(lambda: self._read(offset, size))

    def _read(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)

    def _patiently(self, read: Callable[[], bytes]) -> bytes:
        try:
            return read()
        except OSError as error:
            if not is_away(error):
                raise
            self.wait()
        return read()

    def wait(self) -> None:
        """Return when the file can be reached, opened anew.

        Raises
        ------
        MovieError
        """
        _wait_for(self._path, self._open_again)

    def _open_again(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        self._file = self._path.open("rb", buffering=0)
        size = os.fstat(self._file.fileno()).st_size
        if size != self._size:
            raise MovieError(
                f"{self._path}: has changed while it was read, from {self._size} to {size} bytes;"
                " give the same command again"
            )
        self._file.read(1)


def wait_until_there(path: Path | None) -> bool:
    """Return when a movie can be reached, and whether that had to be waited for.

    Raises
    ------
    MovieError
        It stayed away too long.
    """
    return path is not None and _wait_for(path, lambda: _touch(path))


def _touch(path: Path) -> None:
    if path.is_dir():
        if next(path.iterdir(), None) is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return
    with path.open("rb", buffering=0) as file:
        file.read(1)


def _wait_for(path: Path, reach: Callable[[], None]) -> bool:
    patience, waited = Patience(), False
    while True:
        try:
            reach()
        except OSError as error:
            waited = True
            try:
                patience.wait(path, error)
            except ResultsError as over:
                raise MovieError(str(over)) from None
        else:
            patience.over(path)
            return waited

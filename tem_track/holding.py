"""A results folder: made, held against a second run, and taken away where nothing was begun."""

from __future__ import annotations

import logging
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from tem_track.errors import ResultsBusyError, ResultsError

__all__ = ["explained", "hold", "only_if_new"]

_log = logging.getLogger("tem_track")


@contextmanager
def only_if_new(folder: Path) -> Iterator[None]:
    """Make the folder, and take it away again where the run fails before it wrote anything."""
    existed = folder.exists()
    if existed and not folder.is_dir():
        raise ResultsError(f"{folder}: is a file; name a folder with --output")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultsError(
            f"{folder}: cannot be made ({error.strerror}); name another folder with --output"
        ) from None
    try:
        yield
    except BaseException:
        if not existed:
            _remove_if_empty(folder)
        raise


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Say in one line why a results folder cannot be written, and that nothing is lost."""
    try:
        yield
    except OSError as error:
        raise ResultsError(
            f"{folder}: cannot be written ({error.strerror or error}); make room or mend it and"
            " give the same command again: what is measured so far is kept"
        ) from error


@contextmanager
def hold(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a results folder against a second run; a killed run's hold ends with its process.

    Parameters
    ----------
    folder : Path
    shared : bool
        Together with others that hold it so: the workers of a batch that share a movie.

    Raises
    ------
    ResultsBusyError
        Another process holds it; the message names it.
    """
    path = folder / ".lock"
    with _locked(path, shared) as file:
        if file is None:
            holder = path.read_text(encoding="utf-8").strip() if path.exists() else ""
            raise ResultsBusyError(
                f"{folder}: another run holds this folder (process {holder or 'unknown'}); wait"
                " for it or name another folder with --output"
            )
        file.truncate(0)
        file.write(f"{os.getpid()} on {platform.node()}")
        file.flush()
        try:
            yield
        finally:
            if not shared:
                with suppress(OSError):  # some systems do not let an open file go
                    path.unlink()


@contextmanager
def _locked(path: Path, shared: bool) -> Iterator[IO[str] | None]:
    """Yield the locked file, None where another process has it."""
    while True:
        with path.open("a+", encoding="utf-8") as file:
            if not _try_lock(file, shared):
                yield None
                return
            if _is_same(file, path):
                yield file
                return


def _is_same(file: IO[str], path: Path) -> bool:
    """Return whether a file still has its name: who held it before has taken it away."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    _PLACE, _PLACES = 1 << 30, 1 << 20

    def _try_lock(file: IO[str], shared: bool) -> bool:
        """Lock all of the places, or, together with others, one that the process number picks."""
        try:
            file.seek(_PLACE + (os.getpid() % _PLACES if shared else 0))
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1 if shared else _PLACES)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(file: IO[str], shared: bool) -> bool:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:  # some cluster file systems know no locks
            _log.warning("%s: cannot be locked (%s); start no second run", file.name, error)
        return True

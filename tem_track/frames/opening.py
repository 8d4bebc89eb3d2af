"""Find the reader for a source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tem_track.errors import MovieError
from tem_track.frames.arrays import ArraySource
from tem_track.frames.em import EM_SUFFIXES, MicroscopeSource
from tem_track.frames.movie import Movie, Source, checked_interval
from tem_track.frames.stills import STILL_SUFFIXES, AnimationSource, FolderSource
from tem_track.frames.tiff import TiffSource
from tem_track.frames.video import VideoSource

__all__ = ["open_movie"]


def open_movie(
    source: str | Path | NDArray[Any], *, frame_interval_s: float | None = None
) -> Movie:
    """Open a movie for exact, lazy reading.

    Parameters
    ----------
    source : str, Path or array
        A movie file (AVI, MP4, MOV, MKV, TIFF, animated GIF or PNG; DM3, DM4, SER, MRC and TVIPS
        with the extra `em`), a folder of numbered images, or an array of shape
        (frames, height, width[, 3]).
    frame_interval_s : float, optional
        Seconds from frame to frame; replaces the file's own clock.

    Returns
    -------
    Movie

    Raises
    ------
    MovieError
        If there is no such file, or it cannot be read exactly.
    """
    interval_s = checked_interval(frame_interval_s)
    if isinstance(source, np.ndarray):
        return Movie(ArraySource(source), interval_s)
    path = Path(source)
    _check(path)
    return Movie(_source(path), interval_s)


def _check(path: Path) -> None:
    if any(ord(character) < 32 for character in str(path)):
        raise MovieError(
            f'{str(path)!r}: holds a control character, as "C:\\temp" in double quotes does; '
            "write paths in single quotes"
        )
    if not path.exists():
        raise MovieError(f"{path}: there is no such file; check the path")
    if path.is_file() and path.stat().st_size == 0:
        raise MovieError(f"{path}: is empty (0 bytes); copy it again from where it was recorded")


def _source(path: Path) -> Source:
    suffix = path.suffix.lower()
    if path.is_dir():
        return FolderSource(path)
    if suffix in {".tif", ".tiff"}:
        return TiffSource(path)
    if suffix in STILL_SUFFIXES:
        return AnimationSource(path)
    if suffix in EM_SUFFIXES:
        return MicroscopeSource(path)
    return VideoSource(path)

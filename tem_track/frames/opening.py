"""Find the reader for a source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tem_track.errors import MovieError
from tem_track.frames.arrays import ArraySource
from tem_track.frames.movie import Movie, Source, checked_interval
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
        A movie file, a folder of numbered images, or an array (frames, height, width).
    frame_interval_s : float, optional
        Seconds from frame to frame; replaces the file's own clock.

    Raises
    ------
    MovieError
        If there is no such file, or it cannot be read exactly.
    """
    interval_s = checked_interval(frame_interval_s)
    return Movie(_source(source), interval_s)


def _source(source: str | Path | NDArray[Any]) -> Source:
    if isinstance(source, np.ndarray):
        return ArraySource(source)
    path = Path(source)
    if not path.exists():
        raise MovieError(f"{path}: no such file; check the path")
    if path.suffix.lower() in {".tif", ".tiff"}:
        return TiffSource(path)
    return VideoSource(path)

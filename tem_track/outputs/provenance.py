"""Where the numbers came from: written last, so that its presence means complete."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tem_track.analysis import Result
from tem_track.outputs.files import write_text
from tem_track.outputs.tables import json_text, read_json

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = ["note_recalculation", "provenance", "write_provenance"]

LIBRARIES = (
    "av",
    "matplotlib",
    "numba",
    "numpy",
    "opencv-python",
    "pandas",
    "pillow",
    "pydantic",
    "scipy",
    "tifffile",
)


def provenance(
    movie: Movie, *, command: str, started: datetime, finished: datetime | None = None
) -> dict[str, Any]:
    """Return what a reader needs to know whether two results came from the same input and program.

    Parameters
    ----------
    movie : Movie
        The one that was measured.
    command : str
        The command line, or a line that says how the library was called.
    started, finished : datetime
        Aware times; `finished` is now where it is not given.
    """
    finished = finished or datetime.now(UTC)
    path = movie.path
    return {
        "program": "tem_track",
        "version": _version("tem-track"),
        "command": command,
        "started": started.astimezone(UTC).isoformat(timespec="seconds"),
        "finished": finished.astimezone(UTC).isoformat(timespec="seconds"),
        "duration_s": round((finished - started).total_seconds(), 3),
        "movie": None if path is None else str(path.resolve()),
        "movie_sha256": movie.sha256(),
        "movie_frames": len(movie),
        "movie_format": f"{movie.info.format} {movie.info.codec}".strip(),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


def write_provenance(
    result: Result,
    movie: Movie,
    path: str | os.PathLike[str],
    *,
    command: str,
    started: datetime,
    finished: datetime | None = None,
    learnt: str | None = None,
) -> None:
    """Write ``provenance.json``; the last file of a results folder.

    Parameters
    ----------
    result : Result
    movie : Movie
    path : path
    command : str
        How the run was asked for.
    started, finished : datetime
        The end is now by default.
    learnt : str, optional
        Fingerprint of what was learnt of the specimen.
    """
    from tem_track.frames import sha256

    data = provenance(movie, command=command, started=started, finished=finished)
    data["experiment"] = result.experiment.source
    others = result.experiment.other_files
    data["other_files_sha256"] = [[path.name, sha256(path)] for path in others]
    data["learnt"] = learnt
    write_text(Path(path), json_text(data))


def note_recalculation(path: str | os.PathLike[str], *, command: str) -> None:
    """Add to ``provenance.json`` that the mechanics were calculated again, when and how.

    Raises
    ------
    ResultsError
        The file is there but cannot be read.
    """
    path = Path(path)
    data = read_json(path) if path.is_file() else {}
    entry = {
        "command": command,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": _version("tem-track"),
    }
    data["recalculations"] = [*data.get("recalculations", []), entry]
    write_text(path, json_text(data))


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None

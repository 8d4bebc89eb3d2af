"""Where the numbers came from: written last, so that its presence means complete."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from tem_track.config import Experiment
from tem_track.outputs.files import write_text
from tem_track.outputs.tables import json_text

__all__ = ["file_sha256", "provenance", "write_provenance"]

LIBRARIES = (
    "av",
    "imageio",
    "matplotlib",
    "numba",
    "numpy",
    "opencv-python",
    "pandas",
    "pillow",
    "pydantic",
    "scikit-image",
    "scipy",
    "tifffile",
)


def provenance(
    experiment: Experiment, *, command: str, started: datetime, finished: datetime | None = None
) -> dict[str, Any]:
    """Return what a reader needs to know whether two results came from the same input and program.

    Parameters
    ----------
    experiment : Experiment
    command : str
        The command line, or a line that says how the library was called.
    started, finished : datetime
        Aware times; `finished` is now where it is not given.
    """
    finished = finished or datetime.now(UTC)
    movie = experiment.movie_path
    return {
        "program": "tem_track",
        "version": _version("tem-track"),
        "command": command,
        "started": started.astimezone(UTC).isoformat(timespec="seconds"),
        "finished": finished.astimezone(UTC).isoformat(timespec="seconds"),
        "duration_s": round((finished - started).total_seconds(), 3),
        "movie": str(movie),
        "movie_sha256": file_sha256(movie) if movie.is_file() else None,
        "movie_bytes": movie.stat().st_size if movie.is_file() else None,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


def write_provenance(
    folder: str | os.PathLike[str],
    experiment: Experiment,
    *,
    command: str,
    started: datetime,
    finished: datetime | None = None,
) -> None:
    """Write ``provenance.json``; the last file of a results folder."""
    data = provenance(experiment, command=command, started=started, finished=finished)
    write_text(Path(folder) / "provenance.json", json_text(data))


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None

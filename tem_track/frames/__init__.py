"""Movies as they are found: a file in, exact frames out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tem_track.door import door

if TYPE_CHECKING:
    from tem_track.frames.em import files_of
    from tem_track.frames.hashing import sha256
    from tem_track.frames.info import MovieInfo
    from tem_track.frames.movie import Movie
    from tem_track.frames.opening import open_movie
    from tem_track.frames.report import MovieReport, doubts, inspect
else:
    __getattr__, __dir__ = door(
        __name__,
        {
            "tem_track.frames.em": ("files_of",),
            "tem_track.frames.hashing": ("sha256",),
            "tem_track.frames.info": ("MovieInfo",),
            "tem_track.frames.movie": ("Movie",),
            "tem_track.frames.opening": ("open_movie",),
            "tem_track.frames.report": ("MovieReport", "doubts", "inspect"),
        },
    )

__all__ = [
    "Movie",
    "MovieInfo",
    "MovieReport",
    "doubts",
    "files_of",
    "inspect",
    "open_movie",
    "sha256",
]

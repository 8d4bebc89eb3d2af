"""tem_track: from an in-situ TEM movie to force, strain and stress.

>>> import tem_track
>>> movie = tem_track.open_movie("nanorod.avi")                # doctest: +SKIP
>>> experiment = tem_track.load_experiment("nanorod.toml")     # doctest: +SKIP
>>> result = tem_track.analyse(movie, experiment)              # doctest: +SKIP
>>> result.points[["time_s", "force_nN", "u_force_nN"]]        # doctest: +SKIP

Names are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tem_track.door import door
from tem_track.errors import (
    ConfigError,
    MovieError,
    ResultsBusyError,
    ResultsError,
    TemTrackError,
    TrackingError,
)

if TYPE_CHECKING:
    from tem_track.analysis import Result, analyse
    from tem_track.config import Experiment, experiment_from_dict, load_experiment
    from tem_track.frames import Movie, open_movie
    from tem_track.records import Axis, Box, Frame, Match, Observation, Outline
else:
    __getattr__, __dir__ = door(
        __name__,
        {
            "tem_track.analysis": ("Result", "analyse"),
            "tem_track.config": ("Experiment", "experiment_from_dict", "load_experiment"),
            "tem_track.frames": ("Movie", "open_movie"),
            "tem_track.records": ("Axis", "Box", "Frame", "Match", "Observation", "Outline"),
        },
    )

__version__ = "0.1.0"

__all__ = [
    "Axis",
    "Box",
    "ConfigError",
    "Experiment",
    "Frame",
    "Match",
    "Movie",
    "MovieError",
    "Observation",
    "Outline",
    "Result",
    "ResultsBusyError",
    "ResultsError",
    "TemTrackError",
    "TrackingError",
    "__version__",
    "analyse",
    "experiment_from_dict",
    "load_experiment",
    "open_movie",
]

"""The experiment's TOML as typed models, and every error in it as one line.

The file's keys, units and meanings are listed in the documentation; this package holds what may be
checked without opening the movie.
"""

from tem_track.config.models import (
    Calibration,
    Cantilever,
    Corrections,
    Experiment,
    FrameRange,
    Log,
    Quality,
    Specimen,
    Tracked,
    experiment_from_dict,
)
from tem_track.config.reading import load_experiment
from tem_track.config.writing import experiment_to_toml

__all__ = [
    "Calibration",
    "Cantilever",
    "Corrections",
    "Experiment",
    "FrameRange",
    "Log",
    "Quality",
    "Specimen",
    "Tracked",
    "experiment_from_dict",
    "experiment_to_toml",
    "load_experiment",
]

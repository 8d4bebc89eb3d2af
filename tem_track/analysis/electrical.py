"""The electrical log beside the frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tem_track.analysis.nouns import Measurement
from tem_track.config import Experiment
from tem_track.errors import ConfigError

if TYPE_CHECKING:
    from tem_track.growth import ElectricalLog

__all__ = ["electrical_of", "read_log_of"]


def electrical_of(
    experiment: Experiment, measurement: Measurement
) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    """Return the log's potential and current at every frame, where the experiment names a log."""
    if experiment.log is None:
        return {}, ()
    from tem_track.growth import at_times, uncovered

    log = read_log_of(experiment, _time_of(measurement, experiment.log.marker_frame))
    potential, current = at_times(log, measurement["time_s"])
    warnings = (*log.warnings, *uncovered(log, measurement["time_s"]))
    return {"potential_V": potential, "current_A": current}, warnings


def read_log_of(experiment: Experiment, marker_time_s: float) -> ElectricalLog:
    """Return the log that an experiment names.

    Parameters
    ----------
    experiment : Experiment
        One with a log.
    marker_time_s : float
        When the movie shows the log's marker, where it has one.
    """
    from tem_track.growth import read_log

    chosen = experiment.log
    assert chosen is not None
    return read_log(
        experiment.resolve(chosen.file),
        time_column=chosen.time_column,
        potential_column=chosen.potential_column,
        potential_unit=chosen.potential_unit,
        current_column=chosen.current_column,
        current_unit=chosen.current_unit,
        offset_s=chosen.offset_s or 0.0,
        movie_start=chosen.movie_start,
        marker_column=chosen.marker_column,
        marker_time_s=marker_time_s,
    )


def _time_of(measurement: Measurement, frame: int | None) -> float:
    if frame is None:
        return 0.0
    at = np.flatnonzero(measurement["frame"] == frame)
    if not at.size:
        raise ConfigError(f"log.marker_frame = {frame} is not among the frames that are measured")
    return float(measurement["time_s"][at[0]])

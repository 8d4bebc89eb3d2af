"""What a finished run found, as far as the set-up page shows it: its worst frames first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tem_track.analysis import Result
from tem_track.errors import TemTrackError
from tem_track.outputs import read_results
from tem_track.pages.flagged import problem_rows, worst_first

__all__ = ["Finished", "read_finished"]

TARGETS = ("bar", "tip", "base")


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished run.

    Attributes
    ----------
    worst : list of dict
        Runs of frames that cast doubt, worst first: `frame` to show, `frames` and `words`.
    places : dict
        By target, [frame, x, y] of its point in every frame in which it was found, in pixels.
    """

    worst: list[dict[str, Any]]
    places: dict[str, list[list[float]]]


def read_finished(experiment: Path) -> Finished | None:
    """Return what the run of an experiment file found; None where there is no complete one."""
    folder = experiment.parent if experiment.name == "experiment.toml" else None
    for candidate in (experiment.with_suffix(".results"), folder):
        if candidate is not None and (candidate / "provenance.json").is_file():
            try:
                return _finished(read_results(candidate))
            except TemTrackError:
                return None
    return None


def _finished(result: Result) -> Finished:
    frames = [int(n) for n in result.points["frame"]]
    doubtful = set(problem_rows(result))
    worst = [
        {"frame": frames[one["row"]], "frames": one["frames"], "words": one["words"]}
        for one in worst_first(result)
        if one["row"] in doubtful
    ]
    return Finished(worst, {name: _places(result, name, frames) for name in TARGETS})


def _places(result: Result, name: str, frames: list[int]) -> list[list[float]]:
    if f"{name}_x_px" not in result.measurement:
        return []
    columns = (result.measurement[f"{name}_{k}_px"].to_numpy(dtype=float) for k in "xy")
    return [
        [frame, round(float(x), 2), round(float(y), 2)]
        for frame, x, y in zip(frames, *columns, strict=True)
        if math.isfinite(x) and math.isfinite(y)
    ]

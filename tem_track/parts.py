"""A movie measured in parts, by workers that share its results folder's journal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tem_track.analysis import Plan, Progress, blocks, frames_of, measure, prepare
from tem_track.config import load_experiment
from tem_track.cores import one_heap
from tem_track.holding import explained, hold, only_if_new
from tem_track.journal import Journal
from tem_track.run import journal_key, movie_of

__all__ = ["measure_part", "parts_of", "plan_of"]


def plan_of(experiment_path: Path) -> Plan:
    """Return what every frame of an experiment is measured with, to be handed to workers.

    Raises
    ------
    ConfigError, MovieError, TrackingError
    """
    one_heap()
    experiment = load_experiment(experiment_path)
    return prepare(movie_of(experiment), experiment)


def parts_of(experiment_path: Path, part_frames: int) -> list[range]:
    """Cut an experiment's frames into parts that several workers can measure.

    Parameters
    ----------
    experiment_path : Path
    part_frames : int
        Frames of a part, rounded up to whole blocks of the journal.

    Raises
    ------
    ConfigError, MovieError
    """
    experiment = load_experiment(experiment_path)
    frames = frames_of(movie_of(experiment), experiment)
    block = blocks.BLOCK_FRAMES
    step = -(-part_frames // block) * block
    return [frames[i : i + step] for i in range(0, len(frames), step)]


def measure_part(
    plan: Plan, experiment_path: Path, folder: Path, part: range, *, progress: Progress
) -> None:
    """Measure some frames into the folder's journal, from where `run` takes them.

    Parameters
    ----------
    plan : Plan
        From `plan_of`.
    experiment_path : Path
    folder : Path
        The results folder; several parts may be measured into it at a time.
    part : range
        One of `parts_of`.
    progress : callable

    Raises
    ------
    MovieError, ResultsBusyError, ResultsError
    """
    movie = movie_of(load_experiment(experiment_path))
    with only_if_new(folder), explained(folder), hold(folder, shared=True):
        key = journal_key(movie, plan.experiment)
        with Journal(folder, key, part=part[0]) as journal:
            own = replace(plan, frame_range=part)
            done = journal.frames().intersection(part)
            for block in measure(movie, own, done=done, progress=progress, workers=1):
                journal.append(block)

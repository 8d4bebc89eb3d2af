"""A finished run whose target got a further reference frame: only what depends on it is measured.

What stays is put into the journal of the new experiment, and the run goes on from there as one that
was interrupted would.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tem_track import outputs
from tem_track.analysis import BLOCK_FRAMES, Plan, Progress, Result, observe
from tem_track.columns import TARGETS, Block, block_of
from tem_track.config import Experiment, load_experiment
from tem_track.cores import one_thread_a_routine
from tem_track.errors import TemTrackError
from tem_track.frames import Movie
from tem_track.run import Outcome, default_folder, journal_key, learnt_of, movie_of, run

__all__ = ["kept", "only_references_differ", "run_again"]


def run_again(experiment_path: Path, *, progress: Progress, command: str = "") -> Outcome:
    """Run an experiment whose results may be there already, and measure only what has to be.

    Where nothing but references of bar, tip or base were added, changed or taken away since, all
    targets are located again, which is quick, and the specimen is outlined again in those frames
    only in which one of them is found elsewhere. A frame's row depends on the frame and on what was
    learnt alone: where both are the same, the row is that of a fresh run to the last byte. In all
    other cases everything is measured.

    Raises
    ------
    ConfigError, MovieError, TrackingError, ResultsBusyError
    """
    folder = default_folder(experiment_path)
    experiment = load_experiment(experiment_path)
    stored = _stored(folder)
    if stored is None or not only_references_differ(
        stored.experiment, experiment, movie_of(experiment)
    ):
        return run(experiment_path, progress=progress, command=command)
    keep = partial(kept, stored, learnt_of(folder))
    command = f"{command} (rows that depend on nothing new kept)".strip()
    return run(experiment_path, progress=progress, command=command, keep=keep)


def _stored(folder: Path) -> Result | None:
    if not (folder / "provenance.json").is_file():
        return None
    try:
        return outputs.read_results(folder)
    except TemTrackError:
        return None


def only_references_differ(old: Experiment, new: Experiment, movie: Movie) -> bool:
    """Whether two experiments ask for the same measurement but for further references."""
    return _without_references(old, movie) == _without_references(new, movie)


def _without_references(experiment: Experiment, movie: Movie) -> dict[str, Any]:
    key = journal_key(movie, experiment)
    for name in TARGETS:
        if key["experiment"].get(name) is not None:
            key["experiment"][name].pop("reference", None)
    return key


def kept(stored: Result, learnt: str | None, movie: Movie, plan: Plan) -> Iterator[Block]:
    """Yield the rows of a finished run that measuring again would not change, as blocks.

    Parameters
    ----------
    stored : Result
        The finished run.
    learnt : str or None
        What it had learnt of the specimen, as `run` notes it.
    movie : Movie
    plan : Plan
        What is to be measured with now.
    """
    if learnt is None or learnt != plan.learnt:
        return
    table = stored.measurement.drop(columns="duplicate", errors="ignore")
    columns = {str(name): table[name].to_numpy() for name in table}
    row_of = {int(n): row for row, n in enumerate(columns["frame"])}
    with one_thread_a_routine():
        for found in _located(movie, plan):
            rows = np.array([row_of.get(int(n), -1) for n in found.columns["frame"]])
            for run_ in _runs(rows, _same(columns, rows, found)):
                own = {int(n) for n in columns["frame"][run_]}
                yield Block(
                    {name: values[run_] for name, values in columns.items()},
                    {n: stored.outlines[n] for n in sorted(own & stored.outlines.keys())},
                )


def _located(movie: Movie, plan: Plan) -> Iterator[Block]:
    """Yield bar, tip and base in the plan's frames, without the specimen."""
    targets = replace(plan, specimen=None)
    names = [name for name in TARGETS if name in plan.trackers]
    frames = movie.frames(plan.frame_range[0], plan.frame_range[-1])
    while observed := [observe(frame, targets) for frame in islice(frames, BLOCK_FRAMES)]:
        yield block_of(observed, names, False)


def _same(
    columns: dict[str, NDArray[Any]], rows: NDArray[np.intp], found: Block
) -> NDArray[np.bool_]:
    """Return which stored rows hold what was found now, without another place of like score."""
    unsure = {frame for frame, _, _ in found.alternatives}
    same = (rows >= 0) & ~np.isin(found.columns["frame"], list(unsure))
    for name, values in found.columns.items():
        if name not in columns:
            return np.zeros(rows.size, dtype=bool)
        pairs = zip(columns[name][rows], values, strict=True)
        same &= np.array([bool(a == b) or (a != a and b != b) for a, b in pairs])
    return same


def _runs(rows: NDArray[np.intp], stays: NDArray[np.bool_]) -> Iterator[NDArray[np.intp]]:
    """Yield the stored rows that stay, as runs of neighbours."""
    breaks = np.flatnonzero(np.diff(stays.astype(int)) | (np.diff(rows) != 1)) + 1
    for part in np.split(np.arange(rows.size), breaks):
        if part.size and stays[part[0]]:
            yield rows[part]

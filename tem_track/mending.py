"""A finished run whose target got a further reference frame: only what was in doubt is measured.

What stays is put into the journal of the new experiment, and the run goes on from there as one that
was interrupted would.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tem_track import outputs
from tem_track.analysis import Progress, Result
from tem_track.columns import TARGETS, Block
from tem_track.config import Experiment, load_experiment
from tem_track.errors import TemTrackError
from tem_track.frames import Movie
from tem_track.journal import Journal
from tem_track.run import Outcome, default_folder, hold, journal_key, movie_of, run

__all__ = ["run_again"]

DRAWN_TO_PX = 12.0
"""How well a hand draws a box where the target was drawn before."""


def run_again(experiment_path: Path, *, progress: Progress, command: str = "") -> Outcome:
    """Run an experiment whose results may be there already, and measure only what has to be.

    Where nothing but further references of bar, tip or base were added since, the frames in which
    that target was lost or in doubt are measured again and the others stay as they were, to the
    last byte. They are those of a fresh run only within about their uncertainty, in short movies up
    to three of it in length, because a fresh run learns templates and faces from other frames. In
    all other cases everything is measured.

    Raises
    ------
    ConfigError, MovieError, TrackingError, ResultsBusyError
    """
    folder = default_folder(experiment_path)
    experiment = load_experiment(experiment_path)
    movie = movie_of(experiment)
    stored = _stored(folder)
    frames = None if stored is None else frames_to_mend(stored, experiment, movie)
    if stored is not None and frames is not None:
        _keep_the_rest(folder, stored, experiment, movie, frames)
        command = f"{command} ({len(frames)} frames again, the others kept)".strip()
    return run(experiment_path, progress=progress, command=command)


def _stored(folder: Path) -> Result | None:
    if not (folder / "provenance.json").is_file():
        return None
    try:
        return outputs.read_results(folder)
    except TemTrackError:
        return None


def frames_to_mend(stored: Result, experiment: Experiment, movie: Movie) -> list[int] | None:
    """Return the frames that added references concern; None where more than those has changed.

    Parameters
    ----------
    stored : Result
        The finished run.
    experiment : Experiment
        What is to be run now.
    movie : Movie
    """
    if _without_references(stored.experiment, movie) != _without_references(experiment, movie):
        return None
    again: set[int] = set()
    for name in TARGETS:
        old, new = getattr(stored.experiment, name), getattr(experiment, name)
        if old is None or old.reference == new.reference:
            continue
        if new.reference[: len(old.reference)] != old.reference:
            return None  # one was changed or taken back: what it told may have been wrong
        added = new.reference[len(old.reference) :]
        if any(_contradicts(stored, name, one.frame, one.box_px, old.box_px) for one in added):
            return None
        again |= _doubtful(stored, name) | {one.frame for one in added}
    return sorted(again & {int(n) for n in stored.measurement["frame"]}) or None


def _without_references(experiment: Experiment, movie: Movie) -> dict[str, Any]:
    key = journal_key(movie, experiment)
    for name in TARGETS:
        if key["experiment"].get(name) is not None:
            key["experiment"][name].pop("reference", None)
    return key


def _contradicts(
    stored: Result, name: str, frame: int, box_px: Sequence[float], first_px: Sequence[float]
) -> bool:
    """Whether the target was believed elsewhere in a frame: then others may be wrong too."""
    table = stored.measurement.set_index("frame")
    reference = stored.experiment.frames.reference
    if frame not in table.index or reference not in table.index:
        return True
    places = [table[f"{name}_{axis}_px"] for axis in "xy"]
    moved = [float(place.loc[frame] - place.loc[reference]) for place in places]
    drawn = [box_px[k] - first_px[k] for k in (0, 1)]
    return any(abs(m - d) > DRAWN_TO_PX for m, d in zip(moved, drawn, strict=True))


def _doubtful(stored: Result, name: str) -> set[int]:
    """Return the frames in which a target was lost or not much like its template."""
    flags = stored.points["flags"].fillna("").astype(str)
    lost = stored.measurement[f"{name}_reason"].fillna("").astype(str) != ""
    doubtful = lost.to_numpy() | flags.str.contains(f"{name.upper()}_LOST|LOW_SCORE").to_numpy()
    return {int(n) for n in stored.points["frame"][doubtful]}


def _keep_the_rest(
    folder: Path, stored: Result, experiment: Experiment, movie: Movie, frames: list[int]
) -> None:
    """Put what stays into the journal, unless an interrupted run has begun one already."""
    with hold(folder), Journal(folder, journal_key(movie, experiment)) as journal:
        if journal.blocks():
            return
        for block in _kept(stored, set(frames)):
            journal.append(block)


def _kept(stored: Result, without: set[int]) -> Iterator[Block]:
    """Return the runs of frames that are not measured again, as blocks."""
    table = stored.measurement.drop(columns="duplicate", errors="ignore")
    numbers = table["frame"].to_numpy()
    stays = ~np.isin(numbers, list(without))
    breaks = np.flatnonzero(np.diff(stays.astype(int))) + 1
    for rows in np.split(np.arange(len(numbers)), breaks):
        if rows.size and stays[rows[0]]:
            own = {int(n) for n in numbers[rows]}
            columns = {str(name): table[name].to_numpy()[rows] for name in table}
            yield Block(columns, {n: p for n, p in stored.outlines.items() if n in own})

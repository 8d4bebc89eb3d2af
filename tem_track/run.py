"""One experiment into its results folder: measured, calculated, drawn, and marked complete last."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tem_track import __version__
from tem_track.analysis import (
    Findings,
    Plan,
    Progress,
    Result,
    conclude,
    measure,
    observe_again,
    prepare,
    settle,
)
from tem_track.apart import Standby
from tem_track.columns import Block, join
from tem_track.config import Experiment, load_experiment
from tem_track.cores import cores, give_back_memory, one_heap, one_thread_a_routine
from tem_track.holding import explained, hold, only_if_new
from tem_track.journal import Journal, StoredOutlines
from tem_track.measuring import Measuring
from tem_track.processes import can_start
from tem_track.records import Match

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = ["Outcome", "default_folder", "journal_key", "learnt_of", "movie_of", "run"]

_log = logging.getLogger("tem_track")

PROVENANCE = "provenance.json"
LONG_FRAMES = 20_000
"""From here on the rows of a movie need so much memory that they are not to lie beside what
measures; with pictures any movie's do."""
Keep = Callable[["Movie", Plan], Iterable[Block]]


@dataclass(frozen=True, eq=False)
class Outcome:
    """A finished run.

    Attributes
    ----------
    result : Result
    folder : Path
        The results folder.
    lost_fraction : float
        Share of the frames in which bar, tip or specimen were lost.
    passed : bool
        False where more were lost than the experiment's quality gate allows.
    """

    result: Result
    folder: Path
    lost_fraction: float
    passed: bool


def run(
    experiment_path: Path,
    folder: Path | None = None,
    *,
    progress: Progress,
    command: str = "",
    draw: bool = True,
    workers: int | None = None,
    keep: Keep | None = None,
) -> Outcome:
    """Run one experiment and write its results folder.

    Parameters
    ----------
    experiment_path : Path
        The experiment file.
    folder : Path, optional
        Results folder; by default ``EXPERIMENT.results`` beside the file.
    progress : callable
        Called as ``progress(stage, done, total)``.
    command : str
        How it was asked for, kept in the provenance.
    draw : bool
        Draw overlay, montage, curves and report too.
    workers : int, optional
        Processes that measure where it takes long; by default one a core.
    keep : callable, optional
        Called as ``keep(movie, plan)`` before anything is measured; what it returns is not.

    Returns
    -------
    Outcome

    Raises
    ------
    ConfigError, MovieError, TrackingError
        Nothing has been written then.
    ResultsBusyError
        Another run holds the folder.
    ResultsError
        The folder cannot be written, for example because the disk is full. What was measured is
        kept, and the same call goes on from there.
    """
    started = datetime.now(UTC)
    one_heap()
    experiment = load_experiment(experiment_path)
    folder = folder if folder is not None else default_folder(experiment_path)
    bare = movie_of(experiment)
    with bare.keeping() as movie, only_if_new(folder), explained(folder), hold(folder):
        key = journal_key(movie, experiment)
        with Journal(folder, key) as journal, ExitStack() as meanwhile:
            job = _Job(
                movie=movie,
                experiment=experiment,
                journal=journal,
                progress=progress,
                workers=workers,
                hash_meanwhile=partial(meanwhile.enter_context, movie.hashing()),
            )
            if keep is None and can_start() and (draw or len(movie) >= LONG_FRAMES):
                found, block = _measured_apart(job, bare)
            else:
                found, block = _measured_here(job, keep)
            give_back_memory()
            result = conclude(block, experiment, found.axis, found.warnings)
            give_back_memory()
            _write(result, movie, folder, progress, draw)
            movie.sha256()
            journal.remove()
        _mark_complete(result, movie, folder, command, started, found.learnt)
    lost = _lost_fraction(result)
    return Outcome(result, folder, lost, lost <= experiment.quality.max_lost_fraction)


@dataclass(frozen=True, eq=False)
class _Job:
    """What is measured, and into what; `hash_meanwhile` begins to hash the movie beside it."""

    movie: Movie
    experiment: Experiment
    journal: Journal
    progress: Progress
    workers: int | None
    hash_meanwhile: Callable[[], object]


def _measured_here(job: _Job, keep: Keep | None) -> tuple[Findings, Block]:
    """Prepare, and measure what the journal does not hold yet; the rows are those of one go."""
    if cores() > 1 and keep is None and not job.journal.frames():
        job.movie.read_on()  # all frames are measured here; preparing leaves a core idle
    most = 1 if keep is not None else job.workers or cores()
    with Standby(most, len(job.journal.frames())) as standby:
        plan = prepare(job.movie, job.experiment, progress=job.progress, standby=standby)
        job.hash_meanwhile()
        give_back_memory()
        _measure_missing(job, plan, keep, standby)
    return Findings.of(plan), _settled(job.journal, partial(observe_again, job.movie, plan))


def _measure_missing(job: _Job, plan: Plan, keep: Keep | None, standby: Standby) -> None:
    if keep is not None and not job.journal.frames():
        for block in keep(job.movie, plan):
            job.journal.append(block)
    done = job.journal.frames()
    for block in measure(
        job.movie, plan, done=done, progress=job.progress, workers=job.workers, standby=standby
    ):
        job.journal.append(block)  # and not kept: a long movie's rows come back at the end


def _measured_apart(job: _Job, bare: Movie) -> tuple[Findings, Block]:
    """Do the same in a process that has ended when the rows are calculated and drawn."""
    done = job.journal.frames()
    with Measuring(bare, job.experiment, done, job.progress, job.workers) as measuring:
        found = measuring.findings()
        job.hash_meanwhile()
        for data in measuring.blocks():
            job.journal.append_bytes(data)
        measuring.lend_to(job.movie)
        return found, _settled(job.journal, measuring.again)


def _settled(journal: Journal, again: Callable[[int, Mapping[str, Match]], Block]) -> Block:
    """Join all that the journal holds, and decide what needs the whole sequence."""
    outlines = StoredOutlines(journal.folder)
    with one_thread_a_routine(scipy_too=False):
        block = join(journal.blocks(outlines), emptying=True, outlines=outlines)
        give_back_memory()
        settle(block, again)
    return block


def _write(result: Result, movie: Movie, folder: Path, progress: Progress, draw: bool) -> None:
    from tem_track import outputs

    (folder / PROVENANCE).unlink(missing_ok=True)
    if not draw and (removed := outputs.remove_pictures(folder)):
        _log.warning(
            "%s: %s of an earlier run were removed, since they do not show these numbers;"
            " `tem-track report` draws them",
            folder,
            ", ".join(removed),
        )
    outputs.write_tables(result, folder)
    if draw:
        from tem_track import pages

        written = outputs.as_written(result, folder)  # to draw what `report` would
        maker = pages.stills_maker(written, movie)
        outputs.write_pictures(written, movie, folder, progress=progress, watcher=maker.take)
        pages.write_report(written, movie, folder / "report.html", progress, maker)


def _mark_complete(
    result: Result, movie: Movie, folder: Path, command: str, started: datetime, learnt: str
) -> None:
    """Write the provenance, which a folder has from then on only that is complete."""
    from tem_track import outputs

    path = folder / PROVENANCE
    outputs.write_provenance(result, movie, path, command=command, started=started, learnt=learnt)


def _lost_fraction(result: Result) -> float:
    frames = int(result.summary.get("n_frames") or 0)
    return float(result.summary.get("n_lost") or 0) / frames if frames else 0.0


def default_folder(experiment_path: Path) -> Path:
    """Return ``EXPERIMENT.results`` beside the experiment file."""
    return experiment_path.with_suffix(".results")


def movie_of(experiment: Experiment) -> Movie:
    """Open an experiment's movie, with the experiment's own clock where it has one.

    Parameters
    ----------
    experiment : Experiment

    Returns
    -------
    Movie
    """
    from tem_track.frames import open_movie

    return open_movie(
        experiment.movie_path, frame_interval_s=experiment.calibration.frame_interval_s
    )


def journal_key(movie: Movie, experiment: Experiment) -> dict[str, Any]:
    """Return what the measured pixels depend on; stiffness, scale and the like are not among it."""
    from tem_track.frames import files_of

    path = experiment.movie_path
    stats = [file.stat() for file in files_of(path)]
    kept = {"mode", "polarity", "axis_deg", "bar", "tip", "specimen", "base", "frames"}
    return {
        "version": __version__,
        "movie": [
            str(path.resolve()),
            *(number for stat in stats for number in (stat.st_size, stat.st_mtime_ns)),
            len(movie),
        ],
        "frame_interval_s": experiment.calibration.frame_interval_s,
        "experiment": experiment.model_dump(mode="json", include=kept),
    }


def learnt_of(folder: Path) -> str | None:
    """Return what a finished run has noted of what it learnt; None where nothing is noted."""
    from tem_track.outputs.tables import read_json

    learnt = read_json(folder / PROVENANCE).get("learnt")
    return learnt if isinstance(learnt, str) else None

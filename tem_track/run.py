"""One experiment into its results folder: measured, calculated, drawn, and marked complete last."""

from __future__ import annotations

import logging
import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tem_track import __version__
from tem_track.analysis import (
    Findings,
    Plan,
    Progress,
    Result,
    blocks,
    calculate,
    conclude,
    frames_of,
    measure,
    observe_again,
    prepare,
    settle,
)
from tem_track.columns import Block, join
from tem_track.config import Experiment, load_experiment
from tem_track.cores import cores, give_back_memory, one_heap, one_thread_a_routine
from tem_track.errors import ConfigError, ResultsBusyError, ResultsError
from tem_track.journal import Journal, StoredOutlines
from tem_track.measuring import Measuring
from tem_track.processes import can_start
from tem_track.records import Match

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = [
    "Outcome",
    "default_folder",
    "hold",
    "journal_key",
    "learnt_of",
    "measure_part",
    "movie_of",
    "parts_of",
    "plan_of",
    "recalculate",
    "redraw",
    "run",
]

PROVENANCE = "provenance.json"
LONG_FRAMES = 20_000
"""From here on the rows of a movie need so much memory that they are not to lie beside what
measures; with pictures any movie's do."""

_log = logging.getLogger("tem_track")

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


def default_folder(experiment_path: Path) -> Path:
    """Return ``EXPERIMENT.results`` beside the experiment file."""
    return experiment_path.with_suffix(".results")


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
    with bare.keeping() as movie, _only_if_new(folder), _explained(folder), hold(folder):
        key = journal_key(movie, experiment)
        with Journal(folder, key) as journal, ExitStack() as meanwhile:
            hash_meanwhile = partial(meanwhile.enter_context, movie.hashing())
            if keep is None and can_start() and (draw or len(movie) >= LONG_FRAMES):
                with Measuring(bare, experiment, journal.frames(), progress, workers) as measuring:
                    found = measuring.findings()
                    hash_meanwhile()
                    block = _measured_apart(measuring, movie, journal)
            else:
                if cores() > 1 and keep is None and not journal.frames():
                    movie.read_on()  # all frames are measured here; preparing leaves a core idle
                plan = prepare(movie, experiment, progress=progress)
                found = Findings.of(plan)
                hash_meanwhile()
                block = _measured(movie, plan, journal, progress, workers, keep)
                del plan
            give_back_memory()
            result = conclude(block, experiment, found.axis, found.warnings)
            give_back_memory()
            _write(result, movie, folder, progress, draw)
            movie.sha256()
            journal.remove()
        from tem_track import outputs

        outputs.write_provenance(
            result,
            movie,
            folder / PROVENANCE,
            command=command,
            started=started,
            learnt=found.learnt,
        )
    lost = _lost_fraction(result)
    return Outcome(result, folder, lost, lost <= experiment.quality.max_lost_fraction)


def _measured(
    movie: Movie,
    plan: Plan,
    journal: Journal,
    progress: Progress,
    workers: int | None,
    keep: Keep | None,
) -> Block:
    """Measure what the journal does not hold yet; the rows are the same as in one go."""
    give_back_memory()
    if keep is not None and not journal.frames():
        for block in keep(movie, plan):
            journal.append(block)
    done = journal.frames()
    for block in measure(movie, plan, done=done, progress=progress, workers=workers):
        journal.append(block)  # and not kept: a long movie's rows come back at the end
    return _settled(journal, partial(observe_again, movie, plan))


def _measured_apart(measuring: Measuring, movie: Movie, journal: Journal) -> Block:
    """Do the same in a process that has ended when the rows are calculated and drawn."""
    for data in measuring.blocks():
        journal.append_bytes(data)
    measuring.lend_to(movie)
    return _settled(journal, measuring.again)


def _settled(journal: Journal, again: Callable[[int, Mapping[str, Match]], Block]) -> Block:
    """Join all that the journal holds, and decide what needs the whole sequence."""
    outlines = StoredOutlines(journal.folder)
    with one_thread_a_routine(scipy_too=False):
        block = join(journal.blocks(outlines), emptying=True, outlines=outlines)
        give_back_memory()
        settle(block, again)
    return block


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
    with _only_if_new(folder), _explained(folder), hold(folder, shared=True):
        key = journal_key(movie, plan.experiment)
        with Journal(folder, key, part=part[0]) as journal:
            own = replace(plan, frame_range=part)
            done = journal.frames().intersection(part)
            for block in measure(movie, own, done=done, progress=progress, workers=1):
                journal.append(block)


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


def _write(result: Result, movie: Movie, folder: Path, progress: Progress, draw: bool) -> None:
    from tem_track import outputs

    (folder / PROVENANCE).unlink(missing_ok=True)
    outputs.write_tables(result, folder)
    if draw:
        from tem_track import pages

        written = outputs.as_written(result, folder)  # to draw what `report` would
        outputs.write_pictures(written, movie, folder, progress=progress)
        pages.write_report(written, movie, folder / "report.html", progress=progress)


def recalculate(folder: Path, config: Path | None = None, *, command: str = "") -> Result:
    """Calculate the mechanics again from the stored pixels, and write the tables.

    Parameters
    ----------
    folder : Path
        A results folder.
    config : Path, optional
        An experiment file with another calibration, cantilever, correction, area model, material,
        zero or quality gate.
    command : str
        How it was asked for, kept in the provenance.

    Raises
    ------
    ResultsError, ConfigError, ResultsBusyError
        Another mode, shape or box would need another measurement.
    """
    from tem_track import outputs

    stored = outputs.read_results(folder)
    given = stored.experiment if config is None else load_experiment(config)
    _same_test(stored.experiment, given)
    experiment = _with_mechanics_of(stored.experiment, given)
    table = {str(name): stored.measurement[name].to_numpy() for name in stored.measurement}
    interval = experiment.calibration.frame_interval_s
    if interval is not None:
        table["time_s"] = table["frame"] * interval
    warnings = stored.summary.get("measurement_warnings", [])
    points, summary = calculate(table, experiment, stored.axis, warnings)
    result = replace(
        stored,
        points=points,
        summary=summary,
        measurement=stored.measurement.assign(time_s=table["time_s"]),
        experiment=experiment,
    )
    with hold(folder):
        outputs.write_tables(result, folder)
        outputs.note_recalculation(folder / PROVENANCE, command=command)
    return result


def _same_test(measured: Experiment, given: Experiment) -> None:
    """Refuse what the stored pixels cannot answer, rather than leave it unheard."""
    shapes = [e.specimen.shape if e.specimen else None for e in (measured, given)]
    asked = {"mode": (measured.mode, given.mode), "specimen.shape": shapes}
    for target in ("bar", "tip", "specimen", "base"):
        boxes = [getattr(e, target).box_px for e in (measured, given) if getattr(e, target)]
        if len(boxes) == 2:
            asked[f"{target}.box_px"] = boxes
    for key, (old, new) in asked.items():
        if old != new:
            raise ConfigError(
                f"{given.source}: {key} = {new!r} is not what was measured ({old!r}): it needs a"
                " new measurement; use tem-track run"
            )


def _with_mechanics_of(measured: Experiment, given: Experiment) -> Experiment:
    """Return the measured experiment with everything of another that needs no new measurement."""
    specimen = measured.specimen
    if specimen is not None and given.specimen is not None:
        kept = ("area_model", "material", "growth_direction", "section")
        specimen = specimen.model_copy(update={k: getattr(given.specimen, k) for k in kept})
    frames = measured.frames.model_copy(update={"zero": given.frames.zero})
    changed = {
        "calibration": given.calibration,
        "cantilever": given.cantilever,
        "corrections": given.corrections,
        "quality": given.quality,
        "specimen": specimen,
        "frames": frames,
    }
    return measured.model_copy(update=changed)


def redraw(
    folder: Path,
    *,
    progress: Progress,
    frames: list[int] | None = None,
    width_mm: float | None = None,
) -> Result:
    """Draw pictures and report of a results folder again.

    Parameters
    ----------
    folder : Path
        A results folder.
    progress : callable
        Called as ``progress(stage, done, total)``.
    frames : list of int, optional
        The montage's frames, picked by hand.
    width_mm : float, optional
        Width of the curves on paper.

    Raises
    ------
    ResultsError, ConfigError, MovieError, ResultsBusyError
    """
    from tem_track import outputs, pages

    result = outputs.read_results(folder)
    movie = movie_of(result.experiment)
    with hold(folder):
        outputs.write_pictures(
            result, movie, folder, progress=progress, frames=frames, width_mm=width_mm
        )
        pages.write_report(result, movie, folder / "report.html", progress=progress)
    return result


def movie_of(experiment: Experiment) -> Movie:
    """Open an experiment's movie, with the experiment's own clock where it has one."""
    from tem_track.frames import open_movie

    return open_movie(
        experiment.movie_path, frame_interval_s=experiment.calibration.frame_interval_s
    )


def _lost_fraction(result: Result) -> float:
    frames = int(result.summary.get("n_frames") or 0)
    return float(result.summary.get("n_lost") or 0) / frames if frames else 0.0


# --------------------------------------------------------------------------- the folder


@contextmanager
def _only_if_new(folder: Path) -> Iterator[None]:
    """Make the folder, and take it away again where the run fails before it wrote anything."""
    existed = folder.exists()
    if existed and not folder.is_dir():
        raise ResultsError(f"{folder}: is a file; name a folder with --output")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultsError(
            f"{folder}: cannot be made ({error.strerror}); name another folder with --output"
        ) from None
    try:
        yield
    except BaseException:
        if not existed:
            _remove_if_empty(folder)
        raise


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Say in one line why a results folder cannot be written, and that nothing is lost."""
    try:
        yield
    except OSError as error:
        raise ResultsError(
            f"{folder}: cannot be written ({error.strerror or error}); make room or mend it and"
            " give the same command again: what is measured so far is kept"
        ) from error


@contextmanager
def hold(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a results folder against a second run; a killed run's hold ends with its process.

    Parameters
    ----------
    folder : Path
    shared : bool
        Together with others that hold it so: the workers of a batch that share a movie.

    Raises
    ------
    ResultsBusyError
        Another process holds it; the message names it.
    """
    path = folder / ".lock"
    with _locked(path, shared) as file:
        if file is None:
            holder = path.read_text(encoding="utf-8").strip() if path.exists() else ""
            raise ResultsBusyError(
                f"{folder}: another run holds this folder (process {holder or 'unknown'}); wait"
                " for it or name another folder with --output"
            )
        file.truncate(0)
        file.write(f"{os.getpid()} on {platform.node()}")
        file.flush()
        try:
            yield
        finally:
            if not shared:
                with suppress(OSError):  # some systems do not let an open file go
                    path.unlink()


@contextmanager
def _locked(path: Path, shared: bool) -> Iterator[IO[str] | None]:
    """Yield the locked file, None where another process has it."""
    while True:
        with path.open("a+", encoding="utf-8") as file:
            if not _try_lock(file, shared):
                yield None
                return
            if _is_same(file, path):
                yield file
                return


def _is_same(file: IO[str], path: Path) -> bool:
    """Return whether a file still has its name: who held it before has taken it away."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    _PLACE, _PLACES = 1 << 30, 1 << 20

    def _try_lock(file: IO[str], shared: bool) -> bool:
        """Lock all of the places, or, together with others, one that the process number picks."""
        try:
            file.seek(_PLACE + (os.getpid() % _PLACES if shared else 0))
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1 if shared else _PLACES)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(file: IO[str], shared: bool) -> bool:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:  # some cluster file systems know no locks
            _log.warning("%s: cannot be locked (%s); start no second run", file.name, error)
        return True

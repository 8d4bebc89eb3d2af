"""Many experiments, unattended, on Dask: locally with a worker a core, or on a cluster.

One movie is one job; a job that fails is reported and stops no other. A long movie is measured in
parts by several workers, into one journal, and finished by one of them. A worker that dies leaves
its journal to the next worker, so that nothing measured is measured again.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from tem_track import __version__
from tem_track.analysis import Plan, Progress
from tem_track.config import experiment_to_toml, load_experiment
from tem_track.cores import cores
from tem_track.errors import ConfigError, TemTrackError
from tem_track.frames import sha256
from tem_track.parts import measure_part, parts_of, plan_of
from tem_track.recalculation import redraw
from tem_track.run import PROVENANCE, default_folder, run

__all__ = ["Job", "State", "is_finished", "run_batch"]

State = Literal["waiting", "running", "done", "unchanged", "lost", "failed"]

PART_FRAMES = 4096
"""Movies of two parts or more are divided; a part takes a minute or so."""

_NEWS_EVERY_S = 0.5
"""Seconds between two words of a worker on how far it is, so that a scheduler isn't flooded."""


@dataclass(frozen=True, slots=True)
class Job:
    """One experiment of a batch and how it stands.

    Attributes
    ----------
    experiment, folder : Path
        The experiment file and its results folder.
    state : str
        `unchanged` was finished before; `lost` is done, but lost more frames than its gate allows.
    message : str
        The one-line error of a failed one.
    seconds : float
        Time that workers spent on it.
    stage : str
        What a running one is at.
    measured, frames : int
        Frames that are measured, and all of them; 0 while that is not known.
    """

    experiment: Path
    folder: Path
    state: State = "waiting"
    message: str = ""
    seconds: float = 0.0
    stage: str = ""
    measured: int = 0
    frames: int = 0

    @property
    def has_results(self) -> bool:
        """Whether the results folder holds a finished run."""
        return self.state in ("done", "unchanged", "lost")


Report = Callable[[Sequence[Job]], None]


def run_batch(
    experiments: Sequence[Path],
    *,
    jobs: int | None = None,
    scheduler: str | None = None,
    draw: bool = True,
    report: Report = lambda _: None,
    part_frames: int = PART_FRAMES,
) -> list[Job]:
    """Run many experiments and return how each ended, in the order given.

    Parameters
    ----------
    experiments : sequence of Path
        Experiment files; two with the same results folder are refused. On a cluster the workers
        must see them, and the movies, under the same paths.
    jobs : int, optional
        Local workers; by default one a core.
    scheduler : str, optional
        Address of a running Dask scheduler, for example ``tcp://host:8786``.
    draw : bool
        Draw pictures and reports.
    report : callable
        Called with all jobs whenever one changes, one call at a time.
    part_frames : int
        A movie of at least twice as many frames is measured in parts of this size. The results
        do not depend on it.

    Returns
    -------
    list of Job

    Raises
    ------
    ConfigError
        No experiment, the same one twice, or no scheduler at the address.
    """
    known = _jobs(experiments)
    with _client(jobs, scheduler) as client:
        return _Batch(client, known, draw, report, part_frames).follow()


def _jobs(experiments: Sequence[Path]) -> list[Job]:
    if not experiments:
        raise ConfigError("batch: no experiment file was given")
    jobs = [Job(path.absolute(), default_folder(path).absolute()) for path in experiments]
    folders = [job.folder for job in jobs]
    for folder in folders:
        if folders.count(folder) > 1:
            raise ConfigError(f"batch: two experiments share the results folder {folder}")
    return jobs


@contextmanager
def _client(jobs: int | None, scheduler: str | None) -> Iterator[Any]:
    import dask
    from distributed import Client, LocalCluster

    dask.config.set({"distributed.worker.daemon": False})
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, TimeoutError, ValueError):
            raise ConfigError(
                f"batch: no Dask scheduler answers at {scheduler}; start one with"
                " `dask scheduler`, or leave --scheduler out to work on this machine"
            ) from None
        with client:
            yield client
        return
    count = jobs if jobs is not None else cores()
    with (
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            # without a dashboard it listens all the same, and warns where another batch does
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            host="127.0.0.1",
            silence_logs=50,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


class _Batch:
    """The jobs of a batch on a client: what is asked of the workers, and what came back."""

    def __init__(
        self, client: Any, jobs: Sequence[Job], draw: bool, report: Report, part_frames: int
    ) -> None:
        self._client, self._draw, self._report = client, draw, report
        self._part_frames = part_frames
        self._jobs = list(jobs)
        self._given = tuple(jobs)
        self._steps: dict[Any, tuple[int, str]] = {}
        self._parts: dict[int, dict[int, int]] = {}
        self._open_parts: dict[int, set[Any]] = {}
        self._lock = threading.Lock()
        self._topic = f"tem-track-{uuid4().hex}"

    def follow(self) -> list[Job]:
        """Start everything, wait for the end, and return how each job ended."""
        from distributed import as_completed

        self._report(self._jobs)
        self._client.subscribe_topic(self._topic, self._hear)
        try:
            for number, job in enumerate(self._given):
                self._submit(number, "begin", begin, job, self._draw, self._part_frames)
            completed = as_completed(list(self._steps))
            for future in completed:
                for new in self._next(future):
                    completed.add(new)
        finally:
            self._client.unsubscribe_topic(self._topic)
        return self._jobs

    def _submit(self, number: int, step: str, task: Any, *arguments: Any, priority: int = 0) -> Any:
        news = _News(self._topic, number)
        future = self._client.submit(task, *arguments, news, pure=False, priority=priority)
        self._steps[future] = (number, step)
        return future

    def _next(self, future: Any) -> list[Any]:
        """Take in what a step gave; return the steps that follow it."""
        number, step = self._steps.pop(future)
        job = self._jobs[number]
        error = future.exception()
        if step == "part":
            return self._part_ended(number, future, error)
        if error is not None:
            self._end(number, _failed(job, error))
            return []
        answer = future.result()
        if isinstance(answer, Job):
            self._end(number, answer)
            return []
        return self._divide(number, answer)

    def _divide(self, number: int, parts: Sequence[range]) -> list[Any]:
        """Let several workers measure; begun movies come before those that wait."""
        job = self._given[number]
        self._set(number, state="running", frames=sum(len(part) for part in parts))
        self._parts[number] = {}
        plan = self._client.submit(plan_of, job.experiment, pure=False, priority=1)
        futures = [
            self._submit(number, "part", measure, plan, job, part, priority=1) for part in parts
        ]
        self._open_parts[number] = set(futures)
        return futures

    def _part_ended(self, number: int, future: Any, error: BaseException | None) -> list[Any]:
        still = self._open_parts.get(number)
        if still is None:  # another part has failed before
            return []
        if error is not None:
            del self._open_parts[number]
            self._client.cancel(list(still))
            self._end(number, _failed(self._jobs[number], error))
            return []
        still.discard(future)
        self._set(number, seconds=round(self._jobs[number].seconds + future.result(), 3))
        if still:
            return []
        job = self._jobs[number]
        return [self._submit(number, "finish", finish, job, self._draw, priority=2)]

    def _hear(self, event: tuple[float, Any]) -> None:
        """Take in a worker's word on how far it is; comes from the client's own thread."""
        _, news = event
        number, part, stage, done, total = news["news"]
        measured, frames = self._jobs[number].measured, self._jobs[number].frames
        if stage == "measure" and part is None:
            measured, frames = done, total
        elif stage == "measure":
            self._parts[number][part] = done
            measured = sum(self._parts[number].values())
        self._set(number, state="running", stage=stage, measured=measured, frames=frames)

    def _set(self, number: int, **changes: Any) -> None:
        with self._lock:
            job = self._jobs[number]
            if job.state not in ("waiting", "running"):
                return  # late news
            self._jobs[number] = replace(job, **changes)
            self._report(self._jobs)

    def _end(self, number: int, job: Job) -> None:
        with self._lock:
            self._jobs[number] = job
            self._report(self._jobs)


def _failed(job: Job, error: BaseException) -> Job:
    text = _one_line(str(error)) or type(error).__name__
    if type(error).__name__ in ("KilledWorker", "CancelledError"):
        text = f"the worker was lost: {text}; give the same command again, it goes on from there"
    elif not isinstance(error, TemTrackError):
        text = f"unexpected {type(error).__name__}: {text}"
    return replace(job, state="failed", message=text, stage="")


def _one_line(text: str) -> str:
    return " ".join(text.split())


# --------------------------------------------------------------------------- on a worker


@dataclass(frozen=True, slots=True)
class _News:
    """Tells the batch how far a step is, twice a second at most."""

    topic: str
    number: int

    def of(self, part: int | None = None) -> Progress:
        """Return a progress callback of a run, or of one part of a movie."""
        from distributed import get_worker

        worker = get_worker()
        last: dict[str, float] = {}

        def progress(stage: str, done: int, total: int) -> None:
            now = time.monotonic()
            if done < total and now - last.get(stage, 0.0) < _NEWS_EVERY_S:
                return
            last[stage] = now
            worker.log_event(self.topic, {"news": (self.number, part, stage, done, total)})

        return progress


def begin(job: Job, draw: bool, part_frames: int, news: _News) -> Job | list[range]:
    """Run one job on this worker, or say in which parts several are to measure it."""
    started = time.monotonic()
    try:
        if is_finished(job.experiment, job.folder):
            if draw and not (job.folder / "report.html").is_file():
                redraw(job.folder, progress=news.of())
                return _timed(replace(job, state="done"), started)
            return replace(job, state="unchanged")
        parts = parts_of(job.experiment, part_frames)
        if sum(len(part) for part in parts) >= 2 * part_frames:
            return parts
    except Exception as error:
        return _timed(_failed(job, error), started)
    return finish(job, draw, news)


def measure(plan: Plan, job: Job, part: range, news: _News) -> float:
    """Measure one part of a movie on this worker; return the seconds that it took."""
    started = time.monotonic()
    _one_core()
    measure_part(plan, job.experiment, job.folder, part, progress=news.of(part[0]))
    return time.monotonic() - started


def finish(job: Job, draw: bool, news: _News) -> Job:
    """Run one job on this worker; every error that belongs to the job ends in its message."""
    started = time.monotonic()
    _one_core()
    command = f"tem-track batch {job.experiment}"
    try:
        outcome = run(
            job.experiment, job.folder, progress=news.of(), command=command, draw=draw, workers=1
        )
    except Exception as error:
        return _timed(_failed(job, error), started)
    message = "" if outcome.passed else f"{outcome.lost_fraction:.0%} of the frames lost"
    frames = len(outcome.result.points)
    state: State = "done" if outcome.passed else "lost"
    ended = replace(job, state=state, message=message, stage="", measured=frames, frames=frames)
    return _timed(ended, started)


def _timed(job: Job, started: float) -> Job:
    return replace(job, seconds=round(job.seconds + time.monotonic() - started, 3))


def _one_core() -> None:
    import cv2

    cv2.setNumThreads(1)


def is_finished(experiment_path: Path, folder: Path) -> bool:
    """Return whether a folder holds a finished run of this movie, experiment and version.

    Parameters
    ----------
    experiment_path : Path
    folder : Path
        A results folder, which need not exist.

    Raises
    ------
    ConfigError
        The experiment file is wrong.
    """
    experiment = load_experiment(experiment_path)
    try:
        provenance = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
        stored = (folder / "experiment.toml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    others = [[path.name, sha256(path)] for path in experiment.other_files if path.is_file()]
    return bool(
        provenance.get("version") == __version__
        and stored == experiment_to_toml(experiment, folder)
        and provenance.get("other_files_sha256", []) == others
        and experiment.movie_path.exists()
        and provenance.get("movie_sha256") == sha256(experiment.movie_path)
    )

"""Many experiments, unattended, on Dask: locally with a worker a core, or on a cluster.

One movie is one job; a job that fails is reported and stops no other. A worker that dies takes its
job's journal with it to the next worker, so that nothing measured is measured again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tem_track import __version__
from tem_track.config import experiment_to_toml, load_experiment
from tem_track.errors import ConfigError, TemTrackError
from tem_track.frames import sha256
from tem_track.run import PROVENANCE, default_folder, run

__all__ = ["Job", "State", "is_finished", "run_batch"]

State = Literal["waiting", "running", "done", "unchanged", "lost", "failed"]
RETRIES = 2


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
    """

    experiment: Path
    folder: Path
    state: State = "waiting"
    message: str = ""
    seconds: float = 0.0

    @property
    def has_results(self) -> bool:
        """Whether the results folder holds a finished run."""
        return self.state in ("done", "unchanged", "lost")


def run_batch(
    experiments: Sequence[Path],
    *,
    jobs: int | None = None,
    scheduler: str | None = None,
    draw: bool = True,
    report: Callable[[Sequence[Job]], None] = lambda _: None,
) -> list[Job]:
    """Run many experiments and return how each ended, in the order given.

    Parameters
    ----------
    experiments : sequence of Path
        Experiment files; two with the same results folder are refused.
    jobs : int, optional
        Local workers; by default one a core.
    scheduler : str, optional
        Address of a running Dask scheduler, for example ``tcp://host:8786``.
    draw : bool
        Draw pictures and reports.
    report : callable
        Called with all jobs whenever one changes.

    Raises
    ------
    ConfigError
        No experiment, the same one twice, or no scheduler at the address.
    """
    known = _jobs(experiments)
    with _client(jobs, scheduler) as client:
        return _follow(client, known, draw, report)


def _jobs(experiments: Sequence[Path]) -> list[Job]:
    if not experiments:
        raise ConfigError("batch: no experiment file was given")
    jobs = [Job(path, default_folder(path).absolute()) for path in experiments]
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
    count = jobs if jobs is not None else os.cpu_count() or 1
    with (
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            host="127.0.0.1",
            silence_logs=50,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def _follow(
    client: Any, jobs: Sequence[Job], draw: bool, report: Callable[[Sequence[Job]], None]
) -> list[Job]:
    from distributed import as_completed

    current = list(jobs)
    futures = {
        client.submit(work, job, draw, retries=RETRIES, pure=False): number
        for number, job in enumerate(jobs)
    }
    report(current)
    for future in as_completed(futures):
        number = futures[future]
        current[number] = _ended(future, jobs[number])
        report(current)
    return current


def _ended(future: Any, job: Job) -> Job:
    error = future.exception()
    if error is None:
        done: Job = future.result()
        return done
    text = " ".join(str(error).split()) or type(error).__name__
    return Job(job.experiment, job.folder, "failed", f"the worker was lost: {text}")


# --------------------------------------------------------------------------- on a worker


def work(job: Job, draw: bool) -> Job:
    """Run one job on this worker; every error that belongs to the job ends in its message."""
    started = time.monotonic()
    try:
        if is_finished(job.experiment, job.folder):
            return Job(job.experiment, job.folder, "unchanged")
        _one_core()
        command = f"tem-track batch {job.experiment}"
        outcome = run(
            job.experiment, job.folder, progress=_silent, command=command, draw=draw, workers=1
        )
        state: State = "done" if outcome.passed else "lost"
        message = "" if outcome.passed else f"{outcome.lost_fraction:.0%} of the frames lost"
    except TemTrackError as error:
        state, message = "failed", str(error)
    except Exception as error:
        state, message = "failed", f"unexpected {type(error).__name__}: {error}"
    seconds = round(time.monotonic() - started, 3)
    return Job(job.experiment, job.folder, state, " ".join(message.split()), seconds)


def _silent(stage: str, done: int, total: int) -> None:
    """Show no progress: the batch's own table does."""


def _one_core() -> None:
    import cv2

    cv2.setNumThreads(1)


def is_finished(experiment_path: Path, folder: Path) -> bool:
    """Return whether a folder holds a finished run of this movie, experiment and version.

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
    return bool(
        provenance.get("version") == __version__
        and stored == experiment_to_toml(experiment, folder)
        and experiment.movie_path.is_file()
        and provenance.get("movie_sha256") == sha256(experiment.movie_path)
    )

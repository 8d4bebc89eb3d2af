"""Many experiments, and how they stand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from tem_track.cli.arguments import Json
from tem_track.cli.exit_status import SOME_FAILED
from tem_track.cli.printing import print_json
from tem_track.cli.progress import STAGES

__all__ = ["batch"]


def batch(
    experiments: Annotated[list[Path], typer.Argument(metavar="EXPERIMENTS...")],
    jobs: Annotated[int | None, typer.Option(min=1, help="Workers; default: one a core.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A running Dask scheduler.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="For table.csv and index.html.")
    ] = Path(),
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Draw overlay, montage, report.")
    ] = True,
    as_json: Json = False,
) -> int:
    """Run many experiments, unattended; what is finished and unchanged is skipped."""
    from tem_track.batch import run_batch

    with _live_table(as_json) as show:
        done = run_batch(experiments, jobs=jobs, scheduler=scheduler, draw=pictures, report=show)
    finished = [job.folder for job in done if job.has_results]
    if finished:
        _summarise_batch(finished, output)
    if as_json:
        print_json([{key: str(value) for key, value in asdict(job).items()} for job in done])
    failed = [job for job in done if job.state == "failed"]
    for job in failed:
        print(f"tem-track: {_short(job.experiment)}: {_message(job)}", file=sys.stderr)
    return SOME_FAILED if failed else 0


def _summarise_batch(folders: list[Path], output: Path) -> None:
    from tem_track.outputs import read_results, write_table
    from tem_track.pages import write_index

    results = [(folder, read_results(folder)) for folder in folders]
    write_table(results, output / "table.csv")
    write_index(results, output / "index.html")


_ROWS_SHOWN = 24
"""Rows of the table of experiments on a terminal; the least finished come first."""


@contextmanager
def _live_table(quiet: bool) -> Iterator[Any]:
    """Show how the jobs of a batch stand, on standard error; a line each where that is a file."""
    if quiet:
        yield lambda jobs: None
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _one_line_each()
        return
    with Live(console=console) as live:
        yield lambda jobs: live.update(_table_of(jobs), refresh=True)


def _one_line_each() -> Any:
    told: set[Path] = set()

    def show(jobs: Any) -> None:
        for job in jobs:
            if job.state not in ("waiting", "running") and job.experiment not in told:
                told.add(job.experiment)
                count = f"{len(told)} of {len(jobs)}"
                message = f": {_message(job)}" if job.message else ""
                line = f"{count}: {_short(job.experiment)}: {job.state}{message}"
                print(line, file=sys.stderr, flush=True)

    return show


def _table_of(jobs: Any) -> Any:
    """Return the table: counts, then those that run, failed, wait or are done, as far as fits."""
    from collections import Counter

    from rich.markup import escape
    from rich.table import Table

    counts = Counter(job.state for job in jobs)
    title = f"{len(jobs)} movies: " + ", ".join(f"{n} {state}" for state, n in counts.items())
    rows = Table("experiment", "state", "frames", "seconds", "", box=None, title=title)
    order = ("running", "failed", "lost", "waiting", "done", "unchanged")
    chosen = sorted(jobs, key=lambda job: order.index(job.state))[:_ROWS_SHOWN]
    for job in chosen if len(jobs) > _ROWS_SHOWN else jobs:
        frames = f"{job.measured} of {job.frames}" if job.frames else ""
        note = _message(job) or (STAGES.get(job.stage, job.stage) if job.state == "running" else "")
        seconds = f"{job.seconds:.0f}" if job.seconds else ""
        rows.add_row(escape(_short(job.experiment)), job.state, frames, seconds, escape(note))
    if len(jobs) > _ROWS_SHOWN:
        rows.add_row("", f"and {len(jobs) - _ROWS_SHOWN} more", "", "", "")
    return rows


def _message(job: Any) -> str:
    """Return a job's message without the experiment's name, which stands before it."""
    return str(job.message.removeprefix(f"{job.experiment}: "))


def _short(path: Path) -> str:
    """Return a path as it is seen from here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)

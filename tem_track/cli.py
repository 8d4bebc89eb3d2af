"""The command line: arguments in, one library call, an answer printed. No arithmetic here.

Heavy imports wait inside the commands, so that ``tem-track --help`` answers at once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from tem_track import __version__
from tem_track.errors import ConfigError, TemTrackError

if TYPE_CHECKING:
    from tem_track.analysis import Progress, Result

__all__ = ["app", "main"]

WRONG_USAGE = 2
LOST_TOO_MANY = 6
SOME_FAILED = 7
INTERRUPTED = 130

_WITHOUT_A_FILE = ("calc", "cross-section", "simulate")
"""Commands without an experiment file: what is wrong there is an argument."""

_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
"""Typer's own usage error; some releases carry a click of their own, so it is taken from Typer."""

app = typer.Typer(
    name="tem-track",
    help="From an in-situ TEM movie to force, strain and stress: every point with its picture.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Codec(StrEnum):
    """How a simulated movie is stored."""

    mjpeg = "mjpeg"
    ffv1 = "ffv1"
    raw = "raw"
    tiff16 = "tiff16"


class ExportFormat(StrEnum):
    """Other programs' tables."""

    origin = "origin"
    excel = "excel"
    csv_semicolon = "csv-semicolon"


class Mode(StrEnum):
    """What is done to the specimen."""

    compression = "compression"
    tension = "tension"
    growth = "growth"


class Polarity(StrEnum):
    """Objects against their background."""

    dark = "dark"
    bright = "bright"


ExperimentFile = Annotated[Path, typer.Argument(metavar="EXPERIMENT.toml", show_default=False)]
ResultsFolder = Annotated[Path, typer.Argument(metavar="RESULTS", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


def main() -> NoReturn:
    """Run the command line and leave with the exit status that the documentation lists."""
    _one_thread_a_routine()
    sys.exit(_status_of(sys.argv[1:]))


def _one_thread_a_routine() -> None:
    """Keep the linear algebra from starting threads of its own beside those that measure."""
    import os

    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def _status_of(arguments: list[str]) -> int:
    try:
        status = app(args=arguments, prog_name="tem-track", standalone_mode=False)
    except typer.Exit as stop:
        return stop.exit_code
    except _USAGE_ERROR as error:
        return _wrong_usage(error)
    except TemTrackError as error:
        alone = isinstance(error, ConfigError) and arguments[0] in _WITHOUT_A_FILE
        return _fail(str(error), WRONG_USAGE if alone else error.exit_status)
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except BrokenPipeError:
        return 1
    except Exception as error:
        return _unexpected(error)
    if status == INTERRUPTED:
        return _interrupted()
    return status if isinstance(status, int) else 0


def _interrupted() -> int:
    return _fail(
        "interrupted; what is measured is kept, the same command goes on from there", INTERRUPTED
    )


def _wrong_usage(error: Any) -> int:
    command = error.ctx.command_path if error.ctx is not None else "tem-track"
    message = error.format_message()
    if not message:  # no command at all: the help is the answer
        print(error.ctx.get_help())
        return WRONG_USAGE
    return _fail(f"{message.rstrip('.')}; see {command} --help", WRONG_USAGE)


def _fail(message: str, status: int) -> int:
    print(f"tem-track: {' '.join(message.split())}", file=sys.stderr)
    return status


def _unexpected(error: Exception) -> int:
    import os
    import traceback

    if os.environ.get("TEM_TRACK_DEBUG"):
        traceback.print_exc()
    return _fail(
        f"unexpected {type(error).__name__}: {error}"
        " (set TEM_TRACK_DEBUG=1 to see where, and report it)",
        1,
    )


def _version(wanted: bool) -> None:
    if wanted:
        print(f"tem-track {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that come before a command."""


# --------------------------------------------------------------------------- printing


_STAGES = {
    "template": "building templates",
    "measure": "measuring",
    "overlay": "drawing overlay",
    "report": "writing report",
    "simulate": "simulating",
}


@contextmanager
def _interruptible() -> Iterator[Callable[[], None]]:
    """Give a check that raises an interruption again which a library's callback has swallowed."""
    import signal
    import threading

    main = threading.main_thread()
    pressed: list[int] = []

    def note(number: int, frame: Any) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

    def check() -> None:
        if pressed and threading.current_thread() is main:
            raise KeyboardInterrupt

    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not main or usual is not signal.default_int_handler:
        yield check
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, usual)


@contextmanager
def _progress(quiet: bool) -> Iterator[Progress]:
    """Show a bar with frames a second and the time left, on standard error."""
    with _interruptible() as check, _bars(quiet) as show:

        def checked(stage: str, done: int, total: int) -> None:
            check()
            show(stage, done, total)

        yield checked


@contextmanager
def _bars(quiet: bool) -> Iterator[Progress]:
    if quiet:
        yield lambda stage, done, total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    bars = Progress(*columns, console=Console(stderr=True))
    tasks: dict[str, Any] = {}

    def show(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            bars.start()
            tasks[stage] = bars.add_task(_STAGES.get(stage, stage), total=total, rate="")
        bars.update(tasks[stage], completed=done, total=total)
        speed = bars.tasks[tasks[stage]].finished_speed or bars.tasks[tasks[stage]].speed
        bars.update(tasks[stage], rate=f"{speed:.0f} frames/s" if speed else "")

    try:
        yield show
    finally:
        if tasks:  # bars that never began would still end with an empty line
            bars.stop()


def _print_json(answer: Any) -> None:
    from tem_track.outputs.tables import json_text

    print(json_text(answer), end="")


def _print_rows(rows: list[tuple[str, str]], title: str = "") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title or None, show_header=False, box=None, title_justify="left")
    for name, value in rows:
        table.add_row(escape(name), escape(value))
    Console().print(table)


def _print_result(result: Result, folder: Path) -> None:
    """Print the summary in words, and what its uncertainties are made of."""
    from tem_track.outputs import budget_rows, summary_rows

    _print_rows(summary_rows(result), title=str(folder))
    budget = budget_rows(result)
    if budget:
        _print_rows(budget, title="Relative standard uncertainties")


def _warn(messages: list[str]) -> None:
    for message in messages:
        print(f"tem-track: warning: {message}", file=sys.stderr)


# --------------------------------------------------------------------------- the main job


@app.command()
def run(
    experiment: ExperimentFile,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Results folder.")
    ] = None,
    videos: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Draw overlay, montage, report.")
    ] = True,
    like: Annotated[
        Path | None,
        typer.Option("--like", metavar="OTHER.toml", help="Find the boxes of another experiment."),
    ] = None,
    as_json: Json = False,
) -> int:
    """Measure a movie and write the results folder."""
    if like is not None:
        from tem_track.propose import complete_like

        folder = output or experiment.with_suffix(".results")
        complete, warnings = complete_like(experiment, like)
        _warn(list(warnings))
        return _run(complete, folder, videos, as_json)
    return _run(experiment, output, videos, as_json)


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where to put movie and results.")
    ] = Path("tem_track_demo"),
    as_json: Json = False,
) -> int:
    """Simulate a rod being compressed, and measure it."""
    from tem_track.simulate import simulate as make

    with _progress(as_json) as progress:
        make(
            "rod_compression",
            seed=1,
            output=output,
            progress=lambda done, total: progress("simulate", done, total),
        )
    return _run(output / "experiment.toml", output / "results", True, as_json)


def _run(experiment: Path, output: Path | None, draw: bool, as_json: bool) -> int:
    from tem_track.run import run as run_one

    with _progress(as_json) as progress:
        outcome = run_one(experiment, output, progress=progress, command=_command_line(), draw=draw)
    if as_json:
        _print_json({"results": str(outcome.folder), **outcome.result.summary})
    else:
        _print_result(outcome.result, outcome.folder)
    _warn(outcome.result.summary["warnings"])
    if outcome.passed:
        return 0
    return _fail(
        f"{outcome.folder}: done, but bar, tip or specimen were lost in"
        f" {outcome.lost_fraction:.0%} of the frames, more than quality.max_lost_fraction allows;"
        " look at the flagged frames in report.html",
        LOST_TOO_MANY,
    )


def _command_line() -> str:
    import shlex

    return shlex.join(["tem-track", *sys.argv[1:]])


@app.command()
def info(movie: Annotated[Path, typer.Argument(metavar="MOVIE")], as_json: Json = False) -> None:
    """Say what a movie file really holds."""
    from tem_track.frames import inspect, open_movie

    report = inspect(open_movie(movie))
    if as_json:
        _print_json(report.as_dict())
    else:
        _print_rows(report.rows())


@app.command()
def recalculate(
    results: ResultsFolder,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="EXPERIMENT.toml", help="Other stiffness, scale, model."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Calculate the mechanics again from the stored pixels, without the movie."""
    from tem_track.run import recalculate as again

    result = again(results, config, command=_command_line())
    if as_json:
        _print_json({"results": str(results), **result.summary})
    else:
        _print_result(result, results)
        if (results / "report.html").exists():
            print(f"pictures and report are as before; tem-track report {results} draws them again")
    _warn(result.summary["warnings"])


@app.command()
def report(
    results: ResultsFolder,
    frames: Annotated[
        str, typer.Option(metavar="0,15,40,...", help="Frames of the montage, by hand.")
    ] = "",
    width_mm: Annotated[
        float | None,
        typer.Option(min=40.0, max=400.0, help="Width of the curves on paper, for example 85."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw pictures and report again from stored results and the movie."""
    from tem_track.run import redraw

    numbers = _whole_numbers(frames, "--frames")
    with _progress(as_json) as progress:
        redraw(results, progress=progress, frames=numbers, width_mm=width_mm)
    _print_written(results / "report.html", as_json)


def _print_written(path: Path, as_json: bool) -> None:
    if as_json:
        _print_json({"written": str(path)})
    else:
        print(path)


def _whole_numbers(text: str, option: str) -> list[int] | None:
    try:
        return [int(part) for part in text.split(",")] if text else None
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a list of frame numbers such as 0,15,40", param_hint=option
        ) from None


@app.command()
def export(
    results: ResultsFolder,
    format: Annotated[ExportFormat, typer.Option("--format", "-f", help="For which program.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE")] = None,
    as_json: Json = False,
) -> None:
    """Write the points as another program likes them."""
    from tem_track.outputs import export as write
    from tem_track.outputs import read_results

    _print_written(write(read_results(results), format.value, output, folder=results), as_json)


@app.command()
def table(
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS...")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Ends in .csv, .md or .xlsx.")
    ] = Path("table.csv"),
    as_json: Json = False,
) -> None:
    """Write one row a specimen, as in the paper's Table 1."""
    from tem_track.outputs import read_results, write_table

    write_table([(folder, read_results(folder)) for folder in results], output)
    _print_written(output, as_json)


@app.command()
def plot(
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS...")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Ends in .png, .pdf or .svg.")
    ] = Path("curves.png"),
    as_json: Json = False,
) -> None:
    """Draw several specimens' curves on one figure."""
    from tem_track.outputs import read_results, write_plot

    write_plot([(folder, read_results(folder)) for folder in results], output)
    _print_written(output, as_json)


@app.command()
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
        _print_json([{key: str(value) for key, value in asdict(job).items()} for job in done])
    failed = [job for job in done if job.state == "failed"]
    for job in failed:
        print(f"tem-track: {_short(job.experiment)}: {job.message}", file=sys.stderr)
    return SOME_FAILED if failed else 0


def _summarise_batch(folders: list[Path], output: Path) -> None:
    from tem_track.outputs import read_results, write_table
    from tem_track.pages import write_index

    results = [(folder, read_results(folder)) for folder in folders]
    write_table(results, output / "table.csv")
    write_index(results, output / "index.html")


_ROWS_SHOWN = 24


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
                message = f": {job.message}" if job.message else ""
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
        note = job.message or (_STAGES.get(job.stage, job.stage) if job.state == "running" else "")
        seconds = f"{job.seconds:.0f}" if job.seconds else ""
        rows.add_row(escape(_short(job.experiment)), job.state, frames, seconds, escape(note))
    if len(jobs) > _ROWS_SHOWN:
        rows.add_row("", f"and {len(jobs) - _ROWS_SHOWN} more", "", "", "")
    return rows


def _short(path: Path) -> str:
    """Return a path as it is seen from here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


# --------------------------------------------------------------------------- a new experiment


@app.command()
def init(
    movie: Annotated[Path, typer.Argument(metavar="MOVIE", show_default=False)],
    mode: Annotated[
        Mode | None, typer.Option(help="What is done to the specimen.", show_default=False)
    ] = None,
    scale_nm_per_px: Annotated[float | None, typer.Option(metavar="S", help="Pixel size.")] = None,
    scale_bar_nm: Annotated[
        float | None, typer.Option(metavar="B", help="Length of the burnt-in scale bar.")
    ] = None,
    stiffness_n_per_m: Annotated[
        float | None, typer.Option("--stiffness-N-per-m", metavar="K", help="The lever's.")
    ] = None,
    frame_interval_s: Annotated[
        float | None, typer.Option(metavar="T", help="Replaces the file's own clock.")
    ] = None,
    polarity: Annotated[
        Polarity | None, typer.Option(help="Objects on their background; found otherwise.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="EXPERIMENT.toml")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an experiment file.")] = False,
    as_json: Json = False,
) -> None:
    """Find bar, tip, specimen and base in a movie and write the experiment file."""
    from tem_track.propose import Given, init_experiment

    given = Given(
        scale_nm_per_px=scale_nm_per_px,
        scale_bar_nm=scale_bar_nm,
        stiffness_N_per_m=stiffness_n_per_m,
        frame_interval_s=frame_interval_s,
    )
    made = init_experiment(
        movie,
        mode=mode.value if mode is not None else None,
        polarity=polarity.value if polarity is not None else None,
        given=given,
        output=output,
        force=force,
    )
    if as_json:
        _print_json(made.as_dict())
    else:
        _print_rows(made.rows(), title=str(made.path))
    _warn(list(made.warnings))


@app.command()
def setup(
    target: Annotated[Path, typer.Argument(metavar="MOVIE_OR_EXPERIMENT", show_default=False)],
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it.")] = True,
) -> None:
    """Open the set-up page in the browser: boxes to drag, a live preview, Save and Run."""
    from tem_track.mending import run_again
    from tem_track.pages.setup import setup as open_page

    def runner(path: Path, progress: Progress) -> Path:
        return run_again(path, progress=progress, command=f"tem-track setup {path}").folder

    def say(address: str) -> None:
        print(f"{address}\nClose the page or press Ctrl-C to end.", flush=True)

    open_page(target, runner=runner, browser=browser, say=say)


class SectionModel(StrEnum):
    """Shapes of a section."""

    ellipse = "ellipse"
    rectangle = "rectangle"


@app.command("cross-section")
def cross_section(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...")],
    angles: Annotated[str, typer.Option(metavar="A,B,...", help="Tilt of each image, degrees.")],
    box: Annotated[
        str, typer.Option(metavar="X,Y,W,H", help="Around a piece of it; default: the image.")
    ] = "",
    axis_deg: Annotated[float, typer.Option(help="Long axis, from straight up.")] = 0.0,
    model: Annotated[SectionModel, typer.Option()] = SectionModel.ellipse,
    movie_angle_deg: Annotated[float, typer.Option(help="Tilt of the movie.")] = 0.0,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="For [specimen] section.")
    ] = Path("section.json"),
    as_json: Json = False,
) -> None:
    """Fit a section to a tilt series; the experiment can name its result."""
    from tem_track.outputs.files import write_text
    from tem_track.records import Box
    from tem_track.tilt_series import measure_tilt_series, section_json

    corners = _corners(box)
    series = measure_tilt_series(
        images,
        _numbers(angles, "--angles"),
        box=Box(*corners) if corners else None,
        axis_deg=axis_deg,
        model=model.value,
        movie_angle_deg=movie_angle_deg,
    )
    write_text(output, section_json(series))
    if as_json:
        print(section_json(series), end="")
    else:
        _print_rows(
            [
                ("area over the round one", f"{series.area_ratio:.3f} ± {series.u_area_ratio:.3f}"),
                ("widths", ", ".join(f"{width:.1f} px" for width in series.widths_px)),
                ("section", f"{series.section.major:.1f} x {series.section.minor:.1f} px"),
                ("written", str(output)),
            ]
        )
    _warn(list(series.section.warnings))


@app.command("bow")
def bow(
    images: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGES...", help="Before at A and at B, after at A and at B."),
    ],
    angles: Annotated[str, typer.Option(metavar="A,B", help="The two tilts, degrees.")],
    box: Annotated[
        str, typer.Option(metavar="X,Y,W,H", help="From end to end; default: the image.")
    ] = "",
    axis_deg: Annotated[float, typer.Option(help="Long axis, from straight up.")] = 0.0,
    as_json: Json = False,
) -> None:
    """How a test has bent a specimen, towards the beam too, from two tilts before and after."""
    from tem_track.records import Box
    from tem_track.tilt_series import bow_json, measure_out_of_plane_bow

    corners, half = _corners(box), len(images) // 2
    found = measure_out_of_plane_bow(
        images[:half],
        images[half:],
        _numbers(angles, "--angles"),
        box=Box(*corners) if corners else None,
        axis_deg=axis_deg,
    )
    if as_json:
        print(bow_json(found), end="")
        return
    rows = (
        ("in the plane", found.in_plane, found.u_in_plane),
        ("out of the plane", found.out_of_plane, found.u_out_of_plane),
    )
    _print_rows([(name, f"{value:.2f} ± {u:.2f} px") for name, value, u in rows])


def _corners(box: str) -> list[float]:
    corners = _numbers(box, "--box")
    if corners and len(corners) != 4:
        raise typer.BadParameter(f"{box!r} is not X,Y,W,H", param_hint="--box")
    return corners


def _numbers(text: str, option: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")] if text else []
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a list of numbers such as -15,10,30", param_hint=option
        ) from None


# --------------------------------------------------------------------------- movies with a truth


@app.command()
def simulate(
    scenario: Annotated[str, typer.Argument(help="One of the list that --list prints.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same movie.")] = 0,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR")] = Path("simulated"),
    frames: Annotated[int, typer.Option(min=1)] = 120,
    dose: Annotated[float, typer.Option(help="Electrons a pixel in vacuum.")] = 150.0,
    codec: Annotated[Codec, typer.Option(help="How the movie is stored.")] = Codec.mjpeg,
    accident: Annotated[
        list[str] | None,
        typer.Option("--accident", "--set", metavar="NAME=AMOUNT", help="May be repeated."),
    ] = None,
    list_all: Annotated[bool, typer.Option("--list", help="List scenarios and settings.")] = False,
    as_json: Json = False,
) -> None:
    """Draw a movie whose truth is known."""
    from tem_track.simulate import SCENARIOS, setting_names
    from tem_track.simulate import simulate as make

    if list_all or not scenario:
        _print_rows([(name, kind.description) for name, kind in SCENARIOS.items()], "Scenarios")
        _print_rows(setting_names(), "Settings, with --set NAME=AMOUNT")
        return
    settings = dict(map(_setting, accident or []))
    with _progress(as_json) as progress:
        made = make(
            scenario,
            seed=seed,
            output=output,
            frames=frames,
            codec=codec.value,
            progress=lambda done, total: progress("simulate", done, total),
            **{"dose": dose} | settings,
        )
    paths = {name: str(value) for name, value in asdict(made).items() if value is not None}
    if as_json:
        _print_json(paths)
    else:
        _print_rows(list(paths.items()))


def _setting(text: str) -> tuple[str, Any]:
    name, equals, amount = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=AMOUNT", param_hint="--set")
    try:
        return name.strip(), json.loads(amount)
    except ValueError:
        return name.strip(), amount.strip()


# --------------------------------------------------------------------------- closed formulas


calc = typer.Typer(help="The paper's closed formulas.", no_args_is_help=True)
app.add_typer(calc, name="calc")

MolarVolume = Annotated[
    float, typer.Option("--molar-volume-cm3-per-mol", help="Li 13, Na 23.7 in the paper.")
]
Faraday = Annotated[
    float, typer.Option("--faraday-C-per-mol", help="CODATA; the paper rounds it to 96500.")
]
FARADAY = 96485.33212


@calc.command("ecm-stress")
def calc_ecm_stress(
    overpotential_mV: Annotated[float, typer.Option("--overpotential-mV")],
    molar_volume: MolarVolume,
    faraday: Faraday = FARADAY,
    as_json: Json = False,
) -> None:
    """Stress that an overpotential can build up: F dphi / V_m (equation 3)."""
    from tem_track.mechanics import ecm_stress

    _answer(ecm_stress(overpotential_mV, molar_volume, faraday), as_json)


@calc.command("critical-overpotential")
def calc_critical_overpotential(
    stress_MPa: Annotated[float, typer.Option("--stress-MPa")],
    molar_volume: MolarVolume,
    faraday: Faraday = FARADAY,
    as_json: Json = False,
) -> None:
    """Overpotential that builds up a stress: equation 3 backwards."""
    from tem_track.mechanics import critical_overpotential

    _answer(critical_overpotential(stress_MPa, molar_volume, faraday), as_json)


@calc.command("fracture-stress")
def calc_fracture_stress(
    toughness: Annotated[float, typer.Option("--toughness-MPa-sqrt-m")],
    flaw_um: Annotated[float, typer.Option("--flaw-um", help="The whole size, not half of it.")],
    as_json: Json = False,
) -> None:
    """Fracture stress of a flawed solid: K / sqrt(pi a) (equation 4)."""
    from tem_track.mechanics import fracture_stress

    _answer(fracture_stress(toughness, flaw_um), as_json)


@calc.command("contact-radius")
def calc_contact_radius(
    diameter_nm: Annotated[float, typer.Option("--diameter-nm", help="Before loading.")],
    deformation_nm: Annotated[float, typer.Option("--deformation-nm", help="Loss of height.")],
    force_nN: Annotated[float | None, typer.Option("--force-nN")] = None,
    as_json: Json = False,
) -> None:
    """Contact radius of a flattened particle by equations 1 and 2, and its stress."""
    from tem_track.mechanics import contact_radius

    _answer(contact_radius(diameter_nm, deformation_nm, force_nN), as_json)


@calc.command("rod-stress")
def calc_rod_stress(
    force_nN: Annotated[float, typer.Option("--force-nN")],
    diameter_nm: Annotated[float, typer.Option("--diameter-nm")],
    as_json: Json = False,
) -> None:
    """Stress of a round rod: F / (pi/4 d^2)."""
    from tem_track.mechanics import rod_stress

    _answer(rod_stress(force_nN, diameter_nm), as_json)


def _answer(values: Any, as_json: bool) -> None:
    if as_json:
        _print_json(values)
    else:
        _print_rows([(name, f"{value:.6g}") for name, value in values.items() if value is not None])

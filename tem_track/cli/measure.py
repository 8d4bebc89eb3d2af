"""The main job: a movie measured, calculated again, drawn again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tem_track.cli.arguments import ExperimentFile, Json, ResultsFolder, whole_numbers
from tem_track.cli.exit_status import LOST_TOO_MANY
from tem_track.cli.printing import fail, print_json, print_result, print_written, warn
from tem_track.cli.progress import shown_progress

__all__ = ["demo", "recalculate", "report", "run"]


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
        warn(list(warnings))
        return _run(complete, folder, videos, as_json)
    return _run(experiment, output, videos, as_json)


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where to put movie and results.")
    ] = Path("tem_track_demo"),
    as_json: Json = False,
) -> int:
    """Simulate a rod being compressed, and measure it."""
    from tem_track.simulate import simulate as make

    with shown_progress(as_json) as progress:
        make(
            "rod_compression",
            seed=1,
            output=output,
            progress=lambda done, total: progress("simulate", done, total),
        )
    return _run(output / "experiment.toml", output / "results", True, as_json)


def _run(experiment: Path, output: Path | None, draw: bool, as_json: bool) -> int:
    from tem_track.run import run as run_one

    with shown_progress(as_json) as progress:
        outcome = run_one(experiment, output, progress=progress, command=_command_line(), draw=draw)
    if as_json:
        print_json({"results": str(outcome.folder), **outcome.result.summary})
    else:
        print_result(outcome.result, outcome.folder)
        if draw:
            print(f"look at {outcome.folder / 'report.html'}")
    warn(outcome.result.summary["warnings"])
    if outcome.passed:
        return 0
    return fail(
        f"{outcome.folder}: done, but bar, tip or specimen were lost in"
        f" {outcome.lost_fraction:.0%} of the frames, more than quality.max_lost_fraction allows;"
        " look at the flagged frames in report.html",
        LOST_TOO_MANY,
    )


def _command_line() -> str:
    import shlex

    return shlex.join(["tem-track", *sys.argv[1:]])


def recalculate(
    results: ResultsFolder,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="EXPERIMENT.toml", help="Other stiffness, scale, model."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Calculate the mechanics again from the stored pixels, without the movie."""
    from tem_track.recalculation import recalculate as again

    result = again(results, config, command=_command_line())
    if as_json:
        print_json({"results": str(results), **result.summary})
    else:
        print_result(result, results)
        if config is None:
            print(f"calculated as {results / 'experiment.toml'} has it; --config names another")
        if (results / "report.html").exists():
            print(f"pictures and report are as before; tem-track report {results} draws them again")
    warn(result.summary["warnings"])


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
    from tem_track.recalculation import redraw

    numbers = whole_numbers(frames, "--frames")
    with shown_progress(as_json) as progress:
        redraw(results, progress=progress, frames=numbers, width_mm=width_mm)
    print_written(results / "report.html", as_json)

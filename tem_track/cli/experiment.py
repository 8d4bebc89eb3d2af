"""From a movie to its experiment file: what it holds, what is found in it, the set-up page."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tem_track.cli.arguments import Json
from tem_track.cli.printing import print_json, print_rows, warn
from tem_track.cli.progress import shown_progress

if TYPE_CHECKING:
    from tem_track.analysis import Progress

__all__ = ["info", "init", "setup"]


class Mode(StrEnum):
    """What is done to the specimen."""

    compression = "compression"
    tension = "tension"
    growth = "growth"


class Polarity(StrEnum):
    """Objects against their background."""

    dark = "dark"
    bright = "bright"


def info(movie: Annotated[Path, typer.Argument(metavar="MOVIE")], as_json: Json = False) -> None:
    """Say what a movie file really holds."""
    from tem_track.frames import inspect, open_movie

    report = inspect(open_movie(movie))
    if as_json:
        print_json(report.as_dict())
    else:
        print_rows(report.rows())


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
    with shown_progress(as_json) as progress:
        made = init_experiment(
            movie,
            mode=mode.value if mode is not None else None,
            polarity=polarity.value if polarity is not None else None,
            given=given,
            output=output,
            force=force,
            progress=progress,
        )
    if as_json:
        print_json(made.as_dict())
    else:
        print_rows(made.rows(), title=str(made.path))
    warn(list(made.warnings))


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

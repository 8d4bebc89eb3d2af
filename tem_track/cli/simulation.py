"""Movies with a truth."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from tem_track.cli.arguments import Json
from tem_track.cli.printing import print_json, print_rows
from tem_track.cli.progress import shown_progress

__all__ = ["simulate"]


class Codec(StrEnum):
    """How a simulated movie is stored."""

    mjpeg = "mjpeg"
    ffv1 = "ffv1"
    raw = "raw"
    tiff16 = "tiff16"


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
        print_rows([(name, kind.description) for name, kind in SCENARIOS.items()], "Scenarios")
        print_rows(setting_names(), "Settings, with --set NAME=AMOUNT")
        return
    settings = dict(map(_setting, accident or []))
    with shown_progress(as_json) as progress:
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
        print_json(paths)
    else:
        print_rows(list(paths.items()))


def _setting(text: str) -> tuple[str, Any]:
    name, equals, amount = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=AMOUNT", param_hint="--set")
    try:
        return name.strip(), json.loads(amount)
    except ValueError:
        return name.strip(), amount.strip()

"""Arguments that several commands take, and the lists of numbers that stand in one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["ExperimentFile", "Json", "ResultsFolder", "numbers", "whole_numbers"]


ExperimentFile = Annotated[Path, typer.Argument(metavar="EXPERIMENT.toml", show_default=False)]
ResultsFolder = Annotated[Path, typer.Argument(metavar="RESULTS", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


def numbers(text: str, option: str) -> list[float]:
    """Return the numbers of a list such as ``-15,10,30``; none where it is empty."""
    try:
        return [float(part) for part in text.split(",")] if text else []
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a list of numbers such as -15,10,30", param_hint=option
        ) from None


def whole_numbers(text: str, option: str) -> list[int] | None:
    """Return the frame numbers of a list such as ``0,15,40``; None where it is empty."""
    try:
        return [int(part) for part in text.split(",")] if text else None
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a list of frame numbers such as 0,15,40", param_hint=option
        ) from None

"""What commands print: tables and JSON on standard output, all else on standard error."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tem_track.analysis import Result

__all__ = [
    "fail",
    "print_json",
    "print_result",
    "print_rows",
    "print_written",
    "warn",
]


def fail(message: str, status: int) -> int:
    """Say in one line what went wrong, and give the exit status back."""
    print(f"tem-track: {' '.join(message.split())}", file=sys.stderr)
    return status


def warn(messages: list[str]) -> None:
    """Say what a person should look at."""
    for message in messages:
        print(f"tem-track: warning: {message}", file=sys.stderr)


def print_json(answer: Any) -> None:
    """Print an answer for a program; a value that is missing is null."""
    from tem_track.outputs.tables import json_text

    print(json_text(answer), end="")


def print_rows(rows: list[tuple[str, str]], title: str = "") -> None:
    """Print names and values in two columns."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title or None, show_header=False, box=None, title_justify="left")
    for name, value in rows:
        table.add_row(escape(name), escape(value))
    Console().print(table)


def print_result(result: Result, folder: Path) -> None:
    """Print the summary in words, and what its uncertainties are made of."""
    from tem_track.outputs import budget_rows, summary_rows

    print_rows(summary_rows(result), title=str(folder))
    budget = budget_rows(result)
    if budget:
        print_rows(budget, title="Relative standard uncertainties")


def print_written(path: Path, as_json: bool) -> None:
    """Print where a file is."""
    if as_json:
        print_json({"written": str(path)})
    else:
        print(path)

"""The report: one file, offline, that can be mailed."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from tem_track.analysis import Progress, Result
from tem_track.outputs import summary_rows
from tem_track.outputs.files import write_text

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = ["write_report"]


def write_report(
    result: Result,
    movie: Movie,
    path: str | os.PathLike[str],
    progress: Progress | None = None,
) -> None:
    """Write the report."""
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>"
        for name, text in summary_rows(result)
    )
    write_text(
        Path(path),
        f"<!doctype html><meta charset=utf-8><title>tem_track</title><table>{rows}</table>\n",
    )

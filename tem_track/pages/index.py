"""The index of a batch: one row a specimen, each with the way to its report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tem_track.analysis import Result
from tem_track.outputs.compare import table_rows
from tem_track.outputs.files import write_text
from tem_track.outputs.tables import cell
from tem_track.pages.report import assemble

__all__ = ["write_index"]


def write_index(results: Sequence[tuple[Path, Result]], path: str | os.PathLike[str]) -> None:
    """Write a page that lists finished results and links their reports.

    Parameters
    ----------
    results : sequence of (folder, Result)
    path : path
        The links are relative to its folder, so that both can be moved together.
    """
    path = Path(path)
    header, *rows = table_rows(results)
    links = [_link(folder, path.parent) for folder, _ in results]
    text = assemble(
        "index.html.j2",
        styles=["page.css"],
        scripts=[],
        title="Results",
        header=[str(name).replace("_", " ") for name in header],
        rows=list(zip(links, [[_short(value) for value in row] for row in rows], strict=True)),
    )
    write_text(path, text)


def _link(folder: Path, start: Path) -> str:
    report = Path(os.path.relpath(folder.resolve() / "report.html", start.resolve()))
    return quote(report.as_posix())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else cell(value)

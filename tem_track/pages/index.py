"""The index of a batch: one row a specimen, each with the way to its report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tem_track.analysis import Result
from tem_track.outputs.compare import names_of
from tem_track.outputs.files import write_text
from tem_track.outputs.words import initial_words, value_words
from tem_track.pages.report import assemble

__all__ = ["write_index"]

MINUS = "\u2212"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the index; `number` aligns it to the right."""

    title: str
    number: bool = True


_COLUMNS = (
    Column("material", number=False),
    Column("test", number=False),
    Column("initial length (nm)"),
    Column("initial diameter (nm)"),
    Column("largest force (nN)"),
    Column("critical stress (MPa)"),
    Column("on area", number=False),
    Column("Young's modulus (GPa)"),
    Column("growth rate (nm/s)"),
    Column("frames (lost)"),
    Column("warnings"),
)


def write_index(results: Sequence[tuple[Path, Result]], path: str | os.PathLike[str]) -> None:
    """Write a page that lists finished results and links their reports.

    Parameters
    ----------
    results : sequence of (folder, Result)
    path : path
        The links are relative to its folder, so that both can be moved together.
    """
    path = Path(path)
    rows = [_cells(result) for _, result in results]
    names = names_of([folder for folder, _ in results])
    used = [i for i in range(len(_COLUMNS)) if any(row[i] for row in rows)]
    text = assemble(
        "index.html.j2",
        styles=["page.css", "index.css"],
        scripts=[],
        title="Results",
        columns=[_COLUMNS[i] for i in used],
        rows=[
            (_link(folder, path.parent), name, [(_COLUMNS[i], row[i]) for i in used])
            for (folder, _), name, row in zip(results, names, rows, strict=True)
        ],
    )
    write_text(path, text)


def _cells(result: Result) -> list[str]:
    """Return the texts of a row, in the order of the columns, empty where nothing is known."""
    s, specimen = result.summary, result.experiment.specimen
    shape = specimen.shape.replace("_", " ") if specimen else ""
    return [
        f"{specimen.material} {specimen.growth_direction}".strip() if specimen else "",
        f"{shape}, {result.experiment.mode}" if shape else result.experiment.mode,
        _bare(initial_words(result, "length")),
        _bare(initial_words(result, "diameter")),
        _number(s, "max_force_nN"),
        _number(s, "critical_stress_MPa"),
        str(s.get("area_model") or ""),
        _number(s, "youngs_modulus_GPa"),
        _number(s, "growth_rate_nm_per_s"),
        f"{s.get('n_frames')} ({s.get('n_lost')})",
        str(len(s.get("warnings") or [])),
    ]


def _number(summary: dict[str, Any], key: str) -> str:
    value = summary.get(key)
    return "" if value is None else value_words(value, summary.get(f"u_{key}")).replace("-", MINUS)


def _bare(words: str) -> str:
    return words.removesuffix(" nm")


def _link(folder: Path, start: Path) -> str:
    """Return the way to a report; empty where none was drawn."""
    report = folder.resolve() / "report.html"
    return quote(Path(os.path.relpath(report, start.resolve())).as_posix()) * report.is_file()

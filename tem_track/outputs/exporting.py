"""The points as other programs like them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tem_track.analysis import Result
from tem_track.errors import ConfigError
from tem_track.outputs.files import replacing, write_text
from tem_track.outputs.style import label
from tem_track.outputs.tables import cell, quoted
from tem_track.outputs.workbook import write_workbook

__all__ = ["FORMATS", "export"]

UNITS = {
    "px": "px",
    "nm": "nm",
    "nm2": "nm²",
    "nm3": "nm³",
    "nN": "nN",
    "MPa": "MPa",
    "GPa": "GPa",
    "V": "V",
    "A": "A",
    "s": "s",
}


def export(
    result: Result,
    format: str,
    output: str | os.PathLike[str] | None = None,
    *,
    folder: str | os.PathLike[str] = ".",
) -> Path:
    """Write the points for another program and return the file's path.

    Parameters
    ----------
    result : Result
    format : {'origin', 'excel', 'csv-semicolon'}
        Origin's long name, units and comments above the columns, tabs between them; a workbook
        with points, summary and measurement; semicolons and decimal commas.
    output : path, optional
        Default: ``points.origin.txt``, ``points.xlsx`` or ``points.semicolon.csv`` in `folder`.
    folder : path, optional

    Raises
    ------
    ConfigError
        There is no such format.
    """
    if format not in FORMATS:
        raise ConfigError(f"--format: '{format}' is not one of {', '.join(FORMATS)}")
    name, write = FORMATS[format]
    path = Path(output) if output is not None else Path(folder) / name
    write(result, path)
    return path


def _origin(result: Result, path: Path) -> None:
    """Three header rows, as Origin's import of ASCII files reads them."""
    names = [str(name) for name in result.points.columns]
    header = [names, [unit_of(name) for name in names], [_comment(name) for name in names]]
    _write_rows(result, path, header, "\t", str)


def _semicolon(result: Result, path: Path) -> None:
    names = [str(name) for name in result.points.columns]
    _write_rows(result, path, [names], ";", lambda text: text.replace(".", ","))


def _write_rows(
    result: Result, path: Path, header: list[list[str]], mark: str, number: Callable[[str], str]
) -> None:
    """Write rows with a byte order mark: without it Excel and Origin misread the units."""
    columns = [result.points[name].tolist() for name in result.points.columns]
    lines = [mark.join(quoted(text, mark) for text in row) for row in header]
    for row in zip(*columns, strict=True):
        cells = [number(cell(v)) if isinstance(v, float) else cell(v) for v in row]
        # A flag list holds semicolons of its own.
        lines.append(mark.join(quoted(text, mark) for text in cells))
    write_text(path, "\ufeff" + "\n".join(lines) + "\n")


def unit_of(column: str) -> str:
    """Return the unit that a column's name ends in, empty where it has none."""
    return UNITS.get(column.rsplit("_", 1)[-1], "") if "_" in column else ""


def _comment(column: str) -> str:
    if column.startswith("u_"):
        return "standard uncertainty, frame to frame"
    text = label(column)
    return "" if text == column else text.rsplit(" (", 1)[0]


def _excel(result: Result, path: Path) -> None:
    with replacing(path) as part:
        write_workbook(result, part)


FORMATS: dict[str, tuple[str, Callable[[Result, Path], None]]] = {
    "origin": ("points.origin.txt", _origin),
    "excel": ("points.xlsx", _excel),
    "csv-semicolon": ("points.semicolon.csv", _semicolon),
}

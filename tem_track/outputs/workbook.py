"""Excel workbooks; the library for them comes with the extra `excel`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tem_track.analysis import Result
from tem_track.errors import ResultsError
from tem_track.outputs.tables import plain

__all__ = ["write_sheets", "write_workbook"]

UNDATED = datetime(2000, 1, 1)
"""Stands for the time of writing, so that the same table gives the same bytes."""

Rows = Iterable[Iterable[Any]]


def write_workbook(result: Result, path: Path) -> None:
    """Write points, summary and measurement as the sheets of one workbook.

    Raises
    ------
    ResultsError
        The library for it is not installed.
    """
    write_sheets(
        path,
        {
            "points": _rows(result.points),
            "summary": _flat(plain(result.summary)),
            "measurement": _rows(result.measurement),
        },
    )


def write_sheets(path: Path, sheets: Mapping[str, Rows]) -> None:
    """Write sheets of rows, the first row of each in bold and standing still.

    Raises
    ------
    ResultsError
        The library for it is not installed.
    """
    try:
        from openpyxl import Workbook
        from openpyxl.styles import Font
    except ImportError:
        raise ResultsError(
            "Excel files need openpyxl; install it with: pip install openpyxl"
        ) from None
    book = Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append([_excel_cell(value) for value in row])
        sheet.freeze_panes = "A2"
        for first in sheet[1]:
            first.font = Font(bold=True)
    book.properties.created = book.properties.modified = UNDATED
    book.save(path)


def _rows(table: pd.DataFrame) -> Rows:
    yield [str(name) for name in table.columns]
    yield from zip(*(table[name].tolist() for name in table.columns), strict=True)


def _excel_cell(value: Any) -> Any:
    """Return a value that Excel stores; texts that look like formulas stay texts."""
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return f"'{value}" if value.startswith(("=", "+", "-", "@")) else value
    return value


def _flat(data: Mapping[str, Any], prefix: str = "") -> Rows:
    if not prefix:
        yield ["quantity", "value"]
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            yield [prefix + key, "; ".join(str(item) for item in value)]
        else:
            yield [prefix + key, value]

"""Finished results in other programs' tables, in one table, in one figure."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tem_track.cli.arguments import Json, ResultsFolder
from tem_track.cli.printing import print_written

__all__ = ["export", "plot", "table"]


class ExportFormat(StrEnum):
    """Other programs' tables."""

    origin = "origin"
    excel = "excel"
    csv_semicolon = "csv-semicolon"


def export(
    results: ResultsFolder,
    format: Annotated[ExportFormat, typer.Option("--format", "-f", help="For which program.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE")] = None,
    as_json: Json = False,
) -> None:
    """Write the points as another program likes them."""
    from tem_track.outputs import export as write
    from tem_track.outputs import read_results

    print_written(write(read_results(results), format.value, output, folder=results), as_json)


def table(
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS...")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Ends in .csv, .md or .xlsx.")
    ] = Path("table.csv"),
    as_json: Json = False,
) -> None:
    """Write one row a specimen, as in the paper's Table 1."""
    from tem_track.outputs import read_results, write_table

    write_table([(folder, read_results(folder)) for folder in results], output)
    print_written(output, as_json)


def plot(
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS...")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Ends in .png, .pdf or .svg.")
    ] = Path("curves.png"),
    as_json: Json = False,
) -> None:
    """Draw several specimens' curves on one figure."""
    from tem_track.outputs import read_results, write_plot

    write_plot([(folder, read_results(folder)) for folder in results], output)
    print_written(output, as_json)

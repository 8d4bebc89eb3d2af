"""Several specimens side by side: a table with one row each, and their curves on one figure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tem_track.analysis import Result
from tem_track.errors import ConfigError, ResultsError
from tem_track.outputs.figures import SERIES_COLOURS, journal_style, new_figure, save_figure
from tem_track.outputs.files import replacing, write_text
from tem_track.outputs.panels import column, has
from tem_track.outputs.style import label
from tem_track.outputs.tables import cell, quoted
from tem_track.outputs.words import value_words
from tem_track.outputs.workbook import write_sheets
from tem_track.records import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["write_plot", "write_table"]

Results = Sequence[tuple[str | os.PathLike[str], Result]]

_SUMMARY = (
    "initial_diameter_nm",
    "initial_length_nm",
    "aspect_ratio",
    "max_force_nN",
    "critical_stress_MPa",
    "u_critical_stress_MPa",
    "critical_stress_unbent_MPa",
    "youngs_modulus_GPa",
    "u_youngs_modulus_GPa",
    "strain_rate_per_s",
    "growth_rate_nm_per_s",
    "n_frames",
    "n_lost",
)


def write_table(results: Results, path: str | os.PathLike[str]) -> None:
    """Write one row a specimen: what it is, its size, force, stress and modulus.

    Parameters
    ----------
    results : sequence of (folder, Result)
    path : path
        Ends in ``.csv``, ``.md`` or ``.xlsx``.

    Raises
    ------
    ConfigError
        The name ends in something else.
    """
    path = Path(path)
    rows = table_rows(results)
    kind = path.suffix.lower()
    if kind == ".csv":
        lines = [",".join(quoted(cell(value)) for value in row) for row in rows]
        write_text(path, "\n".join(lines) + "\n")
    elif kind == ".md":
        write_text(path, _markdown(rows))
    elif kind == ".xlsx":
        with replacing(path) as part:
            write_sheets(part, {"specimens": rows})
    else:
        raise ConfigError(f"--output: {path} must end in .csv, .md or .xlsx")


def table_rows(results: Results) -> list[list[Any]]:
    """Return the header and one row a specimen; columns without any value are left out."""
    models = _area_models(results)
    header = ["specimen", "material", "growth_direction", "shape", "mode", *_SUMMARY, "area_model"]
    header += [f"critical_stress_{model}_MPa" for model in models]
    names = names_of([Path(folder) for folder, _ in results])
    rows = [_row(name, result, models) for name, (_, result) in zip(names, results, strict=True)]
    used = [i for i in range(len(header)) if any(row[i] not in (None, "") for row in rows)]
    return [[line[i] for i in used] for line in (header, *rows)]


def _row(name: str, result: Result, models: Sequence[str]) -> list[Any]:
    specimen, summary = result.experiment.specimen, result.summary
    what = [specimen.material, specimen.growth_direction, specimen.shape] if specimen else [""] * 3
    by_model = summary.get("critical_stress_by_area_model_MPa") or {}
    return [
        name,
        *what,
        result.experiment.mode,
        *(summary.get(key) for key in _SUMMARY),
        summary.get("area_model"),
        *(by_model.get(model) for model in models),
    ]


def names_of(folders: Sequence[Path]) -> list[str]:
    """Return the specimens' names: their results folders', with their parents' where alike."""
    names = [folder.resolve().name.removesuffix(".results") for folder in folders]
    return [
        f"{folder.resolve().parent.name}/{name}" if names.count(name) > 1 else name
        for folder, name in zip(folders, names, strict=True)
    ]


def _area_models(results: Results) -> list[str]:
    found: dict[str, None] = {}
    for _, result in results:
        found |= dict.fromkeys(result.summary.get("critical_stress_by_area_model_MPa") or {})
    return list(found)


def _markdown(rows: list[list[Any]]) -> str:
    """Return a table for reading: a value and its uncertainty share a cell."""
    rows = _joined(rows)
    lines = ["| " + " | ".join(_short(value) for value in row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines) + "\n"


def _joined(rows: list[list[Any]]) -> list[list[Any]]:
    """Write value ± u in the value's column and leave the column of u out."""
    header = rows[0]
    of_u = {i: header.index(f"u_{name}") for i, name in enumerate(header) if f"u_{name}" in header}
    left_out = set(of_u.values())
    body = [
        [
            value_words(row[i], row[of_u[i]]) if i in of_u and row[i] is not None else row[i]
            for i in range(len(header))
            if i not in left_out
        ]
        for row in rows[1:]
    ]
    return [[name for i, name in enumerate(header) if i not in left_out], *body]


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return cell(value).replace("|", "\\|")


# --------------------------------------------------------------------------- curves


def write_plot(results: Results, path: str | os.PathLike[str], *, width_mm: float = 85.0) -> None:
    """Draw the loading curves of several specimens on one figure, stress against strain.

    Where one of them has no stress, forces against time are drawn; in growth, lengths.

    Parameters
    ----------
    results : sequence of (folder, Result)
    path : path
        Ends in ``.png``, ``.pdf`` or ``.svg``.
    width_mm : float, optional

    Raises
    ------
    ConfigError
        The name ends in something else.
    ResultsError
        They have no curve in common.
    """
    path = Path(path)
    if path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise ConfigError(f"--output: {path} must end in .png, .pdf or .svg")
    x, y = _common_columns([result for _, result in results])
    with journal_style():
        figure = new_figure(width_mm, 0.8 * width_mm)
        axes = figure.add_subplot()
        names = names_of([Path(folder) for folder, _ in results])
        for number, (name, (_, result)) in enumerate(zip(names, results, strict=True)):
            _draw(axes, name, result, x, y, number)
        axes.set_xlabel(label(x))
        axes.set_ylabel(label(y))
        axes.legend(handlelength=1.4, borderaxespad=0.3)
        with replacing(path) as part:
            save_figure(figure, part)


def _common_columns(results: Sequence[Result]) -> tuple[str, str]:
    for x, y in (("strain_eng", "stress_MPa"), ("time_s", "force_nN"), ("time_s", "length_nm")):
        if results and all(has(result, x) and has(result, y) for result in results):
            return x, y
    raise ResultsError("the results have no curve in common; plot those of one kind together")


def _draw(axes: Axes, name: str, result: Result, x: str, y: str, number: int) -> None:
    colour = SERIES_COLOURS[number % len(SERIES_COLOURS)]
    style = ("-", "--", ":", "-.")[number // len(SERIES_COLOURS) % 4]
    across, up = column(result, x), column(result, y)
    phases = result.points["phase"].astype(str).to_numpy()
    shown = np.isfinite(across) & np.isfinite(up) & ~np.isin(phases, ("broken", "after"))
    across, up = _parted(across[shown], up[shown], column(result, "mook_equation")[shown])
    axes.plot(
        across, up, style, marker="o", ms=1.8, mew=0, color=colour, lw=0.9,
        label=_legend(name, result),
    )  # fmt: skip


def _parted(x: FloatArray, y: FloatArray, equation: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Part a curve where a particle's equation changes: the jump is no drop of its stress."""
    at = np.flatnonzero(np.abs(np.diff(equation)) > 0) + 1
    return np.insert(x, at, np.nan), np.insert(y, at, np.nan)


def _legend(name: str, result: Result) -> str:
    specimen = result.experiment.specimen
    diameter = result.summary.get("initial_diameter_nm")
    parts = [name]
    if specimen is not None and specimen.growth_direction:
        parts.append(specimen.growth_direction)
    if diameter is not None:
        parts.append(f"{float(diameter):.0f} nm")
    return ", ".join(parts)

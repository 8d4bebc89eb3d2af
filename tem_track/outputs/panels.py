"""Which curves a result has: the same list for figures, overlay and report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tem_track.analysis import Result
from tem_track.outputs.style import label, prefixed
from tem_track.records import FloatArray

__all__ = ["Panel", "column", "first_rows", "has", "main_panel", "never_negative", "panels_of"]


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot: columns of the points against another.

    Attributes
    ----------
    key : str
    x : str
        Column of the abscissa.
    ys : tuple of str
        Columns of the ordinate, one or several of the same unit.
    y_label : str
    title : str
    y_unit : float
        What one on the ordinate's scale stands for, in the column's unit: 1e-12 where amperes are
        read as pA.
    """

    key: str
    x: str
    ys: tuple[str, ...]
    y_label: str
    title: str = ""
    y_unit: float = 1.0

    @property
    def x_label(self) -> str:
        """The abscissa's label."""
        return label(self.x)


_DIAMETERS = ("diameter_mid_nm", "diameter_max_nm", "diameter_min_nm", "diameter_tip_nm")

_MECHANICS = (
    Panel(
        "force_deformation", "deformation_nm", ("force_nN",), "force (nN)", "Force and deformation"
    ),
    Panel("stress_strain", "strain_eng", ("stress_MPa",), "stress (MPa)", "Stress and strain"),
    Panel("force_time", "time_s", ("force_nN",), "force (nN)", "Force"),
    Panel("length_time", "time_s", ("length_nm",), "length (nm)", "Length"),
    Panel("diameter_time", "time_s", _DIAMETERS, "diameter (nm)", "Diameters"),
)

_GROWTH = (
    Panel("length_time", "time_s", ("length_nm",), "length (nm)", "Length"),
    Panel(
        "diameter_time",
        "time_s",
        ("diameter_mean_nm", "diameter_mid_nm"),
        "diameter (nm)",
        "Diameters",
    ),
    Panel("shell_time", "time_s", ("shell_nm",), "shell (nm)", "Shell"),
    Panel("potential_time", "time_s", ("potential_V",), "potential (V)", "Potential"),
    Panel("current_time", "time_s", ("current_A",), "current (A)", "Current"),
)


_LOADED = ("force_deformation", "stress_strain")
"""Curves that show nothing but noise where nothing was loaded."""


def panels_of(result: Result) -> tuple[Panel, ...]:
    """Return the panels that have at least two points, the most telling one first."""
    wanted: tuple[Panel, ...] = _GROWTH if result.experiment.mode == "growth" else _MECHANICS
    if result.summary.get("contact_frame") is None:
        wanted = tuple(panel for panel in wanted if panel.key not in _LOADED)
    clock = "time_s" if has(result, "time_s") else "frame"
    found = []
    for panel in wanted:
        x = clock if panel.x == "time_s" else panel.x
        ys = tuple(y for y in panel.ys if has(result, y))
        if ys and has(result, x):
            found.append(_readable(result, replace(panel, x=x, ys=ys)))
    return tuple(found)


def _readable(result: Result, panel: Panel) -> Panel:
    """Give an ordinate in amperes the prefix in which its numbers are read."""
    if panel.ys != ("current_A",):
        return panel
    size, name = prefixed(column(result, "current_A"), "A")
    return replace(panel, y_unit=size, y_label=panel.y_label.replace("(A)", f"({name})"))


def main_panel(result: Result) -> Panel | None:
    """Return the panel that a film of the test shows, None where nothing was measured."""
    panels = panels_of(result)
    return panels[0] if panels else None


def never_negative(name: str) -> bool:
    """Return whether a column holds sizes, whose uncertainty does not reach below zero."""
    return name.startswith(("length_nm", "diameter_", "shell_", "nanotube_"))


def first_rows(frames: Sequence[int]) -> list[int]:
    """Return the first row of every frame: where bodies are several, a frame has several rows."""
    seen: dict[int, int] = {}
    for row, frame in enumerate(frames):
        seen.setdefault(int(frame), row)
    return list(seen.values())


def has(result: Result, name: str) -> bool:
    """Return whether a column holds at least two numbers."""
    return bool(np.isfinite(column(result, name)).sum() >= 2)


def column(result: Result, name: str) -> FloatArray:
    """Return a column of the points, NaN where the table has none of that name."""
    if name not in result.points.columns:
        return np.full(len(result.points), np.nan)
    values: FloatArray = result.points[name].to_numpy(dtype=float)
    return values

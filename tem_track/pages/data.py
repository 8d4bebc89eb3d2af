"""What the report's script knows: columns, panels, events, and the marks of every still."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tem_track.analysis import Result
from tem_track.columns import STATIONS
from tem_track.outputs.figures import (
    SERIES_COLOURS,
    common_share,
    events_of,
    modulus_line,
    switches_of,
)
from tem_track.outputs.marks import Mark, Marks, marks_of
from tem_track.outputs.overlay import frames_per_second
from tem_track.outputs.panels import Panel, column, has, never_negative, panels_of
from tem_track.outputs.style import COLOURS, PHASE_COLOURS, flag_words, label, prefixed
from tem_track.outputs.words import clock_words
from tem_track.pages.flagged import problem_rows
from tem_track.pages.stills import Stills, nearest
from tem_track.records import FloatArray

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = ["page_data"]


READOUT = (
    ("force_nN", "force", "nN"),
    ("deflection_nm", "deflection", "nm"),
    ("deformation_nm", "deformation", "nm"),
    ("strain_eng", "engineering strain", ""),
    ("stress_MPa", "stress", "MPa"),
    ("length_nm", "length", "nm"),
    ("diameter_mid_nm", "diameter, middle", "nm"),
    ("diameter_tip_nm", "diameter at the tip", "nm"),
    ("diameter_mean_nm", "diameter, mean", "nm"),
    ("shell_nm", "shell", "nm"),
    ("bend_ratio", "bend ratio", ""),
    ("closure_nm", "closure", "nm"),
    ("tip_score", "tip's match", ""),
    ("bar_score", "bar's match", ""),
    ("potential_V", "potential", "V"),
    ("current_A", "current", "A"),
)


def page_data(result: Result, movie: Movie, stills: Stills) -> dict[str, Any]:
    """Return plain data, ready for JSON."""
    panels, points = panels_of(result), result.points
    readout = [item for item in READOUT if has(result, item[0])]
    if result.experiment.mode == "growth":  # the tip touches nothing there
        readout = [item for item in readout if item[0] != "diameter_tip_nm"]
    return {
        "frame": [int(frame) for frame in points["frame"]],
        "time_text": clock_words(result),
        "phase": [str(phase) for phase in points["phase"]],
        "flag_words": [", ".join(flag_words(str(flags))) for flags in points["flags"]],
        "columns": _columns(result, panels, [name for name, _, _ in readout]),
        "panels": [_panel(result, panel) for panel in panels],
        "readout": [_quantity(result, *item) for item in readout],
        "events": [{"row": row, "name": name} for row, name, _ in events_of(result)],
        "flagged": problem_rows(result),
        "rows_of_phase": _rows_of_phase(result),
        "modulus": _modulus(result),
        "phase_colours": PHASE_COLOURS,
        "series_colours": SERIES_COLOURS,
        "colours": COLOURS,
        "still_of": nearest(stills.rows, len(points)),
        "stills": _stills(marks_of(result, movie), stills),
        "shape": round(movie.info.width_px / movie.info.height_px, 4),
        "frames_per_second": frames_per_second(len(points)),
        "first_row": _first_row(result),
    }


def _columns(result: Result, panels: tuple[Panel, ...], more: list[str]) -> dict[str, Any]:
    names = {*more, *(panel.x for panel in panels), *(y for panel in panels for y in panel.ys)}
    names |= {f"u_{name}" for name in names if has(result, f"u_{name}")}
    return {name: _numbers(column(result, name)) for name in sorted(names)}


def _numbers(values: FloatArray) -> list[float | int | None]:
    return [_number(float(value)) for value in values]


def _number(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    short = float(f"{value:.6g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def _quantity(result: Result, name: str, text: str, unit: str) -> dict[str, Any]:
    size = 1.0
    if unit == "A":
        size, unit = prefixed(column(result, name), unit)
    decimals = 4 if name.endswith("_score") else None
    return {"name": name, "label": text, "unit": unit, "size": size, "decimals": decimals}


def _panel(result: Result, panel: Panel) -> dict[str, Any]:
    single = len(panel.ys) == 1 and result.experiment.mode != "growth"
    return {
        "key": panel.key,
        "x": panel.x,
        "ys": list(panel.ys),
        "x_label": panel.x_label,
        "y_label": panel.y_label,
        "y_unit": panel.y_unit,
        "breaks": switches_of(result, panel),
        "by_phase": single,
        "common": _number(common_share(result, panel.ys[0])) if single else 0,
        "unit": panel.y_label.partition(" (")[2].rstrip(")"),
        "title": panel.title,
        "never_negative": all(map(never_negative, panel.ys)),
        "names": [_series_name(y) for y in panel.ys],
    }


def _series_name(column_name: str) -> str:
    return label(column_name).rsplit(" (", 1)[0].replace("diameter, ", "").replace("diameter ", "")


def _rows_of_phase(result: Result) -> dict[str, list[int]]:
    phases = result.points["phase"].astype(str).to_numpy()
    return {str(phase): np.flatnonzero(phases == phase).tolist() for phase in np.unique(phases)}


def _modulus(result: Result) -> dict[str, Any] | None:
    line = modulus_line(result)
    if line is None:
        return None
    return {"x": _numbers(np.array(line[0])), "y": _numbers(np.array(line[1]))}


def _first_row(result: Result) -> int:
    """Return the row that the report opens with: the largest force, or the grown body."""
    if result.experiment.mode == "growth":
        grown = np.flatnonzero(np.isfinite(column(result, "length_nm")))
        return int(grown[-1]) if len(grown) else 0
    events = {name: row for row, name, _ in events_of(result)}
    return events.get("largest force", 0)


# --------------------------------------------------------------------------- marks


def _stills(marks: Marks, stills: Stills) -> list[dict[str, Any]]:
    frames = marks.columns["frame"]
    return [
        {"frame": int(frames[row]), "marks": [_mark(mark) for mark in marks.at(row)]}
        for row in stills.rows
    ]


def _mark(mark: Mark) -> list[Any]:
    points = mark.points_px
    if mark.role == "axis" and len(points) > STATIONS // 2:
        points = points[_spread(len(points), STATIONS // 2)]
    elif mark.role == "outline" and len(points) > 2 * STATIONS:
        points = points[_spread(len(points), 2 * STATIONS)]
    return [mark.role, int(mark.closed), _pairs(len(points)) % tuple(points.ravel().tolist())]


@lru_cache(maxsize=256)
def _pairs(count: int) -> str:
    """Return what so many points (x, y) are written with; all at a time takes a third."""
    return " ".join(["%.4g,%.4g"] * count)


@lru_cache(maxsize=256)
def _spread(count: int, most: int) -> list[int]:
    """Return numbers spread over both halves of a list alike, the ends and corners included."""
    half = count // 2
    first = np.linspace(0, half - 1, most // 2).round().astype(int)
    second = np.linspace(half, count - 1, most - most // 2).round().astype(int)
    return [*first.tolist(), *second.tolist()]

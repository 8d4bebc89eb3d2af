"""Numbers in words: for the panel beside the film, for tables, for the report."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from tem_track.analysis import Result
from tem_track.mechanics import two_digits
from tem_track.outputs.style import prefixed
from tem_track.records import FloatArray

__all__ = [
    "RowWords",
    "budget_rows",
    "clock_words",
    "initial_words",
    "measured_columns",
    "summary_rows",
    "value_words",
]


def value_words(value: float | None, u: float | None = None, unit: str = "") -> str:
    """Return a value with its standard uncertainty, rounded to what the uncertainty supports.

    >>> value_words(1234.5678, 12.3, "nN")
    '1235 ± 12 nN'
    """
    if value is None or not math.isfinite(value):
        return "–"
    tail = f" {unit}" if unit else ""
    if u is None or not math.isfinite(u) or u <= 0:
        return f"{value:.4g}{tail}" if abs(value) < 1e4 else f"{value:.0f}{tail}"
    return two_digits(value, u) + tail


def clock_words(result: Result) -> list[str]:
    """Return the time of every row with the decimals that tell frames apart, empty if unknown."""
    times = result.points["time_s"].to_numpy(dtype=float)
    steps = np.diff(times[np.isfinite(times)])
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 1.0
    decimals = min(6, max(0, math.ceil(-math.log10(step) - 1e-9)))
    if abs(step - round(step, decimals)) > 1e-3 * step:
        decimals += 1
    return [f"{t:.{decimals}f} s" if math.isfinite(t) else "" for t in times]


_ROW = (
    ("force_nN", "force", "nN", 1.0),
    ("deflection_nm", "deflection", "nm", 1.0),
    ("length_nm", "length", "nm", 1.0),
    ("deformation_nm", "deformation", "nm", 1.0),
    ("strain_eng", "strain", "%", 100.0),
    ("stress_MPa", "stress", "MPa", 1.0),
    ("diameter_mid_nm", "diameter, middle", "nm", 1.0),
    ("diameter_mean_nm", "diameter, mean", "nm", 1.0),
    ("diameter_tip_nm", "diameter at the tip", "nm", 1.0),
    ("diameter_min_nm", "diameter, smallest", "nm", 1.0),
    ("shell_nm", "shell", "nm", 1.0),
    ("potential_V", "potential", "V", 1.0),
    ("current_A", "current", "A", 1.0),
)


class RowWords:
    """The numbers of a row in words, for those columns that hold a number anywhere.

    Attributes
    ----------
    names : list of str
        In the order in which they are given.
    """

    def __init__(self, result: Result) -> None:
        columns = measured_columns(result)
        self.names: list[str] = []
        self._columns: list[tuple[FloatArray, FloatArray | None, str]] = []
        for column, name, unit, factor in _ROW:
            if column not in columns:
                continue
            values = result.points[column].to_numpy(dtype=float)
            if unit == "A":
                size, unit = prefixed(values, unit)
                factor = 1 / size
            known = f"u_{column}" in result.points
            u = result.points[f"u_{column}"].to_numpy(dtype=float) * factor if known else None
            self.names.append(name)
            self._columns.append((values * factor, u, unit))

    def of(self, row: int) -> list[tuple[str, str]]:
        """Return (name, value) of one row."""
        return [
            (name, value_words(float(values[row]), None if u is None else float(u[row]), unit))
            for name, (values, u, unit) in zip(self.names, self._columns, strict=True)
        ]


def measured_columns(result: Result) -> frozenset[str]:
    """Return the columns of `RowWords` that hold a number anywhere."""
    names = {name for name, *_ in _ROW if name in result.points.columns}
    if result.experiment.mode == "growth":
        names.discard("diameter_tip_nm")  # nothing is in contact
    if result.experiment.mode != "tension":
        names.discard("diameter_min_nm")  # of interest where a neck may come
    return frozenset(name for name in names if result.points[name].notna().any())


def summary_rows(result: Result) -> list[tuple[str, str]]:
    """Return the summary as (name, value) in words, for a terminal or a page."""
    s = result.summary
    rows: list[tuple[str, str]] = [("frames", f"{s.get('n_frames')}, {s.get('n_lost')} lost")]
    rows += [
        (name, text)
        for name, text in (
            ("largest force", _with_frame(s, "max_force_nN", "nN", "max_force_frame")),
            ("critical stress", _with_u(s, "critical_stress_MPa", "MPa")),
            ("  before bending", _plain(s, "critical_stress_unbent_MPa", "MPa")),
            ("  largest stress", _largest_stress(s)),
            ("  0.2 % offset yield", _with_u(s, "offset_yield_MPa", "MPa")),
            ("  at fracture", _with_u(s, "fracture_stress_MPa", "MPa")),
            ("Young's modulus", _with_u(s, "youngs_modulus_GPa", "GPa")),
            ("  method", str(s.get("modulus_method") or "")),
            ("  of unloading", _with_u(s, "unloading_modulus_GPa", "GPa")),
            ("initial length", initial_words(result, "length")),
            ("initial diameter", initial_words(result, "diameter")),
            ("aspect ratio", _with_u(s, "aspect_ratio", "")),
            ("strain rate", _plain(s, "strain_rate_per_s", "1/s")),
            ("growth rate", _with_u(s, "growth_rate_nm_per_s", "nm/s")),
            ("  since the nucleation", _with_u(s, "mean_growth_rate_nm_per_s", "nm/s")),
            ("  of the diameter", _with_u(s, "diameter_rate_nm_per_s", "nm/s")),
            ("  of the volume", _with_u(s, "volume_rate_nm3_per_s", "nm³/s")),
            ("  as a current", _current(s)),
            ("length reached", _with_u(s, "final_length_nm", "nm")),
            ("diameter reached", _with_u(s, "final_diameter_nm", "nm")),
            ("shell law", str(s.get("shell_law") or "")),
            ("nanotube at first", _plain(s, "nanotube_start_nm", "nm")),
            ("nanotube before nucleation", _plain(s, "nanotube_end_nm", "nm")),
            ("contact", _frame(s, "contact_frame")),
            ("holds", _holds(s)),
            ("load drops", _drops(s)),
            ("loss of contact", _frame(s, "release_frame")),
            ("neck", _frame(s, "neck_frame")),
            ("first bend", _frame(s, "bending_frame")),
            ("fracture", _frame(s, "fracture_frame")),
            ("nucleation", _frame(s, "nucleation_frame")),
        )
        if text
    ]
    return rows + _growth(s) + _corrections(s) + _bracket(s)


def _growth(s: dict[str, Any]) -> list[tuple[str, str]]:
    """Return how it grew: where, under which potential, and which bodies met."""
    rows = [("grows at the", s["grows_at"])] if s.get("grows_at") else []
    for step in s.get("rates_by_potential") or ():
        rate, u = step["length_nm_per_s"], step["u_length_nm_per_s"]
        if rate is not None:
            mode = f", {step['growth_mode']}" if step["growth_mode"] else ""
            name = f"rate at {step['potential_V']:.4g} V".replace("-", "−")
            rows.append((name, value_words(rate, u, "nm/s") + mode))
    for merge in s.get("merges") or ():
        ends = merge["merge_frame"]
        text = f"touch in frame {merge['touch_frame']}"
        text += f", merged in frame {ends}" if ends is not None else ""
        rows.append((f"bodies {' and '.join(map(str, merge['bodies']))}", text))
    return rows


_CORRECTIONS = {
    "cantilever_tilt_on_force": ("cantilever's tilt and tip height", "on the force"),
    "behind_apex_on_deflection": ("tracked point behind the apex", "on the deflection"),
    "out_of_plane_on_lengths": ("axis out of the image plane", "on lengths along it"),
    "off_axis_on_force": ("load off the specimen's axis", "on the force"),
    "section_on_area": ("section of a tilt series", "on the area"),
}


def _corrections(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Return every correction that is on, none where none is."""
    rows = []
    for name, value in (summary.get("corrections") or {}).items():
        if name in _CORRECTIONS:
            what, where = _CORRECTIONS[name]
            rows.append((f"corrected: {what}", f"x {value:.5g} {where}"))
        elif name == "base_modulus_GPa":
            rows.append(("corrected: sink-in of the base", f"E of the base {value:.4g} GPa"))
    return rows


def budget_rows(result: Result) -> list[tuple[str, str]]:
    """Return the uncertainty budgets of stress and modulus as (source, share in per cent)."""
    rows = []
    for title, key in (
        ("critical stress", "uncertainty_budget"),
        ("Young's modulus", "modulus_budget"),
    ):
        budget = result.summary.get(key) or {}
        parts = {k: 100 * float(v) for k, v in budget.items() if isinstance(v, int | float) and v}
        if result.experiment.mode == "growth" or not parts:
            continue
        rows += [(f"{title}: {name}", f"{part:.2g} %") for name, part in parts.items()]
        rows.append((f"{title}: all together", f"{math.hypot(*parts.values()):.2g} %"))
    return rows


def initial_words(result: Result, which: Literal["length", "diameter"]) -> str:
    """Return the initial length or diameter with everything that is known to make it uncertain.

    That is the frames' scatter, the scale, and for the diameter the edges, whose share in the
    budget is that of an area and so twice the diameter's. Without the scale's uncertainty only the
    value is given.
    """
    s, c = result.summary, result.experiment.calibration
    value, scatter = s.get(f"initial_{which}_nm"), s.get(f"u_initial_{which}_nm")
    if value is None or not c.u_scale_nm_per_px:
        return _plain(s, f"initial_{which}_nm", "nm")
    shares = [c.u_scale_nm_per_px / c.scale_nm_per_px]
    if which == "diameter":
        budget = s.get("uncertainty_budget") or {}
        shares += [float(budget.get(name) or 0.0) / 2 for name in ("edges", "outline")]
    u = math.hypot(float(scatter or 0.0), *(share * float(value) for share in shares))
    return value_words(float(value), u, "nm")


def _bracket(summary: dict[str, Any]) -> list[tuple[str, str]]:
    by_model = summary.get("critical_stress_by_area_model_MPa") or {}
    used = summary.get("area_model")
    return [
        (
            f"  on area '{name}'",
            value_words(value, unit="MPa") + ("  (used)" if name == used else ""),
        )
        for name, value in by_model.items()
        if value is not None
    ]


def _plain(summary: dict[str, Any], key: str, unit: str) -> str:
    value = summary.get(key)
    return "" if value is None else value_words(float(value), unit=unit)


def _with_u(summary: dict[str, Any], key: str, unit: str) -> str:
    value, u = summary.get(key), summary.get(f"u_{key}")
    return "" if value is None else value_words(value, u, unit)


def _current(summary: dict[str, Any]) -> str:
    value, u = summary.get("growth_current_A"), summary.get("u_growth_current_A")
    return "" if value is None or u is None else value_words(1e12 * value, 1e12 * u, "pA")


def _with_frame(summary: dict[str, Any], key: str, unit: str, frame: str) -> str:
    value = _with_u(summary, key, unit)
    at = summary.get(frame)
    return f"{value} at frame {at}" if value and at is not None else value


def _largest_stress(summary: dict[str, Any]) -> str:
    """Return the largest stress where it is not the critical one."""
    if summary.get("largest_stress_frame") in (None, summary.get("max_force_frame")):
        return ""
    return _with_frame(summary, "largest_stress_MPa", "MPa", "largest_stress_frame")


def _holds(summary: dict[str, Any]) -> str:
    return ", ".join(
        f"frames {hold['first_frame']}-{hold['last_frame']}, strain rate"
        f" {value_words(hold['rate_per_s'], hold['u_rate_per_s'], '1/s')}"
        for hold in summary.get("holds") or ()
    )


def _drops(summary: dict[str, Any]) -> str:
    drops = summary.get("load_drops") or ()
    return ", ".join(
        f"frame {drop['frame']} ({value_words(drop['size_nN'], drop['u_size_nN'], 'nN')})"
        for drop in drops
    )


def _frame(summary: dict[str, Any], key: str) -> str:
    return "" if summary.get(key) is None else f"frame {summary[key]}"

"""Axes as journals print them: 8 pt, thin lines, no title; and the curves drawn on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from tem_track.analysis import Result
from tem_track.outputs.panels import Panel, column, never_negative
from tem_track.outputs.style import PHASE_COLOURS, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tem_track.records import FloatArray

__all__ = [
    "EVENTS",
    "common_share",
    "draw_band",
    "draw_panel",
    "events_of",
    "journal_style",
    "modulus_line",
    "new_figure",
    "save_figure",
    "series_names",
    "settle",
    "share_time",
    "switches_of",
]

SERIES_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")

EVENTS = (
    ("contact_frame", "contact", "^"),
    ("max_force_frame", "largest force", "*"),
    ("bending_frame", "first bend", "D"),
    ("neck_frame", "necking", "v"),
    ("fracture_frame", "fracture", "X"),
    ("nucleation_frame", "nucleation", "^"),
)

_RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.0,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "tem_track",
    "path.simplify": False,
}


@contextmanager
def journal_style() -> Iterator[None]:
    """Set the type sizes and line widths of a figure for print."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


def new_figure(width_mm: float, height_mm: float) -> Figure:
    """Return a figure of a size on paper, without a window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_mm / 25.4, height_mm / 25.4), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def settle(figure: Figure) -> None:
    """Find every axes' place once, so that all files of a figure are laid out alike."""
    engine = figure.get_layout_engine()
    if engine is not None and figure.axes:
        engine.execute(figure)
    figure.set_layout_engine("none")


def save_figure(figure: Figure, path: Any, *, dpi: int = 300) -> None:
    """Save by the path's suffix, with no date and no version in the file."""
    kind = str(path).rsplit(".", 1)[-1].lower()
    metadata: dict[str, dict[str, None]] = {
        "png": {"Software": None},
        "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
        "svg": {"Date": None, "Creator": None},
    }
    figure.savefig(path, dpi=dpi, format=kind, metadata=metadata.get(kind))


def events_of(result: Result) -> list[tuple[int, str, str]]:
    """Return (row, name, marker) of what happened, in the order of `EVENTS`."""
    rows = {int(frame): row for row, frame in enumerate(result.points["frame"])}
    found = []
    for key, name, marker in EVENTS:
        frame = result.summary.get(key)
        if frame is not None and int(frame) in rows:
            found.append((rows[int(frame)], name, marker))
    return found


def draw_panel(axes: Axes, result: Result, panel: Panel, *, events: bool = True) -> None:
    """Draw one panel: points by phase with their uncertainty band, events marked."""
    if len(panel.ys) == 1 and result.experiment.mode != "growth":
        _draw_by_phase(axes, result, panel)
    else:
        _draw_series(axes, result, panel)
    if events:
        _draw_events(axes, result, panel)
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    if panel.y_unit != 1.0:
        axes.yaxis.set_major_formatter(lambda value, _: _plain(value / panel.y_unit))
    axes.margins(0.05, 0.05)
    if len(panel.ys) > 1:
        _frame_series(axes, result, panel)
    if result.experiment.mode == "growth":
        share_time(axes, result, panel)


def _plain(value: float) -> str:
    return f"{value:g}".replace("-", "\u2212")


def share_time(axes: Axes, result: Result, panel: Panel) -> None:
    """Give a curve the movie's time axis, so that all are read one under another."""
    time = column(result, panel.x)
    if np.isfinite(time).sum() > 1:
        margin = 0.03 * float(np.nanmax(time) - np.nanmin(time))
        axes.set_xlim(float(np.nanmin(time)) - margin, float(np.nanmax(time)) + margin)


def _draw_by_phase(axes: Axes, result: Result, panel: Panel) -> None:
    x, y = column(result, panel.x), column(result, panel.ys[0])
    _common_band(axes, result, panel, x, y)
    draw_band(axes, result, panel, panel.ys[0], "#000000")
    switches = switches_of(result, panel)
    axes.plot(*_apart(x, y, switches), color="#B0B0B0", lw=0.6, zorder=2)
    _name_equations(axes, x, switches)
    phases = result.points["phase"].astype(str).to_numpy()
    for phase, colour in PHASE_COLOURS.items():
        rows = (phases == phase) & np.isfinite(x) & np.isfinite(y)
        if rows.any():
            axes.plot(x[rows], y[rows], "o", ms=2.2, mew=0, color=colour, label=phase, zorder=3)


def _common_band(axes: Axes, result: Result, panel: Panel, x: FloatArray, y: FloatArray) -> None:
    """Shade one standard uncertainty of what stretches all points alike."""
    share = common_share(result, panel.ys[0])
    if share <= 0:
        return
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    good = np.isfinite(x) & np.isfinite(y)
    rows = np.flatnonzero(good[:-1] & good[1:])
    rows = np.setdiff1d(rows, np.array(switches_of(result, panel), dtype=int) - 1)
    if len(rows) == 0:
        return
    corners = np.concatenate([_quad(x, y, share, int(row)) for row in rows])
    codes = np.tile([Path.MOVETO, *[Path.LINETO] * 3, Path.CLOSEPOLY], len(rows))
    look: Any = {"fc": "#0072B2", "ec": "none", "lw": 0, "alpha": 0.12}
    axes.add_patch(PathPatch(Path(corners, codes), label="common to all points", **look))


def switches_of(result: Result, panel: Panel) -> list[int]:
    """Return the rows from which on a stress is read by another of the two contact equations.

    The step between them is the equations' own and no event of the specimen (see `MOOK_LIMIT`), so
    that no line is drawn across it.
    """
    equations = result.points.get("mook_equation")
    if (
        equations is None
        or panel.ys != ("stress_MPa",)
        or result.summary.get("area_model") != "mook"
    ):
        return []
    known = equations.to_numpy(dtype=float)
    changes = np.flatnonzero(np.isfinite(np.diff(known)) & (np.diff(known) != 0))
    return [int(row) + 1 for row in changes]


def _apart(x: FloatArray, y: FloatArray, rows: list[int]) -> tuple[FloatArray, FloatArray]:
    """Return a line with a gap before each of the rows."""
    return np.insert(x, rows, np.nan), np.insert(y, rows, np.nan)


def _name_equations(axes: Axes, x: FloatArray, switches: list[int]) -> None:
    """Mark where the first contact equation ends and the second begins."""
    if not switches:
        return
    border = float(x[switches[0] - 1] + x[switches[0]]) / 2
    axes.axvline(border, color="#7A7A7A", lw=0.6, ls=":", zorder=1)
    look: Any = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
    look |= {"fontsize": 7, "color": "#4A4A4A", "va": "top", "zorder": 6}
    look["bbox"] = {"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8}
    axes.annotate("eq. 1", (border, 1), (-3, -3), ha="right", **look)
    axes.annotate("eq. 2", (border, 1), (3, -3), ha="left", **look)


def _quad(x: FloatArray, y: FloatArray, share: float, row: int) -> FloatArray:
    """Return the band between a point and the next, always turning the same way round.

    Only so do bands that lie on each other, where a curve turns back, make one even tint.
    """
    first, last = (row, row + 1) if x[row] <= x[row + 1] else (row + 1, row)
    low, high = 1 - share, 1 + share
    if y[first] + y[last] < 0:
        low, high = high, low
    quad = [
        (x[first], low * y[first]),
        (x[last], low * y[last]),
        (x[last], high * y[last]),
        (x[first], high * y[first]),
    ]
    return np.array([*quad, quad[0]])


def _draw_series(axes: Axes, result: Result, panel: Panel) -> None:
    x = column(result, panel.x)
    for name, colour in zip(panel.ys, SERIES_COLOURS, strict=False):
        draw_band(axes, result, panel, name, colour)
        named = _short(name) if len(panel.ys) > 1 else None
        axes.plot(x, column(result, name), "-o", ms=1.6, mew=0, color=colour, label=named)


def _frame_series(axes: Axes, result: Result, panel: Panel) -> None:
    """Set the height by the values: the band of a poorly known column does not flatten the others.

    A little is left above and below for the legend, and nothing below zero.
    """
    values = np.concatenate([column(result, name) for name in panel.ys])
    bands = np.concatenate([2 * column(result, f"u_{name}") for name in panel.ys])
    bands = np.where(np.isfinite(bands), bands, 0.0)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = 0.35 * (high - low)
    low = max(low - room, float(np.nanmin(values - bands)))
    high = min(high + room, float(np.nanmax(values + bands)))
    margin = 0.2 * (high - low) or 0.05 * abs(high) or 1.0
    bottom = low - margin
    axes.set_ylim(max(bottom, -0.03 * high) if low >= 0 or bottom < 0 else bottom, high + margin)


def series_names(panel: Panel) -> list[str]:
    """Return the names of a panel's lines."""
    return [_short(name) for name in panel.ys]


def _short(name: str) -> str:
    return label(name).rsplit(" (", 1)[0].replace("diameter, ", "").replace("diameter ", "")


def draw_band(axes: Axes, result: Result, panel: Panel, name: str, colour: str) -> None:
    """Shade twice the standard uncertainty, point by point where the curve turns back."""
    x, y = column(result, panel.x), column(result, name)
    u_y, u_x = column(result, f"u_{name}"), column(result, f"u_{panel.x}")
    rows = np.isfinite(x) & np.isfinite(y) & np.isfinite(u_y)
    if not rows.any():
        return
    if panel.x in ("time_s", "frame"):
        low, high = y - 2 * u_y, y + 2 * u_y
        low = np.maximum(low, 0.0) if never_negative(name) else low
        axes.fill_between(x, low, high, where=rows.tolist(), color=colour, alpha=0.18, lw=0)
        return
    u_x = np.where(np.isfinite(u_x), u_x, 0.0)
    axes.errorbar(
        x[rows],
        y[rows],
        xerr=2 * u_x[rows],
        yerr=2 * u_y[rows],
        fmt="none",
        ecolor=colour,
        alpha=0.22,
        elinewidth=1.2,
        zorder=1,
    )


def _draw_events(axes: Axes, result: Result, panel: Panel) -> None:
    x, y = column(result, panel.x), column(result, panel.ys[0])
    for row, name, marker in events_of(result):
        if np.isfinite(x[row]) and np.isfinite(y[row]):
            axes.plot(
                x[row],
                y[row],
                marker,
                ms=6,
                mfc="none",
                mec="black",
                mew=0.9,
                ls="none",
                label=name,
                zorder=5,
            )


def common_share(result: Result, column_name: str) -> float:
    """Return the relative uncertainty that a column's points have in common, 0 where unknown.

    It is what stiffness, scale and the like make of the largest force and of the critical stress;
    it stretches the whole curve and changes no shape.
    """
    lever, scale = result.experiment.cantilever, result.experiment.calibration
    if not scale.u_scale_nm_per_px and not (lever and lever.u_stiffness_N_per_m):
        return 0.0
    key = {"force_nN": "max_force_nN", "stress_MPa": "critical_stress_MPa"}.get(column_name, "")
    value, u = result.summary.get(key), result.summary.get(f"u_{key}")
    return abs(float(u) / float(value)) if value and u is not None else 0.0


def modulus_line(result: Result) -> tuple[list[float], list[float]] | None:
    """Return the ends (strains, stresses in MPa) of the modulus' line over its window."""
    modulus = result.summary.get("youngs_modulus_GPa")
    window = result.summary.get("modulus_strain_range")
    if modulus is None or not window:
        return None
    zero = float(result.summary.get("modulus_zero_strain") or 0.0)
    low, high = float(window[0]), float(window[1])
    return [low, high], [1000.0 * float(modulus) * (end - zero) for end in (low, high)]

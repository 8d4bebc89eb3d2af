"""The curves of one test as a figure for a paper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tem_track.analysis import Result
from tem_track.outputs.figures import (
    draw_panel,
    journal_style,
    modulus_line,
    new_figure,
    save_figure,
    series_names,
    settle,
)
from tem_track.outputs.files import replacing
from tem_track.outputs.panels import Panel, column, has, panels_of
from tem_track.outputs.style import PHASE_COLOURS

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Drawn = Sequence[tuple[Axes, Panel]]

__all__ = ["write_curves"]

ONE_COLUMN_MM = 85.0
TWO_COLUMNS_MM = 170.0
ROW_MM = 62.0
PAGE_MM = 230.0
"""Height of a journal's page; more curves than fit stand in lower rows."""


def write_curves(result: Result, paths: Iterable[Path], *, width_mm: float | None = None) -> None:
    """Draw the curves and save them under every path, by its suffix.

    Parameters
    ----------
    result : Result
    paths : iterable of Path
        Names ending in ``.png``, ``.pdf`` or ``.svg``.
    width_mm : float, optional
        Width on paper; 170 for two curves and more, 85 for a single one by default.
    """
    with journal_style():
        figure = curves_figure(result, width_mm)
        settle(figure)
        for path in paths:
            with replacing(Path(path)) as part:
                save_figure(figure, part)


def curves_figure(result: Result, width_mm: float | None = None) -> Figure:
    """Return the figure; use it inside `journal_style`."""
    panels = panels_of(result)
    if not panels:
        return _empty_figure()
    if width_mm is None:
        width_mm = TWO_COLUMNS_MM if len(panels) > 1 else ONE_COLUMN_MM
    across = 2 if width_mm > 120 and len(panels) > 1 else 1
    down = -(-len(panels) // across)
    figure = new_figure(width_mm, min(ROW_MM * down, PAGE_MM))
    drawn = []
    for number, panel in enumerate(panels):
        axes = figure.add_subplot(down, across, number + 1)
        draw_panel(axes, result, panel)
        _draw_modulus(axes, result, panel)
        _draw_potential(axes, result, panel)
        drawn.append((axes, panel))
    if across * down > len(panels):
        _legend_apart(figure.add_subplot(down, across, across * down), drawn)
    else:
        _legends_inside(drawn)
    return figure


def _legend_apart(room: Axes, drawn: Drawn) -> None:
    """Explain all curves once, in the place that no curve takes."""
    room.set_axis_off()
    found: dict[str, Artist] = {}
    for axes, panel in drawn:
        handles, names = axes.get_legend_handles_labels()
        series = set(series_names(panel))
        found |= {n: h for h, n in zip(handles, names, strict=True) if n not in series | set(found)}
        _legend_of_series(axes, panel)
    if _tells(found):
        look: Any = {"loc": "center", "fontsize": 8, "labelspacing": 0.7, "borderaxespad": 0}
        room.legend(list(found.values()), list(found), handlelength=1.6, **look)


def _legends_inside(drawn: Drawn) -> None:
    """Explain in every curve what no curve before it has explained."""
    known: set[str] = set()
    for axes, panel in drawn:
        handles, names = axes.get_legend_handles_labels()
        if len(panel.ys) > 1:
            _legend_of_series(axes, panel)
            continue
        new = {n: h for h, n in zip(handles, names, strict=True) if n not in known}
        if _tells(new):
            axes.legend(list(new.values()), list(new), handlelength=1.2, borderaxespad=0.3)
        known |= set(new)


def _tells(legend: Mapping[str, Artist]) -> bool:
    """Say whether a legend tells more than that all points are of one phase."""
    return len(legend) > 1 or bool(set(legend) - set(PHASE_COLOURS))


def _legend_of_series(axes: Axes, panel: Panel) -> None:
    """Name the lines of a panel that has several."""
    wanted = series_names(panel)
    if len(wanted) > 1:
        handles, names = axes.get_legend_handles_labels()
        lines = [handles[names.index(name)] for name in wanted]
        axes.legend(lines, wanted, handlelength=1.2, borderaxespad=0.3, ncols=2)


def _empty_figure() -> Figure:
    figure = new_figure(ONE_COLUMN_MM, ROW_MM)
    figure.text(0.5, 0.5, "nothing was measured", ha="center", va="center")
    return figure


def _draw_modulus(axes: Axes, result: Result, panel: Panel) -> None:
    """Draw the modulus' line over its window, where the summary names one."""
    line = modulus_line(result) if panel.key == "stress_strain" else None
    if line is None:
        return
    axes.axvspan(*line[0], color="#E69F00", alpha=0.2, lw=0)
    first, last = zip(*line, strict=True)
    axes.axline(first, last, color="#E69F00", lw=0.8, ls="--", zorder=1)
    axes.plot(*line, "-", color="#E69F00", lw=1.4, label="modulus and its window", zorder=4)


def _draw_potential(axes: Axes, result: Result, panel: Panel) -> None:
    """Draw the potential behind the length of what grows, on the same time axis."""
    if result.experiment.mode != "growth" or panel.key != "length_time":
        return
    if not has(result, "potential_V"):
        return
    beside = axes.twinx()
    colour = "#D55E00"
    beside.plot(column(result, panel.x), column(result, "potential_V"), color=colour, lw=0.9)
    beside.set_ylabel("potential (V)", color=colour)
    beside.tick_params(axis="y", colors=colour)
    axes.tick_params(axis="y", right=False)
    beside.margins(y=0.08)
    axes.set_zorder(beside.get_zorder() + 1)
    axes.patch.set_visible(False)

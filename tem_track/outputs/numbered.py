"""The curve of a montage: the numbers of the frames stand beside their points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tem_track.analysis import Result
from tem_track.outputs.figures import draw_panel, share_time
from tem_track.outputs.panels import Panel, column
from tem_track.records import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_numbered_curve"]

REACH = 8.0
"""Distance of a number from its point, in points of print."""


def draw_numbered_curve(
    axes: Axes,
    result: Result,
    panel: Panel,
    rows: Sequence[int],
    *,
    left_mm: float = 0.0,
    legend: bool = True,
) -> None:
    """Draw a curve of a result with numbered points.

    Parameters
    ----------
    axes : Axes
        Their place on the figure is final but for the left side.
    result : Result
    panel : Panel
        Which curve. Against time, a number whose ordinate is missing stands on the axis.
    rows : sequence of int
        The rows that are numbered, from 1.
    left_mm : float
        Where the room for the axes' numbers and label begins.
    legend : bool
        Name the phases.
    """
    draw_panel(axes, result, panel, events=False)
    _make_room(axes, left_mm)
    if legend and len(axes.get_legend_handles_labels()[0]) > 1:
        axes.legend(handlelength=1.0, borderaxespad=0.3)
    x, y = column(result, panel.x), column(result, panel.ys[0])
    if panel.x in ("time_s", "frame"):
        share_time(axes, result, panel)
        y = np.where(np.isfinite(y), y, axes.get_ylim()[0])
    axes.autoscale(False)
    axes.figure.canvas.draw()
    points_per_dot = 72 / axes.figure.dpi
    places = axes.transData.transform(np.column_stack([x, y])) * points_per_dot
    frame = axes.get_window_extent().get_points() * points_per_dot
    offsets = _offsets(places, rows, frame)
    words: Any = {"textcoords": "offset points", "ha": "center", "va": "center"}
    words |= {"weight": "bold", "fontsize": 7, "zorder": 7}
    point: Any = {"ms": 4, "mfc": "white", "mec": "black", "mew": 0.8, "zorder": 6}
    for number, (row, offset) in enumerate(zip(rows, offsets, strict=True), start=1):
        if np.isfinite(places[row]).all():
            axes.plot(x[row], y[row], "o", clip_on=False, **point)
            axes.annotate(str(number), (x[row], y[row]), xytext=tuple(offset), **words)


def _make_room(axes: Axes, left_mm: float) -> None:
    """Move the left side so far that numbers and label of the ordinate stand right of `left_mm`."""
    axes.figure.canvas.draw()
    box = axes.get_tightbbox()
    if box is None:
        return
    wide = axes.figure.bbox.width
    missing = left_mm / 25.4 * axes.figure.dpi - box.x0
    x, y, width, height = axes.get_position().bounds
    axes.set_position((x + missing / wide, y, width - missing / wide, height))


def _offsets(places: FloatArray, rows: Sequence[int], frame: FloatArray) -> list[FloatArray]:
    """Return where each number stands from its point, in points of print.

    The best place lies inside the axes, apart from the numbers before it and off the curve.
    """
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False) + np.pi / 2
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    seen = places[np.isfinite(places).all(axis=1)]
    curve = _dense(seen) if len(seen) > 1 else seen
    taken = np.empty((0, 2))
    offsets = []
    for row in rows:
        offset = np.array([0.0, REACH])
        if np.isfinite(places[row]).all():
            costs = [_cost(places[row] + REACH * d, taken, curve, frame) for d in directions]
            offset = REACH * directions[int(np.argmin(costs))]
            taken = np.vstack([taken, places[row] + offset])
        offsets.append(offset)
    return offsets


def _dense(points: FloatArray) -> FloatArray:
    """Return points at most a point of print apart along a line."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    places = np.linspace(0.0, along[-1], int(along[-1]) + 2)
    return np.column_stack([np.interp(places, along, points[:, i]) for i in (0, 1)])


def _cost(place: FloatArray, taken: FloatArray, curve: FloatArray, frame: FloatArray) -> float:
    outside = float(np.maximum(frame[0] + 6 - place, 0).sum())
    outside += float(np.maximum(place - frame[1] + 6, 0).sum())
    off_others = _distance(place, taken)
    off_curve = _distance(place, curve)
    return 5 * outside + 4 * max(0.0, 11 - off_others) + max(0.0, 7.5 - off_curve)


def _distance(place: FloatArray, others: FloatArray) -> float:
    return float(np.hypot(*(others - place).T).min()) if len(others) else np.inf

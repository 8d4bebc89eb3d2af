"""Picture to point: numbered frames, and the same numbers on the curve."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tem_track.analysis import Result
from tem_track.errors import ConfigError
from tem_track.outputs.canvas import length_words, nice_length_nm
from tem_track.outputs.display import BAD_FRAME_GREY, Corner, Levels, survey
from tem_track.outputs.figures import events_of, journal_style, new_figure, save_figure
from tem_track.outputs.files import replacing
from tem_track.outputs.marks import Marks, marks_of
from tem_track.outputs.numbered import draw_numbered_curve
from tem_track.outputs.panels import Panel, column, main_panel, panels_of
from tem_track.outputs.story import story_rows
from tem_track.outputs.style import COLOURS
from tem_track.outputs.window import Window, crosses, whole_pixels, window_of
from tem_track.outputs.words import clock_words
from tem_track.records import Frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tem_track.frames import Movie

__all__ = ["write_montage"]

WIDTH_MM = 170.0
CURVE_MM = 70.0
COUNT = 12
PLATE = {"boxstyle": "round,pad=0.2", "fc": "black", "ec": "none", "alpha": 0.65}
"""Width of the figure, height of its curves, frames shown, and the ground of what is written on
them."""


def write_montage(
    result: Result,
    movie: Movie,
    paths: Iterable[Path],
    frames: Sequence[int] | None = None,
) -> None:
    """Draw the montage and save it under every path, by its suffix.

    Parameters
    ----------
    result : Result
    movie : Movie
    paths : iterable of Path
        Names ending in ``.png`` or ``.pdf``.
    frames : sequence of int, optional
        Frame numbers, picked by hand; those that tell the story otherwise.

    Raises
    ------
    ConfigError
        A frame that was asked for is not among the measured ones.
    """
    rows = story_rows(result, COUNT) if frames is None else _rows_of(result, frames)
    with journal_style():
        figure = montage_figure(result, movie, rows)
        for path in paths:
            with replacing(Path(path)) as part:
                save_figure(figure, part)


def _rows_of(result: Result, frames: Sequence[int]) -> list[int]:
    known = {int(frame): row for row, frame in enumerate(result.points["frame"])}
    missing = [frame for frame in frames if frame not in known]
    if missing:
        raise ConfigError(
            f"--frames: frame {missing[0]} was not measured; the results hold frames"
            f" {min(known)} to {max(known)}"
        )
    return sorted({known[frame] for frame in frames})


def montage_figure(result: Result, movie: Movie, rows: Sequence[int]) -> Figure:
    """Return the figure; use it inside `journal_style`."""
    marks = marks_of(result, movie)
    seen = survey(movie, result.points["frame"].tolist())
    window = window_of(marks, rows)
    left, top, right, bottom = window
    shape = (right - left) / (bottom - top)
    across = _columns(len(rows), shape)
    down = math.ceil(len(rows) / across)
    cell_mm = WIDTH_MM / across
    curves = _curves(result, rows)
    curve_mm = CURVE_MM if curves else 0.0
    figure = new_figure(WIDTH_MM, down * cell_mm / shape + curve_mm)
    figure.set_layout_engine("none")
    height_mm = down * cell_mm / shape + curve_mm
    selected = [int(result.points["frame"].iloc[row]) for row in rows]
    clock = clock_words(result)
    corner = seen.corner(window=whole_pixels(window))
    events: dict[int, str] = {}
    for row, name, _ in events_of(result):
        events[row] = f"{events[row]}, {name}" if row in events else name
    for number, frame in enumerate(movie.select(selected)):
        place = (
            (number % across) / across,
            1 - (number // across + 1) * (cell_mm / shape) / height_mm,
            1 / across - 0.4 / WIDTH_MM,
            (cell_mm / shape - 0.4) / height_mm,
        )
        axes = figure.add_axes(place)
        _draw_frame(axes, marks, seen.levels, frame, rows[number], window)
        _number(axes, number + 1, events.get(rows[number], ""))
        _when(axes, clock[rows[number]] or f"frame {frame.index}", corner, above_bar=number == 0)
        if number == 0:
            _scale_bar(axes, marks, window, corner)
    bottom, high = 11 / height_mm, (curve_mm - 15) / height_mm
    for number, (panel, left_mm, wide_mm) in enumerate(curves):
        room = (left_mm / WIDTH_MM, bottom, wide_mm / WIDTH_MM, high)
        first = number == 0
        edge_mm = 1.0 if first else left_mm - 14.0
        axes = figure.add_axes(room)
        draw_numbered_curve(axes, result, panel, rows, left_mm=edge_mm, legend=first)
    return figure


def _curves(result: Result, rows: Sequence[int]) -> list[tuple[Panel, float, float]]:
    """Return which curves stand under the frames, each with its left end and width in mm.

    The main one; beside it the force against time where a numbered frame has no point on the main
    one, as after fracture.
    """
    main = main_panel(result)
    if main is None:
        return []
    placed = np.isfinite(column(result, main.x)) & np.isfinite(column(result, main.ys[0]))
    others = [panel for panel in panels_of(result) if panel.key == "force_time"]
    if placed[list(rows)].all() or main.key == "force_time" or not others:
        return [(main, 14.0, WIDTH_MM - 17.0)]
    return [(main, 14.0, 88.0), (others[0], 118.0, WIDTH_MM - 121.0)]


def _columns(count: int, shape: float) -> int:
    """Return how many frames stand side by side: full rows, the sheet no taller than wide."""
    least = next((n for n in range(1, count + 1) if _height(count, n, shape) <= 0.95), count)
    least = max(least, min(count, 3))
    full = [n for n in range(least, min(count, 2 * least) + 1) if count % n == 0]
    return full[0] if full else least


def _height(count: int, across: int, shape: float) -> float:
    """Return the height of the frames' sheet over its width."""
    return math.ceil(count / across) / across / shape


def _draw_frame(
    axes: Axes, marks: Marks, levels: Levels, frame: Frame, row: int, window: Window
) -> None:
    left, top, right, bottom = window
    grey = levels.apply(frame.image) if frame.ok else np.full(marks.size_px[::-1], BAD_FRAME_GREY)
    x0, y0 = max(0, math.floor(left)), max(0, math.floor(top))
    x1, y1 = math.ceil(right) + 1, math.ceil(bottom) + 1
    part = grey[y0:y1, x0:x1]
    extent = (x0 - 0.5, x0 + part.shape[1] - 0.5, y0 + part.shape[0] - 0.5, y0 - 0.5)
    axes.imshow(part, cmap="gray", vmin=0, vmax=255, extent=extent, interpolation="antialiased")
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    _draw_bar_line(axes, marks, row, window)
    _draw_outline(axes, marks, row)


def _draw_bar_line(axes: Axes, marks: Marks, row: int, window: Window) -> None:
    """Draw the bar's line; where it lies outside the window, the unloaded tip's instead."""
    point = marks.bar_line_at(row)
    if point is None or not crosses(marks, point, window):
        point = marks.zero_at(row)
    line = marks.across_frame(point) if point is not None else None
    if line is not None:
        axes.plot(line[:, 0], line[:, 1], "-", color=COLOURS["bar_line"], lw=0.8)


def _draw_outline(axes: Axes, marks: Marks, row: int) -> None:
    for mark in marks.at(row):
        points = mark.points_px
        if mark.role == "outline":
            points = np.concatenate([points, points[:1]])
            axes.plot(points[:, 0], points[:, 1], color=COLOURS["outline"], lw=0.6)
        elif mark.role == "tip_point":
            axes.plot(*points[0], "+", color=COLOURS["tip_point"], ms=5, mew=0.8)


def _number(axes: Axes, number: int, event: str) -> None:
    """Write the number in the upper left corner, and beside it what happens in this frame."""
    words: Any = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "top"}
    words |= {"color": "white", "bbox": PLATE}
    label = axes.annotate(str(number), (0, 1), (4, -4), weight="bold", **words)
    if event:
        right = 4 + label.get_window_extent().width / axes.figure.dpi * 72 + 5
        axes.annotate(event, (0, 1), (right, -4.7), fontsize=6.5, **words)


def _when(axes: Axes, text: str, bar_corner: Corner, *, above_bar: bool) -> None:
    """Write the time in the lower corner that the scale bar has, where nothing is hidden."""
    right, at_bottom = bar_corner
    right = right or not at_bottom
    lift = 20 if above_bar and at_bottom else 4
    look: Any = {"xycoords": "axes fraction", "textcoords": "offset points", "bbox": PLATE}
    look |= {"ha": "right" if right else "left", "va": "bottom", "color": "white", "fontsize": 6.5}
    axes.annotate(text, (float(right), 0), (-4 if right else 4, lift), **look)


def _scale_bar(axes: Axes, marks: Marks, window: Window, corner: Corner) -> None:
    """Draw a scale bar, its words and margins measured in points of print."""
    from matplotlib.patheffects import withStroke

    left, _, right, _ = window
    scale = marks.result.experiment.calibration.scale_nm_per_px
    length_nm = nice_length_nm(0.35 * (right - left) * scale)
    box = axes.get_window_extent()
    points_per_dot = 72 / axes.figure.dpi
    wide, high = box.width * points_per_dot, box.height * points_per_dot
    length = length_nm / scale * wide / (right - left)
    words_wide = 27.0
    middle = max(length, words_wide) / 2 + 5
    x = wide - middle if corner[0] else middle
    y = 4.5 if corner[1] else high - (13.5 if corner[0] else 30.0)
    dark = [withStroke(linewidth=2.2, foreground="black", alpha=0.75)]
    look: Any = {"transform": axes.transAxes, "color": "white", "path_effects": dark}
    ends = [(x - length / 2) / wide, (x + length / 2) / wide]
    axes.plot(ends, [y / high] * 2, "-", lw=2, solid_capstyle="butt", **look)
    place = (x / wide, (y + 7.0) / high)
    axes.text(*place, length_words(length_nm), ha="center", va="center", fontsize=7, **look)

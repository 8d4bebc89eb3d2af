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
from tem_track.outputs.figures import draw_panel, events_of, journal_style, new_figure, save_figure
from tem_track.outputs.files import replacing
from tem_track.outputs.marks import Marks, marks_of
from tem_track.outputs.panels import column, main_panel
from tem_track.outputs.story import story_rows
from tem_track.outputs.style import COLOURS
from tem_track.records import FloatArray, Frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tem_track.frames import Movie

__all__ = ["write_montage"]

WIDTH_MM = 170.0
CURVE_MM = 70.0
COUNT = 12

Window = tuple[float, float, float, float]
"""Left, top, right, bottom of the part of a frame that is shown, in pixels."""


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
    window = _window(marks, rows)
    left, top, right, bottom = window
    shape = (right - left) / (bottom - top)
    across = _columns(len(rows), shape)
    down = math.ceil(len(rows) / across)
    cell_mm = WIDTH_MM / across
    panel = main_panel(result)
    curve_mm = CURVE_MM if panel is not None else 0.0
    figure = new_figure(WIDTH_MM, down * cell_mm / shape + curve_mm)
    figure.set_layout_engine("none")
    height_mm = down * cell_mm / shape + curve_mm
    selected = [int(result.points["frame"].iloc[row]) for row in rows]
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
        if number == 0:
            _scale_bar(axes, marks, window, seen.corner(window=_whole(window)))
    if panel is not None:
        room = (14 / WIDTH_MM, 11 / height_mm, 1 - 17 / WIDTH_MM, (curve_mm - 15) / height_mm)
        _draw_curve(figure.add_axes(room), result, rows)
    return figure


def _columns(count: int, shape: float) -> int:
    """Return how many frames stand side by side, so that the sheet is no taller than wide."""
    for across in range(1, count + 1):
        if math.ceil(count / across) * (1 / across / shape) <= 0.95:
            return max(across, min(count, 3))
    return count


def _window(marks: Marks, rows: Sequence[int]) -> Window:
    """Return the part of the frame that holds the specimen and its two contacts in every row."""
    seen = [_extent(marks, row) for row in rows]
    points = np.concatenate([s for s in seen if s is not None] or [np.empty((0, 2))])
    width, height = marks.size_px
    if len(points) == 0:
        return (-0.5, -0.5, width - 0.5, height - 0.5)
    low, high = points.min(axis=0), points.max(axis=0)
    pad = 0.22 * max(high - low)
    left, top = np.maximum(low - pad, -0.5)
    right, bottom = np.minimum(high + pad, np.array([width, height]) - 0.5)
    return _not_too_slim((float(left), float(top), float(right), float(bottom)), width, height)


def _extent(marks: Marks, row: int) -> FloatArray | None:
    frame = int(marks.result.points["frame"].iloc[row])
    outline = marks.result.outlines.get(frame)
    found = [np.asarray(outline, dtype=float).reshape(-1, 2)] if outline is not None else []
    if not found or marks.result.experiment.specimen is None:
        target, tip = marks.targets.get("tip"), marks.position("tip", row)
        if target is not None and tip is not None:
            box = target.references[0].box
            corner = np.array([box.x_px, box.y_px]) - target.point_px + tip
            found.append(np.array([corner, corner + np.array([box.width_px, box.height_px])]))
    zero = marks.zero_at(row)
    if zero is not None:
        found.append(zero[None, :])
    return np.concatenate([f[np.isfinite(f).all(axis=1)] for f in found]) if found else None


def _not_too_slim(window: Window, width: int, height: int) -> Window:
    """Widen a tall window (or heighten a flat one) to at most 1.6 to 1, inside the frame."""
    left, top, right, bottom = window
    wide, high = right - left, bottom - top
    need_x, need_y = max(0.0, high / 1.6 - wide) / 2, max(0.0, wide / 1.6 - high) / 2
    return (
        max(-0.5, left - need_x),
        max(-0.5, top - need_y),
        min(width - 0.5, right + need_x),
        min(height - 0.5, bottom + need_y),
    )


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
    if point is None or not _crosses(marks, point, window):
        point = marks.zero_at(row)
    line = marks.across_frame(point) if point is not None else None
    if line is not None:
        axes.plot(line[:, 0], line[:, 1], "-", color=COLOURS["bar_line"], lw=0.8)


def _crosses(marks: Marks, point: FloatArray, window: Window) -> bool:
    left, top, right, bottom = window
    along = np.array(marks.result.axis.along)
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    heights = (corners - point) @ along
    return bool(heights.min() < 0 < heights.max())


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
    plate = {"boxstyle": "round,pad=0.2", "fc": "black", "ec": "none", "alpha": 0.65}
    words: Any = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "top"}
    words |= {"color": "white", "bbox": plate}
    label = axes.annotate(str(number), (0, 1), (4, -4), weight="bold", **words)
    if event:
        right = 4 + label.get_window_extent().width / axes.figure.dpi * 72 + 5
        axes.annotate(event, (0, 1), (right, -4.7), fontsize=6.5, **words)


def _whole(window: Window) -> tuple[int, int, int, int]:
    left, top, right, bottom = window
    return (max(0, math.ceil(left)), max(0, math.ceil(top)), math.floor(right), math.floor(bottom))


def _scale_bar(axes: Axes, marks: Marks, window: Window, corner: Corner) -> None:
    from matplotlib.patches import Rectangle

    left, top, right, bottom = window
    scale = marks.result.experiment.calibration.scale_nm_per_px
    length_nm = nice_length_nm(0.35 * (right - left) * scale)
    length = length_nm / scale
    wide, high = right - left, bottom - top
    plate = np.array([max(length, 0.3 * wide) + 0.06 * wide, 0.115 * high])
    x = right - 0.03 * wide - plate[0] if corner[0] else left + 0.03 * wide
    y = bottom - 0.03 * high - plate[1] if corner[1] else top + 0.11 * high
    middle = x + plate[0] / 2
    axes.add_patch(Rectangle((x, y), plate[0], plate[1], fc="black", ec="none", alpha=0.6))
    bar = y + 0.78 * plate[1]
    axes.plot(
        [middle - length / 2, middle + length / 2],
        [bar, bar],
        "-",
        color="white",
        lw=2,
        solid_capstyle="butt",
    )
    words: Any = {"color": "white", "ha": "center", "va": "center", "fontsize": 7}
    axes.text(middle, y + 0.36 * plate[1], length_words(length_nm), **words)


def _draw_curve(axes: Axes, result: Result, rows: Sequence[int]) -> None:
    panel = main_panel(result)
    if panel is None:
        return
    draw_panel(axes, result, panel, events=False)
    x, y = column(result, panel.x), column(result, panel.ys[0])
    axes.figure.canvas.draw()
    places = axes.transData.transform(np.column_stack([x, y])) / axes.figure.dpi * 72
    sides = _sides(places, rows)
    for number, row in enumerate(rows, start=1):
        if not (np.isfinite(x[row]) and np.isfinite(y[row])):
            continue
        axes.plot(x[row], y[row], "o", ms=4, mfc="white", mec="black", mew=0.8, zorder=6)
        axes.annotate(
            str(number),
            (x[row], y[row]),
            xytext=tuple(8 * sides[number - 1]),
            textcoords="offset points",
            ha="center",
            va="center",
            weight="bold",
            fontsize=7,
            zorder=7,
        )
    axes.legend(handlelength=1.0, borderaxespad=0.3)


def _sides(places: FloatArray, rows: Sequence[int]) -> list[FloatArray]:
    """Return for each number the direction away from the curve; the other side where it is taken.

    Places and distances are in points of print.
    """
    taken: list[FloatArray] = []
    sides = []
    for row in rows:
        near = places[max(0, row - 2) : row + 3]
        near = near[np.isfinite(near).all(axis=1)]
        step = near[-1] - near[0] if len(near) > 1 else np.array([1.0, 0.0])
        normal = np.array([-step[1], step[0]]) / max(float(np.hypot(*step)), 1e-9)
        if not normal.any():
            normal = np.array([0.0, 1.0])
        choices = [normal, -normal, np.array([0.0, 1.0]), np.array([1.0, 0.0])]
        free = [c for c in choices if _is_free(places[row] + 8 * c, taken)]
        sides.append(free[0] if free else normal)
        taken.append(places[row] + 8 * sides[-1])
    return sides


def _is_free(place: FloatArray, taken: Sequence[FloatArray]) -> bool:
    return all(float(np.abs(place - other).max()) > 8.0 for other in taken)

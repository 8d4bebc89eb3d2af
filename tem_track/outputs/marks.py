"""What is drawn on a frame, as plain geometry in the frame's own pixels.

Overlay, montage and report draw the same marks, each in its own way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tem_track.analysis import Result
from tem_track.records import Box, FloatArray, Image, Target

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = ["Mark", "Marks", "Role", "bar_edge_px", "boxes_of", "marks_of"]

Role = Literal[
    "bar_box",
    "bar_line",
    "tip_box",
    "tip_point",
    "base_box",
    "zero_line",
    "outline",
    "axis",
    "diameter",
    "contact",
    "gap",
]


MEASURED = (
    "tip_rotation_deg",
    "bar_rotation_deg",
    "base_face_x_px",
    "base_face_y_px",
    "tip_face_x_px",
    "tip_face_y_px",
)
"""Columns of the measurement that marks need."""

END_SHARE = 0.25
"""An end face farther away than this share of the outline's length is not drawn on to."""


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """A line through points (x, y) in pixels, shape (n, 2); a single point is a cross."""

    role: Role
    points_px: FloatArray
    closed: bool = False


@dataclass(frozen=True, eq=False)
class Marks:
    """Draws up the marks of any row of a result.

    Attributes
    ----------
    result : Result
    targets : dict
        Bar, tip and base by name, where the experiment names them.
    bar_line_px : float
        Distance of the bar's edge from the bar's point, along the loading axis.
    columns : dict
        The columns of the points that marks need.
    size_px : (int, int)
        Width and height of a frame.
    """

    result: Result
    targets: dict[str, Target]
    bar_line_px: float
    columns: dict[str, NDArray[Any]]
    size_px: tuple[int, int]

    def at(self, row: int) -> tuple[Mark, ...]:
        """Return the marks of one row of the points, those that lie under others first."""
        return (
            *self._boxes(row),
            *self._bar_lines(row),
            *self._specimen(row),
            *self._tip_point(row),
        )

    def position(self, name: str, row: int) -> FloatArray | None:
        """Return a target's point (x, y) in a row, None where it is lost."""
        x, y = self._value(f"{name}_x_px", row), self._value(f"{name}_y_px", row)
        return np.array([x, y]) if math.isfinite(x) and math.isfinite(y) else None

    def bar_line_at(self, row: int) -> FloatArray | None:
        """Return a point on the bar's reference line, None where the bar is lost."""
        bar = self.position("bar", row)
        along = np.array(self.result.axis.along)
        return None if bar is None else bar + self.bar_line_px * along

    def zero_at(self, row: int) -> FloatArray | None:
        """Return where the tip would be without load: still against the bar."""
        tip, deflection = self.position("tip", row), self._value("deflection_nm", row)
        if tip is None or not math.isfinite(deflection):
            return None
        sign = -1.0 if self.result.experiment.mode == "tension" else 1.0
        scale = self.result.experiment.calibration.scale_nm_per_px
        return tip - sign * deflection / scale * np.array(self.result.axis.along)

    def across_frame(self, point: FloatArray) -> FloatArray | None:
        """Return the line through a point at right angles to the axis, cut at the frame's edges."""
        return _cut(point, np.array(self.result.axis.across), self.size_px)

    def _value(self, column: str, row: int) -> float:
        values = self.columns.get(column)
        return float(values[row]) if values is not None else math.nan

    def _boxes(self, row: int) -> Iterator[Mark]:
        roles: tuple[tuple[str, Role], ...] = (
            ("bar", "bar_box"),
            ("base", "base_box"),
            ("tip", "tip_box"),
        )
        for name, role in roles:
            target, found = self.targets.get(name), self.position(name, row)
            if target is not None and found is not None:
                rotation = self._value(f"{name}_rotation_deg", row)
                yield Mark(role, _box_corners(target, found, rotation), closed=True)

    def _bar_lines(self, row: int) -> Iterator[Mark]:
        lines: tuple[tuple[Role, FloatArray | None], ...] = (
            ("zero_line", self.zero_at(row)),
            ("bar_line", self.bar_line_at(row)),
        )
        for role, point in lines:
            line = None if point is None else self.across_frame(point)
            if line is not None:
                yield Mark(role, line)

    def _specimen(self, row: int) -> Iterator[Mark]:
        stations = self.stations(row)
        if stations is None:
            return
        middle, left, right = stations[:, 0:2], stations[:, 2:4], stations[:, 4:6]
        pieces = _pieces(stations)
        for piece in pieces:
            yield Mark("outline", np.concatenate([left[piece], right[piece][::-1]]), closed=True)
            yield Mark("axis", middle[piece])
        if len(pieces) == 1:
            half = _station_at_half(middle, np.array(self.result.axis.along))
            yield Mark("diameter", _finite(np.array([left[half], right[half]])))
        for end in (0, -1):
            yield Mark("contact", _finite(np.array([left[end], right[end]])))

    def stations(self, row: int) -> FloatArray | None:
        """Return the outline from end face to end face, shape (n, 6), None where there is none.

        Edges are read off clear of the ends, where tip and base disturb them; the outline is drawn
        on to the faces, where the length is measured.
        """
        outline = self.result.outlines.get(int(self.columns["frame"][row]))
        if outline is None or len(outline) < 2 or self._broken_in_one_piece(row, outline):
            return None
        stations = outline.astype(float)
        if self.result.experiment.mode == "growth":
            return stations  # from root to end already, and maybe of several bodies
        base = self._end("base", row, stations[0], stations)
        tip = self._end("tip", row, stations[-1], stations)
        joined: FloatArray = np.concatenate([base, stations, tip])
        return joined

    def _end(self, name: str, row: int, last: FloatArray, stations: FloatArray) -> FloatArray:
        """Return the station on an end face, shape (1, 6), or none where it adds nothing."""
        face = np.array([self._value(f"{name}_face_{c}_px", row) for c in "xy"])
        along = np.array(self.result.axis.along) * (1.0 if name == "tip" else -1.0)
        reach = float((face - last[:2]) @ along)
        if not reach > 0.2:
            return np.empty((0, 6))
        heights = stations[:, :2] @ along
        heights = heights[np.isfinite(heights)]
        span = float(heights.max() - heights.min()) if len(heights) else 0.0
        side = last[4:6] - last[2:4]
        width = math.hypot(*side.tolist())
        if not (reach < END_SHARE * span and width > 0):
            return np.empty((0, 6))
        seen = self._value(f"diameter_{name}_nm", row)
        scale = self.result.experiment.calibration.scale_nm_per_px
        half = side / 2 * (seen / scale / width if math.isfinite(seen) else 1.0)
        return np.concatenate([face, face - half, face + half])[None]

    def _broken_in_one_piece(self, row: int, outline: NDArray[np.float32]) -> bool:
        """Say whether an outline runs on across the gap of a broken specimen: it is not drawn."""
        broken = "BROKEN" in str(self.columns["flags"][row]).split(";")
        return broken and bool(np.isfinite(outline).all())

    def _tip_point(self, row: int) -> Iterator[Mark]:
        tip = self.position("tip", row)
        if tip is not None:
            yield Mark("tip_point", tip[None, :])


def boxes_of(result: Result) -> list[Box]:
    """Return the boxes of bar, tip and specimen in the reference frame."""
    e = result.experiment
    found = [part.box for part in (e.bar, e.tip, e.specimen) if part is not None]
    return found


def marks_of(result: Result, movie: Movie) -> Marks:
    """Return the marks of a result; the bar's edge is looked for in the reference frame."""
    targets: dict[str, Target] = {t.name: t for t in result.experiment.targets()}
    columns = {str(name): result.points[name].to_numpy() for name in result.points.columns}
    for name in MEASURED:
        if name in result.measurement.columns and len(result.measurement) == len(result.points):
            columns[name] = result.measurement[name].to_numpy()
    line = math.nan
    if "bar" in targets:
        frame = movie[targets["bar"].references[0].frame]
        along = np.array(result.axis.along)
        line = bar_edge_px(targets["bar"], along, frame.image if frame.ok else None)
    size_px = (movie.info.width_px, movie.info.height_px)
    return Marks(result, targets, line, columns, size_px)


def bar_edge_px(bar: Target, along: FloatArray, reference: Image | None) -> float:
    """Return how far the bar's edge lies from the bar's point along the axis, for drawing.

    The edge is the steepest change of the mean grey value along the axis inside the box; it only
    places the line on the picture, no number comes from it.
    """
    box = bar.references[0].box
    dx, dy = along
    facing = -(abs(dx) * (box.width_px - 1) + abs(dy) * (box.height_px - 1)) / 2
    centre = np.array(box.centre_px)
    offset = float((centre - np.array(bar.point_px)) @ along)
    if reference is None:
        return offset + float(facing)
    x, y = round(box.x_px), round(box.y_px)
    patch = reference[y : y + round(box.height_px), x : x + round(box.width_px)].astype(float)
    rows, columns = np.indices(patch.shape)
    distance = (columns - (patch.shape[1] - 1) / 2) * dx + (rows - (patch.shape[0] - 1) / 2) * dy
    contrast = float(np.ptp(np.percentile(reference[::4, ::4], (5, 95))))
    edge = _steepest(distance.ravel(), patch.ravel(), contrast / 4)
    return offset + (edge if edge is not None else float(facing))


def _steepest(distance: FloatArray, grey: FloatArray, least: float) -> float | None:
    """Return where the mean grey value changes most, None where it changes less than `least`."""
    low = math.floor(float(distance.min()))
    bins = np.floor(distance).astype(int) - low
    count = np.bincount(bins)
    mean = np.bincount(bins, weights=grey) / np.maximum(count, 1)
    if len(mean) < 12:
        return None
    smooth = np.convolve(mean, np.ones(5) / 5, mode="valid")
    slope = np.abs(smooth[4:] - smooth[:-4])
    if slope.max() < least:
        return None
    return float(low + np.argmax(slope) + 4.5)


def _box_corners(target: Target, found: FloatArray, rotation_deg: float) -> FloatArray:
    """Return the box's corners (outer edges), moved and turned with the target."""
    box, (x, y) = target.references[0].box, target.point_px
    left, top = box.x_px - 0.5 - x, box.y_px - 0.5 - y
    right, bottom = left + box.width_px, top + box.height_px
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    if math.isfinite(rotation_deg):
        cos, sin = math.cos(math.radians(rotation_deg)), math.sin(math.radians(rotation_deg))
        corners = corners @ np.array([[cos, sin], [-sin, cos]])
    placed: FloatArray = corners + found
    return placed


def _pieces(stations: FloatArray) -> list[NDArray[np.int_]]:
    """Return the runs of stations that were seen; a broken specimen has two."""
    seen = np.flatnonzero(np.isfinite(stations).all(axis=1))
    if len(seen) == 0:
        return []
    if seen[-1] - seen[0] == len(seen) - 1:
        return [seen] if len(seen) > 1 else []
    runs = np.split(seen, np.flatnonzero(np.diff(seen) > 1) + 1)
    return [run for run in runs if len(run) > 1]


def _station_at_half(middle: FloatArray, along: FloatArray) -> int:
    seen = np.flatnonzero(np.isfinite(height := middle @ along))
    heights = height[seen]
    return int(seen[np.argmin(np.abs(heights - (heights.min() + heights.max()) / 2))])


def _finite(points: FloatArray) -> FloatArray:
    kept: FloatArray = points[np.isfinite(points).all(axis=1)]
    return kept


def _cut(point: FloatArray, direction: FloatArray, size_px: tuple[int, int]) -> FloatArray | None:
    """Return the part of a line inside the frame, None where there is none."""
    low, high = -math.inf, math.inf
    for start, step, size in zip(point, direction, size_px, strict=True):
        if abs(step) < 1e-12:
            if not -0.5 <= start <= size - 0.5:
                return None
            continue
        ends = sorted(((-0.5 - start) / step, (size - 0.5 - start) / step))
        low, high = max(low, ends[0]), min(high, ends[1])
    if not low < high:
        return None
    cut: FloatArray = np.array([point + low * direction, point + high * direction])
    return cut

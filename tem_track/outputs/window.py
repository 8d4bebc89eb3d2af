"""The part of a frame that a montage shows: the specimen and its contacts, in every frame."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tem_track.outputs.marks import Marks
from tem_track.records import FloatArray

__all__ = ["Window", "crosses", "whole_pixels", "window_of"]

Window = tuple[float, float, float, float]
"""Left, top, right, bottom of the part of a frame that is shown, in pixels."""


def window_of(marks: Marks, rows: Sequence[int]) -> Window:
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
    outline = marks.stations(row)
    found = [outline.reshape(-1, 2)] if outline is not None else []
    specimen = marks.result.experiment.specimen
    target, tip = marks.targets.get("tip"), marks.position("tip", row)
    if not found and specimen is not None:
        found.append(_corners(*specimen.box.as_tuple()))
        found += [tip[None, :]] if tip is not None else []
    if specimen is None and target is not None and tip is not None:
        box = target.references[0].box
        x, y = np.array([box.x_px, box.y_px]) - target.point_px + tip
        found.append(_corners(float(x), float(y), box.width_px, box.height_px))
    zero = marks.zero_at(row)
    if zero is not None:
        found.append(zero[None, :])
    return np.concatenate([f[np.isfinite(f).all(axis=1)] for f in found]) if found else None


def _corners(x: float, y: float, width: float, height: float) -> FloatArray:
    return np.array([[x, y], [x + width, y + height]])


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


def crosses(marks: Marks, point: FloatArray, window: Window) -> bool:
    """Return whether the line through a point across the axis is seen in the window."""
    left, top, right, bottom = window
    along = np.array(marks.result.axis.along)
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    heights = (corners - point) @ along
    return bool(heights.min() < 0 < heights.max())


def whole_pixels(window: Window) -> tuple[int, int, int, int]:
    """Return the pixels that are wholly inside: left, top, right, bottom."""
    left, top, right, bottom = window
    return (max(0, math.ceil(left)), max(0, math.ceil(top)), math.floor(right), math.floor(bottom))

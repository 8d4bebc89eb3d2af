"""The loading axis, where the experiment does not give it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tem_track.records import Axis, Box, FloatArray, Match

__all__ = ["axis_from_boxes", "axis_from_midlines", "axis_from_motion", "combine_axes"]

_LEAST_TRAVEL_PX = 8.0
"""Way from which on the motion tells the axis."""
_LEAN_DEG = 1.0  # how far a specimen may lean against the direction in which it is loaded
_BOX_DEG = 6.0
"""What is not known of an axis that the boxes' places tell."""


def axis_from_boxes(box: Box, tip_box: Box | None, base_box: Box | None) -> Axis:
    """Return the line between the boxes of base and tip, which a hand drew.

    Without neighbours the specimen's box alone tells: its longer side, pointing up or right.
    """
    low = base_box.centre_px if base_box else box.centre_px
    high = tip_box.centre_px if tip_box else box.centre_px
    dx, dy = high[0] - low[0], high[1] - low[1]
    if math.hypot(dx, dy) < 1.0:
        return Axis(0.0 if box.height_px >= box.width_px else 90.0, 15.0)
    angle = math.degrees(math.atan2(dx, -dy))
    near = 90.0 * round(angle / 90.0)
    return Axis(near if abs(angle - near) < 8.0 else angle, _BOX_DEG)


def axis_from_motion(tips: Sequence[Match], bases: Sequence[Match | None]) -> Axis | None:
    """Return the direction in which tip and base move against each other, or None if they do not.

    The direction of largest scatter of tip minus base: free of drift and jitter, which move both.
    """
    apart = np.array(
        [
            (t.x_px - b.x_px, t.y_px - b.y_px)
            for t, b in zip(tips, bases, strict=True)
            if b is not None and not (t.lost or b.lost)
        ]
    )
    if len(apart) < 5:
        return None
    centred = apart - np.median(apart, axis=0)
    _, size, direction = np.linalg.svd(centred, full_matrices=False)
    travel = float(np.ptp(centred @ direction[0]))
    if travel < _LEAST_TRAVEL_PX or size[0] < 4 * size[1]:
        return None
    along = direction[0] * np.sign(direction[0] @ np.median(apart, axis=0))
    angle = math.degrees(math.atan2(float(along[0]), float(-along[1])))
    return Axis(
        angle, max(math.degrees(float(size[1] / size[0])) / math.sqrt(len(apart) - 2), 0.02)
    )


def axis_from_midlines(guess: Axis, slopes: FloatArray) -> Axis | None:
    """Return the axis along the specimen's own midline.

    Parameters
    ----------
    guess : Axis
        The axis in whose coordinates the slopes are counted.
    slopes : array, shape (n,)
        Slope dt/ds of the midline in every sampled frame.
    """
    slopes = slopes[np.isfinite(slopes)]
    if len(slopes) < 1:
        return None
    angle = guess.angle_deg + math.degrees(math.atan(float(np.median(slopes))))
    scatter = math.degrees(1.4826 * float(np.median(np.abs(slopes - np.median(slopes)))))
    return Axis(angle, math.hypot(_LEAN_DEG, scatter / math.sqrt(len(slopes))))


def combine_axes(candidates: Sequence[Axis | None]) -> Axis:
    """Return the weighted mean of what is known of the axis."""
    known = [axis for axis in candidates if axis is not None]
    weight = np.array([1.0 / max(axis.u_angle_deg, 1e-3) ** 2 for axis in known])
    turn = np.array([(axis.angle_deg - known[0].angle_deg + 180) % 360 - 180 for axis in known])
    angle = known[0].angle_deg + float((weight * turn).sum() / weight.sum())
    return Axis((angle + 180) % 360 - 180, float(1.0 / np.sqrt(weight.sum())))

"""The aperture problem: a straight edge fixes the direction across it and no other."""

from __future__ import annotations

import math

import numpy as np

from tem_track.errors import TrackingError
from tem_track.records import Axis
from tem_track.tracking.tracker import Tracker

__all__ = ["require_axis"]

WORST_U_PX = 0.5
WORST_SHARE = 1 / 12
"""Least information along the axis over that along the best direction.

Below it the box holds one straight edge, and what seems to fix the other direction is faint
texture, which need not belong to the target.
"""


def require_axis(tracker: Tracker, axis: Axis, name: str) -> None:
    """Refuse a target that cannot fix the loading axis.

    Parameters
    ----------
    tracker : Tracker
    axis : Axis
        The loading axis.
    name : str
        What to call the target.

    Raises
    ------
    TrackingError
        In one line, with the kind of box that would serve.
    """
    look = tracker.looks[0]
    matrix = look.information[:2, :2]
    direction = np.array(axis.along)
    best = float(np.linalg.eigvalsh(matrix)[-1])
    share = float(direction @ matrix @ direction) / best if best > 0 else 0.0
    if share < WORST_SHARE or _u_px(tracker, axis.along) > WORST_U_PX:
        box = [round(v) for v in tracker.box.as_tuple()]
        raise TrackingError(
            f"the {name}'s box {box} does not fix the loading axis at {axis.angle_deg:.0f} deg: "
            "its edges run along the axis; draw a box that holds an edge across the axis, "
            "or a corner"
        )


def _u_px(tracker: Tracker, direction: tuple[float, float]) -> float:
    look = tracker.looks[0]
    c = look.covariance
    x, y = direction
    variance = x * x * c[0, 0] + 2 * x * y * c[0, 1] + y * y * c[1, 1]
    if look.free is not None:
        variance += (look.u_free_px * (x * look.free[0] + y * look.free[1])) ** 2
    return math.sqrt(max(variance, 0.0))

"""The aperture problem: a straight edge fixes the direction across it and no other."""

from __future__ import annotations

import math

from tem_track.errors import TrackingError
from tem_track.records import Axis
from tem_track.tracking.tracker import Tracker

__all__ = ["require_axis"]

WORST_U_PX = 0.5
WORST_RATIO = 8.0


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
    along = _u_px(tracker, axis.along)
    across = _u_px(tracker, axis.across)
    slanted = look.free is not None and abs(
        look.free[0] * axis.along[0] + look.free[1] * axis.along[1]
    ) > math.sin(math.radians(10))
    if slanted or along > WORST_U_PX or along > WORST_RATIO * across:
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

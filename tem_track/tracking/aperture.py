"""The aperture problem: a straight edge fixes the direction across it and no other."""

from __future__ import annotations

import math

import numpy as np

from tem_track.errors import TrackingError
from tem_track.records import Axis, FloatArray
from tem_track.tracking.fit import Pattern
from tem_track.tracking.information import slopes_at_rest
from tem_track.tracking.tracker import Tracker

__all__ = ["require_axis"]

WORST_U_PX = 0.5
"""Uncertainty along the axis, in px, above which a movie is refused: most frames would say nothing
of the force."""
WORST_SHARE = 1 / 16
"""Least information along the axis over that along the best direction.

Below it the box holds one straight edge, and what seems to fix the other direction is faint
texture, which need not belong to the target.
"""
EDGE_SLOPE = 0.25
"""Slopes of at least this part of the steepest are edges; the rest is texture."""
WORST_EDGES = 1 / 16
"""Least squared slope of the edges along the axis over that along the best direction.

It counts what is drawn, not how quiet the pixels are: the end of a dark band or the rim of a
registered frame is small beside a long edge, however little noise it has.
"""
CLEAR_EDGES = 1 / 8
"""The same, from which on an edge is there: where it tells nothing all the same, it is bent."""


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
    edges = _edge_share(look.pattern, direction)
    u_px = _u_px(tracker, axis.along)
    why, serves = "", "draw a box that holds an edge across the axis, or a corner"
    if share < WORST_SHARE and edges >= CLEAR_EDGES:
        why = (
            "its edge across the axis is bent otherwise in every frame, as where the lines of a "
            "scan are shifted against each other"
        )
        serves = "put the lines right first, or draw a box over an edge that keeps its shape"
    elif share < WORST_SHARE or edges < WORST_EDGES:
        why = "its edges run along the axis"
    elif u_px > WORST_U_PX:
        why = f"what most frames show of its edges tells the place along it to {u_px:.1f} px only"
    if why:
        box = [round(v) for v in tracker.box.as_tuple()]
        raise TrackingError(
            f"the {name}'s box {box} does not fix the loading axis at {axis.angle_deg:.0f} deg: "
            f"{why}; {serves}"
        )


def _edge_share(pattern: Pattern, direction: FloatArray) -> float:
    """Return the edges' squared slope along a direction over that along the best."""
    _, slopes = slopes_at_rest(pattern, (0.0, 0.0), False)
    size = np.hypot(*slopes) * (pattern.share > 0)
    if not size.any():
        return 0.0
    edge = size >= EDGE_SLOPE * float(np.quantile(size[pattern.share > 0], 0.995))
    tensor = np.einsum("nyx,myx,yx->nm", slopes, slopes, edge.astype(float))
    return float(direction @ tensor @ direction) / float(np.linalg.eigvalsh(tensor)[-1])


def _u_px(tracker: Tracker, direction: tuple[float, float]) -> float:
    look = tracker.looks[0]
    c = look.covariance[:2, :2] + look.apart_px2
    x, y = direction
    variance = x * x * c[0, 0] + 2 * x * y * c[0, 1] + y * y * c[1, 1]
    if look.free is not None:
        variance += (look.u_free_px * (x * look.free[0] + y * look.free[1])) ** 2
    return math.sqrt(max(variance, 0.0))

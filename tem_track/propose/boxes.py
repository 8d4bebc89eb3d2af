"""Boxes as a hand would draw them, from what was understood."""

from __future__ import annotations

import math

import numpy as np

from tem_track.propose.chain import Chain
from tem_track.propose.find import Scene
from tem_track.propose.outline import outline_axis
from tem_track.propose.passing import never_passed
from tem_track.propose.turning import Edges, Turn
from tem_track.records import Axis, Box

__all__ = ["axis_as_it_is", "bar_box", "base_box", "specimen_box", "tip_box"]

TIP_DEEP = 130 / 768
BASE_DEEP = 110 / 768
MARGIN = 16 / 768
WIDER = 60 / 768
"""Over the longer side of the picture: how deep the boxes of tip and base are, how much room is
left around the specimen, and how much wider than it the end boxes may be."""

BAR_MARGIN = 6 / 768
LEAST_BAR_MARGIN_PX = 6
"""Room around the bar, over the longer side of the picture, and in full pixels at least: an edge
that jitters and is blurred has to stay within the box."""


def _room(scene: Scene) -> int:
    return int(max(scene.clear.shape[1:]))


def _half_width(scene: Scene) -> float:
    """Half the largest width that the specimen has in any frame."""
    widths = [c.widest_px for c in scene.chains.values() if c.contrast > 0.3]
    own = scene.chain.widest_px
    return min(max(widths, default=own), 1.3 * own) / 2


def _lean(scene: Scene) -> float:
    """Columns to the right for a row up."""
    axis = scene.axis or outline_axis(scene.chain)
    return math.tan(math.radians(axis.angle_deg)) if axis is not None else 0.0


def _turned(scene: Scene, edges: Edges) -> Box:
    return _to_border(scene, scene.turn.back(edges))


def _to_border(scene: Scene, edges: Edges) -> Box:
    """Return the full-pixel box; an edge at the reduced border means the real one."""
    step, (rows, columns) = scene.glance.step, scene.glance.size_px
    x0, y0, x1, y1 = edges
    x1 = columns / step if x1 >= columns // step else x1
    y1 = rows / step if y1 >= rows // step else y1
    return scene.glance.full((x0, y0, x1, y1))


def _side(chain: Chain, scene: Scene, near: int, far: int) -> tuple[float, float]:
    """Return the columns of an end's box between two rows: its matter, within reason."""
    rows = slice(min(near, far), max(near, far) + 1)
    half, room = _half_width(scene), _room(scene)
    middle = (chain.path[near] + chain.path[chain.top if near < chain.top else chain.bottom]) / 2
    left, right = np.nanmedian(chain.left[rows]), np.nanmedian(chain.right[rows])
    most = 1.35 * half + WIDER * room
    slack = 0.4 * MARGIN * room
    return (
        float(max(left - slack, middle - most)),
        float(min(right + slack, middle + most) + 1),
    )


def tip_box(scene: Scene) -> Box:
    """Return the box of the tip: its end with some vacuum around, deep enough for its texture."""
    chain, deep = scene.chain, TIP_DEEP * _room(scene)
    top = max(chain.upper - deep, 0)
    x0, x1 = _side(chain, scene, chain.upper, round(top))
    return _turned(scene, (x0, top, x1, chain.upper + 1))


def base_box(scene: Scene) -> Box:
    """Return the box of the base: its face and what lies under it."""
    chain, deep = scene.chain, BASE_DEEP * _room(scene)
    bottom = min(chain.lower + deep, chain.left.size)
    x0, x1 = _side(chain, scene, chain.lower, round(bottom) - 1)
    half = _half_width(scene) + WIDER * _room(scene)
    middle = float(chain.path[chain.lower])
    return _turned(scene, (max(x0, middle - half), chain.lower, min(x1, middle + half), bottom))


def specimen_box(scene: Scene) -> Box:
    """Return the box of the specimen with its gap, from face to face."""
    chain, margin = scene.chain, MARGIN * _room(scene)
    body = chain.trunk
    half = _half_width(scene)
    middle = (chain.left[body] + chain.right[body]) / 2
    own = np.nanmax((chain.right - chain.left)[body]) / 2
    grown = max(half - own, 0.0)
    x0 = (
        min(float(np.nanmin(chain.left[body])), float(np.nanmin(middle)) - half)
        - margin
        - grown / 2
    )
    x1 = max(float(np.nanmax(chain.right[body])), float(np.nanmax(middle)) + half) + margin + 1
    return _turned(scene, (x0, chain.upper + 1, x1 + grown / 2, chain.lower + 0.3 * margin))


def bar_box(scene: Scene) -> tuple[Box, bool] | None:
    """Return the box of the bar, from the picture's border to just beyond its edges.

    Where the base or the tip passes much of it, the box holds what neither ever passes, and the
    second value is true.
    """
    if scene.bar is None:
        return None
    rows, columns = scene.glance.clear.shape[1:]
    margin = max(BAR_MARGIN * _room(scene), LEAST_BAR_MARGIN_PX / scene.glance.step)
    x0, y0, x1, y1 = scene.bar.edges
    edges = (
        x0 - margin if x0 > 0 else 0,
        y0 - margin if y0 > 0 else 0,
        x1 + margin if x1 < columns else columns,
        y1 + margin if y1 < rows else rows,
    )
    free = never_passed(scene.glance.clear, scene.bar, edges, _along(scene))
    return _to_border(scene, free or edges), free is not None


def _along(scene: Scene) -> tuple[float, float]:
    """Return the direction (x, y) from base to tip in the picture as it is."""
    angle = math.radians(scene.turn.angle_deg) + math.atan(_lean(scene))
    return (math.sin(angle), -math.cos(angle))


def axis_as_it_is(axis: Axis, turn: Turn) -> Axis:
    """Return an axis of the turned picture in the picture as it is."""
    angle = axis.angle_deg + turn.angle_deg
    return Axis((angle + 180.0) % 360.0 - 180.0, axis.u_angle_deg)

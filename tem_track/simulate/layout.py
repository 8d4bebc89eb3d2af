"""Where things stand: the picture's frame of reference, the thick blocks, and the boxes of a hand.

The origin of (u, v) is the tip's apex at the first moment. The bar belongs to the camera, all else
to the stage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tem_track.records import Axis, Box
from tem_track.simulate.paint import Block
from tem_track.simulate.settings import Physics, Setup
from tem_track.simulate.textures import Floats, blotches, wander

__all__ = [
    "Layout",
    "Solid",
    "arrange",
    "bar_solid",
    "base_solid",
    "draw_box",
    "place",
    "tip_solid",
]

_TURN = {"up": 0.0, "right": 90.0, "down": 180.0, "left": -90.0}
_REACH = 900  # px (at zoom 1) over which contours are kept


@dataclass(frozen=True, slots=True)
class Layout:
    """The fixed geometry of a scene.

    Attributes
    ----------
    shape_px : (int, int)
        Rows and columns.
    zoom : float
        Size relative to the standard frame of 768 rows.
    axis : Axis
        From the base to the tip.
    apex_px : (float, float)
        Picture position (x, y) of the tip's apex at the first moment, without jitter.
    bar_right, bar_top : bool
        The corner in which the bar stands.
    bar_px : (float, float)
        How far the bar reaches into the picture (x, y).
    """

    shape_px: tuple[int, int]
    zoom: float
    axis: Axis
    apex_px: tuple[float, float]
    bar_right: bool
    bar_top: bool
    bar_px: tuple[float, float]

    def picture(self, u: float, v: float) -> tuple[float, float]:
        """Return the picture position (x, y) of a point (u, v)."""
        (ax, ay), (cx, cy) = self.axis.along, self.axis.across
        return (self.apex_px[0] + u * ax + v * cx, self.apex_px[1] + u * ay + v * cy)


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """A thick body: everything of a `Block` but its place."""

    face: Floats
    low: Floats
    high: Floats
    first_w: float
    first_p: float
    depth: float
    rim: float
    ramp_px: float
    pattern: NDArray[Any]
    pattern_share: float
    soft_px: float


def arrange(setup: Setup, apex_down_px: float, rng: np.random.Generator) -> Layout:
    """Lay out the frame; `apex_down_px` is the apex's distance from the edge the tip comes from."""
    sideways = setup.orientation in ("left", "right")
    rows, columns = setup.shape_px
    zoom = rows / 768
    angle = _TURN[setup.orientation] + setup.axis_deg
    shape = (columns, rows) if sideways else (rows, columns)
    centre = ((shape[1] - 1) / 2, (shape[0] - 1) / 2)
    axis = Axis((angle + 180) % 360 - 180)
    across = (-60 + rng.uniform(-12, 12)) * zoom * math.cos(math.radians(setup.axis_deg))
    up = rows / 2 - apex_down_px
    (ax, ay), (cx, cy) = axis.along, axis.across
    apex = (centre[0] + up * ax + across * cx, centre[1] + up * ay + across * cy)
    right, top = _corner(shape, apex, (ax, ay))
    reach = (rng.uniform(112, 130) * zoom, rng.uniform(92, 112) * zoom)
    return Layout(shape, zoom, axis, apex, right, top, reach)


def _corner(
    shape: tuple[int, int], apex: tuple[float, float], along: tuple[float, float]
) -> tuple[bool, bool]:
    """Return the corner that is farthest from the line on which tip and base move."""

    def clear(right: bool, top: bool) -> float:
        dx = (shape[1] if right else 0) - apex[0]
        dy = (0 if top else shape[0]) - apex[1]
        distance = abs(dx * along[1] - dy * along[0])
        return distance + (1e-3 if right else 0) + (20.0 if top else 0)

    corners = [(right, top) for right in (True, False) for top in (True, False)]
    return max(corners, key=lambda corner: clear(*corner))


def tip_solid(rng: np.random.Generator, layout: Layout, physics: Physics, flat_px: float) -> Solid:
    """Return a blunt pyramid whose apex is flat over +-flat_px."""
    zoom = layout.zoom
    reach = int(_REACH * max(zoom, 0.4)) + 40
    p = np.arange(-20.0, reach)
    w = np.arange(-reach, reach + 1.0)
    half = flat_px * rng.uniform(1.12, 1.3) + 4 * zoom
    slope_low, slope_high = rng.uniform(0.2, 0.34, 2)
    rough = physics.roughness_px * math.sqrt(zoom)
    deep = np.clip(p, 0, None)
    low = -half - slope_low * deep + wander(rng, p.size, rough, 6 * zoom + 1)
    high = half * rng.uniform(0.95, 1.1) + slope_high * deep
    high = high + wander(rng, p.size, rough, 6 * zoom + 1)
    beyond = np.clip(np.abs(w) - flat_px, 0, None)
    ragged = wander(rng, w.size, 0.8 * rough, 5 * zoom + 1) * np.clip(beyond / (6 * zoom), 0, 1)
    rounded = physics.tip_curvature_px * (w / flat_px) ** 2
    face = rounded + beyond**2 / (60 * zoom) + ragged
    pattern = blotches(rng, 420 * max(zoom, 0.4), 420 * max(zoom, 0.4), zoom)
    return Solid(
        face, low, high, float(w[0]), float(p[0]),
        depth=rng.uniform(2.1, 2.6), rim=rng.uniform(0.65, 0.85), ramp_px=26 * zoom,
        pattern=pattern, pattern_share=0.16, soft_px=0.0,
    )  # fmt: skip


def base_solid(rng: np.random.Generator, layout: Layout, physics: Physics, flat_px: float) -> Solid:
    """Return a mound whose top is flat over +-flat_px and that fills the picture's end."""
    zoom = layout.zoom
    reach = int(_REACH * max(zoom, 0.4)) + 40
    p = np.arange(-20.0, reach)
    w = np.arange(-reach, reach + 1.0)
    deep = np.clip(p, 0, None)
    half = (flat_px + rng.uniform(55, 85, 2) * zoom)[:, None] + rng.uniform(0.5, 0.9, (2, 1)) * deep
    rough = 1.6 * physics.roughness_px * math.sqrt(zoom)
    low = -half[0] + wander(rng, p.size, rough, 7 * zoom + 1)
    high = half[1] + wander(rng, p.size, rough, 7 * zoom + 1)
    beyond = np.clip(np.abs(w) - flat_px, 0, None)
    ragged = wander(rng, w.size, 2.0 * rough, 9 * zoom + 1) * np.clip(beyond / (10 * zoom), 0, 1)
    face = beyond**1.5 / (14 * math.sqrt(zoom)) + ragged
    pattern = blotches(rng, 420 * max(zoom, 0.4), 420 * max(zoom, 0.4), zoom)
    return Solid(
        face, low, high, float(w[0]), float(p[0]),
        depth=rng.uniform(1.8, 2.3), rim=rng.uniform(0.65, 0.85), ramp_px=30 * zoom,
        pattern=pattern, pattern_share=0.18, soft_px=0.0,
    )  # fmt: skip


def bar_solid(rng: np.random.Generator, layout: Layout, physics: Physics) -> Solid:
    """Return the beam-blocking bar: black, with a rough and slightly rounded end."""
    zoom = layout.zoom
    reach = int(400 * max(zoom, 0.4))
    p = np.arange(-20.0, reach)
    w = np.arange(-float(reach), 30.0)
    rough = physics.roughness_px * math.sqrt(zoom)
    lean = rng.uniform(-0.04, 0.04)
    corner = np.clip(14 * zoom - p, 0, 14 * zoom) ** 2 / (30 * zoom)
    high = lean * p - corner + wander(rng, p.size, rough, 5 * zoom + 1)
    face = rng.uniform(-0.05, 0.05) * w + wander(rng, w.size, rough, 5 * zoom + 1)
    low = np.full(p.size, -float(reach))
    return Solid(
        face, low, high, float(w[0]), float(p[0]),
        depth=5.0, rim=0.9, ramp_px=4.0,
        pattern=np.zeros((8, 8), dtype=np.float32), pattern_share=0.0,
        soft_px=physics.bar_blur_px,
    )  # fmt: skip


def place(
    solid: Solid,
    origin_px: tuple[float, float],
    into: tuple[float, float],
    along_face: tuple[float, float],
) -> Block:
    """Put a solid into the picture: origin, direction into it and direction along its face."""
    return Block(
        solid.face, solid.low, solid.high, solid.first_w, solid.first_p,
        solid.depth, solid.rim, solid.ramp_px, solid.pattern, solid.pattern_share, solid.soft_px,
        *map(float, origin_px), *map(float, into), *map(float, along_face),
    )  # fmt: skip


def draw_box(
    rng: np.random.Generator,
    layout: Layout,
    corners: list[tuple[float, float]],
    error_px: float = 6.0,
) -> Box:
    """Return the box that a hand draws around points (x, y): each side up to `error_px` off."""
    off = error_px * layout.zoom
    rows, columns = layout.shape_px
    xs, ys = zip(*corners, strict=True)
    left, top = (math.floor(min(c) + rng.uniform(-off, off)) for c in (xs, ys))
    right, bottom = (math.ceil(max(c) + rng.uniform(-off, off)) for c in (xs, ys))
    left, top = max(left, 0), max(top, 0)
    right, bottom = min(right, columns - 1), min(bottom, rows - 1)
    return Box(left, top, right - left + 1, bottom - top + 1)

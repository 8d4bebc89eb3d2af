"""What a person would mark in frame 0, and what is true of the whole movie."""

from __future__ import annotations

from typing import Any

import numpy as np

from tem_track.records import Box
from tem_track.simulate.layout import draw_box
from tem_track.simulate.loaded_setup import TIP_BOX_PX
from tem_track.simulate.scene import Scene
from tem_track.simulate.shots import Shots
from tem_track.simulate.story import Moment, Story

__all__ = ["FLAT_PX", "constants_of", "facing_side", "half_width_px", "hand_boxes"]

FLAT_PX = 100.0
"""Largest half width of the tip's flat apex, at zoom 1."""


def hand_boxes(scene: Scene, shot: int, moment: Moment, rng: np.random.Generator) -> dict[str, Box]:
    """Return the boxes of bar, tip, specimen and base as a hand draws them."""
    layout, zoom = scene.layout, scene.layout.zoom
    move = scene.shots.camera_px[shot] + scene.shots.stage_px[shot]

    def corners(u0: float, u1: float, half: float) -> list[tuple[float, float]]:
        places = [layout.picture(u, v) for u in (u0, u1) for v in (-half, half)]
        return [(x + float(move[0]), y + float(move[1])) for x, y in places]

    wide = half_width_px(scene.story, scene.shots)
    flat = min(wide, FLAT_PX * layout.zoom)
    tip, base = moment.tip_u_px, moment.base_u_px
    rows, columns = layout.shape_px
    reach_x, reach_y = layout.bar_px
    edge_x = columns - 1 - reach_x - 16 * zoom if layout.bar_right else reach_x + 16 * zoom
    edge_y = reach_y + 18 * zoom if layout.bar_top else rows - 1 - reach_y - 18 * zoom
    far = (columns + 20.0 if layout.bar_right else -20.0, -20.0 if layout.bar_top else rows + 20.0)
    return {
        "bar": draw_box(rng, layout, [(edge_x, edge_y), far]),
        "tip": draw_box(rng, layout, corners(tip, tip + TIP_BOX_PX * zoom, 1.3 * flat + 30 * zoom)),
        "specimen": draw_box(rng, layout, corners(base, tip, wide + 16 * zoom)),
        "base": draw_box(rng, layout, corners(base, base - 110 * zoom, wide + 60 * zoom)),
    }


def facing_side(box: Box, along: tuple[float, float]) -> tuple[float, float]:
    """Return the middle of the box's side that faces the specimen."""
    x, y = box.centre_px
    if abs(along[1]) >= abs(along[0]):
        return (x, box.y_px + box.height_px - 1 if along[1] < 0 else box.y_px)
    return (box.x_px if along[0] > 0 else box.x_px + box.width_px - 1, y)


def half_width_px(story: Story, shots: Shots) -> float:
    """Largest distance of the specimen's sides from the axis, early and late."""
    last = shots.gain.size - 1
    seen = (story.moment(k) for k in (0, int(0.75 * last), last))
    return max(
        float(np.max(body.radius_px + np.abs(body.mid_px)))
        for moment in seen
        for body in moment.bodies
    )


def constants_of(
    scene: Scene, boxes: dict[str, Box], points: dict[str, tuple[float, float]]
) -> dict[str, Any]:
    """Return what is true of the whole movie, moments turned into frames."""
    known = dict(scene.story.constants)
    for name in (
        "contact",
        "fracture",
        "bending",
        "max_force",
        "nucleation",
        "touch",
        "merge",
        "marker",
    ):
        if f"{name}_moment" in known:
            known[f"{name}_frame"] = scene.shots.frame_of(known.pop(f"{name}_moment"))
    setup = scene.setup
    return {
        "scenario": scene.name,
        "description": scene.scenario.description,
        "seed": scene.seed,
        "mode": scene.scenario.mode,
        "shape": scene.scenario.shape,
        "frames": len(scene),
        "shape_px": list(scene.layout.shape_px),
        "scale_nm_per_px": setup.scale_nm_per_px,
        "frame_interval_s": setup.frame_interval_s,
        "axis_deg": scene.layout.axis.angle_deg,
        "polarity": setup.polarity,
        "boxes_px": {name: [int(n) for n in box.as_tuple()] for name, box in boxes.items()},
        "points_px": {name: list(point) for name, point in points.items()},
    } | known

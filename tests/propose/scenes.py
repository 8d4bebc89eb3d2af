from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tem_track.frames import Movie, open_movie
from tem_track.records import Box
from tem_track.simulate import build_scene


@cache
def made(name: str, seed: int = 2, frames: int = 24, **settings: Any) -> tuple[Any, Movie]:
    settings = {"stage_drift_px": 6.0, "axis_deg": 3.0} | settings
    scene = build_scene(name, seed=seed, frames=frames, **settings)
    return scene, open_movie(np.stack([scene.frame(i) for i in range(frames)]))


def overlap(one: Box | None, other: Box) -> float:
    assert one is not None
    wide = min(one.x_px + one.width_px, other.x_px + other.width_px) - max(one.x_px, other.x_px)
    high = min(one.y_px + one.height_px, other.y_px + other.height_px) - max(one.y_px, other.y_px)
    common = max(wide, 0) * max(high, 0)
    areas = one.width_px * one.height_px + other.width_px * other.height_px
    return common / (areas - common)

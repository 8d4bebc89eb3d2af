"""Build a scene: sort the settings, tell the story, shape the solids, mark the boxes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tem_track.errors import ConfigError
from tem_track.simulate.growing_setup import growth_interval_s, plan_growing
from tem_track.simulate.layout import Layout, bar_solid, base_solid, tip_solid
from tem_track.simulate.loaded_setup import plan_loaded
from tem_track.simulate.marking import (
    FLAT_PX,
    constants_of,
    facing_side,
    half_width_px,
    hand_boxes,
)
from tem_track.simulate.scenarios import Scenario, find_scenario
from tem_track.simulate.scene import Scene
from tem_track.simulate.settings import Accidents, Physics, Setup, split_settings
from tem_track.simulate.shots import take_shots
from tem_track.simulate.story import Story
from tem_track.simulate.textures import Floats, grain

__all__ = ["build_scene"]

_DIMMED = 0.4  # brightness while the shutter blinks as a marker


def build_scene(name: str, *, seed: int = 0, frames: int = 120, **settings: Any) -> Scene:
    """Return the scene of a scenario, as `tem_track.simulate.build_scene` describes it."""
    if frames < 8:
        raise ConfigError(f"simulate: frames = {frames} is too few; take 8 or more")
    setup, physics, accidents = split_settings(settings)
    scenario = find_scenario(name)
    if "camera_drift_px" not in settings:
        accidents = replace(accidents, camera_drift_px=_wander_px(scenario))
    rng = np.random.default_rng([seed, 11])
    shots = take_shots(np.random.default_rng([seed, 12]), accidents, frames)
    moments = int(shots.gain.size)
    if setup.marker_frame:
        marker = int(shots.source[min(setup.marker_frame, frames - 1)])
        shots.gain[marker] *= _DIMMED
        setup = replace(setup, marker_frame=marker)
    setup = _timed(scenario, setup, frames)
    layout, story = _plan(scenario, setup, physics, accidents, rng, moments)
    wide = half_width_px(story, shots)
    flat = min(wide, FLAT_PX * layout.zoom)
    solids = {
        "tip": tip_solid(rng, layout, physics, flat),
        "base": base_solid(rng, layout, physics, 1.15 * wide),
        "bar": bar_solid(rng, layout, physics),
    }
    other = solids["tip"]
    if accidents.tip_contrast_change:
        other = tip_solid(np.random.default_rng([seed, 13]), layout, physics, flat)
    patterns: dict[str, NDArray[Any]] = {
        "film": grain(rng, *layout.shape_px, 2.2),
        "specimen": _specimen_pattern(rng, layout),
    }
    bands = _draw_bands(rng, setup)
    unboxed = Scene(
        scenario.name, seed, scenario, setup, physics, accidents, layout, story, shots,
        solids, other, patterns, bands, {}, {}, {},
    )  # fmt: skip
    return _finish(unboxed, np.random.default_rng([seed, 14]))


def _wander_px(scenario: Scenario) -> float:
    """How far the picture wanders where nothing else is said."""
    return 14.0 if scenario.name == "drift" else 8.0 if scenario.mode == "growth" else 0.0


def _timed(scenario: Scenario, setup: Setup, frames: int) -> Setup:
    if not math.isnan(setup.frame_interval_s):
        return setup
    interval = growth_interval_s(frames) if scenario.mode == "growth" else 0.1
    return replace(setup, frame_interval_s=interval)


def _plan(
    scenario: Scenario,
    setup: Setup,
    physics: Physics,
    accidents: Accidents,
    rng: np.random.Generator,
    moments: int,
) -> tuple[Layout, Story]:
    if scenario.mode == "growth":
        return plan_growing(scenario, setup, physics, rng, moments)
    return plan_loaded(scenario, setup, physics, accidents, rng, moments)


def _finish(scene: Scene, rng: np.random.Generator) -> Scene:
    """Draw the boxes into frame 0 and write down what is true of the whole movie."""
    first = int(scene.shots.source[0])
    moment = scene.story.moment(first)
    boxes = hand_boxes(scene, first, moment, rng)
    points = {name: boxes[name].centre_px for name in ("bar", "base")}
    points["tip"] = facing_side(boxes["tip"], scene.layout.axis.along)
    if abs(scene.setup.axis_deg) > 1 or scene.accidents.tip_rotation_deg:
        x, y, _ = scene.target_place("tip", first, moment)
        points["tip"] = (round(x, 1), round(y, 1))
    constants = constants_of(scene, boxes, points)
    return Scene(
        scene.name, scene.seed, scene.scenario, scene.setup, scene.physics, scene.accidents,
        scene.layout, scene.story, scene.shots, scene.solids, scene.other_tip, scene.patterns,
        scene.bands, boxes, points, constants,
    )  # fmt: skip


def _specimen_pattern(rng: np.random.Generator, layout: Layout) -> Floats:
    size = 520 * max(layout.zoom, 0.4)
    coarse = grain(rng, size, size, 12 * layout.zoom)
    fine = grain(rng, size, size, max(2.6 * layout.zoom, 1.5))
    return (0.8 * coarse + 0.6 * fine).astype(np.float32)


def _draw_bands(rng: np.random.Generator, setup: Setup) -> Floats:
    scale = setup.scale_nm_per_px
    length = 600 / scale
    count = 5
    return np.column_stack(
        [
            np.linspace(-0.3, 0.9, count) * length + rng.uniform(-15, 15, count),
            np.full(count, rng.uniform(-0.5, 0.5)) + rng.uniform(-0.15, 0.15, count),
            rng.uniform(-0.3, 0.3, count),
            rng.uniform(10, 22, count) / scale,
            rng.uniform(0.6, 1.0, count),
        ]
    )

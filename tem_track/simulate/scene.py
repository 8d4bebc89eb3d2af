"""A scene: every frame of a simulated movie and what is true in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tem_track.errors import ConfigError
from tem_track.records import Box
from tem_track.simulate.camera import beam, burn_label, expose, to_grey
from tem_track.simulate.growing_setup import growth_interval_s, plan_growing
from tem_track.simulate.layout import (
    Layout,
    Solid,
    bar_solid,
    base_solid,
    draw_box,
    place,
    tip_solid,
)
from tem_track.simulate.loaded_setup import TIP_BOX_PX, plan_loaded
from tem_track.simulate.paint import Block, View, transmission
from tem_track.simulate.scenarios import Scenario, find_scenario
from tem_track.simulate.settings import Accidents, Physics, Setup, split_settings
from tem_track.simulate.shots import Shots, take_shots
from tem_track.simulate.story import Moment, Story, pack_bodies
from tem_track.simulate.textures import Floats, grain

__all__ = ["Scene", "build_scene"]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A simulated movie that is drawn frame by frame, in any order.

    Attributes
    ----------
    name : str
        The scenario.
    seed : int
    scenario : Scenario
    setup, physics, accidents : Setup, Physics, Accidents
    layout : Layout
    boxes : dict of Box
        'bar', 'tip', 'specimen', 'base' as a hand draws them in frame 0: up to 6 px off, with the
        gap and the neighbours in them.
    points_px : dict
        Point (x, y) of 'bar', 'tip' and 'base' in frame 0 whose motion the truth gives.
    constants : dict
        What is true of the whole movie.
    """

    name: str
    seed: int
    scenario: Scenario
    setup: Setup
    physics: Physics
    accidents: Accidents
    layout: Layout
    story: Story
    shots: Shots
    solids: dict[str, Solid]
    other_tip: Solid
    patterns: dict[str, NDArray[Any]]
    bands: Floats
    boxes: dict[str, Box]
    points_px: dict[str, tuple[float, float]]
    constants: dict[str, Any]

    def __len__(self) -> int:
        return int(self.shots.source.size)

    def frame(self, i: int) -> NDArray[Any]:
        """Return the grey values of frame i, shape (rows, columns), uint8 or uint16."""
        shot = int(self.shots.source[i])
        rng = np.random.default_rng([self.seed, shot, 71])
        clean = self.transmitted(i)
        if self.shots.occluded[shot]:
            clean *= _curtain(clean.shape, self._spot(shot), rng)
        clean *= beam(clean.shape, self.physics.illumination)
        counted = expose(clean, self.physics, float(self.shots.gain[shot]), rng)
        grey = to_grey(
            counted, self.physics, bits=self.setup.bits,
            bright=self.setup.polarity == "bright", levels=self.accidents.low_contrast,
        )  # fmt: skip
        if self.setup.label:
            burn_label(grey, self._time_s(shot), self.setup.scale_nm_per_px, self._label_corner())
        return grey

    def transmitted(self, i: int) -> NDArray[np.float32]:
        """Return the share of the beam that frame i lets through, without camera and noise."""
        shot = int(self.shots.source[i])
        moment = self.story.moment(shot)
        bodies = pack_bodies(
            moment.bodies, self.patterns["specimen"], self.physics.specimen_texture,
            self._bands(shot),
        )  # fmt: skip
        blocks = self._blocks(shot, moment)
        return transmission(self.layout.shape_px, blocks, bodies, self._view(shot))

    def truth(self, i: int) -> dict[str, Any]:
        """Return what is true of frame i: a record with one value per column of truth.csv."""
        shot = int(self.shots.source[i])
        moment = self.story.moment(shot)
        row: dict[str, Any] = {"frame": i, "time_s": i * self.setup.frame_interval_s}
        row["physical_time_s"] = self._time_s(shot)
        for name in ("bar", "tip", "base"):
            row |= self._target_truth(name, shot, moment)
        row["tip_minus_bar_px"] = self._apart(shot, moment)
        row |= moment.truth
        row |= self._ends(shot, moment)
        row["length_px"] = row.get("length_nm", np.nan) / self.setup.scale_nm_per_px
        row["occluded"] = bool(self.shots.occluded[shot])
        row["overexposed"] = bool(self.shots.overexposed[shot])
        row["duplicate"] = bool(i and self.shots.source[i] == self.shots.source[i - 1])
        return row

    def _ends(self, shot: int, moment: Moment) -> dict[str, float]:
        """Picture positions of the root and the end of what grows."""
        ends: dict[str, float] = {}
        move = self.shots.camera_px[shot] + self.shots.stage_px[shot]
        for prefix in ("", "body1_", "body2_"):
            for name in ("root", "end"):
                u = moment.truth.get(f"{prefix}{name}_u_px")
                if u is not None:
                    x, y = self.layout.picture(u, moment.truth[f"{prefix}offset_px"])
                    ends[f"{prefix}{name}_x_px"] = x + float(move[0])
                    ends[f"{prefix}{name}_y_px"] = y + float(move[1])
        return ends

    def _target_truth(self, name: str, shot: int, moment: Moment) -> dict[str, Any]:
        now = self._point(name, shot, moment)
        turned = {"tip": moment.tip_rotation_deg, "base": moment.base_rotation_deg}.get(name, 0.0)
        hidden = self.shots.overexposed[shot] or (name == "tip" and self.shots.occluded[shot])
        start = self.points_px[name]
        return {
            f"{name}_x_px": now[0],
            f"{name}_y_px": now[1],
            f"{name}_shift_x_px": now[0] - start[0],
            f"{name}_shift_y_px": now[1] - start[1],
            f"{name}_rotation_deg": turned,
            f"{name}_visible": not hidden,
        }

    def _point(self, name: str, shot: int, moment: Moment) -> tuple[float, float]:
        """Follow the point of frame 0 that is fixed to the target."""
        x, y = self.points_px[name]
        first = int(self.shots.source[0])
        before = self._target_place(name, first, self.story.moment(first))
        after = self._target_place(name, shot, moment)
        angle = np.radians(after[2] - before[2])
        dx, dy = x - before[0], y - before[1]
        c, s = np.cos(angle), np.sin(angle)
        return (float(after[0] + c * dx - s * dy), float(after[1] + s * dx + c * dy))

    def _target_place(self, name: str, shot: int, moment: Moment) -> tuple[float, float, float]:
        """Picture position (x, y) of the target's own origin, and its rotation."""
        jitter = self.shots.camera_px[shot]
        if name == "bar":
            return (float(jitter[0]), float(jitter[1]), 0.0)
        u = moment.tip_u_px if name == "tip" else moment.base_u_px
        x, y = self.layout.picture(u, 0.0)
        move = jitter + self.shots.stage_px[shot]
        turned = moment.tip_rotation_deg if name == "tip" else moment.base_rotation_deg
        return (float(x + move[0]), float(y + move[1]), turned)

    def _apart(self, shot: int, moment: Moment) -> float:
        """Motion of tip against bar along the axis since frame 0, in the test's own direction."""
        sign = -1.0 if self.scenario.mode == "tension" else 1.0
        tip = self._point("tip", shot, moment)
        bar = self._point("bar", shot, moment)
        ax, ay = self.layout.axis.along
        dx = tip[0] - self.points_px["tip"][0] - bar[0] + self.points_px["bar"][0]
        dy = tip[1] - self.points_px["tip"][1] - bar[1] + self.points_px["bar"][1]
        return sign * (dx * ax + dy * ay)

    def _blocks(self, shot: int, moment: Moment) -> tuple[Block, Block, Block]:
        (ax, ay), (cx, cy) = self.layout.axis.along, self.layout.axis.across
        x, y, turned = self._target_place("tip", shot, moment)
        tip = place(self._tip(shot), (x, y), _turn((ax, ay), turned), _turn((cx, cy), turned))
        x, y, turned = self._target_place("base", shot, moment)
        base = place(
            self.solids["base"], (x, y), _turn((-ax, -ay), turned), _turn((cx, cy), turned)
        )
        return tip, base, self._bar(shot)

    def _tip(self, shot: int) -> Solid:
        share = self.accidents.tip_contrast_change * self.shots.changed[shot]
        if share == 0:
            return self.solids["tip"]
        tip = self.solids["tip"]
        mixed = (1 - share) * tip.pattern + share * self.other_tip.pattern
        return _with_pattern(tip, mixed.astype(np.float32))

    def _bar(self, shot: int) -> Block:
        jitter = self.shots.camera_px[shot]
        rows, columns = self.layout.shape_px
        reach_x, reach_y = self.layout.bar_px
        x = columns - 1 - reach_x if self.layout.bar_right else reach_x
        y = reach_y if self.layout.bar_top else rows - 1 - reach_y
        into = (1.0 if self.layout.bar_right else -1.0, 0.0)
        down = (0.0, 1.0 if self.layout.bar_top else -1.0)
        return place(self.solids["bar"], (x + jitter[0], y + jitter[1]), into, down)

    def _view(self, shot: int) -> View:
        move = self.shots.camera_px[shot] + self.shots.stage_px[shot]
        x, y = self.layout.picture(0.0, 0.0)
        (ax, ay), (cx, cy) = self.layout.axis.along, self.layout.axis.across
        return View(
            float(x + move[0]), float(y + move[1]), ax, ay, cx, cy,
            self.physics.film, self.patterns["film"], float(move[0]), float(move[1]),
        )  # fmt: skip

    def _bands(self, shot: int) -> Floats:
        """Bragg contours at this moment: they sweep along the body as it is loaded."""
        depth = self.accidents.bragg_contours
        if depth == 0:
            return np.zeros((0, 5))
        bands = self.bands.copy()
        bands[:, 0] += bands[:, 3] * 6 * self.shots.progress[shot]
        bands[:, 4] *= depth
        return bands

    def _spot(self, shot: int) -> tuple[float, float]:
        x, y, _ = self._target_place("tip", shot, self.story.moment(shot))
        return (x, y)

    def _time_s(self, shot: int) -> float:
        return float(shot * self.setup.frame_interval_s)

    def _label_corner(self) -> tuple[bool, bool]:
        return (not self.layout.bar_right, not self.layout.bar_top)


def build_scene(name: str, *, seed: int = 0, frames: int = 120, **settings: Any) -> Scene:
    """Return the scene of a scenario.

    Parameters
    ----------
    name : str
        One of `SCENARIOS`; hyphens and underscores are alike.
    seed : int
        Chooses everything that the settings leave open; the same seed gives the same bytes.
    frames : int
        Length of the movie.
    **settings
        Any field of `Setup`, `Physics` or `Accidents`; `dose`, `jitter` and `scale` are short for
        `dose_e_per_px`, `camera_jitter_px` and `scale_nm_per_px`.

    Raises
    ------
    ConfigError
        For an unknown scenario or setting.
    """
    if frames < 8:
        raise ConfigError(f"simulate: frames = {frames} is too few; take 8 or more")
    setup, physics, accidents = split_settings(settings)
    scenario = find_scenario(name)
    if "camera_drift_px" not in settings:
        accidents = replace(accidents, camera_drift_px=_wander_px(scenario))
    rng = np.random.default_rng([seed, 11])
    shots = take_shots(np.random.default_rng([seed, 12]), accidents, frames)
    moments = int(shots.gain.size)
    setup = _timed(scenario, setup, frames)
    layout, story = _plan(scenario, setup, physics, accidents, rng, moments)
    wide = _half_width_px(story, shots)
    flat = min(wide, 84 * layout.zoom)
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
    boxes = _boxes(scene, first, moment, rng)
    points = {name: boxes[name].centre_px for name in ("bar", "base")}
    points["tip"] = _facing_side(boxes["tip"], scene.layout.axis.along)
    if abs(scene.setup.axis_deg) > 1 or scene.accidents.tip_rotation_deg:
        x, y, _ = scene._target_place("tip", first, moment)
        points["tip"] = (round(x, 1), round(y, 1))
    constants = _constants(scene, boxes, points)
    return Scene(
        scene.name, scene.seed, scene.scenario, scene.setup, scene.physics, scene.accidents,
        scene.layout, scene.story, scene.shots, scene.solids, scene.other_tip, scene.patterns,
        scene.bands, boxes, points, constants,
    )  # fmt: skip


def _boxes(scene: Scene, shot: int, moment: Moment, rng: np.random.Generator) -> dict[str, Box]:
    layout, zoom = scene.layout, scene.layout.zoom
    move = scene.shots.camera_px[shot] + scene.shots.stage_px[shot]

    def corners(u0: float, u1: float, half: float) -> list[tuple[float, float]]:
        places = [layout.picture(u, v) for u in (u0, u1) for v in (-half, half)]
        return [(x + float(move[0]), y + float(move[1])) for x, y in places]

    wide = _half_width_px(scene.story, scene.shots)
    flat = min(wide, 84 * layout.zoom)
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


def _facing_side(box: Box, along: tuple[float, float]) -> tuple[float, float]:
    """Return the middle of the box's side that faces the specimen."""
    x, y = box.centre_px
    if abs(along[1]) >= abs(along[0]):
        return (x, box.y_px + box.height_px - 1 if along[1] < 0 else box.y_px)
    return (box.x_px if along[0] > 0 else box.x_px + box.width_px - 1, y)


def _half_width_px(story: Story, shots: Shots) -> float:
    """Largest distance of the specimen's sides from the axis, early and late."""
    last = shots.gain.size - 1
    seen = (story.moment(k) for k in (0, int(0.75 * last), last))
    return max(
        float(np.max(body.radius_px + np.abs(body.mid_px)))
        for moment in seen
        for body in moment.bodies
    )


def _constants(
    scene: Scene, boxes: dict[str, Box], points: dict[str, tuple[float, float]]
) -> dict[str, Any]:
    known = dict(scene.story.constants)
    for name in ("contact", "fracture", "bending", "max_force", "nucleation", "touch", "merge"):
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


def _with_pattern(solid: Solid, pattern: Floats) -> Solid:
    return replace(solid, pattern=pattern)


def _turn(vector: tuple[float, float], angle_deg: float) -> tuple[float, float]:
    a = np.radians(angle_deg)
    c, s = float(np.cos(a)), float(np.sin(a))
    return (c * vector[0] - s * vector[1], s * vector[0] + c * vector[1])


def _curtain(
    shape: tuple[int, ...], at: tuple[float, float], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the transmission of a dark object that hangs over a point (x, y)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    reach = shape[0] * rng.uniform(0.22, 0.3)
    far = np.hypot(x - at[0], y - at[1]) - reach * (
        1 + 0.1 * np.cos(3 * np.arctan2(y - at[1], x - at[0]))
    )
    return np.asarray(0.05 + 0.95 / (1 + np.exp(-far / 3)), dtype=np.float32)

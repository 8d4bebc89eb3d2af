"""A scene: every frame of a simulated movie and what is true in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tem_track.records import Box
from tem_track.simulate.camera import beam, burn_label, expose, to_grey
from tem_track.simulate.layout import Layout, Solid, place
from tem_track.simulate.paint import Block, View, transmission
from tem_track.simulate.scenarios import Scenario
from tem_track.simulate.settings import Accidents, Physics, Setup
from tem_track.simulate.shots import Shots
from tem_track.simulate.story import Moment, Story, pack_bodies
from tem_track.simulate.textures import Floats

__all__ = ["Scene"]


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
        before = self.target_place(name, first, self.story.moment(first))
        after = self.target_place(name, shot, moment)
        angle = np.radians(after[2] - before[2])
        dx, dy = x - before[0], y - before[1]
        c, s = np.cos(angle), np.sin(angle)
        return (float(after[0] + c * dx - s * dy), float(after[1] + s * dx + c * dy))

    def target_place(self, name: str, shot: int, moment: Moment) -> tuple[float, float, float]:
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
        x, y, turned = self.target_place("tip", shot, moment)
        tip = place(self._tip(shot), (x, y), _turn((ax, ay), turned), _turn((cx, cy), turned))
        x, y, turned = self.target_place("base", shot, moment)
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
        x, y, _ = self.target_place("tip", shot, self.story.moment(shot))
        return (x, y)

    def _time_s(self, shot: int) -> float:
        return float(shot * self.setup.frame_interval_s)

    def _label_corner(self) -> tuple[bool, bool]:
        return (not self.layout.bar_right, not self.layout.bar_top)


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


def _with_pattern(solid: Solid, pattern: Floats) -> Solid:
    return replace(solid, pattern=pattern)

"""Plain scenes drawn here, apart from the simulator: a round body between two textured blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from tem_track.records import Box, FloatArray, Frame, Image, Match

SIZE = (360, 300)
CENTRE = (150.0, 180.0)
BASE_S = -80.0
FINE = 2


@dataclass(frozen=True)
class Scene:
    """A specimen standing on its base; s runs from the centre to the tip, t across."""

    length_px: float = 150.0
    radius_px: Callable[[FloatArray], FloatArray] = lambda s: np.full_like(s, 35.0)
    middle_px: Callable[[FloatArray], FloatArray] = lambda s: np.zeros_like(s)
    gap_px: float = 0.0
    base_shift_px: float = 0.0
    drift_px: tuple[float, float] = (0.0, 0.0)
    angle_deg: float = 0.0
    mu: float | FloatArray = 0.012
    shell_px: float = 0.0
    shell_mu: float = 0.004
    hollow: bool = False
    hole_px: tuple[float, float] | None = None
    asperity_px: float = 0.0
    tip_half_px: float = np.inf
    tip_radius_px: float = np.inf
    dose: float = 150.0
    seed: int = 0


def _grid(scene: Scene) -> tuple[FloatArray, FloatArray]:
    height, width = SIZE
    step = (np.arange(FINE) + 0.5) / FINE - 0.5
    y = (np.arange(height)[:, None] + step).ravel()[:, None]
    x = (np.arange(width)[:, None] + step).ravel()[None, :]
    dx, dy = x - CENTRE[0] - scene.drift_px[0], y - CENTRE[1] - scene.drift_px[1]
    a = np.radians(scene.angle_deg)
    return dx * np.sin(a) - dy * np.cos(a), dx * np.cos(a) + dy * np.sin(a)


def _chord(radius: FloatArray, t: FloatArray) -> FloatArray:
    return 2 * np.sqrt(np.clip(np.sign(radius) * radius**2 - t**2, 0, None))


def _texture(s: FloatArray, t: FloatArray, seed: int) -> FloatArray:
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(400, 400)), 2.0)
    noise /= noise.std()
    return map_coordinates(noise, [s + 200, t + 200], order=1, mode="wrap")


def _blocks(
    s: FloatArray, t: FloatArray, base: float, tip: float, half: float = np.inf
) -> FloatArray:
    bottom = (s < base) * (0.9 + 0.15 * _texture(s - base, t, 11))
    within = np.abs(t) < half + 0.4 * (s - tip)
    top = ((s > tip) & within) * (0.9 + 0.15 * _texture(s - tip, t, 12))
    return np.asarray(bottom + top)


def draw(scene: Scene) -> Image:
    """Return the picture as 8-bit grey values, 150 where nothing absorbs."""
    s, t = _grid(scene)
    base = BASE_S + scene.base_shift_px
    along = np.clip(s - base, 0, scene.length_px)
    inside = (s > base) & (s < base + scene.length_px)
    radius = scene.radius_px(along)
    across = t - scene.middle_px(along)
    outer = _chord(radius, across)
    core = _chord(radius - scene.shell_px, across)
    depth = (
        scene.mu * (outer - core)
        if scene.hollow
        else scene.mu * core + scene.shell_mu * (outer - core)
    )
    if scene.hole_px is not None:
        depth = np.where(abs(along - scene.hole_px[0]) < scene.hole_px[1] / 2, 0.0, depth)
    tip = base + scene.length_px + scene.gap_px
    is_ball = np.isfinite(scene.tip_radius_px)
    blocks = _blocks(s, t, base, 1e4 if is_ball else tip, scene.tip_half_px)
    total = np.where(inside, depth, 0) + blocks
    if is_ball:
        behind = scene.tip_radius_px - np.hypot(s - tip - scene.tip_radius_px, t)
        total += (behind > 0) * (1.9 - 1.6 * np.exp(-np.maximum(behind, 0) / 16.0))
    knob = np.hypot(s - tip, t - 1.5 * radius.max()) < scene.asperity_px
    total = np.where(knob & (s < tip), 1.2, total)
    clean = gaussian_filter(np.exp(-total), 0.9 * FINE)
    pixels = clean.reshape(SIZE[0], FINE, SIZE[1], FINE).mean((1, 3))
    counts = np.random.default_rng(scene.seed).poisson(pixels * scene.dose)
    return np.clip(np.rint(counts * (150 / scene.dose)), 0, 255).astype(np.uint8)


def at(scene: Scene, s_px: float) -> tuple[float, float]:
    """Return the image position (x, y) of a point on the axis."""
    a = np.radians(scene.angle_deg)
    return (
        float(CENTRE[0] + scene.drift_px[0] + s_px * np.sin(a)),
        float(CENTRE[1] + scene.drift_px[1] - s_px * np.cos(a)),
    )


def found(scene: Scene, *, base_known: bool = True) -> tuple[Match, Match | None]:
    """Return exact matches of points 3 px off the tip's and 40 px inside the base's face."""
    base = BASE_S + scene.base_shift_px
    tip_x, tip_y = at(scene, base + scene.length_px + scene.gap_px - 3.0)
    base_x, base_y = at(scene, base - 40.0)
    v = 0.02**2
    match = Match(tip_x, tip_y, v, 0.0, v, 1.0)
    return match, Match(base_x, base_y, v, 0.0, v, 1.0) if base_known else None


def triple(
    scene: Scene, index: int = 0, *, base_known: bool = True
) -> tuple[Frame, Match, Match | None]:
    """Return one frame of the scene with its matches."""
    return (Frame(index, 0.1 * index, draw(scene)), *found(scene, base_known=base_known))


def specimen_box(scene: Scene) -> Box:
    """Return a hand-drawn box, some pixels off, for an upright scene."""
    _, bottom = at(scene, BASE_S + scene.base_shift_px)
    top = bottom - scene.length_px - scene.gap_px
    return Box(85.0, top - 4, 130.0, bottom - top + 8)

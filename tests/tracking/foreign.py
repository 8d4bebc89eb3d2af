"""A second drawing with other physics: thickness that rises like a wedge, a fringe, a lens's tail.

Nothing is shared with the simulator or with `scenes`: shapes are distances to edges, texture is a
random field that is moved by interpolation, the detector blurs its own noise and grey is a power
of the electrons.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from tem_track.records import Box, Frame, Reference, Target

HEIGHT, WIDTH = 320, 340
BAR_BOX = Box(225, 0, 115, 90)
TIP_BOX = Box(65, 85, 130, 95)
TIP_POINT = (130.0, 172.0)
Y, X = np.indices((HEIGHT, WIDTH)).astype(np.float32)
AROUND = 300


def _field(seed: int, *sizes: float) -> np.ndarray:
    """A random field, drawn twice as fine as the frame."""
    rng = np.random.default_rng(seed)
    whole = np.zeros((2 * HEIGHT + 2 * AROUND, 2 * WIDTH + 2 * AROUND), np.float32)
    for size in sizes:
        noise = rng.standard_normal(whole.shape).astype(np.float32)
        whole += cv2.GaussianBlur(noise, (0, 0), size) * 2 * size * math.sqrt(math.pi)
    return whole / math.sqrt(len(sizes))


FILM, GRAIN, OTHER_GRAIN = _field(1, 5, 12), _field(2, 6, 14), _field(77, 6, 14)


def _sampled(field: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    at = [np.asarray(2 * part + AROUND, np.float32) for part in (x, y)]
    return cv2.remap(field, *at, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def _wedge(inside: np.ndarray, reach: float) -> np.ndarray:
    """Thickness at a distance inside an edge, from 0 to 1."""
    return 1 - np.exp(-np.logaddexp(0, 2 * inside) / 2 / reach)


@dataclass(frozen=True)
class Pose:
    """One frame: places against the reference, blur, and how the tip looks."""

    camera: tuple[float, float] = (0.0, 0.0)
    tip: tuple[float, float] = (0.0, 0.0)
    rod: float = 0.0
    blur: float = 0.0
    inverse: bool = False
    carbon: float = 0.0
    other_grain: bool = False


@dataclass(frozen=True)
class World:
    """What stays the same in a movie."""

    dose: float = 150.0
    corner: bool = True
    rod: bool = True
    film: float = 0.03

    def mean(self, p: Pose) -> np.ndarray:
        cx, cy = p.camera
        x, y = X - cx, Y - cy
        mass = 0.1 + self.film * _sampled(FILM, x, y)
        if self.rod:
            inside = np.minimum(16 - np.abs(x - 130 + 0.05 * (y - 200)), y - 190 - p.rod)
            mass = mass + 0.9 * _wedge(inside, 6)
        u, v = x - TIP_POINT[0] - p.tip[0], y - TIP_POINT[1] - p.tip[1]
        side = (15 - 0.5 * v - np.abs(u + 0.06 * v)) / math.hypot(1, 0.5)
        inside = -np.logaddexp(-side / 1.5, v / 1.5) * 1.5
        grain = _sampled(OTHER_GRAIN if p.other_grain else GRAIN, u, v)
        mass = mass + 1.3 * _wedge(inside, 4) * np.exp(0.13 * grain)
        if p.carbon:
            layer = _wedge(np.minimum(inside + p.carbon, 6), 2)
            mass = mass + 0.25 * layer * min(1.0, p.carbon)
        bar = 62 - y if not self.corner else np.minimum(x - 255, 62 + 1.5 * np.sin(x / 9) - y)
        mass = np.asarray(mass + 4 * _wedge(bar, 3), np.float32)
        out = np.exp(-mass)
        fringe = cv2.Laplacian(cv2.GaussianBlur(mass, (0, 0), 1.2), cv2.CV_32F)
        out = out * (1 - 0.36 * fringe)
        if p.inverse:
            own = 1 - np.exp(-4 * _wedge(inside, 2))
            out = out * (1 - own) + own * (1.15 - out)
        out = np.asarray(out, np.float32)
        sharp = cv2.GaussianBlur(out, (0, 0), math.hypot(0.8, p.blur))
        return np.maximum(0.93 * sharp + 0.07 * cv2.GaussianBlur(out, (0, 0), 4 + p.blur), 1e-3)

    def frame(self, pose: Pose, seed: int) -> np.ndarray:
        electrons = np.random.default_rng(seed).poisson(self.mean(pose) * self.dose)
        seen = cv2.GaussianBlur(electrons.astype(np.float32), (0, 0), 0.45)
        return np.clip(np.rint(190 * (seen / self.dose) ** 0.85), 0, 255).astype(np.uint8)

    def movie(self, poses: list[Pose], seed: int = 1) -> list[np.ndarray]:
        return [self.frame(pose, 1000 * seed + k) for k, pose in enumerate(poses)]


def poses(n: int, seed: int = 3, tip_px: float = 12.0) -> list[Pose]:
    """A camera that jitters, and a tip that vibrates and is pushed up and released."""
    rng = np.random.default_rng(seed)
    camera = 0.6 * rng.standard_normal((n, 2))
    tip = 0.15 * rng.standard_normal((n, 2))
    tip[:, 1] -= tip_px * np.clip(np.sin(np.linspace(-0.5, math.pi, n)), 0, None)
    camera[0] = tip[0] = 0
    return [Pose(tuple(c), tuple(t), 1.8 * t[1]) for c, t in zip(camera, tip, strict=True)]


def target(name: str) -> Target:
    box, point = (BAR_BOX, BAR_BOX.centre_px) if name == "bar" else (TIP_BOX, TIP_POINT)
    return Target(name, (Reference(0, box),), point)


def sample(images: list[np.ndarray]) -> list[Frame]:
    return [Frame(k, 0.1 * k, image) for k, image in enumerate(images)]


def truth(name: str, path: list[Pose]) -> np.ndarray:
    camera = np.array([p.camera for p in path])
    return camera if name == "bar" else camera + np.array([p.tip for p in path])

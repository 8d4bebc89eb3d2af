"""Scenes drawn from smooth formulas, so that every position is exact: bar, tip, rod, film."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field

import numpy as np
from PIL import Image as Picture
from scipy.special import erf

from tem_track.records import Box, Frame, Reference, Target

HEIGHT, WIDTH = 384, 320
BAR_BOX = Box(230, 0, 90, 80)
TIP_BOX = Box(70, 90, 120, 90)
TIP_POINT = (128.0, 170.0)


@dataclass(frozen=True)
class Blobs:
    """A texture: Gaussian spots at random places, exact at any shift."""

    x: np.ndarray
    y: np.ndarray
    width: np.ndarray
    height: np.ndarray

    @classmethod
    def random(cls, seed: int, box: Box, number: int, amplitude: float, width: float = 3.0):
        rng = np.random.default_rng(seed)
        return cls(
            box.x_px + box.width_px * rng.random(number),
            box.y_px + box.height_px * rng.random(number),
            width * (0.6 + 0.8 * rng.random(number)),
            amplitude * rng.standard_normal(number),
        )

    def draw(self, dx: float = 0.0, dy: float = 0.0, turn: float = 0.0, pivot=(0.0, 0.0)):
        out = np.zeros((HEIGHT, WIDTH))
        cos, sin = math.cos(turn), math.sin(turn)
        for x, y, w, h in zip(self.x, self.y, self.width, self.height, strict=True):
            rx, ry = x - pivot[0], y - pivot[1]
            px = pivot[0] + cos * rx - sin * ry + dx
            py = pivot[1] + sin * rx + cos * ry + dy
            r = int(5 * w) + 1
            x0, x1 = max(0, int(px) - r), min(WIDTH, int(px) + r + 1)
            y0, y1 = max(0, int(py) - r), min(HEIGHT, int(py) + r + 1)
            if x0 < x1 and y0 < y1:
                gx = np.exp(-0.5 * ((np.arange(x0, x1) - px) / w) ** 2)
                gy = np.exp(-0.5 * ((np.arange(y0, y1) - py) / w) ** 2)
                out[y0:y1, x0:x1] += h * gy[:, None] * gx[None, :]
        return out


def soft(distance, width=1.2):
    """An edge of a Gaussian blur: 1 far inside (positive distance), 0 outside."""
    return 0.5 * (1 + erf(distance / (math.sqrt(2) * width)))


Y, X = np.indices((HEIGHT, WIDTH)).astype(float)


@dataclass(frozen=True)
class Motion:
    """Where everything is in one frame, against the reference."""

    camera: tuple[float, float] = (0.0, 0.0)
    stage: tuple[float, float] = (0.0, 0.0)
    tip: tuple[float, float] = (0.0, 0.0)
    rod: float = 0.0
    turn_deg: float = 0.0


@dataclass(frozen=True)
class Scene:
    """The drawing: transmission between 0 and 1, times the dose, mapped to grey."""

    dose: float = 150.0
    grey_per_dose: float = 200.0
    film: float = 0.04
    bar_edges: str = "both"
    tip_texture: float = 0.25
    label: bool = False
    tip_blobs: Blobs = field(default_factory=lambda: Blobs.random(3, TIP_BOX, 60, 1.0, 3.5))
    film_blobs: Blobs = field(
        default_factory=lambda: Blobs.random(5, Box(-40, -40, WIDTH + 80, HEIGHT + 80), 500, 1.0, 5)
    )

    def transmission(self, m: Motion) -> np.ndarray:
        cx, cy = m.camera
        sx, sy = cx + m.stage[0], cy + m.stage[1]
        tx, ty = sx + m.tip[0], sy + m.tip[1]
        out = np.exp(-0.1 + self.film * self.film_blobs.draw(sx, sy))
        rod = soft(18 - np.abs(X - 128 - sx)) * soft(Y - 186 - sy - m.rod)
        out *= np.exp(-1.2 * rod)
        out *= np.exp(-self._tip(tx, ty, math.radians(m.turn_deg)))
        bar = soft(X - 250 - cx) if self.bar_edges != "bottom" else np.ones_like(X)
        if self.bar_edges != "left":
            bar = bar * soft(60 + cy - Y)
        return out * (1 - 0.97 * bar)

    def _tip(self, tx, ty, turn):
        cos, sin = math.cos(turn), math.sin(turn)
        rx, ry = X - TIP_POINT[0] - tx, Y - TIP_POINT[1] - ty
        x = TIP_POINT[0] + cos * rx + sin * ry
        y = TIP_POINT[1] - sin * rx + cos * ry
        half = 14 + 0.45 * (170 - y)
        shape = soft(half - np.abs(x - 128), 1.4) * soft(170 - y, 1.4)
        texture = self.tip_blobs.draw(tx, ty, turn, TIP_POINT)
        return 1.5 * shape * np.exp(self.tip_texture * texture)

    def frame(self, motion: Motion, seed: int | None, gain: float = 1.0) -> np.ndarray:
        mean = self.transmission(motion) * self.dose * gain
        if seed is not None:
            mean = np.random.default_rng(seed).poisson(mean)
        grey = np.clip(np.rint(mean / self.dose * self.grey_per_dose), 0, 255).astype(np.uint8)
        if self.label:
            grey[20:32, 238:268] = 255
            grey[24:28, 242:264] = 0
        return grey


def jpeg(grey: np.ndarray, quality: int = 85) -> np.ndarray:
    """Store and read back as JPEG."""
    buffer = io.BytesIO()
    Picture.fromarray(grey).save(buffer, "JPEG", quality=quality)
    return np.asarray(Picture.open(io.BytesIO(buffer.getvalue())))


def motions(n: int, seed: int = 0, jitter: float = 0.6, tip_px: float = 12.0) -> list[Motion]:
    """Camera jitter, stage drift and vibration, and a tip that is pushed up and released."""
    rng = np.random.default_rng(seed)
    camera = jitter * rng.standard_normal((n, 2))
    camera[0] = 0
    stage = np.cumsum(0.02 * rng.standard_normal((n, 2)), axis=0)
    stage += 0.15 * rng.standard_normal((n, 2))
    stage[0] = 0
    load = np.clip(np.sin(np.linspace(-0.5, math.pi, n)), 0, None)
    return [
        Motion(tuple(camera[k]), tuple(stage[k]), (0.0, -tip_px * load[k]), -1.8 * tip_px * load[k])
        for k in range(n)
    ]


def render(scene: Scene, path: list[Motion], seed: int = 1, quality: int | None = None):
    """Draw the frames of a path."""
    frames = [scene.frame(m, seed * 100003 + k) for k, m in enumerate(path)]
    return [jpeg(f, quality) for f in frames] if quality else frames


def targets() -> list[Target]:
    bar = Target("bar", (Reference(0, BAR_BOX),), BAR_BOX.centre_px)
    tip = Target("tip", (Reference(0, TIP_BOX),), TIP_POINT)
    return [bar, tip]


def sample(images, every: int = 1) -> list[Frame]:
    return [Frame(k, 0.1 * k, im) for k, im in enumerate(images)][::every]


def truth(path: list[Motion]) -> dict[str, np.ndarray]:
    camera = np.array([m.camera for m in path])
    tip = camera + np.array([m.stage for m in path]) + np.array([m.tip for m in path])
    return {"bar": camera, "tip": tip}

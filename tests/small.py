"""A small movie without a specimen, for tests of what surrounds the measuring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, shift

HEIGHT, WIDTH = 160, 200
EXPERIMENT = """movie = '{movie}'
mode = "compression"
axis_deg = 0.0
[calibration]
scale_nm_per_px = 2.0
frame_interval_s = 0.5
[cantilever]
stiffness_N_per_m = 6.0
u_stiffness_N_per_m = 0.3
[bar]
box_px = [130, 0, 70, 60]
[tip]
box_px = [30, 50, 80, 60]
"""


def motion_px(frame: int) -> float:
    """Return how far the tip has moved up: at rest for eight frames, then in steps of 0.4 px."""
    return 0.4 * max(0, frame - 8)


def movie_frames(count: int) -> list[NDArray[np.uint8]]:
    """Draw a mottled tip that moves up beside a dark bar in the corner, with shot noise."""
    rng = np.random.default_rng(1)
    vacuum = np.full((HEIGHT, WIDTH), 150.0)
    vacuum[:45, 145:] = 20.0
    mottle = np.zeros((HEIGHT, WIDTH))
    mottle[40:100, 40:100] = -70 + 25 * gaussian_filter(rng.normal(size=(60, 60)), 2) * 6
    still, moving = gaussian_filter(vacuum, 1.0), gaussian_filter(mottle, 1.0)
    frames = []
    for i in range(count):
        clean = still + shift(moving, (-motion_px(i), 0.0), order=3)
        grey = rng.poisson(np.clip(clean, 5, 240))
        frames.append(np.clip(grey, 0, 255).astype(np.uint8))
    return frames


def write_small(folder: Path, count: int = 40, text: str = EXPERIMENT) -> Path:
    """Write movie and experiment file; return the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(folder / "small.tif", np.stack(movie_frames(count)))
    path = folder / "small.toml"
    path.write_text(text.format(movie="small.tif"), encoding="utf-8")
    return path

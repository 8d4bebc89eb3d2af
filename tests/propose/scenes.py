from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

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


def drawn(
    *,
    frames: int = 24,
    closes_px: float = 30.0,
    tip_px: float = 12.0,
    gap_px: float = 16.0,
    base: bool = True,
    bar: bool = True,
    bar_over_tip: bool = False,
    black: bool = False,
    mirrored: bool = False,
    camera_px: float = 0.0,
) -> Movie:
    """Return a movie drawn with straight edges: tip above, rod on a base below, bar at a corner.

    The base rises by `closes_px`, the tip by `tip_px` in the later part. `black` ends let nothing
    through, and no grain shows; `camera_px` is how far the picture sinks in the whole movie.
    """
    rng = np.random.default_rng(5)
    rows, columns = 420, 480
    film = gaussian_filter(rng.normal(size=(rows, columns)), 1.5) * 0.08
    thick = 1.0 + gaussian_filter(rng.normal(size=(rows, columns)), 4.0) * 2.0
    below, x = np.mgrid[:rows, :columns].astype(float)
    dense, out = (12.0 if black else 3.0), []
    for k in range(frames):
        y = below - camera_px * k / (frames - 1)
        late = max(k / (frames - 1) - 0.4, 0.0) / 0.6
        rise, lift = closes_px * min(k / (frames - 1) / 0.7, 1.0), tip_px * late
        face, foot = 140.0 - lift, 300.0 - rise
        top = max(300.0 - 160.0 + gap_px - rise, face)
        half = 45 + 0.3 * np.maximum(face - y, 0)
        matter = dense * ((y < face) & (np.abs(x - 220) < half)) * np.roll(thick, -round(lift), 0)
        matter += 0.7 * ((y >= top) & (y < foot) & (np.abs(x - 220) < 28))
        if base:
            wide = 100 + 0.8 * np.maximum(y - foot, 0)
            matter += (
                dense * ((y >= foot) & (np.abs(x - 220) < wide)) * np.roll(thick, -round(rise), 0)
            )
        if bar:
            left = 240 if bar_over_tip else 380
            matter += 12.0 * ((x >= left) & (y < 90))
        clear = gaussian_filter(np.exp(-matter) + film * (matter == 0), 0.9)
        picture = np.clip(rng.normal(20 + 170 * clear, 6), 0, 255).astype(np.uint8)
        out.append(picture[:, ::-1] if mirrored else picture)
    return open_movie(np.stack(out), frame_interval_s=0.1)

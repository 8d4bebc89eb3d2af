"""A base whose rough edge is mistaken for another stretch of itself by the first search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from tem_track.records import Box, Reference, Target
from tem_track.tracking import build_trackers, tracker

from . import scenes

X, Y = scenes.X, scenes.Y
BOX = Box(90, 225, 110, 70)
FRAMES = 24
SLID_PX = 64.0
LEAN = 0.25


def drawn() -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the base's places (n, 2), and the frames, in which it rises."""
    rng = np.random.default_rng(12)
    camera = 0.5 * rng.standard_normal((FRAMES, 2))
    camera[0] = 0
    where = camera + np.outer(np.arange(FRAMES), (0.0, -0.9))
    grid = np.arange(-50, scenes.WIDTH + 50, 0.25)
    profile = gaussian_filter1d(rng.standard_normal(grid.size), 20)
    profile *= 1.3 / profile.std()
    images = []
    for x, y in where:
        u = X - x
        rough = np.interp(u, grid, profile)
        depth = Y - y - 255 - LEAN * (u - 145) - rough
        mean = 130 * np.exp(-0.1 - 2.5 * scenes.soft(depth))
        images.append(rng.poisson(mean).clip(0, 255).astype(np.uint8))
    return where, images


def test_it_is_found_abreast_of_where_it_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    where, images = drawn()
    target = Target("base", (Reference(0, BOX),), BOX.centre_px)
    base = build_trackers({0: images[0]}, scenes.sample(images), [target])["base"]
    right = np.array([(m.x_px, m.y_px) for m in (base.locate(image) for image in images)])
    assert np.abs(right[:, 1] - BOX.centre_px[1] - where[:, 1]).max() < 0.5

    def mistaken(frame, coarse):
        return [
            replace(p, x_px=p.x_px + SLID_PX, y_px=p.y_px + LEAN * SLID_PX)
            for p in found(frame, coarse)
        ]

    found = tracker.search
    monkeypatch.setattr(tracker, "search", mistaken)
    again = [base.locate(image) for image in images]
    assert not any(m.lost for m in again)
    assert np.array([(m.x_px, m.y_px) for m in again]) == pytest.approx(right, abs=0.05)

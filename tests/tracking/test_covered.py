"""A bar of which a body that passes covers a part: followed by the rest, or given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tem_track.tracking import build_trackers

from . import scenes

Y, X = scenes.Y, scenes.X
ACROSS = (0.0, -1.0)
"""The loading axis: the bar's lower edge, at y = 60, lies across it."""
FRAMES = 40


def _pass(k: int) -> float:
    """How far a body has come, 0 to 1: it passes from frame 14 to 34."""
    return float(np.sin(np.pi * np.clip((k - 14) / 20, 0, 1)))


def from_the_left(k: int) -> np.ndarray:
    return scenes.soft(195 + 70 * _pass(k) - X - 0.2 * Y, 2.0)


def along_the_edge(k: int) -> np.ndarray:
    """An edge that runs along the bar's lower one and passes it, over all of its length."""
    return scenes.soft(Y - 150 + 110 * _pass(k))


def creeping(k: int) -> np.ndarray:
    """Likewise over a part, a fraction of a pixel a frame."""
    return scenes.soft(Y - 66 + 0.3 * max(k - 10, 0)) * scenes.soft(X - 285)


def over_all(k: int) -> np.ndarray:
    return np.full_like(X, 1.0 if 20 <= k < 24 else 0.0)


def drawn(body: Callable[[int], np.ndarray], lets_through: float, bright: bool = False):
    path, scene = scenes.motions(FRAMES, 3), scenes.Scene(film=0.0)
    rng = np.random.default_rng(9)
    images = []
    for k, motion in enumerate(path):
        mean = scene.transmission(motion) * (1 - (1 - lets_through) * body(k))
        grey = rng.poisson(150 * mean) / 150 * 200
        images.append(np.clip(220 - grey if bright else grey, 0, 255).astype(np.uint8))
    return path, images


def followed(path, images, polarity="dark", along=ACROSS):
    """Return errors and uncertainties (n, 2), NaN where the bar is lost."""
    bar = replace(scenes.targets()[0], polarity=polarity)
    tracker = build_trackers({0: images[0]}, scenes.sample(images), [bar])["bar"]
    matches = [replace(tracker, along=along).locate(image) for image in images]
    error = np.array([(m.x_px, m.y_px) for m in matches]) - scenes.truth(path)["bar"]
    u = np.sqrt([(m.xx_px2, m.yy_px2) for m in matches])
    return error - error[:12].mean(axis=0), u


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


@pytest.mark.parametrize(
    ("lets_through", "polarity"), [(0.0, "dark"), (0.2, "dark"), (0.1, "bright")]
)
def test_the_edge_that_is_left_is_followed(lets_through, polarity):
    path, images = drawn(from_the_left, lets_through, polarity == "bright")
    error, u = followed(path, images, polarity)
    covered = [k for k in range(FRAMES) if from_the_left(k)[:60, 240:].max() > 0.5]
    assert len(covered) > 8
    assert np.isfinite(error).all()
    assert rms(error[covered, 1]) < 0.05
    assert rms(error[covered, 1] / u[covered, 1]) < 1.5
    assert np.abs(error[covered, 1] / u[covered, 1]).max() < 4
    assert rms(error[covered, 0]) < 1.0  # along the edge it is known by where it usually is


def test_an_edge_that_is_left_does_not_serve_along_itself():
    path, images = drawn(from_the_left, 0.1)
    error, _ = followed(path, images, along=(1.0, 0.0))
    hidden = [k for k in range(FRAMES) if _pass(k) > 0.9]
    assert np.isnan(error[hidden]).all()


@pytest.mark.parametrize("lets_through", [0.0, 0.2])
def test_an_edge_that_passes_along_the_bars_own_is_not_followed(lets_through):
    path, images = drawn(along_the_edge, lets_through)
    error, u = followed(path, images)
    hidden = [k for k in range(FRAMES) if along_the_edge(k)[55:65].min() > 0.5]
    assert len(hidden) > 4
    assert np.isnan(error[hidden]).all()
    assert np.nanmax(np.abs(error[:, 1])) < 0.5
    assert np.nanmax(np.abs(error[:, 1] / u[:, 1])) < 3.5  # where the other edge comes and goes too
    far = [k for k in range(FRAMES) if along_the_edge(k)[:68].max() < 0.01]
    assert len(far) > 20
    assert np.max(u[far, 1]) < 0.03


def test_an_edge_that_creeps_over_a_part_of_the_bars_own_hardly_pulls():
    path, images = drawn(creeping, 0.1)
    error, u = followed(path, images)
    seen = np.isfinite(error[:, 1])
    assert seen.mean() > 0.9
    assert rms(error[seen, 1]) < 0.05
    assert rms(error[seen, 1] / u[seen, 1]) < 1.7


def test_a_bar_that_is_covered_altogether_is_lost():
    path, images = drawn(over_all, 0.05)
    error, _ = followed(path, images)
    assert np.isnan(error[20:24]).all()
    assert np.isfinite(error[:20]).all()

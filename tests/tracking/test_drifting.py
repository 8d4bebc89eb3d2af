"""A piece of dirt that drifts across the tip: it takes no edge away that most frames show."""

from __future__ import annotations

import numpy as np
import pytest

from tem_track.tracking import build_trackers
from tem_track.tracking.passing import passing

from . import scenes

X, Y = scenes.X, scenes.Y
ALONG = (0.0, -1.0)
FRAMES = 48
ABSORBS = 1.3


def dirt(k: int) -> np.ndarray:
    """A round piece that crosses the tip's end, which alone tells the place along the axis."""
    x, y = 330 - 8.0 * k, 150 + 0.4 * k
    return np.sqrt(np.clip(1 - ((X - x) / 36) ** 2 - ((Y - y) / 30) ** 2, 0, None))


def drawn() -> tuple[list[scenes.Motion], list[np.ndarray]]:
    """A blunt tip with steep flanks."""
    path = scenes.motions(FRAMES, 4)
    where = scenes.truth(path)["tip"]
    rng = np.random.default_rng(21)
    images = []
    for k, (tx, ty) in enumerate(where):
        half = 40 + 0.09 * (170 + ty - Y)
        tip = scenes.soft(half - np.abs(X - 128 - tx)) * scenes.soft(170 + ty - Y)
        mean = np.exp(-0.1 - 2.0 * tip - ABSORBS * dirt(k))
        images.append(np.clip(rng.poisson(150 * mean) / 150 * 200, 0, 255).astype(np.uint8))
    return path, images


@pytest.fixture(scope="module")
def followed() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors along the axis, their uncertainties (NaN: lost), and the part of the box covered."""
    path, images = drawn()
    (_, tip) = scenes.targets()
    tracker = build_trackers({0: images[0]}, scenes.sample(images), [tip])["tip"]
    matches = [tracker.locate(image) for image in images]
    error = np.array([m.y_px for m in matches]) - scenes.truth(path)["tip"][:, 1]
    box = (slice(90, 180), slice(70, 190))
    covered = np.array([(dirt(k)[box] > 0.2).mean() for k in range(FRAMES)])
    u = np.sqrt([m.yy_px2 for m in matches])
    return error - np.nanmedian(error[covered == 0]), u, covered


def test_the_dirt_passes_over_every_part_of_the_box(followed):
    _, _, covered = followed
    assert (covered > 0.1).sum() >= 12
    whole = np.max([dirt(k) for k in range(FRAMES)], axis=0)
    assert (whole[150:175, 75:185] > 0.2).mean() > 0.9


def test_the_tip_is_found_where_nothing_lies_over_it(followed):
    error, u, covered = followed
    free = covered == 0
    assert free.sum() >= 20
    assert np.isfinite(error[free]).all()
    assert np.median(u[free]) < 0.06
    assert np.sqrt(np.mean((error[free] / u[free]) ** 2)) < 1.6


def test_a_tip_that_is_covered_is_right_within_its_uncertainty_or_lost(followed):
    error, u, covered = followed
    some = np.isfinite(error) & (covered > 0)
    assert some.sum() >= 4
    assert np.abs(error[some]).max() < 1.0
    assert np.abs(error[some] / u[some]).max() < 4


def test_what_comes_and_stays_or_touches_and_lets_go_does_not_pass():
    covered = np.zeros((40, 10, 10), bool)
    covered[10:30, 8:, 2:8] = True
    covered[28:, :2, :] = True
    assert not passing(covered).any()
    drifting = np.zeros_like(covered)
    for k in range(20):
        drifting[10 + k, 3:6, max(0, k // 2 - 2) : k // 2 + 1] = True
    both = covered | drifting
    assert (passing(both) == drifting).all()

"""A target sharper than its pixels is not pulled towards whole ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from tem_track.records import Box, Frame, Reference, Target
from tem_track.tracking import build_trackers
from tem_track.tracking.phase import learn_phase

BOX = Box(30, 30, 60, 50)
FRAMES = 60


def undersampled(x: float, y: float, dose: float, rng: np.random.Generator) -> np.ndarray:
    """A dark corner whose edges are averaged over the pixels, and the pixels then blurred."""
    rows, columns = (np.arange(n, dtype=float) for n in (110, 120))
    below = np.clip(60.3 + y + 0.5 - rows, 0, 1)[:, None]
    beside = np.clip(62.1 + x + 0.5 - columns, 0, 1)[None]
    mean = gaussian_filter(1 - 0.9 * below * beside, 0.7, mode="nearest")
    return rng.poisson(dose * mean) / dose * 200


@pytest.fixture(scope="module")
def followed():
    rng = np.random.default_rng(5)
    shifts = rng.uniform(-1.5, 1.5, (FRAMES, 2))
    shifts[0] = 0
    images = [np.clip(undersampled(*shift, 300, rng), 0, 255).astype(np.uint8) for shift in shifts]
    target = Target("tip", (Reference(0, BOX),), BOX.centre_px)
    sample = [Frame(k, 0.1 * k, image) for k, image in enumerate(images)]
    return shifts, images, build_trackers({0: images[0]}, sample, [target])["tip"]


def measured(tracker, images, shifts):
    matches = [tracker.locate(image) for image in images]
    error = np.array([(m.x_px, m.y_px) for m in matches]) - tracker.point_px - shifts
    return error, np.sqrt([(m.xx_px2, m.yy_px2) for m in matches])


def in_step(error, shifts):
    """Return the rms (x, y) of the errors' part that goes once around in a pixel."""
    found = []
    for own, shift in zip(error.T, shifts.T, strict=True):
        angle = 2 * np.pi * shift
        waves = np.column_stack([np.ones_like(angle), np.cos(angle), np.sin(angle)])
        found.append(np.hypot(*np.linalg.lstsq(waves, own, rcond=None)[0][1:]) / np.sqrt(2))
    return np.array(found)


def test_the_pull_towards_whole_pixels_is_undone(followed):
    shifts, images, tracker = followed
    error, u = measured(tracker, images, shifts)
    pulled = replace(tracker, looks=(replace(tracker.looks[0], phase=None),))
    before, _ = measured(pulled, images, shifts)
    assert (in_step(before, shifts) > 0.015).all()
    assert (in_step(error, shifts) < 0.3 * in_step(before, shifts)).all()
    assert (np.std(error, axis=0) < 0.8 * np.std(before, axis=0)).all()
    assert np.std(error[:, 1] / u[:, 1]) < 1.15


def test_what_is_not_in_step_with_the_pixels_is_left_alone():
    rng = np.random.default_rng(2)
    places = rng.uniform(0, 5, (80, 2))
    phase = learn_phase(list(0.002 * rng.standard_normal((80, 2))), list(places))
    pulls = np.array([phase.at(*place)[0] for place in places])
    assert np.std(pulls) < 0.0006


def test_a_target_that_keeps_its_place_is_not_pulled_either_way():
    rng = np.random.default_rng(3)
    places = 7 + 0.01 * rng.standard_normal((60, 2))
    phase = learn_phase(list(0.01 * rng.standard_normal((60, 2))), list(places))
    pulls, unsure = zip(*(phase.at(*place) for place in places), strict=True)
    assert np.abs(pulls).max() < 0.004
    assert np.max(unsure) < 0.003**2


def test_few_frames_say_nothing():
    assert learn_phase([np.zeros(2)] * 5, [np.zeros(2)] * 5) is None

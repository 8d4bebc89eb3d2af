"""The base's face under a foot whose mean brightness does not show it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.special import ndtr

from tem_track.records import Axis
from tem_track.specimen.faces import find_step
from tem_track.specimen.foot import contrast_step, root_doubt
from tem_track.specimen.model import end_profile
from tem_track.specimen.roughness import measure_facing
from tem_track.specimen.strip import Grid, Strip

FACE, WIDTH, MIDDLE = 40.3, 50.0, 3.7


def _foot(darkness: float, *, at_once: float, root: float, seed: int = 1) -> Strip:
    """Draw a round rod on a base whose darkness begins at once and goes on as a root of depth."""
    fine = 4
    s = (np.arange(100 * fine) + 0.5) / fine - 0.5
    t = (np.arange(120 * fine) + 0.5) / fine - 60.5
    depth = FACE - s[:, None] + 0 * t
    chord = np.sqrt(np.clip(1 - (2 * (t - MIDDLE) / WIDTH) ** 2, 0, 1)) + 0 * s[:, None]
    mu = np.where(depth > 0, at_once + root * np.sqrt(np.maximum(depth, 0)), darkness * chord)
    grey = np.exp(-mu).reshape(100, fine, 120, fine).mean(axis=(1, 3))
    noisy = 150 * gaussian_filter(grey, 1.0)
    noisy += np.random.default_rng(seed).normal(scale=1.0, size=noisy.shape)
    return Strip(Grid(Axis(0.0), (0.0, 0.0), 0, -60, 100, 120), noisy.astype(np.float32))


@pytest.mark.parametrize("darkness", [0.67, 0.9])
def test_the_face_is_where_columns_cease_to_differ(darkness: float) -> None:
    strip = _foot(darkness, at_once=0.6, root=0.35)
    mean = find_step(end_profile(strip, MIDDLE, 17.0), strip.grid.s_px, FACE, 8.0, 1.0)
    found = contrast_step(strip, MIDDLE, WIDTH, FACE + 3.0, 9.0, 1.0)
    assert abs(found.s_px - FACE) < min(0.25, 3 * found.u_px + 0.1)
    assert found.u_px < 0.2
    assert abs(mean.s_px - FACE) > 2 * abs(found.s_px - FACE)


def test_a_root_of_depth_is_told_from_a_clear_step() -> None:
    clear = root_doubt(_foot(0.4, at_once=2.0, root=0.05), MIDDLE, WIDTH, FACE, 1.0)
    vague = root_doubt(_foot(0.9, at_once=0.6, root=0.35), MIDDLE, WIDTH, FACE, 1.0)
    assert clear < 0.1
    assert vague > 0.25


def test_too_few_columns_show_no_contrast() -> None:
    strip = _foot(0.67, at_once=0.6, root=0.35)
    assert np.isnan(contrast_step(strip, MIDDLE, 8.0, FACE, 6.0, 1.0).s_px)


@pytest.mark.parametrize("rough_px", [0.0, 0.6])
def test_a_tip_face_is_as_rough_as_it_was_drawn(rough_px: float) -> None:
    found = []
    for seed in (1, 2, 3, 4):
        rng = np.random.default_rng(seed)
        line = gaussian_filter1d(rng.normal(size=160), 3.0, mode="wrap")
        face = FACE + rough_px * line / line.std()
        s = np.arange(100.0)[:, None]
        grey = 150 - 120 * ndtr((s - face) / 1.0) + rng.normal(scale=1.0, size=(100, 160))
        strip = Strip(Grid(Axis(0.0), (0.0, 0.0), 0, -80, 100, 160), grey.astype(np.float32))
        found.append(measure_facing(strip, MIDDLE, 120.0, FACE, 1.0))
    usual = float(np.mean([r.rms_px for r in found]))
    assert usual == pytest.approx(rough_px, abs=0.15)
    if rough_px:
        assert np.mean([r.length_px for r in found]) == pytest.approx(10.6, rel=0.4)
    assert max(r.u_mean_px(50.0) for r in found) < 0.5

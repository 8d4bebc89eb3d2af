"""Whether what a mean look shows under the surface is a layer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from tem_track.specimen.growing_look import Grain, Look
from tem_track.specimen.growing_sides import layer_gain
from tem_track.specimen.profile import Profile

LIMIT = 16.0  # of chi-square: four u
RADIUS_PX, MU, STEP_PX = 26.0, 0.019, 0.05


def _look(layer_px: float, ratio: float, fringe: float, width_px: float, seed: int) -> Look:
    """Draw a rod's mean look: chords in glass of two kinds, blur, and a defocus fringe."""
    u = np.arange(-40.0, RADIUS_PX, STEP_PX)
    u = np.concatenate([u, 2 * RADIUS_PX - u[::-1]])
    away = u - RADIUS_PX
    outer, core = (
        2 * np.sqrt(np.maximum(r**2 - away**2, 0.0)) for r in (RADIUS_PX, RADIUS_PX - layer_px)
    )
    light = np.exp(-MU * (core + ratio * (outer - core)))
    light = gaussian_filter1d(light, 1.2 / STEP_PX, mode="nearest")
    light += fringe * (light - gaussian_filter1d(light, width_px / STEP_PX, mode="nearest"))
    at = np.arange(-9.75, 26.0, 0.5)
    count = np.full(len(at), 300.0)
    clean = np.interp(at, u, light)
    noise = np.sqrt(2e-3 * clean / count) * np.random.default_rng(seed).standard_normal(len(at))
    return Look(at, clean + noise, count, RADIUS_PX, 500.0)


def _profile(ratio: float) -> Profile:
    return Profile("shell", MU, 1.2, shell_px=4.0, shell_ratio=ratio)


@pytest.mark.parametrize("ratio", [1.15, 1.25])
def test_the_fringe_of_a_bare_body_is_no_layer(ratio: float) -> None:
    look = _look(0.0, 1.0, 0.1, 5.0, seed=1)
    assert layer_gain(look, _profile(ratio), Grain(share=(0.0,) * 4)) < LIMIT


@pytest.mark.parametrize("fringe", [0.0, 0.1])
@pytest.mark.parametrize("ratio", [0.45, 0.75, 1.3])
def test_a_layer_is_one_beside_a_fringe_too(ratio: float, fringe: float) -> None:
    look = _look(4.0, ratio, fringe, 3.0, seed=2)
    assert layer_gain(look, _profile(ratio), Grain(share=(0.0,) * 4)) > 2 * LIMIT

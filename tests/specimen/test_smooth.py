from __future__ import annotations

import numpy as np
import pytest

from tem_track.specimen.smooth import cornered, smooth_curve


def _noisy(truth: np.ndarray, seed: int) -> np.ndarray:
    return truth + np.random.default_rng(seed).normal(0.0, 1.5, truth.size)


@pytest.mark.parametrize("seed", range(3))
def test_a_crystals_corners_are_not_rounded(seed: int) -> None:
    x = np.arange(52.0)
    truth = np.minimum(np.minimum(240.0, 150.0 + 6.0 * x), 150.0 + 6.0 * (51.0 - x))
    values, good = _noisy(truth, seed), np.ones(52, dtype=bool)
    values[20] += 30.0
    smooth = smooth_curve(values, good)
    lines = cornered(values, good, smooth)
    assert lines is not smooth
    assert np.abs(lines.value - truth).max() < 2.5
    assert np.sqrt(np.mean((lines.value - truth) ** 2)) < 0.5 * np.sqrt(
        np.mean((smooth.value - truth) ** 2)
    )
    assert lines.value[26] - truth[26] == pytest.approx(0.0, abs=4 * lines.u[26])


def test_the_uncertainty_of_lines_with_corners_holds() -> None:
    x = np.arange(52.0)
    truth = np.minimum(np.minimum(240.0, 150.0 + 6.0 * x), 150.0 + 6.0 * (51.0 - x))
    good = np.ones(52, dtype=bool)
    found = []
    for seed in range(60):
        values = _noisy(truth, 100 + seed)
        lines = cornered(values, good, smooth_curve(values, good, caution=1.2), 1.2)
        found.append((lines.value[26] - truth[26], lines.u[26], lines.value.max() - 240.0))
    error, u, above = np.array(found).T
    assert 0.7 < np.std(error / u) < 1.3
    assert 0.0 < np.mean(above) < 0.5


@pytest.mark.parametrize("seed", range(3))
def test_a_ball_keeps_its_curve(seed: int) -> None:
    s = np.linspace(-0.97, 0.97, 52)
    values, good = _noisy(230.0 * np.sqrt(1 - s**2), seed), np.ones(52, dtype=bool)
    smooth = smooth_curve(values, good, 10.0)
    assert cornered(values, good, smooth) is smooth

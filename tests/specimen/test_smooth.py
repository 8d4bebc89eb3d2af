from __future__ import annotations

import numpy as np
import pytest

from tem_track.specimen.finding import jumps_at_tip
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


@pytest.mark.parametrize("unseen", [slice(33, 38), slice(30, 38), slice(16, 22)])
def test_what_leads_over_bands_that_were_not_seen_is_as_unsure_as_it_says(unseen: slice) -> None:
    n, rng, ratio = 38, np.random.default_rng(2), []
    x, good = np.linspace(-1, 1, n), np.ones(n, dtype=bool)
    good[unseen] = False
    for _ in range(150):
        truth = 15.0 * (1 - x**2) + 3.0 * rng.normal() * np.sin(2.3 * x + 2.0 * rng.normal())
        values = np.where(good, truth + rng.normal(0.0, 0.6, n), 1e3)
        curve = smooth_curve(values, good)
        ratio.append(((curve.value - truth) / curve.u)[unseen])
        assert curve.u[unseen].max() > 1.1 * curve.u[good].min()
    assert 0.6 < np.sqrt(np.mean(np.square(ratio))) < 1.3


def test_an_asperity_widens_a_band_and_a_bow_does_not() -> None:
    s = np.arange(2.0, 150.0, 4.0)
    middle = 15.0 * np.sin(np.pi * s / 150.0)
    edges = np.column_stack([middle - 15.0, middle + 15.0])
    assert not jumps_at_tip(edges, s, 0.0, 150.0).any()
    edges[-3:, 0] -= 25.0
    assert np.flatnonzero(jumps_at_tip(edges, s, 0.0, 150.0)).tolist() == [34, 35, 36]

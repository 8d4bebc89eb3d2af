"""A tilted grid samples a picture where it says, not at the nearest of a few places."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from tem_track.specimen.resampling import resampled

PICTURE = gaussian_filter(np.random.default_rng(1).normal(100, 30, (60, 50)), 2).astype(np.float32)


def moved(x_px: float, y_px: float) -> np.ndarray:
    matrix = np.array([[1, 0, 5 + x_px], [0, 1, 5 + y_px]])
    return resampled(PICTURE, matrix, (40, 30), math.nan).astype(float)


@pytest.mark.parametrize("step", [0.01, 0.1, 0.25, 0.4])
def test_a_parabola_is_sampled_where_it_is_asked(step: float) -> None:
    y, x = np.mgrid[:20, :30].astype(np.float32)
    parabola = (x - 12) ** 2 + 2 * (y - 9) ** 2
    matrix = np.array([[1, 0, 4 + step], [0, 1, 5 - step]])
    seen = resampled(parabola, matrix, (10, 20), math.nan)
    true = (x[:10, :20] + step - 8) ** 2 + 2 * (y[:10, :20] - step - 4) ** 2
    np.testing.assert_allclose(seen, true, atol=1e-4)


def test_whole_places_give_the_pixels_and_turned_grids_turn() -> None:
    np.testing.assert_array_equal(moved(0, 0), PICTURE[5:45, 5:35])
    quarter = resampled(PICTURE, np.array([[0, 1, 5], [-1, 0, 40]]), (30, 20), math.nan)
    np.testing.assert_allclose(quarter, PICTURE[40:20:-1, 5:35].T, atol=1e-4)


def test_what_is_not_there_is_said() -> None:
    shown = resampled(PICTURE, np.array([[1, 0, -3.0], [0, 1, 0.0]]), (60, 50), -1.0)
    assert np.all(shown[:, :4] == -1)
    assert np.all(shown[2:-2, 5:] > 0)

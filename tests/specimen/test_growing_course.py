"""A layer's slow course by all frames together."""

from __future__ import annotations

import numpy as np

from tem_track.specimen.growing_course import layer_course


def _seen(thickness: np.ndarray, noise_px: float, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time = np.linspace(0.0, 600.0, len(thickness))
    value = thickness + noise_px * rng.standard_normal(len(thickness))
    return np.column_stack([time, value, np.full(len(time), noise_px)])


def test_both_ends_of_a_rising_layer_are_where_they_are() -> None:
    true = np.linspace(2.0, 7.0, 90)
    course = layer_course(_seen(true, 0.4))
    assert np.abs(course[:, 1] - true).max() < 0.4
    assert abs(float(course[:5, 1].mean() - true[:5].mean())) < 0.25
    assert abs(float(course[-5:, 1].mean() - true[-5:].mean())) < 0.25
    assert 0.3 < float(np.median(course[:, 2])) < 0.5


def test_a_single_frame_far_off_does_not_bend_the_course() -> None:
    true = np.full(60, 4.0)
    seen = _seen(true, 0.2)
    seen[30, 1] += 8.0
    assert np.abs(layer_course(seen)[:, 1] - true).max() < 0.3


def test_the_noisier_frames_say_less() -> None:
    true = np.full(60, 4.0)
    seen = _seen(true, 0.1)
    seen[::3, 1] += 1.0
    seen[::3, 2] = 5.0
    assert np.abs(layer_course(seen)[:, 1] - true).max() < 0.2


def test_too_few_frames_tell_nothing() -> None:
    seen = _seen(np.full(20, 4.0), 0.2)
    seen[7:, 1] = np.nan
    assert layer_course(seen).shape == (0, 3)

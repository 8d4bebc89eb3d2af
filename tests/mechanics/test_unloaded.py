"""A ball's length before contact, against what contact tells of it."""

from __future__ import annotations

import numpy as np

from tem_track.mechanics.unloaded import bounded_length, u_shared

LENGTH, N, FIRST, STEP = 230.0, 60, 16, 1.25


def _movie(
    seed: int, u_pole: float = 0.5, noise: float = 0.04
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return lengths, u and gaps: a pole that all frames before contact misplace alike."""
    rng = np.random.default_rng(seed)
    first = FIRST - rng.uniform()
    rows = np.arange(N)
    apart = LENGTH + STEP * np.maximum(first - rows, 0.0) - 0.9 * np.maximum(rows - first, 0.0)
    is_open = rows < first
    apart = apart + rng.normal(scale=noise, size=N)
    pole = LENGTH + rng.normal(scale=u_pole) + rng.normal(scale=0.05, size=N)
    length = np.where(is_open, np.minimum(pole, apart - 0.05), apart)
    u = np.where(is_open, u_pole, noise)
    return length, u, np.where(is_open, apart - length, 0.0)


def test_contact_bounds_the_length_before_it_and_u_stays_honest() -> None:
    before, held = np.arange(FIRST), np.arange(FIRST, N)
    old, new, pull = [], [], []
    for seed in range(200):
        length, u, gap = _movie(seed)
        moved, u_moved = bounded_length(length, u, gap, before, held)
        old.append(np.median(length[before]) - LENGTH)
        new.append(np.median(moved[before]) - LENGTH)
        pull.append(new[-1] / np.median(u_moved[before]))
        assert np.array_equal(moved[held], length[held])
        assert np.array_equal(u_moved[held], u[held])
        assert (u_moved <= u).all()
    assert np.std(new) < 0.75 * np.std(old)
    assert 0.8 < np.std(pull) < 1.25
    assert abs(np.mean(new)) < 0.1


def test_bounds_that_contradict_a_sure_length_are_not_believed() -> None:
    length, u, gap = _movie(3, u_pole=0.02)
    apart = length + gap
    length[:FIRST], gap[:FIRST] = LENGTH - 5.0, apart[:FIRST] - LENGTH + 5.0
    moved, u_moved = bounded_length(length, u, gap, np.arange(FIRST), np.arange(FIRST, N))
    assert np.allclose(moved, length)
    assert (u_moved >= 0.9 * u).all()


def test_what_frames_do_not_scatter_by_they_share() -> None:
    rng = np.random.default_rng(1)
    alone = rng.normal(scale=0.5, size=(50, 20))
    u = np.full(20, 0.5)
    assert np.mean([u_shared(values, u) for values in alone]) < 0.1
    assert abs(u_shared(0.1 * alone[0], u) - 0.5) < 0.02
    assert u_shared(alone[0, :2], u[:2]) == 0.0

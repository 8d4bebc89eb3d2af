"""A score is low against its own movie, not against a number."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tem_track.scores import unusually_low


@pytest.mark.parametrize("level", [0.55, 0.98])
def test_a_score_far_below_the_movies_own_level_is_low(level: float) -> None:
    score = level + 0.005 * np.sin(np.arange(40.0))
    assert not unusually_low(score).any()
    score[[7, 30]] = level - 0.3, math.nan
    assert np.flatnonzero(unusually_low(score)).tolist() == [7]


def test_a_small_drop_is_none_however_quiet_the_others_are() -> None:
    score = np.full(40, 0.9)
    score[5] = 0.8
    assert not unusually_low(score).any()


def test_a_drop_within_the_usual_scatter_is_none() -> None:
    score = 0.6 + 0.1 * np.sin(np.arange(40.0))
    score[5] = 0.4
    assert not unusually_low(score).any()


def test_four_scores_tell_no_level() -> None:
    assert not unusually_low(np.array([0.9, 0.9, 0.9, 0.1])).any()
    assert unusually_low(np.array([0.9, 0.9, 0.9, 0.9, 0.1])).tolist() == [False] * 4 + [True]

"""A stage that jumps takes the bar with it; what is pushed to and fro goes its way step by step."""

from __future__ import annotations

import numpy as np
import pytest

from tem_track.propose.bar import BarCandidate, judged

FRAMES = 40


def candidate(way: np.ndarray) -> BarCandidate:
    """Return the black corner of pictures in which it goes a way (frames, 2), as a candidate."""
    rng = np.random.default_rng(2)
    pictures = np.clip(rng.normal(1.0, 0.02, (FRAMES, 120, 140)), 0, 1.2).astype(np.float32)
    for picture, (x, y) in zip(pictures, np.round(way).astype(int), strict=True):
        picture[80 + y :, : 50 + x] = 0.02
    return judged(pictures, pictures[0] < 0.5)


def test_a_bar_that_jumps_with_the_stage_is_one() -> None:
    way = np.zeros((FRAMES, 2))
    way[14:] += (11, -9)
    way[27:] += (-15, 5)
    assert candidate(way).quality > 0.6


@pytest.mark.parametrize("back", [1, 5])
def test_what_is_pushed_is_none(back: int) -> None:
    pushed = np.interp(np.arange(FRAMES), [6, 26, 26 + back], [0, 15, 0])
    assert candidate(pushed[:, None] * (0.0, -1.0)).quality < 0.3

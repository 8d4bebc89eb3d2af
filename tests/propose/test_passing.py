"""A box of the bar leaves out what something else passes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tem_track.propose.bar import bar_candidates
from tem_track.propose.passing import never_passed

UPWARD = (0.0, -1.0)
FRAMES, BAR_LEFT, BAR_TOP = 20, 90, 100


def pictures(base_right: NDArray[np.float64]) -> NDArray[np.float32]:
    """A bar in the lower right corner, and a base that comes to a column in every frame."""
    rng = np.random.default_rng(3)
    clear = rng.normal(1.0, 0.02, (FRAMES, 140, 160))
    columns, rows = np.arange(160), np.arange(140)[:, None]
    for picture, right in zip(clear, base_right, strict=True):
        picture[(rows > 80) & (columns < right)] *= 0.15
        picture[BAR_TOP:, BAR_LEFT:] *= 0.01
    return np.clip(clear, 0, 1.2).astype(np.float32)


def box_of(clear: NDArray[np.float32]) -> tuple[float, float, float, float] | None:
    bar = max(bar_candidates(clear), key=lambda one: one.quality)
    return never_passed(clear, bar, (BAR_LEFT - 2.0, BAR_TOP - 2.0, 160.0, 140.0), UPWARD)


def test_where_nothing_passes_the_box_stays_whole() -> None:
    assert box_of(pictures(np.full(FRAMES, 60.0))) is None


def test_what_passes_a_corner_is_left_to_the_tracker() -> None:
    assert box_of(pictures(np.linspace(50, BAR_LEFT + 6, FRAMES))) is None


def test_what_passes_half_of_the_bar_is_left_out() -> None:
    farthest = 125
    box = box_of(pictures(np.linspace(50, farthest, FRAMES)))
    assert box is not None
    x0, y0, x1, y1 = box
    assert farthest - 4 <= x0 <= farthest + 6
    assert (y0, x1, y1) == (BAR_TOP - 2.0, 160.0, 140.0)


def test_a_bar_that_is_passed_wholly_has_no_better_part() -> None:
    assert box_of(pictures(np.linspace(50, 158, FRAMES))) is None

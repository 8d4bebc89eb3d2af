"""Parts of a picture are followed by what they show, not by where nothing is shown."""

from __future__ import annotations

import numpy as np
import pytest

from tem_track.propose.motion import follow


@pytest.mark.parametrize("hidden", [False, True])
def test_clipped_black_is_no_place_for_a_dark_tip(hidden: bool) -> None:
    rng = np.random.default_rng(3)
    pictures = np.clip(rng.normal(0.6, 0.03, (6, 160, 120)), 0, 1).astype(np.float32)
    for k, picture in enumerate(pictures):
        picture[: 50 + 2 * k, 40:80] = 0.0
        picture[110 - 4 * k :] = 0.0
    shown = np.ones(pictures.shape[1:], dtype=bool)
    shown[:20, :30] = not hidden
    found = follow(pictures, (24, 12, 96, 54), reach=(12, 100), shown=shown)
    assert found.moved[:, 1] == pytest.approx(2.0 * np.arange(6), abs=0.5)

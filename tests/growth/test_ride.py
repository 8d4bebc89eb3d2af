"""Where a body grows, told from marks that are drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tem_track.specimen.growing_ride import Texture, pattern_ride

WIDTH = 40


def looks(
    share: float, *, grain: float = 0.05, film: float = 0.0, noise: float = 0.01,
    denser: float = 1.0,
) -> list[Texture]:  # fmt: skip
    """Frames of a body that grows by 8 px each, its grain moving by a share of that."""
    rng = np.random.default_rng(5)
    marks, behind, aside = (_grain(rng) for _ in range(3))
    found = []
    for k in range(16):
        top, rows = 80 + 8 * k, 60 + 8 * k
        s = np.arange(rows)
        inside = grain * marks[(s - round(8 * share * k)) % 600] + denser * film * behind[s]
        beside = film * aside[s]
        inside, beside = (x + noise * rng.standard_normal(x.shape) for x in (inside, beside))
        found.append(Texture(0.0, float(top), inside, beside, 0, 100))
    return found


def _grain(rng: np.random.Generator) -> np.ndarray:
    fine = rng.standard_normal((600, WIDTH))
    for _ in range(4):
        fine = (fine + np.roll(fine, 1, 0) + np.roll(fine, 1, 1) + np.roll(fine, -1, 0)) / 4
    return fine / fine.std()


@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize("film", [0.0, 0.03])
def test_the_pattern_tells_root_from_tip(share: float, film: float) -> None:
    found = pattern_ride(looks(share, film=film))
    assert found is not None
    assert found[0] == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize("film", [0.0, 0.03])
def test_without_marks_nothing_is_said(film: float) -> None:
    assert pattern_ride(looks(0.0, grain=0.0, film=film)) is None
    assert pattern_ride(looks(1.0)[:3]) is None


def test_a_film_that_is_denser_behind_the_body_is_no_mark() -> None:
    """It is another piece of film than that beside; all frames show the same two pieces."""
    assert pattern_ride(looks(1.0, grain=0.0, film=0.03, denser=1.1)) is None
    assert pattern_ride(looks(0.0, grain=0.0, film=0.0, noise=0.03)) is None

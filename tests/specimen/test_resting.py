"""What frames say together of something that stays."""

import numpy as np
import pytest

from tem_track.specimen.resting import at_rest, weighed


def test_frames_that_agree_are_averaged() -> None:
    rng = np.random.default_rng(1)
    errors, z = [], []
    for _ in range(300):
        rest = at_rest(200.0 + rng.normal(0, 0.3, 8), np.full(8, 0.3))
        errors.append(rest.value_px - 200.0)
        z.append(errors[-1] / rest.u_frame_px)
    assert np.std(errors) == pytest.approx(0.3 / np.sqrt(8), rel=0.15)
    assert 0.75 < np.std(z) < 1.15


def test_frames_that_differ_keep_their_own() -> None:
    """A specimen that slowly changes: a mean would hide it."""
    heights = 200.0 + np.linspace(-3, 3, 12)
    rest = at_rest(heights, np.full(12, 0.1))
    assert rest.spread_px > 1.5
    value, _ = weighed(203.0, 0.1, rest)
    assert value > 201.3


def test_one_stray_moves_nothing() -> None:
    heights = np.array([200.0, 200.2, 199.9, 194.6, 200.1])
    rest = at_rest(heights, np.full(5, 0.2))
    assert abs(rest.value_px - 200.05) < 0.02
    assert rest.spread_px == 0.0


def test_a_value_far_off_is_another_one() -> None:
    rest = at_rest(np.array([200.0, 200.2, 199.8]), np.full(3, 0.2))
    assert weighed(197.0, 0.2, rest) == (197.0, 0.2)


def test_a_value_is_weighed_by_how_sure_either_is() -> None:
    rest = at_rest(np.array([199.8, 200.0, 200.2, 200.0]), np.full(4, 0.2))
    value, u = weighed(200.3, 0.3, rest)
    assert 200.0 < value < 200.1
    assert u < rest.u_px
    unsure, _ = weighed(200.3, 0.3, rest, u_place_px=0.5)
    assert unsure > value


def test_what_all_frames_have_in_common_stays() -> None:
    rest = at_rest(200.0 + np.tile([-0.3, 0.3], 200), np.full(400, 0.3), alike=0.25)
    _, u = weighed(200.0, 0.3, rest)
    assert u == pytest.approx(0.15, rel=0.05)

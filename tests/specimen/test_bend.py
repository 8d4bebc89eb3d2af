"""The form in which a specimen bends."""

from __future__ import annotations

import numpy as np
import pytest

from tem_track.records import FloatArray
from tem_track.specimen.bend import Midline, bow_weights, learn_bend
from tem_track.specimen.smooth import smooth_curve

BANDS, BAND_PX = 70, 4.0
LENGTH_PX = BANDS * BAND_PX


def arch(share: FloatArray) -> FloatArray:
    return np.asarray(0.6 * np.sin(np.pi * share) + 0.4 * np.sin(np.pi * share) ** 2)


def frame(rng: np.random.Generator, bow_px: float) -> Midline:
    """A leaning midline that bends, with the outermost bands left out beside both faces."""
    s = np.arange(4.5, LENGTH_PX - 4.0, BAND_PX)
    share = s / LENGTH_PX
    line = 3.0 + 2.0 * share + bow_px * arch(share) + 0.3 * rng.standard_normal(len(s))
    return Midline(s, line, np.ones(len(s), dtype=bool), (0.0, LENGTH_PX), 2.0)


def test_frames_tell_together_in_which_form_a_specimen_bends() -> None:
    rng = np.random.default_rng(2)
    true = np.linspace(0.0, 30.0, 20)
    frames = [frame(rng, bow) for bow in true]
    bend = learn_bend(frames)
    assert bend is not None
    found, alone = [], []
    for one in frames:
        weights = bow_weights(one.s_px, *one.faces_px)
        bow, bent = bend.of(one)
        rest = smooth_curve(one.middle_px - bent, one.good)
        found.append(bow + float(weights @ rest.value))
        alone.append(float(weights @ smooth_curve(one.middle_px, one.good).value))
    slope = np.polyfit(true, np.array(found) - true, 1)[0]
    assert abs(slope) < 0.006  # 0.2 px of the largest bow
    assert np.std(found - true) < 0.8 * np.std(alone - true)


def test_a_straight_specimen_has_no_form_of_bending_and_few_frames_tell_none() -> None:
    rng = np.random.default_rng(3)
    assert learn_bend([frame(rng, 0.05 * k) for k in range(20)]) is None
    assert learn_bend([frame(rng, 5.0 * k) for k in range(5)]) is None


def test_a_frame_of_few_bands_is_left_as_it_is() -> None:
    rng = np.random.default_rng(4)
    bend = learn_bend([frame(rng, 1.5 * k) for k in range(20)])
    assert bend is not None
    one = frame(rng, 10.0)
    few = Midline(one.s_px, one.middle_px, one.s_px < 30.0, one.faces_px, one.caution)
    bow, bent = bend.of(few)
    assert bow == 0.0
    assert bent == pytest.approx(np.zeros(len(one.s_px)))

"""The unevenness of a width that the specimen carries along."""

from __future__ import annotations

import numpy as np
import pytest

from tem_track.records import FloatArray
from tem_track.specimen.form import Widths, learn_form
from tem_track.specimen.smooth import smooth_curve

BANDS, BAND_PX = 60, 4.0


def uneven(share: FloatArray) -> FloatArray:
    return np.asarray(0.6 * np.sin(2 * np.pi * 2.5 * share))


def frame(rng: np.random.Generator, squeezed: float, *, neck_px: float = 0.0) -> Widths:
    """A barrelled cylinder as wide as its volume asks for, uneven in its own matter, with noise."""
    length = BANDS * BAND_PX * (1 - squeezed)
    s = np.arange(2.0, length, BAND_PX)
    share = s / length
    width = 100.0 / np.sqrt(1 - squeezed) + 40 * squeezed * share * (1 - share) + uneven(share)
    width -= neck_px * np.exp(-0.5 * ((share - 0.5) / 0.03) ** 2)
    width += 0.5 * rng.standard_normal(len(s))
    return Widths(s, width, np.ones(len(s), dtype=bool), (0.0, length), 2.0)


def test_frames_tell_together_what_the_specimen_carries_along() -> None:
    rng = np.random.default_rng(3)
    form = learn_form([frame(rng, 0.2 * k / 20) for k in range(20)], 1e3)
    assert form is not None
    inner = (form.share > 0.05) & (form.share < 0.95)
    error = (form.value_px - uneven(form.share))[inner]
    assert np.std(error) < 0.2  # of 0.42 rms
    assert (form.u_px[inner] > 0.01).all()


def test_a_neck_of_some_frames_is_no_form() -> None:
    """It is 12 px deep in the last frame, and a stiff curve leaves much of it over."""
    plain = learn_form(necking(0.0), 1e3)
    form = learn_form(necking(3.0), 1e3)
    assert plain is not None
    assert form is not None
    assert form.value_px == pytest.approx(plain.value_px, abs=0.3)


def necking(px_a_frame: float) -> list[Widths]:
    rng = np.random.default_rng(4)
    return [frame(rng, 0.01 * k, neck_px=max(0.0, px_a_frame * (k - 15))) for k in range(20)]


def test_a_smooth_specimen_has_none_and_few_frames_tell_nothing() -> None:
    rng = np.random.default_rng(5)
    frames = [frame(rng, 0.0) for _ in range(20)]
    smooth = [
        Widths(f.s_px, f.width_px - uneven(f.share), f.good, f.faces_px, f.caution) for f in frames
    ]
    form = learn_form(smooth, 1e3)
    assert form is not None
    assert np.std(form.value_px) < 0.15
    assert learn_form(frames[:5], 1e3) is None


def test_a_pulled_specimen_s_frames_lean_on_the_form_they_share() -> None:
    """Its taper is in the form, and a frame's width beside a face is read from all of them."""
    rng = np.random.default_rng(6)
    frames = [frame(rng, -0.004 * k) for k in range(20)]
    alone = learn_form(frames, 0.1)
    form = learn_form(frames, 0.1, 1e-2, 0.1)
    assert alone is not None
    assert form is not None
    scatter = []
    for one in (alone, form):
        ends = [
            smooth_curve(f.width_px - one.at(f.share)[0], f.good, 0.1, level=one.level).value[0]
            + one.at(f.share)[0][0]
            for f in frames
        ]
        scatter.append(np.std(np.diff(ends)))
    assert scatter[1] < 0.8 * scatter[0]
    assert (form.u_px > 0.05).all()

"""A picture with many pixels is outlined like the same one with few."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from tem_track.records import Axis, Box, FloatArray, Frame, Match
from tem_track.specimen import prepare_specimen, reduction
from tem_track.specimen.reduction import blocks_for, reduced, reduced_match
from tests.specimen.scenes import Scene, specimen_box, triple

TIMES = 3


def _up(match: Match) -> Match:
    """Return the match in a picture whose pixels were each drawn `TIMES` by `TIMES` times."""
    shift = (TIMES - 1) / 2
    v = TIMES**2
    return replace(
        match,
        x_px=match.x_px * TIMES + shift,
        y_px=match.y_px * TIMES + shift,
        xx_px2=match.xx_px2 * v,
        xy_px2=match.xy_px2 * v,
        yy_px2=match.yy_px2 * v,
    )


def _large(item: tuple[Frame, Match, Match | None]) -> tuple[Frame, Match, Match | None]:
    frame, tip, base = item
    image = np.repeat(np.repeat(frame.image, TIMES, axis=0), TIMES, axis=1)
    return replace(frame, image=image), _up(tip), None if base is None else _up(base)


def test_three_times_the_pixels_give_three_times_the_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scenes = [Scene(gap_px=max(12.0 - 3 * k, 0.0), seed=k) for k in range(6)]
    box = specimen_box(scenes[0])
    monkeypatch.setattr(reduction, "_USUAL_PX", box.width_px)
    sample = [triple(scene, k) for k, scene in enumerate(scenes)]
    options = {"shape": "rod", "mode": "compression", "axis": Axis(0.0)}
    small = prepare_specimen(sample[0], iter(sample), box, **options)
    many = [_large(item) for item in sample]
    large_box = Box(*(TIMES * side for side in box.as_tuple()))
    large = prepare_specimen(many[0], iter(many), large_box, **options)
    assert (small.blocks, large.blocks) == (1, TIMES)
    for few, lots in zip(sample, many, strict=True):
        one = small.outline(few[0].image, *few[1:])
        other = large.outline(lots[0].image, *lots[1:])
        for name in ("length_px", "diameter_mid_px", "gap_px", "u_length_px", "bow_px"):
            assert getattr(other, name) == pytest.approx(
                TIMES * getattr(one, name), rel=1e-3, abs=0.02
            )
        assert other.volume_px3 == pytest.approx(TIMES**3 * one.volume_px3, rel=1e-3)
        shift = (TIMES - 1) / 2
        np.testing.assert_allclose(other.left_px, one.left_px * TIMES + shift, atol=0.05)
        np.testing.assert_allclose(other.tip_face_px, np.array(one.tip_face_px) * TIMES + shift,
                                   atol=0.02)  # fmt: skip


def test_a_place_keeps_its_place() -> None:
    image = np.zeros((14, 17), np.uint16)
    image[4:8, 8:12] = 1000
    small = reduced(image, 4)
    assert small.shape == (3, 4)
    assert small[1, 2] == 1000.0
    assert small.sum() == 1000.0
    match = reduced_match(Match(9.5, 5.5, 0.16, 0.0, 0.16, 1.0), 4)
    assert (match.x_px, match.y_px, match.xx_px2) == (2.0, 1.0, 0.01)


def test_specimens_of_usual_size_are_taken_as_they_are() -> None:
    assert blocks_for(Box(0, 0, 260, 400), Axis(0.0)) == 1
    assert blocks_for(Box(0, 0, 1000, 1600), Axis(0.0)) == 3
    assert blocks_for(Box(0, 0, 1600, 900), Axis(90.0)) == 3


def test_balls_are_averaged_by_their_size_and_not_by_their_shorter_side() -> None:
    assert blocks_for(Box(0, 0, 300, 240), Axis(0.0), is_long=False) == 1
    assert blocks_for(Box(0, 0, 560, 450), Axis(0.0), is_long=False) == 2


def _resized(item: tuple[Frame, Match, Match | None], k: float) -> tuple[Frame, Match, Match]:
    frame, tip, base = item
    assert base is not None
    image = cv2.resize(frame.image, None, fx=k, fy=k, interpolation=cv2.INTER_CUBIC)
    moved = [replace(m, x_px=k * m.x_px + (k - 1) / 2, y_px=k * m.y_px + (k - 1) / 2)
             for m in (tip, base)]  # fmt: skip
    return replace(frame, image=image), moved[0], moved[1]


def _ball(s: FloatArray) -> FloatArray:
    return np.sqrt(np.maximum(55.0**2 - (np.asarray(s) - 50.0) ** 2, 1.0))


@pytest.mark.parametrize("k", [1.0, 2.8])
def test_a_ball_drawn_larger_is_larger_by_as_much(k: float) -> None:
    """Its box, drawn as much farther off its faces, needs a wider search and a wider piece."""
    scenes = [
        Scene(length_px=100.0, radius_px=_ball, gap_px=max(12.0 - 3 * i, 0.0), seed=i)
        for i in range(7)
    ]
    sample = [_resized(triple(scene, i), k) for i, scene in enumerate(scenes)]
    box = specimen_box(scenes[0])
    drawn = Box(*(k * side for side in (box.x_px, box.y_px, box.width_px, box.height_px + 3)))
    model = prepare_specimen(
        sample[0], iter(sample), drawn, shape="particle", mode="compression", axis=Axis(0.0)
    )
    assert np.isfinite(model.vacuum)
    for frame, tip, base in sample[4:]:
        seen = model.outline(frame.image, tip, base)
        assert seen.length_px / k == pytest.approx(100.0, abs=0.6)
        assert seen.diameter_max_px / k == pytest.approx(110.0, abs=1.5)

"""Frames that a recorder has spoilt, and a bar that chance would lead along its own edge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tem_track.records import Axis, Box, Reference, Target
from tem_track.tracking import build_trackers, require_axis
from tem_track.tracking.coarse import Reduced
from tem_track.tracking.defects import Defects, Speckles
from tem_track.tracking.fit import Fit
from tem_track.tracking.gather import Gathering, frame_checksum
from tem_track.tracking.growing import _Grown, _turns_better
from tem_track.tracking.reasons import COMBED, OVER_EXPOSED
from tem_track.tracking.structure import without_chance
from tem_track.tracking.template import Template

from . import scenes

Y, X = scenes.Y, scenes.X


def two_fields(even: np.ndarray, odd: np.ndarray) -> np.ndarray:
    frame = even.copy()
    frame[1::2] = odd[1::2]
    return frame


def test_a_frame_of_two_fields_is_lost_where_the_target_has_moved_between_them():
    scene, path = scenes.Scene(film=0.0, dose=100), scenes.motions(25)
    images = scenes.render(scene, path)
    tip = build_trackers({0: images[0]}, scenes.sample(images), scenes.targets()[1:])["tip"]
    moved = [
        scene.frame(scenes.Motion(tip=(0, -way)), 100 + k)
        for k, way in enumerate((0, 0.5, 2, 3, 5))
    ]
    still, slow, *fast = (tip.locate(two_fields(moved[0], other)) for other in moved)
    assert still.y_px == pytest.approx(tip.point_px[1], abs=0.1)
    assert slow.y_px == pytest.approx(tip.point_px[1] - 0.25, abs=0.1)
    assert [match.lost for match in fast] == [True] * 3
    assert COMBED in {match.reason for match in fast}


def base_frames(n: int, exposure: float, seed: int = 4) -> list[np.ndarray]:
    """A counter electrode that comes up and whose darkness grows with its depth."""
    rng = np.random.default_rng(seed)
    images = []
    for k in range(n):
        depth = Y - 250 + 1.5 * k - 3 * np.sin(X / 17) - 2 * np.sin(X / 7 + 1)
        through = np.exp(-(0.6 + np.clip(depth, 0, None) / 22) * scenes.soft(depth))
        grey = rng.poisson(120 * exposure * through) / 120 * 160
        images.append(np.clip(grey + 8, 0, 255).astype(np.uint8))
    return images


def test_an_over_exposed_frame_is_lost_and_a_brighter_one_is_not():
    images = base_frames(25, 1.0)
    box = Box(60, 235, 200, 100)
    target = Target("base", (Reference(0, box),), box.centre_px)
    base = build_trackers({0: images[0]}, scenes.sample(images), [target])["base"]
    burnt = [base.locate(image) for times in (4, 6, 8) for image in base_frames(1, times)]
    assert all(match.lost for match in burnt)
    assert OVER_EXPOSED in {match.reason for match in burnt}
    (brighter,) = (base.locate(image) for image in base_frames(1, 1.3))
    assert brighter.y_px == pytest.approx(base.point_px[1], abs=0.1)


def test_a_bar_that_seems_to_wander_along_its_edge_is_held_in_its_place():
    """A body over one of its edges leaves it to chance where along the other the bar is found."""
    path = scenes.motions(25)
    images = scenes.render(scenes.Scene(film=0.0, bar_edges="bottom"), path)
    (target,) = scenes.targets()[:1]
    shown = Gathering(target, {0: images[0]})
    for image in images[1:]:
        shown.add(image, shown.look_at(Reduced(image), frame_checksum(image)))
    (own,), rng = shown.looks, np.random.default_rng(2)
    for crop in own.crops:
        crop.start = (crop.start[0] + 9 * rng.standard_normal(), crop.start[1])
    bar = build_trackers({0: images[0]}, scenes.sample(images), [target])["bar"]
    bare = replace(bar.looks[0], chance=None, apart_px2=np.zeros((2, 2)))
    led, held = (without_chance(own, bare, is_bar=is_bar) for is_bar in (False, True))
    assert led.chance.wander_px > 5
    assert held.chance.wander_px < 1.5
    places = [replace(bar, looks=(held,)).locate(image) for image in images]
    truth = scenes.truth(path)["bar"] + bar.point_px
    error = np.array([(m.x_px, m.y_px) for m in places]) - truth
    u_x = np.sqrt([m.xx_px2 for m in places])
    assert np.std([m.x_px for m in places]) < 0.01
    assert (np.abs(error[:, 0] - np.median(error[:, 0])) < 3 * u_x).all()
    assert np.std(error[:, 1]) < 0.05
    require_axis(replace(bar, looks=(held,)), Axis(8.0), "bar")


def test_hot_and_dead_pixels_do_not_hold_the_bar():
    """Its dark hardly varies, so that one hot pixel outweighs the bar's edges."""
    path = scenes.motions(30)
    images = scenes.render(scenes.Scene(film=0.0, dose=120), path, seed=6)
    rng = np.random.default_rng(8)
    rows, columns = (rng.integers(0, side, 300) for side in images[0].shape)
    for image in images:
        image[rows[::2], columns[::2]] = 255
        image[rows[1::2], columns[1::2]] = 0
    (target,) = scenes.targets()[:1]
    bar = build_trackers({0: images[0]}, scenes.sample(images), [target])["bar"]
    assert bar.defects is not None
    assert len(bar.defects.rows) < 310
    error = np.array([(m.x_px, m.y_px) for m in map(bar.locate, images)])
    error -= scenes.truth(path)["bar"] + bar.point_px
    assert np.std(error, axis=0).max() < 0.04


def test_a_spark_in_one_frame_and_a_label_are_no_defect_that_matters():
    images = scenes.render(scenes.Scene(film=0.0, dose=120, label=True), scenes.motions(20), seed=7)
    images[5][100:300:7, 50:200:9] = 255
    speckles = Speckles()
    for image in images:
        speckles.add(image)
    found = speckles.defects()
    assert found is None or (found.rows < 40).all()


def test_noise_that_a_codec_copies_is_no_defect_and_a_glaring_pixel_is():
    """Blocks that do not change are copied from frame to frame, and their noise with them."""
    rng = np.random.default_rng(9)
    noise = 120 + 8 * rng.standard_normal((2, 160, 160))
    images = [np.clip(noise[k // 20], 0, 255).astype(np.uint8) for k in range(40)]
    copied, hot = Speckles(), Speckles()
    for image in images:
        copied.add(image)
        with_hot = image.copy()
        with_hot[40, 70] = 255
        hot.add(with_hot)
    assert copied.defects() is None
    found = hot.defects()
    assert found is not None
    assert (found.rows.tolist(), found.columns.tolist()) == ([40], [70])


def test_the_median_of_eight_neighbours_mends_a_pixel_at_the_border_too():
    image = np.arange(100, dtype=np.uint8).reshape(10, 10)
    image[0, 4], image[5, 5] = 255, 255
    mended = Defects(np.array([0, 5]), np.array([4, 5])).mended(image)
    assert mended[5, 5] == 55
    assert mended[0, 4] == int(np.median([3, 255, 5, 3, 5, 13, 14, 15]))
    assert image[5, 5] == 255


def grown(turns, likeness: float, kept: float) -> _Grown:
    fits = [
        Fit(0, 0, turn, 0, 1, 1, likeness, np.diag([1e4, 1e4, 1e7]), 0, 1)
        for turn in np.broadcast_to(turns, 20)
    ]
    mask = np.arange(100 * 100).reshape(100, 100) < kept * 1e4
    state = Template((50, 50), (100, 100))
    state.mask = mask
    return _Grown(state, [], fits, {})


@pytest.mark.parametrize(
    ("likeness", "kept", "better"),
    [(0.975, 0.97, True), (0.976, 0.80, True), (0.974, 0.80, False), (0.98, 0.70, False)],
)
def test_a_turn_has_to_explain_more_than_none_does(likeness, kept, better):
    """A vignette that wanders over a tip spreads the turns that are fitted, and wins nothing."""
    still = grown(0.0, 0.975, 0.80)
    turning = grown(np.linspace(-0.01, 0.01, 20), likeness, kept)
    assert _turns_better(turning, still) is better

"""The trackers on a second drawing, with accidents: they follow, or say that they do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tem_track.analysis.learning import carried_over
from tem_track.tracking import build, build_trackers, changed, choose, lasting
from tem_track.tracking.information import slopes_at_rest
from tem_track.tracking.outward import brighter_side

from . import foreign

N = 40


def followed(name, path, images):
    """Return the tracker, the errors (n, 2) and their uncertainties."""
    target = foreign.target(name)
    tracker = build_trackers({0: images[0]}, foreign.sample(images), [target])[name]
    found = choose([tracker.locate(image) for image in images])
    places = np.array([(m.x_px, m.y_px) for m in found])
    u = np.sqrt([(m.xx_px2, m.yy_px2) for m in found])
    return tracker, places - tracker.point_px - foreign.truth(name, path), u


def rms(values):
    return np.sqrt(np.nanmean(np.square(values), axis=0))


@pytest.mark.parametrize("name", ["bar", "tip"])
@pytest.mark.parametrize("blur", [1.5, 6.0])
def test_blurred_frames_are_followed_or_lost_and_sharp_ones_measured(name, blur):
    rng = np.random.default_rng(5)
    soft = rng.random(N) < 0.4
    soft[0] = False
    path = [
        replace(p, blur=blur * rng.uniform(0.7, 1.3) if s else 0.0)
        for p, s in zip(foreign.poses(N), soft, strict=True)
    ]
    _, error, u = followed(name, path, foreign.World().movie(path))
    assert not np.isnan(error[~soft]).any()
    assert (rms(error[~soft] - error[~soft].mean(axis=0)) < 0.08).all()
    assert (rms(error[soft] / u[soft]) < 2).all()
    assert np.nanmedian(u[soft]) > 1.1 * np.median(u[~soft])


@pytest.mark.parametrize("at", [15, 25])
def test_a_tip_whose_grey_is_inverted_for_good_is_carried_over_and_said(at):
    path = [replace(p, inverse=k >= at) for k, p in enumerate(foreign.poses(N))]
    tracker, error, u = followed("tip", path, foreign.World().movie(path))
    assert len(tracker.found_frames) == 1
    assert tracker.found_frames[0] >= at
    assert not np.isnan(error).any()
    assert (np.abs(error[at:].mean(axis=0)) < 2.5 * np.median(u[at:], axis=0)).all()
    assert (u[at:].max(axis=0) < 1).all()
    (warning,) = carried_over({"tip": tracker})
    assert "[[tip.reference]]" in warning


def test_trackers_without_found_frames_warn_of_nothing():
    path = foreign.poses(12)
    tracker, _, _ = followed("bar", path, foreign.World().movie(path))
    assert carried_over({"bar": tracker}) == ()


def test_carbon_that_grows_on_a_tip_stands_in_its_uncertainty():
    clean = foreign.poses(N)
    path = [replace(p, carbon=max(0, k - 10) / 10) for k, p in enumerate(clean)]
    world = foreign.World(rod=False)
    _, error, u = followed("tip", path, world.movie(path))
    _, _, u_clean = followed("tip", clean, world.movie(clean))
    assert rms(error[11:, 1] / u[11:, 1]) < 3
    assert np.median(u[25:, 1]) > 2 * np.median(u_clean[25:, 1])


def test_copies_of_a_frame_count_once():
    path = foreign.poses(20)
    images = foreign.World().movie(path)
    path, images = [path[0]] * 20 + path, [images[0]] * 20 + images
    for name in ("bar", "tip"):
        _, error, _ = followed(name, path, images)
        assert (rms(error) < 0.12).all()


def test_a_tip_that_has_partly_left_the_frame_is_measured():
    left = 12
    path = [
        replace(p, tip=(p.tip[0] - 110 * (k >= left), p.tip[1]))
        for k, p in enumerate(foreign.poses(24))
    ]
    _, error, u = followed("tip", path, foreign.World(rod=False).movie(path))
    assert np.isnan(error[left:, 0]).mean() < 0.2
    assert (rms(error[left:]) < 0.25).all()
    assert np.nanmedian(u[left:]) > np.median(u[:left])


def test_along_one_straight_edge_the_uncertainty_is_honest():
    path = foreign.poses(N)
    _, error, u = followed("bar", path, foreign.World(corner=False, film=0.0).movie(path))
    assert rms(error[:, 0] / u[:, 0]) < 2.5
    assert rms(error[:, 1]) < 0.06
    assert np.median(u[:, 1]) < 0.06


def test_a_bar_that_the_tip_touches_in_the_reference_frame_is_kept():
    path = [
        replace(p, tip=(p.tip[0] + 62, p.tip[1] - 5 * min(max(k - 6, 0), 33 - k) * (6 < k < 33)))
        for k, p in enumerate(foreign.poses(N, tip_px=0))
    ]
    _, error, _ = followed("bar", path, foreign.World(rod=False).movie(path))
    assert not np.isnan(error).any()
    assert rms(error[:, 1] - error[:, 1].mean()) < 0.08


@pytest.mark.parametrize(
    ("at", "new"),
    [(28, {"carbon": 3.0}), (20, {"carbon": 5.0}), (20, {"other_grain": True})],
)
def test_a_look_that_changes_at_once_is_learnt_anew_though_nothing_is_lost(at, new):
    path = [replace(p, **new) if k >= at else p for k, p in enumerate(foreign.poses(N))]
    tracker, error, u = followed("tip", path, foreign.World(rod=False).movie(path))
    assert len(tracker.found_frames) == 1
    assert tracker.found_frames[0] >= at
    assert (rms(error[:at] / u[:at]) < 1.5).all()
    assert (rms(error[at:] / u[at:]) < 2).all()
    assert (rms(error[at:]) < 0.3).all()
    (warning,) = carried_over({"tip": tracker})
    assert "[[tip.reference]]" in warning


def test_a_change_that_cannot_be_laid_over_stands_in_the_uncertainty(monkeypatch):
    monkeypatch.setattr(build, "is_carried_on", lambda *_: False)
    path = [replace(p, other_grain=k >= 20) for k, p in enumerate(foreign.poses(N))]
    tracker, error, u = followed("tip", path, foreign.World().movie(path))
    assert tracker.found_frames == ()
    assert tracker.change is not None
    assert tracker.change.frame == 20
    assert (rms(error / u) < 2).all()
    (warning,) = carried_over({"tip": tracker})
    assert "at frame 20" in warning


def test_what_lies_behind_or_comes_slowly_is_no_change_at_once():
    noise = np.random.default_rng(3).normal(size=(40, 200))
    look = np.random.default_rng(4).normal(size=200)
    still = np.zeros((40, 2))
    at_once = noise + np.outer(np.arange(40) >= 17, look)
    assert lasting._step(at_once, still, 50.0)[0] == 17
    assert lasting._step(noise + np.outer(np.linspace(0, 1, 40), look), still, 50.0) is None
    jump = still + 30.0 * (np.arange(40) >= 17)[:, None]
    assert lasting._step(at_once, jump, 50.0) is None
    assert lasting._step(at_once, still, 400.0) is None


def test_a_change_in_a_few_last_frames_stands_in_the_uncertainty():
    path = [replace(p, carbon=5.0 if k >= 36 else 0.0) for k, p in enumerate(foreign.poses(N))]
    _, error, u = followed("tip", path, foreign.World(rod=False).movie(path))
    assert rms(error[36:, 1]) > 1
    assert rms(error[36:, 1] / u[36:, 1]) < 2
    assert np.median(u[:36, 1]) < 0.1


def test_residuals_of_a_motion_read_as_that_motion_and_those_of_a_layer_as_its_pull():
    images = foreign.World(rod=False).movie(foreign.poses(N))
    tracker = build_trackers({0: images[0]}, foreign.sample(images), [foreign.target("tip")])["tip"]
    pattern = tracker.looks[0].pattern
    moves = changed.Moves.of(pattern)
    _, slopes = slopes_at_rest(pattern, (0.0, 0.0), False)
    read = np.array([(moves.influence * slope).sum(axis=(1, 2)) for slope in slopes])
    assert np.allclose(read, np.eye(2), atol=1e-3)
    assert np.allclose([moves.outwards_px(slope) for slope in slopes], 0, atol=1e-3)
    nx, ny = (part[8:-8, 8:-8] for part in brighter_side(pattern))
    wider = -(nx * slopes[0] + ny * slopes[1])
    assert np.allclose(moves.outwards_px(wider), moves.pull, atol=1e-3)
    assert np.abs(moves.pull).max() > 0.5
    assert np.allclose(moves.apart_px2(3 * wider), 9 * moves.apart_px2(wider), rtol=1e-3)

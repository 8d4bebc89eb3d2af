"""The trackers against drawn scenes whose truth is exact."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from tem_track.tracking import build_trackers, choose

from . import scenes


@pytest.fixture(scope="module")
def movie():
    path = scenes.motions(60)
    return path, scenes.render(scenes.Scene(dose=150), path, quality=90)


@pytest.fixture(scope="module")
def trackers(movie):
    _, images = movie
    return build_trackers({0: images[0]}, scenes.sample(images), scenes.targets())


def positions(tracker, images):
    found = choose([tracker.locate(image) for image in images])
    return np.array([(m.x_px, m.y_px) for m in found])


def test_tip_minus_bar_is_right_with_generous_boxes(movie, trackers):
    path, images = movie
    truth = scenes.truth(path)
    error = {name: positions(t, images) - t.point_px - truth[name] for name, t in trackers.items()}
    along = (error["tip"] - error["bar"])[:, 1]
    assert np.std(along) < 0.045
    assert abs(np.mean(along)) < 0.15


def test_the_reference_frame_is_the_origin(movie, trackers):
    _, images = movie
    for tracker in trackers.values():
        match = tracker.locate(images[0])
        assert (match.x_px, match.y_px) == pytest.approx(tracker.point_px, abs=1e-3)


def test_a_tracker_survives_pickling_and_order(movie, trackers):
    _, images = movie
    tracker = trackers["tip"]
    again = pickle.loads(pickle.dumps(tracker))
    forward = [tracker.locate(image) for image in images[:8]]
    backward = [again.locate(image) for image in images[7::-1]][::-1]
    assert forward == backward


def test_a_uniform_frame_is_lost(movie, trackers):
    _, images = movie
    for grey in (0, 128, 255):
        match = trackers["tip"].locate(np.full_like(images[0], grey))
        assert match.lost
        assert np.isnan(match.x_px)
        assert match.reason

"""What `init` says of movies in which something of a test is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tem_track.frames import Movie
from tem_track.propose import propose
from tem_track.propose.compose import _believed_axis, _warnings
from tem_track.propose.find import Scene, understand
from tem_track.propose.glance import look
from tem_track.propose.motion import Track, axis_of_motion
from tem_track.propose.proposal import NAMES, Part
from tem_track.records import Box
from tests.propose.scenes import drawn

SAYINGS = (
    "hardly moves against the bar: no contact",
    "hardly move against the bar: nothing seems to be loaded",
    "a gap stays between the specimen and an end",
    "no base visible",
    "no specimen between a tip and a counter electrode was recognised",
)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, []),
        ({"closes_px": 8.0, "tip_px": 0.0}, [0]),
        ({"closes_px": 0.0, "tip_px": 0.0}, [1]),
        ({"closes_px": 12.0, "tip_px": 5.0}, [2]),  # the tip only drifts
        ({"base": False}, [3, 4]),
        ({"base": False, "closes_px": 0.0}, [3, 4]),
    ],
)
def test_contact_and_base_are_said_to_be_missing_where_they_are(
    settings: dict[str, Any], said: list[int]
) -> None:
    found = propose(drawn(**settings), mode="compression")
    heard = [i for i, words in enumerate(SAYINGS) if any(words in w for w in found.warnings)]
    assert heard == said
    if 3 in said:
        assert found.missing == ("bar", "tip", "specimen", "base")


def test_a_drifting_camera_is_no_contact() -> None:
    moved = drawn(closes_px=8.0, tip_px=0.0, camera_px=14.0)
    found = propose(moved, mode="compression")
    assert any(SAYINGS[0] in words for words in found.warnings)
    assert found.part("bar").found


def test_a_bar_that_leaves_the_picture_is_followed() -> None:
    found = propose(drawn(camera_px=-20.0), mode="compression")
    tip, base = (dict(found.travel_px)[name] for name in ("tip", "base"))
    assert tip == pytest.approx(12, abs=2)
    assert base == pytest.approx(30, abs=3)  # without the outermost tenth


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_bar_that_the_tip_lies_over_is_told_by_its_still_edges(side: str) -> None:
    found = propose(
        drawn(bar_over_tip=True, black=True, mirrored=side == "left"), mode="compression"
    )
    bar = found.part("bar")
    assert bar.box is not None
    assert bar.found
    assert bar.box.y_px + bar.box.height_px == pytest.approx(90, abs=10)
    inner = bar.box.x_px if side == "right" else 480 - bar.box.x_px - bar.box.width_px
    assert 240 <= inner <= 310  # it begins behind the tip, which ends there


def test_nothing_is_a_bar_where_all_edges_move() -> None:
    found = propose(drawn(bar=False, black=True), mode="compression")
    assert not found.part("bar").found


def test_nothing_is_said_of_what_is_not_found() -> None:
    scene = made_scene(drawn(closes_px=12.0, tip_px=5.0))
    parts = {name: Part(name, Box(0, 0, 9, 9), 0.9) for name in NAMES}
    settled = replace(scene, travel=(9.0, 9.0))
    movie = drawn()
    assert any(SAYINGS[2] in w for w in _warnings(settled, parts, movie, "compression"))
    unseen = parts | {"specimen": replace(parts["specimen"], confidence=0.2)}
    said = _warnings(settled, unseen, movie, "compression")
    assert not any(SAYINGS[2] in w for w in said)
    assert any(SAYINGS[4] in w for w in said)
    still = replace(scene, travel=(0.0, 9.0))
    assert any(SAYINGS[0] in w for w in _warnings(still, parts, movie, "compression"))
    no_bar = parts | {"bar": replace(parts["bar"], confidence=0.2)}
    assert not any(SAYINGS[0] in w for w in _warnings(still, no_bar, movie, "compression"))


def test_an_axis_is_no_surer_than_what_it_was_found_from() -> None:
    scene = made_scene(drawn())
    parts = {name: Part(name, Box(0, 0, 9, 9), 0.9) for name in NAMES}
    assert _believed_axis(scene, parts).axis is not None
    no_tip = parts | {"tip": replace(parts["tip"], confidence=0.1)}
    assert _believed_axis(scene, no_tip).axis is None
    doubted = _believed_axis(replace(scene, quality=0.35), parts)
    assert doubted.confidence <= 0.5


def test_without_a_bar_the_camera_gives_no_axis() -> None:
    still = Track(np.zeros((20, 2)), np.ones(20))
    swaying = Track(np.c_[5 * np.sin(np.arange(20)), np.zeros(20)], np.ones(20))
    both = Track(swaying.moved.copy(), np.ones(20))
    assert axis_of_motion(both, swaying, np.zeros((20, 2)), (1.0, 0.0)) is not None
    assert axis_of_motion(both, swaying, None, (1.0, 0.0)) is None
    assert axis_of_motion(still, swaying, None, (1.0, 0.0)) is not None


def made_scene(movie: Movie) -> Scene:
    scene = understand(look(movie), "compression")
    assert scene is not None
    return scene

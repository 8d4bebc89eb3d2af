"""What `init` says of movies in which something of a test is missing."""

from __future__ import annotations

from typing import Any

import pytest

from tem_track.propose import propose
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

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tifffile

from tem_track.frames import open_movie
from tem_track.propose import propose
from tem_track.propose.proposal import SURE
from tem_track.records import Mode, Polarity
from tests.propose.scenes import made, overlap
from tests.recordings import recording

CASES: list[tuple[str, dict[str, Any]]] = [
    ("rod_compression", {}),
    ("rod_compression", {"orientation": "left"}),
    ("rod_compression", {"polarity": "bright"}),
    ("sphere_compression", {}),
    ("particle_compression", {}),
    ("pillar_compression", {"orientation": "down"}),
    ("hollow_sphere_compression", {}),
    ("rod_tension", {}),
    ("rod_bending", {"flicker": 0.05}),
    ("approach", {}),
    ("drift", {}),
    ("growth", {}),
    ("rod_compression", {"axis_deg": -30.0}),
]


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_finds_what_was_drawn(name: str, settings: dict[str, Any]) -> None:
    scene, movie = made(name, **settings)
    truth = scene.constants
    found = propose(movie, mode=truth["mode"], polarity=truth["polarity"])
    for part in found.parts:
        assert overlap(part.box, scene.boxes[part.name]) >= 0.5, part
        assert part.confidence >= 0.35, part
    assert found.shape.shape == truth["shape"]
    assert found.axis.axis is not None
    off = (found.axis.axis.angle_deg - truth["axis_deg"] + 180) % 360 - 180
    assert abs(off) <= 2
    assert found.scale_bar is not None
    assert found.scale_bar.length_px * truth["scale_nm_per_px"] == pytest.approx(200, abs=2)


def test_same_movie_same_proposal() -> None:
    _, movie = made("rod_compression")
    assert propose(movie, mode="compression") == propose(movie, mode="compression")


def test_turned_by_a_quarter_the_boxes_turn_too() -> None:
    _, movie = made("rod_compression")
    upright = propose(movie, mode="compression")
    stack = np.stack([np.rot90(frame.image) for frame in movie])
    turned = propose(open_movie(stack), mode="compression")
    columns = upright.size_px[1]
    for name in ("tip", "specimen", "base"):
        before, after = upright.part(name).box, turned.part(name).box
        assert before is not None
        assert after is not None
        expected = (before.y_px, columns - before.x_px - before.width_px)
        assert (after.x_px, after.y_px) == pytest.approx(expected, abs=9)


def test_without_a_bar_none_is_claimed() -> None:
    scene, movie = made("rod_compression")
    box = scene.boxes["bar"]
    x0, y0 = int(box.x_px) - 8, max(int(box.y_px) - 8, 0)
    rows, columns = slice(y0, y0 + int(box.height_px) + 16), slice(x0, None)
    frames = np.stack([frame.image for frame in movie])
    rng = np.random.default_rng(1)
    vacuum = rng.normal(np.median(frames[:, 300:400, -80:]), 12, frames[:, rows, columns].shape)
    frames[:, rows, columns] = np.clip(vacuum, 0, 255).astype(frames.dtype)
    found = propose(open_movie(frames), mode="compression")
    assert found.part("bar").box is None
    assert "draw [bar]" in found.part("bar").note
    assert overlap(found.part("tip").box, scene.boxes["tip"]) >= 0.5


def test_one_frame_is_enough_to_look() -> None:
    scene, movie = made("rod_compression")
    found = propose(open_movie(movie[0].image[np.newaxis].copy()), mode="compression")
    assert overlap(found.part("specimen").box, scene.boxes["specimen"]) >= 0.5


def test_an_empty_picture_is_nothing() -> None:
    noise = np.random.default_rng(0).poisson(150, (5, 128, 160)).clip(0, 255).astype(np.uint8)
    found = propose(open_movie(noise), mode="compression")
    assert found.missing == ("bar", "tip", "specimen", "base")
    assert "was recognised" in found.warnings[-1]


RECORDINGS = ["micropillar/movie.tif", "camera_avi/100_0306.AVI", "camera_avi/MVI_4823.AVI"]


@pytest.mark.parametrize("name", RECORDINGS)
@pytest.mark.parametrize("mode", ["compression", "growth"])
def test_other_movies_are_not_taken_for_a_test(name: str, mode: Mode) -> None:
    found = propose(open_movie(recording(name)), mode=mode)
    assert found.missing == ("bar", "tip", "specimen", "base")
    assert found.shape.shape is None
    assert found.axis.axis is None
    assert "was recognised" in found.warnings[-1]


def test_inverted_a_tissue_between_bars_is_at_most_unsure() -> None:
    movie = open_movie(recording("micropillar/movie.tif"))
    found = propose(movie, mode="growth", polarity="bright")
    assert all(part.confidence < SURE for part in found.parts)


@pytest.mark.parametrize("polarity", ["dark", "bright"])
def test_a_gold_ligament_is_not_taken_for_a_test(polarity: Polarity) -> None:
    files = sorted((recording("gold_ligament") / "frames").glob("*.tif"))
    movie = open_movie(np.stack([tifffile.imread(file) for file in files]))
    found = propose(movie, mode="tension", polarity=polarity)
    assert found.missing == ("bar", "tip", "specimen", "base")


@pytest.mark.parametrize("name", ["stack_66.dm4", "stack_3.mrc", "64x64x5_TEM_preview_1.ser"])
def test_small_files_of_microscopes_are_nothing(name: str) -> None:
    pytest.importorskip("rsciio", reason="the extra em is not installed")
    found = propose(open_movie(recording(f"em_formats/{name}")), mode="compression")
    assert found.missing == ("bar", "tip", "specimen", "base")

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
import tomlkit

from tem_track.config import load_experiment
from tem_track.errors import ConfigError, MovieError
from tem_track.propose import (
    Given,
    Proposal,
    complete_like,
    init_experiment,
    like,
    preview,
    propose,
    start,
)
from tem_track.propose.glance import look
from tem_track.propose.labels import find_writing
from tem_track.propose.proposal import SURE
from tem_track.propose.reading import length_in_nm
from tem_track.propose.writing import may_stay_out, unanswered
from tem_track.records import Mode, Polarity
from tests.propose.scenes import made, overlap


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("movies")
    _, movie = made("rod_compression")
    tifffile.imwrite(folder / "rod one.tif", np.stack([frame.image for frame in movie]))
    return folder


def test_the_file_is_taken_as_it_is(folder: Path) -> None:
    scene, _ = made("rod_compression")
    given = Given(scale_nm_per_px=2.0, stiffness_N_per_m=6.0, frame_interval_s=0.1)
    path = folder / "sub" / "rod.toml"
    begun = init_experiment(folder / "rod one.tif", mode="compression", given=given, output=path)
    assert begun.open_keys == ()
    experiment = load_experiment(path)
    assert experiment.movie_path.resolve() == (folder / "rod one.tif").resolve()
    assert experiment.calibration.scale_nm_per_px == 2.0
    assert experiment.specimen is not None
    assert experiment.specimen.shape == "rod"
    assert overlap(experiment.specimen.box, scene.boxes["specimen"]) > 0.5
    picture = cv2.imread(str(begun.preview))
    assert picture is not None
    assert picture.shape[1] == 640


def test_bright_objects_are_found_without_being_asked_for(tmp_path: Path) -> None:
    scene, movie = made("rod_compression", polarity="bright")
    tifffile.imwrite(tmp_path / "bright.tif", np.stack([frame.image for frame in movie]))
    news: list[tuple[str, int, int]] = []
    begun = init_experiment(
        tmp_path / "bright.tif", mode="compression", progress=lambda *told: news.append(told)
    )
    assert {stage for stage, _, _ in news} == {"look"}
    assert news[-1][1] == news[-1][2] > 1
    assert begun.proposal.polarity == "bright"
    assert any("bright" in warning for warning in begun.warnings)
    for part in begun.proposal.parts:
        assert overlap(part.box, scene.boxes[part.name]) > 0.5


def views(dark: dict[str, float], bright: dict[str, float]) -> Any:
    """Return a stand-in for `propose` that finds parts with these confidences."""
    _, movie = made("rod_compression")
    found = propose(movie, mode="compression")

    def stand_in(
        _movie: Any, *, mode: Mode, polarity: Polarity = "dark", progress: Any = None
    ) -> Proposal:
        sure = {"dark": dark, "bright": bright}[polarity]
        parts = tuple(replace(part, confidence=sure[part.name]) for part in found.parts)
        return replace(found, mode=mode, polarity=polarity, parts=parts)

    return stand_in


CHAIN = {"tip": 0.7, "specimen": 0.7, "base": 0.7}
NOTHING = dict.fromkeys(("bar", "tip", "specimen", "base"), 0.1)


@pytest.mark.parametrize(
    ("dark", "bright", "taken", "doubted"),
    [
        ({"bar": 0.9} | CHAIN, {"bar": 0.95} | CHAIN, "dark", False),
        ({"bar": 0.5} | CHAIN, {"bar": 0.66} | CHAIN, "bright", False),
        ({"bar": 0.6} | CHAIN, {"bar": 0.55} | CHAIN, "dark", False),
        (NOTHING, {"bar": 0.1} | CHAIN, "dark", True),
        ({"bar": 0.1} | CHAIN, {"bar": 0.1} | CHAIN, "dark", True),
        ({"bar": 0.1} | CHAIN, NOTHING, "dark", False),
        (NOTHING, NOTHING, "dark", False),
    ],
)
def test_polarity_is_told_by_the_bar(
    monkeypatch: pytest.MonkeyPatch,
    dark: dict[str, float],
    bright: dict[str, float],
    taken: str,
    doubted: bool,
) -> None:
    _, movie = made("rod_compression")
    monkeypatch.setattr(start, "propose", views(dark, bright))
    found = start._of_either(movie, "compression")
    assert found.polarity == taken
    assert any("both possible" in words for words in found.warnings) == doubted
    assert all(part.confidence < SURE for part in found.parts) == (doubted or dark == NOTHING)


def test_what_was_not_given_is_asked_for(folder: Path) -> None:
    path = folder / "open.toml"
    scale_bar_only = Given(scale_bar_nm=200.0)
    begun = init_experiment(
        folder / "rod one.tif", mode="compression", given=scale_bar_only, output=path
    )
    assert begun.open_keys == ("cantilever.stiffness_N_per_m",)
    text = path.read_text()
    assert "# stiffness_N_per_m" in text
    assert tomlkit.parse(text)["calibration"]["scale_nm_per_px"] == pytest.approx(2.0, rel=0.01)
    with pytest.raises(ConfigError, match="stiffness_N_per_m is missing"):
        load_experiment(path)


def test_what_was_not_found_is_left_to_a_person(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).poisson(150, (5, 128, 160)).clip(0, 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "noise.tif", noise)
    known = Given(scale_nm_per_px=2.0, stiffness_N_per_m=6.0)
    begun = init_experiment(tmp_path / "noise.tif", mode="compression", given=known)
    rows = dict(begun.rows())
    assert [rows[name] for name in ("shape", "axis", "scale bar")] == ["not found"] * 3
    for key in ("bar.box_px", "tip.box_px", "specimen.box_px", "specimen.shape", "base.box_px"):
        assert key in rows["still to fill in"], key
    assert begun.open_keys == ("bar.box_px", "tip.box_px")
    assert '# shape = "rod"  # needed' in begun.path.read_text()
    grown = init_experiment(tmp_path / "noise.tif", mode="growth", given=known, force=True)
    assert grown.open_keys == ("specimen.box_px", "specimen.shape")


def test_specimen_and_base_may_stay_out() -> None:
    _, movie = made("rod_compression")
    found = propose(movie, mode="compression")
    parts = tuple(
        replace(part, confidence=0.1) if part.name in ("specimen", "base") else part
        for part in found.parts
    )
    left = may_stay_out(replace(found, parts=parts))
    assert unanswered(replace(found, parts=parts), Given(1.0, stiffness_N_per_m=6.0)) == ()
    assert [words.split(" (")[0] for words in left] == [
        "specimen.box_px and specimen.shape",
        "base.box_px",
    ]
    assert may_stay_out(found) == ()


def test_sources_of_scale_that_differ_are_told(folder: Path) -> None:
    given = Given(scale_nm_per_px=2.1, scale_bar_nm=200.0)
    begun = init_experiment(
        folder / "rod one.tif", mode="compression", given=given, output=folder / "two.toml"
    )
    assert any("scale differs" in warning for warning in begun.warnings)


def test_a_file_that_is_there_stays(folder: Path) -> None:
    path = folder / "mine.toml"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="--force"):
        init_experiment(folder / "rod one.tif", mode="compression", output=path)
    assert path.read_text() == "mine"
    with pytest.raises(MovieError, match="is no movie's name"):
        init_experiment(path, force=True)
    assert path.read_text() == "mine"


def test_a_name_with_a_blank_can_be_pasted(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "rod one.toml"
    begun = init_experiment(folder / "rod one.tif", mode="compression", output=path)
    assert f'tem-track run "{path}"' in dict(begun.rows())["then"]


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_a_scale_is_positive(folder: Path, value: float) -> None:
    with pytest.raises(ConfigError, match="--scale-nm-per-px"):
        init_experiment(
            folder / "rod one.tif",
            mode="compression",
            given=Given(scale_nm_per_px=value),
            output=folder / "bad.toml",
        )


def test_the_preview_is_the_same_twice(tmp_path: Path) -> None:
    _, movie = made("rod_compression")
    proposal = propose(movie, mode="compression")
    for name in ("a.png", "b.png"):
        preview(proposal, movie, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_no_writing_where_none_is() -> None:
    _, movie = made("rod_compression", label=False)
    assert find_writing(look(movie)).boxes == ()


@pytest.mark.parametrize(
    ("text", "length_nm"),
    [("200 nm", 200), ("0.5 µm", 500), ("0,2um", 200), ("2OO nm", 200), ("12.3 s", None)],
)
def test_a_label_is_understood(text: str, length_nm: float | None) -> None:
    assert length_in_nm(text) == length_nm


def test_the_label_is_read_offline() -> None:
    pytest.importorskip("rapidocr_onnxruntime", reason="the extra ocr is not installed")
    _, movie = made("rod_compression")
    bar = propose(movie, mode="compression").scale_bar
    assert bar is not None
    assert bar.length_nm == 200


def test_boxes_are_found_again(folder: Path) -> None:
    given = Given(scale_nm_per_px=2.0, stiffness_N_per_m=6.0)
    path = folder / "first.toml"
    init_experiment(folder / "rod one.tif", mode="compression", given=given, output=path)
    earlier = load_experiment(path)
    scene, movie = made("rod_compression", seed=5)
    again = like(movie, earlier, {"cantilever": {"stiffness_N_per_m": 3.0}})
    for name in ("tip", "specimen", "base"):
        assert overlap(getattr(again, name).box, scene.boxes[name]) >= 0.5, name
    assert again.cantilever is not None
    assert again.cantilever.stiffness_N_per_m == 3.0


def test_the_axis_of_another_layout_is_its_own(folder: Path) -> None:
    path = folder / "upright.toml"
    given = Given(scale_nm_per_px=2.0, stiffness_N_per_m=6.0)
    init_experiment(folder / "rod one.tif", mode="compression", given=given, output=path)
    earlier = load_experiment(path)
    assert earlier.axis_deg == pytest.approx(3.0, abs=1)
    scene, movie = made("rod_compression", orientation="left")
    again = like(movie, earlier)
    assert again.specimen is not None
    assert overlap(again.specimen.box, scene.boxes["specimen"]) >= 0.5
    assert again.axis_deg == pytest.approx(scene.constants["axis_deg"], abs=2)
    kept = like(made("rod_compression")[1], earlier)
    assert kept.axis_deg == earlier.axis_deg


def test_a_shape_that_is_taken_over_and_looks_otherwise_is_told(folder: Path) -> None:
    path = folder / "rod.toml"
    given = Given(scale_nm_per_px=2.0, stiffness_N_per_m=6.0)
    init_experiment(folder / "rod one.tif", mode="compression", given=given, output=path)
    _, movie = made("particle_compression")
    tifffile.imwrite(folder / "ball.tif", np.stack([frame.image for frame in movie]))
    new = folder / "ball.toml"
    new.write_text("movie = 'ball.tif'\n", encoding="utf-8")
    _, warnings = complete_like(new, path)
    assert any("looks like a particle" in w and 'shape = "rod"' in w for w in warnings)
    new.write_text("movie = 'ball.tif'\n[specimen]\nshape = 'particle'\n", encoding="utf-8")
    assert complete_like(new, path)[1] == ()


def test_a_mode_that_was_not_given_is_left_open(folder: Path) -> None:
    path = folder / "no mode.toml"
    given = Given(scale_nm_per_px=2.0, stiffness_N_per_m=6.0)
    started = init_experiment(folder / "rod one.tif", given=given, output=path)
    assert started.open_keys == ("mode",)
    text = path.read_text(encoding="utf-8")
    assert '# mode = "compression"' in text
    with pytest.raises(ConfigError, match="mode is missing"):
        load_experiment(path)
    path.write_text(text.replace("# mode", "mode"), encoding="utf-8")
    assert load_experiment(path).mode == "compression"

"""The experiment file: what it means, and every mistake in it as one line that says the cure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tem_track.config import experiment_from_dict, experiment_to_toml, load_experiment
from tem_track.config.models import facing_point_px
from tem_track.errors import ConfigError
from tem_track.records import Axis, Box

FULL = """
movie = 'nanorod.avi'
mode = "compression"
axis_deg = 3.5

[calibration]
scale_nm_per_px = 1.25
u_scale_nm_per_px = 0.0125
frame_interval_s = 0.1

[cantilever]
stiffness_N_per_m = 6.0
u_stiffness_N_per_m = 0.6

[bar]
box_px = [485, 0, 155, 146]

[tip]
box_px = [154, 169, 222, 158]

[[tip.reference]]
frame = 240
box_px = [160, 60, 220, 158]

[specimen]
box_px = [170, 326, 175, 235]
shape = "rod"
material = "Na"

[base]
box_px = [120, 549, 262, 118]

[frames]
zero = [0, 14]
"""


def plain(**changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = {
        "movie": "a.avi",
        "mode": "compression",
        "calibration": {"scale_nm_per_px": 2.0},
        "cantilever": {"stiffness_N_per_m": 6.0},
        "bar": {"box_px": [0, 0, 50, 50]},
        "tip": {"box_px": [100, 100, 81, 61]},
    }
    return data | changes


def write(folder: Path, text: str) -> Path:
    path = folder / "experiment.toml"
    path.write_text(text, encoding="utf-8")
    return path


def message_of(data: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        experiment_from_dict(data, source="x.toml")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("x.toml: ")
    return message


def test_reads_everything(tmp_path: Path) -> None:
    experiment = load_experiment(write(tmp_path, FULL))
    assert experiment.movie_path == tmp_path / "nanorod.avi"
    assert experiment.axis == Axis(3.5)
    assert experiment.frames.zero == (0, 14)
    bar, tip, base = experiment.targets()
    assert [t.name for t in (bar, tip, base)] == ["bar", "tip", "base"]
    assert [r.frame for r in tip.references] == [0, 240]
    assert tip.point_px == (154 + 221 / 2, 169 + 157)
    assert bar.point_px == (485 + 154 / 2, 145 / 2)


def test_round_trip(tmp_path: Path) -> None:
    experiment = load_experiment(write(tmp_path, FULL))
    inner = tmp_path / "results"
    inner.mkdir()
    path = inner / "experiment.toml"
    path.write_text(experiment_to_toml(experiment, inner), encoding="utf-8")
    again = load_experiment(path)
    assert again.movie_path.resolve() == experiment.movie_path.resolve()
    assert again.model_dump(exclude={"movie"}) == experiment.model_dump(exclude={"movie"})


def test_a_movie_with_an_apostrophe_survives(tmp_path: Path) -> None:
    experiment = experiment_from_dict(plain(movie="it's.avi"), folder=tmp_path)
    again = load_experiment(write(tmp_path, experiment_to_toml(experiment, tmp_path)))
    assert again.movie_path.resolve() == experiment.movie_path.resolve()


@pytest.mark.parametrize(
    ("axis_deg", "point"),
    [(0, (140, 160)), (30, (140, 160)), (90, (100, 130)), (180, (140, 100)), (-90, (180, 130))],
)
def test_the_point_lies_on_the_side_that_faces_the_specimen(
    axis_deg: float, point: tuple[float, float]
) -> None:
    assert facing_point_px(Box(100, 100, 81, 61), Axis(axis_deg)) == point


@pytest.mark.parametrize(
    ("specimen", "angle"),
    [([110, 170, 60, 80], 0), ([10, 100, 60, 60], 90), ([110, 10, 60, 80], 180)],
)
def test_without_an_axis_the_boxes_say_how_it_lies(specimen: list[float], angle: float) -> None:
    data = plain(specimen={"box_px": specimen, "shape": "rod"})
    assert experiment_from_dict(data).rough_axis.angle_deg % 360 == angle


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"calibration": {}}, ["calibration.scale_nm_per_px", "missing", "scale_nm_per_px = "]),
        ({"calibration": {"scale_nm_per_px": 0}}, ["calibration.scale_nm_per_px = 0", "greater"]),
        ({"calibration": {"scale_nm_per_px": -2.0}}, ["scale_nm_per_px = -2.0", "greater"]),
        ({"calibration": {"scale_nm_per_px": float("nan")}}, ["scale_nm_per_px = nan"]),
        ({"calibration": {"scale_nm_per_px": "2 nm"}}, ["scale_nm_per_px", "must be a number"]),
        ({"cantilever": {"stiffness_N_per_m": 0}}, ["cantilever.stiffness_N_per_m = 0"]),
        ({"cantilever": {}}, ["cantilever.stiffness_N_per_m", "missing"]),
        (
            {"cantilever": {"stiffness_N_per_m": 6, "tilt_deg": 90}},
            ["cantilever.tilt_deg = 90", "less than 90"],
        ),
        (
            {"cantilever": {"stiffness_N_per_m": 6, "u_stiffness_N_per_m": -1}},
            ["u_stiffness_N_per_m = -1"],
        ),
        ({"cantilever": None}, ["cantilever is missing", "[cantilever]"]),
        ({"bar": None}, ["bar is missing", "[bar]"]),
        ({"mode": None}, ["mode is missing", '"compression"']),
        ({"mode": "compresion"}, ["mode = 'compresion'", "did you mean 'compression'?"]),
        ({"polarty": "dark"}, ["unknown key polarty", "did you mean polarity?"]),
        (
            {"bar": {"bax_px": [0, 0, 1, 1], "box_px": [0, 0, 50, 50]}},
            ["unknown key bar.bax_px", "did you mean bar.box_px?"],
        ),
        ({"bar": {"box_px": [0, 0, 50]}}, ["bar.box_px", "[x, y, width, height]"]),
        ({"bar": {"box_px": [0, 0, 0, 50]}}, ["bar.box_px.2 = 0"]),
        (
            {"specimen": {"box_px": [0, 0, 9, 9], "shape": "rot"}},
            ["specimen.shape = 'rot'", "did you mean 'rod'?"],
        ),
        ({"frames": {"first": 5, "last": 3}}, ["frames.last = 3", "no frame is left"]),
        ({"frames": {"first": -1}}, ["frames.first = -1"]),
        ({"frames": {"zero": [7, 3]}}, ["frames.zero = [7, 3]"]),
        ({"quality": {"max_lost_fraction": 1.5}}, ["quality.max_lost_fraction = 1.5"]),
        ({"axis_deg": True}, ["axis_deg", "must be a number"]),
        ({"movie": ""}, ["movie", "names no file"]),
    ],
)
def test_a_mistake_is_one_line(changes: dict[str, Any], words: list[str]) -> None:
    data = {key: value for key, value in plain(**changes).items() if value is not None}
    message = message_of(data)
    for word in words:
        assert word in message


def test_growth_needs_no_cantilever() -> None:
    specimen = {"box_px": [0, 0, 50, 50], "shape": "rod"}
    data = {"movie": "a.avi", "mode": "growth", "calibration": {"scale_nm_per_px": 2.0}}
    assert experiment_from_dict(data | {"specimen": specimen}).cantilever is None
    assert "specimen is missing" in message_of(data)


@pytest.mark.parametrize("folder", ["temp", "data", "Users", "new", "xrays", "bilder"])
def test_a_windows_path_in_double_quotes_is_caught(tmp_path: Path, folder: str) -> None:
    text = FULL.replace("'nanorod.avi'", f'"C:\\{folder}\\nanorod.avi"')
    with pytest.raises(ConfigError, match="single quotes") as caught:
        load_experiment(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_files_that_are_no_experiment(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such experiment file"):
        load_experiment(tmp_path / "nothing.toml")
    with pytest.raises(ConfigError, match="is a folder"):
        load_experiment(tmp_path)
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_experiment(write(tmp_path, "movie = "))
    path = tmp_path / "latin.toml"
    path.write_bytes(b"movie = 'm\xfcller.avi'")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_experiment(path)
    path.write_bytes("movie = 'm.avi'".encode("utf-16"))
    with pytest.raises(ConfigError, match="UTF-8"):
        load_experiment(path)
    path.write_bytes(b"RIFF\x00\x01\xffAVI LIST")
    with pytest.raises(ConfigError, match="tem-track init"):
        load_experiment(path)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "bom.toml"
    path.write_bytes(b"\xef\xbb\xbf" + FULL.encode())
    assert load_experiment(path).mode == "compression"


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ({"offset_s": 1.0, "marker_column": "m", "marker_frame": 3}, ["give one of offset_s"]),
        ({"marker_column": "m"}, ["log needs marker_column and marker_frame together"]),
        ({"potential_column": None}, ["potential_column or current_column"]),
    ],
)
def test_a_log_is_lined_up_in_one_way(log: dict[str, Any], words: list[str]) -> None:
    whole = {"file": "p.csv", "time_column": "t", "potential_column": "U"} | log
    data = plain(log={key: value for key, value in whole.items() if value is not None})
    message = message_of(data)
    for word in words:
        assert word in message

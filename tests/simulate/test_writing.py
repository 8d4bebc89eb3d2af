"""What is written is what was drawn."""

import csv
import json
import tomllib

import av
import numpy as np
import pytest
import tifffile

from tem_track.errors import ConfigError
from tem_track.simulate import build_scene, simulate

SMALL = {"shape_px": (192, 160), "scale_nm_per_px": 8.0, "frames": 8, "seed": 2}


def decoded(path, pixels: str) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format=pixels) for frame in container.decode(video=0)]


@pytest.mark.parametrize(("codec", "bits", "pixels"), [
    ("raw", 8, "gray"), ("ffv1", 8, "gray"), ("ffv1", 16, "gray16le"),
])  # fmt: skip
def test_lossless_movies_hold_every_grey_value(tmp_path, codec, bits, pixels) -> None:
    written = simulate("rod_compression", output=tmp_path, codec=codec, bits=bits, **SMALL)
    scene = build_scene("rod_compression", bits=bits, **SMALL)
    frames = decoded(written.movie, pixels)
    assert len(frames) == written.frames == 8
    assert all(np.array_equal(frame, scene.frame(i)) for i, frame in enumerate(frames))


def test_sixteen_bit_stacks(tmp_path) -> None:
    written = simulate("rod_compression", output=tmp_path, codec="tiff16", bits=16, **SMALL)
    stack = tifffile.imread(written.movie)
    assert stack.shape == (8, 192, 160)
    assert np.array_equal(stack[3], build_scene("rod_compression", bits=16, **SMALL).frame(3))


def test_mjpeg_stays_near_and_twice_the_same(tmp_path) -> None:
    one = simulate("rod_compression", output=tmp_path / "a", **SMALL)
    two = simulate("rod_compression", output=tmp_path / "b", **SMALL)
    assert one.movie.read_bytes() == two.movie.read_bytes()
    assert one.truth_csv.read_bytes() == two.truth_csv.read_bytes()
    drawn = build_scene("rod_compression", **SMALL).frame(5).astype(float)
    with av.open(str(one.movie)) as container:
        frame = list(container.decode(video=0))[5]
        plane = frame.planes[0]
        luma = np.frombuffer(plane, np.uint8).reshape(frame.height, plane.line_size)
    error = luma[:, : frame.width] - drawn
    assert np.sqrt((error**2).mean()) < 6
    assert abs(error.mean()) < 0.2


def test_truth_and_experiment_say_the_same(tmp_path) -> None:
    written = simulate("growth", output=tmp_path, **(SMALL | {"frames": 24}))
    facts = json.loads(written.truth_json.read_text())
    with written.truth_csv.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    assert set(facts) == {"conventions", "constants", "setup", "physics", "accidents"}
    experiment = tomllib.loads(written.experiment.read_text())
    assert (tmp_path / experiment["movie"]).exists()
    assert experiment["specimen"]["box_px"] == facts["constants"]["boxes_px"]["specimen"]
    assert "cantilever" not in experiment
    assert rows[0]["length_nm"] == ""
    log = (tmp_path / experiment["log"]["file"]).read_text().splitlines()
    assert log[0] == "t,U,I,clock,mark"


def test_a_codec_that_cannot_is_refused(tmp_path) -> None:
    with pytest.raises(ConfigError, match="mjpeg, ffv1"):
        simulate("drift", output=tmp_path / "x", codec="h265", **SMALL)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="16"):
        simulate("drift", output=tmp_path / "x", bits=16, **SMALL)
    assert not (tmp_path / "x").exists()

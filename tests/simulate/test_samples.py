"""The bundled movies are those that the simulator draws today."""

import csv
import json
import tomllib
from pathlib import Path

import av
import pytest

from tem_track.simulate.samples import SAMPLES, _scene

ROOT = Path(__file__).parents[2]
FRAMES = ROOT / "sample_frames"


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_each_sample_has_movie_truth_and_a_runnable_experiment(name: str) -> None:
    config = ROOT / "configs" / f"{name}.toml"
    experiment = tomllib.loads(config.read_text(encoding="utf-8"))
    movie = (config.parent / experiment["movie"]).resolve()
    assert movie == FRAMES / f"{name}.avi"
    with av.open(str(movie)) as container:
        decoded = sum(1 for _ in container.decode(video=0))
    with (FRAMES / f"{name}.truth.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == decoded == SAMPLES[name].frames
    facts = json.loads((FRAMES / f"{name}.truth.json").read_text(encoding="utf-8"))
    assert experiment["tip"]["box_px"] == facts["constants"]["boxes_px"]["tip"]


@pytest.mark.parametrize("name", ["nanorod_tension", "growth"])
def test_the_truth_beside_a_sample_is_todays(name: str) -> None:
    scene = _scene(SAMPLES[name])
    with (FRAMES / f"{name}.truth.csv").open(encoding="utf-8") as file:
        row = list(csv.DictReader(file))[30]
    now = scene.truth(30)
    for column in ("length_nm", "diameter_mid_nm", "tip_x_px", "bar_y_px"):
        assert float(row[column]) == pytest.approx(now[column], rel=1e-8)


def test_the_samples_together_stay_small() -> None:
    assert sum(path.stat().st_size for path in FRAMES.iterdir()) < 6_000_000

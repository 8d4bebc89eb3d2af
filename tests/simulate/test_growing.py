"""Growth scenes grow as their constants say."""

from itertools import pairwise

import numpy as np
import pytest

from tem_track.constants import FARADAY_C_PER_MOL
from tem_track.simulate import build_scene
from tem_track.simulate.growing import thickness_law

SMALL = {"shape_px": (384, 320), "scale_nm_per_px": 4.0, "frames": 120, "seed": 1}


def truths(scene, name: str) -> np.ndarray:
    return np.array([scene.truth(i)[name] for i in range(len(scene))], dtype=float)


def test_a_ball_becomes_a_rod_of_825_by_260_nm() -> None:
    scene = build_scene("growth", **SMALL)
    length, wide = truths(scene, "length_nm"), truths(scene, "diameter_max_nm")
    first = scene.constants["nucleation_frame"]
    assert np.isnan(length[first - 1])
    assert length[first] > 0
    assert length[first + 2] == pytest.approx(136.0, rel=0.1)
    assert length[-1] == pytest.approx(825.0, abs=1.0)
    assert wide[-1] == pytest.approx(260.0, abs=1.0)
    assert scene.truth(119)["aspect_ratio"] == pytest.approx(825 / 260, abs=0.01)
    shell = truths(scene, "shell_nm")
    assert shell[first] == pytest.approx(5.0)
    assert np.nanmax(shell) == pytest.approx(14.0, abs=0.3)


def test_the_current_carries_the_volume() -> None:
    scene = build_scene("growth", **SMALL)
    volume, current = truths(scene, "volume_nm3"), truths(scene, "current_A")
    rate = (volume[90] - volume[70]) / (20 * scene.setup.frame_interval_s)
    expected = rate * 1e-21 / 23.7 * FARADAY_C_PER_MOL
    assert -current[70:91].mean() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("law", ["parabolic", "linear", "logarithmic"])
def test_shell_laws_start_and_end_where_they_should(law) -> None:
    shell = thickness_law(law, 5.0, 14.0, 665.0)
    assert shell(0) == pytest.approx(5.0)
    assert shell(665.0) == pytest.approx(14.0)
    half = {"linear": 9.5, "parabolic": np.sqrt((25 + 196) / 2)}.get(law)
    if half:
        assert shell(332.5) == pytest.approx(half)
    else:
        assert shell(10) - shell(0) > 2 * (shell(110) - shell(100))


def test_two_bodies_touch_and_merge_in_that_order() -> None:
    scene = build_scene("growth_two_bodies", **SMALL)
    gap, count = truths(scene, "bodies_gap_nm"), truths(scene, "bodies")
    touch, merge = scene.constants["touch_frame"], scene.constants["merge_frame"]
    assert count[touch] == 2
    assert gap[touch] <= 0 < gap[touch - 1]
    assert touch + 5 < merge < 118
    apart = scene.transmitted(touch - 12)
    x = (
        scene.truth(touch - 12)["body1_root_x_px"] + scene.truth(touch - 12)["body2_root_x_px"]
    ) / 2
    row = int(scene.truth(touch - 12)["root_y_px"]) - 20
    assert apart[row, round(x) - 2 : round(x) + 3].max() > 0.8


def test_the_nanotube_swells_from_20_to_28_nm_before_the_ball() -> None:
    scene = build_scene("growth_nanotube", **SMALL)
    tube = truths(scene, "nanotube_nm")
    first = scene.constants["nucleation_frame"]
    assert tube[0] == 20.0
    assert tube[first] == pytest.approx(28.0)
    assert np.isnan(truths(scene, "length_nm")[:first]).all()


def test_the_potential_sets_direction_and_rate() -> None:
    scene = build_scene("growth_potential", **SMALL)
    length = truths(scene, "length_nm")
    time = np.arange(120) * scene.setup.frame_interval_s
    steps = scene.constants["potential_steps"]
    modes = [step["growth_mode"] for step in steps]
    assert modes == ["none", "directional", "isotropic", "isotropic", "directional", "none"]
    for step, after in pairwise(steps[2:]):
        inside = (time > step["start_s"]) & (time < after["start_s"])
        slope = np.polyfit(time[inside], length[inside], 1)[0]
        assert slope == pytest.approx(step["length_nm_per_s"], rel=1e-3)


def test_the_log_runs_on_its_own_clock() -> None:
    scene = build_scene("growth_potential", **SMALL)
    log = scene.story.log
    offset = scene.constants["log"]["offset_s"]
    for step in scene.constants["potential_steps"][1:]:
        later = np.array(log["t"]) + offset >= step["start_s"] + 1.0
        assert log["U"][np.argmax(later)] == step["potential_V"]


def test_a_marker_dims_its_frame_and_marks_the_log() -> None:
    scene = build_scene("growth", marker_frame=30, label=False, **SMALL)
    dim, usual = (scene.frame(i).mean() for i in (30, 31))
    assert dim < 0.6 * usual
    log = scene.story.log
    marked = np.array(log["t"])[np.array(log["mark"]) == 1] + scene.constants["log"]["offset_s"]
    assert marked.mean() == pytest.approx(scene.truth(30)["time_s"], abs=0.5)
    assert log["clock"][0].startswith("2020-01-02T11:59:20")

"""A scene is the same every time, in any order, and its truth is what it shows."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from tem_track.errors import ConfigError
from tem_track.simulate import SCENARIOS, build_scene, setting_names

SMALL = {"shape_px": (384, 320), "scale_nm_per_px": 4.0, "frames": 40}


def truths(scene, name: str) -> np.ndarray:
    return np.array([scene.truth(i)[name] for i in range(len(scene))], dtype=float)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_every_scenario_draws_its_frames(name: str) -> None:
    scene = build_scene(name, seed=3, **SMALL)
    assert len(scene) == 40
    frame = scene.frame(25)
    assert frame.shape == (384, 320)
    assert frame.dtype == np.uint8
    assert frame.max() > 150 > 60 > frame.min()
    rows, columns = frame.shape
    for box in scene.boxes.values():
        assert box.x_px >= 0
        assert box.x_px + box.width_px <= columns
        assert box.y_px >= 0
        assert box.y_px + box.height_px <= rows


def test_the_same_seed_gives_the_same_bytes_in_any_order() -> None:
    one = build_scene("rod_compression", seed=5, **SMALL)
    two = build_scene("rod-compression", seed=5, **SMALL)
    ahead = [one.frame(i) for i in (0, 20, 30)]
    back = [two.frame(i) for i in (30, 20, 0)]
    assert all(np.array_equal(a, b) for a, b in zip(ahead, back[::-1], strict=True))
    other = build_scene("rod_compression", seed=6, **SMALL)
    assert not np.array_equal(ahead[0], other.frame(0))


@pytest.mark.parametrize("name", ["rod_compression", "sphere_compression", "rod_tension"])
def test_force_is_stiffness_times_deflection(name: str) -> None:
    scene = build_scene(name, seed=2, **SMALL)
    stiffness = scene.constants["stiffness_N_per_m"]
    deflection = truths(scene, "deflection_nm")
    assert np.allclose(truths(scene, "force_nN"), stiffness * deflection)
    assert deflection.max() > 100
    assert np.allclose(truths(scene, "tip_minus_bar_px") * 4.0, deflection)


def test_the_rod_barrels_and_keeps_its_volume() -> None:
    scene = build_scene("rod_compression", seed=2, **SMALL)
    volume = truths(scene, "volume_nm3")
    assert np.abs(volume / volume[0] - 1).max() < 0.015
    first, last = scene.truth(0), scene.truth(39)
    assert last["diameter_mid_nm"] > first["diameter_mid_nm"] * 1.03
    assert last["length_nm"] < first["length_nm"] * 0.95
    grown = last["diameter_mid_nm"] / first["diameter_mid_nm"]
    assert grown > 1.02 * last["diameter_tip_nm"] / first["diameter_tip_nm"]


def test_events_are_where_the_rows_have_them() -> None:
    scene = build_scene("rod_tension", seed=2, **SMALL)
    broken = truths(scene, "broken")
    assert scene.constants["fracture_frame"] == int(np.argmax(broken))
    assert np.isnan(scene.truth(39)["length_nm"])
    neck = truths(scene, "diameter_min_nm")
    assert np.nanmin(neck) < 0.85 * neck[0]
    pushed = build_scene("rod_bending", seed=2, **SMALL)
    ratio = truths(pushed, "bend_ratio")
    assert pushed.constants["bending_frame"] == int(np.argmax(ratio > 0.1))
    contact = pushed.constants["contact_frame"]
    force = truths(pushed, "force_nN")
    assert force[contact] > 0
    assert force[:contact].max() == 0


def test_what_the_actuator_does_is_shared_in_contact() -> None:
    scene = build_scene("rod_compression", seed=2, sink_in_nm_per_uN=3.0, **SMALL)
    for i in (12, 20, 28):
        row = scene.truth(i)
        assert row["force_nN"] > 0
        rest = row["actuator_nm"] - row["deflection_nm"] - row["deformation_nm"]
        assert rest == pytest.approx(row["closure_nm"], abs=1e-6)
        assert rest == pytest.approx(0.003 * row["force_nN"])


@pytest.mark.parametrize("name", ["approach", "drift"])
def test_nothing_is_loaded_where_nothing_touches(name: str) -> None:
    scene = build_scene(name, seed=1, **SMALL)
    assert truths(scene, "force_nN").max() == 0
    assert scene.constants["contact_frame"] is None
    assert truths(scene, "gap_nm").min() > 5


def test_accidents_happen_as_often_as_asked() -> None:
    scene = build_scene(
        "rod_compression", seed=4, occluded_frames=3, overexposed_frames=2, duplicated_frames=2,
        dropped_frames=4, **SMALL,
    )  # fmt: skip
    rows = [scene.truth(i) for i in range(40)]
    again = [i for i in range(1, 40) if rows[i]["duplicate"]]
    assert len(again) == 2
    assert all(np.array_equal(scene.frame(i), scene.frame(i - 1)) for i in again)
    assert scene.shots.occluded.sum() == 3
    assert scene.shots.overexposed.sum() == 2
    clock = [row["physical_time_s"] for row in rows]
    assert clock[-1] - rows[-1]["time_s"] == pytest.approx(0.4)
    assert all(b >= a for a, b in pairwise(clock))
    for i, row in enumerate(rows):
        if row["overexposed"]:
            assert not row["bar_visible"]
            assert np.median(scene.frame(i)) == 255


def test_the_stage_leaves_the_bar_alone_and_the_camera_does_not() -> None:
    moved = build_scene(
        "drift", seed=1, camera_jitter_px=0.0, camera_drift_px=0.0, stage_drift_px=9.0, **SMALL
    )
    last = moved.truth(39)
    assert np.hypot(last["tip_shift_x_px"], last["tip_shift_y_px"]) == pytest.approx(9.0)
    assert last["bar_shift_x_px"] == last["bar_shift_y_px"] == 0
    shaken = build_scene("drift", seed=1, camera_jitter_px=2.0, **SMALL)
    row = shaken.truth(20)
    assert row["tip_shift_x_px"] == pytest.approx(row["bar_shift_x_px"])
    assert abs(row["bar_shift_y_px"]) > 0.01


@pytest.mark.parametrize("orientation", ["up", "down", "left", "right"])
def test_the_tip_moves_along_the_axis(orientation: str) -> None:
    scene = build_scene(
        "rod_compression", seed=1, orientation=orientation, camera_jitter_px=0.0, **SMALL
    )
    along = {"up": (0, -1), "down": (0, 1), "left": (-1, 0), "right": (1, 0)}[orientation]
    row = scene.truth(28)
    moved = np.array([row["tip_shift_x_px"], row["tip_shift_y_px"]])
    assert moved @ along == pytest.approx(row["deflection_nm"] / 4.0)
    tip, base = (np.array(scene.boxes[n].centre_px) for n in ("tip", "base"))
    assert (tip - base) @ along > 100


def test_a_turning_tip_turns_about_its_apex() -> None:
    scene = build_scene("rod_compression", seed=1, tip_rotation_deg=3.0, **SMALL)
    rotation = truths(scene, "tip_rotation_deg")
    assert rotation.max() == pytest.approx(3.0)
    assert np.allclose(
        truths(scene, "tip_minus_bar_px") * 4, truths(scene, "deflection_nm"), atol=0.2
    )


def test_vacuum_counts_follow_the_dose() -> None:
    scene = build_scene(
        "drift", seed=1, dose=100.0, tail=0.0, psf_sigma_px=0.0, film=0.0, gamma=1.0, fringe=0.0,
        read_noise_e=0.0, bits=16, label=False, illumination=0.0, **SMALL,
    )  # fmt: skip
    empty = scene.frame(0)[150:300, 250:315] / 65535 / 0.8
    assert empty.mean() == pytest.approx(1.0, abs=0.01)
    assert empty.std() == pytest.approx(0.1, rel=0.05)


def test_the_movie_can_have_few_grey_levels() -> None:
    scene = build_scene("drift", seed=1, low_contrast=18, label=False, dose=3000, **SMALL)
    assert np.ptp(scene.frame(0).astype(int)) <= 24


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"dosis": 3}, "dose"),
        ({"bits": "9"}, "8 or 16"),
        ({"polarity": "grey"}, "dark, bright"),
        ({"dose": "-1"}, "above 0"),
        ({"occluded_frames": 1.5}, "whole"),
        ({"axis_deg": 80}, "orientation"),
        ({"frames": 2}, "8 or more"),
    ],
)
def test_what_cannot_be_drawn_is_refused(settings: dict, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        build_scene("drift", **settings)
    with pytest.raises(ConfigError, match="rod_compression"):
        build_scene("rod_torsion")


def test_every_setting_has_a_name_and_help() -> None:
    names = dict(setting_names())
    assert {"dose_e_per_px", "camera_jitter_px", "axis_deg"} <= set(names)
    assert all(names.values())


@pytest.mark.parametrize(
    ("name", "amount"),
    [
        ("dose_e_per_px", 40), ("gamma", 0.7), ("fringe", 0.2), ("fringe_asymmetry", 0.9),
        ("psf_sigma_px", 1.1), ("tail", 0.2), ("tail_sigma_px", 5), ("correlated_noise", True),
        ("read_noise_e", 4), ("specimen_texture", 0.2), ("film", 0.15), ("ellipticity", 0.8),
        ("facet", 0.6), ("illumination", 0.2), ("roughness_px", 3), ("bar_blur_px", 3),
        ("tip_curvature_px", 4), ("camera_jitter_px", 2), ("camera_drift_px", 9),
        ("stage_drift_px", 9), ("stage_vibration_px", 2), ("flicker", 0.1),
        ("slow_brightness", 0.3), ("tip_contrast_change", 1), ("tip_rotation_deg", 3),
        ("base_rotation_deg", 3), ("bragg_contours", 1), ("low_contrast", 18), ("shell_nm", 30),
        ("polarity", "bright"), ("label", False), ("bits", 16), ("sink_in_nm_per_uN", 9),
    ],
)  # fmt: skip
def test_every_switch_changes_the_picture(name: str, amount: object) -> None:
    scene = build_scene("rod_compression", seed=1, **SMALL, **{name: amount})
    assert not np.array_equal(scene.frame(25), _usual())


@cache
def _usual() -> np.ndarray:
    return build_scene("rod_compression", seed=1, **SMALL).frame(25)

"""Input that cannot be used is an error that names its field; what is unusual is a warning."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tem_track.errors import ConfigError
from tem_track.mechanics import (
    Settings,
    contact_radius,
    critical_overpotential,
    ecm_stress,
    evaluate,
    fracture_stress,
    rod_stress,
)
from tests.mechanics.tables import make


def settings(**changes: Any) -> Settings:
    plain: dict[str, Any] = {"mode": "compression", "shape": "rod", "scale_nm_per_px": 2.0}
    plain |= {"stiffness_N_per_m": 6.0, "u_scale_nm_per_px": 0.03, "u_stiffness_N_per_m": 0.6}
    return Settings(**(plain | changes))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scale_nm_per_px", 0.0),
        ("scale_nm_per_px", -1.0),
        ("scale_nm_per_px", math.nan),
        ("stiffness_N_per_m", 0.0),
        ("stiffness_N_per_m", -6.0),
        ("u_scale_nm_per_px", -0.1),
        ("u_stiffness_N_per_m", math.inf),
        ("tilt_deg", 90.0),
        ("length_um", 0.0),
        ("tip_height_um", -1.0),
        ("behind_apex_um", 300.0),
        ("out_of_plane_deg", -95.0),
        ("poisson", 0.6),
        ("poisson", -1.0),
        ("base_modulus_GPa", 0.0),
        ("section_area_ratio", 0.0),
        ("mode", "bending"),
        ("area_model", "mook"),
        ("area_model", "nonsense"),
    ],
)
def test_settings_that_cannot_be_used(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=field):
        settings(**{field: value}).checked()


def test_a_shape_without_an_area_names_the_others() -> None:
    with pytest.raises(ConfigError, match=r"specimen\.shape.*pillar"):
        settings(shape="particle", mode="tension").checked()


@pytest.mark.parametrize(
    ("column", "message"),
    [("length_px", "length"), ("diameter_mid_px", "diameter")],
)
def test_a_specimen_without_extent(column: str, message: str) -> None:
    table, _ = make(n=30)
    table[column][:] = -1.0
    with pytest.raises(ConfigError, match=message):
        evaluate(table, settings())


def test_times_must_increase() -> None:
    table, _ = make(n=30)
    table["time_s"][10] = table["time_s"][9]
    with pytest.raises(ConfigError, match=r"time_s.*frame_interval_s"):
        evaluate(table, settings())


def test_a_table_without_rows_or_of_unequal_columns() -> None:
    table, _ = make(n=30)
    with pytest.raises(ConfigError, match="no frame"):
        evaluate({name: values[:0] for name, values in table.items()}, settings())
    with pytest.raises(ConfigError, match="differ in length"):
        evaluate(table | {"tip_x_px": np.zeros(3)}, settings())
    with pytest.raises(ConfigError, match="frame"):
        evaluate({"time_s": np.zeros(3)}, settings())


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: ecm_stress(100, 0), "molar_volume"),
        (lambda: ecm_stress(-1, 13), "overpotential"),
        (lambda: critical_overpotential(100, -13), "molar_volume"),
        (lambda: fracture_stress(0, 5), "toughness"),
        (lambda: fracture_stress(1, 0), "flaw"),
        (lambda: contact_radius(100, 100), "deformation"),
        (lambda: contact_radius(0, 1), "diameter"),
        (lambda: rod_stress(100, -3), "diameter"),
    ],
)
def test_formulas_refuse_what_has_no_meaning(call: Any, field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        call()


@pytest.mark.parametrize(
    ("changes", "scene", "words"),
    [
        ({"u_scale_nm_per_px": None}, {}, "u_scale_nm_per_px"),
        ({"u_stiffness_N_per_m": None}, {}, "u_stiffness_N_per_m"),
        ({"stiffness_N_per_m": 200.0}, {}, "outside 0.01 to 100"),
        ({"stiffness_N_per_m": 0.005}, {}, "outside 0.01 to 100"),
        ({"scale_nm_per_px": 40.0}, {}, "um: check the scale"),
        ({}, {"length": 1400.0}, "may buckle"),
        ({}, {"length": 300.0}, "hinder"),
        ({"stiffness_N_per_m": 90.0, "scale_nm_per_px": 0.02}, {}, "above 5 GPa"),
        ({}, {"interval_s": 1e-3}, "strain rate"),
        ({"frame_width_px": 100.0}, {}, "wider than the frame"),
        ({}, {"approach": 2, "contact_shift": 0.0}, "fewer than three frames"),
        ({}, {"modulus": 0.05, "yield_MPa": 3.0, "tangent": 0.02}, "modulus of 0.0"),
        ({"stiffness_N_per_m": 100.0}, {"modulus": 45.0, "yield_MPa": 900.0}, "outside 0.1 to 500"),
        ({}, {"modulus": 0.05, "yield_MPa": 60.0}, "tenth of Young's modulus"),
        ({"shape": "particle"}, {"length": 300.0, "modulus": 0.5}, "equation 2 is used"),
    ],
)
def test_what_is_unusual_is_said(
    changes: dict[str, Any], scene: dict[str, Any], words: str
) -> None:
    table, _ = make(**scene)
    warnings = evaluate(table, settings(**changes)).warnings
    assert any(words in warning for warning in warnings), warnings


def test_a_peak_that_may_lie_in_a_gap_is_said() -> None:
    gap = tuple(range(87, 94))  # the force is largest in frame 90, and falls from there on
    scene = {"course": ((0, -150), (14, 0), (90, 760), (119, 200))}
    seen, truth = make(**scene)
    assert not any("may have been larger" in w for w in evaluate(seen, settings()).warnings)
    table, _ = make(**scene, lost=gap)
    (said,) = [w for w in evaluate(table, settings()).warnings if "may have been larger" in w]
    assert "frames 87 to 93" in said
    assert float(said.split("some ")[1].split(" nN")[0]) == pytest.approx(
        truth.force_nN[90], rel=0.01
    )


def test_a_gap_beside_a_force_that_rests_is_not() -> None:
    scene = {"hold": 20, "n": 140}
    table, _ = make(**scene, lost=tuple(range(99, 104)))
    assert not any("may have been larger" in w for w in evaluate(table, settings()).warnings)


def test_a_torn_picture_is_said() -> None:
    table, _ = make()
    assert not any("torn" in w for w in evaluate(table, settings()).warnings)
    for column in ("base_y_px", "length_px"):
        table[column][60] += 4.0
    (said,) = [w for w in evaluate(table, settings()).warnings if "torn" in w]
    assert "in frame 60 " in said
    table["tip_y_px"][60] += 2.0  # the lever gave way: a jolt of the actuator, seen by everything
    assert not any("torn" in w for w in evaluate(table, settings()).warnings)


def test_large_strain_and_changing_volume() -> None:
    table, _ = make()
    table["length_px"] = np.where(np.arange(120) > 60, 150.0, table["length_px"])
    table["volume_px3"] = np.where(np.arange(120) > 60, 0.5, 1.0) * table["volume_px3"]
    warnings = " ".join(evaluate(table, settings()).warnings)
    assert "strain reaches 0.6" in warnings
    assert "volume changes" in warnings


def test_a_tip_that_travels_and_meets_nothing_is_said() -> None:
    table, _ = make()
    other = {"tip": "bar", "bar": "tip"}
    swapped = {other.get(name[:3], name[:3]) + name[3:]: v for name, v in table.items()}
    warnings = evaluate(swapped, settings()).warnings
    assert any("no contact is found" in warning for warning in warnings), warnings
    free, _ = make(travel=-50.0)
    assert not any("no contact" in warning for warning in evaluate(free, settings()).warnings)


def test_a_well_made_test_is_not_warned_about() -> None:
    table, _ = make()
    assert evaluate(table, settings()).warnings == ()


def test_too_few_elastic_points_is_no_modulus_and_a_reason() -> None:
    table, _ = make(n=12, approach=6, load=4)
    summary = evaluate(table, settings()).summary
    assert summary["youngs_modulus_GPa"] is None
    assert "four" in summary["modulus_reason"]


def test_a_line_behind_the_yield_is_warned_about() -> None:
    table, _ = make(n=14, approach=4, load=9, yield_MPa=3.0)  # it yields before the second point
    result = evaluate(table, settings())
    assert result.summary["youngs_modulus_GPa"] == pytest.approx(0.2, rel=0.02)  # the plastic one
    assert any("exceeds a tenth of Young's modulus" in each for each in result.warnings)


def test_a_tension_of_three_times_the_length_is_warned_about_and_evaluated() -> None:
    table, _ = make(mode="tension", approach=0, n=60, load=55, travel=2500.0, length=200.0,
                    yield_MPa=2.0, tangent=1e-4)  # fmt: skip
    result = evaluate(table, settings(mode="tension"))
    assert result.points["strain_eng"].max() > 2
    assert any("strain reaches" in warning for warning in result.warnings)
    assert result.summary["critical_stress_MPa"] > 0


def test_a_compression_by_the_whole_length_is_an_error() -> None:
    table, _ = make()
    table["length_px"][70] = 0.0
    with pytest.raises(ConfigError, match=r"frame 70.*whole length.*draw"):
        evaluate(table, settings())

"""Area models: adding one is a class and a line, and their uncertainty comes by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from tem_track.mechanics import AREA_MODELS, Geometry, Settings, evaluate
from tem_track.mechanics.areas import Circle, Mook
from tem_track.mechanics.stresses import stress
from tests.mechanics.tables import make


@dataclass(frozen=True)
class Square:
    """A square as wide as the specimen."""

    name: str = "square"

    def area_nm2(self, geometry: Geometry) -> np.ndarray:
        return geometry.diameter_mid_nm**2


def test_adding_a_model_is_one_class_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    key = ("rod", "compression")
    monkeypatch.setitem(AREA_MODELS, key, (*AREA_MODELS[key], Square()))
    table, _ = make()
    settings = Settings(
        mode="compression", shape="rod", area_model="square", scale_nm_per_px=2, stiffness_N_per_m=6
    )
    result = evaluate(table, settings)
    by_model = result.summary["critical_stress_by_area_model_MPa"]
    assert by_model["square"] == pytest.approx(by_model["mid"] * math.pi / 4)
    assert result.summary["critical_stress_MPa"] == by_model["square"]
    assert np.isfinite(result.points["u_stress_MPa"][60])


def test_the_uncertainty_of_an_area_agrees_with_monte_carlo() -> None:
    rng = np.random.default_rng(1)
    n = 200_000
    one = np.ones(n)
    width = 355 + 4 * rng.standard_normal(n)
    force = 3600 + 30 * rng.standard_normal(n)
    drawn = stress(
        Circle("mid", "diameter_mid_nm"),
        Geometry(776, 355, one, width, width, width, width),
        {},
        force,
        0 * one,
    )
    fixed = np.array([355.0])
    ours = stress(
        Circle("mid", "diameter_mid_nm"),
        Geometry(776, 355, fixed, fixed, fixed, fixed, fixed),
        {"diameter_mid_nm": np.array([4.0])},
        np.array([3600.0]),
        np.array([30.0]),
    )
    assert ours.u_stress_MPa[0] == pytest.approx(np.std(drawn.stress_MPa), rel=0.02)


def test_the_section_of_a_tilt_series_scales_the_area() -> None:
    table, _ = make()
    plain = {"mode": "compression", "shape": "rod", "scale_nm_per_px": 2, "stiffness_N_per_m": 6}
    results = [
        evaluate(table, Settings(**plain, section_area_ratio=r, u_section_area_ratio=u)).summary  # type: ignore[arg-type]
        for r, u in ((1.0, 0.0), (0.8, 0.04))
    ]
    ratio = results[1]["critical_stress_MPa"] / results[0]["critical_stress_MPa"]
    assert ratio == pytest.approx(1 / 0.8)
    assert results[1]["uncertainty_budget"]["section"] == pytest.approx(0.05)


def test_the_switch_of_equations_is_in_no_uncertainty() -> None:
    """At the switch eq. 2 would be a quarter of the stress; which one holds is no noise."""
    deformation = np.array([98.0, 99.9, 100.1, 102.0])
    geometry = Geometry(1000.0, 1000.0, deformation, *([np.full(4, 1000.0)] * 4))
    u = {"deformation_nm": np.full(4, 2.0)}
    found = stress(Mook(), geometry, u, np.full(4, 1e4), np.zeros(4))
    assert (found.u_stress_MPa < 0.03 * found.stress_MPa).all()
    assert found.stress_MPa[1] > 3 * found.stress_MPa[2]


def test_a_deformation_within_its_noise_has_an_uncertainty() -> None:
    geometry = Geometry(1000.0, 1000.0, np.array([1.0]), *([np.full(1, 1000.0)] * 4))
    found = stress(Mook(), geometry, {"deformation_nm": np.array([2.0])}, np.ones(1), np.zeros(1))
    assert found.u_stress_MPa[0] > found.stress_MPa[0] > 0


def test_a_particle_that_touches_nothing_has_no_contact() -> None:
    table, truth = make(n=130, approach=15, load=50, length=400.0, diameter=400.0)
    settings = Settings(
        mode="compression", shape="particle", scale_nm_per_px=2, stiffness_N_per_m=6
    )
    points = evaluate(table, settings).points
    touching = np.isin(points["phase"], ("load", "hold", "unload"))
    assert 0 < touching.sum() < 130
    for name in ("contact_radius_nm", "stress_mook_MPa", "area_nm2", "stress_MPa"):
        assert np.isnan(points[name][~touching]).all(), name
        assert np.isfinite(points[name][30:60]).all(), name
    assert np.isfinite(points["stress_projected_MPa"]).all()
    assert points["mook_equation"][truth.top] in (1.0, 2.0)
    assert touching[truth.top]

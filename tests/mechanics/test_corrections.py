"""Corrections are off by default, act where they should, and are printed when on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tem_track.mechanics import Evaluation, Settings, evaluate
from tem_track.mechanics.strength import interval
from tem_track.mechanics.uncertainty import Budget
from tests.mechanics.tables import make


def run(**changes: Any) -> Evaluation:
    table, _ = make(seed=3)
    table["shell_px"], table["u_shell_px"] = np.full(120, 7.0), np.full(120, 0.5)
    plain: dict[str, Any] = {"mode": "compression", "shape": "rod", "scale_nm_per_px": 2.0}
    return evaluate(table, Settings(**(plain | {"stiffness_N_per_m": 6.0} | changes)))


def at_top(result: Evaluation, name: str) -> float:
    row = result.summary["max_force_frame"]
    return float(result.points[name][row])


PLAIN = run()


def test_all_are_off_by_default() -> None:
    assert PLAIN.summary["corrections"] == {}


@pytest.mark.parametrize(
    ("changes", "printed", "factors"),
    [
        (
            {"tilt_deg": 12.0, "tip_height_um": 15.0},
            ("cantilever_tilt_on_force", 1.09090),
            {"force_nN": 1.09090, "deflection_nm": 1.0, "deformation_nm": 1.0},
        ),
        (
            {"behind_apex_um": 20.0},
            ("behind_apex_on_deflection", 1 / 0.86702),
            {"deflection_nm": 1 / 0.86702, "force_nN": 1 / 0.86702, "deformation_nm": 1.0},
        ),
        (
            {"out_of_plane_deg": 15.0},
            ("out_of_plane_on_lengths", 1.03528),
            {"deflection_nm": 1.03528, "deformation_nm": 1.03528, "strain_eng": 1.0},
        ),
        (
            {"off_axis_deg": 5.0},
            ("off_axis_on_force", 0.99619),
            {"force_nN": 0.99619, "deflection_nm": 1.0},
        ),
        (
            {"section_area_ratio": 0.8},
            ("section_on_area", 0.8),
            {"area_nm2": 0.8, "stress_MPa": 1.25, "force_nN": 1.0},
        ),
    ],
)
def test_each_acts_where_it_should_and_is_printed(
    changes: dict[str, float], printed: tuple[str, float], factors: dict[str, float]
) -> None:
    result = run(**changes)
    name, factor = printed
    assert result.summary["corrections"] == {name: pytest.approx(factor, rel=1e-4)}
    for column, by in factors.items():
        assert at_top(result, column) == pytest.approx(by * at_top(PLAIN, column), rel=1e-4)


def test_an_elastic_base_takes_its_sink_in_off_the_deformation() -> None:
    result = run(base_modulus_GPa=3.9, base_poisson=0.32)
    sunk = at_top(PLAIN, "force_nN") * (1 - 0.32**2) / (3.9 * at_top(PLAIN, "diameter_base_nm"))
    less = at_top(PLAIN, "deformation_nm") - at_top(result, "deformation_nm")
    assert less == pytest.approx(sunk)
    assert at_top(result, "strain_true") == pytest.approx(-np.log1p(-at_top(result, "strain_eng")))
    assert result.summary["corrections"] == {"base_modulus_GPa": 3.9}
    assert result.summary["youngs_modulus_GPa"] > PLAIN.summary["youngs_modulus_GPa"]


def test_the_core_carries_more_than_the_whole() -> None:
    force, outer = at_top(PLAIN, "force_nN"), at_top(PLAIN, "diameter_mid_nm")
    core = PLAIN.summary["critical_stress_core_MPa"]
    assert core == pytest.approx(1000 * force / (np.pi / 4 * (outer - 28.0) ** 2))
    assert core > PLAIN.summary["critical_stress_by_area_model_MPa"]["mid"]


def test_a_wide_input_makes_a_lopsided_interval_that_holds_95_percent() -> None:
    budget = Budget({"stiffness": 0.02, "edges": 0.25})
    low, high = interval(100.0, budget)  # type: ignore[misc]
    rng = np.random.default_rng(9)
    drawn = 100 * (1 + 0.02 * rng.standard_normal(100_000))
    drawn = drawn / (1 + 0.25 * rng.standard_normal(100_000))
    assert np.mean((drawn > low) & (drawn < high)) == pytest.approx(0.95, abs=0.005)
    assert high - 100 > 1.3 * (100 - low)
    narrow = interval(100.0, Budget({"stiffness": 0.1}))
    assert narrow == pytest.approx([80.4, 119.6])

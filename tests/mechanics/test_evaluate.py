"""The whole evaluation on tables whose truth is known."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tem_track.mechanics import Evaluation, Settings, evaluate
from tem_track.mechanics.columns import COLUMNS
from tests.mechanics.tables import Truth, make


def settings(**changes: Any) -> Settings:
    plain: dict[str, Any] = {
        "mode": "compression",
        "shape": "rod",
        "scale_nm_per_px": 2.0,
        "u_scale_nm_per_px": 0.03,
        "stiffness_N_per_m": 6.0,
        "u_stiffness_N_per_m": 0.6,
    }
    return Settings(**(plain | changes))


def run(**changes: Any) -> tuple[Evaluation, Truth]:
    table, truth = make(**changes)
    mode, axis = changes.get("mode", "compression"), changes.get("axis_deg", 0.0)
    return evaluate(table, settings(mode=mode, axis_deg=axis)), truth


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("axis_deg", [0.0, -25.0])
def test_compression_follows_the_truth(seed: int, axis_deg: float) -> None:
    result, truth = run(seed=seed, axis_deg=axis_deg)
    error = result.points["deflection_nm"] - truth.deflection_nm
    assert np.sqrt(np.mean(error**2)) < 0.1
    assert result.summary["contact_frame"] == truth.contact_frame
    assert result.summary["max_force_nN"] == pytest.approx(truth.force_nN.max(), rel=5e-3)
    assert result.summary["critical_stress_MPa"] == pytest.approx(
        truth.force_nN.max() / (np.pi / 4 * 355.0**2) * 1000, rel=0.01
    )


@pytest.mark.parametrize("seed", range(5))
def test_tension_is_positive_and_breaks_where_it_breaks(seed: int) -> None:
    result, truth = run(mode="tension", approach=0, break_at=70, seed=seed)
    assert result.summary["contact_frame"] == 0
    assert result.summary["fracture_frame"] == 70
    assert result.summary["max_force_frame"] == 69
    assert result.summary["max_force_nN"] == pytest.approx(truth.force_nN.max(), rel=5e-3)
    assert set(result.points["phase"][70:]) == {"broken"}


@pytest.mark.parametrize("drift_px", [(0.0, 0.0), (0.01, 0.03)])
def test_nothing_loaded_is_nothing_reported(drift_px: tuple[float, float]) -> None:
    result, _ = run(travel=-50.0, drift_px=drift_px, seed=3)
    points, summary = result.points, result.summary
    assert np.all(np.abs(points["force_nN"]) <= 4 * points["u_force_nN"])
    assert np.all(points["u_force_nN"] < 3.0)
    for name in ("contact_frame", "youngs_modulus_GPa", "critical_stress_MPa", "max_force_nN"):
        assert summary[name] is None


def test_columns_are_the_contract_and_the_summary_is_json() -> None:
    result, _ = run()
    assert tuple(result.points) == COLUMNS
    assert all(len(values) == 120 for values in result.points.values())
    json.dumps(result.summary, allow_nan=False)


def test_lost_frames_are_empty_cells_and_no_row_is_dropped() -> None:
    result, _ = run(lost=(3, 4, 50))
    assert np.flatnonzero(np.isnan(result.points["force_nN"])).tolist() == [3, 4, 50]
    assert all("TIP_LOST" in result.points["flags"][row] for row in (3, 4, 50))
    assert result.summary["n_lost"] == 3
    assert result.summary["n_frames"] == 120


def test_a_noisy_yield_says_how_sure_it_is() -> None:
    for seed in range(6):
        result, _ = run(u_track_px=0.3, u_length_px=1.0, seed=seed)
        found, u = (result.summary[f"{name}offset_yield_MPa"] for name in ("", "u_"))
        # 30 MPa, at which the bilinear rod yields, and 0.2 % times the tangent beyond
        assert abs(found - 30.4) < 2.5 * u


def test_a_rod_that_softens_at_once_has_a_yield() -> None:
    result, _ = run(n=100, approach=15, load=80, tangent=-0.02)
    assert result.summary["offset_yield_MPa"] == pytest.approx(29.9, abs=0.6)


def test_a_deformation_is_as_unsure_as_the_step_from_open_gap_to_contact() -> None:
    """What all frames in contact share shifts their deformation, but no length against another."""
    share, pulls, plain = 0.25, [], []
    for seed in range(30):
        table, truth = make(seed=seed, u_length_px=0.05)
        held = truth.gap_nm == 0
        table["gap_px"] = np.where(held, 0.0, np.maximum(table["gap_px"], 0.1))
        table["u_common_length_px"] = np.where(held, np.hypot(0.3, share), 0.3)
        table["length_px"] += share * np.random.default_rng(seed).standard_normal() * held
        points = evaluate(table, settings()).points
        off = points["deformation_nm"] - (truth.length_nm[0] - truth.length_nm)
        pulls.append((off / points["u_deformation_nm"])[held])
        plain.append((off / points["u_length_nm"])[held])
        open_rows = ~held & (np.arange(len(held)) > 0)
        assert points["u_deformation_nm"][open_rows] == pytest.approx(0.1)
    assert 0.75 < np.std(np.concatenate(pulls)) < 1.3
    assert np.std(np.concatenate(plain)) > 3

"""Specimens that flow, neck and break: what is true of simulated movies, plus noise."""

from __future__ import annotations

import numpy as np
import pytest

from tem_track.mechanics import evaluate
from tem_track.mechanics.bending import surely_bent
from tem_track.mechanics.events import first_of_many, loses_load
from tem_track.mechanics.neck import neck_mask
from tests.mechanics.scenes import settings_of, table_of


@pytest.mark.parametrize("name", ["rod_compression", "rod_tension"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_flow_does_not_soften_the_elastic_line(name: str, seed: int) -> None:
    table, truth = table_of(name, seed, 80)
    summary = evaluate(table, settings_of(truth)).summary
    assert summary["max_force_nN"] == pytest.approx(truth["max_force_nN"], rel=5e-3)
    assert summary["critical_stress_MPa"] == pytest.approx(truth["critical_stress_MPa"], rel=0.015)
    u = np.hypot(summary["modulus_u_record"], 0.02) * summary["youngs_modulus_GPa"]
    assert abs(summary["youngs_modulus_GPa"] - truth["modulus_GPa"]) < 2 * u
    assert summary["contact_frame"] == truth["contact_frame"]
    assert summary["fracture_frame"] == truth["fracture_frame"]
    assert summary["bending_frame"] is None


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_neck_is_not_seen_before_it_forms(seed: int) -> None:
    table, truth = table_of("rod_tension", seed, 50, noise=seed)
    neck = evaluate(table, settings_of(truth)).summary["neck_frame"]
    assert neck is None or truth["max_force_frame"] - 8 < neck < truth["fracture_frame"]


def test_a_neck_is_seen_where_it_is() -> None:
    mid, u = np.full(40, 200.0), np.full(40, 0.8)
    smallest = np.where(np.arange(40) < 25, 196.0, 196.0 - 3.0 * (np.arange(40) - 24))
    assert int(np.argmax(neck_mask(smallest, mid, u, u))) in (25, 26)


def test_single_bent_frames_are_noise() -> None:
    bow, u, width = np.array([0.5, 2.7, 9.0]), np.full(3, 0.2), np.full(3, 200.0)
    assert surely_bent(bow, u, width).tolist() == [False, False, True]
    bent = np.zeros(30, dtype=bool)
    bent[[4, 5, 11]] = True
    every = np.ones(30, dtype=bool)
    assert first_of_many(bent, every) is None
    bent[20:] = True
    assert first_of_many(bent, every) == 20


def test_a_lost_tip_is_no_fracture() -> None:
    force = np.concatenate([np.linspace(0, 1000, 20), np.linspace(950, 0, 20)])
    u = np.full(40, 1.0)
    force[24:36] = np.nan
    assert not loses_load(force, u, 24)
    force[24:] = 2.0
    assert loses_load(force, u, 24)


def test_faceted_particles_have_no_hertz_modulus() -> None:
    table, truth = table_of("particle_compression", 1, 80)
    result = evaluate(table, settings_of(truth))
    assert result.summary["youngs_modulus_GPa"] is None
    assert "flat" in result.summary["modulus_reason"]
    assert any("faces" in warning for warning in result.warnings)


def test_drift_under_load_is_in_the_uncertainty() -> None:
    table, truth = table_of("rod_compression", 1, 80)
    table["tip_y_px"] = table["tip_y_px"] - 0.06 * np.arange(80)
    table["base_y_px"] = table["base_y_px"] - 0.06 * np.arange(80)
    summary = evaluate(table, settings_of(truth)).summary
    drifted = 0.06 * truth["scale_nm_per_px"] * truth["max_force_frame"]
    drift = summary["zero"]["u_drift_at_largest_force_nm"]
    if summary["zero"]["drift_order"]:  # free frames after release showed it, and it was taken off
        assert summary["max_force_nN"] == pytest.approx(truth["max_force_nN"], rel=5e-3)
    else:
        assert 0.6 * drifted < drift < 1.4 * drifted
    still, _ = table_of("rod_compression", 1, 80)
    quiet = evaluate(still, settings_of(truth)).summary["zero"]["u_drift_at_largest_force_nm"]
    assert quiet < 0.1 * drifted

"""Contact, drops and fracture: found where they are, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from tem_track.mechanics import Settings, evaluate
from tem_track.mechanics.events import find_drops, find_holds, first_for_good
from tem_track.mechanics.hinge import fit_hinge
from tests.mechanics.tables import make


def curve(rng: np.random.Generator, n: int) -> np.ndarray:
    """Load, yield, sometimes hold and unload, in nN."""
    t = np.linspace(0, 1, n)
    force = np.minimum(t / 0.4, 1 + 0.5 * (t - 0.4)) * 3000
    if rng.uniform() < 0.5:
        start = rng.uniform(0.6, 0.8)
        force = np.where(
            t > start, np.clip(force * (1 - (t - start) / (1 - start)), 0, None), force
        )
    return force


@pytest.mark.parametrize("n", [14, 24, 200])
def test_no_false_drop_in_1000_curves_and_none_missed(n: int) -> None:
    false, missed = 0, 0
    for seed in range(350):
        rng = np.random.default_rng(seed)
        noise = rng.uniform(0, 0.01) * 3000
        force = curve(rng, n)
        top = int(np.argmax(force))
        noisy = force + noise * rng.standard_normal(n)
        u = np.full(n, noise)
        false += bool(find_drops(noisy, u))
        row = int(rng.integers(max(3, n // 5), max(top, n // 5 + 4)))
        size = rng.uniform(0.14, 0.5) * 3000 + force[row] - force[row - 1]
        dropped = noisy - np.where(np.arange(n) >= row, size, 0.0)
        missed += row not in [drop.row for drop in find_drops(dropped, u)]
    assert false == 0
    assert missed == 0


@pytest.mark.parametrize("n", [24, 200])
def test_drops_from_a_tenth_of_the_largest_force_in_1000_curves(n: int) -> None:
    false, missed = 0, 0
    for seed in range(1000):
        rng = np.random.default_rng(10_000 + seed)
        force = curve(rng, n)
        largest = float(force.max())
        noise = rng.uniform(0, 0.005) * largest
        noisy = force + noise * rng.standard_normal(n)
        u = np.full(n, noise)
        false += bool(find_drops(noisy, u))
        top = int(np.argmax(force))
        row = int(rng.integers(max(3, n // 5), max(top, n // 5 + 4)))
        size = rng.uniform(0.10, 0.5) * largest + force[row] - force[row - 1]
        dropped = noisy - np.where(np.arange(n) >= row, size, 0.0)
        missed += row not in [drop.row for drop in find_drops(dropped, u)]
    assert false == 0
    assert missed == 0


def test_the_switch_of_equations_makes_no_drop() -> None:
    table, _ = make(n=60, approach=10, load=48)
    table["length_px"] = 200.0 - np.clip(np.arange(60) - 10, 0, None) * 0.6
    settings = Settings(
        mode="compression", shape="particle", scale_nm_per_px=2, stiffness_N_per_m=6
    )
    result = evaluate(table, settings)
    assert set(result.points["mook_equation"][12:55]) == {1.0, 2.0}
    assert result.summary["load_drops"] == []
    assert result.summary["fracture_frame"] is None


def test_contact_between_frames() -> None:
    x = np.arange(40.0)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        truth = 20 + rng.uniform()
        y = 5 + 2.0 * np.clip(x - truth, 0, None) + 0.1 * rng.standard_normal(40)
        found = fit_hinge(x, y, 0.1)
        assert abs(found.position - truth) < 4 * found.u_position
        assert found.u_position < 0.25
        assert found.power == 1.0


@pytest.mark.parametrize("seed", range(4))
def test_a_false_gap_does_not_hide_a_contact(seed: int) -> None:
    table, truth = make(seed=seed)
    table["gap_px"] = np.full(120, 7.7)
    table["u_gap_px"] = np.full(120, 0.3)
    result = evaluate(
        table, Settings(mode="compression", shape="rod", scale_nm_per_px=2, stiffness_N_per_m=6)
    )
    assert result.summary["contact_frame"] == truth.contact_frame
    assert "gap" in result.summary["contact_criterion"]


def test_a_broken_frame_between_whole_ones_is_no_fracture() -> None:
    mask = np.zeros(60, dtype=bool)
    mask[[20, 21, 40]] = True
    assert first_for_good(mask, np.ones(60, dtype=bool)) is None
    mask[50:] = True
    assert first_for_good(mask, np.ones(60, dtype=bool)) == 50


def test_curved_drift_without_contact_is_no_force() -> None:
    table, _ = make(travel=-50.0, seed=8)
    t = np.linspace(-1, 1, 120)
    table["tip_y_px"] = table["tip_y_px"] + 3 * t - 2 * t**2
    result = evaluate(
        table, Settings(mode="compression", shape="rod", scale_nm_per_px=2, stiffness_N_per_m=6)
    )
    points = result.points
    assert result.summary["contact_frame"] is None
    assert np.all(np.abs(points["force_nN"]) < 4 * points["u_force_nN"])
    assert np.all(points["u_force_nN"] <= 3.0)
    assert result.summary["zero"]["drift_order"] >= 2


def test_holds() -> None:
    t = np.arange(60.0)
    force = np.interp(t, [0, 20, 40, 59], [0, 1000, 1000, 1500])
    assert find_holds(t, force, (0, 59)) == [(21, 39)] or find_holds(t, force, (0, 59)) == [
        (22, 38)
    ]

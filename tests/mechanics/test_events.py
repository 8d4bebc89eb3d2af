"""Contact, drops and fracture: found where they are, and nowhere else."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest

from tem_track.mechanics import Settings, evaluate, hinge
from tem_track.mechanics.events import find_drops, first_for_good, let_go
from tem_track.mechanics.hinge import fit_hinge
from tem_track.mechanics.phases import find_holds
from tests.mechanics.curves import loading_curve
from tests.mechanics.tables import make


@pytest.mark.parametrize("n", [14, 24, 200])
def test_no_false_drop_in_1000_curves_and_none_missed(n: int) -> None:
    false, missed = 0, 0
    for seed in range(350):
        rng = np.random.default_rng(seed)
        noise = rng.uniform(0, 0.01) * 3000
        force = loading_curve(rng, n)
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


@pytest.mark.parametrize("n", [14, 24, 60, 200])
def test_drops_from_a_tenth_of_the_largest_force_in_1000_curves(n: int) -> None:
    false, missed = 0, 0
    for seed in range(1000):
        rng = np.random.default_rng(10_000 + seed)
        force = loading_curve(rng, n)
        largest = float(force.max())
        noise = rng.uniform(0, 0.01) * largest
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


def test_an_unloading_over_lost_frames_is_no_drop() -> None:
    force = np.concatenate([np.linspace(0, 1000, 40), np.linspace(1000, 0, 20), np.zeros(10)])
    force[42:58] = np.nan
    assert find_drops(force, np.full(70, 1.0)) == []
    force[42:58] = 990.0
    assert [drop.row for drop in find_drops(force, np.full(70, 1.0))] == [58]


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


def test_a_hold_is_where_the_actuator_stands_still() -> None:
    t = np.arange(60.0)
    travel = np.interp(t, [0, 20, 40, 59], [0, 1000, 1000, 1500])
    ((first, last),) = find_holds(t, travel)
    assert 19 <= first <= 22
    assert 38 <= last <= 41
    assert find_holds(t, 10 * t) == []


def stretches(names: np.ndarray) -> list[tuple[str, int]]:
    """Phases in turn, with the first row of each."""
    starts = np.flatnonzero(np.concatenate([[True], names[1:] != names[:-1]]))
    return [(str(names[i]), int(i)) for i in starts]


ROD = Settings(mode="compression", shape="rod", scale_nm_per_px=2, stiffness_N_per_m=6)


@pytest.mark.parametrize("base", [True, False])
def test_cycles_that_lose_contact(base: bool) -> None:
    course = ((0, -200.0), (15.5, 0.0), (55, 450.0), (85, -200.0), (100, -200.0), (140, 800.0))
    table, truth = make(n=200, course=(*course, (170.0, -200.0), (199.0, -200.0)))
    if not base:
        table["base_y_px"][:] = np.nan
    result = evaluate(table, ROD)
    assert result.summary["contact_frame"] == 16
    assert result.summary["max_force_frame"] == 140
    assert result.summary["max_force_nN"] == pytest.approx(truth.force_nN.max(), rel=5e-3)
    found = stretches(result.points["phase"])
    names = ["approach", "load", "unload", "approach", "load", "unload", "after"]
    assert [name for name, _ in found] == names
    loaded = truth.force_nN > 0
    carries = np.isin(result.points["phase"], ("load", "hold", "unload"))
    assert np.sum(loaded != carries) <= 4
    assert abs(found[2][1] - 56) <= 1
    assert abs(found[5][1] - 141) <= 1
    assert result.summary["youngs_modulus_GPa"] == pytest.approx(2.0, rel=0.03)


def test_a_second_cycle_that_stays_smaller() -> None:
    course = ((0, -200.0), (15.5, 0.0), (75, 800.0), (110, -200.0), (130, -200.0), (170, 500.0))
    table, truth = make(n=200, course=(*course, (199.0, -200.0)))
    result = evaluate(table, ROD)
    free = np.isin(result.points["phase"], ("approach", "after"))
    assert np.sum(free != (truth.force_nN == 0)) <= 4
    assert result.summary["release_frame"] == pytest.approx(102, abs=2)
    assert result.points["phase"][165] == "load"


def test_a_hold_with_creep_and_one_with_relaxation() -> None:
    row = np.arange(160)
    since = np.clip(row - 76, 0, 50)
    creep, slack = 0.5 * since, 30 * (1 - np.exp(-since / 10))
    for crept, lost in ((creep, 0 * creep), (slack, slack)):
        table, _ = make(n=160, approach=15, load=60, hold=50, seed=3)
        table["length_px"] = table["length_px"] - crept / 2
        table["base_y_px"] = table["base_y_px"] - (crept - lost) / 2
        table["tip_y_px"] = table["tip_y_px"] + lost / 2
        summary = evaluate(table, ROD).summary
        (hold,) = summary["holds"]
        assert hold["first_frame"] == pytest.approx(76, abs=2)
        assert hold["last_frame"] == pytest.approx(125, abs=2)
        if not lost.any():
            # true strain of 776 nm shortened by 77 nm before the hold
            assert hold["rate_per_s"] == pytest.approx(0.5 / 0.1 / 690, rel=0.05)
        assert summary["work_elastic_J"] == pytest.approx(3.2e-14, rel=0.1)
        assert summary["strain_rate_per_s"] == pytest.approx(0.0108, rel=0.02)


def test_flow_at_constant_force_is_no_hold() -> None:
    table, _ = make(n=100, approach=15, load=80, yield_MPa=20.0, tangent=1e-4)
    result = evaluate(table, ROD)
    assert "hold" not in set(result.points["phase"])


def test_a_slip_is_a_drop_and_no_unloading() -> None:
    table, truth = make(n=120, approach=15, load=100, yield_MPa=60.0)
    row = np.arange(120)
    slip = 0.15 * truth.deflection_nm.max() * np.where(row >= 60, np.exp(-(row - 60) / 6), 0)
    table["tip_y_px"] = table["tip_y_px"] + slip / 2
    table["length_px"] = table["length_px"] - slip / 2
    result = evaluate(table, ROD)
    assert [drop["frame"] for drop in result.summary["load_drops"]] == [60]
    assert set(result.points["phase"][16:115]) == {"load"}
    assert result.summary["modulus_window_frames"][1] < 60
    assert result.summary["youngs_modulus_GPa"] == pytest.approx(2.0, rel=0.03)


def test_contact_in_the_second_frame() -> None:
    table, truth = make(n=30, approach=1, load=20, contact_shift=0.5)
    summary = evaluate(table, ROD).summary
    assert truth.contact_frame == 1
    assert summary["contact_frame"] == 1
    assert "fewer than three" in summary["contact_criterion"]
    assert summary["u_contact_time_s"] == pytest.approx(0.1 / math.sqrt(12))


def test_pieces_seen_for_a_moment_are_no_fracture_and_a_fracture_stays() -> None:
    table, _ = make(mode="tension", approach=0, break_at=70)
    row = np.arange(120)
    seen = ((row == 20) | (row >= 70)) & (row != 90)
    table["broken"] = seen
    table["outline_flags"] = np.where(seen, "BROKEN", "").astype(object)
    table["length_px"] = np.where(seen, np.nan, 400.0)
    settings = Settings(mode="tension", shape="rod", scale_nm_per_px=2, stiffness_N_per_m=6)
    result = evaluate(table, settings)
    flags = [flag.split(";") for flag in result.points["flags"]]
    assert result.summary["fracture_frame"] == 70
    assert [i for i, words in enumerate(flags) if "BROKEN" in words] == list(range(70, 120))
    assert [i for i, words in enumerate(flags) if "SPECIMEN_LOST" in words] == [20]
    assert np.isnan(result.points["stress_MPa"][70:]).all()


def test_a_crack_too_narrow_to_be_seen_began_when_the_force_fell() -> None:
    table, _ = make(mode="tension", approach=0, break_at=66)
    row = np.arange(120)
    settings = Settings(mode="tension", shape="rod", scale_nm_per_px=2, stiffness_N_per_m=6)
    table["broken"] = row >= 70
    table["outline_flags"] = np.where(row >= 70, "BROKEN", "BENT").astype(object)
    table["length_px"] = np.where(row >= 70, np.nan, 400.0)
    result = evaluate(table, settings)
    assert result.summary["fracture_frame"] == 66
    assert np.isnan(result.points["length_nm"][66:]).all()
    assert np.isfinite(result.points["length_nm"][:66]).all()
    assert set(result.points["flags"][66:70]) == {"BROKEN"}


@pytest.mark.parametrize("carried", [(90, 60, 30, 0, 0, 0), (90,) * 6])
def test_a_force_that_falls_slowly_or_not_at_all_moves_no_fracture(
    carried: tuple[int, ...],
) -> None:
    force = np.array([30.0, 60.0, 90.0, *carried, 0.0, 0.0, 0.0])
    assert let_go(force, np.full(12, 1.0), 9) == 9


def test_a_test_that_goes_by_steps() -> None:
    course = [(0.0, -100.0), (12.0, 0.0)]
    for step in range(8):
        start = 12.0 + 14 * step
        course += [(start + 4, 90.0 * (step + 1)), (start + 14, 90.0 * (step + 1))]
    table, truth = make(n=174, course=(*course, (143.0, 0.0), (173.0, -100.0)))
    summary = evaluate(table, ROD).summary
    assert summary["contact_frame"] == truth.contact_frame == 13
    assert abs(summary["contact_time_s"] - 1.2) < 4 * summary["u_contact_time_s"] < 0.01
    assert len(summary["holds"]) >= 7
    assert summary["youngs_modulus_GPa"] == pytest.approx(2.0, rel=0.03)


def test_drift_between_free_frames_on_both_sides_is_taken_off() -> None:
    table, truth = make(n=200, approach=25, load=70, drift_px=(0.0, -0.03))
    summary = evaluate(table, ROD).summary
    assert summary["zero"]["drift_order"] == 1
    assert summary["zero"]["drift_nm_per_s"] == pytest.approx(0.6, rel=0.05)
    assert summary["max_force_nN"] == pytest.approx(truth.force_nN.max(), rel=2e-3)


def test_a_hinge_in_a_long_record_needs_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.linspace(0, 1, 20_000)
    y = np.clip(x - 0.4, 0, None) + np.random.default_rng(1).normal(0, 0.05, x.size)
    grid = np.linspace(0, 0.9, 400)
    tracemalloc.start()
    in_parts = hinge._profile(x, y, grid, 1.5, sloping=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 8 * hinge._CELLS
    monkeypatch.setattr(hinge, "_CELLS", x.size * grid.size)
    at_once = hinge._profile(x, y, grid, 1.5, sloping=True)
    np.testing.assert_allclose(in_parts, at_once, rtol=1e-10)


@pytest.mark.parametrize(
    ("at_border", "frames", "expected"),
    [
        ((40, 60), 120, range(40, 61)),
        ((40,), 120, [40]),
        ((40,), 60, range(40, 60)),
        ((), 120, []),
    ],
)
def test_what_left_the_picture_is_out_of_view_until_it_is_back(
    at_border: tuple[int, ...], frames: int, expected: Sequence[int]
) -> None:
    table, _ = make()
    row = np.arange(120)
    gone, across = (row > 40) & (row < 60), np.isin(row, at_border)
    for name in ("tip", "base"):
        for axis in "xy":
            table[f"{name}_{axis}_px"] = np.where(gone, np.nan, table[f"{name}_{axis}_px"])
    table["length_px"] = np.where(gone | across, np.nan, table["length_px"])
    words = np.where(across, "SPECIMEN_LOST;OUT_OF_VIEW", np.where(gone, "SPECIMEN_LOST", ""))
    table["outline_flags"] = words.astype(object)
    cut = {name: column[:frames] for name, column in table.items()}
    result = evaluate(
        cut,
        Settings(mode="compression", shape="rod", scale_nm_per_px=2, stiffness_N_per_m=6),
    )
    flags = [flag.split(";") for flag in result.points["flags"]]
    assert [i for i, each in enumerate(flags) if "OUT_OF_VIEW" in each] == list(expected)
    assert all("SPECIMEN_LOST" in flags[i] for i in range(41, min(60, frames)))

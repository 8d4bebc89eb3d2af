"""A track that slips against the specimen's end lines shows in the closure, not in the length."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tem_track.mechanics import Settings, evaluate
from tem_track.specimen.half_way import half_way
from tests.mechanics.tables import Table, Truth, make

SLIP_NM = 6.0
FROM = 60


def with_end_lines(slip_nm: float, **changes: Any) -> tuple[Table, Truth]:
    """Return a table in which the base's track slips and carries the length with it."""
    table, truth = make(u_length_px=0.02, **changes)
    scale, n = truth.scene.scale, truth.scene.n
    rng = np.random.default_rng(5)
    held = truth.gap_nm < 1e-6
    slip = np.where(np.arange(n) >= FROM, slip_nm / scale, 0.0)
    table["base_y_px"] = table["base_y_px"] - slip
    table["length_px"] = np.where(
        held, table["base_y_px"] - table["tip_y_px"] + 114.0, table["length_px"]
    )
    table["gap_px"] = np.where(held, 0.0, table["gap_px"])
    table["seat_px"] = np.where(held, slip + 0.1 * rng.standard_normal(n) + 0.3, np.nan)
    table["u_seat_px"] = np.where(held, 0.1, np.nan)
    return table, truth


def settings() -> Settings:
    return Settings(mode="compression", scale_nm_per_px=2.0, stiffness_N_per_m=6.0, shape="rod")


def test_a_slip_shows_in_the_closure_and_not_in_the_deformation() -> None:
    table, truth = with_end_lines(SLIP_NM)
    points = evaluate(table, settings()).points
    loaded = np.isin(points["phase"], ("load", "hold", "unload"))
    after = loaded & (points["frame"] >= FROM + 2)
    before = loaded & (points["frame"] < FROM - 2)
    assert np.median(points["closure_nm"][after]) == pytest.approx(SLIP_NM, abs=0.2)
    assert all("CLOSURE" in flags for flags in points["flags"][after])
    assert np.mean(["CLOSURE" in flags for flags in points["flags"][before]]) < 0.1
    error = points["length_nm"] - truth.length_nm
    assert np.median(error[after]) - np.median(error[before]) == pytest.approx(0.0, abs=0.2)


def test_closure_is_what_its_formula_says_and_is_no_tautology() -> None:
    points = evaluate(with_end_lines(0.0)[0], settings()).points
    loaded = np.isin(points["phase"], ("load", "hold", "unload"))
    rest = points["actuator_nm"] - points["deflection_nm"] - points["deformation_nm"]
    rest = rest[loaded] - points["closure_nm"][loaded]
    assert np.ptp(rest) < 1e-6
    pull = points["closure_nm"][loaded] / points["u_closure_nm"][loaded]
    assert 0.1 < np.std(pull) < 2.0


def test_no_end_lines_no_closure() -> None:
    table, _ = with_end_lines(0.0)
    table["seat_px"] = np.full(len(table["frame"]), np.nan)
    points = evaluate(table, settings()).points
    loaded = np.isin(points["phase"], ("load", "hold", "unload"))
    assert np.isnan(points["closure_nm"][loaded]).all()
    assert np.isfinite(points["length_nm"][loaded]).all()


@pytest.mark.parametrize("at", [-2.3, -0.5, 0.0, 0.25, 1.9])
def test_half_way_between_two_slopes(at: float) -> None:
    from scipy.special import ndtr

    x = np.arange(-20.0, 21.0)
    profile = 90 + 0.3 * x + (-60 + 0.2 * x) * ndtr((x - at) / 1.2)
    found = half_way(profile, x, 1.2)
    assert found is not None
    assert found[0] == pytest.approx(at, abs=0.01)
    assert half_way(np.full(x.size, 90.0) + np.sin(x), x, 1.2) is None


def test_end_lines_that_say_nothing_leave_the_modulus_to_the_tracks() -> None:
    table, _ = with_end_lines(0.0)
    with_lines = evaluate(table, settings()).summary
    table["seat_px"] = np.full(len(table["frame"]), np.nan)
    without = evaluate(table, settings()).summary
    assert with_lines["youngs_modulus_GPa"] == pytest.approx(
        without["youngs_modulus_GPa"], rel=2e-3
    )
    assert without["modulus_budget"]["seating"] == 0
    # 0.1 px of 2 nm a frame, over the branch; shortening after the line's end tells no more
    points = evaluate(table, settings()).points
    load = points["phase"] == "load"
    shortening = 776 * np.minimum(points["strain_eng"], with_lines["modulus_strain_range"][1])[load]
    noise = 0.2 / math.sqrt(float(((shortening - shortening.mean()) ** 2).sum()))
    assert with_lines["modulus_budget"]["seating"] == pytest.approx(noise, rel=0.4)


def _rest(summary: dict[str, Any]) -> float:
    budget = summary["modulus_budget"].items()
    return math.hypot(*(u for name, u in budget if u and name not in ("stiffness", "scale")))


@pytest.mark.parametrize("stops", [False, True])
@pytest.mark.parametrize("most_px", [0.1, 0.2, 0.4])
def test_seats_that_give_way_by_little_are_within_the_modulus_uncertainty(
    most_px: float, stops: bool
) -> None:
    """With the force all along, or only up to two fifths of the largest."""
    table, truth = with_end_lines(0.0)
    force = np.clip(truth.force_nN / truth.force_nN.max(), 0, None)
    sunk = most_px * (np.minimum(force, 0.4) if stops else force)
    table["base_y_px"] = table["base_y_px"] - sunk
    table["length_px"] = table["length_px"] - sunk
    table["seat_px"] = table["seat_px"] + sunk
    summary = evaluate(table, settings()).summary
    assert abs(summary["youngs_modulus_GPa"] / 2.0 - 1) < 2 * _rest(summary)


def test_ways_to_see_the_end_lines_that_part_under_load_make_the_modulus_less_sure() -> None:
    """What they differ by in a constant does not."""
    table, truth = with_end_lines(0.0)
    force = np.clip(truth.force_nN / truth.force_nN.max(), 0, None)
    shares = {}
    for kind, passing in (("alike", 0 * force), ("constant", 0 * force + 1), ("load", force)):
        changed = dict(table)
        for seed, (name, share) in enumerate({"left": 0.3, "mid": 0.0, "right": -0.3}.items()):
            noise = np.random.default_rng(seed).normal(0, 0.17, force.size)
            changed[f"seat_{name}_px"] = table["seat_px"] + noise + share * passing
        noise = np.random.default_rng(9).normal(0, 0.1, force.size)
        changed["seat_curved_px"] = table["seat_px"] + noise + passing
        shares[kind] = evaluate(changed, settings()).summary["modulus_budget"]["seating"]
    assert shares["constant"] == pytest.approx(shares["alike"], rel=1e-6)
    # a pixel of 2 nm over the 12 nm of elastic shortening, less than which the force has
    assert shares["load"] > 5 * shares["alike"]


@pytest.mark.parametrize("most_px", [0.5, 1.0, -1.0])
def test_tracks_that_grow_doubtful_with_the_way_make_the_modulus_less_sure(most_px: float) -> None:
    """An error that follows the place is no scatter; one that stays moves no slope."""
    table, truth = with_end_lines(0.0)
    force = np.clip(truth.force_nN / truth.force_nN.max(), 0, None)
    summaries = {}
    for kind, share in (("sure", 0 * force), ("stays", 0 * force + 1), ("grows", force)):
        changed = dict(table)
        changed["u_length_px"] = np.hypot(table["u_length_px"], most_px * share)
        changed["length_px"] = table["length_px"] + most_px * share
        summaries[kind] = evaluate(changed, settings()).summary
    sure, stays, grows = (s["modulus_budget"]["tracks"] for s in summaries.values())
    assert sure < 0.01
    assert stays < 0.02
    assert grows > 0.02
    assert abs(summaries["grows"]["youngs_modulus_GPa"] / 2.0 - 1) < 2 * _rest(summaries["grows"])


def test_end_lines_that_move_apart_are_taken_off_the_elastic_line() -> None:
    """Seats that give way by 10 nm/uN look like a softer rod to the tracks."""
    table, truth = with_end_lines(0.0)
    sunk = truth.force_nN / 1000 * 10.0 / 2.0
    table["base_y_px"] = table["base_y_px"] - sunk
    table["length_px"] = table["length_px"] - sunk
    table["seat_px"] = table["seat_px"] + sunk
    summary = evaluate(table, settings()).summary
    assert summary["youngs_modulus_GPa"] == pytest.approx(2.0, rel=0.05)


def test_contrast_that_passes_an_end_leaves_length_and_closure_alone() -> None:
    """Lines and curves, or some columns and others, then move by different amounts."""
    table, truth = with_end_lines(0.0)
    passing = np.linspace(0.0, 1.5, len(table["frame"]))
    for name, share in (
        ("", 1.0),
        ("left_", 1.6),
        ("mid_", 1.0),
        ("right_", 0.4),
        ("curved_", 0.2),
    ):
        noise = np.random.default_rng(len(name)).normal(0, 0.1, passing.size)
        table[f"seat_{name}px"] = table["seat_px"] * 0 + share * passing + noise
    points = evaluate(table, settings()).points
    held = np.isfinite(table["seat_px"])
    error = (points["length_nm"] - truth.length_nm)[held]
    assert np.ptp(error) < 0.5 * np.ptp(passing[held]) * truth.scene.scale
    assert np.mean(np.abs(error) < 2 * points["u_length_nm"][held]) > 0.95
    assert np.mean(["CLOSURE" in flags for flags in points["flags"][held]]) < 0.05

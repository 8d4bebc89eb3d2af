"""Every event carries its frame, its criterion and its uncertainty; none where there is none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tem_track.mechanics import Settings, evaluate
from tests.mechanics.tables import make


def events(mode: str = "compression", **scene: Any) -> list[dict[str, Any]]:
    table, _ = make(mode=mode, **scene)
    settings = Settings(
        mode=mode,  # type: ignore[arg-type]
        shape="rod",
        scale_nm_per_px=2,
        stiffness_N_per_m=6,
    )
    found: list[dict[str, Any]] = evaluate(table, settings).summary["events"]
    return found


def frames_of(found: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    return {e["event"]: (e["first_frame"], e["last_frame"]) for e in found}


def test_a_compression_from_zero_to_loss_of_contact() -> None:
    found = events(n=190, approach=15, load=60, hold=40)
    frames = frames_of(found)
    assert [e["event"] for e in found if e["event"] != "largest force"] == [
        "zero", "contact", "loading", "hold", "unloading", "loss of contact",
    ]  # fmt: skip
    assert frames["zero"] == (0, 14)
    assert frames["contact"] == (15, 15)
    assert frames["loading"][0] == 15
    assert frames["loading"][1] + 1 == frames["hold"][0]
    assert frames["hold"] == pytest.approx((76, 115), abs=3)
    assert frames["hold"][1] + 1 == frames["unloading"][0]
    assert frames["unloading"][1] + 1 == frames["loss of contact"][0]
    for event in found:
        assert event["criterion"]
        assert event["event"] == "zero" or event["u_time_s"] > 0
    contact = next(e for e in found if e["event"] == "contact")
    assert contact["gap_closed_frame"] == pytest.approx(15, abs=1)
    assert contact["u_time_s"] < 0.1 / math.sqrt(12)


def test_a_hold_makes_the_largest_force_uncertain_in_time() -> None:
    long = next(e for e in events(n=160, load=60, hold=40) if e["event"] == "largest force")
    short = next(e for e in events(n=160, load=60) if e["event"] == "largest force")
    assert short["u_time_s"] == pytest.approx(0.1 / math.sqrt(12))
    assert long["u_time_s"] > 5 * short["u_time_s"]


def test_a_tension_test_breaks() -> None:
    found = events("tension", approach=0, break_at=70)
    frames = frames_of(found)
    assert frames["contact"] == (0, 0)
    assert frames["fracture"] == frames["load drop"] == (70, 70)
    assert frames["largest force"] == (69, 69)
    drop = next(e for e in found if e["event"] == "load drop")
    assert drop["size_nN"] > 100 * drop["u_size_nN"] > 0
    assert not {"bending", "neck", "hold", "loss of contact"} & set(frames)


def test_a_lost_frame_makes_the_fracture_less_sure() -> None:
    sure, unsure = (
        next(e for e in events("tension", approach=0, break_at=70, lost=lost) if e["event"] == name)
        for lost, name in (((), "fracture"), ((67, 68, 69), "fracture"))
    )
    assert unsure["u_time_s"] == pytest.approx(4 * sure["u_time_s"])


def test_nothing_happens_and_nothing_is_said() -> None:
    assert [e["event"] for e in events(travel=-50.0)] == ["zero"]


def test_the_first_flagged_frame_is_the_event() -> None:
    table, _ = make()
    row = np.arange(120)
    table["outline_flags"] = np.where((row == 5) | (row >= 60), "BENT", "").astype(object)
    table["bow_px"] = np.where((row == 5) | (row >= 60), 6.0, 0.0)
    settings = Settings(mode="compression", shape="rod", scale_nm_per_px=2, stiffness_N_per_m=6)
    result = evaluate(table, settings)
    assert result.summary["bending_frame"] == 60
    flagged = ["BENT" in flags.split(";") for flags in result.points["flags"]]
    assert int(np.argmax(flagged)) == 60

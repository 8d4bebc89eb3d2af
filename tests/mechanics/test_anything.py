"""Whatever was lost, the evaluation returns: rows kept, nothing invented, no warning, JSON."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tem_track.mechanics import Settings, area_model_names, evaluate
from tests.mechanics.tables import Scene, Table, make

TRACKS = ("bar", "tip", "base")
OUTLINE = (
    "gap_px",
    "length_px",
    "diameter_mid_px",
    "diameter_max_px",
    "diameter_min_px",
    "diameter_tip_px",
    "diameter_base_px",
    "volume_px3",
    "bow_px",
)
KINDS = [(None, "compression"), (None, "tension"), ("rod", "compression"), ("rod", "tension")]
KINDS += [("particle", "compression"), ("hollow_sphere", "compression")]
KINDS += [("pillar", "compression"), ("pillar", "tension")]


def columns(target: str) -> list[str]:
    return [f"{target}_{part}" for part in ("x_px", "y_px", "xx_px2", "xy_px2", "yy_px2", "score")]


def lose(draw: DrawFn, table: Table, names: list[str], rows: np.ndarray) -> None:
    for name in names:
        table[name][rows] = np.nan


def spoil(draw: DrawFn, table: Table, n: int) -> None:
    """Do one thing to the table that a movie can do."""
    rows = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=bool)
    if draw(st.booleans()):
        rows[:] = True
    target = draw(st.sampled_from(TRACKS))
    quantity = draw(st.sampled_from(OUTLINE))
    deed = draw(st.integers(0, 11))
    if deed == 0:
        lose(draw, table, columns(target), rows)
        table[f"{target}_reason"][rows] = "no fit"
    elif deed == 1:
        lose(draw, table, columns(target), rows)
    elif deed == 2:
        lose(draw, table, [quantity, f"u_{quantity}"], rows)
    elif deed == 3:
        lose(draw, table, [f"u_{quantity}"], rows)
    elif deed == 4:
        table[f"u_{quantity}"][rows] = draw(st.sampled_from([0.0, np.inf]))
    elif deed == 5:
        for part in ("xx", "yy"):
            table[f"{target}_{part}_px2"][rows] = draw(st.sampled_from([0.0, np.inf, np.nan]))
    elif deed == 6:
        table[quantity][rows] = table[quantity][0]
    elif deed == 7:
        for name in columns(target):
            table[name][rows] = table[name][0]
    elif deed == 8:
        table["duplicate"][rows] = True
    elif deed == 9:
        table["ok"][rows] = False
    elif deed == 10:
        flag = draw(st.sampled_from(["BENT", "BROKEN", "SPECIMEN_LOST", "OUT_OF_VIEW", "NECK"]))
        table["outline_flags"][rows] = flag
        table["broken"][rows] = flag == "BROKEN"
    else:
        table["time_s"][rows] = np.nan


@st.composite
def cases(draw: DrawFn) -> tuple[Table, Settings]:
    n = draw(st.integers(1, 24))
    shape, mode = draw(st.sampled_from(KINDS))
    approach = draw(st.integers(0, n))
    scene = Scene(
        mode=mode,
        n=n,
        approach=approach,
        load=max(1, draw(st.integers(1, n))),
        travel=draw(st.sampled_from([-50.0, 0.0, 5.0, 750.0])),
        jitter_px=draw(st.sampled_from([0.0, 0.6])),
        u_track_px=draw(st.sampled_from([0.0, 0.02, 1.0])),
        u_length_px=draw(st.sampled_from([0.0, 0.1, 3.0])),
        drift_px=draw(st.sampled_from([(0.0, 0.0), (0.02, 0.1)])),
        break_at=draw(st.none() | st.integers(0, n)),
        seed=draw(st.integers(0, 50)),
    )
    table, _ = make(scene)
    for _ in range(draw(st.integers(0, 4))):
        spoil(draw, table, n)
    if shape is None and draw(st.booleans()):
        table = {k: v for k, v in table.items() if k.removeprefix("u_") not in OUTLINE}
    return table, settings_for(draw, shape, mode, n)


def settings_for(draw: DrawFn, shape: Any, mode: Any, n: int) -> Settings:
    names = (None, *area_model_names(shape, mode))
    return Settings(
        mode=mode,
        shape=shape,
        area_model=draw(st.sampled_from(names)),
        scale_nm_per_px=2.0,
        stiffness_N_per_m=6.0,
        u_scale_nm_per_px=draw(st.sampled_from([None, 0.0, 0.03])),
        u_stiffness_N_per_m=draw(st.sampled_from([None, 0.0, 0.6])),
        base_modulus_GPa=draw(st.sampled_from([None, 3.9])),
        u_axis_deg=draw(st.sampled_from([0.0, 1.0])),
        zero_frames=draw(st.sampled_from([None, (0, n // 2), (n + 5, n + 9)])),
        reference_frame=draw(st.integers(0, n)),
    )


@settings(deadline=None, max_examples=250, derandomize=True)
@given(cases())
def test_it_returns_and_invents_nothing(case: tuple[Table, Settings]) -> None:
    table, chosen = case
    n = len(table["frame"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = evaluate(table, chosen)
    assert all(len(values) == n for values in result.points.values())
    assert result.summary["n_frames"] == n
    json.dumps(result.summary, allow_nan=False)
    untracked = np.isnan(table["tip_x_px"]) | np.isnan(table["bar_x_px"])
    assert np.isnan(result.points["force_nN"][untracked]).all()
    assert np.isnan(result.points["u_force_nN"][untracked]).all()
    if chosen.shape is not None:
        unseen = np.isnan(table["length_px"])
        assert np.isnan(result.points["strain_eng"][unseen]).all()
        assert np.isnan(result.points["stress_MPa"][untracked]).all()
    if untracked.all():
        for name in ("max_force_nN", "critical_stress_MPa", "youngs_modulus_GPa", "contact_frame"):
            assert result.summary[name] is None, name

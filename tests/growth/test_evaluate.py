"""From a table of pixels to rates and events, on tables whose truth is drawn by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tem_track.growth import (
    ElectricalLog,
    Settings,
    at_times,
    bodies_table,
    current_A,
    evaluate,
    read_log,
)
from tem_track.growth.tracks import touch_row

N = 60
SCALE = 2.0


def table(bodies: dict[int, dict[str, Any]] | None = None, **columns: Any) -> dict[str, Any]:
    """Return a measurement with bodies given by length, place and the rows they are seen in."""
    out: dict[str, Any] = {
        "frame": np.arange(N),
        "time_s": 10.0 * np.arange(N),
        "ok": np.ones(N, dtype=bool),
        "duplicate": np.zeros(N, dtype=bool),
        "outline_flags": np.full(N, "", dtype=object),
        "bar_x_px": np.zeros(N),
        "bar_y_px": np.zeros(N),
        "bar_score": np.ones(N),
    }
    for k, body in (bodies or {}).items():
        rows = body["rows"]
        size = np.where(rows, body["length"], np.nan)
        for name, power in (
            ("length_px", 1),
            ("diameter_max_px", 1),
            ("diameter_mid_px", 1),
            ("diameter_mean_px", 1),
            ("projected_area_px2", 2),
            ("volume_px3", 3),
            ("shell_px", 1),
        ):
            out[f"body{k}_{name}"] = size**power
            out[f"u_body{k}_{name}"] = np.where(
                rows, 0.2 * np.maximum(size, 1) ** (power - 1), np.nan
            )
        out[f"body{k}_place_px"] = np.where(rows, body["place"], np.nan)
        for name in ("root_x_px", "root_y_px", "end_x_px"):
            out[f"body{k}_{name}"] = np.where(rows, 100.0, np.nan)
        out[f"body{k}_end_y_px"] = 100.0 - size
    return out | columns


def growing(start: int, rate: float = 2.0) -> dict[str, Any]:
    rows = np.arange(N) >= start
    return {"rows": rows, "length": 30 + rate * (np.arange(N) - start), "place": 0.0}


def test_what_all_frames_share_is_in_the_summary() -> None:
    exact, scaled = (
        evaluate(table({1: growing(12)}), Settings(SCALE, u))[1] for u in (None, 0.01 * SCALE)
    )
    assert scaled["mode"] == "growth"
    for name, power in (
        ("final_length_nm", 1), ("final_diameter_nm", 1), ("final_volume_nm3", 3),
        ("aspect_ratio", 0),
    ):  # fmt: skip
        share = scaled[f"u_{name}"] ** 2 - exact[f"u_{name}"] ** 2
        assert share == pytest.approx((0.01 * power * scaled[name]) ** 2, rel=1e-6, abs=1e-9)


def test_frames_without_a_length_do_not_cut_a_step_of_potential() -> None:
    body = growing(12)
    body["rows"] = body["rows"] & ~np.isin(np.arange(N), (30, 31, 32))
    potential = np.where(np.arange(N) < 45, -5.0, -1.0)
    made = table({1: body}, potential_V=potential)
    points, summary = evaluate(made, Settings(SCALE, 0.02, log_by_marker=True))
    steps = summary["rates_by_potential"]
    assert [(s["first_frame"], s["last_frame"]) for s in steps] == [(12, 44), (45, 59)]
    assert summary["u_log_time_s"] == pytest.approx(10 / np.sqrt(12))
    for step in steps:
        share = step["u_length_nm_per_s"] ** 2 - step["u_own_length_nm_per_s"] ** 2
        assert share == pytest.approx((0.01 * step["length_nm_per_s"]) ** 2)
    assert np.isnan(points["force_nN"]).all()


def test_a_straight_growth_has_its_rate_and_frame() -> None:
    points, summary = evaluate(table({1: growing(12)}), Settings(SCALE, 0.02, material="Na"))
    assert summary["nucleation_frame"] == 12
    assert summary["growth_rate_nm_per_s"] == pytest.approx(2.0 * SCALE / 10)
    assert summary["u_growth_rate_nm_per_s"] >= 0.01 * summary["growth_rate_nm_per_s"]
    assert list(points["phase"][[0, 11, 12, N - 1]]) == ["before", "before", "growth", "growth"]
    assert summary["growth_end_frame"] is None
    volume = (SCALE * points["length_nm"] / SCALE) ** 3
    assert summary["growth_current_A"] == pytest.approx(
        current_A(summary["volume_rate_nm3_per_s"], 23.7)
    )
    np.testing.assert_allclose(points["volume_nm3"], volume)
    assert summary["growth_direction_deg"] == pytest.approx(0.0, abs=1e-9)


def test_the_rate_is_told_frame_by_frame_too() -> None:
    body = growing(10)
    row = np.arange(N)
    body["length"] = np.where(row < 35, 30 + 2.0 * (row - 10), 80 + 0.5 * (row - 35))
    points, summary = evaluate(table({1: body}), Settings(SCALE, material="Na"))
    rate = points["length_rate_nm_per_s"]
    assert np.isnan(rate[:10]).all()
    np.testing.assert_allclose(rate[[15, 25, 45, 55]], [0.4, 0.4, 0.1, 0.1], rtol=1e-6)
    np.testing.assert_allclose(
        points["growth_current_A"][20], current_A(points["volume_rate_nm3_per_s"][20], 23.7)
    )
    assert (points["u_length_rate_nm_per_s"][10:] > 0).all()
    last = N - 1
    mean = points["length_nm"][last] / (points["time_s"][last] - points["time_s"][10])
    assert summary["mean_growth_rate_nm_per_s"] == pytest.approx(mean)
    assert 0 < summary["u_mean_growth_rate_nm_per_s"] < 0.02 * mean


def test_where_nothing_grows_nothing_is_said() -> None:
    points, summary = evaluate(table(), Settings(SCALE))
    assert set(points["phase"]) == {"before"}
    assert summary["nucleation_frame"] is None
    assert summary["growth_rate_nm_per_s"] is None
    assert summary["shell_law"] == "undetermined"
    assert any("nothing is seen to grow" in text for text in summary["warnings"])
    assert np.isnan(points["length_nm"]).all()


def test_a_speck_of_one_frame_is_no_nucleation() -> None:
    body = growing(20)
    body["rows"] = body["rows"] | (np.arange(N) == 3)
    body["length"] = np.where(np.arange(N) == 3, 30, body["length"])
    speck = {"rows": np.arange(N) == 5, "length": np.full(N, 9.0), "place": 200.0}
    _, summary = evaluate(table({1: growing(20), 2: speck}), Settings(SCALE))
    assert summary["nucleation_frame"] == 20
    assert len(summary["bodies"]) == 1


def test_a_body_of_the_first_frame_has_no_nucleation() -> None:
    _, summary = evaluate(table({1: growing(0)}), Settings(SCALE))
    assert summary["nucleation_frame"] is None
    assert any("first frame" in text for text in summary["warnings"])


def test_a_rough_face_makes_the_length_uncertain_and_no_rate_of_it() -> None:
    face = {"u_common_length_px": np.full(N, 1.5)}
    _, smooth = evaluate(table({1: growing(10)}), Settings(SCALE))
    points, rough = evaluate(table({1: growing(10)}, **face), Settings(SCALE))
    assert rough["u_common_length_nm"] == pytest.approx(1.5 * SCALE)
    expected = np.hypot(smooth["u_final_length_nm"], 1.5 * SCALE)
    assert rough["u_final_length_nm"] == pytest.approx(expected)
    for larger in ("u_aspect_ratio", "u_final_volume_nm3", "u_mean_growth_rate_nm_per_s"):
        assert rough[larger] > smooth[larger]
    for same in ("u_final_diameter_nm", "growth_rate_nm_per_s", "u_growth_rate_nm_per_s"):
        assert rough[same] == pytest.approx(smooth[same])
    assert points["u_length_nm"][-1] == pytest.approx(0.2 * SCALE)


def test_growth_that_stops_is_left_out_of_the_rate() -> None:
    body = growing(10)
    body["length"] = np.minimum(body["length"], 90.0)
    points, summary = evaluate(table({1: body}), Settings(SCALE))
    assert summary["growth_end_frame"] in (40, 41)
    assert summary["growth_rate_nm_per_s"] == pytest.approx(0.4, rel=0.02)
    assert points["phase"][-1] == "after"
    assert summary["final_length_nm"] == pytest.approx(180)


def test_two_bodies_are_two_tracks_whatever_their_order_in_a_frame() -> None:
    small = {"rows": (np.arange(N) >= 15) & (np.arange(N) < 45), "length": np.full(N, 20.0)}
    large = growing(10)
    swap = np.arange(N) < 30  # the smaller one comes first in half of the frames
    first, second = {}, {}
    for key, a, b in (
        ("rows", small["rows"], large["rows"]),
        ("length", small["length"], large["length"]),
        ("place", np.full(N, -80.0), np.zeros(N)),
    ):
        first[key], second[key] = np.where(swap, a, b), np.where(swap, b, a)
    gap = np.where(np.arange(N) < 40, 40.0 - np.arange(N), np.nan)
    flags = np.where((np.arange(N) >= 40) & (np.arange(N) < 45), "TOUCHING", "").astype(object)
    measured = table({1: first, 2: second}, bodies_gap_px=gap, outline_flags=flags)
    points, summary = evaluate(measured, Settings(SCALE))
    assert [body["nucleation_frame"] for body in summary["bodies"]] == [10, 15]
    assert summary["merges"] == [{"bodies": [1, 2], "touch_frame": 40, "merge_frame": 45}]
    assert set(points["body"]) == {"", "1"}
    several = bodies_table(measured, Settings(SCALE))
    assert np.all(several["length_nm"][several["body"] == 2] == 40)
    assert len(several["frame"]) == 50 + 30


def test_a_speck_of_long_ago_takes_no_body_that_comes_to_its_place() -> None:
    large, rows = growing(10), np.arange(N)
    drawn = np.where(rows < 40, -80.0, -72.0)  # drawn to the larger, where a speck once was
    small = {"rows": (rows >= 15) & (rows < 50), "length": np.full(N, 20.0), "place": drawn}
    speck = {"rows": rows == 15, "length": np.full(N, 3.0), "place": np.full(N, -70.0)}
    flags = np.where((rows >= 40) & (rows < 50), "TOUCHING", "").astype(object)
    gap = np.where(rows < 40, 40.0 - rows, np.nan)
    measured = table({1: large, 2: small, 3: speck}, bodies_gap_px=gap, outline_flags=flags)
    _, summary = evaluate(measured, Settings(SCALE))
    assert [body["nucleation_frame"] for body in summary["bodies"]] == [10, 15]
    assert summary["merges"] == [{"bodies": [1, 2], "touch_frame": 40, "merge_frame": 50}]


def test_bodies_that_all_but_touch_do_so_in_the_next_frame() -> None:
    """A gap of a pixel that is not seen again was closed then, whatever its course before."""
    gap = np.full(31, np.nan)
    gap[20:27] = [25.8, 22.2, 19.4, 16.9, 12.9, 10.1, 0.7]
    touching = np.arange(31) >= 27
    assert touch_row(gap, touching, 31) == 27


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("left_px", "merged"), [(2.0, 54), (0.0, 50)])
def test_a_body_is_merged_when_nothing_of_it_stands_out(
    side: int, left_px: float, merged: int
) -> None:
    """It is not told from the other's form below 8 px; swallowed at once, it is merged then."""
    rows = np.arange(N)
    small = {"rows": (rows >= 15) & (rows < 50), "length": np.full(N, 20.0),
             "place": np.where(rows < 40, -80.0, -72.0)}  # fmt: skip
    flags = np.where((rows >= 40) & (rows < 50), "TOUCHING", "").astype(object)
    bulge = np.where(rows < 50, 2.0 * (54 - rows), np.maximum(left_px * (54 - rows), 0.0))
    noise = np.random.default_rng(3).normal(0.0, 0.5, N)
    measured = table(
        {1: growing(10), 2: small}, bodies_gap_px=np.where(rows < 40, 40.0 - rows, np.nan),
        outline_flags=flags, bulge_px=side * bulge + noise,
    )  # fmt: skip
    (merge,) = evaluate(measured, Settings(SCALE))[1]["merges"]
    assert abs(merge["merge_frame"] - merged) <= (1 if left_px else 2)


def test_lost_frames_are_flagged_and_keep_their_rows() -> None:
    body = growing(10)
    body["rows"] = body["rows"] & (np.arange(N) != 30)
    bar = np.where(np.arange(N) == 33, np.nan, 0.0)
    ok = np.arange(N) != 35
    points, summary = evaluate(table({1: body}, bar_x_px=bar, ok=ok), Settings(SCALE))
    assert len(points["frame"]) == N
    assert points["flags"][30] == "SPECIMEN_LOST"
    assert points["flags"][33] == "BAR_LOST"
    assert points["flags"][35] == "BAD_FRAME"
    assert summary["n_lost"] == 3


def test_one_way_and_all_ways_by_potential() -> None:
    body = growing(0)
    potential = np.where(np.arange(N) < 30, -5.0, -1.0)
    measured = table({1: body}, potential_V=potential)
    measured["body1_diameter_mean_px"] = np.where(
        np.arange(N) < 30, 40.0, 40.0 + 1.9 * (np.arange(N) - 30)
    )
    _, summary = evaluate(measured, Settings(SCALE))
    assert [s["growth_mode"] for s in summary["rates_by_potential"]] == ["directional", "isotropic"]
    assert [s["potential_V"] for s in summary["rates_by_potential"]] == [-5.0, -1.0]


def test_an_unknown_metal_has_no_current() -> None:
    _, summary = evaluate(table({1: growing(5)}), Settings(SCALE, material="Xx"))
    assert summary["growth_current_A"] is None
    assert any("molar volume" in text for text in summary["warnings"])


@pytest.mark.parametrize("way", ["offset", "clock", "marker"])
def test_a_log_lined_up_in_any_way_gives_each_step_its_rate(tmp_path: Path, way: str) -> None:
    """The length grows at 0.6 nm/s at -5 V, and from 300 s on at 0.1 nm/s at -1 V."""
    rng = np.random.default_rng(4)
    time = 10.0 * np.arange(N)
    length = 30 + (0.6 * np.minimum(time, 300) + 0.1 * np.maximum(time - 300, 0)) / SCALE
    body = {"rows": time >= 0, "length": length + 0.2 * rng.standard_normal(N), "place": 0.0}
    log = _read(_two_steps(tmp_path), way)
    potential, _ = at_times(log, time)
    _, summary = evaluate(table({1: body}, potential_V=potential), Settings(SCALE))
    fast, slow = summary["rates_by_potential"]
    for step, volt, rate in ((fast, -5.0, 0.6), (slow, -1.0, 0.1)):
        assert step["potential_V"] == pytest.approx(volt)
        off = abs(step["length_nm_per_s"] - rate)
        assert off < 3 * step["u_length_nm_per_s"]
        assert step["u_length_nm_per_s"] < 0.01


def _two_steps(folder: Path) -> Path:
    """A log that began 25 s before the movie; something was marked at the movie's frame 12."""
    start = datetime(2026, 3, 1, 14, 0, 0)
    rows = ["t,U,clock,mark"]
    for second in range(0, 700, 2):
        moment = (start + timedelta(seconds=second)).isoformat()
        volt = -5.0 if second < 325 else -1.0
        rows.append(f"{second},{volt},{moment},{int(second >= 145 and second < 150)}")
    path = folder / "potential.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def _read(path: Path, way: str) -> ElectricalLog:
    if way == "offset":
        return read_log(path, time_column="t", potential_column="U", offset_s=-25.0)
    if way == "clock":
        began = datetime(2026, 3, 1, 14, 0, 25)
        return read_log(path, time_column="clock", potential_column="U", movie_start=began)
    return read_log(
        path, time_column="t", potential_column="U", marker_column="mark", marker_time_s=121.0
    )


def test_bodies_that_are_drawn_together_faster_and_faster_touch_when_they_do() -> None:
    row = np.arange(N)
    gap = np.where(row < 30, 60.0 - row, 30.0 - 4.0 * (row - 30))
    far = {"rows": (row >= 5) & (row < 45), "length": np.full(N, 20.0), "place": -80.0}
    shown = np.where(gap > 2, gap, np.nan)
    flags = np.where((gap < 4) & (row < 45), "TOUCHING", "").astype(object)
    measured = table({1: growing(3), 2: far}, bodies_gap_px=shown, outline_flags=flags)
    _, summary = evaluate(measured, Settings(SCALE))
    (merge,) = summary["merges"]
    assert abs(merge["touch_frame"] - 38) <= 1

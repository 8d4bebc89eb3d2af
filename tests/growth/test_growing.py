"""What grows in the simulator, against its truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tem_track.records import Axis, Box, Match
from tem_track.simulate import build_scene
from tem_track.specimen import prepare_growth
from tem_track.specimen.growing_sides import measure_sides
from tests.growth.scenes import Grown, grow


def rms(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    assert known.size > 5
    return float(np.sqrt(np.mean(known**2)))


@pytest.fixture(scope="module")
def one() -> Grown:
    return grow("growth")


def test_nothing_is_invented_before_the_nucleation(one: Grown) -> None:
    before = one.true("bodies") == 0
    assert before.sum() >= 3
    assert np.all(one.found("bodies")[before] == 0)
    assert np.isnan(one.found("length_px")[before]).all()


def test_a_movie_in_which_nothing_grows_says_so(one: Grown) -> None:
    number = int(np.flatnonzero(one.true("bodies") > 0)[0])
    empty = list(zip(one.frames[:number], *zip(*one.matches[:number], strict=True), strict=True))
    scene = build_scene("growth", seed=3)
    model = prepare_growth(empty[0], empty, scene.boxes["specimen"], axis=scene.layout.axis)
    assert any("nothing is seen to grow" in text for text in model.warnings)
    for frame, tip, base in empty:
        outline = model.outline(frame.image, tip, base)
        assert outline.extra["bodies"] == 0
        assert np.isnan(outline.length_px)


def test_sizes_of_one_rod(one: Grown) -> None:
    for name, limit in (("length", 1.0), ("diameter_max", 2.0), ("diameter_mean", 1.0)):
        assert rms(one.found(f"{name}_px") - one.true(f"{name}_nm")) < limit, name


def test_root_and_end_are_where_the_picture_has_them(one: Grown) -> None:
    points, _ = one.evaluated()
    for name in ("root_x_px", "root_y_px", "end_x_px", "end_y_px"):
        assert rms(points[name] - one.true(name)) < 1.2, name


def test_summary_of_one_rod(one: Grown) -> None:
    points, summary = one.evaluated()
    nucleated = next(row["frame"] for row in one.truth if row["bodies"])
    assert abs(summary["nucleation_frame"] - nucleated) <= 2 * 3
    growing = points["phase"] == "growth"
    time, length = points["time_s"][growing], one.true("length_nm")[growing] * one.scale_nm_per_px
    true_rate = float(np.polyfit(time, length, 1)[0])
    assert summary["growth_rate_nm_per_s"] == pytest.approx(true_rate, rel=0.015)
    assert summary["aspect_ratio"] == pytest.approx(825 / 260, abs=0.1)
    assert abs(summary["growth_direction_deg"]) < 1.0
    assert summary["merges"] == []
    assert [body["body"] for body in summary["bodies"]] == [1]
    assert summary["shell_law"] in ("parabolic", "undetermined")


def test_the_face_under_the_body_is_rough_by_what_its_own_columns_show(one: Grown) -> None:
    u = one.found("u_common_length_px")[-1]
    assert 0.0 < u < 1.0


def test_a_body_that_grows_out_of_the_box_is_not_measured_on(one: Grown) -> None:
    """The lower half of the space, and no tip."""
    whole = build_scene("growth", seed=3).boxes["specimen"]
    half = Box(whole.x_px, whole.y_px + whole.height_px // 2, whole.width_px, whole.height_px // 2)
    rows = range(0, len(one.frames), 4)
    triples = [(one.frames[i], Match.none(), one.matches[i][1]) for i in rows]
    model = prepare_growth(triples[0], triples, half, axis=Axis(0.0))
    lengths = one.true("length_nm")
    inside = beyond = 0
    for i, (frame, tip, base) in zip(rows, triples, strict=True):
        outline = model.outline(frame.image, tip, base)
        if lengths[i] > half.height_px + 30:
            beyond += 1
            assert np.isnan(outline.length_px)
            assert "OUT_OF_VIEW" in outline.flags
        elif lengths[i] < half.height_px - 40:
            inside += 1
            assert outline.length_px == pytest.approx(lengths[i], abs=5.0)
    assert min(inside, beyond) >= 3


def test_a_body_that_is_wider_than_the_box_is_not_measured(one: Grown) -> None:
    whole = build_scene("growth", seed=3).boxes["specimen"]
    x, width = whole.x_px + 0.75 * whole.width_px, 0.25 * whole.width_px
    side = Box(x, whole.y_px, width, whole.height_px)
    triples = [(one.frames[i], *one.matches[i]) for i in range(0, len(one.frames), 4)]
    model = prepare_growth(triples[0], triples, side, axis=Axis(0.0))
    outlines = [model.outline(frame.image, tip, base) for frame, tip, base in triples]
    assert all(np.isnan(outline.length_px) for outline in outlines)
    assert sum("OUT_OF_VIEW" in outline.flags for outline in outlines) >= 8


def test_a_row_depends_on_its_frame_alone(one: Grown) -> None:
    for i in (30, 12):
        again = one.model.outline(one.frames[i].image, *one.matches[i])
        assert again.length_px == one.outlines[i].length_px
        np.testing.assert_array_equal(again.left_px, one.outlines[i].left_px)


def test_a_lost_base_is_replaced_by_the_tip_and_both_lost_by_nothing(one: Grown) -> None:
    tip, _ = one.matches[30]
    image = one.frames[30].image
    by_tip = one.model.outline(image, tip, Match.none())
    assert by_tip.length_px == pytest.approx(one.outlines[30].length_px, abs=0.3)
    neither = one.model.outline(image, Match.none(), Match.none())
    assert neither.flags == ("SPECIMEN_LOST",)
    assert np.isnan(neither.length_px)


def test_a_movie_that_moves_sideways_gives_the_same_sizes(one: Grown) -> None:
    tip, base = one.matches[30]
    image = np.roll(one.frames[30].image, 7, axis=1)
    moved = [replace(m, x_px=m.x_px + 7) for m in (tip, base)]
    outline = one.model.outline(image, *moved)
    assert outline.length_px == pytest.approx(one.outlines[30].length_px, abs=1e-6)
    assert outline.tip_face_px[0] == pytest.approx(one.outlines[30].tip_face_px[0] + 7, abs=1e-6)


def test_two_bodies_touch_and_merge() -> None:
    two = grow("growth_two_bodies", step=4)
    _, summary = two.evaluated()
    assert len(summary["bodies"]) == 2
    (merge,) = summary["merges"]
    touch = next(row["frame"] for row in two.truth if row["touching"])
    merged = next(row["frame"] for row in two.truth if row["merged"])
    assert abs(merge["touch_frame"] - touch) <= 2 * 4
    assert abs(merge["merge_frame"] - merged) <= 4
    apart = np.isfinite(two.found("bodies_gap_px"))
    assert rms((two.found("bodies_gap_px") - two.true("bodies_gap_nm"))[apart]) < 2.0


def test_a_body_without_a_layer_is_given_none() -> None:
    """Its grain fits a layer that absorbs a little more or less than it, if one is asked for."""
    bare = grow("growth", seed=2, step=6, shell_nm=0.0)
    assert not np.isfinite(bare.found("shell_px")).any()
    assert rms(bare.found("diameter_max_px") - bare.true("diameter_max_nm")) < 1.0
    assert bare.evaluated()[1]["shell_law"] == "undetermined"


def test_a_layer_is_not_read_from_too_few_edges(one: Grown) -> None:
    """A few edges know nothing of the grain: their own word had too small an uncertainty."""
    frame, (tip, base) = one.frames[-1], one.matches[-1]
    scene = one.model.scene(frame.image, tip, base)
    patch, root = scene.patches[0], float(np.median(scene.face_px))
    for height, read in ((0.8, True), (0.05, False)):
        top = root + height * (patch.top_px - root)
        sides = measure_sides(scene.strip, root + 1.0, top, patch.middle_px, one.model.tables)
        assert len(sides.edges.s_px) >= 3
        assert bool(np.isfinite(sides.shell_px)) == read
        assert bool(np.isfinite(sides.u_shell_px)) == read


def test_the_nanotube_swells_before_the_nucleation() -> None:
    tube = grow("growth_nanotube", step=4)
    before = tube.true("bodies") == 0
    assert rms((tube.found("nanotube_px") - tube.true("nanotube_nm"))[before]) < 0.5
    _, summary = tube.evaluated()
    assert summary["nanotube_start_nm"] == pytest.approx(20, abs=1.0)
    last = tube.true("nanotube_nm")[before][-1] * tube.scale_nm_per_px
    assert summary["nanotube_end_nm"] == pytest.approx(last, abs=0.7)
    assert np.all(tube.found("bodies")[before] == 0)


@pytest.mark.parametrize("seed", [2, 3])
def test_a_nanotube_that_shows_through_does_not_falsify_the_body(seed: int) -> None:
    """While the ball is small the tube is the darker of the two."""
    tube = grow("growth_nanotube", seed=seed, step=4)
    off = {
        name: tube.found(f"{name}_px") - tube.true(f"{name}_nm")
        for name in ("length", "diameter_max", "diameter_mid")
    }
    assert rms(off["diameter_max"]) < 0.8
    assert rms(off["diameter_mid"]) < 0.9
    assert rms(off["length"]) < 1.2


def test_each_step_of_potential_has_its_rate() -> None:
    run = grow("growth_potential", step=4)
    potential = np.array([row["potential_V"] for row in run.truth])
    points, summary = run.evaluated(potential_V=potential)
    steps = summary["rates_by_potential"]
    assert [step["potential_V"] for step in steps][:4] == [-5.0, -1.0, -0.5, -3.5]
    length = run.true("length_nm") * run.scale_nm_per_px
    for step in steps[1:4]:
        rows = (points["frame"] > step["first_frame"]) & (points["frame"] < step["last_frame"])
        true = float(np.polyfit(points["time_s"][rows], length[rows], 1)[0])
        off = abs(step["length_nm_per_s"] - true)
        assert off < max(3 * step["u_length_nm_per_s"], 0.05 * true)

from __future__ import annotations

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from tem_track.errors import ConfigError
from tem_track.records import Axis, Box, Frame, Image, Match, Outline
from tem_track.specimen import SHAPES, SpecimenModel, prepare_specimen
from tem_track.specimen.learn import learn_profile
from tem_track.specimen.profile import tabulate
from tem_track.specimen.strip import Crop
from tem_track.specimen.tip_face import _first_without_light as first_without_light
from tests.specimen.scenes import (
    BASE_S,
    CENTRE,
    SIZE,
    Scene,
    at,
    draw,
    found,
    specimen_box,
    triple,
)
from tests.specimen.scenes import _grid as grid_of

UP = Axis(0.0)


def approach(first: Scene, frames: int = 14) -> list[Scene]:
    """A gap that closes, then a specimen that is squeezed."""
    scenes = []
    for k in range(frames):
        gap = max(first.gap_px - 2.0 * k, 0.0)
        squeezed = max(2.0 * k - first.gap_px, 0.0)
        length = first.length_px - squeezed
        drift = (0.6 * math.sin(k), 0.5 * math.cos(2 * k))
        scenes.append(replace(first, gap_px=gap, length_px=length, drift_px=drift, seed=k))
    return scenes


def prepared(
    scenes: list[Scene], shape: str, *, mode: str = "compression", base_known: bool = True
) -> SpecimenModel:
    sample = [triple(scene, k, base_known=base_known) for k, scene in enumerate(scenes)]
    return prepare_specimen(
        sample[0], iter(sample), specimen_box(scenes[0]), shape=shape, mode=mode, axis=UP
    )


def measure(model: SpecimenModel, scene: Scene, *, base_known: bool = True) -> Outline:
    return model.outline(draw(scene), *found(scene, base_known=base_known))


@pytest.fixture(scope="module")
def rod() -> tuple[list[Scene], SpecimenModel]:
    scenes = approach(Scene(gap_px=12.0))
    return scenes, prepared(scenes, "rod")


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_every_shape_measures_a_body_between_its_faces(shape: str) -> None:
    scenes = approach(Scene(gap_px=12.0), 8)
    model = prepared(scenes, shape)
    for scene in scenes[::3]:
        outline = measure(model, scene)
        assert outline.length_px == pytest.approx(scene.length_px, abs=1.0)
        assert outline.diameter_mid_px == pytest.approx(70.0, abs=2.0)
        assert outline.u_length_px > 0
        assert outline.u_diameter_mid_px > 0
        assert not outline.broken
    assert SHAPES[shape].name == shape


@pytest.mark.parametrize("off_px", [-9.0, 0.0, 11.0])
def test_a_ball_wider_than_the_tip_shows_the_tips_face_across_the_gap(off_px: float) -> None:
    """No column beside the ball meets the face, however far off the box was drawn."""
    ball = Scene(
        length_px=100.0,
        radius_px=lambda s: np.sqrt(np.clip(50.0**2 - (s * 100 / s.max() - 50.0) ** 2, 0, None)),
        gap_px=16.0,
        mu=0.006,
        tip_half_px=28.0,
    )
    scenes = approach(ball, 12)
    box = specimen_box(scenes[0])
    drawn = Box(box.x_px, box.y_px + 4 - off_px, box.width_px, box.height_px - 4 + off_px)
    sample = [triple(scene, k) for k, scene in enumerate(scenes)]
    model = prepare_specimen(
        sample[0], iter(sample), drawn, shape="particle", mode="compression", axis=UP
    )
    for scene in scenes[::4]:
        outline = measure(model, scene)
        assert outline.gap_px == pytest.approx(scene.gap_px, abs=1.5)
        assert outline.length_px == pytest.approx(scene.length_px, abs=1.5)


def _with_lump(image: Image, scene: Scene) -> Image:
    """Draw a lump on the base, right of a ball's foot."""
    x, y = at(scene, BASE_S)
    out = image.copy()
    column, row = round(x), round(y)
    rows, columns = slice(row - 9, row + 1), slice(column + 55, column + 82)
    out[rows, columns] = np.minimum(out[rows, columns], 45)
    return out


def test_a_lump_of_the_base_beside_a_ball_is_not_its_widest_place() -> None:
    ball = Scene(
        length_px=100.0,
        radius_px=lambda s: np.sqrt(np.clip(50.0**2 - (s * 100 / s.max() - 50.0) ** 2, 0, None)),
        gap_px=8.0,
        mu=0.006,
    )
    scenes = approach(ball, 10)
    sample = [(replace(f, image=_with_lump(f.image, s)), t, b) for s, (f, t, b) in _seen(scenes)]
    box = specimen_box(scenes[0])
    wide = Box(box.x_px - 30, box.y_px, box.width_px + 60, box.height_px)
    model = prepare_specimen(
        sample[0], iter(sample), wide, shape="particle", mode="compression", axis=UP
    )
    assert not model.faceted
    for frame, tip, base in sample:
        outline = model.outline(frame.image, tip, base)
        assert outline.diameter_max_px == pytest.approx(100.0, abs=2.5)
        assert outline.diameter_mid_px == pytest.approx(100.0, abs=2.5)


def _hexagonal(scene: Scene, half_px: float = 40.0) -> Scene:
    """Return the scene with the section of a hexagon seen on a corner."""
    across = np.abs(grid_of(scene)[1])
    depth = np.clip(half_px - across, 0.0, half_px / 2)
    chord = np.sqrt(np.maximum(half_px**2 - across**2, 1e-6))
    return replace(scene, mu=0.025 * 2.0 * depth / chord)


def _lower_beside(image: Image, scene: Scene, by_px: int) -> Image:
    """Let the base begin lower where no crystal stands on it."""
    x, y = at(scene, BASE_S)
    beside = np.abs(np.arange(image.shape[1]) - x) > 40
    out, row = image.copy(), round(y) - 8
    out[row + by_px :, beside] = image[row:-by_px, beside]
    return out


def test_a_crystal_stands_where_its_own_columns_show_it() -> None:
    """The base is brighter than the crystal, and begins 5 px lower beside it."""
    plain = Scene(length_px=100.0, radius_px=lambda s: np.full_like(s, 40.0), gap_px=12.0)
    scenes = [_hexagonal(scene) for scene in approach(plain, 10)]
    sample = [
        (replace(f, image=_lower_beside(f.image, s, 5)), t, b) for s, (f, t, b) in _seen(scenes)
    ]
    model = prepare_specimen(
        sample[0],
        iter(sample),
        specimen_box(scenes[0]),
        shape="particle",
        mode="compression",
        axis=UP,
    )
    assert model.faceted
    for scene, (frame, tip, base) in zip(scenes, sample, strict=True):
        outline = model.outline(frame.image, tip, base)
        assert outline.length_px == pytest.approx(scene.length_px, abs=0.7)


def test_only_a_crystal_has_corners() -> None:
    """A frame of a ball that looks by chance as if it had some was 2 px off among its like."""
    x = np.arange(24.0)
    width = 60.0 + np.interp(x, [0, 6, 17, 23], [0.0, 40.0, 40.0, 0.0])
    width += np.random.default_rng(1).normal(size=24) * 0.3
    good = np.ones(24, bool)
    curves = [SHAPES["particle"]().smooth_width(width, good, 1e3, 1.4, corners=c) for c in (0, 1)]
    assert [np.ndim(curve.scale) for curve in curves] == [1, 0]


def test_a_second_fit_of_the_profile_is_held_to_the_blur_of_other_edges() -> None:
    scenes = approach(Scene(gap_px=8.0), 6)
    model = prepared(scenes, "rod")
    kept = [(Crop(f.image, 0, 0), tip, base, None) for _, (f, tip, base) in _seen(scenes)]

    def fitted(start_px: float, blur_px: float | None) -> float:
        profile = replace(model.table.profile, blur_px=start_px)
        first = replace(model, table=tabulate(profile, 2.0, 60.0, model.table.noise))
        return learn_profile(first, kept, ("round",), 0.1, blur_px=blur_px).table.profile.blur_px

    first, again, drifted = fitted(0.9, None), fitted(2.0, 0.9), fitted(2.0, None)
    assert abs(again - first) < 0.3 * abs(drifted - first)


def _seen(scenes: list[Scene]) -> list[tuple[Scene, tuple[Frame, Match, Match | None]]]:
    return [(scene, triple(scene, k)) for k, scene in enumerate(scenes)]


@pytest.mark.parametrize("half_px", [18.0, 32.0])
def test_a_rod_wider_than_the_tip_ends_at_its_own_face(half_px: float) -> None:
    """Beside it a narrow tip's flank is seen, or nothing, behind the face that the rod meets."""
    scenes = approach(Scene(gap_px=12.0, tip_half_px=half_px), 10)
    model = prepared(scenes, "rod")
    for scene in scenes[::3]:
        outline = measure(model, scene)
        assert outline.gap_px == pytest.approx(scene.gap_px, abs=0.6)
        assert outline.length_px == pytest.approx(scene.length_px, abs=0.6)


def test_length_leaves_the_gap_out(rod: tuple[list[Scene], SpecimenModel]) -> None:
    scenes, model = rod
    outlines = [measure(model, scene) for scene in scenes]
    error = np.array([o.length_px - s.length_px for o, s in zip(outlines, scenes, strict=True)])
    gap = np.array([o.gap_px - s.gap_px for o, s in zip(outlines, scenes, strict=True)])
    assert np.sqrt(np.mean(error**2)) < 0.25
    assert np.sqrt(np.mean(gap**2)) < 0.25
    assert all(o.gap_px == 0 for o, s in zip(outlines, scenes, strict=True) if s.gap_px == 0)


@pytest.mark.parametrize("gap_px", [0.0, 0.5, 1.0, 1.5, 2.5])
def test_a_gap_below_the_blur_is_measured(
    rod: tuple[list[Scene], SpecimenModel], gap_px: float
) -> None:
    _, model = rod
    outlines = [measure(model, Scene(gap_px=gap_px, seed=200 + k)) for k in range(4)]
    lengths = np.array([o.length_px for o in outlines])
    assert np.abs(lengths - 150.0).max() < 0.3
    assert np.array([o.gap_px for o in outlines]) == pytest.approx(gap_px, abs=0.25)
    u = np.sqrt(np.mean([o.u_length_px**2 for o in outlines]))
    assert np.std(lengths) < 3 * u


def test_diameters_of_a_straight_rod(rod: tuple[list[Scene], SpecimenModel]) -> None:
    scenes, model = rod
    for scene in scenes[::4]:
        outline = measure(model, scene)
        for value in (outline.diameter_mid_px, outline.diameter_max_px, outline.diameter_min_px):
            assert value == pytest.approx(70.0, abs=1.2)
        assert abs(outline.bow_px) < 1.0
        assert outline.flags == ()
        expected = math.pi / 4 * 70.0**2 * scene.length_px
        assert outline.volume_px3 == pytest.approx(expected, rel=0.04)


def test_stations_run_from_base_to_tip(rod: tuple[list[Scene], SpecimenModel]) -> None:
    scenes, model = rod
    outline = measure(model, scenes[0])
    assert outline.midline_px[0, 1] > outline.midline_px[-1, 1]
    assert np.all(outline.left_px[:, 0] < outline.right_px[:, 0])
    width = np.linalg.norm(outline.right_px - outline.left_px, axis=1)
    assert width == pytest.approx(outline.diameter_px, abs=1e-6)
    assert outline.base_face_px == pytest.approx(at(scenes[0], BASE_S), abs=1.0)


def test_the_same_frame_gives_the_same_outline(rod: tuple[list[Scene], SpecimenModel]) -> None:
    scenes, model = rod
    first = measure(model, scenes[3])
    measure(model, scenes[9])
    again = measure(pickle.loads(pickle.dumps(model)), scenes[3])
    assert first.length_px == again.length_px
    assert np.array_equal(first.left_px, again.left_px)


def test_a_lost_tip_gives_no_number(rod: tuple[list[Scene], SpecimenModel]) -> None:
    scenes, model = rod
    outline = model.outline(draw(scenes[0]), Match.none(reason="hidden"), found(scenes[0])[1])
    assert outline.flags == ("SPECIMEN_LOST",)
    assert math.isnan(outline.length_px)
    assert math.isnan(outline.diameter_mid_px)


@pytest.mark.parametrize("tip_known", [True, False])
def test_a_specimen_that_leaves_the_picture_is_out_of_view(
    rod: tuple[list[Scene], SpecimenModel], tip_known: bool
) -> None:
    _, model = rod
    gone = Scene(drift_px=(-130.0, 0.0), seed=70)
    tip, base = found(gone)
    outline = model.outline(draw(gone), tip if tip_known else Match.none(reason="outside"), base)
    assert outline.flags == ("SPECIMEN_LOST", "OUT_OF_VIEW")
    assert math.isnan(outline.length_px)
    assert math.isnan(outline.diameter_mid_px)


def test_an_empty_picture_gives_no_number(rod: tuple[list[Scene], SpecimenModel]) -> None:
    scenes, model = rod
    blank = np.full(draw(scenes[0]).shape, 150, np.uint8)
    outline = model.outline(blank, *found(scenes[0]))
    assert "SPECIMEN_LOST" in outline.flags
    assert math.isnan(outline.length_px)


def test_a_base_that_is_not_tracked_is_found_in_the_picture() -> None:
    first = Scene(gap_px=12.0)
    scenes = [replace(s, base_shift_px=1.5 * k) for k, s in enumerate(approach(first))]
    model = prepared(scenes, "rod", base_known=False)
    for scene in scenes[::3]:
        outline = measure(model, scene, base_known=False)
        assert outline.length_px == pytest.approx(scene.length_px, abs=0.6)


def test_a_shell_is_told_from_a_plain_rod() -> None:
    shelled = prepared(approach(Scene(gap_px=12.0, shell_px=7.0, shell_mu=0.006), 10), "rod")
    scene = Scene(gap_px=6.0, shell_px=7.0, shell_mu=0.006, seed=99)
    outline = measure(shelled, scene)
    assert outline.model == "shell"
    assert outline.shell_px == pytest.approx(7.0, abs=1.0)
    assert outline.diameter_mid_px == pytest.approx(70.0, abs=1.0)


def test_a_bow_is_measured_and_flagged() -> None:
    straight = Scene(gap_px=12.0)
    model = prepared(approach(straight), "rod")
    bent = replace(
        straight, gap_px=0.0, middle_px=lambda s: 8.0 * np.sin(np.pi * s / 150.0), seed=50
    )
    outline = measure(model, bent)
    assert outline.bow_px == pytest.approx(8.0, abs=0.6)
    assert "BENT" in outline.flags


def _necked(depth_px: float, seed: int, at_px: float = 75.0, half_px: float = 14.0) -> Scene:
    def radius(s: np.ndarray) -> np.ndarray:
        return 25.0 - depth_px * np.exp(-(((s - at_px) / half_px) ** 2))

    return Scene(radius_px=radius, mu=0.02, seed=seed)


def test_a_neck_is_followed_down_to_ten_pixels_and_the_break_is_seen() -> None:
    scenes = [_necked(20.0 * k / 11, k) for k in range(12)]
    model = prepared(scenes, "rod", mode="tension")
    for scene, depth in zip(scenes, np.linspace(0.0, 20.0, 12), strict=True):
        outline = measure(model, scene)
        assert not outline.broken
        assert outline.diameter_min_px == pytest.approx(2 * (25.0 - depth), abs=2.2)
    assert "NECK" in measure(model, scenes[-1]).flags
    parted = replace(scenes[-1], hole_px=(75.0, 16.0))
    outline = measure(model, parted)
    assert outline.broken
    assert outline.flags == ("BROKEN",)
    assert math.isnan(outline.length_px)
    assert outline.extra["opening_px"] == pytest.approx(16.0, abs=9.0)
    assert np.isfinite(outline.left_px).all(axis=1).sum() > 15


@pytest.mark.parametrize("half_px", [9.0, 14.0, 22.0])
@pytest.mark.parametrize("width_px", [6.0, 7.0, 8.0, 12.0, 26.0])
def test_a_thin_neck_is_measured_however_sharp(
    necking: dict[float, SpecimenModel], width_px: float, half_px: float
) -> None:
    model = necking[half_px]
    scenes = [_necked(25.0 - width_px / 2, 50 + k, 75.0 + 0.9 * k, half_px) for k in range(5)]
    outlines = [measure(model, scene) for scene in scenes]
    error = np.array([o.diameter_min_px for o in outlines]) - width_px
    u = np.array([o.u_diameter_min_px for o in outlines])
    assert np.sqrt(np.mean(error**2)) < 1.0
    assert np.sqrt(np.mean((error / u) ** 2)) < 1.6
    assert u.max() < (2.0 if half_px < 10 else 1.0)


def _contoured(scene: Scene) -> Scene:
    """Let the darkness change along the neck by a third, elsewhere in every frame."""
    y = np.arange(2 * SIZE[0])[:, None] / 2
    near = np.exp(-(((y - 180 - 20 * np.sin(scene.seed)) / 40) ** 2))
    return replace(scene, mu=0.02 * (1 + 0.35 * np.cos(y / 6 + 1.7 * scene.seed) * near))


@pytest.mark.parametrize("width_px", [6.0, 12.0, 20.0])
def test_contours_do_not_change_a_thin_neck(width_px: float) -> None:
    sample = [_contoured(_necked(22.0 * k / 11, k)) for k in range(12)]
    model = prepared(sample, "rod", mode="tension")
    scenes = [_contoured(_necked(25.0 - width_px / 2, 50 + k)) for k in range(6)]
    error = np.array([measure(model, scene).diameter_min_px for scene in scenes]) - width_px
    assert np.sqrt(np.mean(error**2)) < 1.0


@pytest.fixture(scope="module")
def necking() -> dict[float, SpecimenModel]:
    return {
        half: prepared(
            [_necked(22.0 * k / 11, k, half_px=half) for k in range(12)], "rod", mode="tension"
        )
        for half in (9.0, 14.0, 22.0)
    }


def _kinked(flat_px: float, flank_px: float, width_px: float, seed: int) -> Scene:
    """Draw a neck that is even over a stretch and widens to 50 px along straight flanks."""

    def radius(s: np.ndarray) -> np.ndarray:
        depth = np.clip(1 - (np.abs(s - 75.0) - flat_px / 2) / flank_px, 0, 1)
        return 25.0 - (25.0 - width_px / 2) * depth

    return Scene(radius_px=radius, mu=0.02, seed=seed)


@pytest.mark.parametrize("width_px", [10.0, 34.0])
@pytest.mark.parametrize("flat_px", [10.0, 20.0])
def test_widths_follow_a_kinked_neck_all_along(flat_px: float, width_px: float) -> None:
    def scene(width_px: float, seed: int) -> Scene:
        return _kinked(flat_px, 15.0, width_px, seed)

    model = prepared([scene(50.0 - 4 * k, k) for k in range(12)], "rod", mode="tension")
    for seed in (50, 51):
        drawn = scene(width_px, seed)
        outline = measure(model, drawn)
        s = CENTRE[1] - outline.midline_px[:, 1] - BASE_S
        off = outline.diameter_px - 2 * drawn.radius_px(s)
        near = np.abs(s - 75.0) < 14
        assert np.sqrt(np.mean(off[near] ** 2)) < 1.2
        assert np.sqrt(np.mean((off / outline.u_diameter_px)[near] ** 2)) < 2.0
        assert outline.diameter_mid_px == pytest.approx(width_px, abs=1.2)
        assert outline.diameter_min_px == pytest.approx(width_px, abs=1.6)


@pytest.mark.parametrize("width_px", [8.0, 20.0, 34.0])
def test_widths_follow_a_sharp_neck_all_along(
    necking: dict[float, SpecimenModel], width_px: float
) -> None:
    for seed in (50, 51, 52):
        drawn = _necked(25.0 - width_px / 2, seed, half_px=9.0)
        outline = measure(necking[9.0], drawn)
        s = CENTRE[1] - outline.midline_px[:, 1] - BASE_S
        off = (outline.diameter_px - 2 * drawn.radius_px(s))[np.abs(s - 75.0) < 14]
        assert np.sqrt(np.mean(off**2)) < 1.0
        assert outline.diameter_mid_px == pytest.approx(width_px, abs=1.5)


def test_an_even_thin_rod_is_no_neck() -> None:
    scenes = [replace(_necked(0.0, k), radius_px=lambda s: np.full_like(s, 11.0)) for k in range(8)]
    model = prepared(scenes, "rod", mode="tension")
    least = np.array([measure(model, scene).diameter_min_px for scene in scenes])
    assert np.sqrt(np.mean((least - 22.0) ** 2)) < 0.35


def test_the_opening_of_a_neck_drawn_out_to_six_pixels_is_seen() -> None:
    scenes = [_necked(22.0 * k / 11, k) for k in range(12)]
    model = prepared(scenes, "rod", mode="tension")
    for seed in range(40, 44):
        whole = _necked(22.0, seed)
        assert not measure(model, whole).broken
        assert measure(model, replace(whole, hole_px=(75.0, 12.0))).broken


def test_an_asperity_of_the_tip_is_no_part_of_the_specimen() -> None:
    scenes = approach(Scene(gap_px=12.0, asperity_px=12.0), 10)
    model = prepared(scenes, "rod")
    for scene in scenes:
        outline = measure(model, scene)
        assert outline.diameter_max_px == pytest.approx(70.0, abs=2.0)
        assert outline.flags == ()


def test_the_apex_of_a_ball_of_a_tip_is_its_face_and_no_specimen() -> None:
    thin = Scene(gap_px=12.0, radius_px=lambda s: np.full_like(s, 14.0), tip_radius_px=50.0)
    scenes = approach(thin, 12)
    model = prepared(scenes, "rod")
    for scene in scenes:
        outline = measure(model, scene)
        assert outline.gap_px == pytest.approx(scene.gap_px, abs=0.7)
        assert outline.length_px == pytest.approx(scene.length_px, abs=0.7)


def test_a_tilted_axis_is_found() -> None:
    scenes = [
        replace(s, angle_deg=18.0, base_shift_px=2.0 * k)
        for k, s in enumerate(approach(Scene(gap_px=14.0)))
    ]
    sample = [triple(scene, k) for k, scene in enumerate(scenes)]
    corners = [at(scenes[0], s) for s in (BASE_S, BASE_S + 164.0)]
    xs, ys = (np.array(v) for v in zip(*corners, strict=True))
    box = specimen_box(scenes[0])
    reach = 35 * math.cos(math.radians(18.0))
    box = type(box)(xs.min() - reach, ys.min() - 8, np.ptp(xs) + 2 * reach, np.ptp(ys) + 16)
    model = prepare_specimen(sample[0], iter(sample), box, shape="rod", mode="compression")
    assert model.axis.angle_deg == pytest.approx(18.0, abs=1.5)
    assert abs(model.axis.angle_deg - 18.0) < 4 * model.axis.u_angle_deg + 0.2


def test_turning_the_picture_turns_the_outline(rod: tuple[list[Scene], SpecimenModel]) -> None:
    scenes, model = rod
    sample = [triple(scene, k) for k, scene in enumerate(scenes)]
    height = sample[0][0].image.shape[0]

    def flip(match: Match | None) -> Match | None:
        return None if match is None else replace(match, y_px=height - 1 - match.y_px)

    turned = [
        (replace(f, image=np.ascontiguousarray(f.image[::-1])), flip(t), flip(b))
        for f, t, b in sample
    ]
    box = specimen_box(scenes[0])
    mirrored = replace(box, y_px=height - box.y_px - box.height_px)
    other = prepare_specimen(  # type: ignore[arg-type]
        turned[0], iter(turned), mirrored, shape="rod", mode="compression", axis=Axis(180.0)
    )
    for (f, t, b), scene in zip(turned[::5], scenes[::5], strict=True):
        assert t is not None
        there, here = other.outline(f.image, t, b), measure(model, scene)
        assert there.length_px == pytest.approx(here.length_px, abs=0.15)
        assert there.diameter_mid_px == pytest.approx(here.diameter_mid_px, abs=0.15)


def test_bright_objects_are_measured_like_dark_ones() -> None:
    scenes = approach(Scene(gap_px=12.0), 10)
    sample = [triple(scene, k) for k, scene in enumerate(scenes)]
    bright = [(replace(f, image=255 - f.image), t, b) for f, t, b in sample]
    model = prepare_specimen(
        bright[0],
        iter(bright),
        specimen_box(scenes[0]),
        shape="rod",
        mode="compression",
        axis=UP,
        polarity="bright",
    )
    outline = model.outline(bright[4][0].image, bright[4][1], bright[4][2])
    assert outline.length_px == pytest.approx(scenes[4].length_px, abs=0.8)
    assert outline.diameter_mid_px == pytest.approx(70.0, abs=2.0)


def test_an_unknown_shape_is_refused() -> None:
    scene = Scene(gap_px=12.0)
    with pytest.raises(ConfigError, match=r"specimen\.shape: 'cube'"):
        prepare_specimen(
            triple(scene), iter([]), specimen_box(scene), shape="cube", mode="compression", axis=UP
        )


def test_a_brighter_or_deeper_picture_gives_the_same_outline(
    rod: tuple[list[Scene], SpecimenModel],
) -> None:
    scenes, model = rod
    image, where = draw(scenes[3]), found(scenes[3])
    plain = model.outline(image, *where)
    deep = model.outline(image.astype(np.uint16) * 200, *where)
    assert deep.length_px == pytest.approx(plain.length_px, abs=0.02)
    assert deep.diameter_mid_px == pytest.approx(plain.diameter_mid_px, abs=0.02)


def _dark_foot(scene: Scene, rough_px: float, seed: int) -> np.ndarray:
    """Draw a rough base as dark as the rod that stands on it."""
    grey = draw(scene).astype(np.float64)
    line = gaussian_filter1d(np.random.default_rng(seed).normal(size=grey.shape[1]), 5.0)
    line *= rough_px / line.std()
    base_y = at(scene, BASE_S + scene.base_shift_px)[1]
    x, y = np.arange(grey.shape[1]), np.arange(grey.shape[0])[:, None]
    under = np.abs(x - at(scene, 0.0)[0]) < 34
    depth = y - base_y - np.where(under, 0.0, line)
    inner = grey[int(base_y) - 40, int(at(scene, 0.0)[0]) - 10 :][:20].mean()
    noise = np.random.default_rng(seed + 1).normal(scale=np.sqrt(inner), size=grey.shape)
    body = inner * np.exp(-0.12 * np.sqrt(np.maximum(depth, 0.0))) + noise
    covered = np.where(under, np.where(depth > 0, body, grey), np.where(depth > 0, body, grey))
    vacuum = np.random.default_rng(seed + 2).poisson(150.0, grey.shape)
    bare = ~under & (depth <= 0) & (y > base_y - 20)
    return np.clip(np.where(bare, vacuum, covered), 0, 255).astype(np.uint8)


def test_a_rough_base_as_dark_as_the_rod_is_found_under_the_rod() -> None:
    scenes = approach(Scene(gap_px=12.0), 10)
    u, error = [], []
    for seed in (1, 2, 6):  # the last one's base lies 6 px lower beside the rod
        sample = [
            (replace(f, image=_dark_foot(s, 2.5, seed)), t, b)
            for s, (f, t, b) in ((s, triple(s, k)) for k, s in enumerate(scenes))
        ]
        model = prepare_specimen(
            sample[0],
            iter(sample),
            specimen_box(scenes[0]),
            shape="rod",
            mode="compression",
            axis=UP,
        )
        frame, tip, base = sample[3]
        outline = model.outline(frame.image, tip, base)
        assert outline.extra["u_common_length_px"] == model.u_common_length_px
        u.append(model.u_base_face_px)
        error.append(outline.length_px - scenes[3].length_px)
    assert np.abs(error).max() < 0.6
    assert max(u) < 0.7
    assert np.sqrt(np.mean((np.array(error) / np.array(u)) ** 2)) < 2.0


def test_a_smeared_picture_is_as_unsure_as_its_tip_and_base(
    rod: tuple[list[Scene], SpecimenModel],
) -> None:
    """A stroke of 8 px across the axis while the frame was taken, which the places show."""
    scenes, model = rod
    picture, places = draw(scenes[3]), found(scenes[3])
    clear = model.outline(picture, *places)
    smeared = uniform_filter1d(picture.astype(float), 8, axis=1)
    v = 1.5**2
    vague = [replace(m, xx_px2=v, yy_px2=v) for m in places if m is not None]
    outline = model.outline(smeared, *vague)
    off = outline.diameter_mid_px - 70.0
    assert outline.u_diameter_mid_px > 4 * clear.u_diameter_mid_px
    assert abs(off) < 2 * outline.u_diameter_mid_px
    assert outline.u_bow_px > 1.0 > clear.u_bow_px


def test_a_thread_in_the_specimens_place_is_not_the_specimen(
    rod: tuple[list[Scene], SpecimenModel],
) -> None:
    scenes, model = rod
    whole = measure(model, scenes[10])
    thread = replace(scenes[10], radius_px=lambda s: np.full_like(s, 5.0), mu=0.1)
    assert not whole.flags
    lost = measure(model, thread)
    assert lost.flags == ("SPECIMEN_LOST",)
    assert math.isnan(lost.diameter_mid_px)


@pytest.mark.parametrize("cap", [0.1, 0.6])
def test_a_hollow_balls_dark_cap_is_not_the_tips_face(cap: float) -> None:
    """Behind the cap the gap is lit; behind the tip's face it stays dark."""
    s = np.arange(-80.0, 60.0)
    parts = [s < 0.0, s < 5.0, s < 18.0]
    clean = np.select(parts, [0.6, cap, 1.0], 0.45)
    profile = gaussian_filter1d(clean, 1.0) + np.random.default_rng(3).normal(size=s.size) * 0.01
    assert first_without_light(profile, s, 14.0).s_px == pytest.approx(17.5, abs=0.4)


def test_a_fillet_that_widens_to_the_base_is_as_unsure_as_it_says() -> None:
    def radius(s: np.ndarray) -> np.ndarray:
        return 14.0 + 12.0 * np.exp(-s / 12.0)

    scenes = approach(Scene(gap_px=12.0, radius_px=radius))
    model = prepared(scenes, "pillar")
    for seed in (60, 61, 62):
        outline = measure(model, replace(scenes[-1], seed=seed))
        for name in ("diameter_max", "diameter_base"):
            off = getattr(outline, f"{name}_px") - 52.0
            assert abs(off) < 2.5 * getattr(outline, f"u_{name}_px")

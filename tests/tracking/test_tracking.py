"""The trackers against drawn scenes whose truth is exact."""

from __future__ import annotations

import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest
import tifffile

from tem_track.errors import TrackingError
from tem_track.records import Axis, Box, Match, Reference, Target
from tem_track.tracking import build_trackers, choose, growing, require_axis
from tem_track.tracking.coarse import Place, Reduced, make_coarse, search
from tem_track.tracking.outward import Outward, grows
from tem_track.tracking.rays import without_rays
from tem_track.tracking.refine import refine
from tem_track.tracking.registration import fit_all
from tests.recordings import recording
from tests.small import movie_frames

from . import scenes


@pytest.fixture(scope="module")
def movie():
    path = scenes.motions(60)
    return path, scenes.render(scenes.Scene(dose=150), path, quality=90)


@pytest.fixture(scope="module")
def trackers(movie):
    _, images = movie
    return build_trackers({0: images[0]}, scenes.sample(images), scenes.targets())


def positions(tracker, images):
    found = choose([tracker.locate(image) for image in images])
    return np.array([(m.x_px, m.y_px) for m in found])


def test_tip_minus_bar_is_right_with_generous_boxes(movie, trackers):
    path, images = movie
    truth = scenes.truth(path)
    error = {name: positions(t, images) - t.point_px - truth[name] for name, t in trackers.items()}
    along = (error["tip"] - error["bar"])[:, 1]
    assert np.std(along) < 0.045
    assert abs(np.mean(along)) < 0.15


def test_the_reference_frame_is_the_origin(movie, trackers):
    _, images = movie
    for tracker in trackers.values():
        match = tracker.locate(images[0])
        assert (match.x_px, match.y_px) == pytest.approx(tracker.point_px, abs=1e-3)


def test_a_tracker_survives_pickling_and_order(movie, trackers):
    _, images = movie
    tracker = trackers["tip"]
    again = pickle.loads(pickle.dumps(tracker))
    forward = [tracker.locate(image) for image in images[:8]]
    backward = [again.locate(image) for image in images[7::-1]][::-1]
    assert forward == backward


def test_a_uniform_frame_is_lost(movie, trackers):
    _, images = movie
    for grey in (0, 128, 255):
        match = trackers["tip"].locate(np.full_like(images[0], grey))
        assert match.lost
        assert np.isnan(match.x_px)
        assert match.reason


def test_hidden_and_overexposed_frames_are_lost_and_good_ones_are_not(movie, trackers):
    _, images = movie
    tip = trackers["tip"]
    hidden = images[20].copy()
    hidden[60:200, 40:220] = 20
    bright = np.clip(images[20] * 4.0, 0, 255).astype(np.uint8)
    assert tip.locate(hidden).lost
    assert tip.locate(bright).lost
    assert sum(tip.locate(image).lost for image in images) == 0


def test_a_jump_and_a_change_of_brightness_change_nothing(trackers):
    path = [
        scenes.Motion(tip=(40.3, -50.6), rod=300.0),
        scenes.Motion(tip=(-45.2, 30.4), rod=300.0),
    ]
    for number, motion in enumerate(path):
        for gain in (0.7, 1.2):
            image = scenes.Scene(dose=150).frame(motion, 77 + number, gain=gain)
            match = trackers["tip"].locate(image)
            assert (match.x_px, match.y_px) == pytest.approx(
                np.add(scenes.TIP_POINT, motion.tip), abs=0.25
            )


def test_a_faint_likeness_in_the_dark_is_not_taken_for_the_target(movie, trackers):
    """Few electrons leave little noise: by its residuals alone it fits better than the target."""
    _, images = movie
    box = scenes.TIP_BOX
    x, y, w, h = (int(v) for v in (box.x_px, box.y_px, box.width_px, box.height_px))
    rng = np.random.default_rng(6)
    for image in images[:4]:
        faint = 0.45 * image[y : y + h, x : x + w].astype(float)
        scene = scenes.Scene(dose=150)
        counts_more = (1 - 0.45) * faint * scene.grey_per_dose / scene.dose
        spoilt = image.copy()
        spoilt[280 : 280 + h, 20 : 20 + w] = np.clip(
            rng.normal(faint, np.sqrt(counts_more)), 0, 255
        )
        true, found = (trackers["tip"].locate(i) for i in (image, spoilt))
        assert (found.x_px, found.y_px) == pytest.approx((true.x_px, true.y_px), abs=1e-6)
        assert not found.alternatives


def test_a_turning_tip_is_read_at_its_point():
    turns = 3 * np.clip(np.sin(np.linspace(-0.5, np.pi, 30)), 0, None)
    path = [scenes.Motion(tip=(0.0, -3 * t), rod=300.0, turn_deg=float(t)) for t in turns]
    images = scenes.render(scenes.Scene(dose=100, film=0.0), path, seed=19)
    tracker = build_trackers({0: images[0]}, scenes.sample(images), scenes.targets()[1:])["tip"]
    found = [tracker.locate(image) for image in images]
    error = positions(tracker, images) - tracker.point_px - [m.tip for m in path]
    assert np.sqrt(np.mean(error**2)) < 0.2
    assert [m.rotation_deg for m in found] == pytest.approx(list(turns), abs=0.3)


def test_a_place_along_a_straight_edge_that_chance_chose_is_not_believed():
    path = scenes.motions(25)
    images = scenes.render(scenes.Scene(film=0.0, bar_edges="bottom"), path)
    tracker = build_trackers({0: images[0]}, scenes.sample(images), scenes.targets()[:1])["bar"]
    look = tracker.looks[0]
    usual = replace(look, chance=replace(look.chance, wander_px=0.4))
    tracker = replace(tracker, looks=(usual, *tracker.looks[1:]))
    found = [tracker.locate(image) for image in images]
    truth = scenes.truth(path)["bar"] + tracker.point_px
    error = np.array([(m.x_px, m.y_px) for m in found]) - truth
    assert np.abs(error[:, 0] - np.median(error[:, 0])).max() < 3 * 0.4 + 3 * np.std(truth[:, 0])
    assert np.std(error[:, 1]) < 0.05


def test_two_flanks_that_lean_a_little_serve_along_the_axis_between_them():
    lean = np.tan(np.radians(15.5))  # a share of 0.071 along the axis
    rng = np.random.default_rng(2)
    places = np.cumsum(rng.normal(0, 0.4, (30, 2)), axis=0)
    places -= places[0]
    images = []
    for x, y in places:
        half = 30 + lean * (170 + y - scenes.Y)
        body = scenes.soft(half - np.abs(scenes.X - 160 - x))
        mean = 150 * (1 - 0.9 * body)
        images.append(np.clip(rng.poisson(mean), 0, 255).astype(np.uint8))
    box = Box(90, 30, 141, 100)
    target = Target("tip", (Reference(0, box),), (160.0, 129.0))
    tracker = build_trackers({0: images[0]}, scenes.sample(images), [target])["tip"]
    require_axis(tracker, Axis(0.0), "tip")
    found = choose([tracker.locate(image) for image in images])
    error = np.array([m.y_px for m in found]) - 129.0 - places[:, 1]
    u_px = np.array([m.u_along_px((0.0, 1.0)) for m in found])
    assert np.std(error) < 1.5 * np.median(u_px) < 0.15


def test_an_edge_that_every_frame_bends_otherwise_is_called_that():
    rows = np.arange(scenes.HEIGHT)
    still = [scenes.Motion()] * 24
    bent = []
    for k, image in enumerate(scenes.render(scenes.Scene(), still)):
        shifts = 1.2 * np.sin(rows / 25 + 1.9 * k)
        columns = np.arange(scenes.WIDTH)
        lines = [np.interp(columns - d, columns, row) for d, row in zip(shifts, image, strict=True)]
        bent.append(np.rint(lines).astype(np.uint8))
    tracker = build_trackers({0: bent[0]}, scenes.sample(bent), scenes.targets()[:1])["bar"]
    require_axis(tracker, Axis(0.0), "bar")
    with pytest.raises(TrackingError, match="lines of a scan"):
        require_axis(tracker, Axis(90.0), "bar")


@pytest.mark.parametrize(("edges", "axis", "serves"), [("bottom", 0, True), ("bottom", 90, False)])
def test_one_straight_edge_serves_across_it_only(edges, axis, serves):
    path = scenes.motions(25)
    images = scenes.render(scenes.Scene(film=0.0, bar_edges=edges), path)
    tracker = build_trackers({0: images[0]}, scenes.sample(images), scenes.targets()[:1])["bar"]
    if serves:
        require_axis(tracker, Axis(axis), "bar")
        error = (
            positions(tracker, images)[:, 1] - tracker.point_px[1] - scenes.truth(path)["bar"][:, 1]
        )
        assert np.std(error) < 0.05
    else:
        with pytest.raises(TrackingError, match=r"bar's box .* corner"):
            require_axis(tracker, Axis(axis), "bar")


def test_a_burnt_in_label_does_not_hold_the_bar():
    path = scenes.motions(40)
    images = scenes.render(scenes.Scene(dose=150, label=True), path)
    tracker = build_trackers({0: images[0]}, scenes.sample(images), scenes.targets()[:1])["bar"]
    assert not tracker.moving_mask[22:30, 10:36].any()
    error = positions(tracker, images) - tracker.point_px - scenes.truth(path)["bar"]
    assert np.std(error - error.mean(axis=0)) < 0.03


@pytest.mark.parametrize("n", [1, 2, 11])
def test_few_frames_serve(n):
    path = scenes.motions(n)
    images = scenes.render(scenes.Scene(dose=150), path)
    for name, tracker in build_trackers(
        {0: images[0]}, scenes.sample(images), scenes.targets()
    ).items():
        error = positions(tracker, images) - tracker.point_px - scenes.truth(path)[name]
        assert np.abs(error).max() < 0.4


def test_choose_takes_the_smoother_path():
    def match(x, *others):
        return Match(x, 0.0, 1e-4, 0.0, 1e-4, 1.0, alternatives=tuple(match(o) for o in others))

    found = choose([match(0.0), match(50.0, 0.5), Match.none(), match(1.0, 51.0), match(1.5)])
    assert [m.x_px for m in found if not m.lost] == [0.0, 0.5, 1.0, 1.5]
    assert all(not m.alternatives for m in found)


def test_a_uniform_box_is_refused():
    flat = np.full((100, 100), 7, np.uint8)
    box = Box(20, 20, 40, 40)
    with pytest.raises(TrackingError, match="uniform"):
        build_trackers({0: flat}, [], [Target("tip", (Reference(0, box),), box.centre_px)])


@pytest.mark.parametrize("box", [Box(270, 2, 40, 40), Box(10, 250, 60, 60)])
def test_a_box_of_noise_is_refused(movie, box):
    _, images = movie
    target = Target("bar", (Reference(0, box),), box.centre_px)
    wanted = rf"the bar's box \[{box.x_px:.0f}, .* nothing .* draw it over a corner"
    with pytest.raises(TrackingError, match=wanted):
        build_trackers({0: images[0]}, scenes.sample(images, 2), [target])


@pytest.mark.parametrize("box", [Box(60, 460, 390, 40), Box(0, 40, 512, 35)])
@pytest.mark.parametrize("depth", [8, 16])
def test_a_dark_bar_of_a_real_recording_serves_across_itself_only(box, depth):
    movie = tifffile.imread(recording("micropillar") / "movie.tif", key=range(0, 60, 6))
    images = movie if depth == 16 else (movie // 256).astype(np.uint8)
    target = Target("bar", (Reference(0, box),), box.centre_px)
    tracker = build_trackers({0: images[0]}, scenes.sample(images), [target])["bar"]
    require_axis(tracker, Axis(0.0), "bar")
    with pytest.raises(TrackingError, match=r"bar's box .* corner"):
        require_axis(tracker, Axis(90.0), "bar")


def test_a_box_whose_template_has_wandered_off_is_refused():
    """Noise in the box, and a tip elsewhere that every other frame is drawn to."""
    frames = movie_frames(24)
    box = Box(150, 2, 40, 30)
    target = Target("bar", (Reference(0, box),), box.centre_px)
    with pytest.raises(TrackingError, match="nothing that could be followed"):
        build_trackers({0: frames[0]}, scenes.sample(frames), [target])


def test_a_region_that_changes_as_a_whole_is_counted_in_the_uncertainty():
    """A shade that comes and goes over the tip's edge pulls the tip; the uncertainty knows."""
    path = [scenes.Motion(rod=300.0)] * 40
    still = scenes.render(scenes.Scene(film=0.0), path, seed=3)
    shade = np.ones((scenes.HEIGHT, scenes.WIDTH))
    shade[135:185, 95:128] = 0.9
    drawn = [im if k % 2 else np.rint(im * shade).astype(np.uint8) for k, im in enumerate(still)]
    target = _from_frame(scenes.targets()[1:], 1)
    for images in (still, drawn):
        tracker = build_trackers({1: images[1]}, scenes.sample(images), target)["tip"]
        u = tracker.locate(images[1]).xx_px2 ** 0.5
        assert 0.75 < np.std(positions(tracker, images)[:, 0]) / u < 1.35


def test_a_round_in_which_hardly_a_frame_is_found_does_not_end_the_learning(movie, monkeypatch):
    """A template that has lost its edges for a round; an average of one frame held no pixel."""
    _, images = movie

    def once_lost(stack, pattern, state, before=None):
        fits = fit_all(stack, pattern, state, before)
        return [fits[0], *[None] * (len(fits) - 1)] if state.rounds == 1 else fits

    monkeypatch.setattr(growing, "fit_all", once_lost)
    bar = build_trackers({0: images[0]}, scenes.sample(images), scenes.targets()[:1])["bar"]
    assert bar.moving_mask.mean() > 0.3
    assert not any(bar.locate(image).lost for image in images[::10])


def test_noise_alone_is_no_outline_that_moves_outwards():
    """A bar of two edges tells it from a shift so poorly that a reading is worth 0.14 px."""
    reader = Outward(np.zeros((2, 2), np.float32), np.array([-0.77, 0.77]))
    rng = np.random.default_rng(8)
    noises = [rng.normal(0, 0.14, 37) for _ in range(300)]
    assert sum(grows(reader, noise, 0.0) is not None for noise in noises) <= 1
    grown = [grows(reader, noise + np.linspace(0, 1.0, 37), 0.0) for noise in noises]
    assert all(each is not None and each.u_px < 0.25 for each in grown)


def test_a_face_that_is_touched_does_not_pull_the_tip():
    """The rod comes to touch the face; what it covers of it looks moved, the rest does not."""
    path = [
        scenes.Motion(tip=(0.0, -0.4 * k), rod=-15.0 - 0.4 * k if k > 8 else 0.0) for k in range(40)
    ]
    images = scenes.render(scenes.Scene(dose=400, film=0.0), path, seed=5)
    box = Box(70, 90, 120, 81)
    target = Target("tip", (Reference(0, box),), scenes.TIP_POINT)
    tracker = build_trackers({0: images[0]}, scenes.sample(images), [target])["tip"]
    error = positions(tracker, images)[:, 1] - tracker.point_px[1] - [m.tip[1] for m in path]
    assert abs(error[9:].mean() - error[:9].mean()) < 0.05


def test_the_search_asks_only_the_pixels_that_move_with_the_target():
    """A dark sheet has come to lie in the box, beside the target."""
    rng = np.random.default_rng(2)
    blob = cv2.GaussianBlur(rng.normal(0, 60, (64, 64)), (0, 0), 3) * 8
    template = np.clip(120 + blob, 0, 255)
    moving = np.ones((64, 64), bool)
    moving[:, :30] = False
    frame = np.full((256, 256), 120.0)
    frame[100:164, 140:204] = np.where(moving, template, 20)
    frame[:, 110:170] = 20
    best = search(Reduced(frame.astype(np.uint8)), make_coarse(template, moving))[0]
    assert (best.x_px, best.y_px) == pytest.approx((140, 100), abs=5)
    assert best.likeness > 0.9


@pytest.mark.parametrize("noise", [1.0, 6.0])
def test_an_even_bright_target_is_not_overexposed(noise):
    """White is where the detector says so, not wherever a bar has few electrons' noise."""
    path = scenes.motions(24)
    drawn = scenes.render(scenes.Scene(dose=150), path, quality=85)
    rng = np.random.default_rng(4)
    images = [np.clip(240 - i * 0.9 + rng.normal(0, noise, i.shape), 0, 255) for i in drawn]
    images = [scenes.jpeg(i.astype(np.uint8)) for i in images]
    bar = build_trackers({0: images[0]}, scenes.sample(images), scenes.targets()[:1])["bar"]
    assert not any(bar.locate(image).lost for image in images)
    assert bar.locate(np.clip(images[3] * 3.0, 0, 255).astype(np.uint8)).lost


def _from_frame(targets, frame):
    return [Target(t.name, (Reference(frame, t.references[0].box),), t.point_px) for t in targets]


class Flipped(scenes.Scene):
    """The same tip with its texture's contrast turned round, and lighter."""

    def _tip(self, tx, ty, turn):
        even = replace(self, tip_texture=0.0)
        return 0.8 * scenes.Scene._tip(even, tx, ty, turn) - 0.5 * super()._tip(tx, ty, turn)


def test_a_box_that_was_drawn_again_makes_no_step():
    path = [scenes.Motion(tip=(0.3 * k, -0.8 * k), rod=300.0) for k in range(30)]
    kinds = (scenes.Scene(film=0.0), Flipped(film=0.0))
    images = [kinds[k >= 15].frame(m, 50 + k) for k, m in enumerate(path)]
    box = scenes.TIP_BOX
    again = Reference(22, box.shifted(8, -16))
    target = Target("tip", (Reference(0, box), again), scenes.TIP_POINT)
    references = {0: images[0], 22: images[22]}
    tracker = build_trackers(references, scenes.sample(images), [target])["tip"]
    error = positions(tracker, images) - tracker.point_px - [m.tip for m in path]
    step = error[15:].mean(axis=0) - error[:15].mean(axis=0)
    assert (np.abs(step) < 0.3).all()


def _sheet(image):
    return np.where(np.indices(image.shape)[0] > 120, 30, image).astype(np.uint8)


def _burnt(image):
    return np.clip(image * 4.0, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("spoil", [_sheet, _burnt])
def test_a_target_that_is_hidden_for_good_is_not_carried_over(spoil):
    path = [scenes.Motion(tip=(0.3 * k, -0.4 * k), rod=300.0) for k in range(24)]
    images = scenes.render(scenes.Scene(), path, seed=8)
    images = images[:14] + [spoil(image) for image in images[14:]]
    tip = scenes.targets()[1:]
    tracker = build_trackers({0: images[0]}, scenes.sample(images), tip)["tip"]
    assert not tracker.found_frames
    assert all(tracker.locate(image).lost for image in images[14:])


@pytest.mark.parametrize("box", [Box(179, 0, 121, 113), Box(165, 0, 135, 125)])
def test_a_bar_in_the_corner_of_the_frame_is_kept_however_tight_its_box(box):
    rng = np.random.default_rng(0)
    camera = rng.normal(0, 1.2, (40, 2))
    camera[0] = 0
    y, x = np.indices((256, 300)).astype(float)
    images = [
        rng.poisson(150 * (1 - 0.97 * scenes.soft(x - 180 - dx) * scenes.soft(110 + dy - y)))
        .clip(0, 255)
        .astype(np.uint8)
        for dx, dy in camera
    ]
    targets = [Target("bar", (Reference(0, box),), box.centre_px)]
    bar = build_trackers({0: images[0]}, scenes.sample(images), targets)["bar"]
    found = positions(bar, images) - positions(bar, images[:1])
    assert np.abs(found - camera).max() < 0.08


def test_a_bar_with_a_leaning_side_is_found_again_where_it_was():
    box = Box(0, 0, 128, 159)
    rng = np.random.default_rng(0)
    camera = [(-0.08 * k, -0.16 * k) for k in range(24)]
    y, x = np.indices((400, 420)).astype(float)
    images = [
        rng.poisson(
            150
            * (1 - 0.97 * scenes.soft(106 + dx + 0.2 * (y - dy) - x) * scenes.soft(150 + dy - y))
        )
        .clip(0, 255)
        .astype(np.uint8)
        for dx, dy in camera
    ]
    targets = [Target("bar", (Reference(0, box),), box.centre_px)]
    bar = build_trackers({0: images[0]}, scenes.sample(images), targets)["bar"]
    found = positions(bar, images) - positions(bar, images[:1])
    assert np.abs(found - camera).max() < 0.08


def _corner(camera, seed: int = 0, levels: float = 150.0, edge: float = 110.0):
    """A dark bar in the lower left corner of the frame."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((384, 480)).astype(float)
    return [
        rng.poisson(
            levels
            * (1 - 0.98 * scenes.soft(edge + dx - x) * scenes.soft(y - 304 - dy + 0.05 * (x - dx)))
        ).astype(np.uint16)
        for dx, dy in camera
    ]


def test_a_bar_whose_box_ends_just_beside_its_edge_is_found_wherever_it_goes():
    """Reduced eightfold, that box keeps one edge of the two, along which all places are alike."""
    rng = np.random.default_rng(1)
    rng.uniform(size=(40, 2))
    camera = [(0.0, 0.0)] * 20 + [tuple(v) for v in rng.uniform((8, -14), (22, -2), (40, 2))]
    images = _corner(camera)
    box = Box(0, 286, 114, 98)
    target = Target("bar", (Reference(0, box),), box.centre_px)
    bar = build_trackers({0: images[0]}, scenes.sample(images), [target])["bar"]
    found = positions(bar, images) - positions(bar, images[:1])
    assert np.abs(found - camera).max() < 0.15


def test_a_reduced_template_that_leads_astray_loses_no_frame():
    """What does not move with the target is mixed into it where the box ends beside an edge."""
    camera = [(0.0, 0.0), (0.6, -0.4), (-0.3, 0.7)]
    images = _corner(camera)
    box = Box(0, 280, 134, 104)
    target = Target("bar", (Reference(0, box),), box.centre_px)
    bar = build_trackers({0: images[0]}, scenes.sample(images), [target])["bar"]
    (look,) = bar.looks
    astray = replace(look.rough, coef=np.roll(look.rough.coef, 1, axis=0))
    place = Place(box.x_px, box.y_px, 0.95)
    for image, (dx, dy) in zip(images, camera, strict=True):
        found, reason = refine(
            Reduced(image), replace(look, rough=astray), place, patient=True, sharp=False
        )
        assert not reason
        assert abs(found.fit.x_px - box.x_px - dx) < 0.15
        assert abs(found.fit.y_px - box.y_px - dy) < 0.15


def test_a_ray_in_the_dark_of_a_bar_loses_no_frame():
    rng = np.random.default_rng(3)
    camera = np.cumsum(rng.normal(0, 0.3, (24, 2)), axis=0)
    camera -= camera[0]
    drawn = np.array(_corner(camera))
    images = (120 + 1.6 * drawn + rng.normal(0, 32, drawn.shape)).astype(np.uint16)
    for k in (0, 7, 16):
        for y, x in rng.integers((320, 10), (370, 90), (3, 2)):
            images[k, y, x] = 4095
    box = Box(0, 286, 130, 98)
    target = Target("bar", (Reference(0, box),), box.centre_px)
    bar = build_trackers({0: images[0]}, scenes.sample(images), [target])["bar"]
    found = [bar.locate(image) for image in images]
    assert not any(match.lost for match in found)
    places = np.array([(m.x_px, m.y_px) for m in found])
    assert np.abs(places - places[0] - camera).max() < 0.3


def test_only_single_pixels_are_rays():
    image = np.random.default_rng(0).normal(100, 5, (128, 128)).astype(np.float32)
    image[40, 20:60] = 400  # a stroke
    image[80:83, 80:83] = 400  # a dot
    assert without_rays(image) is image
    image[100, 30] = 400
    assert np.flatnonzero(without_rays(image) != image).tolist() == [100 * 128 + 30]

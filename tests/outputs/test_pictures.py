from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image as Pictures

from tem_track import outputs
from tem_track.errors import ConfigError
from tem_track.frames import open_movie
from tem_track.outputs.canvas import nice_length_nm, write_words
from tem_track.outputs.curves import curves_figure
from tem_track.outputs.display import shown_size, survey
from tem_track.outputs.figures import journal_style, switches_of
from tem_track.outputs.marks import bar_edge_px, marks_of
from tem_track.outputs.montage import montage_figure
from tem_track.outputs.overlay import film_of, frames_per_second
from tem_track.outputs.panels import panels_of
from tem_track.outputs.planes import Planes
from tem_track.outputs.readout import readout_of
from tem_track.outputs.story import story_rows
from tem_track.outputs.style import COLOURS, FLAG_WORDS, prefixed
from tem_track.outputs.words import RowWords
from tem_track.records import Box, Reference, Target
from tests.outputs import made

COUNT = 24


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    path = tmp_path_factory.mktemp("film") / "overlay.mp4"
    outputs.write_overlay(made.result(COUNT), made.movie(COUNT), path)
    return decoded(path)


TIMES = 512 / made.SIZE[1]
"""How much larger the film shows the movie."""
FRAME_WIDTH = round(TIMES * made.SIZE[0])


def drawn_number(number: int, like: np.ndarray) -> float:
    """How well the words 'frame N' are found in the head of the panel."""
    words = Planes.blank(240, 44)
    size = round(26 * 0.74)
    width = write_words(words, (6, 22), f"frame {number}", size, (20, 20, 20), bold=True)
    template = words.rgb()[6:38, 2 : int(width) + 16]
    head = like[:60, FRAME_WIDTH:]
    return float(cv2.matchTemplate(head, template, cv2.TM_CCOEFF_NORMED).max())


def test_every_frame_of_the_film_is_drawn_on_its_own_frame(film: list[np.ndarray]) -> None:
    assert len(film) == COUNT
    for index, picture in enumerate(film):
        assert made.read_code(picture[:, :FRAME_WIDTH, 1], TIMES) == index
        scores = [drawn_number(number, picture) for number in range(COUNT)]
        assert int(np.argmax(scores)) == index


def test_the_tip_is_marked_where_the_points_say(film: list[np.ndarray]) -> None:
    points = made.result(COUNT).points
    colour = np.array([int(COLOURS["tip_point"][i : i + 2], 16) for i in (1, 3, 5)])
    for index in (0, 6, 10, 15, 23):
        x, y = (TIMES * (points[f"tip_{c}_px"].iloc[index] + 0.5) - 0.5 for c in "xy")
        region = film[index][int(y) - 28 : int(y) + 29, int(x) - 28 : int(x) + 29].astype(int)
        near = np.abs(region - colour).sum(axis=2) < 90
        upright = np.flatnonzero(near.sum(axis=0) >= 12)
        level = np.flatnonzero(near[:, 14:20].all(axis=1) | near[:, 37:43].all(axis=1))
        assert abs(upright.mean() - 28 - (x - int(x))) < 1.5
        assert abs(level.mean() - 28 - (y - int(y))) < 1.5


def test_the_film_plays_everywhere(tmp_path: Path) -> None:
    outputs.write_overlay(made.result(12), made.movie(12), tmp_path / "o.mp4")
    with av.open(str(tmp_path / "o.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.codec_context.width % 2 == 0
        assert stream.codec_context.height % 2 == 0
        assert stream.average_rate == 2
    data = (tmp_path / "o.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert frames_per_second(2000) == 25


def test_the_film_is_the_same_from_run_to_run(tmp_path: Path) -> None:
    for name in "ab":
        outputs.write_overlay(made.result(6), made.movie(6), tmp_path / f"{name}.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_pictures_are_the_same_from_run_to_run(tmp_path: Path) -> None:
    kinds = ("png", "pdf", "svg")
    for name in "ab":
        outputs.write_curves(made.result(), [tmp_path / f"{name}.{kind}" for kind in kinds])
        outputs.write_montage(made.result(), made.movie(), [tmp_path / f"{name}-m.png"])
    for rest in (*(f".{kind}" for kind in kinds), "-m.png"):
        assert (tmp_path / f"a{rest}").read_bytes() == (tmp_path / f"b{rest}").read_bytes(), rest


CASES = ("no specimen", "lost", "one frame", "bad frame", "tension", "growth", "two bodies")


@pytest.mark.parametrize("case", CASES)
def test_pictures_are_drawn_of_every_kind_of_result(tmp_path: Path, case: str) -> None:
    count = 1 if case == "one frame" else 9
    result = made.result(count, specimen=case != "no specimen")
    if case == "tension":
        result = made.result(count, mode="tension")
    if case == "lost":
        for name in ("bar_x_px", "tip_x_px", "force_nN", "deflection_nm", "length_nm"):
            result.points[name] = np.nan
        result.outlines.clear()
        result.points["flags"] = "BAR_LOST;TIP_LOST"
    if case in ("growth", "two bodies"):
        result = made.growth(count, 2 if case == "two bodies" else 1)
    outputs.write_pictures(result, made.movie(count, bad=case == "bad frame"), tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "overlay.mp4", "montage.png", "montage.pdf", "curves.png", "curves.pdf", "curves.svg",
    }  # fmt: skip
    assert len(decoded(tmp_path / "overlay.mp4")) == count


def test_the_end_of_one_body_is_not_joined_to_another() -> None:
    """The face towards the tip is the larger body's; the last station may be the smaller one's."""
    grown = made.growth()
    first = grown.outlines[0].astype(float)
    both = np.concatenate([first, np.full((1, 6), np.nan), first - [30, -6, 30, -6, 30, -6]])
    grown.outlines[0] = both.astype(np.float32)
    for axis, value in zip("xy", first[-1, :2], strict=True):
        grown.measurement[f"tip_face_{axis}_px"] = value
    marks = marks_of(grown, made.movie(12))
    stations = marks.stations(0)
    assert stations is not None
    assert np.allclose(stations, both, atol=1e-3, equal_nan=True)
    assert sum(mark.role == "outline" for mark in marks.at(0)) == 2


@pytest.mark.parametrize("size", [(512, 512), (1500, 300), (300, 900), (700, 500), (560, 256)])
def test_a_painted_frame_has_even_sides_and_room_for_words(size: tuple[int, int]) -> None:
    stack = np.full((3, size[1], size[0]), 128, dtype=np.uint16)
    movie = open_movie(stack, frame_interval_s=0.1)
    film = film_of(made.result(3), movie)
    picture = film.paint(1, movie[1])
    assert picture.shape[0] % 2 == picture.shape[1] % 2 == 0
    assert min(film.readout.size) >= 280
    assert max(picture.shape) <= 1920
    assert picture.shape[0] <= 1080


def test_numbers_and_curve_have_each_their_own_room() -> None:
    for size in ((512, 512), (1500, 300), (300, 900), (700, 500), (2048, 2048)):
        result = made.result(3)
        result.points["flags"] = ";".join(FLAG_WORDS)
        result.points[["shell_nm", "potential_V", "current_A"]] = 1.0
        width, height = shown_size(*size)
        readout = readout_of(result, width, height, beside=width / height < 1.45)
        bare = Planes.blank(*readout.size)
        readout.draw(bare, 1)
        result.points["flags"] = ""
        other = Planes.blank(*readout.size)
        readout_of(result, width, height, beside=width / height < 1.45).draw(other, 1)
        differs = np.argwhere(bare.luma != other.luma)
        left, top = readout.curve_place
        assert len(differs)
        assert not ((differs[:, 1] >= left) & (differs[:, 0] >= top)).any()


def test_a_frame_is_shown_no_larger_than_is_of_use() -> None:
    assert shown_size(2048, 2048) == (864, 864)
    assert shown_size(768, 768) == (768, 768)
    assert shown_size(512, 512) == (512, 512)
    assert shown_size(1500, 300) == (960, 192)
    assert shown_size(160, 192) == (426, 512)
    assert shown_size(160, 120) == (640, 480)


def test_any_row_is_painted_as_in_turn() -> None:
    result, movie = made.result(9), made.movie(9)
    turn, leap = film_of(result, movie), film_of(result, movie)
    pictures = [turn.paint(row, movie[row]) for row in range(9)]
    for row in (8, 2, 5):
        np.testing.assert_array_less(
            np.abs(leap.paint(row, movie[row]).astype(int) - pictures[row]).mean(), 0.02
        )


def test_colours_survive_the_planes() -> None:
    colours = np.array([[0, 0, 0], [255, 255, 255], [240, 228, 66], [86, 180, 233], [213, 94, 0]])
    for colour in colours:
        patch = np.broadcast_to(colour, (8, 8, 3)).astype(np.uint8)
        assert np.abs(Planes.of(patch).rgb().astype(int) - colour).max() <= 3


def test_every_frame_is_seen_once_and_words_are_drawn_in_their_colour(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def watcher(row: int, grey: np.ndarray) -> None:
        seen.append((row, made.read_code(grey, TIMES)))

    outputs.write_overlay(made.result(6), made.movie(6), tmp_path / "o.mp4", watcher=watcher)
    assert seen == [(row, row) for row in range(6)]
    picture = Planes.blank(120, 60)
    write_words(picture, (11, 31), "lost", 40, (190, 30, 20), bold=True)
    darkest = picture.rgb()[picture.luma < picture.luma.min() + 12].astype(int)
    assert np.abs(np.median(darkest, axis=0) - [190, 30, 20]).max() < 12


def test_ink_on_white_is_what_covers_it() -> None:
    rng = np.random.default_rng(1)
    mask = rng.integers(0, 256, (9, 14), dtype=np.uint8)
    for left, top in ((4, 3), (-5, -2), (33, 18)):
        inked, covered = Planes.blank(40, 20), Planes.blank(40, 20)
        inked.ink(left, top, mask, (90, 90, 90))
        covered.cover(left, top, mask, (90, 90, 90))
        assert np.abs(inked.luma.astype(int) - covered.luma).max() <= 1
        assert (covered.luma < 235).any()


def test_a_picture_is_pasted_as_far_as_there_is_room() -> None:
    stamp = Planes.of(np.full((6, 8, 3), (190, 30, 20), dtype=np.uint8))
    for left, top, seen in ((4, 2, (6, 8)), (-4, 2, (6, 4)), (16, 8, (2, 4)), (20, 10, (0, 0))):
        picture = Planes.blank(20, 10)
        picture.paste(left, top, stamp)
        assert int((picture.luma != 235).sum()) == seen[0] * seen[1]
        assert int((picture.red != 128).sum()) == seen[0] * seen[1] // 4


def test_a_noisy_film_is_smoothed_and_says_so() -> None:
    rng = np.random.default_rng(1)
    calm = np.stack([frame.image for frame in made.movie(9)])
    noise = rng.normal(0, 25, (9, 512, 426))
    large = np.stack([cv2.resize(frame, (426, 512)) for frame in calm])
    noisy = np.clip(large + noise, 0, 255).astype(np.uint8)
    films = []
    for stack, is_noisy in ((large, False), (noisy, True)):
        movie = open_movie(stack, frame_interval_s=0.1)
        assert survey(movie).noisy == is_noisy
        films.append(film_of(made.result(9), movie).paint(3, movie[3]))
    grain = [
        float(np.abs(np.diff(film[200:260, 20:140, 1].astype(float))).mean()) for film in films
    ]
    assert grain[1] < 0.6 * np.abs(np.diff(noisy[3, 200:260, 20:140].astype(float))).mean()
    below = np.s_[:, 426:]
    assert (films[0][below] != films[1][below]).any()  # the words that say so


def test_frames_picked_by_hand_must_have_been_measured(tmp_path: Path) -> None:
    result, movie = made.result(), made.movie()
    outputs.write_montage(result, movie, [tmp_path / "m.png"], frames=[3, 1, 40])
    with pytest.raises(ConfigError, match=r"frame 99 was not measured.* 0 to 47"):
        outputs.write_montage(result, movie, [tmp_path / "n.png"], frames=[99])
    assert not (tmp_path / "n.png").exists()


def test_the_story_holds_events_and_spreads_the_rest() -> None:
    result = made.result(200)
    rows = story_rows(result, 12)
    summary = result.summary
    assert len(rows) == 12
    assert {0, 199, summary["contact_frame"], summary["max_force_frame"]} <= set(rows)
    assert summary["bending_frame"] in rows
    loading = [row for row in rows if summary["contact_frame"] <= row <= 199]
    assert max(np.diff(result.points["force_nN"].to_numpy()[loading])) < 60


def test_the_bar_line_lies_on_the_edge_that_is_seen() -> None:
    image = np.full((100, 100), 200.0)
    image[:37, 40:] = 20
    bar = Target("bar", (Reference(0, Box(50, 10, 40, 50)),), (69.5, 34.5))
    assert bar_edge_px(bar, np.array([0.0, -1.0]), image) == pytest.approx(-(36.5 - 34.5), abs=1.0)


def test_marks_move_with_what_they_mark() -> None:
    result, movie = made.result(), made.movie()
    marks = marks_of(result, movie)
    early = {mark.role: mark.points_px for mark in marks.at(0)}
    late = {mark.role: mark.points_px for mark in marks.at(30)}
    lift = result.points["deflection_nm"].iloc[30] / made.SCALE
    np.testing.assert_allclose(early["tip_box"] - late["tip_box"], [[0, lift]] * 4, atol=1e-9)
    np.testing.assert_allclose(early["zero_line"], late["zero_line"], atol=1e-9)
    np.testing.assert_allclose(early["bar_line"], late["bar_line"], atol=1e-9)
    assert np.ptp(late["outline"][:, 0]) > np.ptp(early["outline"][:, 0])


@pytest.mark.parametrize(("most", "nice"), [(1.0, 1.0), (4.9, 2.0), (50.0, 50.0), (999.0, 500.0)])
def test_scale_bars_have_round_lengths(most: float, nice: float) -> None:
    assert nice_length_nm(most) == pytest.approx(nice)


def test_the_outline_is_drawn_on_to_the_faces_where_the_length_is_measured() -> None:
    result = made.result()
    for column, value in (("x", 69.5), ("y", 158.0)):
        result.measurement[f"base_face_{column}_px"] = value
    result.points["diameter_base_nm"] = 20.0 * made.SCALE
    marks = marks_of(result, made.movie())
    outline, stations = result.outlines[0], marks.stations(0)
    assert stations is not None
    assert len(stations) == len(outline) + 1
    np.testing.assert_allclose(stations[0], [69.5, 158.0, 59.5, 158.0, 79.5, 158.0], atol=1e-5)
    result.measurement["base_face_y_px"] = 400.0  # nowhere near what was seen
    stations = marks_of(result, made.movie()).stations(0)
    assert stations is not None
    assert len(stations) == len(outline)


@pytest.mark.parametrize("width_mm", [85, 170])
def test_curves_have_the_width_that_was_asked_for(tmp_path: Path, width_mm: int) -> None:
    outputs.write_curves(made.result(), [tmp_path / "c.png"], width_mm=width_mm)
    with Pictures.open(tmp_path / "c.png") as picture:
        assert picture.width == pytest.approx(width_mm / 25.4 * 300, abs=1)
        assert picture.height <= 231 / 25.4 * 300


def test_no_line_crosses_the_step_between_the_contact_equations() -> None:
    result = made.result()
    equations = np.where(result.points["strain_eng"] <= 0.02, 1.0, 2.0)
    result.points["mook_equation"] = equations
    stress = next(panel for panel in panels_of(result) if panel.key == "stress_strain")
    assert switches_of(result, stress) == []
    result.summary["area_model"] = "mook"
    rows = switches_of(result, stress)
    assert [equations[row - 1] != equations[row] for row in rows] == [True, True]
    with journal_style():
        line = curves_figure(result).axes[1].lines[0]
    assert np.isnan(np.asarray(line.get_ydata(), dtype=float)).sum() == len(rows)


def test_frames_without_a_point_are_numbered_against_time() -> None:
    result, movie = made.result(24), made.movie(24)
    result.points.loc[20:, ["deformation_nm", "stress_MPa"]] = np.nan
    with journal_style():
        whole = montage_figure(result, movie, [0, 6, 12])
        cut = montage_figure(result, movie, [0, 12, 22])
    labels = [axes.get_xlabel() for axes in whole.axes if axes.get_xlabel()]
    assert labels == ["deformation (nm)"]
    curves = [axes for axes in cut.axes if axes.get_xlabel()]
    assert [axes.get_xlabel() for axes in curves] == ["deformation (nm)", "time (s)"]
    numbers = [{text.get_text() for text in axes.texts} for axes in curves]
    assert numbers == [{"1", "2"}, {"1", "2", "3"}]


def test_currents_are_read_in_the_unit_that_fits_them() -> None:
    assert prefixed(np.array([np.nan, -3e-10]), "A") == (1e-12, "pA")
    assert prefixed(np.array([0.2, 2.0]), "A") == (1.0, "A")
    result = made.growth()
    result.points["current_A"] = np.linspace(0, -4e-9, len(result.points))
    panel = next(panel for panel in panels_of(result) if panel.key == "current_time")
    assert panel.y_label == "current (nA)"
    words = dict(RowWords(result).of(len(result.points) - 1))
    assert words["current"] == "-4 nA"


def test_the_words_of_a_row_suit_the_mode() -> None:
    pulled, pressed = (RowWords(made.result(mode=m)).names for m in ("tension", "compression"))
    assert "diameter, smallest" in pulled
    assert "diameter, smallest" not in pressed
    assert "diameter at the tip" in pressed
    assert not any("tip" in name or "force" in name for name in RowWords(made.growth()).names)


def test_grey_levels_are_those_of_the_scene_not_of_its_label() -> None:
    rng = np.random.default_rng(0)
    flat = rng.integers(100, 125, (3, 200, 200)).astype(np.uint8)
    flat[:, 196:, :32] = 255
    shown = survey(open_movie(flat, frame_interval_s=1.0)).levels.apply(flat[0])
    assert np.ptp(shown[:180]) > 150


def test_growth_and_potential_stand_on_one_time_axis_and_no_band_reaches_below_zero() -> None:
    result = made.growth()
    result.points["u_shell_nm"] = 10.0
    result.points["potential_V"] = -1.0
    with journal_style():
        figure = curves_figure(result)
    named = {axes.get_ylabel(): axes for axes in figure.axes}
    length = named["length (nm)"]
    over = [a for a in figure.axes if a is not length and a.bbox.bounds == length.bbox.bounds]
    assert [axes.get_ylabel() for axes in over] == ["potential (V)"]
    assert over[0].get_shared_x_axes().joined(over[0], length)
    (band,) = named["shell (nm)"].collections
    assert min(path.vertices[:, 1].min() for path in band.get_paths()) == 0

"""One contract, held by every reader over every format."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tem_track.errors import MovieError
from tem_track.frames import Movie, open_movie
from tests.frames.movies import EM, FORMATS, HEIGHT, WIDTH, N, draw, number


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("movies")


@pytest.fixture(params=[*FORMATS, "array"])
def case(request: pytest.FixtureRequest, folder: Path) -> tuple[str, Movie]:
    name: str = request.param
    if name == "array":
        return name, open_movie(np.stack([draw(i) for i in range(N)]))
    file, write, _ = FORMATS[name]
    if not (folder / file).exists():
        write(folder / file)
    if name in EM:
        pytest.importorskip("rsciio", reason="needs the extra em")
    return name, open_movie(folder / file)


@pytest.fixture
def movie(case: tuple[str, Movie]) -> Movie:
    return case[1]


def test_every_frame_is_in_its_place(movie: Movie) -> None:
    frames = list(movie)
    assert len(movie) == N
    assert [frame.index for frame in frames] == list(range(N))
    assert all(frame.ok for frame in frames)
    assert [number(frame.image) for frame in frames] == list(range(N))


def test_grey_values_are_the_files_own(case: tuple[str, Movie]) -> None:
    name, movie = case
    factor = 1 if name == "array" else FORMATS[name][2]
    if factor is None:
        pytest.skip("the codec is lossy or stores studio-range luma")
    for frame in movie:
        assert np.array_equal(frame.image, draw(frame.index) * np.float64(factor))


def test_images_have_one_shape_and_depth(movie: Movie) -> None:
    dtypes = {frame.image.dtype for frame in movie}
    assert {frame.image.shape for frame in movie} == {(HEIGHT, WIDTH)}
    assert len(dtypes) == 1
    assert dtypes <= {np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32)}
    assert (movie.info.height_px, movie.info.width_px) == (HEIGHT, WIDTH)


def test_random_access_equals_iteration(movie: Movie) -> None:
    frames = list(movie)
    for i in np.random.default_rng(0).permutation(N):
        assert np.array_equal(movie[i].image, frames[i].image)
        assert np.array_equal(movie[int(i) - N].image, frames[i].image)


def test_ranges_and_samples(movie: Movie) -> None:
    assert [number(f.image) for f in movie.frames(3, -2, 5)] == list(range(3, N - 1, 5))
    assert [number(f.image) for f in movie.select([17, 2, -1, 17])] == [2, 17, N - 1]
    assert [f.index for f in movie.frames(7, 7)] == [7]


def test_numbers_outside_are_refused(movie: Movie) -> None:
    for index in (N, -N - 1):
        with pytest.raises(IndexError):
            movie[index]
    with pytest.raises(MovieError, match="step"):
        movie.frames(step=0)


def test_a_movie_pickles_before_and_after_use(movie: Movie) -> None:
    for _ in range(2):
        copy = pickle.loads(pickle.dumps(movie))
        assert number(copy[11].image) == 11
        assert len(copy) == N
        assert number(movie[5].image) == 5


def test_two_readings_at_once_do_not_meet(movie: Movie) -> None:
    for one, two in zip(movie.frames(), movie.frames(4), strict=False):
        assert number(one.image) == one.index
        assert number(two.image) == one.index + 4


def test_a_reading_can_be_left(movie: Movie) -> None:
    frames = movie.frames()
    assert number(next(frames).image) == 0
    del frames
    assert number(movie[1].image) == 1


def test_images_cannot_be_drawn_on(movie: Movie) -> None:
    with pytest.raises(ValueError, match="read-only"):
        movie[0].image[0, 0] = 1


def test_times_rise_regularly_or_are_unknown(case: tuple[str, Movie]) -> None:
    name, movie = case
    times_s = np.array([frame.time_s for frame in movie])
    if np.isnan(times_s).all():
        assert name.startswith(("tiff", "bigtiff", "folder", "array", "mrc", "ser"))
        return
    step = {"palette avi": 1 / 7, "inverted palette avi": 1 / 7, "tiff hyperstack": 0.2}
    step["ome tiff"] = 0.2
    assert times_s == pytest.approx(np.arange(N) * step.get(name, 0.04), abs=1e-9)


def test_a_given_interval_replaces_the_clock(movie: Movie) -> None:
    source = np.zeros((N, 4, 4), np.uint8) if movie.path is None else movie.path
    own = open_movie(source, frame_interval_s=2.5)
    assert [frame.time_s for frame in own.select([0, 3])] == [0.0, 7.5]


def test_no_sound_frame_is_called_damaged(tmp_path: Path) -> None:
    # Decoders look past a packet's end: what memory holds there must not decide.
    path = tmp_path / "noisy.avi"
    y, x = np.mgrid[:512, :512]
    disks = [150 - 90 * (np.hypot(x - 256 - index % 24, y - 256) < 102) for index in range(60)]
    noise = [
        np.random.default_rng(i % 24).normal(disk, 8).clip(0, 255).astype(np.uint8)
        for i, disk in enumerate(disks)
    ]
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=25, options={"b": "8M"})
        stream.width = stream.height = 512
        stream.pix_fmt = "yuv420p"
        for picture in noise:
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    for _ in range(3):
        litter = [bytearray(b"\xa5" * size) for size in range(20_000, 60_000, 97)]
        del litter
        assert all(frame.ok for frame in open_movie(path))

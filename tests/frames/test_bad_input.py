"""What is no movie is refused in one line that says how to mend it."""

from __future__ import annotations

import math
import os
from pathlib import Path

import av
import numpy as np
import pytest
import tifffile
from PIL import Image

from tem_track.errors import MovieError
from tem_track.frames import open_movie
from tests.frames.movies import N, draw, encode, number


def _refused(source: object, words: str) -> None:
    with pytest.raises(MovieError, match=words) as caught:
        len(open_movie(source))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv", ".tif", ".gif", ".png", ".dm3", ".xyz"])
def test_empty_and_text_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"movie{suffix}"
    path.write_bytes(b"")
    _refused(path, "empty")
    path.write_text("frame, force\n1, 2\n" * 50)
    _refused(path, f"movie{suffix}")


def test_a_missing_file_and_a_tab_in_the_path() -> None:
    _refused("nowhere.avi", "no such file")
    _refused("C:\temp\new.avi", "single quotes")


def test_folders(tmp_path: Path) -> None:
    _refused(tmp_path, "no images")
    for index, size in enumerate([(8, 8), (8, 9)]):
        Image.fromarray(np.zeros(size, np.uint8)).save(tmp_path / f"{index}.png")
    _refused(tmp_path, "1.png.*one size")
    (tmp_path / "1.png").unlink()
    tifffile.imwrite(tmp_path / "1.tif", np.zeros((8, 8), np.uint8))
    _refused(tmp_path, "several kinds")


def test_a_damaged_image_in_a_folder_is_one_bad_row(tmp_path: Path) -> None:
    for index in range(12):
        Image.fromarray(draw(index)).save(tmp_path / f"{index}.png")
    (tmp_path / "5.png").write_bytes(b"")
    (tmp_path / "readme.txt").write_text("notes")
    frames = list(open_movie(tmp_path))
    assert [f.index for f in frames if not f.ok] == [5]
    assert [number(f.image) for f in frames if f.ok] == [i for i in range(12) if i != 5]


def test_a_tiff_of_different_sizes(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(np.zeros((8, 8), np.uint8))
        writer.write(np.zeros((8, 9), np.uint8))
    _refused(tmp_path / "a.tif", "different sizes")


def test_a_hyperstack_of_two_axes_and_pixels_that_are_not_square(tmp_path: Path) -> None:
    stack = np.zeros((3, 2, 8, 8), np.uint8)
    tifffile.imwrite(tmp_path / "tz.tif", stack, imagej=True, metadata={"axes": "TZYX"})
    _refused(tmp_path / "tz.tif", "keep one")
    tifffile.imwrite(
        tmp_path / "s.tif", stack[:, 0], imagej=True, resolution=(1, 2), metadata={"unit": "nm"}
    )
    _refused(tmp_path / "s.tif", "not square")


def test_no_video_stream(tmp_path: Path) -> None:
    path = tmp_path / "sound.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    _refused(path, "no video stream")


@pytest.mark.parametrize("codec", ["ffv1", "rawvideo"])
def test_a_recording_that_ended_before_its_first_frame(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "none.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray"
        container.start_encoding()
    with pytest.raises(MovieError, match="holds no frames"):
        len(open_movie(path))


def test_arrays_that_are_no_movie() -> None:
    for shape in [(3,), (0, 4, 4), (2, 4, 4, 7)]:
        _refused(np.zeros(shape, np.uint8), "shape")
    _refused(np.zeros((2, 4, 4), complex), "type")


@pytest.mark.parametrize("interval", [0.0, -1.0, math.nan, math.inf])
def test_an_interval_that_is_none(interval: float) -> None:
    with pytest.raises(MovieError, match="frame_interval_s"):
        open_movie(np.zeros((2, 4, 4), np.uint8), frame_interval_s=interval)


def test_one_frame_odd_sizes_and_odd_names(tmp_path: Path) -> None:
    path = tmp_path / "Prüfung 3 – größer µm.avi"
    encode(path, "mjpeg", "yuvj420p", 1)
    assert [number(f.image) for f in open_movie(str(path))] == [0]
    with av.open(str(tmp_path / "odd.avi"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 37, 21, "gray"
        image = np.arange(37 * 21, dtype=np.uint16).reshape(21, 37).astype(np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray")))
        container.mux(stream.encode())
    assert np.array_equal(open_movie(tmp_path / "odd.avi")[0].image, image)


@pytest.mark.parametrize("dtype", [np.int16, np.uint32, np.float64, bool])
def test_other_types_become_one_of_three_without_loss(dtype: type) -> None:
    stack = np.arange(2 * 4 * 4).reshape(2, 4, 4).astype(dtype)
    image = open_movie(stack)[1].image
    assert image.dtype in (np.uint8, np.float32)
    assert np.array_equal(image, stack[1])
    if dtype is np.uint32:
        with pytest.raises(MovieError, match="exactly"):
            open_movie(stack + 2**25)[0]


def test_colour_becomes_grey_by_the_stated_formula() -> None:
    rng = np.random.default_rng(3)
    colour = rng.integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    exact = colour[0] @ np.array([0.299, 0.587, 0.114])
    assert np.abs(open_movie(colour)[0].image - exact).max() <= 0.51
    grey = np.repeat(np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1), 3, axis=3)
    assert np.array_equal(open_movie(grey)[0].image, grey[0, ..., 0])


def test_limited_range_luma_is_not_stretched(tmp_path: Path) -> None:
    encode(tmp_path / "l.avi", "ffv1", "yuv420p", N)
    stored = [f.image for f in open_movie(tmp_path / "l.avi")]
    with av.open(str(tmp_path / "l.avi")) as container:
        planes = [np.array(f.planes[0]).reshape(48, -1)[:, :96] for f in container.decode(video=0)]
    assert all(np.array_equal(a, b) for a, b in zip(stored, planes, strict=True))


def test_a_raw_movie_that_is_cut_while_it_is_read_ends_no_process(tmp_path: Path) -> None:
    path = tmp_path / "raw.avi"
    encode(path, "rawvideo", "gray")
    movie = open_movie(path)
    assert movie.info.codec == "rawvideo"
    last = movie[N - 1]
    os.truncate(path, path.stat().st_size // 2)
    assert number(last.image) == N - 1  # mapped memory would not be there any more
    assert [frame.ok for frame in movie] == [True] * (N // 2 - 1) + [False] * (N - N // 2 + 1)

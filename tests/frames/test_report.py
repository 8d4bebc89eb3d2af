"""What a file really holds."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import tifffile
from PIL import Image

from tem_track.frames import doubts, inspect, open_movie, sha256
from tem_track.frames.hashing import Hashing
from tests.frames.movies import FORMATS, N, encode


def _noise(n: int, overlay: bool) -> np.ndarray:
    stack = np.random.default_rng(5).normal(130, 8, (n, 120, 160)).clip(0, 255).astype(np.uint8)
    if overlay:
        stack[:, 100:108, 20:80] = 255
    return stack


def test_header_against_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "m.avi"
    FORMATS["mjpeg avi"][1](path)
    report = inspect(open_movie(path))
    assert (report.frames, report.header_frames, report.codec) == (N, N, "mjpeg")
    assert report.interval_s == pytest.approx(0.04)
    assert report.times_regular is True
    assert report.bad_frames == report.duplicates == ()
    assert any("default" in warning for warning in report.warnings)
    json.dumps(report.as_dict(), allow_nan=False)
    assert dict(report.rows())["frames"] == f"{N} decoded; the header says {N}"


def test_duplicates_grey_range_and_no_clock() -> None:
    stack = _noise(10, overlay=False)
    stack[4] = stack[3]
    report = inspect(open_movie(stack))
    assert report.duplicates == (4,)
    assert (report.grey_lowest, report.grey_highest) == (stack.min(), stack.max())
    assert report.times_regular is None
    assert report.as_dict()["interval_s"] is None
    assert any("clock" in warning for warning in report.warnings)
    assert report.overlay_box is None


def test_a_still_overlay_is_found() -> None:
    box = inspect(open_movie(_noise(20, overlay=True))).overlay_box
    assert box is not None
    assert box.as_tuple() == pytest.approx((20, 100, 60, 8), abs=2)


@pytest.mark.parametrize("bright", [0, 255])
def test_an_overlay_is_found_through_jpeg(tmp_path: Path, bright: int) -> None:
    stack = _noise(30, overlay=False)
    stack[:, 96:112, 16:96] = 255 - bright
    stack[:, 101:105, 24:88] = bright
    path = tmp_path / "scale bar.avi"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mjpeg", rate=25, options={"qmin": "2", "qmax": "2"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuvj420p"
        for picture in stack:
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuvj420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    box = inspect(open_movie(path)).overlay_box
    assert box is not None
    assert box.as_tuple() == pytest.approx((16, 96, 80, 16), abs=4)


@pytest.mark.parametrize("grey", [0, 255])
def test_a_border_is_no_overlay(grey: int) -> None:
    stack = _noise(20, overlay=False)
    stack[:, :12] = grey
    stack[:, 30:90, 140:] = grey
    assert inspect(open_movie(stack)).overlay_box is None
    stack[:, 100:106, 20:80] = 0
    box = inspect(open_movie(stack)).overlay_box
    assert box is not None
    assert box.as_tuple() == pytest.approx((20, 100, 60, 6), abs=2)


def test_repeated_frames_are_told_in_runs() -> None:
    stack = _noise(12, overlay=False)
    stack[3:7] = stack[2]
    stack[9] = stack[8]
    rows = dict(inspect(open_movie(stack)).rows())
    assert rows["repeated"] == "5: 3 to 6, 9"


def test_an_implausible_clock_is_warned_about(tmp_path: Path) -> None:
    encode(tmp_path / "25.avi", "mjpeg", "yuvj420p", 5, rate=25)
    assert "25 frames/s is what programs write" in doubts(open_movie(tmp_path / "25.avi"))[0]
    assert not doubts(open_movie(tmp_path / "25.avi", frame_interval_s=0.5))
    encode(tmp_path / "3.avi", "mjpeg", "yuvj420p", 5, rate=3)
    assert not doubts(open_movie(tmp_path / "3.avi"))
    tags = {"axes": "TYX", "finterval": 1e-4}
    tifffile.imwrite(tmp_path / "m.tif", _noise(4, False), imagej=True, metadata=tags)
    assert "implausible" in doubts(open_movie(tmp_path / "m.tif"))[0]


def test_irregular_times_are_told(tmp_path: Path) -> None:
    stamps = [0, 1, 2, 3, 9, 10, 11, 12, 13]
    with av.open(str(tmp_path / "m.mkv"), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=3)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "gray"
        for index, stamp in enumerate(stamps):
            picture = np.full((16, 32), index, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="gray")
            frame.pts = stamp
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    report = inspect(open_movie(tmp_path / "m.mkv"))
    assert report.times_regular is False
    assert "0.333 to 2 s" in dict(report.rows())["time"]
    assert "the frames' times are irregular" in report.warnings


def test_tags_are_held_against_the_experiment(tmp_path: Path) -> None:
    path = tmp_path / "m.tif"
    tags = {"axes": "TYX", "finterval": 0.2, "unit": "nm"}
    tifffile.imwrite(path, _noise(4, False), imagej=True, resolution=(0.5, 0.5), metadata=tags)
    movie = open_movie(path)
    assert movie.info.scale_nm_per_px == 2.0
    assert doubts(movie, scale_nm_per_px=2.01) == ()
    assert "2 nm/px, the experiment 2.5 (+25 %)" in doubts(movie, scale_nm_per_px=2.5)[0]
    assert doubts(movie, scale_nm_per_px=2.5, u_scale_nm_per_px=0.6) == ()
    assert doubts(open_movie(path, frame_interval_s=0.2)) == ()
    assert (
        "every 0.2 s, the experiment every 0.5" in doubts(open_movie(path, frame_interval_s=0.5))[0]
    )


def test_a_single_frame_needs_no_clock() -> None:
    report = inspect(open_movie(_noise(1, False)))
    assert dict(report.rows())["time"] == "one frame"
    assert report.warnings == ()


def test_a_folder_that_lacks_images_is_told(tmp_path: Path) -> None:
    for index in (1, 2, 3, 5, 6):
        Image.fromarray(_noise(1, False)[0]).save(tmp_path / f"run 7 img_{index}.png")
    assert "1 to 6" in open_movie(tmp_path).info.warnings[0]
    (tmp_path / "run 7 img_5.png").unlink()
    (tmp_path / "run 7 img_6.png").unlink()
    assert open_movie(tmp_path).info.warnings == ()
    assert open_movie(tmp_path).info.grey == "grey as stored"


@pytest.mark.parametrize("ends", [False, True])
def test_sha256_in_a_thread(tmp_path: Path, ends: bool) -> None:
    path = tmp_path / "movie.avi"
    path.write_bytes(np.random.default_rng(0).bytes(3_000_000))
    hashing = Hashing(path)
    if ends:
        hashing.end()  # who asks all the same has it worked out
    assert hashing.result() == sha256(path)
    path.unlink()
    gone = Hashing(path)
    with pytest.raises(FileNotFoundError):
        gone.result()


def test_sha256(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"tem" * 10**6)
    assert sha256(file) == hashlib.sha256(file.read_bytes()).hexdigest()
    first = sha256(tmp_path)
    file.rename(tmp_path / "b.bin")
    assert sha256(tmp_path) != first

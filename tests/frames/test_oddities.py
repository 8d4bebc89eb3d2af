"""Movies as programs really write them: clocks that wander, sound beside, pieces, old bitmaps."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tem_track.errors import MovieError
from tem_track.frames import open_movie
from tests.frames.movies import GREYS, HEIGHT, WIDTH, N, bitmap_avi, draw, encode, number

MILLISECOND = Fraction(1, 1000)
REGULAR = [40 * i for i in range(N)]
WANDERING = np.cumsum(np.random.default_rng(3).integers(20, 400, N)).tolist()
B_FRAMES = {"bf": "3", "g": "9"}


def _write(
    path: Path,
    codec: str,
    pixels: str,
    stamps_ms: list[int],
    options: dict[str, str],
    sound: bool = False,
    **muxer: str,
) -> None:
    with av.open(str(path), "w", options=muxer) as container:
        voice: Any = container.add_stream("pcm_s16le", rate=8000, layout="mono") if sound else None
        stream: Any = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        stream.codec_context.time_base = MILLISECOND
        for index, stamp in enumerate(stamps_ms):
            frame = av.VideoFrame.from_ndarray(draw(index), format="gray").reformat(format=pixels)
            frame.pts, frame.time_base = stamp, MILLISECOND
            container.mux(stream.encode(frame))
            if voice is not None:
                noise = av.AudioFrame.from_ndarray(np.zeros((1, 320), np.int16), layout="mono")
                noise.sample_rate, noise.pts = 8000, 320 * index
                container.mux(voice.encode(noise))
        container.mux(stream.encode())
        if voice is not None:
            container.mux(voice.encode())


def _is_exact(path: Path, stamps_ms: list[int]) -> None:
    movie = open_movie(path)
    frames = list(movie)
    assert [number(f.image) if f.ok else None for f in frames] == list(range(N))
    times_s = (np.array(stamps_ms) - stamps_ms[0]) / 1000
    assert [f.time_s for f in frames] == pytest.approx(times_s, abs=1e-3)
    for i in (N - 1, 3, 17, 4):
        assert np.array_equal(movie[i].image, frames[i].image)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
@pytest.mark.parametrize(
    ("codec", "pixels", "options"),
    [
        ("mjpeg", "yuvj420p", {}),
        ("mpeg4", "yuv420p", {"bf": "2", "g": "9"}),
        ("libx264", "yuv420p", B_FRAMES),
    ],
)
def test_a_wandering_clock_is_kept(
    tmp_path: Path, suffix: str, codec: str, pixels: str, options: dict[str, str]
) -> None:
    path = tmp_path / f"m{suffix}"
    _write(path, codec, pixels, WANDERING, options)
    _is_exact(path, WANDERING)


def test_a_clock_need_not_begin_at_zero(tmp_path: Path) -> None:
    late = [1_234_567 + stamp for stamp in WANDERING]
    _write(tmp_path / "m.mkv", "libx264", "yuv420p", late, B_FRAMES)
    _is_exact(tmp_path / "m.mkv", late)


@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".mov"])
def test_sound_beside_the_picture_is_left_alone(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    _write(path, "mjpeg", "yuvj420p", REGULAR, {}, sound=True)
    _is_exact(path, REGULAR)


@pytest.mark.parametrize(
    ("name", "muxer"),
    [
        ("fragments.mp4", {"movflags": "frag_keyframe+empty_moov"}),
        ("table first.mp4", {"movflags": "faststart"}),
        ("live.mkv", {"live": "1"}),
    ],
)
def test_files_written_for_a_network(tmp_path: Path, name: str, muxer: dict[str, str]) -> None:
    path = tmp_path / name
    _write(path, "libx264", "yuv420p", REGULAR, B_FRAMES, **muxer)
    _is_exact(path, REGULAR)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    cut = open_movie(path)
    numbers = [number(f.image) if f.ok else None for f in cut]
    assert len(numbers) >= 12
    assert numbers == list(range(len(numbers)))
    assert "cut" in cut.notes[0]


def test_a_table_of_frames_that_was_never_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.mp4"
    _write(path, "libx264", "yuv420p", REGULAR, B_FRAMES)
    data = path.read_bytes()
    path.write_bytes(data[: data.rfind(b"moov") - 4])
    with pytest.raises(MovieError, match=r"moov.*never finished") as caught:
        open_movie(path)
    assert "\n" not in str(caught.value)


def test_groups_of_frames_that_rest_on_the_next_one(tmp_path: Path) -> None:
    options = {**B_FRAMES, "x264-params": "open-gop=1"}
    _write(tmp_path / "m.mp4", "libx264", "yuv420p", REGULAR, options)
    _is_exact(tmp_path / "m.mp4", REGULAR)


def test_pictures_without_a_whole_key_frame_after_the_first(tmp_path: Path) -> None:
    options = {**B_FRAMES, "x264-params": "intra-refresh=1"}
    _write(tmp_path / "m.mkv", "libx264", "yuv420p", REGULAR, options)
    _is_exact(tmp_path / "m.mkv", REGULAR)


@pytest.mark.parametrize("how", ["no palette", "top-down", "colours not counted"])
def test_old_bitmaps(tmp_path: Path, how: str) -> None:
    path = tmp_path / "b.avi"
    pictures = [draw(i) for i in range(N)]
    bitmap_avi(path, [p[::-1] for p in pictures] if how == "top-down" else pictures, GREYS)
    data = bytearray(path.read_bytes())
    info = data.find(b"strf") + 8
    if how == "top-down":
        data[info + 8 : info + 12] = (-HEIGHT).to_bytes(4, "little", signed=True)
    if how != "top-down":
        data[info + 32 : info + 36] = bytes(4)
    if how == "no palette":
        data[info - 4 : info] = (40).to_bytes(4, "little")
        rest = b"JUNK" + (1024 - 8).to_bytes(4, "little")
        data[info + 40 : info + 40 + 8] = rest
    path.write_bytes(data)
    movie = open_movie(path)
    assert all(np.array_equal(f.image, draw(f.index)) for f in movie)
    assert len(movie) == N
    assert any("no palette" in text for text in movie.info.warnings) == (how == "no palette")


def test_headers_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.avi"
    encode(path, "ffv1", "gray", 5)
    data = bytearray(path.read_bytes())
    at = data.find(b"strf") + 8 + 8
    assert int.from_bytes(data[at : at + 4], "little") == HEIGHT
    data[at : at + 4] = (HEIGHT + 30).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(MovieError, match="contradict"):
        open_movie(path)

"""Files as they come back from a crashed recorder or a bad disk."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from tem_track.errors import MovieError
from tem_track.frames import open_movie
from tests.frames.fuzz import damaged, read
from tests.frames.movies import FORMATS, GREYS, N, bitmap_avi, draw, encode, number

AVIS = ["mjpeg avi", "ffv1 avi", "raw grey avi", "palette avi", "mpeg4 avi", "huffyuv avi"]


def _write(tmp_path: Path, name: str) -> Path:
    path = tmp_path / FORMATS[name][0]
    FORMATS[name][1](path)
    return path


def _chunks(path: Path) -> list[tuple[int, int]]:
    with av.open(str(path)) as container:
        return [(p.pos or 0, p.size) for p in container.demux(video=0) if p.size]


def _numbers(path: Path) -> list[int | None]:
    return [number(f.image) if f.ok else None for f in open_movie(path)]


def _overwrite(path: Path, at: int, data: bytes) -> None:
    changed = bytearray(path.read_bytes())
    changed[at : at + len(data)] = data
    path.write_bytes(changed)


def test_one_corrupt_mjpeg_frame_is_one_bad_row(tmp_path: Path) -> None:
    path = _write(tmp_path, "mjpeg avi")
    at, size = _chunks(path)[10]
    _overwrite(path, at, np.random.default_rng(0).bytes(size))
    frames = list(open_movie(path))
    assert [f.index for f in frames if not f.ok] == [10]
    assert frames[10].note
    assert not frames[10].image.any()
    assert [number(f.image) for f in frames if f.ok] == [i for i in range(N) if i != 10]
    assert frames[11].time_s == pytest.approx(11 * 0.04)


def test_what_rests_on_a_damaged_frame_is_bad_until_the_next_key_frame(tmp_path: Path) -> None:
    path = _write(tmp_path, "ffv1 mkv")
    at, size = _chunks(path)[5]
    _overwrite(path, at + size // 2, bytes(20))
    bad = [f.index for f in open_movie(path) if not f.ok]
    assert bad == list(range(5, 12))


@pytest.mark.parametrize("name", AVIS)
@pytest.mark.parametrize("how", ["missing", "random", "rotated", "half", "all key frames"])
def test_the_index_changes_nothing(tmp_path: Path, name: str, how: str) -> None:
    path = _write(tmp_path, name)
    data = path.read_bytes()
    at = data.rfind(b"idx1")
    entries = data[at + 8 :]
    entries = entries[: struct.unpack("<I", data[at + 4 : at + 8])[0]]
    new = {
        "missing": b"",
        "random": data[at : at + 8] + np.random.default_rng(1).bytes(len(entries)),
        "rotated": data[at : at + 8] + entries[16:] + entries[:16],
        "half": data[at : at + 8] + entries[: len(entries) // 2] * 2,
        "all key frames": data[at : at + 8]
        + b"".join(
            entries[i : i + 4] + struct.pack("<I", 0x10) + entries[i + 8 : i + 16]
            for i in range(0, len(entries), 16)
        ),
    }[how]
    path.write_bytes(data[:at] + new)
    assert _numbers(path) == list(range(N))
    assert [number(f.image) for f in open_movie(path).select([25, 8])] == [8, 25]


@pytest.mark.parametrize("name", [n for n in FORMATS if n.endswith("avi")])
def test_a_cut_file_gives_every_frame_up_to_the_cut(tmp_path: Path, name: str) -> None:
    path = _write(tmp_path, name)
    at, size = _chunks(path)[20]
    path.write_bytes(path.read_bytes()[: at + size // 2])
    movie = open_movie(path)
    slack = 4 if movie.info.codec in {"mpeg4", "h264"} else 0
    assert 20 - slack <= len(movie) <= 20
    assert _numbers(path) == list(range(len(movie)))
    assert "cut" in movie.notes[0] or "damaged" in movie.notes[0]


@pytest.mark.parametrize(
    "name", ["mjpeg mkv", "raw grey mkv", "ffv1 mkv", "h264 mkv", "tiff 8", "tiff hyperstack"]
)
def test_cut_files_of_other_kinds(tmp_path: Path, name: str) -> None:
    path = _write(tmp_path, name)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    numbers = _numbers(path)
    assert 12 <= len(numbers) <= 20
    assert all(n in (None, i) for i, n in enumerate(numbers))
    assert numbers.count(None) <= 2


@pytest.mark.parametrize("promised", [3, 4000])
def test_a_header_that_lies_is_not_believed(tmp_path: Path, promised: int) -> None:
    path = _write(tmp_path, "mjpeg avi")
    data = path.read_bytes()
    _overwrite(path, data.find(b"avih") + 24, struct.pack("<I", promised))
    _overwrite(path, data.find(b"strh") + 40, struct.pack("<I", promised))
    assert len(open_movie(path)) == N
    assert _numbers(path) == list(range(N))


def test_a_broken_chunk_header_costs_no_frame_where_the_index_knows_it(tmp_path: Path) -> None:
    path = _write(tmp_path, "mjpeg avi")
    at, _ = _chunks(path)[10]
    _overwrite(path, at - 8, b"\xff" * 8)
    assert _numbers(path) == list(range(N))


def test_without_an_index_nothing_is_invented_behind_a_broken_chunk(tmp_path: Path) -> None:
    path = _write(tmp_path, "mjpeg avi")
    at, _ = _chunks(path)[10]
    _overwrite(path, at - 8, b"\xff" * 8)
    data = path.read_bytes()
    path.write_bytes(data[: data.rfind(b"idx1")])
    # Frame 9 ends where no chunk begins, so its own size is not certain either.
    assert _numbers(path) == list(range(9))
    assert "byte" in open_movie(path).notes[0]


def test_a_dropped_frame_takes_time_but_no_row(tmp_path: Path) -> None:
    path = tmp_path / "dropped.avi"
    bitmap_avi(path, [draw(i) for i in range(6)], GREYS)
    data = path.read_bytes()
    at = data.find(b"00db", data.find(b"movi"))
    path.write_bytes(data[:at] + data[at:].replace(b"00db", b"00db\0\0\0\0" + b"00db", 1))
    times = [f.time_s for f in open_movie(path)]
    assert len(times) == 6
    second = data.find(b"00db", at + 4)
    path.write_bytes(data[:second] + b"00db\0\0\0\0" + data[second:])
    times = [round(f.time_s * 7) for f in open_movie(path)]
    assert times == [0, 2, 3, 4, 5, 6]


def test_16_bit_bitmaps_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "grey16.avi"
    bitmap_avi(path, [draw(i).astype(np.uint16) * 257 for i in range(3)], GREYS, bits=16)
    with pytest.raises(MovieError, match="16-bit"):
        open_movie(path)
    encode(tmp_path / "pyav.avi", "rawvideo", "gray16le", 3)
    with pytest.raises(MovieError, match="16-bit"):
        open_movie(tmp_path / "pyav.avi")


FOUND = [
    ("raw grey mkv", 8),
    ("raw grey mkv", 1895),
    ("mjpeg mkv", 39),
    ("ffv1 mkv", 264),
    ("ffv1 16 bit mkv", 43),
    ("ffv1 avi", 1558),
    ("mpeg4 avi", 13),
    ("mpeg4 avi", 161),
    ("mpeg4 mkv", 1903),
    ("mpeg4 mp4", 496),
    ("mpeg4 mp4", 2013),
    ("xvid avi", 1716),
    ("inverted palette avi", 419),
    ("h264 avi", 1056),
    ("h264 mkv", 1277),
    ("h264 mkv", 2017),
    ("raw grey mkv", 2191),
    ("tiff 16", 101730),
    ("raw 24 bit avi", 100527),
    ("palette avi", 100565),
    ("mpeg4 mp4", 7003196),
    ("h264 mov", 7000609),
    ("mpeg4 mp4", 7000754),
    ("h264 mkv", 7001424),
    ("mjpeg mkv", 7001555),
    ("xvid avi", 7001567),
    ("h264 mp4", 7002495),
    ("h264 mkv", 7002497),
    ("mpeg4 mp4", 7004602),
    ("h264 mkv", 7005457),
    ("mpeg4 avi", 7006339),
    ("h264 mov", 7006603),
    ("tiff 32", 7006652),
    ("mpeg4 avi", 7007375),
    ("tiff 32", 7007947),
    ("xvid avi", 7008449),
    ("mpeg4 mkv", 7009043),
    ("mpeg4 mkv", 7009931),
    ("xvid avi", 7010040),
    ("h264 mp4", 7010043),
    ("tiff 32", 7010907),
    ("mpeg4 mp4", 7010929),
    ("mpeg4 avi", 7011630),
    ("mpeg4 mkv", 7011966),
    ("mjpeg mkv", 7012026),
    ("tiff 32", 7012831),
    ("h264 mkv", 7014596),
    ("mpeg4 mkv", 7014704),
    ("mpeg4 avi", 7015293),
    ("mpeg4 avi", 7016033),
    ("mpeg4 avi", 7017994),
    ("h264 mkv", 7019850),
    ("ffv1 avi", 7000459),
    ("ffv1 avi", 7012087),
    ("ffv1 avi", 7014975),
    ("mjpeg mov", 7003194),
    ("mpeg4 avi", 7001608),
    ("mpeg4 avi", 7013540),
    ("mpeg4 avi", 7018936),
    ("mpeg4 avi", 7019012),
    ("mpeg4 mkv", 7019281),
    ("xvid avi", 7003661),
    ("xvid avi", 7019773),
    ("xvid avi", 7020951),
    ("packed xvid avi", 140),
    ("ser", 9001424),
    ("raw grey mkv", 9006566),
    ("h264 mp4", 9100538),
    ("h264 mkv", 9100139),
    ("h264 avi", 9100134),
    ("h264 10 bit mkv", 9100104),
    ("dm3", 9200088),
    ("raw grey avi", 9201294),
    ("ffvhuff avi", 9202966),
    ("raw grey mov", 9302850),
    ("tiff mov", 9590071),
    ("mpeg4 avi", 9600428),
    ("h264 avi", 9600697),
    ("xvid avi", 9606877),
    ("mpeg4 mkv", 9618163),
    ("tiff lzw", 9711327),
    ("xvid avi", 9716861),
    ("mpeg4 mkv", 9718007),
    ("raw grey mkv", 9800839),
    ("raw grey mov", 9804740),
]


@pytest.mark.parametrize(("name", "seed"), FOUND)
def test_what_the_fuzz_run_found_stays_mended(tmp_path: Path, name: str, seed: int) -> None:
    sound = _write(tmp_path, name)
    path = sound.with_stem("damaged")
    path.write_bytes(damaged(sound.read_bytes(), seed))
    assert read(path, sound).fault == ""


def test_changed_pixels_are_told_from_shifted_frames(tmp_path: Path) -> None:
    sound = _write(tmp_path, "mpeg4 mkv")
    shifted = tmp_path / "shifted.mkv"
    encode(shifted, "mpeg4", "yuv420p", bf="2", g="9", first=1)
    assert read(shifted, sound).fault.startswith("out of place")


@pytest.mark.parametrize("packet", [0, 4, 20])
def test_a_slice_that_is_not_there_is_a_hole(tmp_path: Path, packet: int) -> None:
    path = _write(tmp_path, "h264 slices mp4")
    sound = [frame.image for frame in open_movie(path)]
    at, size = _chunks(path)[packet]
    data = path.read_bytes()
    slices, place = [], at
    while place < at + size:
        if data[place + 4] & 31 in {1, 5}:
            slices.append(place + 4)
        place += 4 + int.from_bytes(data[place : place + 4], "big")
    assert len(slices) == 3
    _overwrite(path, slices[1], b"\x0c")  # what fills space is passed over without a word
    with av.open(str(path)) as container:
        stamps = [p.pts or 0 for p in container.demux(video=0) if p.size]
    shown = sorted(stamps).index(stamps[packet])
    frames = list(open_movie(path))
    assert not frames[shown].ok
    assert all(np.array_equal(f.image, sound[f.index]) for f in frames if f.ok)
    assert [f.ok for f in frames] == [open_movie(path)[i].ok for i in range(N)]


@pytest.mark.parametrize(("b_frames", "pyramid"), [("1", "none"), ("3", "strict"), ("7", "normal")])
def test_no_order_of_a_sound_encoder_is_doubted(
    tmp_path: Path, b_frames: str, pyramid: str
) -> None:
    path = tmp_path / "b.avi"
    more = {"b-pyramid": pyramid, "x264-params": "b-adapt=0:open-gop=1"}
    encode(path, "libx264", "yuv420p", bf=b_frames, g="9", refs="4", **more)
    assert _numbers(path) == list(range(N))


def test_a_key_frame_of_another_encoder_is_damaged(tmp_path: Path) -> None:
    path = _write(tmp_path, "xvid avi")
    at, _ = _chunks(path)[0]
    _overwrite(path, path.read_bytes().find(b"Lavc", at) + 2, b"\xf2")
    movie = open_movie(path)
    frames = list(movie)
    assert [f.index for f in frames if not f.ok] == list(range(9))
    assert all(np.array_equal(movie[i].image, frames[i].image) for i in (29, 15))


def test_an_edit_list_hides_no_frame(tmp_path: Path) -> None:
    path = _write(tmp_path, "mpeg4 mp4")
    data = path.read_bytes()
    at = data.find(b"elst") + 16
    later = struct.unpack(">i", data[at : at + 4])[0] + 5 * 512
    _overwrite(path, at, struct.pack(">i", later))
    assert _numbers(path) == list(range(N))


def test_a_jpeg_that_has_lost_a_table_is_bad(tmp_path: Path) -> None:
    path = _write(tmp_path, "mjpeg mkv")
    at, _ = _chunks(path)[10]
    data = path.read_bytes()
    _overwrite(path, data.find(b"\xff\xc4", at) + 1, b"\xef")
    frames = list(open_movie(path))
    assert [f.index for f in frames if not f.ok] == [10]


def test_bytes_cut_out_of_a_tiff_are_noticed(tmp_path: Path) -> None:
    path = _write(tmp_path, "tiff 32")
    data = path.read_bytes()
    path.write_bytes(data[:60_000] + data[60_007:])
    with pytest.raises(MovieError, match="leads to no image"):
        open_movie(path)

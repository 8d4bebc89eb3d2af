"""What the tags of the microscopes' own files say, and what is left of a damaged one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tem_track.errors import MovieError
from tem_track.frames import files_of, open_movie, sha256
from tests.frames.em_files import write_dm, write_mrc, write_ser, write_tvips
from tests.frames.movies import draw, number

WRITERS: dict[str, Callable[..., None]] = {
    "a.dm3": lambda path, stack: write_dm(path, stack, 3),
    "a.dm4": lambda path, stack: write_dm(path, stack, 4),
    "a.ser": write_ser,
    "a_000.tvips": write_tvips,
    "a.mrc": write_mrc,
}


@pytest.fixture
def stack() -> np.ndarray:
    return np.stack([draw(i).astype(np.uint16) * 257 for i in range(12)])


@pytest.fixture
def _extra() -> None:
    pytest.importorskip("rsciio", reason="needs the extra em")


@pytest.mark.parametrize("name", WRITERS)
def test_without_the_extra_one_line_says_what_to_install(
    tmp_path: Path, name: str, stack: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    WRITERS[name](tmp_path / name, stack)
    for module in [m for m in sys.modules if m.startswith("rsciio.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "rsciio", None)
    with pytest.raises(MovieError, match="pip install rosettasciio") as caught:
        open_movie(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("_extra")
@pytest.mark.parametrize("name", WRITERS)
def test_rosettasciio_reads_the_same(tmp_path: Path, name: str, stack: np.ndarray) -> None:
    import importlib
    import warnings

    module = {"ser": "tia", "tvips": "tvips", "mrc": "mrc"}.get(
        Path(name).suffix[1:], "digitalmicrograph"
    )
    WRITERS[name](tmp_path / name, stack)
    reader = importlib.import_module(f"rsciio.{module}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = reader.file_reader(str(tmp_path / name))[0]
    movie = open_movie(tmp_path / name)
    assert np.array_equal(np.stack([f.image for f in movie]), read["data"])
    assert movie.info.scale_nm_per_px == pytest.approx(read["axes"][-1]["scale"]) == 2.0


@pytest.mark.usefixtures("_extra")
@pytest.mark.parametrize("name", ["a.ser", "a_000.tvips", "a.mrc"])
def test_a_cut_file_gives_every_frame_up_to_the_cut(
    tmp_path: Path, name: str, stack: np.ndarray
) -> None:
    path = tmp_path / name
    WRITERS[name](path, stack)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    movie = open_movie(path)
    assert [number(f.image) for f in movie] == list(range(len(movie)))
    assert len(movie) in (7, 8)
    assert any("cut" in warning for warning in movie.info.warnings)


@pytest.mark.usefixtures("_extra")
def test_a_cut_dm_file_is_refused(tmp_path: Path, stack: np.ndarray) -> None:
    write_dm(tmp_path / "a.dm4", stack, 4)
    data = (tmp_path / "a.dm4").read_bytes()
    (tmp_path / "a.dm4").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(MovieError, match=r"a\.dm4: is cut .* behind its pixels") as caught:
        open_movie(tmp_path / "a.dm4")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("_extra")
def test_stamps_of_whole_seconds_are_taken_as_regular(tmp_path: Path, stack: np.ndarray) -> None:
    stamps = [100 + i // 4 for i in range(12)]
    write_ser(tmp_path / "a.ser", stack, stamps=stamps)
    movie = open_movie(tmp_path / "a.ser")
    assert movie.times_s == pytest.approx(np.arange(12) * 2 / 11)
    assert "to the second" in movie.info.warnings[0]
    write_ser(tmp_path / "b.ser", stack, stamps=[100 + 3 * i + i // 6 for i in range(12)])
    assert open_movie(tmp_path / "b.ser").times_s == pytest.approx(
        [3 * i + i // 6 for i in range(12)]
    )
    assert open_movie(tmp_path / "b.ser", frame_interval_s=0.5)[11].time_s == 5.5


@pytest.mark.usefixtures("_extra")
def test_the_times_of_a_recording_are_those_of_its_frames(
    tmp_path: Path, stack: np.ndarray
) -> None:
    write_tvips(tmp_path / "a_000.tvips", stack, step_s=0.4, parts=2)
    movie = open_movie(tmp_path / "a_000.tvips")
    assert movie.times_s == pytest.approx(0.4 * np.arange(12))
    with pytest.raises(MovieError, match=r"a_000\.tvips"):
        open_movie(tmp_path / "a_001.tvips")


@pytest.mark.usefixtures("_extra")
def test_a_cameras_pixel_is_no_scale(tmp_path: Path, stack: np.ndarray) -> None:
    write_tvips(tmp_path / "a_000.tvips", stack, pixel_nm=15_600)
    info = open_movie(tmp_path / "a_000.tvips").info
    assert info.scale_nm_per_px is None
    assert "camera's pixel" in info.warnings[0]


@pytest.mark.usefixtures("_extra")
def test_bytes_cut_out_of_a_recording_end_it(tmp_path: Path, stack: np.ndarray) -> None:
    path = tmp_path / "a_000.tvips"
    write_tvips(path, stack)
    data = path.read_bytes()
    step = (len(data) - 256) // 12
    path.write_bytes(data[: 256 + 5 * step + 100] + data[256 + 5 * step + 108 :])
    movie = open_movie(path)
    assert [number(f.image) if f.ok else None for f in movie] == [0, 1, 2, 3, 4, None]
    assert movie.info.warnings[0].startswith("the file is damaged in frame 5")


@pytest.mark.usefixtures("_extra")
def test_one_broken_image_of_a_series_is_one_bad_frame(tmp_path: Path, stack: np.ndarray) -> None:
    path = tmp_path / "a.ser"
    write_ser(path, stack)
    data = bytearray(path.read_bytes())
    at = int.from_bytes(data[68:72], "little")  # the first entry of the table of places
    step = 50 + 2 * stack[0].size
    data[at + 4 * step + 42 : at + 4 * step + 44] = b"\xff\xff"
    path.write_bytes(data)
    frames = list(open_movie(path))
    assert [f.index for f in frames if not f.ok] == [4]
    assert [number(f.image) for f in frames if f.ok] == [i for i in range(12) if i != 4]


@pytest.mark.usefixtures("_extra")
def test_the_pages_of_a_long_series_are_not_all_fetched(tmp_path: Path) -> None:
    # A frame costs its own bytes: one frame of a large file is read without the others.
    path = tmp_path / "long.mrc"
    write_mrc(path, np.zeros((2, 512, 512), np.uint16))
    with path.open("r+b") as file:
        file.seek(8)
        file.write((20_000).to_bytes(4, "little"))
        file.truncate(1024 + 20_000 * 512 * 512 * 2)
    movie = open_movie(path)
    assert len(movie) == 20_000
    assert not movie[-1].image.any()


def test_a_later_part_belongs_to_the_recording(tmp_path: Path, stack: np.ndarray) -> None:
    path = tmp_path / "b_000.tvips"
    write_tvips(path, stack, parts=3)
    assert [file.name for file in files_of(path)] == [f"b_00{n}.tvips" for n in range(3)]
    before = sha256(path)
    with (tmp_path / "b_002.tvips").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\xff")
    assert sha256(path) != before

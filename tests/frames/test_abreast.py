"""Pictures that stand for themselves, decoded by several decoders at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tem_track.errors import MovieError
from tem_track.frames import Movie, abreast, open_movie
from tests.frames.fuzz import damaged
from tests.frames.movies import FORMATS, N, number

MJPEG = ["mjpeg avi", "mjpeg mkv", "mjpeg mov"]


class Decoded:
    """What several decoders have decoded, and in which threads."""

    def __init__(self) -> None:
        self.ordinals: list[int] = []
        self.decoders: set[int] = set()
        self.threads: set[str] = set()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Decoded:
    """Let three decoders work on small pictures too, and watch them."""
    seen, sound = Decoded(), abreast._sound

    def watched(video: abreast.Video, ordinal: int, data: bytes) -> object:
        seen.ordinals.append(ordinal)
        seen.decoders.add(id(video))
        seen.threads.add(threading.current_thread().name)
        return sound(video, ordinal, data)

    monkeypatch.setattr(abreast, "_LEAST_PX", 1)
    monkeypatch.setattr(abreast, "cores", lambda: 3)
    monkeypatch.setattr(abreast, "_sound", watched)
    return seen


def _written(tmp_path: Path, name: str) -> Path:
    path = tmp_path / FORMATS[name][0]
    FORMATS[name][1](path)
    return path


def _said(movie: Movie) -> Iterator[tuple[bool, str, bytes]]:
    for frame in movie:
        yield frame.ok, frame.note, frame.image.tobytes()


def _alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, str, bytes]]:
    """Return what one strict decoder gives."""
    with monkeypatch.context() as patch:
        patch.setattr(abreast, "cores", lambda: 1)
        return list(_said(open_movie(path)))


@pytest.mark.parametrize("name", MJPEG)
def test_they_share_the_pictures_and_give_the_same(
    tmp_path: Path, decoded: Decoded, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = _written(tmp_path, name)
    assert list(_said(open_movie(path))) == _alone(path, monkeypatch)
    assert sorted(decoded.ordinals) == list(range(N))
    assert len(decoded.threads) > 1
    assert threading.current_thread().name not in decoded.threads
    assert len(decoded.decoders) <= 3


def test_only_what_is_asked_for_is_decoded(tmp_path: Path, decoded: Decoded) -> None:
    movie = open_movie(_written(tmp_path, "mjpeg avi"))
    wanted = list(range(0, N, 2))
    assert [number(frame.image) for frame in movie.select(wanted)] == wanted
    assert sorted(decoded.ordinals) == wanted


@pytest.mark.parametrize("place", [0, 1, 10, N - 1])
def test_a_bad_picture_is_one_bad_row(
    tmp_path: Path, decoded: Decoded, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    path = _written(tmp_path, "mjpeg avi")
    table = open_movie(path)._source.table
    data = bytearray(path.read_bytes())
    at, size = int(table.offset[place]), int(table.size[place])
    data[at : at + size] = np.random.default_rng(0).bytes(size)
    path.write_bytes(data)
    said = list(_said(open_movie(path)))
    assert [n for n, (good, _, _) in enumerate(said) if not good] == [place]
    assert said == _alone(path, monkeypatch)


@pytest.mark.parametrize("seed", range(24))
def test_a_damaged_file_gives_what_one_decoder_gives(
    tmp_path: Path, decoded: Decoded, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    path = _written(tmp_path, MJPEG[seed % len(MJPEG)])
    path.write_bytes(damaged(path.read_bytes(), seed))
    try:
        expected = _alone(path, monkeypatch)
    except MovieError:
        return
    assert list(_said(open_movie(path))) == expected


def test_they_are_a_few_pictures_ahead_at_most(tmp_path: Path, decoded: Decoded) -> None:
    source = open_movie(_written(tmp_path, "mjpeg avi"))._source
    pictures = source.read(range(N))
    for given in range(1, 6):
        next(pictures)
        assert len(decoded.ordinals) <= given + 3
    pictures.close()


def test_who_stops_half_way_leaves_no_thread(tmp_path: Path, decoded: Decoded) -> None:
    before = set(threading.enumerate())
    frames = open_movie(_written(tmp_path, "mjpeg avi")).frames()
    assert next(frames).ok
    frames.close()
    assert set(threading.enumerate()) <= before


def test_small_pictures_are_left_to_one_decoder(tmp_path: Path) -> None:
    movie = open_movie(_written(tmp_path, "mjpeg avi"))
    assert abreast.decoders_for(movie.info) == 1

"""A share that vanishes while its movie is read: waited for, read on, and given up in the end.

The share is made of the local disk: while it is away, opening and reading fail as they do on a
network file system that has lost its server.
"""

from __future__ import annotations

import errno
import io
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tem_track.errors import MovieError, ResultsError
from tem_track.frames import abreast, open_movie, patience
from tem_track.frames.patience import Patience, PatientFile, wait_until_there
from tests.frames.movies import N, encode, number

BYTES = bytes(range(200))


class Share:
    """Files below a folder that can be away; each pause is counted and may bring it back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.away = False
        self.bad_from: int | None = None
        self.back_after = 1
        self.reads = 0
        self.leaves_at_read = -1
        self.pauses: list[float] = []
        self.handles: list[Handle] = []

    def check(self, path: Path) -> None:
        if self.away and path.is_relative_to(self.folder):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.away = len(self.pauses) < self.back_after


class Handle(io.FileIO):
    """A file of the share; once it was away, what is open stays stale."""

    def __init__(self, share: Share, path: Path) -> None:
        super().__init__(path, "rb")
        self._share, self._path, self._stale = share, path, False

    def read(self, size: int | None = -1) -> bytes:
        self._share.reads += 1
        self._share.away |= self._share.reads == self._share.leaves_at_read
        self._stale |= self._share.away
        if self._stale:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(self._path))
        bad = self._share.bad_from
        if bad is not None and self.tell() >= bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(self._path))
        return super().read(-1 if size is None else size)


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Share]:
    made = Share(tmp_path)
    plain = Path.open

    def opened(path: Path, mode: str = "r", buffering: int = -1, **others: Any) -> Any:
        if not path.is_relative_to(tmp_path):
            return plain(path, mode, buffering, **others)
        made.check(path)
        if (mode, buffering) == ("rb", 0):
            made.handles.append(Handle(made, path))
            return made.handles[-1]
        return plain(path, mode, buffering, **others)

    monkeypatch.setattr(Path, "open", opened)
    monkeypatch.setattr(patience.time, "sleep", made.pause)
    yield made
    for handle in made.handles:
        handle.close()


@pytest.fixture
def file(share: Share) -> Path:
    path = share.folder / "movie.bin"
    path.write_bytes(BYTES)
    return path


def test_a_share_that_comes_back_is_read_on(
    share: Share, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reader = PatientFile(file)
    assert reader.read(10, 5) == BYTES[10:15]
    share.away, share.back_after = True, 4
    with caplog.at_level(logging.WARNING, "tem_track"):
        assert reader.read(20, 5) == BYTES[20:25]
    assert share.pauses == [0.5, 1.0, 2.0, 4.0]
    first, last = caplog.messages
    assert "movie.bin" in first
    assert "waiting for it to come back" in first
    assert "is there again after 8 s" in last
    assert [handle.closed for handle in share.handles] == [True] * (len(share.handles) - 1) + [
        False
    ]


def test_pauses_grow_to_half_a_minute_and_start_anew(share: Share, file: Path) -> None:
    reader = PatientFile(file)
    for away in (9, 3):
        share.pauses.clear()
        share.away, share.back_after = True, away
        assert reader.read(0, 3) == BYTES[:3]
        assert share.pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0][:away]


def test_it_gives_up_and_says_what_is_kept(
    share: Share, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEM_TRACK_PATIENCE_S", "3")
    reader = PatientFile(file)
    share.away, share.back_after = True, 1000
    with pytest.raises(MovieError, match=r"movie\.bin.*within 3 s.*kept.*same command"):
        reader.read(0, 5)
    assert 3 <= sum(share.pauses) < 10


def test_another_file_in_its_place_is_refused(share: Share, file: Path) -> None:
    reader = PatientFile(file)
    file.write_bytes(BYTES[:-1])
    share.away = True
    with pytest.raises(MovieError, match="from 200 to 199 bytes"):
        reader.read(0, 5)


def test_a_bad_sector_is_not_waited_for(share: Share, file: Path) -> None:
    reader = PatientFile(file)
    share.bad_from = 100
    assert reader.read(99, 1) == BYTES[99:100]
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        reader.read(100, 1)
    assert share.pauses == []


def test_what_is_no_absence_is_not_waited_for(share: Share, file: Path) -> None:
    reader = PatientFile(file)
    with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
        reader.read(-1, 1)
    assert share.pauses == []


def test_whether_something_had_to_be_waited_for(share: Share, file: Path) -> None:
    assert not wait_until_there(None)
    assert not wait_until_there(file)
    assert not wait_until_there(share.folder)
    share.away = True
    assert wait_until_there(file)


def test_an_empty_mount_point_is_a_folder_that_is_away(
    share: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = share.folder / "images"
    folder.mkdir()

    def mounted(seconds: float) -> None:
        share.pause(seconds)
        if len(share.pauses) == 2:
            (folder / "0.png").touch()

    monkeypatch.setattr(patience.time, "sleep", mounted)
    assert wait_until_there(folder)
    assert len(share.pauses) == 2


def test_patience_is_for_seconds_in_a_row(share: Share) -> None:
    patient = Patience(give_up_s=1.0)
    for _ in range(5):
        patient.wait(share.folder)
        patient.over(share.folder)
    patient.wait(share.folder)
    patient.wait(share.folder)
    with pytest.raises(ResultsError, match="within 1 s"):
        patient.wait(share.folder)


@pytest.mark.parametrize(
    ("codec", "decoders"),
    [(("mjpeg", "yuvj420p"), 1), (("mjpeg", "yuvj420p"), 3), (("rawvideo", "gray"), 1)],
)
def test_a_movie_on_a_share_that_vanishes_is_read_to_its_end(
    share: Share, codec: tuple[str, str], decoders: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(abreast, "_LEAST_PX", 1)
    monkeypatch.setattr(abreast, "cores", lambda: decoders)
    path = share.folder / "movie.avi"
    encode(path, *codec)
    movie = open_movie(path)
    assert len(movie) == N
    opened = share.reads
    undisturbed = [frame.image.copy() for frame in movie]
    assert share.reads >= opened + N
    share.leaves_at_read, share.back_after = share.reads + 6, 3
    frames = list(movie)
    assert len(share.pauses) == 3
    assert all(frame.ok for frame in frames)
    assert [number(frame.image) for frame in frames] == list(range(N))
    assert np.array_equal([frame.image for frame in frames], undisturbed)

"""A sample is decoded once, and where it costs as much as the whole movie, that is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tem_track
from tem_track.frames import Movie, kept
from tem_track.frames.kept import KeptSource
from tem_track.frames.movie import Picture
from tem_track.sample import Sample
from tests.small import write_small


class _Counted:
    """A source that says which frames were read; one of them is damaged."""

    def __init__(self, movie: Movie, decoded: int = 0) -> None:
        self._source: Any = movie._source
        self.path, self.info = movie.path, movie.info
        self.decoded, self.damaged = decoded, 3
        self.frames: list[int] = []

    is_compressed, is_threaded, is_slow = True, False, False

    def count(self) -> int:
        return int(self._source.count())

    def times_s(self) -> Any:
        return self._source.times_s()

    def decoded_for(self, indices: Sequence[int]) -> int:
        return self.decoded or len(indices)

    def read(self, indices: Sequence[int]) -> Iterator[Picture]:
        for index, picture in zip(indices, self._source.read(indices), strict=True):
            self.frames.append(index)
            yield (None, "damaged") if index == self.damaged else picture


def _counted(folder: Path, frames: int, decoded: int = 0) -> _Counted:
    experiment = tem_track.load_experiment(write_small(folder, frames))
    return _Counted(tem_track.open_movie(experiment.movie_path), decoded)


def _full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("place", ["file", "no room", "full disk"])
def test_the_same_frames_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    source = _counted(tmp_path, 12)
    if place == "no room":
        monkeypatch.setattr(kept, "MOST_BYTES", 0)
        monkeypatch.setattr(kept, "MOST_WHOLE_BYTES", 0)
    if place == "full disk":
        monkeypatch.setattr(kept.tempfile, "TemporaryFile", _full)
    seen: list[tuple[str, int, int]] = []
    with Movie(source).keeping() as movie:
        sample = Sample(movie, range(12), lambda *said: seen.append(said))
        first = [(frame.index, frame.image.copy()) for frame in sample]
        again = [(frame.index, frame.image.copy()) for frame in sample]
    assert len(source.frames) == (13 if place == "file" else 24)  # what is damaged is tried again
    assert [index for index, _ in first] == [i for i in range(12) if i != 3]
    for (one, image), (other, same) in zip(first, again, strict=True):
        assert one == other
        np.testing.assert_array_equal(image, same)
    assert seen == [("template", done, 12) for done in range(1, 13)]


def test_a_disk_that_fills_up_loses_no_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _counted(tmp_path, 12)
    put = KeptSource._put

    def filling(self: KeptSource, index: int, image: Any) -> None:
        if index == 6:
            monkeypatch.setattr(kept.np, "ascontiguousarray", _full)
        put(self, index, image)
        monkeypatch.undo()
        monkeypatch.setattr(KeptSource, "_put", filling)

    monkeypatch.setattr(KeptSource, "_put", filling)
    with Movie(source).keeping() as movie:
        movie.keep(range(12))
        every = range(12)
        first = [frame.index for frame in movie.select(every)]
        assert first == [frame.index for frame in movie.select(every)] == list(every)
    assert len(source.frames) == 24


@pytest.mark.parametrize("spared", [True, False])
def test_a_large_file_leaves_room_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spared: bool
) -> None:
    source = _counted(tmp_path, 12, 12)
    size = source.info.width_px * source.info.height_px
    monkeypatch.setattr(kept, "MOST_BYTES", 3 * size)  # all that is kept without a further look
    monkeypatch.setattr(kept, "_RESERVE_BYTES", 0 if spared else 1 << 62)
    with Movie(source).keeping() as movie:
        movie.keep([0, 5, 11])
        list(movie.select([0, 5, 11]))
        every = [frame.image.copy() for frame in movie.frames()]
    assert len(source.frames) == 12 + (1 if spared else 12)  # the damaged one is read again
    for frame, image in zip(Movie(source), every, strict=True):
        np.testing.assert_array_equal(frame.image, image)


@pytest.mark.parametrize(("decoded", "slow"), [(0, False), (9, False), (5, True)])
def test_what_is_decoded_on_the_way_is_kept_where_it_is_most(
    tmp_path: Path, decoded: int, slow: bool
) -> None:
    source = _counted(tmp_path, 12, decoded)
    source.is_slow = slow
    plain = [frame.image.copy() for frame in Movie(source)]
    source.frames.clear()
    with Movie(source).keeping() as movie:
        movie.keep([0, 5, 11])
        few = [frame.image.copy() for frame in movie.select([0, 5, 11])]
        for image, index in zip(few, (0, 5, 11), strict=True):
            np.testing.assert_array_equal(image, plain[index])
        assert source.frames == (list(range(12)) if decoded else [0, 5, 11])
        source.frames.clear()
        frames = list(movie.frames())
        assert source.frames == ([3] if decoded else [i for i in range(12) if i not in (0, 5, 11)])
    assert [frame.ok for frame in frames] == [i != 3 for i in range(12)]
    for frame, image in zip(frames, plain, strict=True):
        np.testing.assert_array_equal(frame.image, image)


def test_nothing_is_kept_that_was_not_asked_for(tmp_path: Path) -> None:
    source = _counted(tmp_path, 6)
    with Movie(source).keeping() as movie, movie.keeping() as same:
        assert same is movie
        assert len(list(movie)) == len(list(movie)) == 6
    assert len(source.frames) == 12
    source.frames.clear()
    lent = Movie(source)
    lent.keep([1, 2])  # a movie that keeps nothing does not mind
    assert len(list(lent)) == 6


@pytest.mark.parametrize("damaged", [3, 9])
@pytest.mark.parametrize("room", ["enough", "for two", "none", "little to be written"])
@pytest.mark.parametrize("wait", [False, True])
def test_all_frames_are_read_on_before_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: int, room: str, wait: bool
) -> None:
    source = _counted(tmp_path, 24)
    source.damaged = damaged
    size = next(iter(Movie(source))).image.nbytes
    plain = [frame.image.copy() for frame in Movie(source)]
    source.frames.clear()
    monkeypatch.setattr(kept, "_WORTH", 0.0)
    if room in ("for two", "none"):
        monkeypatch.setattr(kept, "MOST_BYTES", (5 if room == "for two" else 3) * size)
    if room == "little to be written":
        monkeypatch.setattr(kept, "_MOST_WRITTEN", 4 * size)
    with Movie(source).keeping() as movie:
        movie.read_on()
        movie.keep([0, 12, 23], then=range(24))
        assert [frame.index for frame in movie.select([0, 12, 23])] == [0, 12, 23]
        if wait and room == "enough":
            _until(lambda: len(source.frames) == 24)
            assert sorted(source.frames) == list(range(24))
        assert movie[5].ok  # a frame by itself, in between
        frames = list(movie.frames())
        again = list(movie.frames())
    assert [frame.index for frame in frames] == list(range(24))
    assert [frame.ok for frame in frames] == [i != damaged for i in range(24)]
    for frame, other, image in zip(frames, again, plain, strict=True):
        np.testing.assert_array_equal(frame.image, image)
        np.testing.assert_array_equal(other.image, image)
    assert len(source.frames) < 24 + 1 + 24 + 12  # what was read on is not read again


def test_who_reads_on_is_taken_over_where_it_has_come_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _counted(tmp_path, 24)
    source.damaged = -1
    size = next(iter(Movie(source))).image.nbytes
    source.frames.clear()
    monkeypatch.setattr(kept, "_WORTH", 0.0)
    monkeypatch.setattr(kept, "_MOST_WRITTEN", 6 * size)
    with Movie(source).keeping() as movie:
        movie.read_on()
        movie.keep([0, 12], then=range(24))
        assert len(list(movie.frames())) == 24
    assert sorted(source.frames) == list(range(24))  # each once


def test_a_movie_that_is_closed_is_read_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _counted(tmp_path, 24)
    monkeypatch.setattr(kept, "_WORTH", 0.0)
    monkeypatch.setattr(kept, "MOST_BYTES", 4 * next(iter(Movie(source))).image.nbytes)
    source.frames.clear()
    before = threading.active_count()
    with Movie(source).keeping() as movie:
        movie.read_on()
        movie.keep([0, 12], then=range(24))
        _until(lambda: len(source.frames) > 4)
    assert threading.active_count() == before
    read = len(source.frames)
    assert read < 24
    time.sleep(0.05)
    assert len(source.frames) == read


def _until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 20.0
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)

"""A sample is decoded once, wherever its frames are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

import tem_track
from tem_track import sample
from tem_track.frames import Movie
from tem_track.records import Frame
from tem_track.sample import Sample
from tests.small import write_small


class _Counted:
    """A movie that says how many frames were read; the fourth is damaged."""

    def __init__(self, movie: Movie) -> None:
        self._movie = movie
        self.read = 0

    def select(self, indices: Iterable[int]) -> Iterator[Frame]:
        for frame in self._movie.select(indices):
            self.read += 1
            damaged = frame.index == 3
            yield Frame(frame.index, frame.time_s, frame.image, not damaged, "damaged" * damaged)


def _full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("place", ["memory", "file", "neither", "full disk"])
def test_the_same_frames_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    experiment = tem_track.load_experiment(write_small(tmp_path, 12))
    movie = _Counted(tem_track.open_movie(experiment.movie_path))
    monkeypatch.setattr(sample, "MEMORY_BYTES", 10**9 if place == "memory" else 0)
    monkeypatch.setattr(sample, "FILE_BYTES", 0 if place == "neither" else 10**9)
    if place == "full disk":
        monkeypatch.setattr(sample.tempfile, "TemporaryFile", _full)
    seen: list[tuple[str, int, int]] = []
    with Sample(movie, range(12), lambda *said: seen.append(said)) as frames:  # type: ignore[arg-type]
        first = [(frame.index, frame.image.copy()) for frame in frames]
        again = [(frame.index, frame.image.copy()) for frame in frames]
    assert movie.read == (12 if place in ("memory", "file") else 24)
    assert [index for index, _ in first] == [i for i in range(12) if i != 3]
    for (one, image), (other, same) in zip(first, again, strict=True):
        assert one == other
        np.testing.assert_array_equal(image, same)
    assert seen[11] == ("template", 12, 12)


def test_a_disk_that_fills_up_loses_no_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = tem_track.load_experiment(write_small(tmp_path, 12))
    movie = _Counted(tem_track.open_movie(experiment.movie_path))
    monkeypatch.setattr(sample, "MEMORY_BYTES", 0)
    added = sample._File.add

    def filling(store: sample._File, frame: Frame) -> Frame:
        if frame.index == 6:
            _full()
        return added(store, frame)

    monkeypatch.setattr(sample._File, "add", filling)
    with Sample(movie, range(12), lambda *_: None) as frames:  # type: ignore[arg-type]
        assert [frame.index for frame in frames] == [frame.index for frame in frames]
    assert movie.read == 24

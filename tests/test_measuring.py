"""What is measured in a process of its own: the same bytes, and errors that are heard."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from tem_track import measuring, run
from tem_track.config import load_experiment
from tem_track.errors import ConfigError, ResultsError, TrackingError
from tem_track.measuring import Measuring
from tem_track.run import movie_of
from tests.small import EXPERIMENT, write_small
from tests.test_run import bytes_of, run_small, silent


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "LONG_FRAMES", 0)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small(tmp_path_factory.mktemp("small"), count=100)


@pytest.fixture(scope="module")
def finished(experiment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_small(experiment, tmp_path_factory.mktemp("done") / "results")


def _begun(path: Path, done: frozenset[int] = frozenset()) -> Measuring:
    experiment = load_experiment(path)
    return Measuring(movie_of(experiment), experiment, done, silent, 1)


@pytest.mark.usefixtures("apart")
def test_the_same_bytes_and_nothing_prepared_here(
    experiment: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "prepare", None)
    assert bytes_of(run_small(experiment, tmp_path / "results")) == bytes_of(finished)


@pytest.mark.usefixtures("apart")
def test_a_process_that_is_killed_is_told_of_and_loses_nothing(
    experiment: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "results"
    blocks = Measuring.blocks

    def killed(self: Measuring):  # type: ignore[no-untyped-def]
        yield next(own := blocks(self))
        os.kill(self._process.pid, signal.SIGKILL)
        yield from own
        self.again(0, {})  # in case that all was said before

    monkeypatch.setattr(Measuring, "blocks", killed)
    with pytest.raises(ResultsError, match=r"SIGKILL.*give the same command again"):
        run_small(experiment, folder)
    assert [file.name for file in folder.iterdir()] == [".measured"]
    monkeypatch.setattr(Measuring, "blocks", blocks)
    assert bytes_of(run_small(experiment, folder)) == bytes_of(finished)


@pytest.mark.usefixtures("apart")
@pytest.mark.parametrize(
    ("old", "new", "kind", "words"),
    [
        ("[30, 50, 80, 60]", "[150, 50, 80, 60]", ConfigError, r"tip\.box_px.*200 px wide"),
        ("[130, 0, 70, 60]", "[150, 2, 40, 30]", TrackingError, "bar"),
    ],
)
def test_an_error_comes_through_whole(
    tmp_path: Path, old: str, new: str, kind: type[Exception], words: str
) -> None:
    path = write_small(tmp_path, text=EXPERIMENT.replace(old, new))
    with pytest.raises(kind, match=words):
        run_small(path)
    assert not path.with_suffix(".results").exists()


def test_it_ends_with_the_line(experiment: Path) -> None:
    with _begun(experiment) as process:
        process.findings()
        pid = process._process.pid
        process._process.line.close()
        assert "status" in process._process.how_it_ended()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_kept_frames_are_lent_and_the_frames_are_the_same(experiment: Path) -> None:
    bare = movie_of(load_experiment(experiment))
    with bare.keeping() as movie, _begun(experiment) as process:
        process.findings()
        list(process.blocks())
        process.lend_to(movie)
        kept = movie.kept()
        assert kept is not None
        assert kept[1]
        for index in kept[1]:
            np.testing.assert_array_equal(movie[index].image, bare[index].image)


def test_what_is_logged_is_passed_on(caplog: pytest.LogCaptureFixture) -> None:
    said: list[tuple[object, ...]] = []

    class Line:
        def say(self, *words: object) -> None:
            said.append(words)

    record = logging.LogRecord("tem_track", logging.WARNING, "", 0, "%s is away", ("it",), None)
    measuring._Forwarded(Line()).emit(record)  # type: ignore[arg-type]
    assert said == [("log", logging.WARNING, "%s", "it is away")]


def test_progress_is_told_seldom_and_at_the_end() -> None:
    told: list[int] = []
    some = measuring._seldom(lambda stage, done, total: told.append(done))
    for done in range(1, 1001):
        some("measure", done, 1000)
    assert told[0] == 1
    assert told[-1] == 1000
    assert len(told) < 500

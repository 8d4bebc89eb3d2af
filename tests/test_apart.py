"""Processes answer what the function itself does, in order, whatever becomes of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tem_track
from tem_track import analysis, apart
from tem_track.apart import Apart, Standby
from tem_track.columns import block_of, block_to_bytes
from tem_track.records import Frame
from tests.small import write_small

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are begun on POSIX only")

Answer = tuple[int, float, int]


def total(frame: Frame, same: dict[str, int]) -> Answer:
    """Return something of a frame, and of the process that worked it out."""
    if frame.index == same.get("wrong"):
        raise ValueError(f"frame {frame.index}")
    end = time.thread_time() + same.get("ms", 0) / 1000
    while time.thread_time() < end:  # processor time is what a process is begun for
        pass
    return frame.index, float(frame.image.sum() * same["factor"]), os.getpid()


def _frames(count: int) -> Iterator[Frame]:
    for k in range(count):
        image = np.full((40, 50), k, np.uint16)
        yield Frame(k, 0.1 * k, image, k != 5, "bad" * (k == 5))


def _until_ready(away: Apart[Any], frames: int = 20) -> None:
    """Give it something to do until all its processes have begun."""
    end = time.monotonic() + 120.0
    while time.monotonic() < end:
        assert [answer[0] for answer in away.answers(_frames(frames))] == list(range(frames))
        if away._processes and all(process.is_ready() for process in away._processes):
            return
    raise AssertionError("no processes")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "WORTH_S", -1e9)
    monkeypatch.setattr(apart, "_TRIED_S", 0.0)
    monkeypatch.setattr(apart, "_HAND_BYTES", 10_000)


def _wanted(count: int) -> list[tuple[int, float]]:
    return [(k, 40.0 * 50.0 * k * 3) for k in range(count)]


def test_answers_come_in_order_from_several_processes() -> None:
    with Apart(total, {"factor": 3, "ms": 1}, 3, 2000) as away:
        _until_ready(away)
        answers = list(away.answers(_frames(500)))
    assert [answer[:2] for answer in answers] == _wanted(500)
    pids = {process._process.pid for process in away._processes}
    assert len(pids) == 2
    assert {answer[2] for answer in answers} == pids | {os.getpid()}
    assert not any(map(_lives, pids))


def test_processes_that_stand_by_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "WORTH_S", 1e9)
    with Standby(2) as standby:
        standby.begin_where_worth_while(1.0, 0.0, 2000, ["tests.test_apart"])
        (process,) = standby._waiting
        with Apart(total, {"factor": 3, "ms": 1}, 2, 2000, standby=standby) as away:
            _until_ready(away)
            answers = list(away.answers(_frames(300)))
    assert [answer[:2] for answer in answers] == _wanted(300)
    assert {answer[2] for answer in answers} == {process.pid, os.getpid()}
    assert not _lives(process.pid)


def test_processes_that_nobody_takes_end() -> None:
    with Standby(2, done=1000) as standby:
        standby.begin_where_worth_while(1.0, 0.0, 1000, ["tests.test_apart"])
        assert not standby._waiting
        standby.begin_where_worth_while(1.0, 0.0, 2000, ["tests.test_apart"])
        (process,) = standby._waiting
        assert _lives(process.pid)
    assert not _lives(process.pid)


def test_a_process_that_is_held_up_holds_up_no_other() -> None:
    with Apart(total, {"factor": 3, "ms": 1}, 2, 2000) as away:
        _until_ready(away)
        (process,) = away._processes
        os.kill(process._process.pid, signal.SIGSTOP)
        coming = away.answers(_slow_to_end(150, process._process.pid))
        answers = list(coming)
    assert [answer[:2] for answer in answers] == _wanted(150)
    assert sum(answer[2] == os.getpid() for answer in answers) > 100


def _slow_to_end(count: int, pid: int) -> Iterator[Frame]:
    """Yield frames, and let the process go on when the last of them is asked for."""
    yield from _frames(count)
    os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("function_ms", "reading_ms", "processes", "frames", "wanted"),
    [
        (2.5, 1.0, 2, 4000, 1),  # MJPEG of 512 px: both cores are kept busy by one more
        (2.5, 1.0, 2, 500, 0),  # soon done
        (2.5, 1.0, 8, 4000, 3),  # more would wait for what reads
        (10.0, 17.0, 8, 4000, 0),  # reading is the limit
        (2.5, 0.0, 1, 4000, 0),
    ],
)
def test_processes_are_begun_where_they_save_time(
    function_ms: float, reading_ms: float, processes: int, frames: int, wanted: int
) -> None:
    function_s, reading_s = function_ms / 1000, reading_ms / 1000
    assert apart.worth_beginning(function_s, reading_s, frames, processes, 1.5) == wanted


def test_one_process_is_this_one() -> None:
    with Apart(total, {"factor": 3}, 1, 50) as away:
        answers = list(away.answers(_frames(50)))
    assert {answer[2] for answer in answers} == {os.getpid()}


def test_what_is_soon_done_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "WORTH_S", 1.0)
    with Apart(total, {"factor": 3}, 2, 50) as away:
        assert len({answer[2] for answer in away.answers(_frames(50))}) == 1
        assert not away._processes


def test_a_process_that_dies_loses_no_frame() -> None:
    found = []
    with Apart(total, {"factor": 3, "ms": 1}, 3, 2000) as away:
        _until_ready(away)
        for answer in away.answers(_frames(600)):
            found.append(answer)
            if len(found) in (200, 400):
                os.kill(away._processes[len(found) // 400]._process.pid, signal.SIGKILL)
    assert [answer[:2] for answer in found] == _wanted(600)
    assert len({answer[2] for answer in found}) == 3
    assert found[-1][2] == os.getpid()


def test_an_error_is_raised_where_the_answer_would_come() -> None:
    found: list[Answer] = []
    with Apart(total, {"factor": 3, "ms": 1, "wrong": 37}, 3, 2000) as away:
        _until_ready(away)
        with pytest.raises(ValueError, match="frame 37"):
            found.extend(away.answers(_frames(60)))
    assert [answer[:2] for answer in found] == _wanted(37)
    assert os.getpid() not in {answer[2] for answer in found[:20]}


def test_what_does_not_pickle_is_worked_out_here() -> None:
    with Apart(lambda frame, same: frame.index, None, 2, 50) as away:
        assert list(away.answers(_frames(50))) == list(range(50))


_PARENT = """
from tem_track import apart
from tests.test_apart import _frames, _until_ready, total
apart.WORTH_S, apart._TRIED_S = -1e9, 0.0
with apart.Apart(total, {"factor": 3, "ms": 5}, 3, 10**6) as away:
    _until_ready(away)
    print(*(each._process.pid for each in away._processes), flush=True)
    for answer in away.answers(_frames(10**6)):
        pass
"""


def test_no_process_outlives_a_parent_that_is_killed() -> None:
    root = Path(tem_track.__file__).parents[1]
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, cwd=root, text=True
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    assert all(map(_lives, pids))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 20.0
    while any(map(_lives, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(_lives, pids))


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_measured_apart_a_movie_gives_the_same_bytes(tmp_path: Path) -> None:
    experiment = tem_track.load_experiment(write_small(tmp_path, 24))
    movie = tem_track.open_movie(experiment.movie_path)
    plan = analysis.prepare(movie, experiment)
    here = [analysis.observe(frame, plan) for frame in movie]
    with Apart(analysis.observe, plan, 2, 10**6) as away:
        while not any(process.is_ready() for process in away._processes):
            list(away.answers(movie))
        (process,) = away._processes
        there = list(away.answers(movie))
        assert process._asked
    one, other = (block_to_bytes(block_of(rows, ("bar", "tip"), False)) for rows in (here, there))
    assert one == other

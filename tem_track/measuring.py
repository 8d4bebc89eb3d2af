"""Preparing and measuring in a process of its own, which ends before anything is calculated.

What measures, the compiled loops above all, takes 250 MB that nobody can give back; what draws
takes as much again. One process after the other needs half as much as one that does it all. The
process writes nothing: what it has measured it tells its parent, and where its parent ends, however
that happens, the line between them closes and it ends as well.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from threading import Lock
from typing import TYPE_CHECKING, Any

from tem_track.analysis import Findings, Plan, Progress, measure, observe_again, prepare
from tem_track.apart import Standby
from tem_track.columns import Block, block_from_bytes, block_to_bytes
from tem_track.config import Experiment
from tem_track.cores import cores, give_back_memory, one_heap, one_thread_a_routine
from tem_track.errors import ResultsError, TemTrackError
from tem_track.processes import OwnProcess
from tem_track.records import Match

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = ["Measuring"]

_NEWS_EVERY_S = 0.05
"""Seconds between two words on how far it is: more often than the eye follows costs time."""

_log = logging.getLogger("tem_track")


@dataclass(frozen=True, eq=False)
class _Task:
    movie: Movie
    experiment: Experiment
    done: frozenset[int]
    workers: int | None
    picture_threads: int | None


class Measuring:
    """A process that prepares and measures one movie.

    Parameters
    ----------
    movie : Movie
        It pickles; what it has counted and indexed is not done again.
    experiment : Experiment
    done : iterable of int
        Frames that are measured already.
    progress : callable
        Called as ``progress(stage, done, total)``.
    workers : int, optional
        As for `measure`.
    """

    def __init__(
        self,
        movie: Movie,
        experiment: Experiment,
        done: Iterable[int],
        progress: Progress,
        workers: int | None = None,
    ) -> None:
        cv2 = sys.modules.get("cv2")
        threads = cv2.getNumThreads() if cv2 is not None else None
        self._task = _Task(movie, experiment, frozenset(done), workers, threads)
        self._progress = progress
        self._process = OwnProcess("tem_track.measuring")

    def __enter__(self) -> Measuring:
        try:
            self._say(self._task)
        except BaseException:
            self._process.end(at_once=True)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.end(at_once=True)  # it has nothing that is to be kept

    def findings(self) -> Findings:
        """Return what the preparation found.

        Raises
        ------
        ConfigError, MovieError, TrackingError
        """
        found: Findings = self._answer("findings")
        return found

    def blocks(self) -> Iterator[bytes]:
        """Yield the measured blocks as `block_to_bytes` stores them, in order.

        Raises
        ------
        MovieError
        ResultsError
            The process was ended from outside.
        """
        while (block := self._answer("block")) is not None:
            yield block

    def again(self, frame: int, settled: Mapping[str, Match]) -> Block:
        """Return the block of one frame, measured with targets whose place is known."""
        self._say(("again", frame, dict(settled)))
        return block_from_bytes(self._answer("block"))

    def lend_to(self, movie: Movie) -> None:
        """Let a movie have the decoded frames that the process has kept."""
        self._say(("kept",))
        places = self._answer("kept")
        if places is not None:
            movie.take_kept(recv_handle(self._process.line), places)

    def _say(self, words: Any) -> None:
        try:
            self._process.line.send(words)
        except OSError:
            raise self._ended() from None

    def _answer(self, kind: str) -> Any:
        """Return the next word of a kind; pass on what else is said."""
        while True:
            try:
                said, *rest = self._process.line.recv()
            except (EOFError, OSError):
                raise self._ended() from None
            if said == kind:
                return rest[0]
            if said == "progress":
                self._progress(*rest)
            elif said == "log":
                _log.log(*rest)
            elif said == "error":
                error, text = rest
                if not isinstance(error, TemTrackError):
                    error.add_note(f"in the process that measures:\n{text}")
                raise error

    def _ended(self) -> ResultsError:
        return ResultsError(
            f"the process that measures was ended {self._process.how_it_ended()}; what is measured"
            " so far is kept: give the same command again, with fewer programs beside it if memory"
            " was short"
        )


# --------------------------------------------------------------------------- in the process


class _Line:
    """The line to the parent; where it is closed, the process ends."""

    def __init__(self, line: Connection) -> None:
        self._line, self._alone = line, Lock()

    def say(self, *words: Any) -> None:
        """Tell the parent something, from any thread."""
        data = pickle.dumps(words)
        try:
            with self._alone:
                self._line.send_bytes(data)
        except OSError:
            os._exit(1)

    def hear(self) -> Any:
        """Wait for the parent's next word."""
        try:
            return self._line.recv()
        except (EOFError, OSError):
            os._exit(0)

    def hand_over(self, file: int) -> None:
        """Let the parent have an open file too."""
        send_handle(self._line, file, os.getppid())


class _Forwarded(logging.Handler):
    """Tells the parent what is logged, where it is shown beside its progress."""

    def __init__(self, line: _Line) -> None:
        super().__init__()
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        self._line.say("log", record.levelno, "%s", record.getMessage())


def _serve(line: _Line) -> None:
    """Prepare, measure, and answer what is asked afterwards, until the line is closed."""
    one_heap()
    _log.addHandler(_Forwarded(line))
    _log.propagate = False
    task: _Task = line.hear()
    if task.picture_threads is not None:
        import cv2

        cv2.setNumThreads(task.picture_threads)
    try:
        standby = Standby(task.workers or cores(), len(task.done))
        with task.movie.keeping() as movie, standby:
            plan = _measured(movie, task, line, standby)
            with one_thread_a_routine():
                while True:
                    _answer(line, movie, plan)
    except Exception as error:
        line.say("error", error, traceback.format_exc())


def _measured(movie: Movie, task: _Task, line: _Line, standby: Standby) -> Plan:
    progress = _seldom(partial(line.say, "progress"))
    if cores() > 1 and not task.done:
        movie.read_on()  # all frames are measured here, and preparing leaves a core idle
    plan = prepare(movie, task.experiment, progress=progress, standby=standby)
    line.say("findings", Findings.of(plan))
    give_back_memory()
    for block in measure(
        movie, plan, done=task.done, progress=progress, workers=task.workers, standby=standby
    ):
        line.say("block", block_to_bytes(block))
    line.say("block", None)
    return plan


def _answer(line: _Line, movie: Movie, plan: Plan) -> None:
    """Answer what is asked next: for a frame once more, or for what is kept."""
    asked, *rest = line.hear()
    if asked == "again":
        line.say("block", block_to_bytes(observe_again(movie, plan, *rest)))
        return
    kept = movie.kept()
    line.say("kept", kept and kept[1])
    if kept is not None:
        line.hand_over(kept[0])


def _seldom(progress: Progress) -> Progress:
    """Return a progress callback that passes on some twenty calls a second, and the last."""
    last: dict[str, float] = {}

    def some(stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total or now - last.get(stage, 0.0) >= _NEWS_EVERY_S:
            last[stage] = now
            progress(stage, done, total)

    return some


if __name__ == "__main__":
    from tem_track import measuring  # under its own name, by which its words pickle

    measuring._serve(measuring._Line(Connection(int(sys.argv[1]))))

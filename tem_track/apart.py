"""A function of frames worked out in processes of their own, in the frames' order.

Threads of one interpreter wait for each other at every step that is not compiled, and a frame of
512 x 512 px has some thousands of them: two threads measured no more than one. A process waits for
nobody. It is told where a frame lies in memory that all share, and answers over a socket; at the
end of its parent, however that ends, the socket closes and it ends as well. Where there is not
enough to do, and where processes cannot be had, the function is worked out on the spot.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import pickle
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Generic, TypeVar

import numpy as np

from tem_track.cores import one_heap, one_thread_a_routine
from tem_track.processes import OwnProcess, can_start
from tem_track.records import Frame

__all__ = ["Apart"]

Answer = TypeVar("Answer")

WORTH_S = 1.5
"""Time to be saved for which processes are begun; each takes more than a second until it helps."""
_TRIED_S = 0.5
_OVERHEAD = 1.1
_DEPTH = 4
"""Hands of frames that a process has before it, so that it never waits for the next."""
_HAND_BYTES, _HAND_FRAMES = 2_000_000, 16
_PAGE = 4096


class Apart(Generic[Answer]):
    """Processes that answer a function of a frame and of something that is the same for all.

    They are begun once it is seen how long the function takes beside the reading of the frames, and
    that they will save time: where the reading takes as long, one thread beside it is as fast.

    Parameters
    ----------
    function : callable
        Called as ``function(frame, same)``; it pickles by name, and its answer pickles.
    same : object
        It pickles.
    processes : int
        How many; one is as good as none.
    expected : int
        About how many frames will come, to tell whether processes are worth while.
    reading_s : callable, optional
        Returns the processor time to read a frame, None where it is not known: then all time of
        this process that is not the function's counts.
    """

    def __init__(
        self,
        function: Callable[[Frame, Any], Answer],
        same: Any,
        processes: int,
        expected: int,
        reading_s: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._function, self._same = function, same
        self._cores = processes if can_start() else 1
        self._left = expected
        self._reading_s = reading_s
        self._begun, self._tried, self._spent_s = time.process_time(), 0, 0.0
        self._memory: _Memory | None = None
        self._processes: list[_Process] = []

    def __enter__(self) -> Apart[Answer]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.ask_to_end()
        for process in self._processes:
            process.wait()
        if self._memory is not None:
            self._memory.close()

    def answers(self, frames: Iterable[Frame]) -> Iterator[Answer]:
        """Yield the answers in the frames' order; an error of the function is raised here."""
        waiting: deque[_Task] = deque()
        for hand in _hands(frames):
            self._begin_where_worth_while(hand)
            process = self._free()
            while process is None and waiting:
                yield from self._answers(waiting.popleft())
                process = self._free()
            if process is None or not process.ask(hand):
                while waiting:
                    yield from self._answers(waiting.popleft())
                for frame in hand:
                    yield self._here(frame)
            else:
                waiting.append(_Task(hand, process))
        while waiting:
            yield from self._answers(waiting.popleft())

    def _answers(self, task: _Task) -> Iterator[Answer]:
        answers = task.process.answers()
        for k, frame in enumerate(task.hand):
            if k < len(answers):
                yield answers[k]
            else:  # the process died, or failed at this frame
                yield self._here(frame)

    def _here(self, frame: Frame) -> Answer:
        begun = time.thread_time()
        answer = self._function(frame, self._same)
        self._spent_s += time.thread_time() - begun
        self._tried += 1
        return answer

    def _free(self) -> _Process | None:
        """Return the process with the least before it; none where all have enough, or none is."""
        free = [each for each in self._processes if each.is_ready() and each.before < _DEPTH]
        return min(free, key=lambda each: each.before, default=None)

    def _begin_where_worth_while(self, hand: Sequence[Frame]) -> None:
        self._left -= len(hand)
        if self._cores > 1 and self._memory is None:
            wanted = self._worth_while()
            if wanted > 1:
                self._begin(wanted, _HAND_BYTES + hand[0].image.nbytes)

    def _worth_while(self) -> int:
        """Return how many processes would save enough time; 0 where it is not known yet."""
        both_s, here_s = time.process_time() - self._begun, self._spent_s
        if both_s < _TRIED_S or not self._tried:
            return 0
        known_s = self._reading_s()
        if known_s is not None:  # what is read before it is asked for does not count twice
            both_s = here_s + known_s * self._tried
        reading_s = max(both_s - here_s, 1e-9)
        saved_s = max(here_s, reading_s) - _OVERHEAD * max(both_s / self._cores, reading_s)
        if saved_s / self._tried * self._left < WORTH_S:
            return 0
        return min(self._cores, math.ceil(_OVERHEAD * here_s / reading_s) + 1)

    def _begin(self, wanted: int, hand_bytes: int) -> None:
        with contextlib.suppress(OSError, pickle.PicklingError, AttributeError, TypeError):
            task = pickle.dumps((self._function, self._same))
            self._memory = _Memory(task, hand_bytes, wanted * _DEPTH)
            for k in range(wanted):
                self._processes.append(_Process(self._memory, k * _DEPTH))
            return
        self._cores = 1  # the rest is worked out here


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    hand: list[Frame]
    process: _Process


def _hands(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    """Put some small frames together: a message costs as much as a tenth of a frame's work."""
    hand: list[Frame] = []
    for frame in frames:
        hand.append(frame)
        if sum(each.image.nbytes for each in hand) >= _HAND_BYTES or len(hand) == _HAND_FRAMES:
            yield hand
            hand = []
    if hand:
        yield hand


class _Memory:
    """Memory that processes share: what all need to know, and places for frames.

    It has no name, and is gone with the last that uses it.
    """

    def __init__(self, task: bytes, hand_bytes: int, hands: int) -> None:
        self._first = _pages(len(task))
        self._step = _pages(hand_bytes)
        self.task_bytes, self.size = len(task), self._first + hands * self._step
        with contextlib.ExitStack() as stack:
            if hasattr(os, "memfd_create"):
                self.file = os.memfd_create("tem-track")
            else:
                file = stack.enter_context(tempfile.TemporaryFile())
                self.file = os.dup(file.fileno())
        os.ftruncate(self.file, self.size)
        self._map = mmap.mmap(self.file, self.size)
        self._map[: len(task)] = task

    def put(self, hand: Sequence[Frame], place: int) -> list[int] | None:
        """Write frames to a place and return where each begins; None where they are too large."""
        if sum(frame.image.nbytes for frame in hand) > self._step:
            return None
        begins, begin = [], self._first + place * self._step
        for frame in hand:
            image: np.ndarray[Any, Any] = np.ndarray(
                frame.image.shape, frame.image.dtype, self._map, begin
            )
            image[...] = frame.image
            begins.append(begin)
            begin += frame.image.nbytes
        return begins

    def close(self) -> None:
        """Let it go."""
        with contextlib.suppress(BufferError):
            self._map.close()
        os.close(self.file)


def _pages(size: int) -> int:
    return -(-size // _PAGE) * _PAGE


class _Process:
    """One process, what it has before it, and where its frames lie."""

    def __init__(self, memory: _Memory, first: int) -> None:
        self._memory, self._first = memory, first
        self._asked = 0
        self.before = 0
        self._is_ready = self._is_dead = False
        numbers = (memory.size, memory.task_bytes)
        self._process = OwnProcess("tem_track.apart", [memory.file], numbers)
        self._line = self._process.line

    def is_ready(self) -> bool:
        """Tell whether it has begun, and not ended."""
        if not (self._is_ready or self._is_dead):
            try:
                self._is_ready = self._line.poll() and self._line.recv() is None
            except (OSError, EOFError):
                self._is_dead = True
        return self._is_ready and not self._is_dead

    def ask(self, hand: Sequence[Frame]) -> bool:
        """Hand it some frames; False where it cannot be."""
        begins = self._memory.put(hand, self._first + self._asked % _DEPTH)
        if begins is None:
            return False
        told = [
            (
                frame.index,
                frame.time_s,
                frame.ok,
                frame.note,
                at,
                frame.image.shape,
                frame.image.dtype,
            )
            for frame, at in zip(hand, begins, strict=True)
        ]
        try:
            self._line.send(told)
        except OSError:
            self._is_dead = True
            return False
        self._asked += 1
        self.before += 1
        return True

    def answers(self) -> list[Any]:
        """Return its answers for the frames that it was handed first, up to where it failed."""
        self.before -= 1
        try:
            answers: list[Any] = self._line.recv()
        except (OSError, EOFError):
            self._is_dead = True
            return []
        return answers

    def ask_to_end(self) -> None:
        """Close the line, at which it ends."""
        self._line.close()

    def wait(self) -> None:
        """Wait until it has ended."""
        self._process.end()


def _serve(line: Connection, shared: mmap.mmap, task_bytes: int) -> None:
    """Answer until the line is closed."""
    one_heap()
    function, same = pickle.loads(shared[:task_bytes])
    with one_thread_a_routine():
        line.send(None)
        while True:
            answers: list[Any] = []
            told = line.recv()
            with contextlib.suppress(Exception):  # it is met again where it can be raised
                answers.extend(function(frame, same) for frame in _told(told, shared))
            line.send(answers)


def _told(told: Sequence[tuple[Any, ...]], shared: mmap.mmap) -> Iterator[Frame]:
    for index, time_s, ok, note, begin, shape, kind in told:
        image: np.ndarray[Any, Any] = np.ndarray(shape, kind, shared, begin)
        image.setflags(write=False)
        yield Frame(index, time_s, image, ok, note)


def _main(line: int, shared: int, size: int, task_bytes: int) -> None:
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _serve(Connection(line), mmap.mmap(shared, size), task_bytes)


if __name__ == "__main__":
    from tem_track import apart  # under its own name, by which its answers pickle

    apart._main(*map(int, sys.argv[1:]))
    sys.stdout.flush()
    os._exit(0)  # nothing is left to do, and taking all libraries down takes long

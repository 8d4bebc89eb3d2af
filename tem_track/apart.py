"""A function of frames worked out in processes of their own, in the frames' order.

Threads of one interpreter wait for each other at every step that is not compiled, and a frame of
512 x 512 px has some thousands of them: two threads measured no more than one. A process waits for
nobody. It is told where a frame lies in memory that all share, and answers over a socket; at the
end of its parent, however that ends, the socket closes and it ends as well. The parent does its
part: while all processes have enough before them it works out the next frames itself. Where there
is not enough to do, and where processes cannot be had, it does all of them.
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
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from typing import Any, Generic, TypeVar

import numpy as np

from tem_track.cores import one_heap, one_thread_a_routine
from tem_track.processes import OwnProcess, can_start
from tem_track.records import Frame

__all__ = ["Apart", "Standby"]

Answer = TypeVar("Answer")

WORTH_S = 1.5
"""Time to be saved for which processes are begun; each takes more than a second until it helps."""
WORTH_EARLY_S = 1.0
"""The same where they load while this one still has to prepare, on a core that idles."""
_TRIED_S = 0.5
_OVERHEAD = 1.1
_DEPTH = 4
"""Hands of frames that a process has before it, so that it never waits for the next."""
_HAND_BYTES, _HAND_FRAMES = 2_000_000, 16
_MOST_WAITING = 64
"""Hands that wait for an earlier one's answers: a process may be held up for long."""
_PAGE = 4096
"""Bytes by which memory that processes share is aligned: a page of common systems."""


def worth_beginning(
    function_s: float, reading_s: float, frames: int, processes: int, least_s: float
) -> int:
    """Return how many processes beside this one save more than a time; 0 where none would.

    Parameters
    ----------
    function_s, reading_s : float
        Processor time to work out a frame, and to read it in a thread beside.
    frames : int
    processes : int
        The most that there may be, this one included.
    least_s : float
    """
    reading_s = max(reading_s, 1e-9)
    shared_s = _OVERHEAD * max((function_s + reading_s) / processes, reading_s)
    if (max(function_s, reading_s) - shared_s) * frames < least_s:
        return 0
    return min(processes - 1, math.ceil(_OVERHEAD * function_s / reading_s))


class Standby:
    """Processes that load the program while it is not known yet what they are to answer.

    Those that nobody takes end with the context.

    Parameters
    ----------
    processes : int
        The most that will work, this one included.
    done : int
        Frames that will not be asked for.
    """

    def __init__(self, processes: int = 1, done: int = 0) -> None:
        self._processes = processes if can_start() else 1
        self._done = done
        self._waiting: list[OwnProcess] = []

    def __enter__(self) -> Standby:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.take():
            process.end(at_once=True)

    def begin_where_worth_while(
        self, function_s: float, reading_s: float, frames: int, modules: Sequence[str]
    ) -> None:
        """Begin processes, which load some modules, where they will save time.

        Those that were begun before count.

        Parameters
        ----------
        function_s, reading_s : float
            Processor time to work out a frame, and to read it.
        frames : int
            How many there are.
        modules : sequence of str
        """
        left = frames - self._done
        count = worth_beginning(function_s, reading_s, left, self._processes, WORTH_EARLY_S)
        count -= len(self._waiting)
        with contextlib.suppress(OSError):
            for _ in range(count):
                self._waiting.append(_begun(modules))

    def take(self) -> list[OwnProcess]:
        """Return those that were begun; they are the caller's."""
        taken, self._waiting = self._waiting, []
        return taken


def _begun(modules: Sequence[str]) -> OwnProcess:
    process = OwnProcess("tem_track.apart")
    process.line.send(list(modules))
    return process


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
        The most that work, this one included; one is this one alone.
    expected : int
        About how many frames will come, to tell whether processes are worth while.
    reading_s : callable, optional
        Returns the processor time to read a frame, None where it is not known: then all time of
        this process that is not the function's counts.
    standby : Standby, optional
        Processes that were begun before; they are told at once.
    """

    def __init__(
        self,
        function: Callable[[Frame, Any], Answer],
        same: Any,
        processes: int,
        expected: int,
        reading_s: Callable[[], float | None] = lambda: None,
        standby: Standby | None = None,
    ) -> None:
        self._function, self._same = function, same
        self._cores = processes if can_start() else 1
        self._standby = standby or Standby()
        self._left = expected
        self._reading_s = reading_s
        self._begun, self._tried, self._spent_s = time.process_time(), 0, 0.0
        self._memory: _Memory | None = None
        self._processes: list[_Process] = []

    def __enter__(self) -> Apart[Answer]:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.ask_to_end()
        for process in self._processes:
            process.wait()
        if self._memory is not None:
            self._memory.close()

    def answers(self, frames: Iterable[Frame]) -> Iterator[Answer]:
        """Yield the answers in the frames' order; an error of the function is raised here."""
        waiting: deque[_Task[Answer]] = deque()
        for hand in _hands(frames):
            self._begin_where_worth_while(hand)
            process = self._free()
            if process is not None and process.ask(hand):
                waiting.append(_Task(hand, process))
            elif waiting:
                answers = self._tried_here(hand)
                waiting.append(_Task(hand[len(answers) :], None, answers))
            else:
                for frame in hand:
                    yield self._here(frame)
            while waiting and (waiting[0].is_answered() or len(waiting) > _MOST_WAITING):
                yield from self._answers(waiting.popleft())
        while waiting:
            yield from self._answers(waiting.popleft())

    def _answers(self, task: _Task[Answer]) -> Iterator[Answer]:
        yield from task.answers
        answers = task.process.answers() if task.process is not None else []
        yield from answers
        for frame in task.hand[len(answers) :]:  # a process died, or something failed there
            yield self._here(frame)

    def _tried_here(self, hand: Sequence[Frame]) -> list[Answer]:
        """Return the answers up to the first error, which is met again when its turn comes."""
        answers: list[Answer] = []
        with contextlib.suppress(Exception):
            answers.extend(self._here(frame) for frame in hand)
        return answers

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
            ready = self._standby.take()
            wanted = len(ready) or self._worth_while()
            if wanted:
                self._begin(wanted, _HAND_BYTES + hand[0].image.nbytes, ready)

    def _worth_while(self) -> int:
        """Return how many processes would save enough time; 0 where it is not known yet."""
        both_s, here_s = time.process_time() - self._begun, self._spent_s
        if both_s < _TRIED_S or not self._tried:
            return 0
        reading_s, here_s = (both_s - here_s) / self._tried, here_s / self._tried
        known_s = self._reading_s()
        if known_s is not None:  # what is read before it is asked for does not count twice
            reading_s = known_s
        return worth_beginning(here_s, reading_s, self._left, self._cores, WORTH_S)

    def _begin(self, wanted: int, hand_bytes: int, ready: list[OwnProcess]) -> None:
        with contextlib.suppress(OSError, pickle.PicklingError, AttributeError, TypeError):
            task = pickle.dumps((self._function, self._same))
            self._memory = _Memory(task, hand_bytes, wanted * _DEPTH)
            for k in range(wanted):
                process = ready.pop() if ready else _begun(())
                self._processes.append(_Process(process, self._memory, k * _DEPTH))
            return
        for process in ready:
            process.end(at_once=True)
        self._cores = 1  # the rest is worked out here


@dataclass(frozen=True, slots=True, eq=False)
class _Task(Generic[Answer]):
    """Answers that are known, and the frames after them, which a process was handed.

    Frames that were answered here are not held: many hands may wait for a slow process.
    """

    hand: Sequence[Frame]
    process: _Process | None
    answers: Sequence[Answer] = ()

    def is_answered(self) -> bool:
        """Tell whether its answers can be had without waiting."""
        return self.process is None or self.process.has_answered()


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

    def __init__(self, process: OwnProcess, memory: _Memory, first: int) -> None:
        self._memory, self._first = memory, first
        self._asked = 0
        self.before = 0
        self._is_ready = self._is_dead = False
        self._process, self._line = process, process.line
        try:
            self._line.send((memory.size, memory.task_bytes))
            send_handle(self._line, memory.file, process.pid)
        except OSError:
            self._is_dead = True

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

    def has_answered(self) -> bool:
        """Tell whether the answers to what it was handed first are there, or will never be."""
        try:
            return self._is_dead or self._line.poll()
        except OSError:
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


def _main(line: int) -> None:
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        parent = Connection(line)
        one_heap()
        for module in parent.recv():
            import_module(module)
        size, task_bytes = parent.recv()
        _serve(parent, mmap.mmap(recv_handle(parent), size), task_bytes)


if __name__ == "__main__":
    from tem_track import apart  # under its own name, by which its answers pickle

    apart._main(int(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)  # nothing is left to do, and taking all libraries down takes long

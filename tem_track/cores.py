"""Cores and memory: how many threads measure, that each stays one, and what is given back.

Compiled loops, NumPy and OpenCV leave the interpreter free, so that threads help for what is large.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar, cast

__all__ = [
    "at_once",
    "cores",
    "give_back_memory",
    "hands",
    "in_turn",
    "one_heap",
    "one_thread_a_routine",
]

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_ARENA_MAX = -8
"""M_ARENA_MAX of GNU's malloc.h."""


def cores() -> int:
    """Return how many cores this process may use: on a cluster fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def at_once(function: Callable[[Item], Answer], items: Iterable[Item]) -> list[Answer]:
    """Return a function's answers in the items' order, worked out in a thread a core.

    The function must depend on its item alone, so that the answers do not depend on the threads.
    """
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(function, items))


def in_turn(
    function: Callable[[Item], Answer],
    items: Iterable[Item],
    *,
    threads: int | None = None,
    ahead: int | None = None,
) -> Generator[Answer]:
    """Yield what `at_once` returns; items are taken a few ahead, so that large ones do not pile up.

    The same is asked of the function.

    Parameters
    ----------
    function : callable
    items : iterable
    threads : int, optional
        By default one a core.
    ahead : int, optional
        Items that are worked on or wait to be fetched; by default two a thread.
    """
    threads = threads or cores()
    ahead = ahead or 2 * threads
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Answer]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def hands(items: Sequence[Item], size: int = 8) -> list[Sequence[Item]]:
    """Cut a sequence into parts of a fixed size: sums over each do not depend on the threads."""
    return [items[start : start + size] for start in range(0, len(items), size)]


@contextmanager
def one_thread_a_routine(*, scipy_too: bool = True) -> Iterator[None]:
    """Keep the linear algebra from starting threads of its own beside those that measure.

    They would wait for each other. Where the library that limits them is missing the results are
    the same, and take longer.

    Parameters
    ----------
    scipy_too : bool
        SciPy brings a library of its own, limited only once it is there, and loading it takes
        longer than all mechanics: False where NumPy alone calculates.
    """
    if scipy_too:
        import scipy.linalg  # noqa: F401

    with _limited():
        yield


def _limited() -> AbstractContextManager[Any]:
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return cast(AbstractContextManager[Any], threadpool_limits(1, user_api="blas"))


def one_heap() -> None:
    """Let all threads share a heap, where the system's C library makes one for each otherwise.

    What one thread has freed is of no use to another then: a tenth of a run's memory.
    """
    setting = getattr(_c_library(), "mallopt", None)
    if setting is not None:
        setting(_ARENA_MAX, 1)


def give_back_memory() -> None:
    """Give memory that is free again back to the system, where its C library keeps it."""
    trim = getattr(_c_library(), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _c_library() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if sys.platform == "linux" else None

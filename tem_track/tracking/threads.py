"""The same for many crops or frames: compiled loops and OpenCV leave the interpreter free."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from tem_track.cores import cores

__all__ = ["at_once", "in_turn"]

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def at_once(function: Callable[[Item], Answer], items: Iterable[Item]) -> list[Answer]:
    """Return a function's answers in the items' order, worked out in a thread a core.

    The function must depend on its item alone, so that the answers do not depend on the threads.
    """
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(function, items))


def in_turn(function: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[Answer]:
    """Yield what `at_once` returns; items are taken a few ahead, so that large ones do not pile up.

    The same is asked of the function.
    """
    threads = cores()
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Answer]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

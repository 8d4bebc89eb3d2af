"""The same for many crops at once: compiled loops and OpenCV leave the interpreter to others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["at_once"]

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def at_once(function: Callable[[Item], Answer], items: Iterable[Item]) -> list[Answer]:
    """Return a function's answers in the items' order, worked out in a thread a core.

    The function must depend on its item alone, so that the answers do not depend on the threads.
    """
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(function, items))

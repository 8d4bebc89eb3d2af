"""Cores and memory: how many threads measure, that each stays one, and what is given back."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, cast

__all__ = ["cores", "give_back_memory", "one_heap", "one_thread_a_routine"]

_ARENA_MAX = -8
"""M_ARENA_MAX of GNU's malloc.h."""


def cores() -> int:
    """Return how many cores this process may use: on a cluster fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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

    What one thread has freed is of no use to another then; it was 40 MB of 400.
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

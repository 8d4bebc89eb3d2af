"""How many threads measure at a time, and that each of them stays one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, cast

__all__ = ["cores", "one_thread_a_routine"]


def cores() -> int:
    """Return how many cores this process may use: on a cluster fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def one_thread_a_routine() -> Iterator[None]:
    """Keep the linear algebra from starting threads of its own beside those that measure.

    They would wait for each other. Where the library that limits them is missing the results are
    the same, and take longer.
    """
    import scipy.linalg  # noqa: F401  # brings a library of its own, limited only once it is there

    with _limited():
        yield


def _limited() -> AbstractContextManager[Any]:
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return cast(AbstractContextManager[Any], threadpool_limits(1, user_api="blas"))

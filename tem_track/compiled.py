"""How the few inner loops are compiled, wherever they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

__all__ = ["compiled", "inner"]

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that compiles; the machine code is kept on disk where there is a place.

    An installation that cannot be written to, used by someone without a folder of their own, has
    none: then every process compiles for itself.

    Parameters
    ----------
    **options
        What `numba.njit` is told: ``nogil``, ``fastmath``, ``error_model``.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            return njit(cache=True, **options)(function)  # type: ignore[no-any-return]
        except RuntimeError:
            return njit(**options)(function)  # type: ignore[no-any-return]

    return decorate


def inner(function: Function) -> Function:
    """Compile a function that only compiled ones call: its machine code is kept in theirs."""
    return cast(Function, njit(function))

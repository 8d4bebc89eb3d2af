from __future__ import annotations

from typing import Any

import numba
import pytest

from tem_track import compiled as module


def test_without_a_place_for_machine_code_a_loop_is_compiled_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unwritable(*, cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return numba.njit(**options)

    monkeypatch.setattr(module, "njit", unwritable)

    @module.compiled(nogil=True)
    def twice(x: float) -> float:
        return 2 * x

    assert twice(3.0) == 6.0
    assert twice.signatures

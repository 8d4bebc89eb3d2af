from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from tem_track import compiled as module
from tem_track.reducing import mean_blocks


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


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("side", [2, 3, 4, 7])
def test_means_of_blocks_are_exact(kind: str, side: int) -> None:
    image = np.random.default_rng(side).integers(0, np.iinfo(kind).max + 1, (45, 71)).astype(kind)
    high, wide = 45 // side, 71 // side
    blocks = image[: high * side, : wide * side].reshape(high, side, wide, side)
    mean = blocks.astype(np.int64).sum(axis=(1, 3)).astype(np.float32) * np.float32(1 / side**2)
    assert np.array_equal(mean_blocks(image, side), mean)
    image.flags.writeable = False
    assert np.array_equal(mean_blocks(image.T, side), mean_blocks(image.T.copy(), side))

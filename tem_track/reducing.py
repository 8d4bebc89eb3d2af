"""Means of square blocks of whole grey values: one pass, and no large picture of floats between."""

from __future__ import annotations

from typing import Any

import numpy as np

from tem_track.compiled import compiled

__all__ = ["WHOLE", "mean_blocks"]

WHOLE = ("uint8", "uint16")
"""Kinds of grey values of which the sum of a block is exact."""


def mean_blocks(image: Any, side: int) -> Any:
    """Return the means of blocks of side by side pixels; a rest at the far borders is left off.

    Parameters
    ----------
    image : uint8 or uint16 (h, w)
    side : int

    Returns
    -------
    float32 (h // side, w // side)
    """
    out = np.empty((image.shape[0] // side, image.shape[1] // side), np.float32)
    _mean_blocks(np.ascontiguousarray(image), side, out)
    return out


@compiled(nogil=True)
def _mean_blocks(image: Any, side: int, out: Any) -> None:
    n, m = out.shape
    wide = m * side
    sums = np.empty(wide, np.int32)
    part = np.float32(1.0 / (side * side))
    for i in range(n):
        sums[:] = 0
        for k in range(side):
            row = image[i * side + k]
            for c in range(wide):
                sums[c] += np.int32(row[c])
        if side == 2:  # the commonest, which many are summed of at a time
            for j in range(m):
                out[i, j] = np.float32(sums[2 * j] + sums[2 * j + 1]) * part
            continue
        for j in range(m):
            total = np.int32(0)
            for k in range(side):
                total += sums[j * side + k]
            out[i, j] = np.float32(total) * part

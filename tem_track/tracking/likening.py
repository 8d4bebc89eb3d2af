"""The last step of the global search, compiled: sums to a map of correlations."""

from __future__ import annotations

from typing import Any

import numpy as np

from tem_track.compiled import compiled, inner

__all__ = ["liken", "liken_whole"]

_NONE, _MOST = np.float32(-1.0), np.float32(2.0)
"""What is returned where there is no contrast, and a correlation beyond which one is no number."""
_PLAIN: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


@inner
def _likeness(cross: Any, spread: Any, least: Any, energy: Any) -> Any:
    """Return the correlation; -1 where there is no contrast, or what is no number."""
    found = cross / np.sqrt(max(spread, least) * energy)
    return found if spread > least and abs(found) < _MOST else _NONE


@compiled(**_PLAIN)
def liken(
    cross: Any, sum_: Any, squares: Any, total: float, least: float, energy: float, out: Any
) -> None:
    """Write the normalised correlation of every place.

    Parameters
    ----------
    cross : float32 (n or more, m or more)
        Sums of template times frame, the template less its mean.
    sum_, squares : float32 of the same shape
        Sums of the frame and of its square over the pixels that move with the target.
    total : float
        How many these are.
    least : float
        Sum of squares about their mean that is no contrast.
    energy : float
        That of the template.
    out : float32 (n, m)
    """
    n, m = out.shape
    part, least_, energy_ = np.float32(1.0 / total), np.float32(least), np.float32(energy)
    for i in range(n):
        for j in range(m):
            s = sum_[i, j]
            out[i, j] = _likeness(cross[i, j], squares[i, j] - s * s * part, least_, energy_)


@compiled(**_PLAIN)
def liken_whole(
    cross: Any, sums: Any, squares: Any, h: int, w: int, least: float, energy: float, out: Any
) -> None:
    """Do the same where all pixels of a box of h by w count.

    Parameters
    ----------
    sums, squares : float64 (n + h, m + w)
        Sums of the frame and of its square over everything left and above.
    """
    n, m = out.shape
    part, least_, energy_ = 1.0 / (h * w), np.float32(least), np.float32(energy)
    for i in range(n):
        for j in range(m):
            s = sums[i + h, j + w] - sums[i, j + w] - sums[i + h, j] + sums[i, j]
            q = squares[i + h, j + w] - squares[i, j + w] - squares[i + h, j] + squares[i, j]
            out[i, j] = _likeness(cross[i, j], np.float32(q - s * s * part), least_, energy_)

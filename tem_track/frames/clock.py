"""Time stamps on a regular grid: which are missing, and whether any is off it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Grid", "fit_grid"]

_TOLERANCE_TICKS = 1.01
_LONGEST = 1 << 24
_EMPTIEST = 20
"""More empty places than this a frame, and a stray stamp has made the grid."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Stamps as whole numbers of steps from the first: ``stamp = first + step * number``."""

    first: int
    step: float
    numbers: NDArray[np.int64]

    def missing(self, low: int, high: int) -> list[int]:
        """Return the stamps strictly between `low` and `high` that the grid misses."""
        start = int(np.ceil((low + _TOLERANCE_TICKS - self.first) / self.step))
        stop = int(np.floor((high - _TOLERANCE_TICKS - self.first) / self.step))
        present = set(self.numbers.tolist())
        if stop - start > 2 * len(present) + 100:
            return []
        return [
            round(self.first + self.step * number)
            for number in range(start, stop + 1)
            if number not in present
        ]


def fit_grid(stamps: NDArray[np.int64]) -> Grid | None:
    """Return the regular grid that all stamps lie on, to a tick; None where there is none.

    Frames that a camera has dropped leave places empty; two frames on one place are no grid.
    """
    rising = np.sort(stamps)
    steps = np.diff(rising)
    if len(stamps) < 2 or steps.min() <= 0:
        return None
    numbers = np.concatenate([[0], np.cumsum(np.rint(steps / np.median(steps)))])
    if (
        numbers[-1] > _LONGEST
        or numbers[-1] > _EMPTIEST * len(stamps)
        or np.any(np.diff(numbers) < 1)
    ):
        return None
    step = float((rising[-1] - rising[0]) / numbers[-1])
    if np.max(np.abs(rising - rising[0] - step * numbers)) > _TOLERANCE_TICKS:
        return None
    own = np.rint((stamps - rising[0]) / step).astype(np.int64)
    return Grid(int(rising[0]), step, own)

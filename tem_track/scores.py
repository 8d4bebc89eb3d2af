"""Scores of a movie's frames against each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["unusually_low"]

_LEAST_DROP = 0.15
"""A score that falls by less is still a good one, however quiet the others are."""
_SPREADS = 8
_FEWEST = 5
"""Standard deviations below the median, and scores from which on the median absolute deviation says
anything."""


def unusually_low(score: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the frames whose score is far below the movie's own level.

    What a good score is depends on the movie: on its noise and on how much of a target shows.

    Parameters
    ----------
    score : float array
        Shape (n,), NaN where there is none.

    Returns
    -------
    bool array, shape (n,)
        Below the median by eight standard deviations (from the median absolute deviation), and by
        0.15; nowhere with fewer than five scores.
    """
    known = score[np.isfinite(score)]
    if known.size < _FEWEST:
        return np.zeros(score.shape, dtype=bool)
    level = float(np.median(known))
    spread = 1.4826 * float(np.median(np.abs(known - level)))
    with np.errstate(invalid="ignore"):
        low: NDArray[np.bool_] = score < level - max(_SPREADS * spread, _LEAST_DROP)
    return low

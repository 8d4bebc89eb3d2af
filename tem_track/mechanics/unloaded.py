"""The length of a ball that nothing presses on, bounded by what comes after.

A ball's pole is faint: all frames before contact together tell the length to a few tenths of a
pixel, and off alike. Two things are known better. The tip does not reach into the ball, so that it
is not longer than tip and base are apart in the last frame before contact; and it only becomes
shorter under load, so that it is not shorter than in the first frames in contact.
"""

from __future__ import annotations

import math

import numpy as np

from tem_track.mechanics.known import known_rms
from tem_track.mechanics.measurement import RowArray
from tem_track.records import FloatArray

__all__ = ["bounded_length", "u_shared"]

_LEAST, _NEAREST = 3, 3
"""Frames that tell anything, and frames next to contact that are compared."""
_CHANCE = 2.0
"""Standard errors by which a scatter of few frames may be too small by chance."""
_GRID = np.linspace(-5.0, 5.0, 1001)
"""Standard uncertainties over which the density is summed."""


def u_shared(values: FloatArray, u: FloatArray) -> float:
    """Return how far some values may be off together: the part of u that they do not scatter by.

    Parameters
    ----------
    values, u : array, shape (n,)

    Returns
    -------
    float
        Zero for less than three values.
    """
    if values.size < _LEAST:
        return 0.0
    scatter = float(np.var(values, ddof=1)) * (1 + _CHANCE * math.sqrt(2 / (values.size - 1)))
    return math.sqrt(max(known_rms(u) ** 2 - scatter, 0.0)) if np.isfinite(u).any() else 0.0


def bounded_length(
    length: FloatArray, u: FloatArray, gap: FloatArray, before: RowArray, held: RowArray
) -> tuple[FloatArray, FloatArray]:
    """Return the lengths, those before contact moved to where the bounds allow, and their u.

    Parameters
    ----------
    length, u, gap : array, shape (n,)
        In one unit; no gap in contact.
    before : array of int
        Rows across an open gap before contact.
    held : array of int
        Rows that carry load.
    """
    before = before[np.isfinite(length[before]) & (gap[before] > 0)]
    held = held[np.isfinite(length[held]) & (gap[held] == 0)][:_NEAREST]
    if before.size < _LEAST or not held.size:
        return length, u
    known = length[before]
    alike = u_shared(known, u[before])
    own = float(np.std(known, ddof=1)) * 1.2533 / math.sqrt(known.size)
    last = before[-_NEAREST:]
    highest, lowest = float(np.min(length[last] + gap[last])), float(np.max(length[held]))
    sure = math.sqrt(2) * max(float(np.nan_to_num(known_rms(u[held]))), 1e-9)
    value = float(np.median(known))
    mean, spread = _between(value, max(math.hypot(alike, own), 1e-9), lowest, highest, sure)
    moved, u_moved = length.copy(), u.copy()
    moved[before] += mean - value
    u_moved[before] = np.hypot(np.sqrt(np.maximum(u[before] ** 2 - alike**2, 0.0)), spread)
    return moved, np.where(np.isfinite(u), np.minimum(u, u_moved), u_moved)


def _between(
    value: float, u: float, lowest: float, highest: float, sure: float
) -> tuple[float, float]:
    """Return mean and standard deviation of a normal distribution between two soft bounds.

    A value that lies far beyond them, or bounds that leave no room, contradict each other: then
    the value stays as it was.
    """
    from scipy.special import ndtr  # slow to load, and only balls need it

    x = value + u * _GRID
    density = np.exp(-0.5 * _GRID**2) * ndtr((x - lowest) / sure) * ndtr((highest - x) / sure)
    total = float(density.sum())
    if total < 1e-3 * float(np.exp(-0.5 * _GRID**2).sum()):
        return value, u
    mean = float(density @ x) / total
    return mean, math.sqrt(float(density @ (x - mean) ** 2) / total)

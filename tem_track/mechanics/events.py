"""What happens along the curve, and in which row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from tem_track.mechanics.contact import robust_noise
from tem_track.mechanics.measurement import BoolArray, RowArray
from tem_track.records import FloatArray

__all__ = [
    "Drop",
    "find_drops",
    "first_for_good",
    "first_lasting",
    "first_of_many",
    "largest",
    "let_go",
    "loses_load",
]

_LONG = 50
"""Rows from which on the scatter of the record itself tells its noise."""
_FALSE_CURVES = 3e-4
"""Share of curves without a drop in which noise may make one."""
_TREND_TOO = 1.1
"""The rate of an unloading, which is taken off a step, is known no better than this."""
DROP_FRACTION = 0.10
"""Smallest load drop, as a fraction of the largest force."""


@dataclass(frozen=True, slots=True)
class Drop:
    """A loss of force within one frame.

    Attributes
    ----------
    row : int
        First row after the drop.
    size_nN, u_size_nN : float
    """

    row: int
    size_nN: float
    u_size_nN: float


def first_lasting(mask: BoolArray) -> int | None:
    """Return the first true row that is confirmed by the next known one, or is the last."""
    for row in np.flatnonzero(mask):
        if row + 1 >= len(mask) or mask[row + 1]:
            return int(row)
    return None


def first_for_good(mask: BoolArray, known: BoolArray) -> int | None:
    """Return the first true row after which four of five known rows are true: a fracture stays."""
    for row in np.flatnonzero(mask & known):
        later = mask[row:][known[row:]]
        if later.mean() >= 0.8 and (later.size < 2 or later[1]):
            return int(row)
    return None


def first_of_many(mask: BoolArray, known: BoolArray, many: int = 3) -> int | None:
    """Return the first true row that its next known ones confirm: no single noisy frame does."""
    rows = np.flatnonzero(known)
    true = mask[rows]
    for i in np.flatnonzero(true):
        if true[i : i + many].all() and i + many <= rows.size:
            return int(rows[i])
    return None


def loses_load(force_nN: FloatArray, u_nN: FloatArray, row: int) -> bool:
    """Return whether half of a significant force is gone from a row on: a compressed piece breaks.

    A compressed specimen that is let go keeps its pieces together, so a gap alone is no fracture.
    Nor is it one where the force was not seen to fall: between neighbouring frames, or over one.
    """
    before = np.flatnonzero(np.isfinite(force_nN[:row]))[-3:]
    after = row + np.flatnonzero(np.isfinite(force_nN[row:]))[:3]
    if not before.size or not after.size or after[0] - before[-1] > 2:
        return False
    if not force_nN[after[0]] < 0.5 * force_nN[before[-1]]:
        return False
    carried = float(np.median(force_nN[before]))
    if not carried > 5 * float(np.median(u_nN[before])):
        return False
    return bool(float(np.median(force_nN[after])) < 0.5 * carried)


def let_go(force_nN: FloatArray, u_nN: FloatArray, fracture: int) -> int:
    """Return the row of a fracture in tension, at or before the first one seen in two pieces.

    A crack of a few pixels is not seen yet where the film behind is uneven, but what is parted
    carries nothing: where the force fell at once and nothing was carried from there to the frame
    that shows two pieces, the piece broke when the force fell.
    """
    carries = force_nN[:fracture] > 3 * u_nN[:fracture]
    last = np.flatnonzero(carries)
    if not last.size:
        return fracture
    free = last[-1] + 1 + np.flatnonzero(np.isfinite(force_nN[last[-1] + 1 : fracture]))
    if not free.size or not loses_load(force_nN, u_nN, int(free[0])):
        return fracture
    before = force_nN[: free[0]][np.isfinite(force_nN[: free[0]])][-3:]
    falls = -np.diff([*before, force_nN[free[0]]])
    # Unloading is a run of like steps.
    return int(free[0]) if (falls[:-1] < 0.5 * falls[-1]).all() else fracture


def largest(force_nN: FloatArray, allowed: BoolArray) -> int | None:
    """Return the row of the largest force among the allowed ones, None where there is none."""
    known = allowed & np.isfinite(force_nN)
    if not known.any():
        return None
    return int(np.argmax(np.where(known, force_nN, -np.inf)))


def find_drops(force_nN: FloatArray, u_nN: FloatArray) -> list[Drop]:
    """Find sudden losses of force.

    A step from one known frame to the next counts where what it falls more than its surroundings
    exceeds 10 % of the largest force, less what noise may hide of it, and what noise makes
    somewhere in one curve of three thousand; and where its neighbours do not fall like it.

    Parameters
    ----------
    force_nN, u_nN : FloatArray
        Shape (n,). Only the force is looked at: a change of area model cannot make a drop.
    """
    rows = np.flatnonzero(np.isfinite(force_nN))
    if rows.size < 5:
        return []
    force = force_nN[rows]
    falls = -np.diff(force)
    # The kinks of a short curve look like noise; there the stated u alone must do.
    short = rows.size < _LONG and bool(np.isfinite(u_nN[rows]).any())
    noise = 0.0 if short else math.sqrt(2) * np.nan_to_num(robust_noise(force))
    u = np.hypot(u_nN[rows][1:], u_nN[rows][:-1])
    sigma = np.maximum(noise, np.where(np.isfinite(u), u, 0.0))
    by_chance = -NormalDist().inv_cdf(_FALSE_CURVES / falls.size) * _TREND_TOO * sigma
    # A drop of just that size is seen smaller as often as larger.
    limit = np.maximum(by_chance, DROP_FRACTION * float(np.max(force)) - 3 * sigma)
    # Unloading is a run of like steps; a drop stands alone.
    beside = np.maximum(np.append(falls[1:], 0.0), np.append(0.0, falls[:-1]))
    alone = (beside < 0.5 * falls) & (falls - _unloading(force, sigma) > limit)
    # Over a longer gap any unloading looks sudden.
    alone &= np.diff(rows) <= 2
    found = np.flatnonzero(alone)
    return [Drop(int(rows[i + 1]), float(falls[i]), float(u[i])) for i in found]


def _unloading(force: FloatArray, sigma: FloatArray) -> FloatArray:
    """Return by how much an unloading before or after each step falls per frame, 0 where none does.

    A noisy point that makes one step large makes its neighbours small, so the rate is taken from
    frames beyond both. The neighbour only says, within its noise, whether the fall goes on at all:
    an unloading that begins a frame after a drop is no reason for the drop.
    """
    n = force.size - 1
    reach = min(max((n + 1) // 15, 1), 4)
    edge = np.full(reach + 2, np.nan)
    padded = np.concatenate([edge, force, edge])
    first = reach + 2 + np.arange(n)

    def rate(start: RowArray, end: RowArray) -> FloatArray:
        slope: FloatArray = (padded[start] - padded[end]) / (end - start)
        return slope

    sides = [
        (rate(first + 1, first + 2), rate(first + 2, first + 2 + reach)),
        (rate(first - 1, first), rate(first - 1 - reach, first - 1)),
    ]
    # At the curve's ends the neighbour is all there is.
    rates = [np.fmin(near + sigma, np.where(np.isfinite(f), f, near)) for near, f in sides]
    return np.fmax(0.0, np.fmax(*rates))

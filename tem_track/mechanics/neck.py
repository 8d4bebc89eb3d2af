"""Necking: its onset, and the stress in a neck."""

from __future__ import annotations

import math

import numpy as np

from tem_track.mechanics.measurement import BoolArray
from tem_track.records import FloatArray

__all__ = ["bridgman_factor", "neck_mask"]

_FIRST = 5
"""Frames at least whose widths are the ratio to begin with."""


def bridgman_factor(neck_radius: float, profile_radius: float) -> float:
    """Return equivalent over mean stress in a neck, 1 / ((1 + 2 R/a) ln(1 + a/(2 R))).

    Parameters
    ----------
    neck_radius : float
        Radius a of the smallest section.
    profile_radius : float
        Radius R of the circle along the outline there, in the same unit.

    Notes
    -----
    Bridgman, Studies in Large Plastic Flow and Fracture (1952). 1 without a neck.
    """
    if not (neck_radius > 0 and profile_radius > 0):
        return math.nan
    if math.isinf(profile_radius):
        return 1.0
    ratio = neck_radius / profile_radius
    return 1 / ((1 + 2 / ratio) * math.log1p(ratio / 2))


def neck_mask(
    smallest_nm: FloatArray, mid_nm: FloatArray, u_smallest_nm: FloatArray, u_mid_nm: FloatArray
) -> BoolArray:
    """Return the frames whose smallest width has fallen 3 u below its first share of the mid one.

    Parameters
    ----------
    smallest_nm, mid_nm, u_smallest_nm, u_mid_nm : FloatArray
        Shape (n,), in time's order. The first share is the median of the first frames, a tenth
        of the movie and at least five; their scatter counts where it exceeds the stated u.
    """
    ratio = smallest_nm / mid_nm
    known = np.flatnonzero(np.isfinite(ratio))
    first = ratio[known[: max(_FIRST, known.size // 10)]]
    if first.size < _FIRST:
        return np.zeros(ratio.shape, dtype=bool)
    stated = ratio * np.hypot(u_smallest_nm / smallest_nm, u_mid_nm / mid_nm)
    scatter = float(np.std(first, ddof=1))
    u = np.maximum(np.nan_to_num(stated), scatter) * math.sqrt(1 + 1.57 / first.size)
    fallen: BoolArray = ratio < float(np.median(first)) - 3 * u
    return fallen

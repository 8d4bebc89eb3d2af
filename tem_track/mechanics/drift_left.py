"""Drift under load that cannot be taken off: its size goes into the uncertainty.

Stage drift moves the cantilever against the bar and passes for force. Frames without load before
and after the test show how far it went; with frames before alone the rate seen there is the only
hint, and it is carried on as a standard uncertainty, not as a correction.
"""

from __future__ import annotations

import math

import numpy as np

from tem_track.mechanics.measurement import RowArray
from tem_track.records import FloatArray

__all__ = ["drift_left_nm"]

_FEWEST = 6
"""Rows below which no slope is read."""
_SIGNIFICANT = 3.0
"""Standard deviations from which on what is left of a drift is believed."""
_LAST = 10
"""Last free rows after the load, whose level is held against that before contact."""
_STILL_NM = 1.0
"""Range within which the freed tip counts as standing still, however small the change."""


def drift_left_nm(
    clock: FloatArray, deflection_nm: FloatArray, before: RowArray, after: RowArray
) -> FloatArray:
    """Return the standard uncertainty that drift leaves on the deflection, shape (n,).

    Parameters
    ----------
    clock, deflection_nm : FloatArray
        Shape (n,); the deflection is zero before contact.
    before, after : RowArray
        Rows without load; either may be empty.
    """
    before = before[np.isfinite(deflection_nm[before])]
    after = after[np.isfinite(deflection_nm[after])]
    if not before.size:
        return np.zeros_like(deflection_nm)
    rate = _from_levels(clock, deflection_nm, before, after)
    left: FloatArray = np.abs(rate * (clock - clock[before].mean()))
    return left


def _from_levels(
    clock: FloatArray, deflection_nm: FloatArray, before: RowArray, after: RowArray
) -> float:
    """Mean rate between the free frames at both ends; without the latter, that before contact."""
    after = after[-_LAST:]
    level = deflection_nm[after]
    change = float(np.median(level) - np.mean(deflection_nm[before])) if level.size else 0.0
    # A tip that still moves, as at the end of unloading, shows no level.
    if after.size >= 3 and float(np.ptp(level)) < max(abs(change), _STILL_NM):
        spread = float(np.std(level, ddof=1)) / math.sqrt(after.size)
        span = float(clock[after].mean() - clock[before].mean())
        return change / span if abs(change) > _SIGNIFICANT * spread and span > 0 else 0.0
    return _slope(clock[before], deflection_nm[before])


def _slope(t: FloatArray, y: FloatArray) -> float:
    if t.size < _FEWEST:
        return 0.0
    d = t - t.mean()
    slope = float(d @ y / (d @ d))
    left = y - y.mean() - slope * d
    u = math.sqrt(float(left @ left) / (t.size - 2) / float(d @ d))
    return slope if abs(slope) > _SIGNIFICANT * u else 0.0

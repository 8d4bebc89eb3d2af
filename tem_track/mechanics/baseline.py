"""Slow drift of the tip against the bar where the tip is known to be free.

Stage drift moves the cantilever but not the bar. Frames without load show it, since there the force
is zero: in a movie without contact it is taken off as a smooth curve; with contact a straight
line between the free frames before it and those after release, where it is beyond doubt. It is
never drawn on beyond them: drift turns, and a slope seen over 15 frames says little of the next
100. What was seen before contact is warned about instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.mechanics.contact import FARTHEST_DRIFT_PX
from tem_track.mechanics.known import known_median
from tem_track.mechanics.measurement import RowArray
from tem_track.records import FloatArray

__all__ = ["Drift", "find_drift"]

_FEWEST = 8
"""Free rows below which no drift is sought."""
_SIGNIFICANT = 5.0
"""Standard deviations by which the drift has to stand out of the scatter."""
_HIGHEST_ORDER = 4
"""Of the polynomial where nothing is loaded; with load only a line is told from it."""


@dataclass(frozen=True, slots=True, eq=False)
class Drift:
    """What is taken off the motion.

    Attributes
    ----------
    value_px, u_px : FloatArray
        Shape (n,), zero on the mean of the zero's frames; u is common to all frames.
    order : int
        Of the polynomial; 0 where nothing is taken off.
    px_per_s : float
        Mean rate.
    """

    value_px: FloatArray
    u_px: FloatArray
    order: int
    px_per_s: float


def find_drift(
    time_s: FloatArray, motion_px: FloatArray, u_px: FloatArray, free: RowArray, loaded: bool
) -> Drift:
    """Find the drift from the rows in which the tip carries nothing.

    Parameters
    ----------
    time_s, motion_px, u_px : FloatArray
        Shape (n,).
    free : RowArray
        Rows without load.
    loaded : bool
        Whether rows between carry load: then a line at most, and only a certain one.
    """
    nothing = Drift(np.zeros_like(time_s), np.zeros_like(time_s), 0, 0.0)
    rows = free[np.isfinite(motion_px[free]) & np.isfinite(time_s[free])]
    if rows.size < _FEWEST:
        return nothing
    t = (time_s - time_s[rows].mean()) / max(float(np.ptp(time_s[rows])), 1e-12)
    y = motion_px[rows]
    order = _order(t[rows], y, 1 if loaded else _HIGHEST_ORDER)
    if not loaded and float(np.ptp(y)) > FARTHEST_DRIFT_PX:
        return nothing
    if order == 0 or (
        loaded and not _certain(t[rows], y, float(np.nan_to_num(known_median(u_px[rows]))))
    ):
        return nothing
    design = np.vander(t, order + 1, increasing=True)
    fit, covariance = _polynomial(design[rows], y)
    shape = design - design[rows].mean(axis=0)
    value = shape @ fit
    u = np.sqrt(np.clip(np.einsum("ij,jk,ik->i", shape, covariance, shape), 0, None))
    span = float(time_s[rows[-1]] - time_s[rows[0]])
    return Drift(value, u, order, float(value[rows[-1]] - value[rows[0]]) / span)


def _polynomial(design: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    fit = np.asarray(np.linalg.lstsq(design, y, rcond=None)[0], dtype=np.float64)
    left = y - design @ fit
    scatter = float(left @ left) / max(y.size - design.shape[1], 1)
    covariance: FloatArray = np.linalg.pinv(design.T @ design) * scatter
    return fit, covariance


def _order(t: FloatArray, y: FloatArray, highest: int) -> int:
    """Order that the data ask for, by Bayes' information criterion."""
    n = y.size
    scores = []
    for order in range(highest + 1):
        design = np.vander(t, order + 1, increasing=True)
        fit, *_ = np.linalg.lstsq(design, y, rcond=None)
        left = float(((y - design @ fit) ** 2).sum())
        scores.append(n * math.log(max(left, 1e-24) / n) + (order + 1) * math.log(n))
    return int(np.argmin(scores))


def _certain(t: FloatArray, y: FloatArray, u: float) -> bool:
    """Whether a straight drift stands out of noise and of a random walk alike."""
    design = np.vander(t, 2, increasing=True)
    fit, covariance = _polynomial(design, y)
    # A walk's steps are those between neighbours: from before to after the test it went on unseen.
    lags = np.diff(t)
    frame = float(np.median(lags))
    steps = np.diff(y)[lags < 1.5 * frame]
    walk = math.sqrt(max(float(np.var(steps)) - 2 * u**2, 0.0) * float(np.ptp(t)) / frame)
    spread = max(math.sqrt(float(covariance[1, 1])), walk)
    return bool(abs(fit[1]) * float(np.ptp(t)) > _SIGNIFICANT * spread)

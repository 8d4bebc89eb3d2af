"""Three displacements along the loading axis: deflection, deformation, actuator.

Signs: positive in the test's own direction. In compression that is along the axis (base to tip)
and shorter; in tension against the axis and longer. So closure = actuator - deflection -
deformation has one formula.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.mechanics.known import known_rms
from tem_track.mechanics.measurement import RowArray, Track
from tem_track.records import Axis, FloatArray

__all__ = ["Motion", "Zero", "motion_px", "zero_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """A target's motion against the bar along the axis, in the test's direction.

    Attributes
    ----------
    value_px, u_px : FloatArray
        Shape (n,), without a zero; NaN where either is lost.
    """

    value_px: FloatArray
    u_px: FloatArray


@dataclass(frozen=True, slots=True)
class Zero:
    """The zero of a motion.

    Attributes
    ----------
    value_px, u_px : float
        Its uncertainty is common to all frames: it shifts the whole curve.
    scatter_px : float
        Standard deviation of the frames it was taken from; NaN for a single one.
    n_frames : int
    """

    value_px: float
    u_px: float
    scatter_px: float
    n_frames: int


def direction_of_test(axis: Axis, mode: str) -> tuple[float, float]:
    """Return the unit vector (x, y) along which motion counts as positive."""
    dx, dy = axis.along
    return (dx, dy) if mode == "compression" else (-dx, -dy)


def motion_px(target: Track, bar: Track, axis: Axis, mode: str) -> Motion:
    """Return a target's motion against the bar, in pixels, without a zero."""
    direction = direction_of_test(axis, mode)
    bar = bar.bounded_by(target)
    value = target.along_px(direction) - bar.along_px(direction)
    u = np.hypot(target.u_along_px(direction), bar.u_along_px(direction))
    return Motion(value, np.where(np.isfinite(value), u, np.nan))


def zero_of(motion: Motion, rows: RowArray, reference: int) -> Zero:
    """Return the mean over the frames before contact, or the reference frame below three.

    Parameters
    ----------
    motion : Motion
    rows : RowArray
        Rows before contact.
    reference : int
        Row of the reference frame; the nearest measured one stands in where it is lost.
    """
    rows = rows[np.isfinite(motion.value_px[rows])]
    if rows.size < 3:
        return _single_zero(motion, reference)
    values, u = motion.value_px[rows], motion.u_px[rows]
    scatter = float(np.std(values, ddof=1))
    u_mean = max(scatter, float(np.nan_to_num(known_rms(u)))) / math.sqrt(rows.size)
    return Zero(float(np.mean(values)), u_mean, scatter, int(rows.size))


def _single_zero(motion: Motion, reference: int) -> Zero:
    known = np.flatnonzero(np.isfinite(motion.value_px))
    if not known.size:
        return Zero(math.nan, math.nan, math.nan, 0)
    row = int(known[np.argmin(np.abs(known - reference))])
    return Zero(float(motion.value_px[row]), float(motion.u_px[row]), math.nan, 1)

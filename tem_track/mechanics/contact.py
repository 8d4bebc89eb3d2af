"""Where the curve begins to carry load.

A baseline and a power law, b + c (t - t0)^p for t > t0, is fitted around the first rise, with p
either 1 or 1.5 and the baseline flat or sloping, by least squares over t0; the four are averaged by
likelihood. The gap in the image is the cross-check: a frame that shows a gap carries no load,
unless the curve bends beyond doubt, and then the disagreement is said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from tem_track.mechanics.hinge import Hinge, fit_hinge, smooth_is_enough
from tem_track.mechanics.known import known_median
from tem_track.mechanics.measurement import BoolArray
from tem_track.records import FloatArray

__all__ = ["FARTHEST_DRIFT_PX", "Contact", "find_contact", "open_gap", "robust_noise"]

_SIGNIFICANT = 5.0
"""Standard deviations by which motion has to leave the baseline."""
_MIN_BASELINE = 3
"""Rows that make a baseline."""
_DECISIVE_PX = 10.0
"""Rise from which on motion is load whatever the gap shows; drift does not go so far."""
_PUSHED = 0.2
"""Share of the largest motion that a first cycle must reach to be told from drift."""
FARTHEST_DRIFT_PX = 25.0
"""What a tip may move in a movie without being pushed."""


@dataclass(frozen=True, slots=True)
class Contact:
    """First load on the curve.

    Attributes
    ----------
    row : int or None
        First row that carries load.
    time_s, u_time_s : float
        The contact itself, between frames.
    criterion : str
    power, delta_aicc : float
        Of the hinge; NaN where none was fitted.
    gap_row : int or None
        First row where the image shows the gap closed for good.
    """

    row: int | None
    criterion: str
    time_s: float = math.nan
    u_time_s: float = math.nan
    power: float = math.nan
    delta_aicc: float = math.nan
    gap_row: int | None = None


def robust_noise(values: FloatArray) -> float:
    """Return the noise of a sequence from its second differences, blind to slow changes."""
    second = np.diff(values[np.isfinite(values)], 2)
    if second.size < 2:
        return math.nan
    return float(1.4826 * np.median(np.abs(second)) / math.sqrt(6))


def open_gap(gap_px: FloatArray, u_gap_px: FloatArray) -> BoolArray:
    """Return the frames whose image shows a gap between specimen and tip, beyond doubt."""
    u = np.where(np.isfinite(u_gap_px), u_gap_px, 0.0)
    seen: BoolArray = np.isfinite(gap_px) & (gap_px > np.maximum(1.5, 3 * u))
    return seen


def find_contact(
    time_s: FloatArray,
    motion_px: FloatArray,
    u_px: FloatArray,
    gap_open: BoolArray,
    gap_known: BoolArray,
    connected: bool = False,
) -> Contact:
    """Find the first row that carries load.

    Parameters
    ----------
    time_s, motion_px, u_px : FloatArray
        The tip against the bar in the test's direction, shape (n,).
    gap_open, gap_known : BoolArray
        What the image says of the gap.
    connected : bool
        A tension test: where no gap is seen at first it begins connected.

    Returns
    -------
    Contact
        Its row is None where nothing is loaded.
    """
    gap_row = _closing_row(gap_open, gap_known)
    never_closed = bool(gap_known.sum() >= _MIN_BASELINE) and gap_row is None
    rows = np.flatnonzero(np.isfinite(motion_px))
    if connected and rows.size and not gap_open[gap_known][:_MIN_BASELINE].any():
        return Contact(0, "begins connected", float(time_s[0]), 0.0, gap_row=gap_row)
    t, y, u = time_s[rows], motion_px[rows], u_px[rows]
    free = gap_open[rows] & gap_known[rows] if gap_row is not None else np.zeros(rows.size, bool)
    found = _from_curve(t, y, u, free)
    if found.row is None:
        return replace(found, gap_row=gap_row)
    if never_closed and not _decisive(t, y, u):
        return Contact(None, "the image shows a gap in every frame")
    if never_closed:
        found = replace(found, criterion=f"{found.criterion}; the image shows a gap all the same")
    row = int(rows[min(found.row or 0, rows.size - 1)])
    return replace(found, row=row, gap_row=gap_row)


def _closing_row(gap_open: BoolArray, gap_known: BoolArray) -> int | None:
    """First of two known rows running that are closed, after the last two running that are open."""
    rows = np.flatnonzero(gap_known)
    if rows.size < _MIN_BASELINE:
        return None
    closed = ~gap_open[rows]
    pairs = closed[:-1] & closed[1:]
    if not pairs.any():
        return None
    return int(rows[int(np.argmax(pairs))])


def _from_curve(t: FloatArray, y: FloatArray, u: FloatArray, free: BoolArray) -> Contact:
    onset = _onset(y, u, free)
    if onset is None:
        return Contact(None, "the tip moves no further than its noise")
    if onset < _MIN_BASELINE:
        return _at_once(t, y, u, onset)
    return _refined(t, y, onset, float(np.nan_to_num(known_median(u))))


def _at_once(t: FloatArray, y: FloatArray, u: FloatArray, onset: int) -> Contact:
    """Return the first row above the first one: there is no baseline that could be fitted."""
    typical = float(np.nan_to_num(known_median(u)))
    noise = max(np.nan_to_num(robust_noise(y)), typical, 1e-9)
    risen = y[: onset + 1] > y[0] + _SIGNIFICANT * noise
    row = int(np.argmax(risen)) if risen.any() else onset
    before = float(t[max(row - 1, 0)])
    middle, u_time = (before + float(t[row])) / 2, (float(t[row]) - before) / math.sqrt(12)
    return Contact(row, "fewer than three frames before the first load", middle, u_time)


def _onset(motion: FloatArray, u: FloatArray, free: BoolArray) -> int | None:
    """First row from which the tip stays beyond its noise until it has clearly been pushed.

    That is the first time it goes a fifth of its way; a later cycle may go farther. Rows in which
    the image shows a gap do not count: what moves the tip there is no load.
    """
    if motion.size < _MIN_BASELINE + 2:
        return None
    level = float(np.median(motion[:_MIN_BASELINE]))
    typical = float(np.nan_to_num(known_median(u)))
    noise = max(np.nan_to_num(robust_noise(motion)), typical, 1e-9)
    # The first tenth shows how far a free tip wanders, unless it is loaded there already.
    spread = _about_line(motion[: max(_MIN_BASELINE, int(0.1 * motion.size))])
    first = _leaves(motion, level, noise, free) or 0
    if first >= 5 and spread > 5 * max(_about_line(motion[:first]), noise):
        spread = _about_line(motion[:first])
    return _leaves(motion, level, max(noise, spread), free)


def _leaves(motion: FloatArray, level: float, noise: float, free: BoolArray) -> int | None:
    """First row from which the motion stays up until it has gone a fifth of its way."""
    top = int(np.argmax(_smooth3(motion)))
    if motion[top] <= level + (_SIGNIFICANT + 1) * noise:
        return None
    limit = level + _SIGNIFICANT * noise
    pushed = _smooth3(motion) > max(limit, level + _PUSHED * (motion[top] - level))
    pushed &= ~free
    first = int(np.argmax(pushed)) if pushed[: top + 1].any() else top
    below = np.flatnonzero(motion[: first + 1] <= limit)
    return int(below[-1]) + 1 if below.size else 0


def _about_line(values: FloatArray) -> float:
    """Scatter about a straight line: a base that drifts, or is loaded already, is not noise."""
    if values.size < 5:
        return 0.0
    steady = np.arange(values.size) - (values.size - 1) / 2
    slope = float(steady @ values / (steady @ steady))
    left = values - values.mean() - slope * steady
    return math.sqrt(float(left @ left) / (values.size - 2))


def _smooth3(values: FloatArray) -> FloatArray:
    padded = np.concatenate([values[:1], values, values[-1:]])
    middle: FloatArray = np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0)
    return middle


def _refined(t: FloatArray, motion: FloatArray, onset: int, u: float) -> Contact:
    """Fit the hinge around the onset."""
    stop = _window_end(motion, onset)
    hinge = fit_hinge(t[:stop], motion[:stop], u)
    row = int(np.searchsorted(t, hinge.position, side="right"))
    return Contact(
        row=max(row, 1) if hinge.sloping else min(max(row, 1), onset),
        criterion=_described(hinge),
        time_s=hinge.position,
        u_time_s=hinge.u_position,
        power=hinge.power,
        delta_aicc=hinge.delta_aicc,
    )


def _described(hinge: Hinge) -> str:
    baseline = "sloping" if hinge.sloping else "flat"
    return f"{baseline} baseline and power law, p = {hinge.power:g}"


def _window_end(motion: FloatArray, onset: int) -> int:
    """Enough of the rise to see its shape, little enough that a power law is its shape."""
    base = motion[:onset]
    level = float(np.median(base))
    noise = max(float(np.std(base)), 1e-12)
    top = onset + int(np.argmax(motion[onset:]))
    far = level + max(0.15 * (motion[top] - level), 20 * noise)
    beyond = np.flatnonzero(motion[onset : top + 1] > far)
    stop = onset + int(beyond[0]) + 1 if beyond.size else top + 1
    stop = min(max(stop, onset + 5), motion.size)
    return min(stop, max(_stall(motion, onset, level + 20 * noise, noise), onset + 3))


def _stall(motion: FloatArray, onset: int, far: float, noise: float) -> int:
    """First row after the onset in which the rise has stopped, as in a test that goes by steps."""
    slope = (motion[onset + 3 :] - motion[onset:-3]) / 3
    fastest = np.maximum.accumulate(slope) if slope.size else slope
    stopped = 0.3 * fastest - slope > 4 * noise * math.sqrt(2) / 3
    stopped &= motion[onset:-3] > far if slope.size else stopped
    return onset + int(np.argmax(stopped)) + 1 if stopped.any() else motion.size


def _decisive(t: FloatArray, y: FloatArray, u: FloatArray) -> bool:
    """Whether the curve bends so far and so sharply that no slow drift explains it."""
    top = int(np.argmax(_smooth3(y))) + 1
    noise = max(np.nan_to_num(robust_noise(y)), np.nan_to_num(known_median(u)))
    rise = float(y[top - 1] - np.median(y[: max(3, top // 10)]))
    if rise > FARTHEST_DRIFT_PX:
        return True
    far = rise > max(_DECISIVE_PX, 30 * noise)
    return bool(far and top > 12 and not smooth_is_enough(t[:top], y[:top], noise))

"""End faces: where a profile along the axis steps from one body to the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtr

from tem_track.records import FloatArray
from tem_track.specimen.end_fit import descend_end
from tem_track.specimen.step_fit import WINDOW_PX, explained

__all__ = ["Gate", "Step", "find_step", "fit_end", "flat_end", "half_level", "measure_blur"]


_GATE_PX, _GATE_STEP_PX = (-50.0, 80.0), 0.1
"""Reach and grid of the tabled step."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step in a profile: where, how sure, how high (above minus below)."""

    s_px: float
    u_px: float
    height: float


def find_step(
    profile: FloatArray,
    s_px: FloatArray,
    near_px: float,
    reach_px: float,
    blur_px: float,
    sign: int = 0,
    window_px: float = WINDOW_PX,
) -> Step:
    """Find the step that explains a profile best within reach of a guess.

    Both sides may slope: the model is two straight lines joined by a blurred step, first where it
    explains most of the profile, then by least squares on the pixels about that place.

    Parameters
    ----------
    profile, s_px : array, shape (n,)
    near_px, reach_px : float
        Middle and half width of the search.
    blur_px : float
        Standard deviation of the blur.
    sign : {-1, 0, 1}
        Whether the profile must fall or rise towards the tip; 0 takes either.
    window_px : float
        Standard deviation of the window in which both sides count as straight.

    Returns
    -------
    Step
        With NaN where the profile holds no samples on both sides.
    """
    use = np.isfinite(profile) & (np.abs(s_px - near_px) <= reach_px + 12.0)
    s, y = s_px[use], profile[use].astype(np.float64)
    if len(s) < 12:
        return Step(float("nan"), float("nan"), float("nan"))
    coarse = np.arange(near_px - reach_px, near_px + reach_px + 0.25, 0.5)
    rest, height, without = explained(s, y, coarse, coarse, float(blur_px), float(window_px))
    allowed = (height * sign > 0) | (sign == 0)
    at = float(coarse[int(np.argmax(np.where(allowed, without - rest, -np.inf)))])
    return _refine(s, y, at, blur_px, window_px)


def _refine(s: FloatArray, y: FloatArray, at: float, blur: float, window_px: float) -> Step:
    """Move to the least residual, re-centring the window until it lies inside."""
    for _ in range(6):
        trial = at + np.arange(-1.5, 1.55, 0.05)
        centre = at
        about = np.full(len(trial), centre)
        costs, heights, _ = explained(s, y, trial, about, float(blur), float(window_px))
        best = int(np.argmin(costs))
        at = float(trial[best])
        if abs(best - len(trial) // 2) < 4:
            break
    if not 0 < best < len(trial) - 1:
        return Step(at, 3.0, float(heights[best]))
    a, b, c = costs[best - 1 : best + 2]
    curvature = max(a - 2 * b + c, 1e-12)
    shift = float(np.clip(0.5 * (a - c) / curvature, -1, 1)) * 0.05
    window = np.exp(-0.5 * ((s - centre) / window_px) ** 2)
    freedom = max(float((window**2).sum()) - 4, 1.0)
    variance = 2.0 * b / freedom / (curvature / 0.05**2)
    return Step(at + shift, float(np.sqrt(max(variance, 0.0))), float(heights[best]))


def measure_blur(profile: FloatArray, s_px: FloatArray, step: Step) -> float:
    """Return the blur (standard deviation) with which a step is drawn best."""
    ladder = np.geomspace(0.4, 3.5, 24)
    use = np.isfinite(profile) & (np.abs(s_px - step.s_px) < 14)
    s, y = s_px[use], profile[use].astype(np.float64)
    if len(s) < 12:
        return float("nan")
    at = step.s_px + np.arange(-0.6, 0.65, 0.1)
    centre = np.full(len(at), step.s_px)
    costs = [float(explained(s, y, at, centre, float(blur))[0].min()) for blur in ladder]
    return float(ladder[int(np.argmin(costs))])


def half_level(profile: FloatArray, s_px: FloatArray, step: Step, blur_px: float) -> float:
    """Return where a profile passes half-way between the lines that lead up to a step.

    A fringe or a detector's tail, which a blurred step does not know, moves it less than a fit.
    """
    clear = max(2.5 * blur_px, 3.0)
    x = s_px - step.s_px
    sides = [(x > -14) & (x < -clear), (x > clear) & (x < 12)]
    near = np.isfinite(profile) & (np.abs(x) <= clear)
    if min(int((side & np.isfinite(profile)).sum()) for side in sides) < 5 or near.sum() < 4:
        return step.s_px
    lines = [np.polyfit(x[side], profile[side], 1) for side in sides]
    fine = np.arange(-clear, clear, 0.02)
    above = np.interp(fine, x[near], profile[near]) - sum(np.polyval(c, fine) for c in lines) / 2
    crossing = np.flatnonzero(np.diff(np.sign(above)) != 0)
    if not len(crossing):
        return step.s_px
    return step.s_px + float(fine[crossing[np.argmin(np.abs(fine[crossing]))]])


Gate = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""Darkness of an end and its slope at a depth behind it."""


@lru_cache(maxsize=64)
def _tabulated(gate: Gate) -> tuple[FloatArray, FloatArray]:
    """Return an end's look and its slope on an even grid; most frames of a movie share a few."""
    grid = np.arange(_GATE_PX[0], _GATE_PX[1] + _GATE_STEP_PX, _GATE_STEP_PX)
    value, slope = gate(grid)
    return np.ascontiguousarray(value, dtype=float), np.ascontiguousarray(slope, dtype=float)


@lru_cache(maxsize=64)
def flat_end(blur_px: float) -> Gate:
    """Return the look of a flat end: a blurred step."""

    def gate(depth_px: FloatArray) -> tuple[FloatArray, FloatArray]:
        z = depth_px / blur_px
        return ndtr(z), np.exp(-0.5 * z * z) / (np.sqrt(2 * np.pi) * blur_px)

    return gate


def fit_end(
    profile: FloatArray,
    s_px: FloatArray,
    without: FloatArray,
    start_px: float,
    limit_px: float,
    gate: Gate,
    *,
    known: bool = False,
    slopes: bool = True,
) -> tuple[Step, float]:
    """Fit the specimen's free end in front of a face that is known.

    The profile is the picture without the specimen (`without`: gap and face), darkened by a level
    up to the end. It serves down to gaps below the blur, where no edge is to be seen by itself.

    Parameters
    ----------
    profile, without, s_px : array, shape (n,)
        Brightness along the axis, with the specimen and (averaged) without it.
    start_px : float
        A guess of the end.
    limit_px : float
        The face, beyond which the end cannot lie.
    gate : callable
        The look of the end.
    known : bool
        Whether the gate's depth is that of the picture, as for a ball whose profile was learnt;
        otherwise level and slope behind the end are free.
    slopes : bool
        Whether a known darkness may change evenly behind the end, as bend contours make it.

    Returns
    -------
    step : Step
    rest : float
        Mean square of what the model leaves over.
    """
    value, slope = _tabulated(gate)
    at, u, height, rest = descend_end(
        np.ascontiguousarray(profile, dtype=np.float64),
        np.ascontiguousarray(s_px, dtype=np.float64),
        np.ascontiguousarray(without, dtype=np.float64),
        (float(start_px), float(limit_px)),
        (_GATE_PX[0], _GATE_STEP_PX),
        value,
        slope,
        known,
        slopes,
    )
    return Step(at, u, height), rest

"""The fit of all edges of a strip, compiled: Gauss-Newton passes with tabulated filters.

Everything that `fit_bands` calls is compiled into it, so that machine code made and machine code
found on disk give the same last digit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from tem_track.compiled import compiled
from tem_track.records import FloatArray

__all__ = ["N_RESULTS", "fit_bands"]

N_RESULTS = 8
"""Columns of the result: edge, u, background, darkness, last step, pixels, layer, its u."""

_STEP_LIMIT_PX = 2.0
"""Longest step."""
_ENOUGH_PX = 0.003
"""Step that ends the fit."""
_OUTLIER = 4.0
"""Standard deviations from which on a pixel counts less."""
_LEAST_DARKNESS, _MOST_DARKNESS = 0.05, 4.0
"""Between which the body's absorption, over the mean look's, is fitted."""
_STEEPEST = 1.0
"""Largest change of that absorption over the depth of the slope, either way."""
_LEAST_FALL = 0.5
"""Least brightness of the background over that of the pass before."""
_FAINT = 0.3
"""Absorption below which an edge's step is no longer scaled up: a fainter one is mostly noise."""
_LEAST_RADIUS_PX = 0.75
"""Half the width of the thinnest body that is looked up."""
_SETTLED = 2
"""Pass after which outliers are told by the fit, and a short step ends it."""


@njit(inline="always")
def _first_pixel(edge: float, side: int, t_first: float, outside: int) -> tuple[int, float]:
    """Return the outermost column of an edge's window, and its depth."""
    if side > 0:
        j = int(np.ceil(edge - outside - t_first))
        return j, t_first + j - edge
    j = int(np.floor(edge + outside - t_first))
    return j, edge - t_first - j


@njit(inline="always")
def _rung(radius: float, ladder: tuple[float, float], rungs: int) -> tuple[int, float]:
    """Return the rung of the ladder of radii below one, and how far it is towards the next."""
    place = min(max((np.log(radius) - ladder[0]) / ladder[1], 0.0), rungs - 1.001)
    return int(place), place - int(place)


@njit(inline="always")
def _background(band: FloatArray, first: int, side: int, outside: int) -> float:
    """Return the mean of what is seen well outside an edge; 1 where nothing is."""
    total, seen = 0.0, 0
    for i in range(outside - 3):
        at = first + side * i
        if 0 <= at < len(band) and np.isfinite(band[at]):
            total += band[at]
            seen += 1
    return total / seen if seen > 0 else 1.0


@njit(inline="always")
def _residuals(
    band: FloatArray,
    window: tuple[int, int, float],
    pixels: int,
    rung: tuple[int, float],
    grid: tuple[float, float],
    value: FloatArray,
    slope_px: float,
    state: FloatArray,
    is_told: bool,
    sigma: FloatArray,
    rest: FloatArray,
) -> int:
    """Write what is left of an edge's window, in parts of the background; return what is seen.

    `window` is the outermost pixel, the direction inwards and that pixel's depth; `state` the
    edge's background, absorption and slope. Outliers are cut back where they are told by now.
    """
    first, side, depth = window
    low, blend = rung
    background, dark, slope = state[0], state[1], state[2]
    seen = 0
    for i in range(pixels):
        at = first + side * i
        rest[i] = 0.0
        if at < 0 or at >= len(band) or not np.isfinite(band[at]):
            continue
        here = min(max((depth + i - grid[0]) / grid[1], 0.0), value.shape[1] - 1.001)
        cell = int(here)
        part = here - cell
        lower = value[low, cell] + part * (value[low, cell + 1] - value[low, cell])
        upper = value[low + 1, cell]
        upper += part * (value[low + 1, cell + 1] - value[low + 1, cell])
        expected = lower + blend * (upper - lower)
        expected *= dark + slope * max(depth + i, 0.0) / slope_px
        left_over = band[at] / background - 1.0 + expected
        if is_told:
            most = _OUTLIER * sigma[i]
            left_over = min(max(left_over, -most), most)
        rest[i] = left_over
        seen += 1
    return seen


@njit(inline="always")
def _products(
    rest: FloatArray, gain: FloatArray, layer: FloatArray, sigma: FloatArray
) -> tuple[float, float, float, float, float, float]:
    """Return what the filters say of the residuals, and their power over the noise."""
    d0 = d1 = d2 = d3 = d4 = power = 0.0
    for i in range(len(rest)):
        d0 += gain[0, i] * rest[i]
        d1 += gain[1, i] * rest[i]
        d2 += gain[2, i] * rest[i]
        d3 += gain[3, i] * rest[i]
        d4 += layer[i] * rest[i]
        power += (rest[i] / sigma[i]) ** 2
    return d0, d1, d2, d3, d4, power


@njit(inline="always")
def _held(
    d0: float, d1: float, d2: float, d3: float, pull: FloatArray, state: FloatArray
) -> tuple[float, float, float, float]:
    """Add what is known beforehand of an edge's absorption and its slope."""
    for i in range(2):
        off = 1.0 - state[1] if i == 0 else -state[2]
        d0 += pull[0, i] * off
        d1 += pull[1, i] * off
        d2 += pull[2, i] * off
        d3 += pull[3, i] * off
    return d0, d1, d2, d3


@compiled(nogil=True, fastmath={"reassoc", "contract", "arcp", "nsz"}, error_model="numpy")
def fit_bands(
    bands: FloatArray,
    t_first: float,
    start: FloatArray,
    ladder: tuple[float, float],
    grid: tuple[float, float],
    value: FloatArray,
    bank: Any,
    slope_px: float,
    outside: int,
    passes: int,
    moving: bool,
) -> FloatArray:
    """Fit both edges of every band.

    Parameters
    ----------
    bands : array, shape (n, m)
        NaN where nothing was seen.
    t_first : float
    start : array, shape (n, 2)
        Guesses of the left and right edges; NaN where there is none.
    ladder : (float, float)
        Logarithm of the first radius tabulated, and its step.
    grid : (float, float)
        First depth tabulated, and its step.
    value : array, shape (k, p)
        Darkness by radius and depth.
    bank : tuple
        The arrays of a `Bank`, in its order.
    slope_px : float
        Depth over which the darkness changes by its slope.
    outside : int
    passes : int
    moving : bool
        Whether each pass starts from where the last one left the edge. Otherwise the start is
        kept, and the result is the best linear estimate about it: free of local minima, as long
        as the start is right to about the blur.

    Returns
    -------
    array, shape (n, 2, N_RESULTS)
    """
    gain, pull, layer, sigma, u_edge, u_layer, count = bank
    n = len(bands)
    rungs, phases = len(value), gain.shape[1]
    out = np.full((n, 2, N_RESULTS), np.nan)
    state, rest = np.empty((2, 3)), np.empty(gain.shape[3])
    for band in range(n):
        if not (np.isfinite(start[band, 0]) and np.isfinite(start[band, 1])):
            continue
        left, right = start[band, 0], start[band, 1]
        for k in range(2):
            state[k, 0], state[k, 1], state[k, 2] = -1.0, 1.0, 0.0
        for turn in range(passes):
            low, blend = _rung(max((right - left) / 2.0, _LEAST_RADIUS_PX), ladder, rungs)
            row = low + 1 if blend > 0.5 else low
            largest = 0.0
            for k in range(2):
                side = 1 if k == 0 else -1
                edge = left if k == 0 else right
                j, depth = _first_pixel(edge, side, t_first, outside)
                phase = min(int((depth + outside) * phases), phases - 1)
                if state[k, 0] < 0:
                    state[k, 0] = _background(bands[band], j, side, outside)
                is_told = turn > _SETTLED or (turn > 0 and not moving)
                background, dark, slope = state[k, 0], state[k, 1], state[k, 2]
                seen = _residuals(
                    bands[band], (j, side, depth), count[row], (low, blend), grid, value,
                    slope_px, state[k], is_told, sigma[row, phase], rest,
                )  # fmt: skip
                d0, d1, d2, d3, d4, power = _products(
                    rest[: count[row]], gain[row, phase], layer[row, phase], sigma[row, phase]
                )
                d0, d1, d2, d3 = _held(d0, d1, d2, d3, pull[row, phase], state[k])
                scale = max(dark, _FAINT)
                step = d0 / scale
                if moving:
                    step = min(max(step, -_STEP_LIMIT_PX), _STEP_LIMIT_PX)
                    largest = max(largest, abs(step))
                    if k == 0:
                        left += step
                    else:
                        right -= step
                state[k, 0] = background * max(1.0 + d1, _LEAST_FALL)
                state[k, 1] = min(max(dark + d2, _LEAST_DARKNESS), _MOST_DARKNESS)
                state[k, 2] = min(max(slope + d3, -_STEEPEST), _STEEPEST)
                usual = max(power / max(seen - 4, 1), 1.0)
                out[band, k, 0] = left if k == 0 else right
                if not moving:
                    out[band, k, 0] += side * step
                out[band, k, 1] = u_edge[row, phase] / scale * np.sqrt(usual)
                out[band, k, 2] = state[k, 0]
                out[band, k, 3] = state[k, 1]
                out[band, k, 4] = step
                out[band, k, 5] = seen / count[row]
                out[band, k, 6] = d4 / scale
                out[band, k, 7] = u_layer[row, phase] / scale
            if moving and largest < _ENOUGH_PX and turn > _SETTLED:
                break
    return out

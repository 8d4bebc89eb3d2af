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


@njit(inline="always")
def _first_pixel(edge: float, side: int, t_first: float, outside: int) -> tuple[int, float]:
    """Return the outermost column of an edge's window, and its depth."""
    if side > 0:
        j = int(np.ceil(edge - outside - t_first))
        return j, t_first + j - edge
    j = int(np.floor(edge + outside - t_first))
    return j, edge - t_first - j


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
    n, m = bands.shape
    rungs, depths = value.shape
    phases = gain.shape[1]
    out = np.full((n, 2, N_RESULTS), np.nan)
    state, rest = np.empty((2, 3)), np.empty(gain.shape[3])
    for band in range(n):
        if not (np.isfinite(start[band, 0]) and np.isfinite(start[band, 1])):
            continue
        left, right = start[band, 0], start[band, 1]
        for k in range(2):
            state[k, 0], state[k, 1], state[k, 2] = -1.0, 1.0, 0.0
        for turn in range(passes):
            radius = max((right - left) / 2.0, 0.75)
            place = min(max((np.log(radius) - ladder[0]) / ladder[1], 0.0), rungs - 1.001)
            low = int(place)
            blend = place - low
            row = low + 1 if blend > 0.5 else low
            largest = 0.0
            for k in range(2):
                side = 1 if k == 0 else -1
                edge = left if k == 0 else right
                j, depth = _first_pixel(edge, side, t_first, outside)
                phase = min(int((depth + outside) * phases), phases - 1)
                if state[k, 0] < 0:
                    total, seen = 0.0, 0
                    for i in range(outside - 3):
                        at = j + side * i
                        if 0 <= at < m and np.isfinite(bands[band, at]):
                            total += bands[band, at]
                            seen += 1
                    state[k, 0] = total / seen if seen > 0 else 1.0
                background, dark, slope = state[k, 0], state[k, 1], state[k, 2]
                n_pixels = count[row]
                seen = 0
                for i in range(n_pixels):
                    at = j + side * i
                    rest[i] = 0.0
                    if at < 0 or at >= m or not np.isfinite(bands[band, at]):
                        continue
                    here = min(max((depth + i - grid[0]) / grid[1], 0.0), depths - 1.001)
                    cell = int(here)
                    part = here - cell
                    lower = value[low, cell] + part * (value[low, cell + 1] - value[low, cell])
                    upper = value[low + 1, cell]
                    upper += part * (value[low + 1, cell + 1] - value[low + 1, cell])
                    expected = lower + blend * (upper - lower)
                    expected *= dark + slope * max(depth + i, 0.0) / slope_px
                    left_over = bands[band, at] / background - 1.0 + expected
                    if turn > 2 or (turn > 0 and not moving):
                        most = _OUTLIER * sigma[row, phase, i]
                        left_over = min(max(left_over, -most), most)
                    rest[i] = left_over
                    seen += 1
                d0, d1, d2, d3, d4, power = _products(
                    rest[:n_pixels], gain[row, phase], layer[row, phase], sigma[row, phase]
                )
                for i in range(2):
                    off = 1.0 - dark if i == 0 else -slope
                    d0 += pull[row, phase, 0, i] * off
                    d1 += pull[row, phase, 1, i] * off
                    d2 += pull[row, phase, 2, i] * off
                    d3 += pull[row, phase, 3, i] * off
                scale = max(dark, 0.3)
                step = d0 / scale
                if moving:
                    step = min(max(step, -_STEP_LIMIT_PX), _STEP_LIMIT_PX)
                    largest = max(largest, abs(step))
                    if k == 0:
                        left += step
                    else:
                        right -= step
                state[k, 0] = background * max(1.0 + d1, 0.5)
                state[k, 1] = min(max(dark + d2, _LEAST_DARKNESS), _MOST_DARKNESS)
                state[k, 2] = min(max(slope + d3, -1.0), 1.0)
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
            if moving and largest < _ENOUGH_PX and turn > 2:
                break
    return out

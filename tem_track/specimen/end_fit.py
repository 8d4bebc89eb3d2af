"""The fit of a free end along the axis, compiled: Gauss-Newton on where it lies.

Everything that `descend_end` calls is compiled into it, so that machine code made and machine code
found on disk give the same last digit.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from tem_track.compiled import compiled
from tem_track.records import FloatArray

__all__ = ["descend_end"]

_PASSES = 16
"""Steps of the descent."""
_ENOUGH_PX = 0.002
"""Step that ends it."""
_REACH_PX = 4.0
"""Longest step."""


@njit(inline="always")
def _solve(a: FloatArray, b: FloatArray, x: FloatArray) -> None:
    """Solve a symmetric positive definite system of three by Cholesky's decomposition."""
    l00 = math.sqrt(a[0, 0])
    l10, l20 = a[1, 0] / l00, a[2, 0] / l00
    l11 = math.sqrt(max(a[1, 1] - l10 * l10, 1e-30))
    l21 = (a[2, 1] - l20 * l10) / l11
    l22 = math.sqrt(max(a[2, 2] - l20 * l20 - l21 * l21, 1e-30))
    y0 = b[0] / l00
    y1 = (b[1] - l10 * y0) / l11
    y2 = (b[2] - l20 * y0 - l21 * y1) / l22
    x[2] = y2 / l22
    x[1] = (y1 - l21 * x[2]) / l11
    x[0] = (y0 - l10 * x[1] - l20 * x[2]) / l00


@compiled(nogil=True)
def descend_end(
    profile: FloatArray,
    s_px: FloatArray,
    without: FloatArray,
    bounds: tuple[float, float],
    grid: tuple[float, float],
    value: FloatArray,
    slope: FloatArray,
    known: bool,
    slopes: bool,
) -> tuple[float, float, float, float]:
    """Fit the end's place; its levels are solved for at every pass.

    Parameters
    ----------
    profile, s_px, without : array, shape (n,)
        See `faces.fit_end`.
    bounds : (float, float)
        Where to start, and the face beyond which the end cannot lie.
    grid : (float, float)
        First depth tabulated, and its step.
    value, slope : array, shape (m,)
        Darkness of the end by depth, and its change with depth.
    known, slopes : bool

    Returns
    -------
    at_px, u_px, level, rest : float
    """
    n, m = profile.size, value.size
    design = np.zeros((n, 3))
    change, residual = np.zeros(n), np.zeros(n)
    normal, right, level, part = np.zeros((3, 3)), np.zeros(3), np.zeros(3), np.zeros(3)
    bright = 0.0
    for i in range(n):
        bright = max(bright, without[i])
    at, reach, before, inverse, rest = bounds[0], _REACH_PX, 0.0, 0.0, 0.0
    free = slopes or not known
    for _ in range(_PASSES):
        for i in range(n):
            depth = at - s_px[i]
            place = min(max((depth - grid[0]) / grid[1], 0.0), m - 1.001)
            cell = int(place)
            share = place - cell
            dark = value[cell] + share * (value[cell + 1] - value[cell])
            steep = slope[cell] + share * (slope[cell + 1] - slope[cell])
            scale = bright if known else 1.0
            design[i, 0] = without[i]
            design[i, 1] = -dark * scale
            design[i, 2] = -dark * scale * depth if free else 0.0
            change[i] = steep * scale
        for j in range(3):
            right[j] = 0.0
            for k in range(3):
                normal[j, k] = 0.0
        for i in range(n):
            for j in range(3):
                right[j] += design[i, j] * profile[i]
                for k in range(3):
                    normal[j, k] += design[i, j] * design[i, k]
        if known:
            hold = (bright, 0.3 * bright, 3.0 * bright)
            for j in range(3):
                normal[j, j] += hold[j] ** 2
            right[0] += hold[0] ** 2
            right[1] += hold[1] ** 2
        else:
            for j in range(3):
                normal[j, j] += 1e-10 * (normal[j, j] + 1e-12)
        _solve(normal, right, level)
        for j in range(3):
            right[j] = 0.0
        rest = 0.0
        for i in range(n):
            fitted = design[i, 0] * level[0] + design[i, 1] * level[1] + design[i, 2] * level[2]
            residual[i] = profile[i] - fitted
            rest += residual[i] * residual[i]
            change[i] *= -level[1]
            for j in range(3):
                right[j] += design[i, j] * change[i]
        _solve(normal, right, part)
        power = gain = 0.0
        for i in range(n):
            left = change[i]
            left -= design[i, 0] * part[0] + design[i, 1] * part[1] + design[i, 2] * part[2]
            power += left * left
            gain += left * residual[i]
        inverse = 1.0 / max(power, 1e-12)
        rest /= max(n - 4, 1)
        move = inverse * gain
        if move * before < 0:
            reach *= 0.4
        move = min(max(move, -reach), reach)
        before = move
        at = min(max(at + move, s_px[0]), bounds[1] + 1.0)
        if abs(move) < _ENOUGH_PX:
            break
    total = lagged = 0.0
    for i in range(n):
        total += residual[i] * residual[i]
        if i > 0:
            lagged += residual[i] * residual[i - 1]
    lag = min(max(lagged / max(total, 1e-12), 0.0), 0.8)
    u = math.sqrt((1 + lag) / (1 - lag)) * math.sqrt(rest * inverse)
    return at, u, level[1], rest

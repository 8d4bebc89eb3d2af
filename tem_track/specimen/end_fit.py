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
_SHORTER = 0.4
"""What becomes of it when a step turns back."""
_HELD_DARK, _HELD_GROWTH = 0.3, 3.0
"""How strongly the end's level and its growth (per px) are held where the levels are known, over
what a pixel of the background says."""
_MOST_SHARED = 0.8
"""Largest correlation of neighbouring residuals that is believed of so few."""


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


@njit(inline="always")
def _look(
    at: float,
    s_px: FloatArray,
    without: FloatArray,
    grid: tuple[float, float],
    value: FloatArray,
    slope: FloatArray,
    scale: float,
    free: bool,
    design: FloatArray,
    change: FloatArray,
) -> None:
    """Write what an end at a place looks like, for levels of one, and its change with the place.

    The columns of `design` are what is there without the end, the end, and the end's darkness
    growing with depth, where that is free.
    """
    for i in range(len(s_px)):
        depth = at - s_px[i]
        place = min(max((depth - grid[0]) / grid[1], 0.0), len(value) - 1.001)
        cell = int(place)
        share = place - cell
        dark = value[cell] + share * (value[cell + 1] - value[cell])
        steep = slope[cell] + share * (slope[cell + 1] - slope[cell])
        design[i, 0] = without[i]
        design[i, 1] = -dark * scale
        design[i, 2] = -dark * scale * depth if free else 0.0
        change[i] = steep * scale


@njit(inline="always")
def _set_up(design: FloatArray, profile: FloatArray, normal: FloatArray, right: FloatArray) -> None:
    """Write the normal equations of the levels."""
    for j in range(3):
        right[j] = 0.0
        for k in range(3):
            normal[j, k] = 0.0
    for i in range(len(profile)):
        for j in range(3):
            right[j] += design[i, j] * profile[i]
            for k in range(3):
                normal[j, k] += design[i, j] * design[i, k]


@njit(inline="always")
def _hold(bright: float, known: bool, normal: FloatArray, right: FloatArray) -> None:
    """Hold levels that are known to one, one and no growth; else only keep them determined."""
    if known:
        hold = (bright, _HELD_DARK * bright, _HELD_GROWTH * bright)
        for j in range(3):
            normal[j, j] += hold[j] ** 2
        right[0] += hold[0] ** 2
        right[1] += hold[1] ** 2
    else:
        for j in range(3):
            normal[j, j] += 1e-10 * (normal[j, j] + 1e-12)


@njit(inline="always")
def _left_over(
    design: FloatArray, profile: FloatArray, level: FloatArray, residual: FloatArray
) -> float:
    """Write what the levels leave of a profile; return the sum of its squares."""
    rest = 0.0
    for i in range(len(profile)):
        fitted = design[i, 0] * level[0] + design[i, 1] * level[1] + design[i, 2] * level[2]
        residual[i] = profile[i] - fitted
        rest += residual[i] * residual[i]
    return rest


@njit(inline="always")
def _shared(residual: FloatArray) -> float:
    """Return by how much a variance grows where each residual holds a part of the last one."""
    total = lagged = 0.0
    for i in range(len(residual)):
        total += residual[i] * residual[i]
        if i > 0:
            lagged += residual[i] * residual[i - 1]
    lag = min(max(lagged / max(total, 1e-12), 0.0), _MOST_SHARED)
    return (1 + lag) / (1 - lag)


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
    n = profile.size
    design = np.zeros((n, 3))
    change, residual = np.zeros(n), np.zeros(n)
    normal, right, level, part = np.zeros((3, 3)), np.zeros(3), np.zeros(3), np.zeros(3)
    bright = 0.0
    for i in range(n):
        bright = max(bright, without[i])
    scale = bright if known else 1.0
    at, reach, before, inverse, rest = bounds[0], _REACH_PX, 0.0, 0.0, 0.0
    for _ in range(_PASSES):
        _look(at, s_px, without, grid, value, slope, scale, slopes or not known, design, change)
        _set_up(design, profile, normal, right)
        _hold(bright, known, normal, right)
        _solve(normal, right, level)
        rest = _left_over(design, profile, level, residual)
        for j in range(3):
            right[j] = 0.0
        for i in range(n):
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
            reach *= _SHORTER
        move = min(max(move, -reach), reach)
        before = move
        at = min(max(at + move, s_px[0]), bounds[1] + 1.0)
        if abs(move) < _ENOUGH_PX:
            break
    u = math.sqrt(_shared(residual)) * math.sqrt(rest * inverse)
    return at, u, level[1], rest

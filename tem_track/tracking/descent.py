"""The descent of the fit, compiled: Gauss-Newton steps from the sums of a pass to the next."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tem_track.records import FloatArray
from tem_track.tracking.kernels import N_SUMS, accumulate_shift, accumulate_turn, compiled

__all__ = ["N_RESULTS", "descend"]

N_RESULTS = 17
"""Numbers that `descend` returns."""

MAX_PASSES = 15
ENOUGH_PX = 2e-3
"""A step below this is the last: the next would be about its square."""

FARTHEST_PX = 4.0


@compiled
def _solve_slopes(normal: Any, rhs: Any, n: int, free_x: float, free_y: float, out: Any) -> bool:
    """Solve n by n normal equations by elimination; along (free_x, free_y) the answer is zero."""
    out[:] = 0.0
    if free_x != 0.0 or free_y != 0.0:
        x, y = -free_y, free_x
        strength = x * x * normal[0, 0] + 2 * x * y * normal[0, 1] + y * y * normal[1, 1]
        if strength <= 0.0:
            return False
        along = (x * rhs[0] + y * rhs[1]) / strength
        out[0], out[1] = x * along, y * along
        return True
    a = normal.copy()
    b = rhs.copy()
    for k in range(n):
        if not a[k, k] > 1e-12 * normal[k, k]:
            return False
        for i in range(k + 1, n):
            factor = a[i, k] / a[k, k]
            for j in range(k, n):
                a[i, j] -= factor * a[k, j]
            b[i] -= factor * b[k]
    for k in range(n - 1, -1, -1):
        rest = b[k]
        for j in range(k + 1, n):
            rest -= a[k, j] * out[j]
        out[k] = rest / a[k, k]
    return True


@compiled
def descend(
    coef: Any,
    patch: Any,
    share: Any,
    slope_share: Any,
    noise: Any,
    start: Any,
    pivot: Any,
    turns: bool,
    free: Any,
    results: FloatArray,
) -> bool:
    """Fit gain, offset, shift and turn by Gauss-Newton steps.

    Parameters
    ----------
    coef, patch, share, slope_share, noise
        As for `accumulate_shift`.
    start : float64 (3,)
        Shift (x, y) and turn to begin with.
    pivot : float64 (2,)
        Point (x, y) of the patch about which is turned.
    turns : bool
    free : float64 (2,)
        Direction (x, y) along which no step is made; zero for none.
    results : float64 (N_RESULTS,)
        x, y, turn, offset, gain, mean square, likeness, passes, then the 3 by 3 information.

    Returns
    -------
    bool
        Whether it has converged.
    """
    n = 3 if turns else 2
    sums = np.empty(N_SUMS)
    normal = np.zeros((3, 3))
    rhs = np.zeros(3)
    bend = np.zeros(3)
    x, y, turn = start[0], start[1], start[2]
    for passes in range(MAX_PASSES):
        if turns:
            accumulate_turn(
                coef, patch, share, slope_share, noise, y, x, turn, pivot[1], pivot[0], sums
            )
        else:
            accumulate_shift(coef, patch, share, slope_share, noise, y, x, sums)
        s1, st, stt, si, sit = sums[0], sums[1], sums[2], sums[3], sums[4]
        det = s1 * stt - st * st
        if not det > 1e-9 * s1 * stt:
            return False
        normal[0, 0], normal[0, 1], normal[1, 1] = sums[12], sums[13], sums[14]
        normal[0, 2], normal[1, 2], normal[2, 2] = sums[18], sums[19], sums[20]
        offset = (stt * si - st * sit) / det
        gain = (s1 * sit - st * si) / det
        for i in range(n):
            k = 6 + 3 * i + 3 * (i // 2)
            rhs[i] = sums[k + 2] - offset * sums[k] - gain * sums[k + 1]
            for j in range(i, n):
                m = 6 + 3 * j + 3 * (j // 2)
                c1 = (stt * sums[m] - st * sums[m + 1]) / det
                ct = (s1 * sums[m + 1] - st * sums[m]) / det
                normal[i, j] -= sums[k] * c1 + sums[k + 1] * ct
                normal[j, i] = normal[i, j]
        if not gain > 1e-3 or not _solve_slopes(normal, rhs, n, free[0], free[1], bend):
            return False
        rest = sums[5] - offset * si - gain * sit
        for i in range(n):
            rest -= bend[i] * rhs[i]
        energy = sums[5] - si * si / s1
        x -= bend[0] / gain
        y -= bend[1] / gain
        turn -= bend[2] / gain
        if not (abs(x) < FARTHEST_PX and abs(y) < FARTHEST_PX and abs(turn) < 0.35):
            return False
        if math.hypot(bend[0], bend[1]) < ENOUGH_PX * gain:
            results[0], results[1], results[2] = x, y, turn
            results[3], results[4] = offset, gain
            results[5] = max(rest, 0.0) / sums[21]
            results[6] = max(0.0, 1 - rest / energy) if energy > 0 else 0.0
            results[7] = passes
            results[8:] = normal.ravel()
            return True
    return False

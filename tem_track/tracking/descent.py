"""The descent of the fit, compiled: Gauss-Newton steps from the sums of a pass to the next.

The template is moved, not the image: the template is an average of many frames and nearly free of
noise, so interpolating it costs nothing, while interpolating the frame would correlate its noise
and pull the result towards whole pixels.

What `descend` calls is compiled into it. As functions of their own they would exist twice, alone
and inside it, with sums in another order, and whether machine code was made or found on disk would
decide between them, in the last digit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from tem_track.compiled import compiled
from tem_track.records import FloatArray
from tem_track.tracking.kernels import FAST, slope_taps, taps
from tem_track.tracking.splines import MARGIN

__all__ = ["N_RESULTS", "descend"]

N_RESULTS = 17
"""Numbers that `descend` returns."""

MAX_PASSES = 15
"""Steps of a fit: it converges in a few, and what has not by then wanders."""
ENOUGH_PX = 2e-3
"""A step below this is the last: the next would be about its square."""

FARTHEST_PX = 4.0
"""Way from the start, in px, beyond which a descent has gone astray: the coarse search is right to
a pixel or two, and the template's margin allows five."""

FARTHEST_RAD = 0.35
"""The same of a turn: 20 degrees, beyond what a lever's tip turns while it is loaded."""
N_SUMS = 22
"""Number of weighted sums that a pass over the pixels gathers."""


@njit(inline="always")
def _interpolate_down(
    coef: Any, r: int, ix: int, weights: Any, slopes: Any, value: Any, slope: Any
) -> None:
    """Interpolate a row of coefficients down the columns: the template there, and its slope."""
    wy0, wy1, wy2, wy3 = weights
    dy0, dy1, dy2, dy3 = slopes
    n, first = len(value), ix - 1
    # parts of rows, because a place that might be negative is looked at one by one
    row0 = coef[r - 1, first : first + n]
    row1 = coef[r, first : first + n]
    row2 = coef[r + 1, first : first + n]
    row3 = coef[r + 2, first : first + n]
    for j in range(n):
        value[j] = wy0 * row0[j] + wy1 * row1[j] + wy2 * row2[j] + wy3 * row3[j]
    for j in range(n):
        slope[j] = dy0 * row0[j] + dy1 * row1[j] + dy2 * row2[j] + dy3 * row3[j]


@njit(inline="always")
def _sum_values(
    patch: Any, share: Any, noise: Any, weights: Any, value: Any, grey: Any, use: Any, sums: Any
) -> None:
    """Add a row's products of 1, T, I; `grey` and `use` become its template and its weights."""
    wx0, wx1, wx2, wx3 = weights
    n0, n1, n2, least = noise[0], noise[1], noise[2], noise[3]
    s0 = s1 = s2 = s3 = s4 = s5 = count = np.float32(0.0)
    for j in range(len(patch)):
        g = patch[j]
        v = wx0 * value[j] + wx1 * value[j + 1] + wx2 * value[j + 2] + wx3 * value[j + 3]
        m = share[j] / max(least, n0 + v * (n1 + v * n2))
        grey[j] = v
        use[j] = m
        count += share[j]
        mv = m * v
        mg = m * g
        s0 += m
        s1 += mv
        s2 += mv * v
        s3 += mg
        s4 += mg * v
        s5 += mg * g
    sums[0] += s0
    sums[1] += s1
    sums[2] += s2
    sums[3] += s3
    sums[4] += s4
    sums[5] += s5
    sums[21] += count


@njit(inline="always")
def _sum_slopes(
    patch: Any,
    slope_share: Any,
    weights: Any,
    slopes: Any,
    value: Any,
    slope: Any,
    grey: Any,
    use: Any,
    sums: Any,
) -> None:
    """Add a row's products of the slopes with 1, T, I and with each other."""
    wx0, wx1, wx2, wx3 = weights
    dx0, dx1, dx2, dx3 = slopes
    x0 = x1 = x2 = y0 = y1 = y2 = xx = xy = yy = np.float32(0.0)
    for j in range(len(patch)):
        g = patch[j]
        q = slope_share[j] * use[j]
        v = grey[j]
        gx = dx0 * value[j] + dx1 * value[j + 1] + dx2 * value[j + 2] + dx3 * value[j + 3]
        gy = wx0 * slope[j] + wx1 * slope[j + 1] + wx2 * slope[j + 2] + wx3 * slope[j + 3]
        qx = q * gx
        qy = q * gy
        x0 += qx
        x1 += qx * v
        x2 += qx * g
        y0 += qy
        y1 += qy * v
        y2 += qy * g
        xx += qx * gx
        xy += qx * gy
        yy += qy * gy
    sums[6] += x0
    sums[7] += x1
    sums[8] += x2
    sums[9] += y0
    sums[10] += y1
    sums[11] += y2
    sums[12] += xx
    sums[13] += xy
    sums[14] += yy


@njit(inline="always")
def _accumulate_shift(
    coef: Any,
    patch: Any,
    share: Any,
    slope_share: Any,
    noise: Any,
    fy: float,
    fx: float,
    sums: FloatArray,
) -> None:
    """Sum over the pixels of `patch` the products that a fit of gain, offset and shift needs.

    Parameters
    ----------
    coef : float32 (h + 2 MARGIN, w + 2 MARGIN)
        Cubic B-spline coefficients of the template.
    patch : float32 (h, w)
        Grey values.
    share, slope_share : float32 (h, w)
        How far each pixel is used, 0 to 1, and how far its slope is.
    noise : float32 (4,)
        Variance of a pixel as a parabola of the template's grey, and its least value. The
        template is moved before it is weighted, so that the weights move with it.
    fy, fx : float
        Shift of the template against the patch, at most MARGIN - 3.
    sums : float64 (N_SUMS,)
        Result: the weighted sums of products of 1, T, I; then of the slopes with 1, T, I and
        with each other; the last is the number of pixels.
    """
    h, w = patch.shape
    iy = int(np.floor(MARGIN - fy))
    ix = int(np.floor(MARGIN - fx))
    t = np.float32(MARGIN - fy - iy)
    s = np.float32(MARGIN - fx - ix)
    down, down_slope = taps(t), slope_taps(t)
    across, across_slope = taps(s), slope_taps(s)
    value = np.empty(w + 3, np.float32)
    slope = np.empty(w + 3, np.float32)
    grey = np.empty(w, np.float32)
    use = np.empty(w, np.float32)
    sums[:] = 0.0
    for i in range(h):
        _interpolate_down(coef, i + iy, ix, down, down_slope, value, slope)
        _sum_values(patch[i], share[i], noise, across, value, grey, use, sums)
        _sum_slopes(patch[i], slope_share[i], across, across_slope, value, slope, grey, use, sums)


@njit(inline="always")
def _template_at(coef: Any, iy: int, ix: int, y: Any, x: Any) -> tuple[Any, Any, Any]:
    """Return a template at (y, x), which begins at pixel (iy, ix), and its slopes along x and y."""
    v = ty = tx = np.float32(0.0)
    wx0, wx1, wx2, wx3 = taps(np.float32(x - np.float32(ix)))
    dx0, dx1, dx2, dx3 = slope_taps(np.float32(x - np.float32(ix)))
    wys = taps(np.float32(y - np.float32(iy)))
    dys = slope_taps(np.float32(y - np.float32(iy)))
    for k in range(4):
        c0 = coef[iy - 1 + k, ix - 1]
        c1 = coef[iy - 1 + k, ix]
        c2 = coef[iy - 1 + k, ix + 1]
        c3 = coef[iy - 1 + k, ix + 2]
        along = wx0 * c0 + wx1 * c1 + wx2 * c2 + wx3 * c3
        v += wys[k] * along
        ty += dys[k] * along
        tx += wys[k] * (dx0 * c0 + dx1 * c1 + dx2 * c2 + dx3 * c3)
    return v, tx, ty


@njit(inline="always")
def _add_products(g: Any, v: Any, m: Any, q: Any, slopes: Any, row: Any) -> None:
    """Add a pixel's products: `m` weighs its grey, `q` the slopes against x, y and turn."""
    gx, gy, gt = slopes
    row[0] += m
    row[1] += m * v
    row[2] += m * v * v
    row[3] += m * g
    row[4] += m * g * v
    row[5] += m * g * g
    row[6] += q * gx
    row[7] += q * gx * v
    row[8] += q * gx * g
    row[9] += q * gy
    row[10] += q * gy * v
    row[11] += q * gy * g
    row[12] += q * gx * gx
    row[13] += q * gx * gy
    row[14] += q * gy * gy
    row[15] += q * gt
    row[16] += q * gt * v
    row[17] += q * gt * g
    row[18] += q * gt * gx
    row[19] += q * gt * gy
    row[20] += q * gt * gt


@njit(inline="always")
def _accumulate_turn(
    coef: Any,
    patch: Any,
    share: Any,
    slope_share: Any,
    noise: Any,
    fy: float,
    fx: float,
    turn: float,
    py: float,
    px: float,
    sums: FloatArray,
) -> None:
    """Do what `_accumulate_shift` does for a template that is also turned by `turn` (radians).

    The turn is about the point (py, px) of the box; clockwise on the screen is positive. The sums
    15 to 20 hold the products of the slope against the turn with 1, T, I, with both slopes and
    with itself.
    """
    h, w = patch.shape
    lowest, rightmost = coef.shape[0] - 3, coef.shape[1] - 3
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    row = np.empty(N_SUMS, np.float32)
    n0, n1, n2, least = noise[0], noise[1], noise[2], noise[3]
    sums[:] = 0.0
    for i in range(h):
        row[:] = np.float32(0.0)
        for j in range(w):
            if share[i, j] <= 0.0:
                continue
            dy = np.float32(i - py - fy)
            dx = np.float32(j - px - fx)
            y = cos * dy - sin * dx + np.float32(py + MARGIN)
            x = sin * dy + cos * dx + np.float32(px + MARGIN)
            iy = int(np.floor(y))
            ix = int(np.floor(x))
            if iy < 1 or ix < 1 or iy > lowest or ix > rightmost:
                continue
            v, tx, ty = _template_at(coef, iy, ix, y, x)
            gx = cos * tx - sin * ty
            gy = sin * tx + cos * ty
            gt = gy * dx - gx * dy
            g = patch[i, j]
            m = share[i, j] / max(least, n0 + v * (n1 + v * n2))
            _add_products(g, v, m, slope_share[i, j] * m, (gx, gy, gt), row)
            row[21] += share[i, j]
        for k in range(N_SUMS):
            sums[k] += row[k]


@njit(inline="always")
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


@njit(inline="always")
def _set_up(
    sums: Any, n: int, det: float, offset: float, gain: float, normal: Any, rhs: Any
) -> None:
    """Write the normal equations of `n` slopes, with offset and gain eliminated."""
    s1, st, stt = sums[0], sums[1], sums[2]
    normal[0, 0], normal[0, 1], normal[1, 1] = sums[12], sums[13], sums[14]
    normal[0, 2], normal[1, 2], normal[2, 2] = sums[18], sums[19], sums[20]
    for i in range(n):
        k = 6 + 3 * i + 3 * (i // 2)
        rhs[i] = sums[k + 2] - offset * sums[k] - gain * sums[k + 1]
        for j in range(i, n):
            m = 6 + 3 * j + 3 * (j // 2)
            c1 = (stt * sums[m] - st * sums[m + 1]) / det
            ct = (s1 * sums[m + 1] - st * sums[m]) / det
            normal[i, j] -= sums[k] * c1 + sums[k + 1] * ct
            normal[j, i] = normal[i, j]


@compiled(**FAST)
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
        As for `_accumulate_shift`.
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
            _accumulate_turn(
                coef, patch, share, slope_share, noise, y, x, turn, pivot[1], pivot[0], sums
            )
        else:
            _accumulate_shift(coef, patch, share, slope_share, noise, y, x, sums)
        s1, st, stt, si, sit = sums[0], sums[1], sums[2], sums[3], sums[4]
        det = s1 * stt - st * st
        if not det > 1e-9 * s1 * stt:
            return False
        offset = (stt * si - st * sit) / det
        gain = (s1 * sit - st * si) / det
        _set_up(sums, n, det, offset, gain, normal, rhs)
        if not gain > 1e-3 or not _solve_slopes(normal, rhs, n, free[0], free[1], bend):
            return False
        rest = sums[5] - offset * si - gain * sit
        for i in range(n):
            rest -= bend[i] * rhs[i]
        energy = sums[5] - si * si / s1
        x -= bend[0] / gain
        y -= bend[1] / gain
        turn -= bend[2] / gain
        if not (abs(x) < FARTHEST_PX and abs(y) < FARTHEST_PX and abs(turn) < FARTHEST_RAD):
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

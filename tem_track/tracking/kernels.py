"""The passes over the pixels, compiled: the sums that a fit needs, and turning a template.

The template is moved, not the image: the template is an average of many frames and nearly free of
noise, so interpolating it costs nothing, while interpolating the frame would correlate its noise
and pull the result towards whole pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from tem_track.records import FloatArray
from tem_track.tracking.splines import MARGIN

__all__ = ["N_SUMS", "accumulate_shift", "accumulate_turn", "compiled", "turned"]

N_SUMS = 22
"""Number of weighted sums that a pass over the pixels gathers."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile; keep the machine code on disk where a place for it can be written."""
    options: dict[str, Any] = {"nogil": True, "fastmath": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:
        return njit(**options)(function)  # type: ignore[no-any-return]


@njit(inline="always")
def _taps(t: Any) -> Any:
    """Return the four weights of a cubic B-spline at the fraction t."""
    one = np.float32(1.0)
    u = one - t
    w0 = u * u * u * np.float32(1.0 / 6.0)
    w3 = t * t * t * np.float32(1.0 / 6.0)
    w1 = np.float32(2.0 / 3.0) - t * t * (one - np.float32(0.5) * t)
    return w0, w1, one - w0 - w1 - w3, w3


@njit(inline="always")
def _slope_taps(t: Any) -> Any:
    """Return the derivatives of the four weights."""
    u = np.float32(1.0) - t
    d0 = np.float32(-0.5) * u * u
    d3 = np.float32(0.5) * t * t
    d1 = np.float32(1.5) * t * t - np.float32(2.0) * t
    return d0, d1, -d0 - d1 - d3, d3


@compiled
def accumulate_shift(
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
    wy0, wy1, wy2, wy3 = _taps(t)
    dy0, dy1, dy2, dy3 = _slope_taps(t)
    wx0, wx1, wx2, wx3 = _taps(s)
    dx0, dx1, dx2, dx3 = _slope_taps(s)
    value = np.empty(w + 3, np.float32)
    slope = np.empty(w + 3, np.float32)
    sums[:] = 0.0
    zero = np.float32(0.0)
    n0, n1, n2, least = noise[0], noise[1], noise[2], noise[3]
    grey = np.empty(w, np.float32)
    use = np.empty(w, np.float32)
    for i in range(h):
        r = i + iy
        for j in range(w + 3):
            c = j + ix - 1
            c0 = coef[r - 1, c]
            c1 = coef[r, c]
            c2 = coef[r + 1, c]
            c3 = coef[r + 2, c]
            value[j] = wy0 * c0 + wy1 * c1 + wy2 * c2 + wy3 * c3
            slope[j] = dy0 * c0 + dy1 * c1 + dy2 * c2 + dy3 * c3
        s0 = s1 = s2 = s3 = s4 = s5 = count = zero
        for j in range(w):
            g = patch[i, j]
            v = wx0 * value[j] + wx1 * value[j + 1] + wx2 * value[j + 2] + wx3 * value[j + 3]
            m = share[i, j] / max(least, n0 + v * (n1 + v * n2))
            grey[j] = v
            use[j] = m
            count += share[i, j]
            mv = m * v
            mg = m * g
            s0 += m
            s1 += mv
            s2 += mv * v
            s3 += mg
            s4 += mg * v
            s5 += mg * g
        x0 = x1 = x2 = y0 = y1 = y2 = xx = xy = yy = zero
        for j in range(w):
            g = patch[i, j]
            q = slope_share[i, j] * use[j]
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
        sums[0] += s0
        sums[1] += s1
        sums[2] += s2
        sums[3] += s3
        sums[4] += s4
        sums[5] += s5
        sums[6] += x0
        sums[7] += x1
        sums[8] += x2
        sums[9] += y0
        sums[10] += y1
        sums[11] += y2
        sums[12] += xx
        sums[13] += xy
        sums[14] += yy
        sums[21] += count


@compiled
def accumulate_turn(
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
    """Do what `accumulate_shift` does for a template that is also turned by `turn` (radians).

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
            v = ty = tx = np.float32(0.0)
            wx0, wx1, wx2, wx3 = _taps(np.float32(x - np.float32(ix)))
            dx0, dx1, dx2, dx3 = _slope_taps(np.float32(x - np.float32(ix)))
            wys = _taps(np.float32(y - np.float32(iy)))
            dys = _slope_taps(np.float32(y - np.float32(iy)))
            for k in range(4):
                c0 = coef[iy - 1 + k, ix - 1]
                c1 = coef[iy - 1 + k, ix]
                c2 = coef[iy - 1 + k, ix + 1]
                c3 = coef[iy - 1 + k, ix + 2]
                along = wx0 * c0 + wx1 * c1 + wx2 * c2 + wx3 * c3
                v += wys[k] * along
                ty += dys[k] * along
                tx += wys[k] * (dx0 * c0 + dx1 * c1 + dx2 * c2 + dx3 * c3)
            gx = cos * tx - sin * ty
            gy = sin * tx + cos * ty
            gt = gy * dx - gx * dy
            g = patch[i, j]
            m = share[i, j] / max(least, n0 + v * (n1 + v * n2))
            q = slope_share[i, j] * m
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
            row[21] += share[i, j]
        for k in range(N_SUMS):
            sums[k] += row[k]


@compiled
def turned(coef: Any, a: float, b: float, x0: float, y0: float, out: Any) -> None:
    """Evaluate a cubic spline image at (x0 + a x - b y, y0 + b x + a y) for every pixel."""
    h, w = out.shape
    bottom, right = coef.shape[0] - 3, coef.shape[1] - 3
    for i in range(h):
        for j in range(w):
            y = min(max(y0 + b * j + a * i, 1.0), bottom + 0.999)
            x = min(max(x0 + a * j - b * i, 1.0), right + 0.999)
            iy, ix = int(y), int(x)
            wx = _taps(np.float32(x - ix))
            wy = _taps(np.float32(y - iy))
            value = np.float32(0.0)
            for k in range(4):
                for m in range(4):
                    value += wy[k] * wx[m] * coef[iy - 1 + k, ix - 1 + m]
            out[i, j] = value

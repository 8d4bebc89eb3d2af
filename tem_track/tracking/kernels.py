"""What compiled code shares: how it is compiled, B-splines, turning an image, brightest grey."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from tem_track.compiled import compiled, inner

__all__ = ["FAST", "bright_parts", "filtered", "slope_taps", "taps", "turned"]


FAST: dict[str, Any] = {"nogil": True, "fastmath": True, "error_model": "numpy"}
"""How the loops of the tracking are compiled."""


LANES = 16
"""Lines of an image that are filtered at a time, side by side in the processor's registers."""


@inner
def _filter_lines(lines: Any, n: int, poles: Any) -> None:
    """Turn lines, one in each column of which the first n rows count, into coefficients."""
    gain = 1.0
    for z in poles:
        gain *= (1.0 - z) * (1.0 - 1.0 / z)
    for i in range(n):
        for k in range(LANES):
            lines[i, k] *= gain
    first = np.empty(LANES)
    for z in poles:
        last = z ** (n - 1)
        for k in range(LANES):
            first[k] = lines[0, k] + last * lines[n - 1, k]
        ahead, behind = z, last * last / z
        for i in range(1, n - 1):
            for k in range(LANES):
                first[k] += (ahead + behind) * lines[i, k]
            ahead *= z
            behind /= z
            if abs(ahead) + abs(behind) < 1e-18:
                break
        for k in range(LANES):
            lines[0, k] = first[k] / (1.0 - last * last)
        for i in range(1, n):
            for k in range(LANES):
                lines[i, k] += z * lines[i - 1, k]
        for k in range(LANES):
            lines[n - 1, k] = (z * lines[n - 2, k] + lines[n - 1, k]) * z / (z * z - 1.0)
        for i in range(n - 2, -1, -1):
            for k in range(LANES):
                lines[i, k] = z * (lines[i + 1, k] - lines[i, k])


@compiled(**FAST)
def filtered(image: Any, poles: Any, out: Any) -> None:
    """Write a B-spline's coefficients of an image, mirrored at its border, at least 2 px wide.

    The recursion is that of M. Unser, A. Aldroubi and M. Eden, IEEE Trans. Signal Process. 41
    (1993) 821, one pole after the other.

    Parameters
    ----------
    image : float32 (h, w)
    poles : float64 (n,)
    out : float32 (h, w)
    """
    h, w = image.shape
    lines = np.zeros((max(h, w), LANES))
    middle = np.empty((h, w))
    for j in range(0, w, LANES):
        m = min(LANES, w - j)
        for i in range(h):
            for k in range(m):
                lines[i, k] = image[i, j + k]
        _filter_lines(lines, h, poles)
        for i in range(h):
            for k in range(m):
                middle[i, j + k] = lines[i, k]
    for i in range(0, h, LANES):
        m = min(LANES, h - i)
        for k in range(m):
            for j in range(w):
                lines[j, k] = middle[i + k, j]
        _filter_lines(lines, w, poles)
        for k in range(m):
            for j in range(w):
                out[i + k, j] = lines[j, k]


@compiled(nogil=True, error_model="numpy")
def bright_parts(grey: Any) -> Any:
    """Return the parts of the pixels in the brighter half of the range, and near its top.

    Parameters
    ----------
    grey : float32 (h, w)

    Returns
    -------
    (float, float)
        The top is the grey that one pixel in 200 exceeds, near it the uppermost 3 % of the range.
    """
    few = grey.ravel()
    n = few.size
    most = np.full(n // 200 + 1, -np.inf, np.float32)
    low = few[0]
    for value in few:
        low = min(low, value)
        if value > most[0]:
            k = 1
            while k < most.size and value > most[k]:
                most[k - 1] = most[k]
                k += 1
            most[k - 1] = value
    least, high = float(low), float(most[0])
    half, top = (least + high) / 2, high - 0.03 * (high - least)
    bright = at_peak = 0
    for value in few:
        bright += value >= half
        at_peak += value >= top
    return bright / n, at_peak / n


@njit(inline="always")
def taps(t: Any) -> Any:
    """Return the four weights of a cubic B-spline at the fraction t."""
    one = np.float32(1.0)
    u = one - t
    w0 = u * u * u * np.float32(1.0 / 6.0)
    w3 = t * t * t * np.float32(1.0 / 6.0)
    w1 = np.float32(2.0 / 3.0) - t * t * (one - np.float32(0.5) * t)
    return w0, w1, one - w0 - w1 - w3, w3


@njit(inline="always")
def slope_taps(t: Any) -> Any:
    """Return the derivatives of the four weights."""
    u = np.float32(1.0) - t
    d0 = np.float32(-0.5) * u * u
    d3 = np.float32(0.5) * t * t
    d1 = np.float32(1.5) * t * t - np.float32(2.0) * t
    return d0, d1, -d0 - d1 - d3, d3


@compiled(**FAST)
def turned(coef: Any, a: float, b: float, x0: float, y0: float, out: Any) -> None:
    """Evaluate a cubic spline image at (x0 + a x - b y, y0 + b x + a y) for every pixel."""
    h, w = out.shape
    bottom, right = coef.shape[0] - 3, coef.shape[1] - 3
    for i in range(h):
        for j in range(w):
            y = min(max(y0 + b * j + a * i, 1.0), bottom + 0.999)
            x = min(max(x0 + a * j - b * i, 1.0), right + 0.999)
            iy, ix = int(y), int(x)
            wx = taps(np.float32(x - ix))
            wy = taps(np.float32(y - iy))
            value = np.float32(0.0)
            for k in range(4):
                for m in range(4):
                    value += wy[k] * wx[m] * coef[iy - 1 + k, ix - 1 + m]
            out[i, j] = value

"""What compiled code shares: how it is compiled, cubic B-splines, and turning an image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from tem_track.compiled import compiled

__all__ = ["FAST", "slope_taps", "taps", "turned"]


FAST: dict[str, Any] = {"nogil": True, "fastmath": True, "error_model": "numpy"}
"""How the loops of the tracking are compiled."""


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

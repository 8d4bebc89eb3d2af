"""How well a step explains a profile at each of some places, compiled."""

from __future__ import annotations

import math

import numpy as np

from tem_track.compiled import compiled, inner
from tem_track.records import FloatArray

__all__ = ["WINDOW_PX", "explained"]

WINDOW_PX = 5.0
"""Pixels on either side of a step that are fitted."""
_RIDGE = 1e-9
"""Keeps the normal matrix invertible."""


@compiled(nogil=True, error_model="numpy")
def explained(
    s_px: FloatArray,
    profile: FloatArray,
    at_px: FloatArray,
    centre_px: FloatArray,
    blur_px: float,
    window_px: float = WINDOW_PX,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Fit two straight lines joined by a blurred step, by weighted least squares.

    Parameters
    ----------
    s_px, profile : array, shape (n,)
    at_px, centre_px : array, shape (m,)
        Where the step is, and the middle of the window whose weights are the pixels'.
    blur_px : float
        Standard deviation of the blur.
    window_px : float
        Standard deviation of the window.

    Returns
    -------
    rest, height, without : array, shape (m,)
        Residual sum and height of the step, and the residual sum of a mere kink.
    """
    n, m = len(s_px), len(at_px)
    rest, height, without = np.empty(m), np.empty(m), np.empty(m)
    step, kink = np.empty((n, 4)), np.empty((n, 3))
    target = np.empty(n)
    for k in range(m):
        for i in range(n):
            weight = math.exp(-0.5 * ((s_px[i] - centre_px[k]) / window_px) ** 2)
            x = s_px[i] - at_px[k]
            gate = 0.5 * math.erfc(-x / blur_px / math.sqrt(2.0))
            target[i] = profile[i] * weight
            step[i, 0] = kink[i, 0] = weight
            step[i, 1] = kink[i, 1] = x * weight
            step[i, 2], step[i, 3] = gate * weight, gate * x * weight
            kink[i, 2] = max(x, 0.0) * weight
        rest[k], height[k] = _least_squares(step, target)
        without[k], _ = _least_squares(kink, target)
    return rest, height, without


@inner
def _least_squares(design: FloatArray, target: FloatArray) -> tuple[float, float]:
    """Return the residual sum and the third unknown."""
    n, m = design.shape
    normal, right = np.zeros((m, m)), np.zeros(m)
    for i in range(n):
        for j in range(m):
            right[j] += design[i, j] * target[i]
            for k in range(m):
                normal[j, k] += design[i, j] * design[i, k]
    for j in range(m):
        normal[j, j] += _RIDGE
    _eliminate(normal, right)
    rest = 0.0
    for i in range(n):
        left = target[i]
        for j in range(m):
            left -= design[i, j] * right[j]
        rest += left * left
    return rest, right[2]


@inner
def _eliminate(a: FloatArray, b: FloatArray) -> None:
    """Solve a system of equations in place, by elimination with the largest pivot first."""
    m = len(b)
    for k in range(m):
        best = k
        for i in range(k + 1, m):
            if abs(a[i, k]) > abs(a[best, k]):
                best = i
        for j in range(m):
            a[k, j], a[best, j] = a[best, j], a[k, j]
        b[k], b[best] = b[best], b[k]
        for i in range(k + 1, m):
            factor = a[i, k] / a[k, k]
            for j in range(k, m):
                a[i, j] -= factor * a[k, j]
            b[i] -= factor * b[k]
    for k in range(m - 1, -1, -1):
        for j in range(k + 1, m):
            b[k] -= a[k, j] * b[j]
        b[k] /= a[k, k]

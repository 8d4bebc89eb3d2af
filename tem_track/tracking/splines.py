"""B-splines: interpolation of templates and of the frames that they are averaged from."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray

__all__ = ["MARGIN", "basis", "coefficients", "moved"]

MARGIN = 8
"""Pixels of a template beyond its box on every side, so that it can be moved under the box."""


_POLES = {
    3: np.array([math.sqrt(3) - 2]),
    5: np.array(
        [
            math.sqrt(67.5 - math.sqrt(4436.25)) + math.sqrt(26.25) - 6.5,
            math.sqrt(67.5 + math.sqrt(4436.25)) - math.sqrt(26.25) - 6.5,
        ]
    ),
}
"""Of the recursions that turn grey values into coefficients, by the order of the spline."""


def basis(x: FloatArray, order: int) -> FloatArray:
    """Return the centred B-spline of the given order at x."""
    k = np.arange(order + 2)
    signs = (-1.0) ** k * [math.comb(order + 1, n) for n in k] / math.factorial(order)
    base = np.maximum(0.0, x[..., None] + (order + 1) / 2 - k)
    return np.asarray(base**order @ signs)


def coefficients(image: NDArray[np.floating], order: int) -> NDArray[np.float32]:
    """Return the B-spline coefficients of an image, mirrored at its border."""
    from tem_track.tracking import kernels

    out = np.empty(image.shape, np.float32)
    kernels.filtered(image.astype(np.float32, order="C"), _POLES[order], out)
    return out


def moved(
    coef: NDArray[np.float32], dx: float, dy: float, order: int, slope: str = ""
) -> NDArray[np.float32]:
    """Evaluate a spline image at (x + dx, y + dy) for every pixel (x, y), |dx|, |dy| <= 3.

    `slope` is "x" or "y" for the derivative along that direction instead of the value.
    """
    x, y = (distance - _reached(distance, order) for distance in (dx, dy))
    kx = _slope_taps(x, order) if slope == "x" else basis(x, order)
    ky = _slope_taps(y, order) if slope == "y" else basis(y, order)
    out = cv2.sepFilter2D(coef, cv2.CV_32F, kx, ky, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(out, np.float32)


def _reached(distance: float, order: int) -> FloatArray:
    """Return the pixels, as many on either side, on which a spline so far away is not zero."""
    most = math.ceil(abs(distance) + (order + 1) / 2) - 1
    return np.arange(-most, most + 1, dtype=float)


def _slope_taps(x: FloatArray, order: int) -> FloatArray:
    return basis(x + 0.5, order - 1) - basis(x - 0.5, order - 1)

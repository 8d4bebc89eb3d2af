"""A straight line through points with errors in both axes.

Source: York et al., American Journal of Physics 72 (2004) 367, the unified equations; the
uncertainty of the slope is scaled by the scatter where that is larger than stated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.records import FloatArray

__all__ = ["Line", "fit_york"]


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line y = intercept + slope x.

    Attributes
    ----------
    slope, u_slope, intercept, u_intercept : float
    chi2_reduced : float
        Scatter over stated uncertainty, squared.
    """

    slope: float
    u_slope: float
    intercept: float
    u_intercept: float
    chi2_reduced: float


def fit_york(
    x: FloatArray,
    y: FloatArray,
    u_x: FloatArray,
    u_y: FloatArray,
    correlation: FloatArray | float = 0.0,
    rounds: int = 60,
) -> Line:
    """Fit a line by York's unified equations.

    Parameters
    ----------
    x, y, u_x, u_y : FloatArray
        Points and standard uncertainties, all above zero in at least one axis, shape (n,), n >= 3.
    correlation : float or FloatArray
        Of the errors of x and y within a point.
    rounds : int
        At most so many iterations.
    """
    slope = _start(x, y, u_x, u_y)
    for _ in range(rounds):
        weight, beta, x_mean, y_mean = _weights(x, y, u_x, u_y, correlation, slope)
        better = float((weight * beta * (y - y_mean)).sum() / (weight * beta * (x - x_mean)).sum())
        done = abs(better - slope) <= 1e-13 * abs(better)
        slope = better
        if done:
            break
    weight, beta, x_mean, y_mean = _weights(x, y, u_x, u_y, correlation, slope)
    intercept = y_mean - slope * x_mean
    adjusted = x_mean + beta
    centre = float((weight * adjusted).sum() / weight.sum())
    u_slope = 1 / math.sqrt(float((weight * (adjusted - centre) ** 2).sum()))
    chi2 = float((weight * (y - slope * x - intercept) ** 2).sum()) / max(x.size - 2, 1)
    grown = math.sqrt(max(1.0, chi2))
    u_intercept = math.sqrt(1 / float(weight.sum()) + (centre * u_slope) ** 2)
    return Line(slope, u_slope * grown, intercept, u_intercept * grown, chi2)


def _start(x: FloatArray, y: FloatArray, u_x: FloatArray, u_y: FloatArray) -> float:
    """Least squares against the noisier axis."""
    dx, dy = x - x.mean(), y - y.mean()
    flat, steep = float(dx @ dy / (dx @ dx)), float(dy @ dy / (dx @ dy))
    return steep if np.mean(u_x) * abs(flat) > np.mean(u_y) else flat


def _weights(
    x: FloatArray,
    y: FloatArray,
    u_x: FloatArray,
    u_y: FloatArray,
    correlation: FloatArray | float,
    slope: float,
) -> tuple[FloatArray, FloatArray, float, float]:
    variance = u_y**2 + slope**2 * u_x**2 - 2 * slope * correlation * u_x * u_y
    weight = 1 / variance
    x_mean = float((weight * x).sum() / weight.sum())
    y_mean = float((weight * y).sum() / weight.sum())
    dx, dy = x - x_mean, y - y_mean
    mixed = correlation * u_x * u_y
    beta = weight * (u_y**2 * dx + slope * u_x**2 * dy - (slope * dx + dy) * mixed)
    return weight, beta, x_mean, y_mean

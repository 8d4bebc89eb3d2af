"""A baseline that bends upwards: the shape of a first contact."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.records import FloatArray

__all__ = ["Hinge", "fit_hinge", "smooth_is_enough"]

POWERS = (1.0, 1.5)
"""What the part before the hinge may follow: a line, or the contact of a sphere."""
_GRID = 500
"""Places at which a hinge is tried."""
_CELLS = 2_000_000
"""Of a table of points by places that is calculated at once: it would grow with the movie."""
_STATED = 6
"""Points that a stated uncertainty counts as."""
_SLOPE_FROM = 8
"""Baseline points from which a slope may be asked for."""


@dataclass(frozen=True, slots=True)
class Hinge:
    """Where a line bends upwards, averaged over the models by likelihood.

    Attributes
    ----------
    position, u_position : float
        Where it bends, in units of the abscissa.
    power : float
        Of the likeliest model.
    sloping : bool
        Whether that model's baseline slopes.
    delta_aicc : float
        By how much the best model of the other power is worse.
    """

    position: float
    u_position: float
    power: float
    sloping: bool
    delta_aicc: float


def fit_hinge(
    x: FloatArray, y: FloatArray, u: float = 0.0, powers: tuple[float, ...] = POWERS
) -> Hinge:
    """Fit a baseline plus c (x - x0)^p for x > x0.

    Parameters
    ----------
    x, y : FloatArray
        Shape (n,), n >= 5, x increasing.
    u : float
        Stated standard uncertainty of y; it counts as so many points as `_STATED`.
    powers : tuple of float

    Notes
    -----
    Variable projection: for each x0 and p the rest is linear, c not negative. The prior of x0 is
    flat; noise is unknown. A sloping baseline must earn its parameter by AICc.
    """
    scaled = (x - x[0]) / max(float(x[-1] - x[0]), 1e-300)
    slopes = (False, True) if x.size >= _SLOPE_FROM + 4 else (False,)
    models = [(power, slope) for power in powers for slope in slopes]
    grid = np.linspace(0.0, float(scaled[-2]), _GRID)
    for _ in range(3):
        log_weight = np.stack([_log_weight(scaled, y, u, grid, p, s) for p, s in models])
        weight = np.exp(log_weight - log_weight.max())
        inside = np.flatnonzero(weight.max(axis=0) > 1e-4)
        step = float(grid[1] - grid[0])
        low = max(float(grid[inside[0]]) - step, 0.0)
        high = min(float(grid[inside[-1]]) + step, float(scaled[-2]))
        if high - low > 0.5 * float(np.ptp(grid)):
            break
        grid = np.linspace(low, high, _GRID)
    else:
        log_weight = np.stack([_log_weight(scaled, y, u, grid, p, s) for p, s in models])
    return _hinge(x, grid, log_weight, models)


def _hinge(
    x: FloatArray, grid: FloatArray, log_weight: FloatArray, models: list[tuple[float, bool]]
) -> Hinge:
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    mean = float(weight.sum(axis=0) @ grid)
    spread = float(weight.sum(axis=0) @ (grid - mean) ** 2)
    best = log_weight.max(axis=1)
    top = int(np.argmax(best))
    others = [b for b, model in zip(best, models, strict=True) if model[0] != models[top][0]]
    span = float(x[-1] - x[0])
    step = float(grid[1] - grid[0])
    return Hinge(
        position=float(x[0]) + mean * span,
        u_position=math.sqrt(spread + step**2 / 12) * span,
        power=models[top][0],
        sloping=models[top][1],
        delta_aicc=2 * float(best[top] - max(others)) if others else math.inf,
    )


def _log_weight(
    x: FloatArray, y: FloatArray, u: float, grid: FloatArray, power: float, sloping: bool
) -> FloatArray:
    """Log likelihood at every x0, noise and linear parameters integrated out, less AICc's price."""
    n, linear = x.size, 2 + int(sloping)
    k = linear + 2
    left = _profile(x, y, grid, power, sloping) + _STATED * u**2
    left = np.maximum(left, 1e-20 * float(np.ptp(y)) ** 2 + 1e-300)
    penalty = k + k * (k + 1) / max(n - k - 1, 1)
    return -(n - linear + _STATED) / 2 * np.log(left) - penalty


def _profile(
    x: FloatArray, y: FloatArray, grid: FloatArray, power: float, sloping: bool
) -> FloatArray:
    """Sum of squares left at every x0, with the best baseline and c >= 0."""
    basis = np.ones((x.size, 1)) / math.sqrt(x.size)
    if sloping:
        line = x - x.mean()
        basis = np.column_stack([basis, line / math.sqrt(float(line @ line))])
    rest = y - basis @ (basis.T @ y)
    norm, along = np.empty(grid.size), np.empty(grid.size)
    at_once = max(_CELLS // x.size, 1)
    for start in range(0, grid.size, at_once):
        part = slice(start, start + at_once)
        rise = np.clip(x[None, :] - grid[part, None], 0, None) ** power
        rise -= (rise @ basis) @ basis.T
        norm[part] = np.einsum("ij,ij->i", rise, rise)
        along[part] = rise @ rest
    # What the baseline already explains has no direction of its own.
    ratio = np.where(norm > 1e-12, np.clip(along, 0, None) ** 2 / np.maximum(norm, 1e-12), 0.0)
    left: FloatArray = float(rest @ rest) - ratio
    return left


def smooth_is_enough(x: FloatArray, y: FloatArray, noise: float) -> bool:
    """Return whether a cubic explains a record as well as a hinge does, or down to its noise."""
    t = (x - x.mean()) / max(float(np.ptp(x)), 1e-300)
    cubic = y - np.polyval(np.polyfit(t, y, 3), t)
    if float(np.std(cubic)) <= 3 * noise:
        return True
    scaled = (x - x[0]) / max(float(np.ptp(x)), 1e-300)
    grid = np.linspace(0.0, float(scaled[-2]), _GRID)
    hinge = min(float(_profile(scaled, y, grid, p, sloping=True).min()) for p in POWERS)
    return float(cubic @ cubic) <= 1.5 * hinge

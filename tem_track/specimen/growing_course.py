"""How thick a layer is by all frames together: it thickens slowly, as a single frame cannot say."""

from __future__ import annotations

import numpy as np

from tem_track.records import FloatArray

__all__ = ["layer_course"]

_LEAST_FRAMES = 8
"""Frames from which on there is a course."""
_REACH = 0.15  # of the time in which it is seen
_NEAREST = 7
"""Frames about each that a local line has, at least."""
_ROUNDS, _OUTLIER = 3, 3.0
_LEAST_SCATTER_PX = 0.1
"""Least scatter of a layer's thickness about its course: that of a frame with hardly any noise, by
what grain makes of it."""


def layer_course(seen: FloatArray) -> FloatArray:
    """Return the slow course of a layer's thickness, and how far single frames lie off it.

    Straight lines about each frame, so that neither end is drawn towards what is beside it.

    Parameters
    ----------
    seen : array, shape (n, 3)
        Time, thickness and its uncertainty by single frames.

    Returns
    -------
    array, shape (m, 3)
        Time, thickness and scatter; no row where too few frames tell.
    """
    seen = seen[np.isfinite(seen).all(axis=1)]
    if len(seen) < _LEAST_FRAMES:
        return np.empty((0, 3))
    time, value, u = seen[np.argsort(seen[:, 0])].T
    apart = np.abs(time[:, None] - time)
    reach = np.maximum(
        np.sort(apart, axis=1)[:, min(_NEAREST, len(time) - 1)], _REACH * (time[-1] - time[0])
    )
    near = np.clip(1.0 - (apart / (1.01 * reach[:, None])) ** 3, 0.0, None) ** 3
    trust, course, scatter = np.ones(len(time)), value, u
    for _ in range(_ROUNDS):
        course = _lines(time, value, near * trust / u**2)
        away = np.abs(value - course)
        scatter = 1.4826 * np.array([_middle(away, row) for row in near])
        scatter = np.maximum(scatter, _LEAST_SCATTER_PX)
        trust = np.minimum(1.0, _OUTLIER * scatter / np.maximum(away, 1e-9))
    return np.column_stack([time, course, scatter])


def _lines(time: FloatArray, value: FloatArray, weight: FloatArray) -> FloatArray:
    """Return the value of each frame's weighted straight line at its own time."""
    total = weight.sum(axis=1)
    at, level = (weight @ v / total for v in (time, value))
    square = weight @ time**2 / total - at**2
    slope = (weight @ (time * value) / total - at * level) / np.maximum(square, 1e-12)
    return np.asarray(level + slope * (time - at))


def _middle(values: FloatArray, weight: FloatArray) -> float:
    """Return the weighted median."""
    order = np.argsort(values)
    part = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(part, part[-1] / 2)])

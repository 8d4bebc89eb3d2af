"""How much a pattern says of its position: scores, Fisher information, covariance."""

from __future__ import annotations

import numpy as np

from tem_track.records import FloatArray
from tem_track.tracking.fit import Pattern
from tem_track.tracking.noise import variance
from tem_track.tracking.splines import MARGIN, moved

__all__ = [
    "covariance_of",
    "free_direction",
    "information_of",
    "scores_of",
    "slopes_at_rest",
    "squares",
]

WEAK_INFORMATION = 1.0
"""Below this many px^-2 a direction counts as not fixed by the target."""


def slopes_at_rest(
    pattern: Pattern, point_px: tuple[float, float], turns: bool
) -> tuple[FloatArray, FloatArray]:
    """Return the values (h, w) and the slopes (n, h, w) of a pattern at rest."""
    inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    value = moved(pattern.coef, 0, 0, 3)[inner].astype(float)
    slopes = [moved(pattern.coef, 0, 0, 3, s)[inner].astype(float) for s in "xy"]
    if turns:
        y, x = np.indices(value.shape)
        slopes.append(-slopes[0] * (y - point_px[1]) + slopes[1] * (x - point_px[0]))
    return value, np.array(slopes)


def _weights(pattern: Pattern, value: FloatArray) -> FloatArray:
    return np.asarray(pattern.share / variance(pattern.noise.astype(float), value))


def scores_of(pattern: Pattern, value: FloatArray, slopes: FloatArray) -> FloatArray:
    """Return the slopes' weighted scores with gain and offset taken out, (n, h, w)."""
    w = _weights(pattern, value)
    plain = np.array([np.ones_like(value), value])
    normal = np.einsum("ayx,byx,yx->ab", plain, plain, w)
    q = pattern.slope_share * w * slopes
    cross = np.einsum("nyx,ayx->na", q, plain)
    return np.asarray(
        q - np.einsum("na,ayx->nyx", cross @ np.linalg.pinv(normal, hermitian=True), plain) * w
    )


def information_of(pattern: Pattern, point_px: tuple[float, float], turns: bool) -> FloatArray:
    """Return the normal matrix of (x, y[, turn]) with gain and offset taken out."""
    value, slopes = slopes_at_rest(pattern, point_px, turns)
    scores = scores_of(pattern, value, slopes)
    found = np.einsum("nyx,myx->nm", scores, slopes)
    return np.asarray((found + found.T) / 2)


def free_direction(information: FloatArray) -> FloatArray | None:
    """Return the unit vector along which a target says nothing, or None."""
    values, vectors = np.linalg.eigh(information[:2, :2])
    if values[0] > max(WEAK_INFORMATION, 1e-4 * values[1]):
        return None
    return np.asarray(vectors[:, 0])


def covariance_of(information: FloatArray, free: FloatArray | None, meat: FloatArray) -> FloatArray:
    """Return the covariance of a fit whose scores have the covariance `meat`."""
    if free is not None:
        fixed = np.array([-free[1], free[0]])
        variance = float(fixed @ meat[:2, :2] @ fixed) / (
            float(fixed @ information[:2, :2] @ fixed) ** 2 + 1e-300
        )
        return variance * np.outer(fixed, fixed)
    inverse = np.linalg.pinv(information)
    return np.asarray(inverse @ meat @ inverse.T)


def squares(field: FloatArray, size: int) -> FloatArray:
    """Sum the last two axes over squares of `size` pixels."""
    n, h, w = field.shape
    rows, columns = -(-h // size), -(-w // size)
    padded = np.zeros((n, rows * size, columns * size))
    padded[:, :h, :w] = field
    return np.asarray(padded.reshape(n, rows, size, columns, size).sum(axis=(2, 4)))

"""The smoother's passes over some band-wise values, compiled."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tem_track.compiled import compiled, inner
from tem_track.records import FloatArray
from tem_track.specimen.few import median, on_lines

__all__ = ["CAUTION", "correlation", "over_holes", "smoothed"]

CAUTION = 2.0
"""Bands are not independent: texture reaches over two or three of them."""
_PASSES = 3
"""Rounds of reweighting."""
_OUTLIER = 2.5
"""Scatters from which on a value counts less."""
_THIRD, _NEAR = (-1.0, 3.0, -3.0, 1.0), 3  # a third difference, and how far it reaches


@compiled(nogil=True)
def smoothed(
    values: FloatArray,
    good: NDArray[np.bool_],
    vectors: FloatArray,
    columns: FloatArray,
    ladder: FloatArray,
    caution: float,
) -> tuple[FloatArray, int, float, float]:
    """Smooth some values, with outliers cut back; the rest is filled from its neighbours.

    Parameters
    ----------
    values : array, shape (n,)
    good : array of bool, shape (n,)
        What is used; four or more.
    vectors, columns : array, shape (n, n)
        The smoother's eigenvectors, one a row, and their transpose.
    ladder : array, shape (m, n)
        Shrinkage factors to choose from.
    caution : float
        By how much the values' correlation widens a variance at least.

    Returns
    -------
    curve : array, shape (n,)
    rung : int
        Which of the factors have the least generalised cross-validation.
    scatter, correlation : float
        Robust standard deviation of the values about the curve, and by how much their correlation
        widens an uncertainty.
    """
    n = len(values)
    data, curve, away = _filled(values, good), values, np.empty(n)
    rung, scatter = 0, 0.0
    for _ in range(_PASSES):
        part = _weighted(columns, data)
        rung = _best(part, ladder, caution)
        for k in range(n):
            part[k] *= ladder[rung, k]
        curve = _weighted(vectors, part)
        count = 0
        for i in range(n):
            if good[i]:
                away[count] = abs(values[i] - curve[i])
                count += 1
        scatter = 1.4826 * median(away[:count]) + 1e-9
        most = _OUTLIER * scatter
        for i in range(n):
            data[i] = curve[i]
            if good[i]:
                data[i] += min(max(values[i] - curve[i], -most), most)
    used = 0.0
    for k in range(n):
        used += ladder[rung, k]
    freedom = max(1.0 - used / n, 0.2)
    return curve, rung, scatter / math.sqrt(freedom), correlation(data - curve, caution)


@compiled(nogil=True)
def over_holes(
    data: FloatArray, good: NDArray[np.bool_], penalty: float, level: float
) -> tuple[FloatArray, FloatArray, float]:
    """Return the curve over bands that were not seen, its covariance's root, and its freedom.

    Away from what was seen only the smoothness tells it, which the covariance holds: that of the
    curve given the data, where the curve itself is as smooth as it was found.

    Parameters
    ----------
    data : array, shape (n,)
    good : array of bool, shape (n,)
    penalty : float
        Of squared third differences.
    level : float
        That of squared differences over it.

    Returns
    -------
    curve : array, shape (n,)
    root : array, shape (n, n)
        The covariance is ``root @ root.T``.
    used : float
    """
    n = len(data)
    factor = _factor(good, penalty, level)
    curve, root = np.where(good, data, 0.0), np.zeros((n, n))
    for i in range(n):
        for k in range(max(i - _NEAR, 0), i):
            curve[i] -= factor[i, i - k] * curve[k]
        curve[i] /= factor[i, 0]
    used = 0.0
    for i in range(n - 1, -1, -1):
        root[i, i] = 1.0
        for k in range(i + 1, min(i + _NEAR + 1, n)):
            curve[i] -= factor[k, k - i] * curve[k]
            for j in range(k, n):
                root[i, j] -= factor[k, k - i] * root[k, j]
        curve[i] /= factor[i, 0]
        for j in range(i, n):
            root[i, j] /= factor[i, 0]
            used += root[i, j] ** 2 if good[i] else 0.0
    return curve, root, used


@inner
def _factor(good: NDArray[np.bool_], penalty: float, level: float) -> FloatArray:
    """Return the Cholesky factor of data and smoothness together; the diagonals are its columns."""
    n = len(good)
    out = np.zeros((n, _NEAR + 1))
    for i in range(n):
        out[i, 0] = 1.0 if good[i] else 0.0
    for i in range(n - _NEAR):
        for a in range(_NEAR + 1):
            for b in range(a + 1):
                out[i + a, a - b] += penalty * _THIRD[a] * _THIRD[b]
    for i in range(n - 1):
        out[i, 0] += penalty * level
        out[i + 1, 0] += penalty * level
        out[i + 1, 1] -= penalty * level
    for i in range(n):
        for k in range(max(i - _NEAR, 0), i + 1):
            for j in range(max(i - _NEAR, 0), k):
                out[i, i - k] -= out[i, i - j] * out[k, k - j]
            if k < i:
                out[i, i - k] /= out[k, 0]
            else:
                out[i, 0] = math.sqrt(out[i, 0])
    return out


@inner
def _filled(values: FloatArray, good: NDArray[np.bool_]) -> FloatArray:
    at = np.flatnonzero(good).astype(np.float64)
    kept = values[good]
    data = np.empty(len(values))
    for i in range(len(values)):
        data[i] = values[i] if good[i] else on_lines(float(i), at, kept)
    return data


@inner
def _weighted(rows: FloatArray, weight: FloatArray) -> FloatArray:
    """Return the weighted sum of the rows."""
    total = np.zeros(rows.shape[1])
    for k in range(len(rows)):
        for i in range(len(total)):
            total[i] += rows[k, i] * weight[k]
    return total


@inner
def _best(part: FloatArray, ladder: FloatArray, caution: float) -> int:
    """Return the factors of least generalised cross-validation."""
    n = len(part)
    best, least = 0, math.inf
    for m in range(len(ladder)):
        rest = used = 0.0
        for k in range(n):
            left = (1.0 - ladder[m, k]) * part[k]
            rest += left * left
            used += ladder[m, k]
        freedom = max(1.0 - caution * used / n, 0.05)
        score = rest / freedom**2
        if score < least:
            best, least = m, score
    return best


@compiled(nogil=True)
def correlation(residual: FloatArray, caution: float) -> float:
    """Return by how much correlated residuals widen an uncertainty: little of it is not seen.

    A curve that was fitted takes a part of the correlation with it.
    """
    n = len(residual)
    power = lagged = 0.0
    for i in range(n):
        power += residual[i] * residual[i]
        for k in range(1, 4):
            if i >= k:
                lagged += residual[i - k] * residual[i]
    wider = math.sqrt(max(1.0 + 2.0 * lagged / max(power, 1e-12), 0.0))
    return float(min(max(wider, caution**0.5), 1.8))

"""The straight lines with two corners that some band-wise values make likely, compiled."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tem_track.compiled import compiled, inner
from tem_track.records import FloatArray
from tem_track.specimen.few import median_where, quantile

__all__ = ["likely_lines", "validated"]

_PASSES = 3
"""Rounds of reweighting."""
_OUTLIER = 2.5
"""Scatters from which on a band counts less."""
_LEAST_WEIGHT, _MOST_LINES = 0.01, 24
"""Likelihood over the best's down to which a line is averaged, and how many are at most."""
_TWO_CORNERS = 5
"""Numbers that a line with two corners has beside its scatter."""

Mask = NDArray[np.bool_]


@compiled(nogil=True)
def likely_lines(
    values: FloatArray,
    good: Mask,
    start: FloatArray,
    levels: FloatArray,
    before: FloatArray,
    after: FloatArray,
    shared: FloatArray,
    allowed: Mask,
    cost: float,
    caution: float,
) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Return the mean of all lines with two corners, weighted by how likely each is.

    Parameters
    ----------
    values, start : array, shape (n,)
        Outliers are told from the `start` at first.
    good : array of bool, shape (n,)
    levels : array, shape (2, 2, n)
        Orthonormal, by kind: a constant and nothing, or a constant and a slope.
    before, after : array, shape (2, p, n)
        By kind, the ramps that begin at each place, less their part in `levels`.
    shared : array, shape (2, p, p)
        Their products.
    allowed : array of bool, shape (p, p)
        Pairs of places that are far enough apart.
    cost : float
        What a line of the second kind must be likelier, as a logarithm.
    caution : float
        By how much the values' correlation widens a variance at least.

    Returns
    -------
    curve, data : array, shape (n,)
        The mean, and what it was made of: the values with outliers cut back and gaps filled.
    vectors : array, shape (m, n)
        The mean is ``vectors.T @ (vectors @ data)``.
    scatter : float
    """
    n = len(values)
    curve, data, scatter = start.copy(), np.empty(n), 0.0
    likely = np.full(shared.shape, -np.inf)
    vectors = np.empty((0, n))
    for _ in range(_PASSES):
        scatter = 1.4826 * median_where(np.abs(values - curve), good) + 1e-9
        most, square = _OUTLIER * scatter, 0.0
        for i in range(n):
            data[i] = curve[i]
            if good[i]:
                data[i] += min(max(values[i] - curve[i], -most), most)
            square += data[i] * data[i]
        held = -np.inf
        for kind in range(2):
            part = likely[kind]
            _held(data, levels[kind], before[kind], after[kind], shared[kind], allowed, part)
            held = max(held, part.max())
        variance = max((square - held) / max(n - _TWO_CORNERS, 1), 1e-12) * caution
        best = -np.inf
        for kind in range(2):
            likely[kind] /= 2 * variance
            likely[kind] -= cost * kind
            best = max(best, likely[kind].max())
        vectors = _bases(likely, best, levels, before, after)
        curve = np.zeros(n)
        for row in vectors:
            product = 0.0
            for i in range(n):
                product += row[i] * data[i]
            for i in range(n):
                curve[i] += row[i] * product
    return curve, data, vectors, scatter


@compiled(nogil=True)
def validated(
    values: FloatArray, good: Mask, curve: FloatArray, scatter: float, used: float, caution: float
) -> float:
    """Return the generalised cross-validation; `used` counts a corner's place as a parameter."""
    n, count, total = len(values), 0, 0.0
    for i in range(n):
        if good[i]:
            rest = min(max(values[i] - curve[i], -3 * scatter), 3 * scatter)
            total += rest * rest
            count += 1
    freedom = max(1.0 - caution * used / n, 0.05)
    return total / count / freedom**2


@inner
def _held(
    data: FloatArray,
    level: FloatArray,
    before: FloatArray,
    after: FloatArray,
    shared: FloatArray,
    allowed: Mask,
    out: FloatArray,
) -> None:
    """Work out how much of the data's square the best line with each pair of corners holds."""
    places = len(before)
    whole = _product(level[0], data) ** 2 + _product(level[1], data) ** 2
    a, b, aa, bb = np.empty(places), np.empty(places), np.empty(places), np.empty(places)
    for i in range(places):
        a[i], aa[i] = _product(before[i], data), _product(before[i], before[i])
        b[i], bb[i] = _product(after[i], data), _product(after[i], after[i])
    for i in range(places):
        for j in range(places):
            if allowed[i, j]:
                gram = aa[i] * bb[j] - shared[i, j] ** 2
                ramps = a[i] * a[i] * bb[j] - 2 * a[i] * b[j] * shared[i, j] + b[j] * b[j] * aa[i]
                out[i, j] = whole + ramps / gram
            else:
                out[i, j] = -np.inf


@inner
def _bases(
    likely: FloatArray, best: float, levels: FloatArray, before: FloatArray, after: FloatArray
) -> FloatArray:
    """Return orthonormal bases of the likely lines, each times the root of its weight."""
    least = _least_likely(likely, best)
    count, total = 0, 0.0
    where = np.empty((_MOST_LINES, 3), np.intp)
    weight = np.empty(_MOST_LINES)
    for kind, i, j in np.ndindex(likely.shape):
        if likely[kind, i, j] >= least and count < _MOST_LINES:
            where[count, 0], where[count, 1], where[count, 2] = kind, i, j
            weight[count] = math.exp(likely[kind, i, j] - best)
            total += weight[count]
            count += 1
    vectors = np.empty((4 * count, levels.shape[2]))
    filled = 0
    for k in range(count):
        kind, root = where[k, 0], math.sqrt(weight[k] / total)
        first = before[kind, where[k, 1]]
        first = first / math.sqrt(_product(first, first))
        second = after[kind, where[k, 2]]
        second = second - _product(second, first) * first
        second = second / math.sqrt(_product(second, second))
        vectors[filled], vectors[filled + 1] = root * first, root * second
        vectors[filled + 2] = root * levels[kind, 0]
        filled += 3
        if kind == 1:
            vectors[filled] = root * levels[kind, 1]
            filled += 1
    return vectors[:filled]


@inner
def _least_likely(likely: FloatArray, best: float) -> float:
    """Return how likely a line must be to count: hardly less than the best, and among the first."""
    least = best + math.log(_LEAST_WEIGHT)
    known = np.empty(likely.size)
    count = 0
    for value in likely.flat:
        if value > least:
            known[count] = value
            count += 1
    if count <= _MOST_LINES:
        return least
    return quantile(known[:count], (count - _MOST_LINES) / (count - 1))


@inner
def _product(one: FloatArray, other: FloatArray) -> float:
    total = 0.0
    for i in range(len(one)):
        total += one[i] * other[i]
    return total

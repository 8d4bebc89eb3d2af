"""Smooth curves through band-wise edges, with their covariance.

A Whittaker smoother (third differences) in its eigenbasis: once per number of bands, so that the
best smoothness of a frame costs one small matrix product. A crystal's side is no smooth curve but
straight lines between corners, which are sought in all places.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray
from tem_track.specimen.smoothing import CAUTION, correlation, smoothed

__all__ = ["Curve", "Mask", "cornered", "smooth_curve"]

Mask = NDArray[np.bool_]

_STEP = 10.0 ** (1 / 3)
_STIFFEST = 1e7
_CORNERS, _APART, _MOST_PLACES = 2, 4, 40


@dataclass(frozen=True, eq=False)
class Curve:
    """A smooth curve on the bands.

    Attributes
    ----------
    value : array, shape (n,)
    vectors, shrink : array, shape (n, m) and (m,)
        The smoother in its eigenbasis: value = vectors @ (shrink * (vectors.T @ data)).
    scatter : float
        Robust standard deviation of the data about the curve.
    correlation : float
        By how much the data's own correlation along the curve widens an uncertainty.
    scale : array, shape (n,), or 1
        What the value changes by where the smoothed data change by one.
    """

    value: FloatArray
    vectors: FloatArray
    shrink: FloatArray
    scatter: float
    correlation: float = 1.4
    scale: FloatArray | float = 1.0

    @property
    def hat(self) -> FloatArray:
        """The matrix, shape (n, n), that makes the curve of the data."""
        hat = (self.vectors * self.shrink) @ self.vectors.T
        return np.asarray(hat * np.broadcast_to(self.scale, len(hat))[:, None])

    @cached_property
    def u(self) -> FloatArray:
        """Standard uncertainty of every value."""
        norm = np.sqrt(self.vectors**2 @ self.shrink**2)
        return np.asarray(self.correlation * self.scatter * norm * self.scale)

    def u_of(self, weights: FloatArray) -> float:
        """Return the standard uncertainty of a weighted sum of the values."""
        kernel = ((weights * self.scale) @ self.vectors) * self.shrink
        return float(self.correlation * self.scatter * np.sqrt(kernel @ kernel))


@lru_cache(maxsize=128)
def _basis(n: int) -> tuple[FloatArray, FloatArray]:
    difference = np.diff(np.eye(n), 3, axis=0)
    penalty, vectors = np.linalg.eigh(difference.T @ difference)
    return np.clip(penalty, 0.0, None), vectors


def smooth_curve(values: FloatArray, good: Mask, softest: float = 1e3) -> Curve:
    """Smooth a sequence of band-wise values, robustly, with the smoothness its data ask for.

    Parameters
    ----------
    values : array, shape (n,)
        One value a band.
    good : array of bool, shape (n,)
        Bands to be used; the others are filled from their neighbours.
    softest : float
        Smallest penalty allowed.

    Returns
    -------
    Curve
    """
    n = len(values)
    good = good & np.isfinite(values)
    if n < 4 or good.sum() < 4:
        level = float(np.median(values[good])) if good.any() else float("nan")
        even = np.full((n, 1), 1.0 / np.sqrt(max(n, 1)))
        return Curve(np.full(n, level), even, np.ones(1), float("nan"))
    vectors, columns, ladder = _ladder(n, float(softest))
    values = np.ascontiguousarray(values, dtype=np.float64)
    curve, rung, scatter, wider = smoothed(values, good, vectors, columns, ladder)
    return Curve(curve, columns, ladder[rung], scatter, wider)


@lru_cache(maxsize=128)
def _ladder(n: int, softest: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return eigenvectors as rows and as columns, and the shrinkage of every smoothness."""
    penalty, vectors = _basis(n)
    steps = round(np.log(_STIFFEST / softest) / np.log(_STEP)) + 1
    ladder = softest * _STEP ** np.arange(steps)
    columns = np.ascontiguousarray(vectors)
    return np.ascontiguousarray(vectors.T), columns, 1.0 / (1.0 + ladder[:, None] * penalty)


def cornered(values: FloatArray, good: Mask, smooth: Curve) -> Curve:
    """Return straight lines with two corners where they tell the data better than a curve.

    The line between the corners is parallel to the axis, as a prism's face is, unless the data
    show that it is not.

    Parameters
    ----------
    values : array, shape (n,)
    good : array of bool, shape (n,)
    smooth : Curve
        What was found of the same values without corners.

    Returns
    -------
    Curve
        The straight lines, or `smooth`.
    """
    n = len(values)
    good = good & np.isfinite(values)
    if n < 4 * _APART or good.sum() < 2 * _APART:
        return smooth
    broken = [_broken_line(values, good, smooth.value, flat) for flat in (True, False)]
    scatter = min(line.scatter for line in broken)
    best = min((*broken, smooth), key=lambda curve: _validated(values, good, curve, scatter))
    return best


def _broken_line(values: FloatArray, good: Mask, start: FloatArray, flat: bool) -> Curve:
    bases, curve = _corner_bases(len(values), flat), start
    for _ in range(3):
        residual = (values - curve)[good]
        scatter = 1.4826 * float(np.median(np.abs(residual))) + 1e-9
        clipped = np.clip(values - curve, -2.5 * scatter, 2.5 * scatter)
        data = np.where(good, curve + np.where(good, clipped, 0.0), curve)
        basis = bases[int(np.argmax(((bases @ data) ** 2).sum(axis=1)))].T
        curve = basis @ (basis.T @ data)
    freedom = max(1.0 - (basis.shape[1] + _CORNERS) / len(values), 0.2)
    shrink = np.ones(basis.shape[1])
    return Curve(curve, basis, shrink, scatter / np.sqrt(freedom), float(correlation(data - curve)))


def _validated(values: FloatArray, good: Mask, curve: Curve, scatter: float) -> float:
    """Return the generalised cross-validation; a corner's place counts as a parameter."""
    rest = np.clip((values - curve.value)[good], -3 * scatter, 3 * scatter)
    used = float(curve.shrink.sum()) + (_CORNERS if curve.vectors.shape[1] < 5 else 0)
    return float(np.mean(rest**2)) / max(1.0 - CAUTION * used / len(values), 0.05) ** 2


@lru_cache(maxsize=32)
def _corner_bases(n: int, flat: bool) -> FloatArray:
    """Return orthonormal bases, shape (k, m, n), of the broken lines with each pair of corners."""
    step = max(1, -(-n // _MOST_PLACES))
    places = np.arange(_APART - 0.5, n - _APART, step)
    pairs = [(a, b) for a in places for b in places if b - a >= _APART]
    x = np.arange(n, dtype=np.float64)
    before = {a: np.maximum(a - x, 0.0) for a in places}
    after = {b: np.maximum(x - b, 0.0) for b in places}
    level = [np.ones(n)] if flat else [np.ones(n), x]
    lines = np.stack([np.stack([*level, before[a], after[b]], axis=1) for a, b in pairs])
    basis, _ = np.linalg.qr(lines)
    return np.ascontiguousarray(basis.transpose(0, 2, 1))

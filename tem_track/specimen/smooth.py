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
from tem_track.specimen.corner_fit import likely_lines, validated
from tem_track.specimen.smoothing import CAUTION, correlation, over_holes, smoothed

__all__ = ["Curve", "Mask", "cornered", "smooth_curve"]

Mask = NDArray[np.bool_]

_STEP = 10.0 ** (1 / 3)
"""Between two stiffnesses that are tried."""
_STIFFEST = 1e7
"""A straight line, nearly."""
_HOLE = 3  # bands in a row that were not seen, from which on what leads over them is asked for
_CORNERS, _APART = 2, 4
"""Corners that a curve may have, and bands between them."""
_FINEST, _MOST_PLACES = 0.5, 100  # how finely corners are placed, in bands
_ASKEW = np.log(4.0)  # odds against a face that is not parallel to the axis


@dataclass(frozen=True, eq=False)
class Curve:
    """A smooth curve on the bands.

    Attributes
    ----------
    value : array, shape (n,)
    vectors, shrink : array, shape (n, m) and (m,)
        The smoother in its eigenbasis: value = vectors @ (shrink * (vectors.T @ data)). Of a curve
        over bands that were not seen, a square root of its covariance alone.
    scatter : float
        Robust standard deviation of the data about the curve.
    correlation : float
        By how much the data's own correlation along the curve widens an uncertainty.
    scale : array, shape (n,), or 1
        What the value changes by where the smoothed data change by one.
    used : float or None
        Degrees of freedom that it takes, where they are not the sum of `shrink`.
    """

    value: FloatArray
    vectors: FloatArray
    shrink: FloatArray
    scatter: float
    correlation: float = 1.4
    scale: FloatArray | float = 1.0
    used: float | None = None

    @property
    def freedom(self) -> float:
        """How many of its data's degrees of freedom the curve takes."""
        return float(self.shrink.sum()) if self.used is None else self.used

    @property
    def hat(self) -> FloatArray:
        """The matrix, shape (n, n), that makes the curve of the data, or its covariance's root."""
        if self.used is not None:
            return self.vectors
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
def _unevenness(n: int, level: float) -> FloatArray:
    third, first = (np.diff(np.eye(n), order, axis=0) for order in (3, 1))
    return np.asarray(third.T @ third + level * (first.T @ first))


@lru_cache(maxsize=128)
def _basis(n: int, level: float) -> tuple[FloatArray, FloatArray]:
    penalty, vectors = np.linalg.eigh(_unevenness(n, level))
    return np.clip(penalty, 0.0, None), vectors


def smooth_curve(
    values: FloatArray,
    good: Mask,
    softest: float = 1e3,
    caution: float = CAUTION,
    level: float = 0.0,
) -> Curve:
    """Smooth a sequence of band-wise values, robustly, with the smoothness its data ask for.

    Parameters
    ----------
    values : array, shape (n,)
        One value a band.
    good : array of bool, shape (n,)
        Bands to be used; the others are filled from their neighbours.
    softest : float
        Smallest penalty allowed.
    caution : float
        By how much the values' correlation widens a variance at least.
    level : float
        What a slope costs, over what a change of curvature does: a curve that is known to be level
        but in places is not free to lean or bend at its ends.

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
    vectors, columns, ladder = _ladder(n, float(softest), float(level))
    values = np.ascontiguousarray(values, dtype=np.float64)
    curve, rung, scatter, wider = smoothed(values, good, vectors, columns, ladder, caution)
    if _longest(~good) < _HOLE:
        return Curve(curve, columns, ladder[rung], scatter, wider)
    most = 2.5 * scatter
    near = curve + np.clip(np.where(good, values - curve, 0.0), -most, most)
    penalty = float(softest) * _STEP**rung
    curve, root, used = over_holes(near, good, penalty, float(level))
    return Curve(curve, root, np.ones(n), scatter, wider, used=used)


def _longest(missing: Mask) -> int:
    """Return the length of the longest run."""
    edge = np.flatnonzero(np.diff(np.concatenate([[0], missing.astype(int), [0]])))
    return int((edge[1::2] - edge[::2]).max(initial=0))


@lru_cache(maxsize=128)
def _ladder(n: int, softest: float, level: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return eigenvectors as rows and as columns, and the shrinkage of every smoothness."""
    penalty, vectors = _basis(n, level)
    steps = round(np.log(_STIFFEST / softest) / np.log(_STEP)) + 1
    ladder = softest * _STEP ** np.arange(steps)
    columns = np.ascontiguousarray(vectors)
    return np.ascontiguousarray(vectors.T), columns, 1.0 / (1.0 + ladder[:, None] * penalty)


def cornered(
    values: FloatArray,
    good: Mask,
    smooth: Curve,
    caution: float = CAUTION,
    finest: float = _FINEST,
) -> Curve:
    """Return straight lines with two corners where they tell the data better than a curve.

    The line between the corners is parallel to the axis, as a prism's face is, or is not, and the
    corners lie where the data have them: the answer is the mean of all such lines, each weighted
    by how likely the data make it. One of them alone, the likeliest, jumps with the noise.

    Parameters
    ----------
    values : array, shape (n,)
    good : array of bool, shape (n,)
    smooth : Curve
        What was found of the same values without corners.
    caution : float
        By how much the values' correlation widens a variance at least.
    finest : float
        How finely corners are placed, in bands.

    Returns
    -------
    Curve
        The straight lines, or `smooth`.
    """
    n = len(values)
    good = good & np.isfinite(values)
    if n < 4 * _APART or good.sum() < 2 * _APART:
        return smooth
    values = np.ascontiguousarray(values, dtype=np.float64)
    lines = _broken_lines(values, good, smooth.value, caution, finest)
    used = float((lines.vectors**2).sum()) + _CORNERS
    scores = [
        validated(values, good, curve.value, lines.scatter, taken, caution)
        for curve, taken in ((lines, used), (smooth, smooth.freedom))
    ]
    return lines if scores[0] < scores[1] else smooth


def _broken_lines(
    values: FloatArray, good: Mask, start: FloatArray, caution: float, finest: float
) -> Curve:
    n = len(values)
    cost = float(_ASKEW + 0.5 * np.log(n / caution))
    curve, data, vectors, scatter = likely_lines(
        values,
        good,
        np.ascontiguousarray(start, dtype=np.float64),
        *_corners(n, finest),
        cost,
        float(caution),
    )
    freedom = max(1.0 - (float((vectors**2).sum()) + _CORNERS) / n, 0.2)
    wider = float(correlation(data - curve, caution))
    return Curve(curve, vectors.T, np.ones(len(vectors)), scatter / np.sqrt(freedom), wider)


@lru_cache(maxsize=32)
def _corners(n: int, finest: float) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, Mask]:
    """Return lines with two corners in all pairs of places, as `likely_lines` takes them."""
    step = max(finest, n / _MOST_PLACES)
    places = np.arange(_APART - 0.5, n - _APART + 0.01, step)
    x = np.arange(n, dtype=np.float64)
    constant, slope = np.full(n, n**-0.5), (x - x.mean()) / np.linalg.norm(x - x.mean())
    levels = np.stack([[constant, np.zeros(n)], [constant, slope]])
    ramps = np.maximum(places[:, None] - x, 0.0), np.maximum(x - places[:, None], 0.0)
    before, after = (np.stack([ramp - (ramp @ k.T) @ k for k in levels]) for ramp in ramps)
    allowed = places[None, :] - places[:, None] >= _APART
    return levels, before, after, before @ after.transpose(0, 2, 1), allowed

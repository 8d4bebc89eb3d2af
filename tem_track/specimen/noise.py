"""What scatters the pixels of a band: shot noise, a textured background, the specimen's grain.

Shot noise is white. What lies behind or in the specimen is not: neighbouring pixels share it, and
an edge that is sought with that in mind is a fifth to a third less uncertain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tem_track.records import FloatArray

__all__ = ["Noise", "measure_noise"]

_LAGS = 7
"""Distances over which pixels are correlated."""
_CLEAR_PX = 6.0
_DEEP_PX = 10.0
"""Depth from which on it is the body's own texture."""
_SIGMAS_PX = np.geomspace(0.8, 6.0, 16)
"""Lengths of the texture that are tried."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Scatter of the pixels of a band over the background's brightness.

    Attributes
    ----------
    shot : float
        Variance of the white part at the background's brightness; it falls with the brightness.
    film, film_px : float
        Relative standard deviation of the texture behind everything, and its correlation length:
        pixels d apart share ``exp(-d^2 / (4 film_px^2))``.
    texture, texture_px : float
        The same of the specimen's optical depth.
    """

    shot: float = 2e-3
    film: float = 0.01
    film_px: float = 2.0
    texture: float = 0.05
    texture_px: float = 3.0

    def covariance(self, brightness: FloatArray) -> FloatArray:
        """Return the covariance of neighbouring pixels of the given expected brightness."""
        lit = np.clip(brightness, 0.02, None)
        depth = -np.log(np.minimum(lit, 1.0)) * lit
        index = np.arange(len(lit), dtype=np.float64)
        apart = (index[:, None] - index) ** 2
        near = np.exp(-apart / (4 * self.film_px**2))
        grain = np.exp(-apart / (4 * self.texture_px**2))
        shared = self.film**2 * np.outer(lit, lit) * near
        shared = shared + self.texture**2 * np.outer(depth, depth) * grain
        return np.asarray(np.diag(self.shot * lit) + shared, dtype=np.float64)


def measure_noise(
    outside: Sequence[FloatArray], inside: FloatArray, brightness: FloatArray, depth_px: FloatArray
) -> Noise:
    """Measure the scatter in the picture itself.

    Parameters
    ----------
    outside : sequence of array, shape (n, m)
        Brightness of the background beside the specimen, one row a band.
    inside : array, shape (k, p)
        Brightness over the background's at even depths behind an edge, one row an edge.
    brightness : array, shape (p,)
        What is expected of it.
    depth_px : array, shape (p,)

    Returns
    -------
    Noise
        The usual one where too little is seen.
    """
    covered = [_lags(_level(rows)) for rows in outside if rows.shape[1] > 2 * _LAGS]
    if not covered:
        return Noise()
    lags = np.mean(covered, axis=0)
    film, film_px = _correlated(lags)
    shot = max(float(lags[0]) - film**2, 2e-5)
    deep = depth_px > _DEEP_PX
    rows = inside[np.isfinite(inside[:, deep]).all(axis=1)][:, deep]
    if deep.sum() < 2 * _LAGS or len(rows) < 20:
        return Noise(shot, film, film_px)
    lit = np.clip(brightness[deep], 0.02, 1.0)
    depth = max(float(np.mean(-np.log(lit) * lit)), 0.02)
    rest = _lags(rows - rows.mean(axis=0) - (rows - rows.mean(axis=0)).mean(axis=1)[:, None])
    light = float(np.mean(lit))
    lag = np.arange(_LAGS)
    rest = rest - film**2 * light**2 * np.exp(-(lag**2) / (4 * film_px**2))
    texture, texture_px = _correlated(rest)
    return Noise(shot, film, film_px, min(max(texture / depth, 0.01), 0.3), texture_px)


def _level(rows: FloatArray) -> FloatArray:
    mean = rows.mean(axis=1)[:, None]
    return np.asarray(rows / np.maximum(mean, 1e-6) - 1.0)


def _lags(rows: FloatArray) -> FloatArray:
    """Return the covariance of pixels 0, 1, ... apart along the rows."""
    n = rows.shape[1]
    return np.array([float(np.mean(rows[:, : n - k] * rows[:, k:])) for k in range(_LAGS)])


def _correlated(lags: FloatArray) -> tuple[float, float]:
    """Return amplitude and length of a Gaussian correlation, and a constant, through lags > 0."""
    lag = np.arange(1, len(lags), dtype=np.float64)
    best = (np.inf, 0.0, 2.0)
    for sigma in _SIGMAS_PX:
        shape = np.exp(-(lag**2) / (4 * sigma**2))
        design = np.column_stack([shape, np.ones_like(shape)])
        solution, *_ = np.linalg.lstsq(design, lags[1:], rcond=None)
        rest = float(((design @ solution - lags[1:]) ** 2).sum())
        if solution[0] > 0 and rest < best[0]:
            best = (rest, float(solution[0]), float(sigma))
    return float(np.sqrt(best[1])), best[2]

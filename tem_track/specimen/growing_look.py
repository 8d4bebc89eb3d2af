"""The mean picture across all edges of a growing body, and what falsifies it.

Noise averages out over the edges; grain does too, but more slowly, and it falsifies neighbouring
depths alike. A layer is a step where the core begins, grain is broad: told apart by their lengths.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from tem_track.records import FloatArray
from tem_track.specimen.edges import Edges
from tem_track.specimen.model import BAND_PX
from tem_track.specimen.smooth import Mask, smooth_curve

__all__ = ["Grain", "Look", "learn_grain", "mean_look"]

_LEAST_EDGES = 8
"""Edges, and bins with enough pixels, that a mean look needs."""
_STEEPEST = 0.35  # px a px: a steeper side is not seen at right angles
_LOW_PX, _HIGH_PX, _BIN_PX = -10.0, 36.0, 0.5
_FULL = 0.05
"""Pixels of a bin, over those of the fullest, from which on it counts."""
_LENGTHS_PX = (1.5, 3.0, 6.0, 12.0)
"""Lengths over which grain may be correlated: from the blur's to a body's radius."""
_BLOCK_PX = 30.0
"""Length of edge that is averaged before grain is read: grain is shorter."""
_LAGS = np.arange(1, 25)
"""Distances in px at which residuals are compared."""
_LEAST_BLOCKS, _DEEP_PX = 8, 6.0
_FLOOR = 1e-3
"""Standard deviation, over the background's brightness, that the model itself is off by."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Mean brightness, relative to the background's, against depth behind the edge.

    Attributes
    ----------
    u_px, value, count : array, shape (n,)
        Depth, brightness, and over how many pixels it is averaged.
    radius_px : float
        Of the body, where it is seen.
    length_px : float
        Of all edges together.
    """

    u_px: FloatArray
    value: FloatArray
    count: FloatArray
    radius_px: float
    length_px: float


@dataclass(frozen=True, slots=True)
class Grain:
    """What scatters a mean look.

    Attributes
    ----------
    white : float
        Variance of a pixel of a band at the background's brightness.
    share : tuple of float
        Variance of the relative depth, averaged over `_BLOCK_PX` of an edge, by the lengths
        `_LENGTHS_PX` over which it is correlated.
    """

    white: float = 2e-3
    share: tuple[float, ...] = (0.0, 0.0, 5e-4, 0.0)

    def covariance(self, look: Look, lit: FloatArray) -> FloatArray:
        """Return the covariance of a look of the expected brightness."""
        lit = np.clip(lit, 0.02, 1.0)
        depth = -np.log(lit) * lit
        apart = look.u_px[:, None] - look.u_px
        grain = np.zeros_like(apart)
        for share, length in zip(self.share, _LENGTHS_PX, strict=True):
            grain += share * np.exp(-(apart**2) / (4 * length**2))
        grain *= np.outer(depth, depth) * _BLOCK_PX / look.length_px
        return np.asarray(grain + np.diag(self.white * lit / look.count + _FLOOR**2))


def mean_look(
    edges: Edges, bands: FloatArray, t_px: FloatArray, hidden: Mask | None = None
) -> Look | None:
    """Lay a frame's edges on one another along their smooth sides; None from too few of them.

    Columns that are `hidden`, shape (m,), do not show the body itself.
    """
    if hidden is not None and hidden.any():
        bands = np.where(hidden, np.nan, bands)
    rows = _aligned(edges, bands, t_px)
    if rows is None:
        return None
    depth, value, radius = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    middle = float(np.median(radius))
    steps = np.arange(_LOW_PX, min(_HIGH_PX, middle) + _BIN_PX / 2, _BIN_PX)
    use = np.isfinite(value) & (depth >= steps[0]) & (depth < steps[-1])
    index = ((depth[use] - steps[0]) / _BIN_PX).astype(np.intp)
    count = np.bincount(index, minlength=len(steps) - 1).astype(np.float64)
    total = np.bincount(index, weights=value[use], minlength=len(steps) - 1)
    full = count > _FULL * max(float(count.max(initial=0.0)), 1.0)
    if full.sum() < _LEAST_EDGES:
        return None
    u = steps[:-1] + _BIN_PX / 2
    mean = total / np.maximum(count, 1.0)
    return Look(u[full], mean[full], count[full], middle, float(BAND_PX * len(radius)))


def _aligned(
    edges: Edges, bands: FloatArray, t_px: FloatArray
) -> list[tuple[FloatArray, FloatArray, FloatArray]] | None:
    """Return depths, relative brightness and radii of the edges of each side."""
    good: Mask = np.asarray(edges.good.all(axis=1))
    if 2 * good.sum() < _LEAST_EDGES:
        return None
    sides = [smooth_curve(edges.t_px[:, k], good).value for k in (0, 1)]
    radius = (sides[1] - sides[0]) / 2
    good &= np.abs(np.gradient(radius, edges.s_px)) < _STEEPEST
    if 2 * good.sum() < _LEAST_EDGES:
        return None
    rows, out = np.flatnonzero(good)[:, None], []
    offsets = np.arange(int(_LOW_PX) - 4, int(_HIGH_PX) + 4)
    for k, sign in ((0, 1.0), (1, -1.0)):
        column = np.rint(sides[k][good] - t_px[0])[:, None] + sign * offsets
        inside = (column >= 0) & (column < bands.shape[1])
        index = np.clip(column, 0, bands.shape[1] - 1).astype(np.intp)
        value = bands[rows, index] / edges.background[good, k][:, None]
        depth = sign * (t_px[index] - sides[k][good][:, None])
        out.append((depth, np.where(inside, value, np.nan), radius[good]))
    return out


def learn_grain(measured: Iterable[tuple[Edges, FloatArray, FloatArray]], white: float) -> Grain:
    """Learn from edges that are long how their mean look is falsified.

    Parameters
    ----------
    measured : iterable of (Edges, array, array)
        Edges, bands and the bands' places across, of each frame.
    white : float
        Variance of a pixel of a band.
    """
    lags: list[FloatArray] = []
    offsets = np.arange(_DEEP_PX, _HIGH_PX)
    block = round(_BLOCK_PX / BAND_PX)
    for edges, bands, t_px in measured:
        rows = _aligned(edges, bands, t_px)
        parts = []
        for depth, value, _ in rows or ():
            even = np.array(
                [np.interp(offsets, u[o], v[o]) for u, v in zip(depth, value, strict=True)
                 for o in [np.argsort(u)]]
            )  # fmt: skip
            whole = len(even) // block * block
            parts.append(even[:whole].reshape(-1, block, len(offsets)).mean(axis=1))
        blocks = np.concatenate(parts) if parts else np.empty((0, len(offsets)))
        blocks = blocks[np.isfinite(blocks).all(axis=1)]
        if len(blocks) < _LEAST_BLOCKS:
            continue
        lit = np.clip(blocks.mean(axis=0), 0.02, 0.98)
        rest = (blocks - lit) / (-np.log(lit) * lit)
        rest *= np.sqrt(len(blocks) / (len(blocks) - 1))
        lags.append(np.array([np.mean(rest[:, :-n] * rest[:, n:]) for n in _LAGS]))
    if not lags:
        return Grain(white)
    design = np.exp(-(_LAGS[:, None] ** 2) / (4 * np.array(_LENGTHS_PX) ** 2))
    weight = np.sqrt(len(offsets) - _LAGS)
    share, _ = nnls(design * weight[:, None], np.mean(lags, axis=0) * weight)
    return Grain(white, tuple(map(float, share)))

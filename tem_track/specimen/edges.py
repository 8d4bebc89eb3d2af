"""Sub-pixel edges of a strip: where its two sides are, row band by row band."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter, uniform_filter1d

from tem_track.records import FloatArray
from tem_track.specimen.profile import U_HIGH_PX, U_LOW_PX, U_STEP_PX, EdgeTable, Profile
from tem_track.specimen.smooth import Mask

__all__ = ["Edges", "coarse_edges", "fit_edges"]

OUTSIDE_PX = 12
INSIDE_PX = 26
_STEP_LIMIT_PX = 2.0
_CONTRAST_PRIOR = 0.2
_TEXTURE_LEVEL = 0.3  # darkness at which texture weighs as much as shot noise


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """Edges of every band, along with what the fit thinks of them.

    Attributes
    ----------
    s_px : array, shape (n,)
        Middle of every band along the axis.
    t_px : array, shape (n, 2)
        Left and right edge.
    u_px : array, shape (n, 2)
        Standard uncertainty from the scatter of the pixels about the fit.
    background, contrast : array, shape (n, 2)
        Brightness outside, and the depth of the profile over the expected one.
    good : array of bool, shape (n, 2)
    shell_px, u_shell_px : float
        Thickness of the surface layer that all bands agree on; NaN where the model has none.
    """

    s_px: FloatArray
    t_px: FloatArray
    u_px: FloatArray
    background: FloatArray
    contrast: FloatArray
    good: Mask
    shell_px: float = math.nan
    u_shell_px: float = math.nan


def inside_px(profile: Profile) -> int:
    """Return how far behind the edge the fit reaches: over the whole wall of a hollow body."""
    return 64 if profile.model == "hollow" else INSIDE_PX


def coarse_edges(bands: FloatArray, t_px: FloatArray, middle_px: float) -> FloatArray:
    """Find both edges of every band to about two pixels, from the outside inwards.

    Parameters
    ----------
    bands : array, shape (n, m)
        Rows averaged in bands, from base to tip.
    t_px : array, shape (m,)
        Positions across the axis.
    middle_px : float
        A position inside the specimen.

    Returns
    -------
    array, shape (n, 2)
        Left and right edge; NaN in bands that show no body.
    """
    smooth = uniform_filter1d(uniform_filter1d(bands, 5, axis=1, mode="nearest"), 3, axis=0)
    dark = 1.0 - smooth / _background(smooth, t_px)
    inner = np.abs(t_px - middle_px) < 0.12 * (t_px[-1] - t_px[0])
    usual, darkest = np.percentile(dark[:, inner], (50, 85), axis=1)
    plateau = np.maximum(usual, 0.6 * darkest)  # a thin neck fills little of the inner columns
    level = np.maximum(0.5 * np.minimum(plateau, 1.6 * np.median(plateau)), 0.04)
    edges = np.column_stack(
        [
            _first_crossing(dark, level, t_px),
            _first_crossing(dark[:, ::-1], level, t_px[::-1]),
        ]
    )
    edges[edges[:, 1] - edges[:, 0] < 2.0] = np.nan
    return edges


def _background(bands: FloatArray, t_px: FloatArray) -> FloatArray:
    n = max(3, bands.shape[1] // 16)
    left = np.percentile(bands[:, : 2 * n], 70, axis=1)[:, None]
    right = np.percentile(bands[:, -2 * n :], 70, axis=1)[:, None]
    weight = (t_px - t_px[0]) / (t_px[-1] - t_px[0])
    return np.asarray(np.maximum(left * (1 - weight) + right * weight, 1e-6))


def _first_crossing(dark: FloatArray, level: FloatArray, t: FloatArray) -> FloatArray:
    """Return where each row first stays above its level for three pixels.

    What is dark already at the border is a neighbour, and is passed over.
    """
    above = dark > level[:, None]
    stays = above[:, :-2] & above[:, 1:-1] & above[:, 2:]
    stays &= np.logical_or.accumulate(~above, axis=1)[:, :-2]
    index = np.argmax(stays, axis=1)
    rows = np.arange(len(dark))
    seen = stays[rows, index] & (index > 0)
    before = np.maximum(index - 1, 0)
    d0, d1 = dark[rows, before], dark[rows, index]
    part = np.clip((level - d0) / np.where(np.abs(d1 - d0) > 1e-9, d1 - d0, 1.0), 0, 1)
    at = t[before] + part * (t[index] - t[before])
    return np.where(seen, at, np.nan)


def steady(edges: FloatArray, width: int = 7) -> FloatArray:
    """Take out bands that jump: the running median, where a band is far from it."""
    filled = np.column_stack([_fill(column) for column in edges.T])
    middle = median_filter(filled, size=(width, 1), mode="mirror")
    return np.where(np.abs(filled - middle) > 3.0, middle, filled)


def _fill(values: FloatArray) -> FloatArray:
    seen = np.isfinite(values)
    if not seen.any():
        return values
    index = np.arange(len(values))
    return np.interp(index, index[seen], values[seen])


def fit_edges(
    bands: FloatArray, s_px: FloatArray, t_first: float, start: FloatArray, table: EdgeTable
) -> Edges:
    """Fit the profile's model to both edges of every band at once.

    Every edge has three unknowns, its position, the background beside it and its depth, by
    Gauss-Newton on the pixels from 12 outside to 26 inside it. The depth is held near the shared
    model's with a standard deviation of 20 %, which the data outweigh wherever they can tell.

    Parameters
    ----------
    bands : array, shape (n, m)
    s_px : array, shape (n,)
    t_first : float
        Position of the first column; columns are one pixel apart.
    start : array, shape (n, 2)
        Where the darkness reaches half of the middle's.
    table : EdgeTable

    Returns
    -------
    Edges
    """
    start = _from_half_level(start, table)
    window = _Window.cut(bands, t_first, start, inside_px(table.profile))
    edge = start.ravel().astype(np.float64).copy()
    for _ in range(5):
        radius = np.repeat(np.maximum(start[:, 1] - start[:, 0], 1.5) / 2, 2)
        step, fit = window.solve(edge, radius, table)
        edge = edge + step
        start = edge.reshape(-1, 2)
        if np.nanmax(np.abs(step), initial=0.0) < 0.02:
            break
    shape = start.shape
    good = fit.good & (np.abs(step) < 0.6) & (np.abs(edge - window.start) < 8.0)
    return Edges(
        s_px,
        edge.reshape(shape),
        fit.u_px.reshape(shape),
        fit.background.reshape(shape),
        fit.contrast.reshape(shape),
        good.reshape(shape),
        *window.shell(edge, radius, table, fit, good),
    )


def _from_half_level(start: FloatArray, table: EdgeTable) -> FloatArray:
    """Move half-level edges outwards by the depth at which the model reaches half its darkness."""
    radius = np.maximum(start[:, 1] - start[:, 0], 1.5) / 2
    value = table.value[table.rung(radius)]
    depth = U_LOW_PX + U_STEP_PX * np.argmax(value > 0.5 * value.max(axis=1)[:, None], axis=1)
    outwards = np.clip(depth, 0.0, 0.5 * radius)
    return np.column_stack([start[:, 0] - outwards, start[:, 1] + outwards])


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    u_px: FloatArray
    background: FloatArray
    contrast: FloatArray
    good: Mask


@dataclass(frozen=True, slots=True, eq=False)
class _Window:
    """The pixels about every edge, with their positions and the side they lie on."""

    start: FloatArray
    side: FloatArray
    grey: FloatArray
    t_px: FloatArray
    seen: NDArray[Any]

    @classmethod
    def cut(cls, bands: FloatArray, t_first: float, start: FloatArray, inside: int) -> _Window:
        n, m = bands.shape
        side = np.tile([1.0, -1.0], n)
        centre = np.where(np.isfinite(start.ravel()), start.ravel(), t_first)
        offsets = np.arange(-OUTSIDE_PX, inside + 1)
        column = np.rint(centre - t_first)[:, None] + side[:, None] * offsets
        column = column.astype(np.intp)
        seen = (column >= 0) & (column < m) & np.isfinite(start.ravel())[:, None]
        column = np.clip(column, 0, m - 1)
        grey = bands[np.repeat(np.arange(n), 2)[:, None], column]
        seen &= np.isfinite(grey)
        at = np.asarray(column + t_first, dtype=np.float64)
        return cls(start.ravel().copy(), side, np.nan_to_num(grey), at, seen)

    def solve(
        self, edge: FloatArray, radius: FloatArray, table: EdgeTable
    ) -> tuple[FloatArray, _Fit]:
        """Take one Gauss-Newton step."""
        depth = self.side[:, None] * (self.t_px - edge[:, None])
        value, slope = _look_up(depth, radius, table)
        weight: FloatArray = self.seen * np.clip((radius[:, None] + 1.0 - depth) / 2.0, 0.0, 1.0)
        weight = weight / (1.0 + (value / _TEXTURE_LEVEL) ** 2)
        background, contrast = _levels(self.grey, value, weight)
        model = background[:, None] - (background * contrast)[:, None] * value
        jacobian = np.stack(
            [
                np.ones_like(value),
                -value,
                (self.side * background * contrast)[:, None] * slope,
            ],
            axis=-1,
        )
        return self._step(jacobian, self.grey - model, weight, background, contrast)

    def shell(
        self, edge: FloatArray, radius: FloatArray, table: EdgeTable, fit: _Fit, good: Mask
    ) -> tuple[float, float]:
        """Return the shell's thickness and its uncertainty, from all good edges together.

        What the fits left over is compared with what a thicker shell would change, apart from
        what background, depth and position can change themselves.
        """
        if table.by_shell is None or good.sum() < 8:
            return math.nan, math.nan
        depth = self.side[:, None] * (self.t_px - edge[:, None])
        value, slope = _look_up(depth, radius, table)
        column = table.by_shell.ravel()[_position(depth, radius, table)[0]]
        root = np.sqrt(self.seen * np.clip((radius[:, None] + 1.0 - depth) / 2.0, 0.0, 1.0))
        level = (fit.background * fit.contrast)[:, None]
        residual = self.grey - fit.background[:, None] + level * value
        basis = np.stack([np.ones_like(value), -value, slope], axis=-1) * root[..., None]
        both = np.stack([-level * column, residual], axis=-1) * root[..., None]
        normal = np.einsum("eik,eil->ekl", basis, basis) + 1e-9 * np.eye(3)
        both = both - basis @ np.linalg.solve(normal, np.einsum("eik,eil->ekl", basis, both))
        one, rest = both[good, :, 0], both[good, :, 1]
        power = (one**2).sum(axis=1)
        change = (one * rest).sum(axis=1) / np.maximum(power, 1e-12)
        weight = power / max(float(power.sum()), 1e-12)
        mean = float((weight * change).sum())
        spread = float(np.sqrt((weight**2 * (change - mean) ** 2).sum()))
        return table.profile.shell_px + float(np.clip(mean, -4, 4)), 1.5 * spread

    def _step(
        self,
        jacobian: FloatArray,
        residual: FloatArray,
        weight: FloatArray,
        background: FloatArray,
        contrast: FloatArray,
    ) -> tuple[FloatArray, _Fit]:
        count = weight.sum(axis=1)
        variance = (weight * residual**2).sum(axis=1) / np.maximum(count - 3, 1) + 1e-9
        weighted = jacobian * weight[..., None]
        normal = weighted.transpose(0, 2, 1) @ jacobian
        right = (weighted.transpose(0, 2, 1) @ residual[..., None])[..., 0]
        prior = variance / np.maximum(_CONTRAST_PRIOR * background, 1e-6) ** 2
        normal[:, 1, 1] += prior
        right[:, 1] += prior * background * (1.0 - contrast)
        normal += 1e-9 * np.eye(3)
        inverse = np.linalg.inv(normal)
        step = (inverse @ right[..., None])[..., 0]
        u = np.sqrt(np.maximum(variance * inverse[:, 2, 2], 0.0))
        good = (count > 8) & (contrast > 0.25) & np.isfinite(u) & (u < 3.0)
        limited = np.clip(step[:, 2], -_STEP_LIMIT_PX, _STEP_LIMIT_PX)
        return np.where(count > 8, limited, np.nan), _Fit(u, background, contrast, good)


def _look_up(
    depth: FloatArray, radius: FloatArray, table: EdgeTable
) -> tuple[FloatArray, FloatArray]:
    flat, part = _position(depth, radius, table)
    value, slope = table.value.ravel(), table.slope.ravel()
    v0, v1 = value[flat], value[flat + 1]
    return v0 + part * (v1 - v0), slope[flat]


def _position(
    depth: FloatArray, radius: FloatArray, table: EdgeTable
) -> tuple[NDArray[np.intp], FloatArray]:
    """Return the place of every depth in the flattened table, and the part of a step beyond it."""
    depth = np.nan_to_num(depth, nan=U_LOW_PX)
    position = (np.clip(depth, U_LOW_PX, U_HIGH_PX - 2 * U_STEP_PX) - U_LOW_PX) / U_STEP_PX
    index = position.astype(np.intp)
    return table.rung(radius)[:, None] * table.value.shape[1] + index, position - index


def _levels(
    grey: FloatArray, value: FloatArray, weight: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return background and relative depth: the two linear unknowns."""
    w = weight.sum(axis=1)
    sv, sy = (weight * value).sum(axis=1), (weight * grey).sum(axis=1)
    svv, svy = (weight * value**2).sum(axis=1), (weight * value * grey).sum(axis=1)
    determinant = np.maximum(w * svv - sv**2, 1e-9)
    background = (svv * sy - sv * svy) / determinant
    depth = (sv * sy - w * svy) / determinant
    strength = 0.03 * np.maximum(svv - sv**2 / np.maximum(w, 1e-9), 1e-9)
    full = np.maximum(svv - sv**2 / np.maximum(w, 1e-9), 1e-9)
    depth = (depth * full + background * strength) / (full + strength)
    background = (sy + depth * sv) / np.maximum(w, 1e-9)
    return background, depth / np.maximum(background, 1e-6)

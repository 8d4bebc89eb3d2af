"""Sub-pixel edges of a strip: where its two sides are, row band by row band."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.records import FloatArray
from tem_track.specimen.filters import OUTSIDE_PX, SLOPE_PX, Bank
from tem_track.specimen.finding import crossings, steadied
from tem_track.specimen.fitting import fit_bands
from tem_track.specimen.judging import believed, believed_at_first, carried_on, level_sides
from tem_track.specimen.profile import U_LOW_PX, U_STEP_PX, EdgeTable
from tem_track.specimen.smooth import Mask, cornered, smooth_curve

__all__ = ["Edges", "coarse_edges", "fit_edges"]

_LEAST_SMOOTH = 6
_STEEP, _STEEP_HOLLOW = 0.25, 0.15  # share of the radius to both sides of a ball's equator
_FACETED = 0.25  # a stout crystal has a silhouette with corners
_LINEAR = 0.1  # the smoothness about which the last fit is linear: as soft as a neck asks for
_NARROW_PX = 20.0  # a thinner body's darkness follows its width: not linear in its edges
_AROUND_PX, _BESIDE_PX = 5.0, 16.0


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
        Standard uncertainty by the picture's noise, larger where the fit leaves more over.
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
    bands = np.ascontiguousarray(bands, dtype=np.float64)
    t_px = np.ascontiguousarray(t_px, dtype=np.float64)
    found: FloatArray = crossings(bands, t_px, float(middle_px))
    return found


def steady(edges: FloatArray, width: int = 7) -> FloatArray:
    """Take out bands that jump: the running median, where a band is far from it."""
    found: FloatArray = steadied(np.ascontiguousarray(edges, dtype=np.float64), width)
    return found


def fit_edges(
    bands: FloatArray,
    s_px: FloatArray,
    t_first: float,
    start: FloatArray,
    table: EdgeTable,
    *,
    free_end: bool = False,
) -> Edges:
    """Fit the profile's model to both edges of every band at once.

    By generalised least squares on the pixels from 14 outside an edge to the midline, or to 56
    inside: every edge has its position, the background beside it, and a darkness over the shared
    model's that may change inwards (see `filters`). What lies far off the model is cut back.

    Parameters
    ----------
    bands : array, shape (n, m)
    s_px : array, shape (n,)
    t_first : float
        Position of the first column; columns are one pixel apart.
    start : array, shape (n, 2)
        Where the darkness reaches `LEVEL` of the middle's.
    table : EdgeTable
    free_end : bool
        Whether the last bands may lie in a gap before the tip.

    Returns
    -------
    Edges
    """
    start = _from_half_level(start, table)
    bands = np.ascontiguousarray(bands, dtype=np.float64)
    found = _fit(bands, t_first, start, table, table.rough_bank, moving=True)
    whole: Mask = np.asarray(believed_at_first(found, start).all(axis=1))
    smooth = found[..., 0]
    if whole.sum() >= _LEAST_SMOOTH:
        curves = [smooth_curve(smooth[:, k], whole, _LINEAR) for k in (0, 1)]
        if table.profile.facet > _FACETED and table.profile.equator_px > 0:
            curves = [cornered(smooth[:, k], whole, curves[k]) for k in (0, 1)]
        smooth = carried_on(curves[0].value, curves[1].value, found, whole, free_end)
        found = _fit(bands, t_first, smooth, table, table.bank, moving=False)
        is_narrow = smooth[:, 1] - smooth[:, 0] < _NARROW_PX
        if is_narrow.any():
            found[is_narrow] = _fit(
                bands[is_narrow], t_first, smooth[is_narrow], table, table.bank, moving=True
            )
        good: Mask = believed(found, start, whole)
        thin = is_narrow & ~good.all(axis=1)
        if thin.any():
            found[thin, :, 0], found[thin, :, 1] = _by_absorption(
                bands[thin], t_first, smooth[thin], table
            )
            good[thin] = (found[thin, :, 1] < 0.5 * _NARROW_PX / 4) & np.isfinite(found[thin, :, 0])
    else:
        good = believed_at_first(found, start)
    layer = (math.nan, math.nan)
    if table.by_shell is not None:
        layer = _layer(table, found, _cut_straight(smooth, good, s_px, table))
    edge, u, background, contrast, *_ = np.moveaxis(found, 2, 0)
    return Edges(s_px, edge, u, background, contrast, good, *layer)


def _by_absorption(
    bands: FloatArray, t_first: float, near: FloatArray, table: EdgeTable
) -> tuple[FloatArray, FloatArray]:
    """Return edges of thin bodies by how much they absorb in all, and their u.

    Where a neck is hardly wider than the blur and fainter than the noise, its two edges are not to
    be told apart, but the light that is missing across it still tells its width.
    """
    radius = np.exp(table.log_radius)
    depth = U_LOW_PX + U_STEP_PX * np.arange(table.value.shape[1])
    absorbed = -np.log(np.clip(1.0 - table.value, 0.02, None))
    half = np.array([row[depth < r].sum() for r, row in zip(radius, absorbed, strict=True)])
    total = 2.0 * U_STEP_PX * half
    t = t_first + np.arange(bands.shape[1])
    middle = near.mean(axis=1)[:, None]
    reach = (near[:, 1] - near[:, 0])[:, None] / 2 + _AROUND_PX
    inside = np.abs(t - middle) <= reach
    beside = ~inside & (np.abs(t - middle) <= reach + _BESIDE_PX)
    background = np.where(beside, bands, 0.0).sum(axis=1) / np.maximum(beside.sum(axis=1), 1)
    lit = np.clip(bands / np.maximum(background, 1e-6)[:, None], 0.02, None)
    missing = np.where(inside, -np.log(lit), 0.0)
    mass = missing.sum(axis=1)
    centre = (missing * t).sum(axis=1) / np.maximum(mass, 0.1 * total[0])
    count = inside.sum(axis=1)
    noise = table.noise
    shared = 2 * math.sqrt(math.pi) * noise.film_px
    u_mass = np.sqrt(count * (noise.shot + noise.film**2 * shared))
    width = 2.0 * np.interp(mass, total, radius, left=0.0)
    above = 2.0 * np.interp(mass + u_mass, total, radius)
    u = np.maximum(above - width, 0.3) / math.sqrt(2)
    edges = np.column_stack([centre - width / 2, centre + width / 2])
    edges[width <= 0] = math.nan
    return edges, np.column_stack([u, u])


def _fit(
    bands: FloatArray,
    t_first: float,
    start: FloatArray,
    table: EdgeTable,
    bank: Bank,
    *,
    moving: bool,
) -> FloatArray:
    found: FloatArray = fit_bands(
        bands,
        t_first,
        np.ascontiguousarray(start, dtype=np.float64),
        (float(table.log_radius[0]), float(table.log_radius[1] - table.log_radius[0])),
        (U_LOW_PX, U_STEP_PX),
        table.value,
        (bank.gain, bank.pull, bank.shell, bank.sigma, bank.u_px, bank.u_shell_px, bank.count),
        SLOPE_PX,
        OUTSIDE_PX,
        5 if moving else 3,
        moving,
    )
    return found


def _cut_straight(edge: FloatArray, good: Mask, s_px: FloatArray, table: EdgeTable) -> Mask:
    """Leave out where a steep side makes a section cut the layer askew, as off a ball's equator."""
    if len(s_px) < _LEAST_SMOOTH:
        return good
    steepest = _STEEP_HOLLOW if table.profile.model == "hollow" else _STEEP
    near = good & level_sides(edge, s_px, steepest)[:, None]
    return near if near.sum() >= 8 else good


def _layer(table: EdgeTable, found: FloatArray, good: Mask) -> tuple[float, float]:
    """Return the surface layer's thickness and its uncertainty, from all good edges together."""
    if good.sum() < 8:
        return math.nan, math.nan
    change, weight = found[good, 6], found[good, 7] ** -2
    weight = weight / weight.sum()
    mean = float(weight @ change)
    spread = float(np.sqrt((weight**2) @ (change - mean) ** 2))
    return table.profile.shell_px + float(np.clip(mean, -4, 4)), 1.5 * spread


def _from_half_level(start: FloatArray, table: EdgeTable) -> FloatArray:
    """Move coarse edges outwards by the depth at which the model reaches their level."""
    radius = np.maximum(start[:, 1] - start[:, 0], 1.5) / 2
    depth = U_LOW_PX + U_STEP_PX * table.cell_of_level[table.rung(radius)]
    outwards = np.clip(depth, 0.0, 0.5 * radius)
    return np.column_stack([start[:, 0] - outwards, start[:, 1] + outwards])

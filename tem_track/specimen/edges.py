"""Sub-pixel edges of a strip: where its two sides are, row band by row band."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.records import FloatArray
from tem_track.specimen.film import Behind
from tem_track.specimen.filters import OUTSIDE_PX, SLOPE_PX, Bank
from tem_track.specimen.finding import crossings, steadied
from tem_track.specimen.fitting import N_RESULTS, fit_bands
from tem_track.specimen.judging import believed, believed_at_first, carried_on, level_sides
from tem_track.specimen.profile import U_LOW_PX, U_STEP_PX, EdgeTable, Profile
from tem_track.specimen.smooth import Mask, cornered, smooth_curve
from tem_track.specimen.smoothing import CAUTION

__all__ = ["Edges", "coarse_edges", "fit_edges"]

_LEAST_SMOOTH = 6
"""Bands that a curve is drawn through."""
_CAUTION_ALONE = 1.2
_STEEP, _STEEP_BALL, _STEEP_HOLLOW = 0.25, 0.2, 0.2  # a steeper side's section tells no layer
_BALL, _MOST_CHANGE_PX = 0.5, 4.0
"""From this part of a ball on the wall may differ from the mean's, by so much at most."""
_UNEVEN = 2.0  # how much thicker a layer may be, as a share, where a squeezed ball's slope is 1
_FACETED = 0.25  # a stout crystal has a silhouette with corners
_LINEAR = 0.1  # the smoothness about which the last fit is linear: as soft as a neck asks for
_NARROW_PX = 20.0  # a thinner body's darkness follows its width: not linear in its edges
_AROUND_PX, _BESIDE_PX = 5.0, 16.0
"""Columns beyond the edges that are left out, and those beyond that tell the light."""


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
    alone : float
        Share of the bands that are free of the film behind them.
    """

    s_px: FloatArray
    t_px: FloatArray
    u_px: FloatArray
    background: FloatArray
    contrast: FloatArray
    good: Mask
    shell_px: float = math.nan
    u_shell_px: float = math.nan
    alone: float = 0.0

    @property
    def caution(self) -> float:
        """By how much what neighbouring bands share widens a variance: mostly the film."""
        return CAUTION + self.alone * (_CAUTION_ALONE - CAUTION)


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
    behind: Behind | None = None,
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
    behind : Behind or None
        A film behind the specimen, by which bands are divided where it is known.

    Returns
    -------
    Edges
    """
    start = _from_half_level(start, table)
    bands = np.ascontiguousarray(bands, dtype=np.float64)
    alone = np.zeros(len(bands), dtype=bool)
    if behind is not None:
        alone = behind.known(s_px, start)
        bands[alone] = behind.divided(bands[alone], s_px[alone], t_first)
    found = _fit(bands, t_first, start, table, table.rough_bank, moving=True)
    whole: Mask = np.asarray(believed_at_first(found, start).all(axis=1))
    smooth = found[..., 0]
    if whole.sum() >= _LEAST_SMOOTH:
        curves = [smooth_curve(smooth[:, k], whole, _LINEAR) for k in (0, 1)]
        if table.profile.facet > _FACETED and table.profile.equator_px > 0:
            curves = [cornered(smooth[:, k], whole, curves[k], finest=1.0) for k in (0, 1)]
        smooth = carried_on(curves[0].value, curves[1].value, found, whole, free_end)
        found = _fit_linear(bands, t_first, smooth, table, alone)
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
        layer = _layer(table, found, good, smooth, s_px)
    edge, u, background, contrast, *_ = np.moveaxis(found, 2, 0)
    return Edges(s_px, edge, u, background, contrast, good, *layer, float(alone.mean()))


def _fit_linear(
    bands: FloatArray, t_first: float, smooth: FloatArray, table: EdgeTable, alone: Mask
) -> FloatArray:
    """Fit about the smooth sides, with the filters that suit each band's noise."""
    if not alone.any():
        return _fit(bands, t_first, smooth, table, table.bank, moving=False)
    if alone.all():
        return _fit(bands, t_first, smooth, table, table.bank_alone, moving=False)
    found = np.empty((len(bands), 2, N_RESULTS))
    for use, bank in ((alone, table.bank_alone), (~alone, table.bank)):
        found[use] = _fit(bands[use], t_first, smooth[use], table, bank, moving=False)
    return found


def _by_absorption(
    bands: FloatArray, t_first: float, near: FloatArray, table: EdgeTable
) -> tuple[FloatArray, FloatArray]:
    """Return edges of thin bodies by how much they absorb in all, and their u.

    Where a neck is hardly wider than the blur and fainter than the noise, its two edges are not to
    be told apart, but the light that is missing across it still tells its width.
    """
    radius, total = np.exp(table.log_radius), table.absorbed
    t = t_first + np.arange(bands.shape[1])
    middle = near.mean(axis=1)[:, None]
    reach = (near[:, 1] - near[:, 0])[:, None] / 2 + _AROUND_PX
    inside = np.abs(t - middle) <= reach
    beside = ~inside & (np.abs(t - middle) <= reach + _BESIDE_PX)
    background = np.where(beside, bands, 0.0).sum(axis=1) / np.maximum(beside.sum(axis=1), 1)
    lit = np.clip(bands / np.maximum(background, 1e-6)[:, None], 0.02, None)
    missing = np.where(inside, -np.log(lit), 0.0)
    mass = missing.sum(axis=1)
    least = max(0.1 * float(total[0]), 1e-6)  # what absorbs nothing has no middle
    centre = (missing * t).sum(axis=1) / np.maximum(mass, least)
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


def _layer(
    table: EdgeTable, found: FloatArray, good: Mask, edge: FloatArray, s_px: FloatArray
) -> tuple[float, float]:
    """Return the surface layer's thickness and its uncertainty, from all good edges together."""
    profile = table.profile
    is_ball = profile.ball >= _BALL
    steepest = _STEEP_HOLLOW if profile.model == "hollow" else _STEEP_BALL if is_ball else _STEEP
    if len(s_px) >= _LEAST_SMOOTH:
        near = good & level_sides(edge, s_px, steepest)[:, None]
        good = near if near.sum() >= 8 else good
    if good.sum() < 8:
        return math.nan, math.nan
    wall = profile.shell_px + np.clip(found[..., 6], -_MOST_CHANGE_PX, _MOST_CHANGE_PX)
    aside = np.zeros(good.shape)
    if is_ball and len(s_px) >= _LEAST_SMOOTH:
        radius = np.maximum(edge[:, 1] - edge[:, 0], 1.0)[:, None] / 2
        slope = np.gradient(radius[:, 0], s_px)[:, None]
        wall = _across(profile, wall, radius, slope)
        aside += slope**2
    return _at_equator(wall[good], found[good, 7], aside[good], _UNEVEN * profile.shell_px)


def _at_equator(
    wall: FloatArray, u: FloatArray, aside: FloatArray, u_uneven: float
) -> tuple[float, float]:
    """Return the mean of a layer that may be uneven: thicker or thinner towards the poles."""
    design = np.column_stack([np.ones(len(wall)), aside])
    weighted = design / u[:, None] ** 2
    information = weighted.T @ design
    information[1, 1] += u_uneven**-2
    inverse = np.linalg.inv(information)
    found = inverse @ (weighted.T @ wall)
    rest = wall - design @ found
    kernel = (inverse @ weighted.T)[0]
    spread = float(np.sqrt(kernel**2 @ rest**2))
    return float(found[0]), 1.5 * spread


def _across(
    profile: Profile, wall: FloatArray, radius: FloatArray, slope: FloatArray
) -> FloatArray:
    """Return a ball's layer at right angles to its surface, which sections cut askew.

    The table takes a ball as it was before it was squeezed. Now its surface agrees at each height
    with a ball about the axis of radius ``r sqrt(1 + r'^2)``, within which the core's surface,
    found at some depth along the section, lies by the layer's thickness.
    """
    ball, found = profile.ball, wall
    whole = np.maximum(profile.equator_px, radius)
    wide = radius * np.sqrt(1.0 + slope**2)
    along = (1.0 - ball) * wall + ball * (radius - _core(radius, whole, wall))
    for _ in range(3):
        core = _core(radius, wide, found)
        rest = along - (1.0 - ball) * found - ball * (radius - core)
        found = found + rest / (1.0 - ball + ball * (wide - found) / core)
        found = np.clip(found, 0.0, 0.95 * radius)
    return found


def _core(radius: FloatArray, whole: FloatArray, wall: FloatArray) -> FloatArray:
    """Return the core's radius where the outer one is `radius`, in a ball of radius `whole`."""
    return np.asarray(np.sqrt(np.maximum(radius**2 - wall * (2.0 * whole - wall), 1.0)))


def _from_half_level(start: FloatArray, table: EdgeTable) -> FloatArray:
    """Move coarse edges outwards by the depth at which the model reaches their level."""
    radius = np.maximum(start[:, 1] - start[:, 0], 1.5) / 2
    depth = U_LOW_PX + U_STEP_PX * table.cell_of_level[table.rung(radius)]
    outwards = np.clip(depth, 0.0, 0.5 * radius)
    return np.column_stack([start[:, 0] - outwards, start[:, 1] + outwards])

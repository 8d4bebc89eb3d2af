"""The sides of one body in one frame: where they are, how thick the surface layer, how faceted.

The whole movie tells absorption, blur and how much the layer absorbs; how thick it is and how far
the section has become a polygon is each frame's own. Both are read from the mean picture across
all of the body's edges, in which texture and noise average out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from tem_track.records import FloatArray
from tem_track.specimen.edges import Edges
from tem_track.specimen.ensemble import gather
from tem_track.specimen.model import measure_edges
from tem_track.specimen.profile import EdgeTable, Profile, darkness, tabulate
from tem_track.specimen.smooth import Mask, smooth_curve
from tem_track.specimen.strip import Strip

__all__ = ["Sides", "ladder", "measure_sides"]

_STEP_PX = 1.0
_SHELL_RUNGS = 5
_FACETED = 0.06
_FACET_RUNGS = 4
_LEAST_SHELL_PX = 0.9
_NEAR_SHELL_PX, _NEAR_FACET = 0.6, 0.6
_ROUNDS = 4
_LEAST_EDGES = 8
_STEEPEST = 0.35  # px a px: a steeper side is not seen at right angles
_OUTER_PX, _INNER_PX = -10.0, 24.0
_GRID_PX = 0.25
_TEXTURE = 0.03
_FLOOR = 0.003
_U_FACET = 0.25
_MOST_FACET = 1.0
_U_SHARE = 0.03  # of a layer, beyond what the scatter shows: the look that all frames share


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """Edges and what the profile across them shows.

    Attributes
    ----------
    edges : Edges
    table : EdgeTable
        The profile that they were fitted with.
    shell_px, u_shell_px : float
        NaN where the profile has no surface layer.
    facet : float
        How far the section has become a polygon; NaN where the profile does not ask.
    """

    edges: Edges
    table: EdgeTable
    shell_px: float
    u_shell_px: float
    facet: float


def ladder(table: EdgeTable) -> tuple[EdgeTable, ...]:
    """Return tables of thinner and thicker layers, rounder and more faceted, about a learnt one."""
    profile = table.profile
    if profile.model not in ("round", "shell"):
        return (table,)
    low, high = float(np.exp(table.log_radius[0])), float(np.exp(table.log_radius[-1]))
    shells = [profile.shell_px]
    if profile.model == "shell":
        steps = np.arange(-_SHELL_RUNGS, _SHELL_RUNGS + 1)
        shells = [t for t in (profile.shell_px + _STEP_PX * steps) if t >= _LEAST_SHELL_PX]
    facets = [profile.facet]
    if profile.facet > _FACETED:
        facets = [profile.facet * k / (_FACET_RUNGS - 1) for k in range(_FACET_RUNGS)]
    return tuple(
        tabulate(replace(profile, shell_px=float(shell), facet=float(facet)), low, high)
        for facet in facets
        for shell in shells
    )


def measure_sides(
    strip: Strip,
    low_px: float,
    high_px: float,
    middle_px: float,
    tables: tuple[EdgeTable, ...],
    section: tuple[float, float] | None = None,
) -> Sides:
    """Fit the edges with the layer and the section that the frame itself shows.

    Parameters
    ----------
    strip : Strip
        The columns of one body.
    low_px, high_px : float
        Between which heights.
    middle_px : float
    tables : tuple of EdgeTable
        From `ladder`.
    section : (float, float) or None
        What is known of the facet beforehand, and how well; None leaves it to the frame.
    """
    table = tables[len(tables) // 2]
    shell = u_shell = facet = math.nan
    if section is None:
        section = max(t.profile.facet for t in tables), _U_FACET
    for _ in range(_ROUNDS):
        edges, bands = measure_edges(strip, low_px, high_px, middle_px, table, 3)
        found = None
        if len(edges.s_px):
            found = _profile(edges, bands, strip.grid.t_px, table, tables, section)
        if found is None:
            shell, u_shell = edges.shell_px, edges.u_shell_px
            break
        profile, u_shell = found
        shell = profile.shell_px if profile.model == "shell" else math.nan
        facet = profile.facet if "facet" in _free(tables) else math.nan
        nearest = min(tables, key=lambda other: _far(other.profile, profile, tables))
        if nearest is table or _far(table.profile, profile, tables) < 1.0:
            break
        table = nearest
    return Sides(edges, table, shell, u_shell, facet)


def _far(one: Profile, other: Profile, tables: tuple[EdgeTable, ...]) -> float:
    """Return how far two profiles are apart, 1 for a change that matters."""
    rung = max(max(t.profile.facet for t in tables) / (_FACET_RUNGS - 1), 1e-3)
    return max(
        abs(one.shell_px - other.shell_px) / _NEAR_SHELL_PX,
        abs(one.facet - other.facet) / rung / _NEAR_FACET,
    )


def _profile(
    edges: Edges, bands: FloatArray, t_px: FloatArray, table: EdgeTable,
    tables: tuple[EdgeTable, ...], section: tuple[float, float],
) -> tuple[Profile, float] | None:  # fmt: skip
    """Return the frame's own profile and the uncertainty of its layer; None from too few edges."""
    free = _free(tables)
    seen = _mean_look(edges, bands, t_px)
    if not free or seen is None:
        return None
    u, value, weight, radius = seen
    profile, grid = table.profile, np.arange(_OUTER_PX - 8, _INNER_PX + 12, _GRID_PX)

    def rest(p: FloatArray) -> FloatArray:
        own = _own(profile, free, p)
        model = 1.0 - np.interp(u + p[-2], grid, darkness(grid, radius + p[-2], own))
        depth = -np.log(np.clip(model, 0.02, 1.0))
        sigma = np.hypot(_FLOOR, _TEXTURE * depth * model)
        held = [(own.facet - section[0]) / section[1]] if "facet" in free else []
        return np.concatenate([(value - p[-1] * model) * weight / sigma, held])

    start = [getattr(profile, name) for name in free] + [0.0, 1.0]
    bounds = {"shell_px": (0.5, 0.5 * radius), "facet": (0.0, _MOST_FACET)}
    low = [bounds[name][0] for name in free] + [-4.0, 0.9]
    high = [bounds[name][1] for name in free] + [4.0, 1.1]
    start = np.clip(start, np.array(low) + 1e-6, np.array(high) - 1e-6)
    found = least_squares(rest, start, bounds=(low, high), max_nfev=25, xtol=1e-4, ftol=1e-5)
    own = _own(profile, free, found.x)
    if "shell_px" not in free:
        return own, math.nan
    spread = float((found.fun**2).sum()) / max(len(u) - len(start), 1)
    covariance = np.linalg.pinv(found.jac.T @ found.jac) * max(spread, 0.05)
    return own, math.hypot(1.5 * math.sqrt(float(covariance[0, 0])), _U_SHARE * own.shell_px)


def _free(tables: tuple[EdgeTable, ...]) -> list[str]:
    first = tables[0].profile
    return [
        name
        for name in ("shell_px", "facet")
        if any(getattr(t.profile, name) != getattr(first, name) for t in tables)
    ]


def _own(profile: Profile, free: list[str], values: FloatArray) -> Profile:
    changes: dict[str, Any] = dict(zip(free, map(float, values), strict=False))
    return replace(profile, **changes)


def _mean_look(
    edges: Edges, bands: FloatArray, t_px: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, float] | None:
    """Lay the frame's edges on one another along their smooth sides."""
    good: Mask = np.asarray(edges.good.all(axis=1))
    if good.sum() < _LEAST_EDGES // 2:
        return None
    sides = [smooth_curve(edges.t_px[:, k], good).value for k in (0, 1)]
    radius = (sides[1] - sides[0]) / 2
    good &= np.abs(np.gradient(radius, edges.s_px)) < _STEEPEST
    if 2 * good.sum() < _LEAST_EDGES:
        return None
    depths, values = [], []
    offsets = np.arange(-14, 40)
    rows = np.flatnonzero(good)[:, None]
    for k, sign in ((0, 1.0), (1, -1.0)):
        column = np.rint(sides[k][good] - t_px[0])[:, None] + sign * offsets
        inside = (column >= 0) & (column < bands.shape[1])
        index = np.clip(column, 0, bands.shape[1] - 1).astype(np.intp)
        value = bands[rows, index] / edges.background[good, k][:, None]
        depths.append(sign * (t_px[index] - sides[k][good][:, None]))
        values.append(np.where(inside, value, np.nan))
    both = np.concatenate([radius[good], radius[good]])
    look = gather(np.concatenate(depths), np.concatenate(values), both, 1)
    use = (look.weight[0] > 0.05) & (look.u_px > _OUTER_PX) & (look.u_px < _INNER_PX)
    if use.sum() < 20:
        return None
    weight = np.sqrt(look.weight[0][use])
    return look.u_px[use], look.value[0][use], weight, float(look.radius_px[0])

"""The sides of one body in one frame: where they are, how thick the surface layer, how faceted.

The whole movie tells absorption, blur and how much the layer absorbs; how thick it is and how far
the section has become a polygon is each frame's own. Both are read from the mean picture across
all of the body's edges, in which texture and noise average out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import OptimizeResult, least_squares

from tem_track.records import FloatArray
from tem_track.specimen.edges import Edges
from tem_track.specimen.growing_look import Grain, Look, mean_look
from tem_track.specimen.model import measure_edges
from tem_track.specimen.profile import EdgeTable, Profile, darkness, tabulate
from tem_track.specimen.smooth import Mask
from tem_track.specimen.strip import Strip

__all__ = ["Sides", "SidesPrior", "ladder", "layer_gain", "measure_sides"]

_STEP_PX = 1.0
"""Step of the layers for which edges are tabulated: between two the fit is linear."""
_SHELL_RUNGS = 5
"""Steps to thicker layers than the learnt one; to thinner ones at least as many."""
_FACETED = 0.06
"""Facets' share below which a section counts as round."""
_FACET_RUNGS = 4
"""Shares of facets that are tabulated."""
_LEAST_SHELL_PX = 0.9
"""Thinnest layer that is tabulated: a thinner one only moves the edge."""
_NEAR_SHELL_PX, _NEAR_FACET = 0.6, 0.6
_ROUNDS = 4
"""Times that edges and their look are fitted in turn."""
_OUTER_PX, _INNER_PX = -18.0, 52.0
_GRID_PX = 0.25
"""Step of the depths at which a look is calculated."""
_U_BACKGROUND = 0.01
"""Standard uncertainty of the background's brightness beside a body, as a part of it."""
_U_FACET = 0.5
"""Standard uncertainty of the facets' share before it is fitted: anything from round to
hexagonal."""
_STARTS = (1.0, 0.4, 2.0)
"""Layers from which a fit begins, over the learnt one."""
_MOST_FRINGE, _FRINGES_PX, _FRINGE_STARTS_PX = 0.4, (1.0, 8.0), (2.0, 4.0)
"""A defocus fringe: most strength, over the step; widths (standard deviation, px) between which it
is fitted, and those that a fit begins with."""
_MOST_FACET = 1.0
"""Share of facets of a section that is a hexagon."""
_SHARE_OF_SCATTER = 0.7  # the frame's own part of the course is its own word again
_U_SHARE = 0.03  # of a layer, beyond what the scatter shows: the look that all frames share


@dataclass(frozen=True, slots=True)
class SidesPrior:
    """What a frame knows of its sides beforehand.

    Attributes
    ----------
    facet, u_facet : float
        How far the section has become a polygon, and how well that is known; NaN where no movie
        told it.
    grain : Grain
        What falsifies the mean look.
    shell_px, scatter_px : float
        The layer's thickness by the frames before and after, and the scatter of single frames
        about their course; NaN where no movie told it.
    """

    facet: float = math.nan
    u_facet: float = _U_FACET
    grain: Grain = field(default_factory=Grain)
    shell_px: float = math.nan
    scatter_px: float = math.nan


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
    bands, t_px : array
        What the edges were fitted to: rows of brightness, and their places across.
    """

    edges: Edges
    table: EdgeTable
    shell_px: float
    u_shell_px: float
    facet: float
    bands: FloatArray
    t_px: FloatArray


def ladder(table: EdgeTable) -> tuple[EdgeTable, ...]:
    """Return tables of thinner and thicker layers, rounder and more faceted, about a learnt one."""
    profile = table.profile
    if profile.model not in ("round", "shell"):
        return (table,)
    low, high = float(np.exp(table.log_radius[0])), float(np.exp(table.log_radius[-1]))
    shells = [profile.shell_px]
    if profile.model == "shell":
        thin = math.floor((profile.shell_px - _LEAST_SHELL_PX) / _STEP_PX)
        steps = np.arange(-max(thin, _SHELL_RUNGS), _SHELL_RUNGS + 1)
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
    prior: SidesPrior | None = None,
    hidden: Mask | None = None,
    free_from_px: float = -math.inf,
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
    prior : SidesPrior or None
    hidden : array of bool, shape (m,), or None
        Columns in which something else shows through.
    free_from_px : float
        Height up to which a neighbour hides a side: no layer is read there.
    """
    shell, u_shell, facet, shift = math.nan, math.nan, math.nan, 0.0
    prior = prior or SidesPrior()
    if not math.isfinite(prior.facet):
        prior = replace(prior, facet=max(t.profile.facet for t in tables), u_facet=_U_FACET)
    table = _expected(tables, prior)
    for _ in range(_ROUNDS):
        edges, bands = measure_edges(strip, low_px, high_px, middle_px, table, 3)
        found = None
        if len(edges.s_px):
            free = replace(edges, good=edges.good & (edges.s_px > free_from_px)[:, None])
            look = mean_look(free, bands, strip.grid.t_px, hidden)
            found = None if look is None else _profile(look, table, tables, prior)
        if found is None:
            break
        profile, u_shell, shift = found
        shell = profile.shell_px if profile.model == "shell" else math.nan
        facet = profile.facet if "facet" in _free(tables) else math.nan
        nearest = min(tables, key=lambda other: _far(other.profile, profile, tables))
        if nearest is table or _far(table.profile, profile, tables) < 1.0:
            break
        table = nearest
    if len(edges.s_px):
        edges = replace(edges, t_px=edges.t_px + shift * np.array([-1.0, 1.0]))
    return Sides(edges, table, shell, u_shell, facet, bands, strip.grid.t_px)


def _expected(tables: tuple[EdgeTable, ...], prior: SidesPrior) -> EdgeTable:
    """Return the rung to begin with: what the frames about it showed, or the learnt layer."""
    shell = prior.shell_px
    if not math.isfinite(shell):
        shell = max(t.profile.shell_px for t in tables) - _SHELL_RUNGS * _STEP_PX
    wanted = replace(tables[0].profile, shell_px=shell, facet=prior.facet)
    return min(tables, key=lambda table: _far(table.profile, wanted, tables))


def _far(one: Profile, other: Profile, tables: tuple[EdgeTable, ...]) -> float:
    """Return how far two profiles are apart, 1 for a change that matters."""
    rung = max(max(t.profile.facet for t in tables) / (_FACET_RUNGS - 1), 1e-3)
    return max(
        abs(one.shell_px - other.shell_px) / _NEAR_SHELL_PX,
        abs(one.facet - other.facet) / rung / _NEAR_FACET,
    )


def _profile(
    look: Look, table: EdgeTable, tables: tuple[EdgeTable, ...], prior: SidesPrior
) -> tuple[Profile, float, float] | None:
    """Return the frame's own profile, the uncertainty of its layer, and where its edges lie.

    The last is how far outside they are of where the table's profile put them. None where nothing
    is free.
    """
    free = _free(tables)
    if not free:
        return None
    profile, grid = table.profile, np.arange(_OUTER_PX, _INNER_PX, _GRID_PX)
    radius = look.radius_px
    known = int("shell_px" in free and math.isfinite(prior.shell_px))

    def lit(own: Profile, shift: float) -> FloatArray:
        return 1.0 - np.interp(look.u_px + shift, grid, darkness(grid, radius + shift, own))

    root = np.linalg.cholesky(prior.grain.covariance(look, lit(profile, 0.0)))

    def rest(p: FloatArray) -> FloatArray:
        own = _own(profile, free, p)
        seen = np.linalg.solve(root, look.value - p[-1] * lit(own, float(p[-2])))
        held = [(p[-1] - 1.0) / _U_BACKGROUND]
        held += [(own.facet - prior.facet) / prior.u_facet] if "facet" in free else []
        held += [(own.shell_px - prior.shell_px) / (_SHARE_OF_SCATTER * prior.scatter_px)] * known
        return np.concatenate([seen, held])

    bounds = {"shell_px": (0.5, 0.5 * radius), "facet": (0.0, _MOST_FACET)}
    low = np.array([bounds[name][0] for name in free] + [-4.0, 0.9])
    high = np.array([bounds[name][1] for name in free] + [4.0, 1.1])

    def fit(share: float) -> OptimizeResult:
        start = [getattr(profile, name) for name in free] + [0.0, 1.0]
        start[0] = prior.shell_px if known else start[0] * share
        start = np.clip(start, low + 1e-6, high - 1e-6)
        return least_squares(rest, start, bounds=(low, high), max_nfev=25, xtol=1e-4, ftol=1e-5)

    shares = _STARTS if "shell_px" in free and not known else _STARTS[:1]
    found = min((fit(share) for share in shares), key=lambda one: float(one.cost))
    own = _own(profile, free, found.x)
    spread = max(2.0 * float(found.cost) / max(len(look.u_px) - len(free), 1), 1.0)
    u_layer, u_shift = math.sqrt(spread) * _u_of(found.jac)
    # As far as the form of the edges is uncertain, the frame may say where they are.
    doubt = max(profile.u_edge_px, 1e-6) ** 2
    shift = float(found.x[-2]) * doubt / (doubt + u_shift**2)
    if "shell_px" not in free:
        return own, math.nan, shift
    if known:
        # Only what scatters from frame to frame is told better by the others; the rest they share.
        alone = math.sqrt(spread) * _u_of(found.jac[:-1])[0]
        u_layer = math.hypot(u_layer, math.sqrt(max(alone**2 - prior.scatter_px**2, 0.0)))
    return own, math.hypot(u_layer, _U_SHARE * own.shell_px), shift


def _u_of(jacobian: FloatArray) -> FloatArray:
    """Return the uncertainties of the first parameter and of the edges' shift."""
    return np.asarray(np.sqrt(np.diag(np.linalg.pinv(jacobian.T @ jacobian))[[0, -2]]))


def layer_gain(look: Look, profile: Profile, grain: Grain) -> float:
    """Return by how much a layer fits a frame's mean look better than none: a fall of chi-square.

    Without one, the absorption is free instead of the layer's thickness. Both may be as sharp as
    they like and carry a fringe of any width: defocus brightens an edge outside and darkens it
    inside, and the inner half alone would pass for a thin layer.
    """
    bare = replace(profile, model="round", shell_px=0.0, shell_ratio=1.0)
    mu = profile.mu_per_px
    without = _misfit(look, grain, "mu_per_px", bare, (0.3 * mu, 3.0 * mu))
    return without - _misfit(look, grain, "shell_px", profile, (0.5, 0.5 * look.radius_px))


def _misfit(
    look: Look, grain: Grain, name: str, own: Profile, between: tuple[float, float]
) -> float:
    """Return the least chi-square of a look with one parameter of the profile free.

    Free too: facet, blur, the edges' shift, the background, and a fringe's strength and width.
    """
    root = np.linalg.cholesky(grain.covariance(look, look.value))
    grid = np.arange(_OUTER_PX, _INNER_PX, _GRID_PX)
    own, blur = replace(own, fringe=0.0), own.blur_px

    def rest(p: FloatArray) -> FloatArray:
        now = _own(own, [name, "facet", "blur_px"], p)
        lit = 1.0 - darkness(grid, look.radius_px + float(p[3]), now)
        wide = gaussian_filter1d(lit, float(p[6]) / _GRID_PX, mode="nearest")
        lit = np.interp(look.u_px + p[3], grid, lit + p[5] * (lit - wide))
        seen = np.linalg.solve(root, look.value - p[4] * lit)
        return np.concatenate([seen, [(p[4] - 1.0) / _U_BACKGROUND, p[1] / _U_FACET]])

    first, scale = getattr(own, name), [max(float(getattr(own, name)), 1e-3), 0.3, 1.0, 1.0, 0.01]
    low = np.array([between[0], 0.0, 0.4 * blur, -4.0, 0.9, 0.0, _FRINGES_PX[0]])
    high = np.array([between[1], _MOST_FACET, 2.5 * blur, 4.0, 1.1, _MOST_FRINGE, _FRINGES_PX[1]])
    costs = []
    for width in _FRINGE_STARTS_PX:
        start = np.array([first, own.facet, blur, 0.0, 1.0, 0.05, width])
        start = np.clip(start, low + 1e-9, high - 1e-9)
        found = least_squares(
            rest, start, bounds=(low, high), x_scale=[*scale, 0.05, 2.0], max_nfev=60
        )
        costs.append(2.0 * float(found.cost))
    return min(costs)


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

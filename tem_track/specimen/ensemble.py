"""The profile model chosen by the data: fits to the average look of an edge over a whole sample.

Edges of many bands of many frames are laid on one another, sorted by the body's radius. Noise and
texture average out; what stays is the physics that all frames share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from tem_track.records import FloatArray
from tem_track.specimen.profile import EDGE_MODELS, EdgeModel, Profile, darkness

__all__ = ["Ensemble", "choose_profile", "gather"]

BIN_PX = 0.5
"""Width of a bin of depth."""
LOW_PX, HIGH_PX = -14.0, 64.0
"""Depths, from outside to inside, that a mean look holds."""
_NEAR_PX = 24.0
"""Depth that is fitted at least."""
_PENALTY = 1.4
"""What a further parameter costs, times the data's own caution."""
_GRID_PX = 0.2
"""Of the grid that the model is blurred on."""
_FLOOR, _TEXTURE = 0.003, 0.05  # what averaging leaves: outside, and as a share of the depth
_U_LOG_RATIO = 0.5
"""Prior of the logarithm of the layer's absorption over the core's."""
_TOGETHER_PX = 4.0
"""Depth over which errors of a mean look go together."""
_REACH_PX, _HIDDEN = 8.0, 2.0  # a fit takes up half of what its residuals would share
_U_FORM_PX = 0.05  # other microscopes' spreads and fringes put a ball's edge off by as much
_MORE_HIDDEN = 1.4  # of a ball's layer, which lies askew but at the equator
_SHELL_SHARE = 0.12  # a surface layer is thin against its body
_CRYSTAL, _USUAL_BEVEL, _U_LOG_BEVEL = 0.3, 0.5, 0.7  # how a crystal lies in the beam is unknown
_FIRST_FILLING, _U_FILLING = 0.05, 0.1  # of a hollow body, in shares of its wall's absorption
_DECISIVE = 20.0  # what a layer must explain more: a section of many facets looks a little like one
_FULL_WIDTH = 2.355  # of a Gaussian at half its height, over its standard deviation
_ENOUGH = {"ftol": 1e-5, "xtol": 1e-5}
"""Ends a fit that noise has long ended."""
_BLUR_SHARE = 0.15  # how well the blur of other edges tells that of this one


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """Mean relative brightness against depth behind the edge, in classes of radius.

    Attributes
    ----------
    u_px : array, shape (m,)
    radius_px : array, shape (k,)
    value, weight : array, shape (k, m)
    largest_px : float
        Largest radius of the body, apart from outliers.
    """

    u_px: FloatArray
    radius_px: FloatArray
    value: FloatArray
    weight: FloatArray
    largest_px: float


def gather(
    depth_px: FloatArray, brightness: FloatArray, radius_px: FloatArray, classes: int = 3
) -> Ensemble:
    """Average samples (depth, relative brightness, radius) in bins.

    Parameters
    ----------
    depth_px, brightness : array, shape (n, m)
        One row an edge.
    radius_px : array, shape (n,)
    classes : int
        Number of classes of equal population.
    """
    edges = np.arange(LOW_PX, HIGH_PX + BIN_PX, BIN_PX)
    order = np.argsort(radius_px, kind="stable")
    groups = [g for g in np.array_split(order, classes) if len(g)]
    value, weight = [], []
    for group in groups:
        radius = float(np.median(radius_px[group]))
        u, y = depth_px[group].ravel(), brightness[group].ravel()
        use = np.isfinite(y) & (u >= LOW_PX) & (u < min(HIGH_PX, radius))
        index = ((u[use] - LOW_PX) / BIN_PX).astype(np.intp)
        count = np.bincount(index, minlength=len(edges) - 1).astype(np.float64)
        total = np.bincount(index, weights=y[use], minlength=len(edges) - 1)
        value.append(total / np.maximum(count, 1))
        weight.append(count / max(count.max(), 1.0))
    middle = edges[:-1] + BIN_PX / 2
    radii = np.array([np.median(radius_px[g]) for g in groups])
    largest = float(np.percentile(radius_px, 97))
    return Ensemble(middle, radii, np.asarray(value), np.asarray(weight), largest)


_FREE: dict[EdgeModel, tuple[str, ...]] = {
    "opaque": ("mu_per_px", "blur_px", "fringe", "fringe_px"),
    "round": ("mu_per_px", "blur_px", "fringe", "fringe_px", "facet"),
    "hollow": ("mu_per_px", "blur_px", "fringe", "fringe_px", "shell_px"),
    "shell": ("mu_per_px", "blur_px", "fringe", "fringe_px", "facet", "shell_px", "shell_ratio"),
}
_BOUNDS = {
    "mu_per_px": (1e-5, 3.0),
    "blur_px": (0.4, 4.0),
    "fringe": (0.0, 0.4),
    "fringe_px": (1.0, 6.0),
    "facet": (0.0, 1.0),
    "bevel": (0.03, 1.0),
    "filling": (0.0, 1.0),
    "shell_px": (1.0, 60.0),
    "shell_ratio": (0.02, 20.0),
}
"""Between which each parameter is fitted."""


def choose_profile(
    ensemble: Ensemble,
    start: Profile,
    kinds: tuple[EdgeModel, ...] = EDGE_MODELS,
    *,
    u_facet: float = 0.1,
    caution: float = 3.0,
    before: Mapping[str, Profile] | None = None,
) -> tuple[Profile, dict[str, Profile]]:
    """Fit every profile model to an ensemble and take the best by the Bayesian criterion.

    Parameters
    ----------
    ensemble : Ensemble
    start : Profile
        Where the fits start. Its blur, measured on other edges, is held to 15 %.
    kinds : tuple of str
        The models in question.
    u_facet : float
        How large a share of facets is to be expected of the shape.
    caution : float
        Weight of the penalty for each free parameter; above 1 because bins are not independent.
    before : mapping or None
        Each model's fit to an ensemble much like this one, from which it then starts.

    Returns
    -------
    profile : Profile
    fits : dict
        The fit of every model.
    """
    fits: dict[str, tuple[Profile, float]] = {}
    for kind in kinds:
        start = replace(start, filling=0.0)
        firsts = [replace(before[kind], filling=0.0)] if before else _starts(kind, start, ensemble)
        if not before and kind == "round" and u_facet > _CRYSTAL:
            firsts.append(replace(firsts[0], facet=0.6, bevel=0.2))
        for first in firsts:
            fit = _fit(ensemble, first, (start.blur_px, u_facet), caution)
            if kind not in fits or fit[1] < fits[kind][1]:
                fits[kind] = fit
        if kind == "hollow":
            fits[kind] = _filled_or_empty(ensemble, fits[kind], firsts, start.blur_px, caution)
    best = min(fits, key=lambda k: fits[k][1])
    profile, found = fits[best][0], {k: v[0] for k, v in fits.items()}
    if best == "shell" and "round" in found and u_facet > _CRYSTAL:
        thin = _thin_edge_px(found["round"].blur_px, start.blur_px)
        u_edge, u_shell = np.hypot(profile.u_edge_px, thin), np.hypot(profile.u_shell_px, thin)
        profile = replace(profile, u_edge_px=float(u_edge), u_shell_px=float(u_shell))
    return profile, found


def _filled_or_empty(
    ensemble: Ensemble,
    empty: tuple[Profile, float],
    firsts: list[Profile],
    blur_px: float,
    caution: float,
) -> tuple[Profile, float]:
    """Return the fit of a hollow body, whose core counts as empty unless the data are decisive.

    A wall that seems thinner than the blur is none: light that is scattered into its dark rim
    washes it out, and it is told only together with what lies in the core.
    """
    vague = _unresolved_px(empty[0]) > 0
    tried = [replace(p, filling=_FIRST_FILLING) for p in (empty[0], *(firsts if vague else ()))]
    fits = [_fit(ensemble, first, (blur_px, 1.0), caution) for first in tried]
    filled = min(fits, key=lambda fit: fit[1])
    alone = max(_TOGETHER_PX / BIN_PX * filled[1] / _used(ensemble), 1.0)
    gain = empty[1] - filled[1]
    return filled if gain > (0.0 if vague else _DECISIVE * alone) else empty


def _starts(kind: EdgeModel, start: Profile, ensemble: Ensemble) -> list[Profile]:
    if kind == "opaque":
        inner = float(np.min(np.where(ensemble.weight > 0, ensemble.value, 1.0)))
        return [replace(start, model=kind, mu_per_px=max(-np.log(max(inner, 0.01)), 0.05))]
    if kind == "round":
        return [replace(start, model=kind, blur_px=start.blur_px)]
    mu = start.mu_per_px
    if kind == "hollow":
        big = float(np.median(ensemble.radius_px))
        shares = (0.12, 0.25, 0.4)
        return [
            replace(start, model=kind, shell_px=q * big, mu_per_px=mu / (1.5 * q)) for q in shares
        ]
    return [
        replace(start, model=kind, shell_px=w, shell_ratio=q, mu_per_px=mu, blur_px=start.blur_px)
        for w, q in ((4.0, 0.6), (8.0, 0.7), (4.0, 2.0), (15.0, 1.5))
    ]


def _fit(
    ensemble: Ensemble, start: Profile, prior: tuple[float, float], caution: float
) -> tuple[Profile, float]:
    names = _FREE[start.model]
    if "facet" in names and prior[1] > _CRYSTAL:
        names = (*names, "bevel")
    if start.filling > 0:
        names = (*names, "filling")
    low = np.array([_BOUNDS[n][0] for n in names] + [-8.0] + [0.9] * len(ensemble.radius_px))
    high = np.array([_BOUNDS[n][1] for n in names] + [8.0] + [1.1] * len(ensemble.radius_px))
    first = np.array([getattr(start, n) for n in names] + [0.0] + [1.0] * len(ensemble.radius_px))
    first = np.clip(first, low + 1e-9, high - 1e-9)
    scale = np.maximum(np.abs(first), 0.05)
    scale[0] = max(float(first[0]), 1e-4)

    def residual(x: FloatArray) -> FloatArray:
        return _residual(x, ensemble, start, names, prior)

    fit = least_squares(residual, first, bounds=(low, high), x_scale=scale, max_nfev=60, **_ENOUGH)
    u = _u_shared(fit, ensemble)
    u_shell = float(u[names.index("shell_px")]) if "shell_px" in names else 0.0
    is_ball = start.equator_px > 0
    if is_ball and start.model == "shell" and "bevel" not in names:
        u_shell *= _MORE_HIDDEN
    u_edge = _u_still(fit, len(names), ensemble)
    if is_ball:
        u_edge = float(np.hypot(u[len(names)], _U_FORM_PX))
    filled = _filled(start, names, fit.x)
    if start.model == "hollow":
        u_shell = float(np.hypot(u_shell, _unresolved_px(filled)))
    if "bevel" in names:
        u_edge = float(np.hypot(u_edge, _thin_edge_px(filled.blur_px, prior[0])))
    profile = replace(filled, u_edge_px=u_edge, u_shell_px=u_shell)
    score = 2.0 * float(fit.cost) + caution * _PENALTY * len(first)
    if start.model == "shell" and ("bevel" in names or is_ball):
        score += _DECISIVE
    return profile, score


def _thin_edge_px(blur_px: float, known_px: float) -> float:
    """Return how far a crystal may reach beyond the edge that is seen.

    An edge much softer than the picture is sharp begins with a wedge that hardly absorbs. A pale
    layer explains such an edge as well: without one it is as soft as it is.
    """
    usual = (1.0 + 2.0 * _BLUR_SHARE) * known_px
    return float(0.5 * np.sqrt(max(blur_px**2 - usual**2, 0.0)))


def _unresolved_px(profile: Profile) -> float:
    """Return how much thicker a wall may be than it seems: a thin one is as wide as the blur."""
    return max(_FULL_WIDTH * profile.blur_px - profile.shell_px, 0.0)


def _u_shared(fit: Any, ensemble: Ensemble) -> FloatArray:
    """Return how well the fit knows each of its unknowns, the form of the edge being uncertain.

    Texture makes neighbouring bins, and the classes of radius, depart together: by how much, the
    residuals themselves say (the estimator of W. K. Newey and K. D. West, 1987).
    """
    jacobian, rest = np.asarray(fit.jac), np.asarray(fit.fun)
    classes, bins = ensemble.value.shape
    inverse = np.linalg.pinv(jacobian.T @ jacobian)
    pull = jacobian * rest[:, None]
    together = pull[: classes * bins].reshape(classes, bins, -1).sum(axis=0)
    total = together.T @ together
    reach = round(_REACH_PX / BIN_PX)
    for lag in range(1, reach):
        part = together[:-lag].T @ together[lag:]
        total += (1 - lag / reach) * (part + part.T)
    held = jacobian[classes * bins :]
    freedom = _used(ensemble) / max(_used(ensemble) - jacobian.shape[1], 1)
    variance = np.diag(inverse @ (freedom * total + held.T @ held) @ inverse)
    return np.asarray(_HIDDEN * np.sqrt(np.maximum(variance, 0.0)))


def _u_still(fit: Any, position: int, ensemble: Ensemble) -> float:
    """Return the same of where the edge lies, for a body whose edges stay on their grain and film.

    The frames then share what departs from the form, and the fit follows it: its residuals tell
    too little, and all that is within reach of each other counts as one. Classes of radius are
    other bands with other grain: how far they depart together is counted.
    """
    jacobian = np.asarray(fit.jac)
    classes, bins = ensemble.value.shape
    rest = np.asarray(fit.fun)[: classes * bins].reshape(classes, bins)
    alike = float((rest.sum(axis=0) ** 2).sum() / max(float((rest**2).sum()), 1e-12))
    variance = 2.0 * float(fit.cost) / max(_used(ensemble) - jacobian.shape[1], 1)
    inverse = np.linalg.pinv(jacobian.T @ jacobian)
    shared = _TOGETHER_PX / BIN_PX * max(alike, 1.0)
    return float(np.sqrt(max(shared * variance * inverse[position, position], 0.0)))


def _used(ensemble: Ensemble) -> int:
    return int((ensemble.weight[:, ensemble.u_px < _reach(ensemble)] > 0.05).sum())


def _filled(start: Profile, names: tuple[str, ...], values: FloatArray) -> Profile:
    changes: dict[str, Any] = dict(zip(names, map(float, values), strict=False))
    return replace(start, **changes)


def _reach(ensemble: Ensemble) -> float:
    return float(np.clip(0.6 * ensemble.largest_px, _NEAR_PX, HIGH_PX))


@lru_cache(maxsize=4)
def _grid(reach_px: float) -> FloatArray:
    grid = np.arange(LOW_PX - 8, reach_px + 12, _GRID_PX)
    grid.setflags(write=False)
    return grid


def _residual(
    x: FloatArray,
    ensemble: Ensemble,
    start: Profile,
    names: tuple[str, ...],
    prior: tuple[float, float],
) -> FloatArray:
    profile = _filled(start, names, x)
    shift, gains = float(x[len(names)]), x[len(names) + 1 :]
    grid, within = _grid(_reach(ensemble)), ensemble.u_px < _reach(ensemble)
    models = darkness(grid, ensemble.radius_px[:, None] + shift, profile)
    at = ensemble.u_px + shift
    expected = gains[:, None] * (1.0 - np.array([np.interp(at, grid, model) for model in models]))
    depth = -np.log(np.clip(expected, 0.02, 1.0))
    sigma = np.hypot(_FLOOR, _TEXTURE * depth * expected)
    weight = np.where(within, ensemble.weight, 0.0)
    rest = (ensemble.value - expected) * np.sqrt(weight) / sigma
    out = [np.where(weight > 0.05, rest, 0.0).ravel()]
    blur, facet = prior
    out.append(np.array([np.log(profile.blur_px / blur) / _BLUR_SHARE, profile.facet / facet]))
    if "bevel" in names:
        out.append(np.array([np.log(profile.bevel / _USUAL_BEVEL) / _U_LOG_BEVEL]))
    if profile.model == "hollow":
        out.append(np.array([profile.filling / _U_FILLING]))
    if profile.model == "shell":
        share = profile.shell_px / ensemble.largest_px
        layer = [np.log(profile.shell_ratio) / _U_LOG_RATIO, share / _SHELL_SHARE]
        out.append(np.array(layer))
    return np.concatenate(out)

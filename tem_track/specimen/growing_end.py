"""Where a free end lies: a body of revolution whose cap thins out, seen in transmission.

The beam passes less and less of a dome, so that no grey level marks its end. The picture along the
axis is fitted with what a cap ``r(z) = r (f + (1 - f) (1 - (1 - z/c)^p)^(1/p))`` absorbs: c tells a
dome from a flat end, p a round from a chamfered one, and f is the share of a facet across the axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import least_squares

from tem_track.records import FloatArray
from tem_track.specimen.profile import Profile

__all__ = ["ANY_END", "Cap", "EndShape", "cap_radius", "fit_cap"]

_COLUMNS = 7
"""Columns that stand for all."""
_FINE = 2
"""Samples a pixel of the model along the axis."""
_HELD = 1e-4
"""What a facet's share is held to where it is known: bounds of a fit must leave some room."""
_U_SIDE_PX = 1.0
"""Standard uncertainty of the silhouette's half widths about the cap, where bands are steep."""
_FLOOR = 0.003
"""Least standard deviation of a darkness, as a part of the vacuum's brightness: the vacuum is not
known better."""
_TEXTURE = 0.06  # of the darkness: what grain and diffraction make of it
_MEAN_PATH = 1.8
"""Mean path of the beam through the columns near the midline, over the radius; it is 2 on it."""
_REACH_PX = 15.0
"""How far from the guess the end may lie."""
_SHORTEST, _LONGEST, _BLUNTEST = 0.03, 1.6, 3.5
"""Length of a cap over the radius, from a flat end to an ogive, and its largest power."""
_FAR_MU, _FAR_LIGHT, _U_LIGHT = 2.0, 0.1, 0.02
"""How far the absorption's logarithm may lie from what the shaft shows, how far the brightness
beyond the end from the vacuum's (as a part of it), and the latter's standard uncertainty."""
_MOST_FLAT = 0.95
"""Largest share of a facet across the axis."""
_WIDER = 1.5
"""What residuals that neighbours share make of u."""


@dataclass(frozen=True, slots=True)
class EndShape:
    """What is known of an end's shape before it is fitted.

    Attributes
    ----------
    share, u_share : float
        Natural logarithm of the cap's length over the radius.
    power, u_power : float
    """

    share: float = math.log(0.7)
    u_share: float = 0.5
    power: float = 1.6  # between a cone, 1, and a sphere, 2
    u_power: float = 0.4


ANY_END = EndShape()


@dataclass(frozen=True, slots=True)
class Cap:
    """A fitted end.

    Attributes
    ----------
    end_px, u_end_px : float
        Where it ends, along the axis.
    depth_px : float
        Length of the cap.
    power, flat : float
    misfit : float
        Weighted sum of squares that is left.
    """

    end_px: float
    u_end_px: float
    depth_px: float
    power: float
    flat: float = 0.0
    misfit: float = 0.0


def cap_radius(
    depth_px: FloatArray, radius_px: float, cap_px: float, power: float, flat: float = 0.0
) -> FloatArray:
    """Return the radius at a depth behind the end; 0 in front of it."""
    share = np.clip(depth_px / max(cap_px, 1e-6), 0.0, 1.0)
    dome = (1.0 - (1.0 - share) ** power) ** (1.0 / power)
    begins = np.clip(depth_px * _FINE + 0.5, 0.0, 1.0) if flat > 0 else 1.0
    return np.asarray(radius_px * (flat * begins + (1.0 - flat) * dome))


def fit_cap(
    dark: FloatArray,
    s_px: FloatArray,
    start_px: float,
    radius_px: float,
    offsets_px: FloatArray,
    profile: Profile,
    noise: float,
    sides: tuple[FloatArray, FloatArray],
    flat: float | None = 0.0,
    shape: EndShape = ANY_END,
) -> Cap:
    """Fit the end to the mean darkness of the columns about the midline.

    Parameters
    ----------
    dark : array, shape (n,)
        Missing share of the vacuum's brightness along the axis, averaged over columns.
    s_px : array, shape (n,)
    start_px : float
        A guess of the end.
    radius_px : float
        Half the width behind the cap.
    offsets_px : array
        Distances of the averaged columns from the midline; some of them serve.
    profile : Profile
        Blur and surface layer, as learnt from the sides.
    noise : float
        Standard deviation of a value of `dark`.
    sides : (array, array)
        Heights and half widths of the silhouette about the cap.
    flat : float or None
        Share of the end that is a facet across the axis; None leaves it to the frame.
    shape : EndShape
    """
    end = _End(dark, s_px, radius_px, _picked(offsets_px), profile, noise, sides, shape)
    behind = dark[s_px < start_px - 0.5 * radius_px]
    level = float(np.clip(np.median(behind) if behind.size else dark.max(), 0.02, 0.98))
    mu = math.log(-math.log(1.0 - level) / (_MEAN_PATH * radius_px))
    first = np.array([start_px, shape.share, shape.power, mu, 0.0, 0.3 if flat is None else flat])
    facet = (0.0, _MOST_FLAT) if flat is None else (max(flat - _HELD, 0.0), flat + _HELD)
    low = [start_px - _REACH_PX, math.log(_SHORTEST), 1.0, mu - _FAR_MU, -_FAR_LIGHT, facet[0]]
    high = [start_px + _REACH_PX, math.log(_LONGEST), _BLUNTEST, mu + _FAR_MU, _FAR_LIGHT, facet[1]]
    scale = [1, 0.3, 0.4, 0.2, 0.01, 0.2]
    found = least_squares(
        end.rest, first, bounds=(low, high), x_scale=scale, max_nfev=40, xtol=1e-5, ftol=1e-6
    )
    free = found.jac if flat is None else found.jac[:, :5]
    covariance = np.linalg.pinv(free.T @ free)
    scatter = max(float((found.fun**2).sum()) / max(len(s_px) - 6, 1), 0.25)
    at, cap, power = found.x[:3]
    return Cap(
        float(at),
        _WIDER * math.sqrt(float(covariance[0, 0]) * scatter),
        radius_px * math.exp(float(cap)),
        float(power),
        float(found.x[5]),
        float(2.0 * found.cost),
    )


def _picked(offsets_px: FloatArray) -> FloatArray:
    """Return the distances of some columns that stand for all.

    They are the middles of equal parts: the outermost ones would weigh too much.
    """
    parts = min(_COLUMNS, len(offsets_px))
    index = ((np.arange(parts) + 0.5) * len(offsets_px) / parts).astype(int)
    return np.asarray(np.abs(offsets_px)[index])


class _End:
    """An end's picture, and what a cap leaves of it.

    A cap's parameters are its end, the logarithms of its length over the radius, its power, the
    logarithm of the absorption, the brightness beyond it, and the facet's share.
    """

    def __init__(
        self,
        dark: FloatArray,
        s_px: FloatArray,
        radius_px: float,
        picked: FloatArray,
        profile: Profile,
        noise: float,
        sides: tuple[FloatArray, FloatArray],
        shape: EndShape,
    ) -> None:
        self._dark, self._s_px, self._radius_px = dark, s_px, radius_px
        self._picked, self._profile = picked, profile
        self._sides, self._shape = sides, shape
        self._fine = np.arange(s_px[0] - 8.0, s_px[-1] + 8.0, 1.0 / _FINE)
        self._sigma = np.hypot(max(noise, _FLOOR), _TEXTURE * np.maximum(dark, 0.0))

    def _picture(self, p: FloatArray) -> FloatArray:
        """Return the darkness along the axis that a cap makes."""
        cap = self._radius_px * math.exp(p[1])
        shape = (self._radius_px, cap, p[2], p[5])
        path = _depth(p[0] - self._fine, self._picked, shape, self._profile)
        clean = 1.0 - np.exp(-math.exp(p[3]) * path)
        blur = self._profile.blur_px * _FINE
        blurred = gaussian_filter1d(clean.mean(axis=1), blur, mode="nearest")
        return np.asarray(p[4] + np.interp(self._s_px, self._fine, blurred))

    def rest(self, p: FloatArray) -> FloatArray:
        """Return the residuals of picture, silhouette and what is known beforehand."""
        held = [
            (p[1] - self._shape.share) / self._shape.u_share,
            (p[2] - self._shape.power) / self._shape.u_power,
            p[4] / _U_LIGHT,
        ]
        radius, sides = self._radius_px, self._sides
        outer = cap_radius(p[0] - sides[0], radius, radius * math.exp(p[1]), p[2], p[5])
        picture = (self._picture(p) - self._dark) / self._sigma
        return np.concatenate([picture, (outer - sides[1]) / _U_SIDE_PX, held])


def _depth(
    behind: FloatArray,
    picked: FloatArray,
    shape: tuple[float, float, float, float],
    profile: Profile,
) -> FloatArray:
    """Return the weighted path of the beam at depths behind the end, one column an offset."""
    radius, cap, power, flat = shape
    outer = cap_radius(behind, radius, cap, power, flat)
    path = _chord(outer, picked, profile.facet)
    if profile.model != "shell" or profile.shell_px <= 0 or radius <= 2 * profile.shell_px:
        return path
    thin = profile.shell_px
    share = (radius - thin) / radius
    inner = cap_radius(behind - thin, radius - thin, cap * share, power, flat)
    core = _chord(inner, picked, profile.facet)
    return np.asarray(core + profile.shell_ratio * (path - core))


def _chord(radius: FloatArray, offsets: FloatArray, facet: float) -> FloatArray:
    """Return the path through sections of a radius, in part hexagonal as the sides' are."""
    inside = radius[:, None] - offsets[None, :]
    round_ = 2.0 * np.sqrt(np.clip(inside * (radius[:, None] + offsets[None, :]), 0, None))
    if facet <= 0:
        return np.asarray(round_)
    wedge = 4.0 * np.clip(inside, 0.0, radius[:, None] / 2)
    return np.asarray((1.0 - facet) * round_ + facet * wedge)

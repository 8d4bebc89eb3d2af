"""A nanotube between base and tip: found in the first frames, its diameter in every frame."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.optimize import least_squares

from tem_track.records import FloatArray
from tem_track.specimen.growing_find import Darkness
from tem_track.specimen.profile import Profile, darkness
from tem_track.specimen.smooth import Mask
from tem_track.specimen.strip import Strip

__all__ = ["find_tube", "measure_tube", "shown_through", "without_tube"]

_WIDEST = 0.2
"""Width of a tube, over that of what is looked at, at most."""
_ALONG = 0.9
"""Part of its length that must show it."""
_BAND = 6
"""Rows of a band, since a tube is not straight."""
_LEAST_ROWS = 30
"""Rows between body and tip that are needed."""
_CLEAR_PX = 8.0
"""Pixels from base and tip that are left to their blur."""
_LOOK_PX = 16.0
"""Pixels beside the tube that are fitted with it."""
_SWELLS, _AROUND_PX = 1.4, 3.0
_BESIDE_PX, _RIM_PX, _LEAST_BESIDE = 14.0, 2.0, 3
_ROWS_ALIKE = 9
"""Rows over which brightness is averaged before a body is continued beneath a tube."""
_FAINTEST = 0.02
"""Least brightness, over the vacuum's, of which a logarithm is taken."""


def find_tube(dark: Darkness, strip: Strip, s_low: float, s_high: float) -> tuple[float, float]:
    """Return middle and width of a thin line that joins base and tip; width 0 where none does."""
    rows = strip.rows(s_low + _CLEAR_PX, s_high - _CLEAR_PX)
    part = uniform_filter1d(dark.smooth[rows], 9, axis=0)
    level = max(5.0 * dark.noise, 0.04)
    if len(part) < _LEAST_ROWS:
        return 0.0, 0.0
    here = np.flatnonzero((part > level).mean(axis=0) > _ALONG)
    if not here.size or np.ptp(here) > _WIDEST * part.shape[1] or np.any(np.diff(here) > 1):
        return 0.0, 0.0
    return float(strip.grid.t_first + here.mean()), float(len(here))


def measure_tube(
    dark: Darkness,
    strip: Strip,
    tube: tuple[float, float],
    between: tuple[float, float],
    profile: Profile,
) -> tuple[float, float]:
    """Return the tube's diameter and its uncertainty between two heights; NaN below 30 rows.

    The bands are laid on one another along the tube, and the mean is fitted with the chord of a
    round body, its absorption free.
    """
    rows = strip.rows(*between)
    columns = strip.columns(tube[0] - tube[1] / 2 - _LOOK_PX, tube[0] + tube[1] / 2 + _LOOK_PX)
    if rows.stop - rows.start < _LEAST_ROWS or columns.stop - columns.start < 12:
        return math.nan, math.nan
    block = dark.raw[rows, columns]
    t = strip.grid.t_px[columns]
    depth, values = _aligned(block, t)
    return _fit(depth, values, tube[1] / 2, profile)


def shown_through(tube: tuple[float, float], t_px: FloatArray) -> Mask:
    """Return which columns a nanotube may show in, swollen as it may be; none without one."""
    half = _SWELLS * tube[1] / 2 + _AROUND_PX if tube[1] else -1.0
    return np.asarray(np.abs(t_px - tube[0]) <= half)


def without_tube(
    strip: Strip, dark: Darkness, tube: tuple[float, float], sides_px: tuple[float, float]
) -> Strip:
    """Put in place of a nanotube that shows through a body what the body shows on either side.

    The square of a round section's depth is a parabola across it.

    Parameters
    ----------
    strip : Strip
    dark : Darkness
        Of the same strip.
    tube : (float, float)
        Middle and width; width 0 without.
    sides_px : (float, float)
        Between which columns the body lies.
    """
    t = strip.grid.t_px
    hidden = shown_through(tube, t)
    inside = (t > sides_px[0] + _RIM_PX) & (t < sides_px[1] - _RIM_PX)
    near = inside & ~hidden & shown_through((tube[0], tube[1] + 2 * _BESIDE_PX / _SWELLS), t)
    hidden &= inside
    beside = [int((near & side).sum()) for side in (t < tube[0], t > tube[0])]
    if not hidden.any() or min(beside) < _LEAST_BESIDE:
        return strip
    lit = np.clip(uniform_filter1d(1.0 - dark.raw, _ROWS_ALIKE, axis=0), _FAINTEST, None)
    square = np.log(np.minimum(lit[:, near], 1.0)) ** 2
    powers = np.vander((t - tube[0]) / max(float(np.ptp(t[near])), 1.0), 3)
    bent = powers[hidden] @ np.linalg.pinv(powers[near]) @ square.T
    own = np.exp(-np.sqrt(np.clip(bent.T, 0.0, None)))
    grey = strip.grey.copy()
    grey[:, hidden] *= own / np.clip(1.0 - dark.raw[:, hidden], _FAINTEST, None)
    return Strip(strip.grid, grey)


def _aligned(block: FloatArray, t: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return distances from the tube's own midline and the darkness there, by half pixels."""
    count = len(block) // _BAND
    bands = block[: count * _BAND].reshape(count, _BAND, -1).mean(axis=1)
    weight = np.clip(uniform_filter1d(bands, 3, axis=1) - 0.3 * bands.max(axis=1)[:, None], 0, None)
    middle = (weight * t).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-9)
    smooth = np.polyval(np.polyfit(np.arange(count), middle, min(4, count - 1)), np.arange(count))
    x = (t[None, :] - smooth[:, None]).ravel()
    edges = np.arange(-tube_reach(t), tube_reach(t) + 0.5, 0.5)
    index = np.digitize(x, edges)
    values = [bands.ravel()[index == k] for k in range(1, len(edges))]
    seen = np.array([len(v) > 2 for v in values])
    centre = (edges[:-1] + edges[1:]) / 2
    return centre[seen], np.array([v.mean() for v, ok in zip(values, seen, strict=True) if ok])


def tube_reach(t: FloatArray) -> float:
    """Return how far from the midline all bands have values."""
    return float(np.ptp(t) / 2 - 3.0)


def _fit(x: FloatArray, values: FloatArray, radius: float, profile: Profile) -> tuple[float, float]:
    step = 0.1
    fine = np.arange(-30.0, 60.0, step)
    thin = replace(profile, model="round", shell_px=0.0, facet=0.0)

    def rest(p: FloatArray) -> FloatArray:
        r = math.exp(p[0])
        shape = darkness(fine, r, replace(thin, mu_per_px=math.exp(p[1])))
        return np.asarray(p[2] + np.interp(x - p[3] + r, fine, shape) - values)

    level = float(np.clip(values.max(), 0.02, 0.95))
    first = [math.log(radius), math.log(-math.log(1 - level) / (2 * radius)), 0.0, 0.0]
    found = least_squares(rest, first, max_nfev=60)
    scatter = float((found.fun**2).sum()) / max(len(x) - 4, 1)
    covariance = np.linalg.pinv(found.jac.T @ found.jac) * scatter
    diameter = 2 * math.exp(float(found.x[0]))
    return diameter, diameter * math.sqrt(float(covariance[0, 0]))

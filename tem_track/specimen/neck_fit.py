"""A thin neck as it is drawn in the picture: all its rows and columns explained at once.

The edges of single bands fail a neck that is thin and sharply curved: its two sides merge, its
width changes within a band and within the blur along the axis, and a curve through the bands cuts
its bottom off. Here the width is a cubic spline along the axis, as soft as the picture asks for;
the tabulated darkness of every row is blurred along the axis as the optics do, and all pixels near
are compared with it at once.

Source for the softness: the largest evidence of the picture (D. J. C. MacKay, 1992).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tem_track.compiled import compiled
from tem_track.records import FloatArray
from tem_track.specimen.filters import SLOPE_PX
from tem_track.specimen.noise import Noise
from tem_track.specimen.profile import U_LOW_PX, U_STEP_PX, EdgeTable
from tem_track.specimen.strip import Strip

__all__ = ["Neck", "fit_neck"]

_BESIDE_PX = 10.0
"""Columns beside the body that tell the light."""
_KNOT_PX = 4.0
"""Between the spline's knots."""
_TOGETHER = 2  # rows that are averaged
_MIDLINE, _LIGHT, _DARK = 2, 2, 6
"""Parameters of the midline, of the light and of the darkness along the axis."""
_U_DARKNESS = (0.2, 0.3, 0.3, 0.3, 0.3, 0.3)  # as loosely as contours make it vary
_U_LEVEL_PX = 25.0
"""Prior of the width."""
_BENDS_PX = (0.5, 1.5, 4.0, 12.0)  # usual second difference of the spline, over which is chosen
_FIRST_BEND = 2
"""Of `_BENDS_PX`, with which the fit begins."""
_ALIKE = 2.0  # neighbouring pixels share texture: they say less than they seem to
_STEPS, _CALM, _ENOUGH_PX, _STEP_LIMIT_PX = 14, 6, 0.03, 4.0
"""Steps of the fit, those before it is damped, the step that ends it and the longest."""
_OUTLIER = 4.0
"""Standard deviations at which a pixel's residual is held."""
_LEAST_RADIUS_PX = 0.3
"""Thinner than this is broken."""
_WORST_REST, _LEAST_RISE_PX = 2.5, 2.0
"""Usual residual up to which the fit is believed, and the least rise to both sides."""
_SUNK, _SUNK_PX = 0.6, 12.0
"""Depth and width of the hollow that is tried beside the smooth curve."""
_WITHIN = 0.85  # of the window, where the fit is believed


@dataclass(frozen=True, slots=True, eq=False)
class Neck:
    """A neck's width along the axis, in strip coordinates.

    Attributes
    ----------
    s_px, width_px, u_width_px : float
        The narrowest place.
    at_px, reach_px : float
        Middle of the window in which the neck was fitted, and half its length.
    spline, covariance : array, shape (n,) and (n, n)
    """

    s_px: float
    width_px: float
    u_width_px: float
    at_px: float
    reach_px: float
    spline: FloatArray
    covariance: FloatArray

    def along(self, s_px: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return width and u at some places, and how far the fit counts there, from 0 to 1."""
        x = np.asarray(s_px - self.at_px)
        basis = _splines(x, self.reach_px)
        u = np.sqrt(np.einsum("ij,jk,ik->i", basis, self.covariance, basis))
        inner, outer = 0.5 * self.reach_px, _WITHIN * self.reach_px
        share = np.clip((outer - np.abs(x)) / (outer - inner), 0.0, 1.0)
        return basis @ self.spline, u, share * share * (3.0 - 2.0 * share)


def fit_neck(
    strip: Strip,
    table: EdgeTable,
    start: tuple[FloatArray, FloatArray, FloatArray],
    at_px: float,
    reach_px: float,
    rows_per_band: int,
) -> Neck | None:
    """Fit width and midline of a neck to the pixels within a reach of its narrowest place.

    Parameters
    ----------
    strip : Strip
    table : EdgeTable
        The darkness across the axis, blurred across it.
    start : (array, array, array), shape (n,)
        Places along the axis with the width and the midline there, as they are known so far.
    at_px, reach_px : float
        The middle of the window along the axis, and half its length.
    rows_per_band : int
        Rows over which the table's noise is averaged.

    Returns
    -------
    Neck or None
        None where the picture shows no smallest width within the window, or none that the model
        explains.
    """
    s_known, width, middle = start
    near = np.abs(s_known - at_px) <= reach_px + 2.0
    if near.sum() < 5:
        return None
    half = width.max(initial=0.0, where=near) / 2 + _BESIDE_PX
    rows = strip.rows(at_px - reach_px, at_px + reach_px)
    columns = strip.columns(middle[near].min() - half, middle[near].max() + half)
    count = (rows.stop - rows.start) // _TOGETHER
    rows = slice(rows.start, rows.start + count * _TOGETHER)
    grey = np.asarray(strip.grey[rows, columns], dtype=np.float64)
    if grey.shape[0] < 2 * reach_px - 2 or not np.isfinite(grey).all():
        return None
    window = _Window.about(strip.grid.s_px[rows], strip.grid.t_px[columns], at_px, reach_px, table)
    grey = grey.reshape(count, _TOGETHER, -1).mean(axis=1)
    line = _line((s_known[near] - at_px) / reach_px, middle[near])
    rest = [*line, float(np.percentile(grey, 85)), 0.0, 1.0, *[0.0] * (_DARK - 1)]
    knots = _knots(reach_px)
    known = np.interp(at_px + knots, s_known, width)
    noise_rows = rows_per_band / _TOGETHER
    deepest = float(np.interp(at_px, s_known, width))
    for depth in (0.0, _SUNK):  # a smooth curve may be far too wide at the bottom
        hollow = depth * deepest * np.clip(1.0 - (knots / _SUNK_PX) ** 2, 0.0, 1.0)
        first = np.concatenate([known - hollow, rest])
        neck = _read(window, *_solve(window, grey, first, noise_rows))
        if neck is not None:
            return neck
    return None


def _line(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Return level at zero and slope of the straight line through some points."""
    away = x - x.mean()
    slope = float(away @ y / (away @ away))
    return float(y.mean()) - slope * float(x.mean()), slope


def _knots(reach_px: float) -> FloatArray:
    """Return where the splines have their middles."""
    count = math.ceil(reach_px / _KNOT_PX) + 1
    return _KNOT_PX * np.arange(-count, count + 1.0)


def _splines(x: FloatArray, reach_px: float) -> FloatArray:
    """Return the cubic B-splines at some distances from the middle, one a column."""
    z = np.abs(x[:, None] / _KNOT_PX - _knots(reach_px) / _KNOT_PX)
    inner = 2 / 3 - z**2 + z**3 / 2
    outer = np.maximum(2.0 - z, 0.0) ** 3 / 6
    return np.asarray(np.where(z < 1, inner, outer))


@lru_cache(maxsize=4)
def _stiffness(n: int) -> FloatArray:
    difference = np.diff(np.eye(n), 2, axis=0)
    return np.asarray(difference.T @ difference)


@dataclass(frozen=True, eq=False)
class _Window:
    """What the neck's rows and columns are in the fit's own units."""

    x: FloatArray
    splines: FloatArray
    powers: FloatArray
    t_px: FloatArray
    blur: FloatArray
    by_width: FloatArray
    by_middle: FloatArray
    at_px: float
    reach_px: float
    table: EdgeTable

    @classmethod
    def about(
        cls, s_px: FloatArray, t_px: FloatArray, at_px: float, reach_px: float, table: EdgeTable
    ) -> _Window:
        sigma = table.profile.blur_px
        more = math.ceil(3 * sigma)
        longer = np.arange(s_px[0] - more, s_px[-1] + more + 0.5)
        kernel = np.exp(-0.5 * ((s_px[:, None] - longer) / max(sigma, 1e-3)) ** 2)
        blur = kernel / kernel.sum(axis=1, keepdims=True)
        blur = blur.reshape(-1, _TOGETHER, len(longer)).mean(axis=1)
        rows = s_px.reshape(-1, _TOGETHER).mean(axis=1)
        powers = np.vander((rows - at_px) / reach_px, _DARK, increasing=True)
        splines = _splines(longer - at_px, reach_px)
        x = (longer - at_px) / reach_px
        by_width = splines.T[:, None, :] * blur
        by_middle = np.stack([blur, blur * x])
        return cls(x, splines, powers, t_px, blur, by_width, by_middle, at_px, reach_px, table)

    @property
    def n_width(self) -> int:
        """Number of the width's unknowns."""
        return int(self.splines.shape[1])

    def darkness(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the darkness over the model's, and its change by width and midline."""
        k = self.n_width
        radius = np.maximum(self.splines @ p[:k] / 2, _LEAST_RADIUS_PX)
        middle = p[k] + p[k + 1] * self.x
        ladder = self.table.log_radius
        steps = float(ladder[0]), float(ladder[1] - ladder[0]), len(ladder)
        plain, wider, aside = _looked_up(
            radius, middle, self.t_px, steps, (U_LOW_PX, U_STEP_PX), self.table.value
        )
        changes = np.concatenate([self.by_width @ wider, self.by_middle @ aside])
        return self.blur @ plain, changes


@compiled(nogil=True, error_model="numpy")
def _looked_up(
    radius: FloatArray,
    middle: FloatArray,
    t_px: FloatArray,
    ladder: tuple[float, float, int],
    grid: tuple[float, float],
    value: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the darkness of every row, not yet blurred along the axis, and its changes.

    Below the least radius tabulated it falls as the section's area does.

    Parameters
    ----------
    radius, middle : array, shape (n,)
    t_px : array, shape (m,)
    ladder : (float, float, int)
        Logarithm of the first radius tabulated, its step, and how many there are.
    grid : (float, float)
        First depth tabulated, and its step.
    value : array, shape (k, p)

    Returns
    -------
    plain, wider, aside : array, shape (n, m)
        Darkness, and its change with the width and with the midline.
    """
    n, m = len(radius), len(t_px)
    plain, wider, aside = np.empty((n, m)), np.empty((n, m)), np.empty((n, m))
    least, last = math.exp(ladder[0]), value.shape[1] - 1.001
    for i in range(n):
        held = max(radius[i], least)
        place = min(max((math.log(held) - ladder[0]) / ladder[1], 0.0), ladder[2] - 1.001)
        row = int(place)
        blend, ratio = place - row, radius[i] / held
        shrunk = ratio * ratio
        for j in range(m):
            across = t_px[j] - middle[i]
            cell = min(max((held - abs(across) - grid[0]) / grid[1], 0.0), last)
            left = int(cell)
            part = cell - left
            a, b = value[row, left], value[row, left + 1]
            c, d = value[row + 1, left], value[row + 1, left + 1]
            lower, upper = a + part * (b - a), c + part * (d - c)
            inwards = ((1 - blend) * (b - a) + blend * (d - c)) / grid[1]
            dark = lower + blend * (upper - lower)
            plain[i, j] = dark * shrunk
            if radius[i] < least:
                wider[i, j] = ratio / least * dark
            else:
                wider[i, j] = (inwards + (upper - lower) / (ladder[1] * held)) / 2
            aside[i, j] = (inwards if across >= 0 else -inwards) * shrunk
    return plain, wider, aside


def _solve(
    window: _Window, grey: FloatArray, first: FloatArray, rows_per_band: float
) -> tuple[FloatArray, FloatArray, float]:
    """Return the parameters, their covariance and the rest over what noise alone would leave."""
    k = window.n_width
    held = np.array([*[_U_LEVEL_PX] * k, 8.0, 8.0, math.inf, math.inf, *_U_DARKNESS])
    prior, bend = np.diag(held**-2.0), _BENDS_PX[_FIRST_BEND]
    stiff = np.zeros_like(prior)
    t = (window.t_px - window.t_px.mean()) / SLOPE_PX
    p, chosen = first.copy(), False
    usual, largest = math.inf, math.inf
    inverse: FloatArray = np.zeros_like(prior)
    for turn in range(_STEPS):
        stiff[:k, :k] = _stiffness(k) / bend**2
        rest, weighted, usual = _compared(window, grey, p, t, rows_per_band, turn > 2)
        data = weighted @ weighted.T
        pull = weighted @ rest + prior @ (first - p)
        inverse = np.asarray(np.linalg.inv(data + prior + stiff))
        step = inverse @ (pull - stiff @ p)
        largest = float(np.abs(step[:k]).max())
        reach = 1.0 if turn < _CALM else 0.6  # a sharp bottom may swing from side to side
        both = pull + (data + prior) @ p
        p = p + step * min(reach, _STEP_LIMIT_PX / max(largest, 1e-9))
        if not chosen and largest < 1.0:
            bend, chosen = _likeliest(data, prior, both, k, usual), True
        elif chosen and largest < _ENOUGH_PX:
            return p, inverse, usual
    return p, inverse, usual if largest < 0.3 else math.inf


def _compared(
    window: _Window, grey: FloatArray, p: FloatArray, t: FloatArray, rows: float, cut: bool
) -> tuple[FloatArray, FloatArray, float]:
    """Return what the model leaves over and its changes, both over the noise, and the rest."""
    k = window.n_width
    dark, changes = window.darkness(p)
    level, tilt = p[k + _MIDLINE : k + _MIDLINE + _LIGHT]
    share = np.clip(window.powers @ p[-_DARK:], 0.1, 4.0)[:, None]
    light, lit = level * (1.0 + tilt * t), 1.0 - share * dark
    sigma = np.abs(light) * _scatter(window.table.noise, lit, rows)
    scaled, shaded = light / sigma, dark * light / sigma
    weighted = np.empty((len(p), *grey.shape))
    np.multiply(changes, -scaled * share, out=weighted[: len(changes)])
    weighted[k + _MIDLINE] = lit * (1.0 + tilt * t) / sigma
    weighted[k + _MIDLINE + 1] = lit * level * t / sigma
    np.multiply(window.powers.T[:, :, None], -shaded, out=weighted[-_DARK:])
    rest = (grey - light * lit) / sigma
    if cut:
        rest = np.clip(rest, -_OUTLIER, _OUTLIER)
    return rest.ravel(), weighted.reshape(len(p), -1), float(np.mean(rest**2))


def _likeliest(
    data: FloatArray, prior: FloatArray, right: FloatArray, k: int, usual: float
) -> float:
    """Return the softness of the spline that makes the picture likeliest.

    Parameters
    ----------
    data, prior : array, shape (n, n)
        Information of the picture and of what is held.
    right : array, shape (n,)
        What both say: (data + prior) times where they pull to.
    k : int
        Number of the spline's unknowns, which come first.
    usual : float
        The rest over what noise alone would leave.
    """
    whole = data + prior
    aside = np.linalg.solve(whole[k:, k:], np.column_stack([whole[k:, :k], right[k:]]))
    weight = max(usual, 1.0) * _ALIKE
    known = (whole[:k, :k] - whole[:k, k:] @ aside[:, :k]) / weight
    pulled = (right[:k] - whole[:k, k:] @ aside[:, k]) / weight
    scores = []
    for bend in _BENDS_PX:
        total = known + _stiffness(k) / bend**2
        held = prior[:k, :k] + _stiffness(k) / bend**2
        size = np.linalg.slogdet(held)[1] - np.linalg.slogdet(total)[1]
        scores.append(0.5 * (float(pulled @ np.linalg.solve(total, pulled)) + float(size)))
    return _BENDS_PX[int(np.argmax(scores))]


def _scatter(noise: Noise, lit: FloatArray, rows_per_band: float) -> FloatArray:
    """Return the standard deviation of single pixels over the background's brightness."""
    depth = -np.log(np.clip(lit, 0.02, 1.0)) * lit
    variance = rows_per_band * noise.shot * np.clip(lit, 0.05, None)
    variance += (noise.film * lit) ** 2 + (noise.texture * depth) ** 2
    return np.sqrt(variance)


def _read(window: _Window, p: FloatArray, covariance: FloatArray, usual: float) -> Neck | None:
    """Return the fitted neck, where it has a smallest width inside the window."""
    if not usual < _WORST_REST:
        return None
    k, reach = window.n_width, window.reach_px
    covariance = covariance[:k, :k] * max(usual, 1.0)
    x = np.linspace(-_WITHIN * reach, _WITHIN * reach, 171)
    splines = _splines(x, reach)
    width = splines @ p[:k]
    least = int(np.argmin(width))
    if least in (0, len(x) - 1) or width[least] <= 2 * _LEAST_RADIUS_PX:
        return None
    row = splines[least]
    u = math.sqrt(float(row @ covariance @ row))
    if float(width[[0, -1]].mean()) - float(width[least]) < max(_LEAST_RISE_PX, 3.0 * u):
        return None  # even: the smooth curve knows it better
    narrowest = window.at_px + float(x[least])
    return Neck(narrowest, float(width[least]), u, window.at_px, reach, p[:k].copy(), covariance)

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
from numpy.typing import NDArray

from tem_track.records import FloatArray
from tem_track.specimen.filters import SLOPE_PX
from tem_track.specimen.neck_sums import summed
from tem_track.specimen.profile import U_LOW_PX, U_STEP_PX, EdgeTable
from tem_track.specimen.smooth import Mask
from tem_track.specimen.strip import Strip

__all__ = ["Neck", "fit_neck"]

_BESIDE_PX = 10.0
"""Columns beside the body that tell the light."""
_KNOT_PX = 4.0
"""Between the spline's knots."""
_TOGETHER = 2  # rows that are averaged
_DARK = 6
"""Parameters of the darkness along the axis."""
_U_DARKNESS = (0.2, 0.3, 0.3, 0.3, 0.3, 0.3)  # as loosely as contours make it vary
_U_LEVEL_PX = 25.0
"""Prior of the width."""
_BENDS_PX = (0.5, 1.5, 4.0, 12.0)  # usual second difference of the spline, over which is chosen
_FIRST_BEND = 2
"""Of `_BENDS_PX`, with which the fit begins."""
_ALIKE = 2.0  # neighbouring pixels share texture: they say less than they seem to
_STEPS, _CALM, _ENOUGH_PX, _STEP_LIMIT_PX = 14, 6, 0.03, 8.0
"""Steps of the fit, those before it is damped, the step that ends it and the longest."""
_OUTLIER = 4.0
"""Standard deviations at which a pixel's residual is held."""
_LEAST_RADIUS_PX = 0.3
"""Thinner than this is broken."""
_WORST_REST, _LEAST_RISE_PX = 2.5, 2.0
"""Usual residual up to which the fit is believed, and the least rise to both sides."""
_SUNK, _SUNK_PX = 0.6, 12.0
"""Depth and width of the hollow that is tried beside the smooth curve."""
_NOTHING = 1e-5  # of the blur
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
        u = np.sqrt(((basis @ self.covariance) * basis).sum(axis=1))
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
    away = float(strip.grid.s_px[rows.start]) - at_px
    drawn = _rows(away, len(grey), reach_px, table.profile.blur_px)
    grey = grey.reshape(count, _TOGETHER, -1).mean(axis=1)
    t_px = np.asarray(strip.grid.t_px[columns], dtype=np.float64)
    window = _Window(drawn, t_px, grey, at_px, reach_px, table)
    line = _line((s_known[near] - at_px) / reach_px, middle[near])
    rest = [*line, float(np.percentile(grey, 85)), 0.0, 1.0, *[0.0] * (_DARK - 1)]
    knots = _knots(reach_px)
    known = np.interp(at_px + knots, s_known, width)
    noise_rows = rows_per_band / _TOGETHER
    deepest = float(np.interp(at_px, s_known, width))
    for depth in (0.0, _SUNK):  # a smooth curve may be far too wide at the bottom
        hollow = depth * deepest * np.clip(1.0 - (knots / _SUNK_PX) ** 2, 0.0, 1.0)
        first = np.concatenate([known - hollow, rest])
        neck = _read(window, *_solve(window, first, noise_rows))
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
def _finely(reach_px: float) -> tuple[FloatArray, FloatArray]:
    """Return close places in the part of a window where the fit is believed, and the splines."""
    x = np.linspace(-_WITHIN * reach_px, _WITHIN * reach_px, 171)
    return x, _splines(x, reach_px)


@lru_cache(maxsize=4)
def _stiffness(n: int) -> FloatArray:
    difference = np.diff(np.eye(n), 2, axis=0)
    return np.asarray(difference.T @ difference)


@dataclass(frozen=True, eq=False)
class _Rows:
    """What the rows of a neck's window are in the fit's own units; as `summed` takes them.

    `blur` makes the rows that are averaged of the single ones, and `spans` tells which of those,
    and which splines, count in each.
    """

    blur: FloatArray
    splines: FloatArray
    x: FloatArray
    powers: FloatArray
    spans: NDArray[np.int64]


@lru_cache(maxsize=32)
def _rows(first_px: float, count: int, reach_px: float, sigma: float) -> _Rows:
    """Return what a window's rows are, which begin at some distance from its middle."""
    s_px = first_px + np.arange(count, dtype=np.float64)
    more = math.ceil(3 * sigma)
    longer = np.arange(s_px[0] - more, s_px[-1] + more + 0.5)
    kernel = np.exp(-0.5 * ((s_px[:, None] - longer) / max(sigma, 1e-3)) ** 2)
    blur = kernel / kernel.sum(axis=1, keepdims=True)
    blur = np.ascontiguousarray(blur.reshape(-1, _TOGETHER, len(longer)).mean(axis=1))
    splines = _splines(longer, reach_px)
    powers = np.vander(s_px.reshape(-1, _TOGETHER).mean(axis=1) / reach_px, _DARK, increasing=True)
    near = blur > _NOTHING
    counts = near @ (splines > 0)
    spans = np.array([(*_span(a), *_span(b)) for a, b in zip(near, counts, strict=True)])
    return _Rows(blur, splines, longer / reach_px, np.ascontiguousarray(powers), spans)


def _span(flags: Mask) -> tuple[int, int]:
    """Return the first that is set, and the one after the last."""
    at = np.flatnonzero(flags)
    return int(at[0]), int(at[-1]) + 1


@dataclass(frozen=True, eq=False)
class _Window:
    """The part of the picture about a neck's narrowest place."""

    rows: _Rows
    t_px: FloatArray
    grey: FloatArray
    at_px: float
    reach_px: float
    table: EdgeTable

    @property
    def n_width(self) -> int:
        """Number of the width's unknowns."""
        return int(self.rows.splines.shape[1])

    def compared(
        self, p: FloatArray, rows_per_band: float, cut: float
    ) -> tuple[FloatArray, FloatArray, float]:
        """Return what the picture knows of the unknowns, where it pulls them, and the rest.

        Pixels are held at `cut` of their standard deviations.
        """
        ladder, noise, rows = self.table.log_radius, self.table.noise, self.rows
        steps = float(ladder[0]), float(ladder[1] - ladder[0]), len(ladder)
        found: tuple[FloatArray, FloatArray, float] = summed(
            p,
            self.t_px,
            (steps, (U_LOW_PX, U_STEP_PX), self.table.value),
            (rows.blur, rows.splines, rows.x, rows.powers),
            rows.spans,
            self.grey,
            (self.t_px - self.t_px.mean()) / SLOPE_PX,
            (rows_per_band * noise.shot, noise.film, noise.texture),
            (_LEAST_RADIUS_PX, cut),
        )
        return found


def _solve(
    window: _Window, first: FloatArray, rows_per_band: float
) -> tuple[FloatArray, FloatArray, float]:
    """Return the parameters, their covariance and the rest over what noise alone would leave."""
    k = window.n_width
    prior, bend = _prior(k), _BENDS_PX[_FIRST_BEND]
    stiff = np.zeros_like(prior)
    p, chosen = first.copy(), False
    usual, largest = math.inf, math.inf
    inverse: FloatArray = np.zeros_like(prior)
    for turn in range(_STEPS):
        stiff[:k, :k] = _stiffness(k) / bend**2
        cut = _OUTLIER if turn > 2 else math.inf
        data, pull, usual = window.compared(p, rows_per_band, cut)
        pull = pull + prior @ (first - p)
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


@lru_cache(maxsize=4)
def _prior(k: int) -> FloatArray:
    """Return what is held of the unknowns beforehand, the spline's k first."""
    held = np.array([*[_U_LEVEL_PX] * k, 8.0, 8.0, math.inf, math.inf, *_U_DARKNESS])
    return np.asarray(np.diag(held**-2.0))


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
    stiff = _stiffness(k) / np.array(_BENDS_PX)[:, None, None] ** 2
    totals, held = known + stiff, prior[:k, :k] + stiff
    size = np.linalg.slogdet(held)[1] - np.linalg.slogdet(totals)[1]
    drawn = np.linalg.solve(totals, np.broadcast_to(pulled[:, None], (len(stiff), k, 1)))[..., 0]
    return _BENDS_PX[int(np.argmax(0.5 * (drawn @ pulled + size)))]


def _read(window: _Window, p: FloatArray, covariance: FloatArray, usual: float) -> Neck | None:
    """Return the fitted neck, where it has a smallest width inside the window."""
    if not usual < _WORST_REST:
        return None
    k, reach = window.n_width, window.reach_px
    covariance = covariance[:k, :k] * max(usual, 1.0)
    x, splines = _finely(reach)
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

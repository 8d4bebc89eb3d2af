"""A thin neck as it is drawn in the picture: all its rows and columns explained at once.

The edges of single bands fail a neck that is thin and sharply curved: its two sides merge, its
width changes within a band and within the blur along the axis, and a curve through the bands cuts
its bottom off. Here the width is a polynomial along the axis; the tabulated darkness of every row
is blurred along the axis as the optics do, and all pixels near are compared with it at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.records import FloatArray
from tem_track.specimen.filters import SLOPE_PX
from tem_track.specimen.noise import Noise
from tem_track.specimen.profile import U_LOW_PX, U_STEP_PX, EdgeTable
from tem_track.specimen.strip import Strip

__all__ = ["Neck", "fit_neck"]

_BESIDE_PX = 10.0
_DEGREE = 4
_U_DARKNESS = (0.2, 0.3, 0.3, 0.3, 0.3)  # as loosely as contours make it vary along the axis
_MIDLINE, _LIGHT, _DARKNESS = slice(5, 7), slice(7, 9), slice(9, 14)
_U_ROUGH = (12.0, 12.0, 12.0, 8.0, 8.0)  # px at the ends of the window, about the start
_STEPS, _ENOUGH_PX, _STEP_LIMIT_PX = 12, 0.02, 4.0
_OUTLIER = 4.0
_LEAST_RADIUS_PX = 0.3
_WORST_REST, _LEAST_RISE_PX = 2.5, 2.0


@dataclass(frozen=True, slots=True)
class Neck:
    """The narrowest place of a neck, in strip coordinates."""

    s_px: float
    width_px: float
    u_width_px: float


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
    if near.sum() < _DEGREE + 1:
        return None
    half = width.max(initial=0.0, where=near) / 2 + _BESIDE_PX
    rows = strip.rows(at_px - reach_px, at_px + reach_px)
    columns = strip.columns(middle[near].min() - half, middle[near].max() + half)
    grey = np.asarray(strip.grey[rows, columns], dtype=np.float64)
    if grey.shape[0] < 2 * reach_px - 2 or not np.isfinite(grey).all():
        return None
    window = _Window.about(strip.grid.s_px[rows], strip.grid.t_px[columns], at_px, reach_px, table)
    x = (s_known[near] - at_px) / reach_px
    first = np.concatenate(
        [
            np.polynomial.polynomial.polyfit(x, width[near], _DEGREE),
            np.polynomial.polynomial.polyfit(x, middle[near], 1),
            [float(np.percentile(grey, 85)), 0.0],
            [1.0, 0.0, 0.0, 0.0, 0.0],
        ]
    )
    for depth in (0.0, 0.6):  # a smooth curve may be far too wide at the bottom
        sunk = first.copy()
        sunk[[0, 2]] += depth * first[0] * np.array([-1.0, 1.0])
        neck = _read(window, *_solve(window, grey, sunk, rows_per_band), reach_px)
        if neck is not None:
            return neck
    return None


@dataclass(frozen=True, eq=False)
class _Window:
    """What the neck's rows and columns are in the fit's own units."""

    x: FloatArray
    powers: FloatArray
    seen: FloatArray
    t_px: FloatArray
    blur: FloatArray
    at_px: float
    table: EdgeTable

    @classmethod
    def about(
        cls, s_px: FloatArray, t_px: FloatArray, at_px: float, reach_px: float, table: EdgeTable
    ) -> _Window:
        sigma = table.profile.blur_px
        more = math.ceil(3 * sigma)
        longer = np.arange(s_px[0] - more, s_px[-1] + more + 0.5)
        kernel = np.exp(-0.5 * ((s_px[:, None] - longer) / max(sigma, 1e-3)) ** 2)
        x = (longer - at_px) / reach_px
        blur = kernel / kernel.sum(axis=1, keepdims=True)
        powers = np.vander(x, _DEGREE + 1, increasing=True)
        seen = powers[more : more + len(s_px)]
        return cls(x, powers, seen, t_px, blur, at_px, table)

    def darkness(self, p: FloatArray) -> tuple[FloatArray, list[FloatArray]]:
        """Return the darkness over the model's, and its change by width and midline."""
        radius = np.maximum(self.powers @ p[: _DEGREE + 1] / 2, _LEAST_RADIUS_PX)
        middle = self.powers[:, :2] @ p[_MIDLINE]
        plain, wider, aside = self._looked_up(radius, middle)
        whole, changes = (
            self.blur @ plain,
            [self.blur @ (wider * k[:, None]) for k in self.powers.T],
        )
        return whole, [*changes, self.blur @ aside, self.blur @ (aside * self.x[:, None])]

    def _looked_up(
        self, radius: FloatArray, middle: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the darkness of every row, not yet blurred along the axis, and its changes.

        Below the least radius tabulated it falls as the section's area does.
        """
        ladder, value = self.table.log_radius, self.table.value
        least, step = math.exp(ladder[0]), float(ladder[1] - ladder[0])
        held = np.maximum(radius, least)
        place = np.clip((np.log(held) - ladder[0]) / step, 0.0, len(ladder) - 1.001)
        row = place.astype(np.intp)
        blend = (place - row)[:, None]
        across = self.t_px - middle[:, None]
        cell = (held[:, None] - np.abs(across) - U_LOW_PX) / U_STEP_PX
        cell = np.clip(cell, 0.0, value.shape[1] - 1.001)
        left = cell.astype(np.intp)
        part = cell - left
        at = row[:, None] * value.shape[1] + left
        flat = value.ravel()
        a, b = flat[at], flat[at + 1]
        c, d = flat[at + value.shape[1]], flat[at + value.shape[1] + 1]
        lower, upper = a + part * (b - a), c + part * (d - c)
        inwards = ((1 - blend) * (b - a) + blend * (d - c)) / U_STEP_PX
        plain = lower + blend * (upper - lower)
        by_radius = inwards + (upper - lower) / (step * held[:, None])
        small, ratio = (radius < least)[:, None], (radius / held)[:, None]
        shrunk = ratio**2
        wider = np.where(small, 2.0 * ratio / least * plain, by_radius) / 2
        return plain * shrunk, wider, inwards * np.sign(across) * shrunk


def _solve(
    window: _Window, grey: FloatArray, first: FloatArray, rows_per_band: int
) -> tuple[FloatArray, FloatArray, float]:
    """Return the parameters, their covariance and the rest over what noise alone would leave."""
    held = np.array([*_U_ROUGH, 8.0, 8.0, math.inf, math.inf, *_U_DARKNESS])
    expected = first.copy()
    t = (window.t_px - window.t_px.mean()) / SLOPE_PX
    p, ones = first.copy(), np.ones_like(grey)
    usual, inverse = math.inf, np.zeros((len(p), len(p)))
    for turn in range(_STEPS):
        dark, changes = window.darkness(p)
        share = np.clip(window.seen @ p[_DARKNESS], 0.1, 4.0)[:, None]
        level, tilt = p[_LIGHT]
        light, lit = level * (1.0 + tilt * t), 1.0 - share * dark
        parts = [-light * share * each for each in changes]
        parts += [lit * (1.0 + tilt * t), lit * level * t * ones]
        parts += [-light * dark * power[:, None] for power in window.seen.T]
        design = np.stack(parts, axis=-1).reshape(-1, len(p))
        sigma = np.abs(light) * _scatter(window.table.noise, lit, rows_per_band)
        rest = (grey - light * lit) / sigma
        if turn > 2:
            rest = np.clip(rest, -_OUTLIER, _OUTLIER)
        usual = float(np.mean(rest**2))
        weighted = design / sigma.reshape(-1, 1)
        information = weighted.T @ weighted + np.diag(held**-2.0)
        inverse = np.linalg.inv(information)
        step = inverse @ (weighted.T @ rest.ravel() + (expected - p) / held**2)
        largest = float(np.abs(step[: _DEGREE + 1]).max())
        p = p + step * min(1.0, _STEP_LIMIT_PX / max(largest, 1e-9))
        if largest < _ENOUGH_PX:
            return p, inverse, usual
    return p, inverse, usual if largest < 0.3 else math.inf


def _scatter(noise: Noise, lit: FloatArray, rows_per_band: int) -> FloatArray:
    """Return the standard deviation of single pixels over the background's brightness."""
    depth = -np.log(np.clip(lit, 0.02, 1.0)) * lit
    variance = rows_per_band * noise.shot * np.clip(lit, 0.05, None)
    variance += (noise.film * lit) ** 2 + (noise.texture * depth) ** 2
    return np.sqrt(variance)


def _read(
    window: _Window, p: FloatArray, covariance: FloatArray, usual: float, reach_px: float
) -> Neck | None:
    """Return the smallest width of the fitted polynomial, where it has one inside the window."""
    if not usual < _WORST_REST:
        return None
    x = np.linspace(-0.85, 0.85, 171)
    powers = np.vander(x, _DEGREE + 1, increasing=True)
    width = powers @ p[: _DEGREE + 1]
    least = int(np.argmin(width))
    if least in (0, len(x) - 1) or width[least] <= 2 * _LEAST_RADIUS_PX:
        return None
    row = powers[least]
    variance = float(row @ covariance[: _DEGREE + 1, : _DEGREE + 1] @ row)
    u = math.sqrt(variance * max(usual, 1.0))
    if float(width[[0, -1]].mean()) - float(width[least]) < max(_LEAST_RISE_PX, 3.0 * u):
        return None  # even: the smooth curve knows it better
    return Neck(window.at_px + reach_px * float(x[least]), float(width[least]), u)

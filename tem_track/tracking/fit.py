"""The sub-pixel fit: gain, offset, shift and, where asked, a turn, by weighted least squares.

The model of the frame is ``a + b T(x - f)``. The template T is known and nearly noise-free, the
weights are one over the variance that its grey values lead to, so the solution is that of maximum
likelihood and reaches the Cramer-Rao bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray, Image

__all__ = ["Fit", "Pattern", "fit_pattern"]

Float32 = NDArray[np.float32]

MAX_PASSES = 12
ENOUGH_PX = 2e-3
"""A step below this is the last: the next would be its square."""


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """What the fit needs to know of a template.

    Attributes
    ----------
    coef : float32 (h + 2 MARGIN, w + 2 MARGIN)
        Cubic B-spline coefficients of the grey values, less `level`.
    weight : float32 (h, w)
        One over the variance; zero where a pixel does not move with the target.
    slope_weight : float32 (h, w)
        The same, shrunk where a slope of the template is not told from noise.
    level : float
        Grey value taken off frame and template, for accuracy.
    """

    coef: Float32
    weight: Float32
    slope_weight: Float32
    level: float

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the box."""
        return (self.weight.shape[0], self.weight.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """One solution.

    Attributes
    ----------
    x_px, y_px : float
        Top-left pixel of the box in the image.
    turn_rad : float
    offset, gain : float
        The frame's grey is ``offset + gain * template``, both less `Pattern.level`.
    chi2 : float
        Weighted mean of squared residuals.
    likeness : float
        Squared correlation of frame and template, with the weights.
    information : float64 (2, 2) or (3, 3)
        Normal matrix of (x, y[, turn]) after gain and offset, for a gain of one.
    seen : float
        Share of the pattern's information that lies inside the image.
    """

    x_px: float
    y_px: float
    turn_rad: float
    offset: float
    gain: float
    chi2: float
    likeness: float
    information: FloatArray
    seen: float
    ok: bool = True


def fit_pattern(
    image: Image,
    pattern: Pattern,
    start_px: tuple[float, float],
    *,
    turns: bool = False,
    pivot_px: tuple[float, float] = (0.0, 0.0),
    free: FloatArray | None = None,
) -> Fit | None:
    """Fit the pattern near a place where its box is known to about two pixels.

    Parameters
    ----------
    image : Image
    pattern : Pattern
    start_px : (float, float)
        Expected (x, y) of the box's top-left pixel.
    turns : bool
        Fit a turn about `pivot_px`, a point (x, y) of the box, as well.
    free : float64 (2,), optional
        Unit vector along which the pattern says nothing: no step is made along it.

    Returns
    -------
    Fit or None
        None where the fit leaves the image or its own neighbourhood, or is degenerate.
    """
    from tem_track.tracking import kernels

    sums = np.empty(kernels.N_SUMS)
    x, y = start_px
    turn = 0.0
    view: _View | None = None
    for _ in range(MAX_PASSES):
        ix, iy = round(x), round(y)
        if view is None or view.x != ix or view.y != iy:
            view = _look(image, pattern, ix, iy)
            if view is None:
                return None
        fy, fx = y - iy, x - ix
        if turns:
            kernels.accumulate_turn(
                view.coef, view.patch, view.weight, view.slope_weight, fy, fx, turn,
                pivot_px[1] - view.top, pivot_px[0] - view.left, sums,
            )  # fmt: skip
        else:
            kernels.accumulate_shift(
                view.coef, view.patch, view.weight, view.slope_weight, fy, fx, sums
            )
        solution = _solve(sums, turns, free)
        if solution is None:
            return None
        x += solution.step[0]
        y += solution.step[1]
        if turns:
            turn += solution.step[2]
        if not (math.hypot(x - start_px[0], y - start_px[1]) < 8 and abs(turn) < 0.35):
            return None
        if max(abs(solution.step[0]), abs(solution.step[1])) < ENOUGH_PX:
            break
    return Fit(
        x, y, turn, solution.offset, solution.gain, solution.chi2, solution.likeness,
        solution.information, view.seen(pattern),
    )  # fmt: skip


@dataclass(slots=True)
class _View:
    """The part of the pattern that lies inside the image at a whole-pixel place."""

    x: int
    y: int
    top: int
    left: int
    coef: Float32
    patch: Float32
    weight: Float32
    slope_weight: Float32

    def seen(self, pattern: Pattern) -> float:
        """Return the share of the pattern's weights that is used."""
        if self.slope_weight.shape == pattern.shape:
            return 1.0
        total = float(pattern.slope_weight.sum())
        return float(self.slope_weight.sum()) / total if total > 0 else 0.0


def _look(image: Image, pattern: Pattern, x: int, y: int) -> _View | None:
    h, w = pattern.shape
    height, width = image.shape
    top, bottom = max(0, -y), min(h, height - y)
    left, right = max(0, -x), min(w, width - x)
    if bottom - top < 4 or right - left < 4:
        return None
    patch = image[y + top : y + bottom, x + left : x + right].astype(np.float32)
    patch -= np.float32(pattern.level)
    inside = (slice(top, bottom), slice(left, right))
    margin = pattern.coef.shape[0] - h
    return _View(
        x, y, top, left,
        pattern.coef[top : bottom + margin, left : right + margin],
        patch, pattern.weight[inside], pattern.slope_weight[inside],
    )  # fmt: skip


@dataclass(slots=True)
class _Solution:
    offset: float
    gain: float
    step: FloatArray
    chi2: float
    likeness: float
    information: FloatArray


def _solve(sums: FloatArray, turns: bool, free: FloatArray | None) -> _Solution | None:
    """Solve the normal equations; the step is (x, y[, turn])."""
    s1, st, stt, si, sit, sii = sums[:6]
    n = 3 if turns else 2
    base = np.array([[s1, st], [st, stt]])
    det = s1 * stt - st * st
    if not det > 1e-9 * s1 * stt:
        return None
    rows = sums[6:12].reshape(2, 3)
    slopes = np.empty((n, n))
    slopes[:2, :2] = [[sums[12], sums[13]], [sums[13], sums[14]]]
    if turns:
        rows = np.vstack([rows, sums[15:18]])
        slopes[2, :2] = slopes[:2, 2] = sums[18:20]
        slopes[2, 2] = sums[20]
    cross = rows[:, :2]
    grey = np.array([si, sit])
    inverse = np.array([[stt, -st], [-st, s1]]) / det
    information = slopes - cross @ inverse @ cross.T
    rhs = rows[:, 2] - cross @ inverse @ grey
    bend = _solve_slopes(information, rhs, free)
    if bend is None:
        return None
    offset, gain = inverse @ (grey - cross.T @ bend)
    if not gain > 1e-3:
        return None
    plain = inverse @ grey
    energy = sii - si * si / s1
    rest = max(0.0, float(sii - plain @ grey - bend @ rhs))
    del base
    return _Solution(
        float(offset), float(gain), -bend / gain, rest / s1,
        max(0.0, 1 - rest / energy) if energy > 0 else 0.0, information,
    )  # fmt: skip


def _solve_slopes(
    information: FloatArray, rhs: FloatArray, free: FloatArray | None
) -> FloatArray | None:
    """Solve for the slopes' factors; along `free` the answer is zero."""
    if free is not None:
        fixed = np.array([-free[1], free[0]])
        strength = float(fixed @ information[:2, :2] @ fixed)
        return fixed * float(fixed @ rhs[:2]) / strength if strength > 0 else None
    try:
        answer = np.linalg.solve(information, rhs)
    except np.linalg.LinAlgError:
        return None
    return answer if np.isfinite(answer).all() else None

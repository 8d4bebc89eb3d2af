"""The sub-pixel fit: gain, offset, shift and, where asked, a turn, by weighted least squares.

The model of the frame is ``a + b T(x - f)``. The template T is known and nearly noise-free, the
weights are one over the variance that its grey values lead to, so the solution is that of maximum
likelihood and reaches the Cramer-Rao bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray, Image

__all__ = ["Fit", "Pattern", "bright_parts", "fit_pattern", "part_at_peak"]

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """What the fit needs to know of a template.

    Attributes
    ----------
    coef : float32 (h + 2 MARGIN, w + 2 MARGIN)
        Cubic B-spline coefficients of the grey values, less `level`.
    share : float32 (h, w)
        How far each pixel is used: 0 where it does not move with the target, else 1.
    slope_share : float32 (h, w)
        How far its slope is: shrunk where the slope is not told from the template's own noise.
    noise : float32 (4,)
        Variance of a pixel as a parabola of the grey less `level`, and its least value.
    level : float
        Grey value taken off frame and template, for accuracy.
    """

    coef: Float32
    share: Float32
    slope_share: Float32
    noise: Float32
    level: float

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the box."""
        return (self.share.shape[0], self.share.shape[1])


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
        Mean square of the residuals over their variance.
    likeness : float
        Squared correlation of frame and template, with the weights.
    information : float64 (2, 2) or (3, 3)
        Normal matrix of (x, y[, turn]) after gain and offset, for a gain of one.
    at_peak : float
        Part of the pixels at the brightest grey: large where the detector is saturated.
    seen : float
        Part of the pattern's pixels that lies inside the image.
    """

    x_px: float
    y_px: float
    turn_rad: float
    offset: float
    gain: float
    chi2: float
    likeness: float
    information: FloatArray
    at_peak: float
    seen: float

    def misfit(self, typical_chi2: float) -> float:
        """Return the energy that noise does not explain, over that of the template."""
        signal = self.chi2 * self.likeness / max(1 - self.likeness, 1e-9)
        return (self.chi2 - typical_chi2 * max(self.gain, 1.0)) / max(signal, 1e-12)


def _alike(array: Image) -> Image:
    """Return the array contiguous and writable, copied where it is not.

    Compiled code has one version for each layout and takes any that fits and exists already: which
    one depends on what the process did before, and they differ in the last digit.
    """
    flags = array.flags
    return array if flags.c_contiguous and flags.writeable else array.copy(order="C")


def fit_pattern(
    image: Image,
    pattern: Pattern,
    start_px: tuple[float, float],
    *,
    turns: bool = False,
    pivot_px: tuple[float, float] = (0.0, 0.0),
    turn_rad: float = 0.0,
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
    pivot_px : (float, float)
    turn_rad : float
        Turn to begin with.
    free : float64 (2,), optional
        Unit vector along which the pattern says nothing: no step is made along it.

    Returns
    -------
    Fit or None
        None where the fit leaves the image or its own neighbourhood, or is degenerate.
    """
    from tem_track.tracking import descent

    results = np.empty(descent.N_RESULTS)
    none = np.zeros(2) if free is None else _alike(free)
    x, y, turn = start_px[0], start_px[1], turn_rad
    view: _View | None = None
    for _ in range(2):
        ix, iy = round(x), round(y)
        view = _view(image, pattern, ix, iy)
        if view is None:
            return None
        pivot = np.array([pivot_px[0] - view.left, pivot_px[1] - view.top])
        found = descent.descend(
            *map(_alike, (view.coef, view.patch, view.share, view.slope_share, pattern.noise)),
            np.array([x - ix, y - iy, turn]), pivot, turns, none, results,
        )  # fmt: skip
        if not found:
            return None
        x, y, turn = ix + results[0], iy + results[1], results[2]
        if max(abs(results[0]), abs(results[1])) < 1.0:
            break
    if view is None:
        return None
    n = 3 if turns else 2
    offset, gain, chi2, likeness = (float(value) for value in results[3:7])
    information = results[8:].reshape(3, 3)[:n, :n].copy()
    at_peak, seen = part_at_peak(view.patch), view.seen(pattern)
    return Fit(
        float(x), float(y), float(turn), offset, gain, chi2, likeness, information, at_peak, seen
    )


PEAK_SAMPLES = 32
"""Pixels along the shorter side that are asked whether they are at the brightest grey."""


def part_at_peak(patch: Image) -> float:
    """Return the part of the pixels at the brightest grey, as `bright_parts` does."""
    return bright_parts(patch)[1]


def bright_parts(patch: Image) -> tuple[float, float]:
    """Return the part of the pixels in the brighter half of the range, and within 3 % of its top.

    The brightest is a quantile: the overshoot of a compressed edge would decide otherwise whether
    an even, bright target counts.
    """
    from tem_track.tracking import kernels

    step = max(1, min(patch.shape) // PEAK_SAMPLES)
    found: tuple[float, float] = kernels.bright_parts(
        patch[::step, ::step].astype(np.float32, order="C")
    )
    return found


@dataclass(slots=True)
class _View:
    """The part of the pattern that lies inside the image at a whole-pixel place."""

    top: int
    left: int
    coef: Float32
    patch: Float32
    share: Float32
    slope_share: Float32

    def seen(self, pattern: Pattern) -> float:
        """Return the part of the pattern's pixels that is used."""
        if self.share.shape == pattern.shape:
            return 1.0
        total = float(pattern.share.sum())
        return float(self.share.sum()) / total if total > 0 else 0.0


def _view(image: Image, pattern: Pattern, x: int, y: int) -> _View | None:
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
        top, left,
        pattern.coef[top : bottom + margin, left : right + margin],
        patch, pattern.share[inside], pattern.slope_share[inside],
    )  # fmt: skip

"""Frames out of focus: told by the contrast of their fine detail, fitted with a blurred template.

A sharp template on a blurred frame is drawn to the side where the weights are larger, by tenths of
a pixel or more, and the residuals hardly tell. Blurred by as much as the frame is, it fits again;
what that correction amounts to is known to a part of itself only, and stands in the uncertainty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray, Image
from tem_track.tracking.fit import Fit, Pattern, fit_pattern
from tem_track.tracking.noise import variance
from tem_track.tracking.splines import MARGIN, moved

__all__ = ["Blurs", "Detail", "Refocused", "blurred", "contrast_of_detail", "detail_of", "refocus"]

DETAIL_PX = 2.0
WORST_U = 1 / 15
LEAST_IN_VIEW = 0.5
"""What is finer than this (standard deviation of the blur taken off, px) is detail; how well its
contrast must be told by one frame for anything to be said; and the least part of the box's detail
in view."""

BLURS_PX = (1.0, 1.5, 2.2, 3.2, 4.5, 6.5)
"""Blurs that are tried, as standard deviations beside the template's own."""
SURE = 25.0
"""Gain in the residuals' squares over their variance, from which on a frame is called blurred."""
DOUBT = 0.25
"""Part of the blur's correction of the place that is not believed."""
DOUBT_OF_BLUR = 0.05
"""The same where there is no sharp fit to compare with, over the blur."""


@dataclass(frozen=True, slots=True, eq=False)
class Refocused:
    """A fit of a blurred template.

    Attributes
    ----------
    fit : Fit
    blur_px : float
        0 where the frame turned out to be as sharp as the template.
    doubt_px : float64 (2,)
        Standard uncertainty (x, y) of the correction.
    """

    fit: Fit
    blur_px: float
    doubt_px: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Detail:
    """Weights that read the contrast of a template's fine detail.

    Attributes
    ----------
    weights : float32 (h, w)
    own : float32 (h, w)
        The weights times the template: their sum is one.
    u : float
        Standard deviation of the contrast from noise.
    """

    weights: NDArray[np.float32]
    own: NDArray[np.float32]
    u: float


def detail_of(pattern: Pattern) -> Detail | None:
    """Return what a blur would take away, None where it would not be told from noise."""
    value = moved(pattern.coef, 0, 0, 3)
    fine = value - cv2.GaussianBlur(value, (0, 0), DETAIL_PX)
    inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    fine, value = fine[inner] * pattern.share, value[inner]
    fine -= pattern.share * (fine.sum() / max(float(pattern.share.sum()), 1.0))
    own = float((fine * value).sum())
    noise = variance(pattern.noise.astype(float), value.astype(float))
    u = math.sqrt(float((fine**2 * noise).sum())) / max(own, 1e-12)
    if not (own > 0 and u < WORST_U):
        return None
    weights = np.asarray(fine / own, np.float32)
    return Detail(weights, np.asarray(weights * value, np.float32), u)


def contrast_of_detail(image: Image, fit: Fit, detail: Detail, level: float) -> float | None:
    """Return the contrast of the fine detail over that of the whole, 1 for a sharp frame.

    Parameters
    ----------
    image : Image
    fit : Fit
    detail : Detail
    level : float
        Grey value that the pattern counts from.

    Returns
    -------
    float or None
        None where too little of the target is in view.
    """
    x, y = round(fit.x_px), round(fit.y_px)
    h, w = detail.weights.shape
    top, bottom = max(0, -y), min(h, image.shape[0] - y)
    left, right = max(0, -x), min(w, image.shape[1] - x)
    if bottom - top < 4 or right - left < 4:
        return None
    inside = (slice(top, bottom), slice(left, right))
    own = float(detail.own[inside].sum())
    if own < LEAST_IN_VIEW:
        return None
    part = image[y + top : y + bottom, x + left : x + right].astype(np.float32)
    part -= np.float32(level + fit.offset)
    return float(np.vdot(part, detail.weights[inside])) / fit.gain / own


def blurred(pattern: Pattern, blur_px: float) -> Pattern:
    """Return the pattern as a lens out of focus would show it."""
    coef = cv2.GaussianBlur(pattern.coef, (0, 0), blur_px, borderType=cv2.BORDER_REPLICATE)
    return replace(pattern, coef=np.asarray(coef, np.float32))


class Blurs:
    """A pattern as lenses out of focus would show it: worked out once for all frames that ask."""

    def __init__(self, pattern: Pattern) -> None:
        self.sharp = pattern
        self._known: dict[float, Pattern] = {}

    def by(self, blur_px: float) -> Pattern:
        """Return the pattern with one of the blurs that are tried first."""
        if blur_px not in self._known:
            self._known[blur_px] = blurred(self.sharp, blur_px)
        return self._known[blur_px]


def refocus(
    image: Image,
    blurs: Blurs,
    start_px: tuple[float, float],
    sharp: Fit | None,
    free: FloatArray | None,
) -> Refocused | None:
    """Fit the pattern with the blur that suits the frame best.

    Parameters
    ----------
    image : Image
    blurs : Blurs
    start_px : (float, float)
        Expected (x, y) of the box's top-left pixel.
    sharp : Fit or None
        The fit without a blur, as far as there is one.
    free : float64 (2,) or None
        Unit vector along which no step is made.
    """
    pattern = blurs.sharp
    found: dict[float, Fit] = {} if sharp is None else {0.0: sharp}
    place, worse = start_px, 0
    for blur in BLURS_PX:
        fit = fit_pattern(image, blurs.by(blur), place, free=free)
        best = min((each.chi2 for each in found.values()), default=np.inf)
        if fit is not None:
            found[blur] = fit
            place = (fit.x_px, fit.y_px) if fit.chi2 < best else place
        worse = worse + 1 if fit is None or fit.chi2 > best else 0
        if worse == 2 and len(found) > 2:
            break
    if not found:
        return None
    if sharp is None and (again := fit_pattern(image, pattern, place, free=free)) is not None:
        sharp = found[0.0] = again
    at = min(found, key=lambda blur: found[blur].chi2)
    sure = SURE / max(float(pattern.share.sum()), 1.0)
    if sharp is not None and found[at].chi2 > (1 - sure) * sharp.chi2:
        return Refocused(sharp, 0.0, np.zeros(2))
    if at > 0:
        blur = _lowest(found, at)
        finer = fit_pattern(image, blurred(pattern, blur), place, free=free)
        if finer is not None and finer.chi2 < found[at].chi2:
            at, found[blur] = blur, finer
    fit = found[at]
    doubt = np.full(2, DOUBT_OF_BLUR * at)
    if sharp is not None:
        moved = np.abs([fit.x_px - sharp.x_px, fit.y_px - sharp.y_px])
        doubt = np.minimum(np.maximum(doubt, DOUBT * moved), at)
    return Refocused(fit, at, doubt)


def _lowest(found: dict[float, Fit], at: float) -> float:
    """Return where a parabola through the best blur and its neighbours is lowest."""
    known = sorted(found)
    k = known.index(at)
    if not 0 < k < len(known) - 1:
        return at
    x = np.array(known[k - 1 : k + 2]) ** 2
    y = np.array([found[blur].chi2 for blur in known[k - 1 : k + 2]])
    a, b, _ = np.polyfit(x - x[1], y, 2)
    return float(np.sqrt(np.clip(x[1] - b / (2 * a), x[0] + 0.01, x[2]))) if a > 0 else at

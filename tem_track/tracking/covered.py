"""The bar where another body covers a part of it: what is still seen goes on being followed.

A base or a tip that passes over the bar hides one of its edges and leaves the rest as it was. In a
fit of the whole box the hidden edge pulls at the place, by pixels before the frame is given up. So
where a fit is not as good as usual, the pixels are left out that are darker than the template has
them, by more than noise and a wrong place account for, and the rest is fitted again. That what is
left out may be darker alone is physics: a body laid over another absorbs, and never makes it
brighter. It tells the bar's own edge from one of a body that passes: where the template is laid
on that one, the bar's place beneath it is too bright.

The bar stays in its place but for the camera, so what is left of it is told from other things by
where it is. It is believed where the rest looks just as usual, where most of the box and half of
what fixes it along some direction are left, and where it has been in other frames too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray, Image
from tem_track.tracking.fit import Fit, Pattern, fit_pattern
from tem_track.tracking.information import information_of
from tem_track.tracking.noise import variance
from tem_track.tracking.splines import MARGIN, moved

__all__ = ["Cover", "Uncovered", "uncover"]

Float32 = NDArray[np.float32]
Place = tuple[float, float]

USUAL_SPREADS = 6.0
USUAL_LEAST = 0.1
"""How far above the typical mean square a usual frame may be: in spreads, and in parts of it."""
FEWEST_FRAMES = 5
"""Good frames from which on it is known what is usual."""
SLACK_PX = 3.0
"""How far from home the bar may be, beside one and a half times its way in the sample."""
POOL_PX = 2.0
"""Standard deviation of the window within which a pixel and its neighbours are taken together."""
DARKER = 1.0
"""How much darker a pixel and its neighbours must be, in standard deviations of a pixel: seven of
what their mean has from noise."""
PASSES = ((1.5, True), (0.7, True), (0.5, False), (0.3, False))
"""How far the place may be off before each pass, an edge may differ by what that makes of it, and
whether the direction that is told least is held."""
RIM_PX = 10
"""Pixels around what is covered that are left out as well: a lens's blur and a wedge's thin edge
reach beyond what is told from noise."""
WIDER_PX = 3
"""By how much further the rim is drawn to see whether the place depends on it."""
LEAST_SEEN = 0.6
"""Least part of the target that is left."""
LEAST_TOLD = 0.5
"""Least information along the loading axis, or else along the best direction, over that of the
whole."""
MOST_BRIGHTER = 0.01
"""Part of the box that may be brighter than the template."""
FEWEST_COVERED = 0.005
"""Least part of the target that is covered; with less, something else is wrong with the frame."""
SQUARES = 4
"""Squares along the shorter side of the chess board whose halves are asked for the place."""
OFF_PX = 1.5
"""How far the halves begin off the place, along the direction that is told least."""
LEAST_WANDER_PX = 1.0
"""Least standard deviation of a place along a direction of which nothing is left."""
AGREE_PX = 0.7
"""How far the halves may be apart along a direction that is told."""
GRID_REACH_PX = 8
GRID_STEP_PX = 2
"""Reach and step of the places that are tried around a start; a fit reaches about two pixels."""
DARK_COUNTS, BRIGHT_COUNTS = 3.0, 5.0
"""Most standard deviations that count of a pixel on the grid, of darker and of brighter ones."""
SAME_PX = 4.0
MOST_PLACES = 4
"""Distance from which on two places are two, and from how many of them a fit begins."""
ALIKE = 400.0
"""Squares by which places are hardly told apart."""
NEARER = 3.0
"""What a pixel away from the start counts, in squares: along a covered edge nothing else does."""


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """What the good frames of the sample say for one in which a part is covered.

    Attributes
    ----------
    chi2_usual : float
        Largest mean square of the residuals over their variance in a usual frame.
    home_px : float64 (2,)
        Median place (x, y) of the box's top-left pixel.
    reach_px : float64 (2,)
        How far from there it may be.
    wander_px2 : float64 (2, 2)
        Covariance of its places.
    """

    chi2_usual: float
    home_px: FloatArray
    reach_px: FloatArray
    wander_px2: FloatArray

    @classmethod
    def of(cls, chi2: FloatArray, places_px: FloatArray) -> Cover | None:
        """Make it of the good frames' mean squares (n,) and places (n, 2); None from too few."""
        if len(chi2) < FEWEST_FRAMES:
            return None
        typical = float(np.median(chi2))
        spread = 1.4826 * float(np.median(np.abs(chi2 - typical)))
        usual = typical + max(USUAL_SPREADS * spread, USUAL_LEAST * typical)
        home = np.median(places_px, axis=0)
        wander = np.abs(places_px - home).max(axis=0)
        return cls(usual, home, 1.5 * wander + SLACK_PX, np.cov(places_px.T))

    def is_usual(self, fit: Fit) -> bool:
        """Tell whether a fit leaves no more than usual."""
        return fit.chi2 / max(fit.gain, 1.0) <= self.chi2_usual

    def reaches(self, place: Place) -> bool:
        """Tell whether the target may be at a place."""
        return bool((np.abs(np.array(place) - self.home_px) <= self.reach_px).all())


@dataclass(frozen=True, slots=True, eq=False)
class Uncovered:
    """A fit of what is left of a target.

    Attributes
    ----------
    fit : Fit
        Its `seen` counts what is covered as not seen.
    pattern : Pattern
        The template without what is covered.
    free : float64 (2,) or None
        Unit vector (x, y) along which what is left says nothing: the target was put in its home.
    u_free_px : float
        How far it wanders along that.
    doubt_px2 : float64 (2, 2)
        Covariance of what the rim's width and the choice of pixels leave open of the place (x, y),
        beside noise.
    """

    fit: Fit
    pattern: Pattern
    free: FloatArray | None
    u_free_px: float
    doubt_px2: FloatArray


def uncover(
    image: Image,
    pattern: Pattern,
    cover: Cover,
    starts_px: Iterable[Place],
    *,
    information: FloatArray,
    free: FloatArray | None = None,
    along: tuple[float, float] | None = None,
    darker: bool = True,
) -> Uncovered | None:
    """Fit what is seen of a target of which another body covers a part.

    Parameters
    ----------
    image : Image
    pattern : Pattern
        The template of the whole.
    cover : Cover
    starts_px : iterable of (float, float)
        Places (x, y) of the box's top-left pixel to begin with, beside its home.
    information : float64 (2, 2)
        Normal matrix of the whole.
    free : float64 (2,), optional
        Unit vector along which the template says nothing.
    along : (float, float), optional
        Unit vector of the loading axis, which what is left has to fix.
    darker : bool
        Whether matter is darker than vacuum.

    Returns
    -------
    Uncovered or None
        None where nothing is covered, or too much, or the rest is not as usual.
    """
    sign = 1.0 if darker else -1.0
    home = (float(cover.home_px[0]), float(cover.home_px[1]))
    found: list[_Left] = []
    begun: list[Place] = []
    for start in (*(place for place in starts_px if cover.reaches(place)), home):
        for place in _nearby(image, pattern, cover, start, sign):
            if any(math.dist(place, other) < SAME_PX for other in begun):
                continue
            begun.append(place)
            left = _fitted(image, pattern, cover, place, information, free, sign)
            if left is not None and _is_enough(left.fit, cover, information, left.free, along):
                found.append(left)
    if not found:
        return None
    best = min(found, key=lambda left: _against(left.fit))
    doubt = best.doubt()
    if free is None and (best.free is not None or doubt is None):
        weak = best.weak if best.free is None else best.free
        x, y = best.fit.x_px, best.fit.y_px
        off = float(weak @ (cover.home_px - (x, y)))
        place = (x + off * float(weak[0]), y + off * float(weak[1]))
        across = _fitted(image, pattern, cover, place, information, weak, sign)
        if across is None or not _is_enough(across.fit, cover, information, across.free, along):
            return None
        best, doubt = across, across.doubt()
    if doubt is None:
        return None
    wander = 0.0
    if free is None and best.free is not None:
        variance = float(best.free @ cover.wander_px2 @ best.free)
        wander = max(math.sqrt(variance), LEAST_WANDER_PX)
    return Uncovered(best.fit, best.pattern, best.free, wander, doubt)


def _against(fit: Fit) -> float:
    """Return what speaks against a fit, a pixel: its residuals, and what is left out."""
    return fit.seen * fit.chi2 + (1 - fit.seen) * DARK_COUNTS**2


def _nearby(image: Image, pattern: Pattern, cover: Cover, start: Place, sign: float) -> list[Place]:
    """Return the places on a grid around a start at which least speaks against the template.

    Darker pixels may be covered and count little, however dark they are; brighter ones count more.
    Along an edge that is all that is left the places are hardly told apart.
    """
    beside = _Beside.at(image, pattern, start, None, cover.chi2_usual, sign)
    if beside is None:
        return []
    low = _halved(moved(pattern.coef, 0, 0, 3))
    slopes = np.gradient(low)
    noise = variance(pattern.noise.astype(float), low.astype(float)) * cover.chi2_usual / 4
    inner = (slice(MARGIN // 2, -MARGIN // 2), slice(MARGIN // 2, -MARGIN // 2))
    share = _halved(pattern.share)
    scale = share / np.sqrt(noise + (slopes[0] ** 2 + slopes[1] ** 2) / 4)[inner][_up_to(share)]
    scale, model = np.asarray(sign * scale, np.float32), low[inner][_up_to(share)]
    reach, (h, w) = GRID_REACH_PX, pattern.shape
    x0, y0 = round(start[0]) - reach, round(start[1]) - reach
    part = _part(image, x0, y0, (h + 2 * reach, w + 2 * reach))
    grey = (_halved(part) - np.float32(pattern.level + beside.offset)) / np.float32(beside.gain)
    rows, columns = model.shape
    costs: list[tuple[float, Place]] = []
    for i in range(0, 2 * reach + 1, GRID_STEP_PX):
        for j in range(0, 2 * reach + 1, GRID_STEP_PX):
            place = (float(x0 + j), float(y0 + i))
            if cover.reaches(place):
                rest = grey[i // 2 : i // 2 + rows, j // 2 : j // 2 + columns] - model
                rest = np.clip(rest * scale, -DARK_COUNTS, BRIGHT_COUNTS)
                squares = float(np.nansum(rest * rest))
                costs.append((squares + NEARER * math.dist(place, start) ** 2, place))
    found: list[Place] = []
    for cost, place in sorted(costs):
        if len(found) == MOST_PLACES or cost > min(costs)[0] + ALIKE:
            break
        if all(math.dist(place, other) >= SAME_PX for other in found):
            found.append(place)
    return found


def _up_to(share: Float32) -> tuple[slice, slice]:
    return (slice(share.shape[0]), slice(share.shape[1]))


def _halved(image: Float32) -> Float32:
    h, w = image.shape[0] // 2, image.shape[1] // 2
    part = np.asarray(image[: 2 * h, : 2 * w], np.float32)
    return np.asarray(cv2.resize(part, (w, h), interpolation=cv2.INTER_AREA), np.float32)


def _part(image: Image, x: int, y: int, shape: tuple[int, int]) -> Float32:
    """Return a part of the image, NaN beyond its border."""
    out = np.full(shape, np.nan, np.float32)
    top, left = max(y, 0), max(x, 0)
    part = image[top : max(y + shape[0], 0), left : max(x + shape[1], 0)]
    out[top - y : top - y + part.shape[0], left - x : left - x + part.shape[1]] = part
    return out


def _fitted(
    image: Image,
    pattern: Pattern,
    cover: Cover,
    place: Place,
    information: FloatArray,
    free: FloatArray | None,
    sign: float,
) -> _Left | None:
    """Return the fit of what is not covered; None where that is not all that differs.

    As long as a part of what is covered is still taken for the target's, it pulls at the place
    along the direction that the rest tells least: along that no step is made at first.
    """
    hidden, fit, held = np.zeros(pattern.shape, bool), None, free
    for tolerance, holds in PASSES:
        beside = _Beside.at(image, pattern, place, fit, cover.chi2_usual, sign)
        if beside is None:
            return None
        hidden = beside.beyond(sign, tolerance)
        left = _without(pattern, hidden, RIM_PX)
        if held is None:
            held = _told_least(left, information)
        fit = fit_pattern(image, left, place, free=held if holds else free)
        if fit is None and not holds:
            free = held
            fit = fit_pattern(image, left, place, free=free)
        if fit is None:
            return None
        place = (fit.x_px, fit.y_px)
    beside = _Beside.at(image, pattern, place, fit, cover.chi2_usual, sign)
    if fit is None or beside is None:
        return None
    total = float(pattern.share.sum())
    brighter = beside.beyond(-sign, PASSES[-1][0])
    if float(pattern.share[brighter].sum()) > MOST_BRIGHTER * total:
        return None
    if float(pattern.share[hidden].sum()) < FEWEST_COVERED * total:
        return None
    part = float(_without(pattern, hidden, RIM_PX).share.sum()) / total
    found = _Left(image, pattern, hidden, replace(fit, seen=fit.seen * part), free)
    return found


def _told_least(left: Pattern, whole: FloatArray) -> FloatArray:
    """Return the direction (x, y) along which most is missing of what the whole says."""
    told = information_of(left, (0.0, 0.0), False)
    values, vectors = np.linalg.eig(np.linalg.solve(whole[:2, :2], told))
    weak = np.real(vectors[:, int(np.argmin(values.real))])
    return np.asarray(weak / np.linalg.norm(weak))


def _is_enough(
    fit: Fit,
    cover: Cover,
    information: FloatArray,
    free: FloatArray | None,
    along: tuple[float, float] | None,
) -> bool:
    """Tell whether what is left looks as usual, lies where it may, and fixes the place."""
    if fit.seen < LEAST_SEEN or not cover.is_usual(fit) or not cover.reaches((fit.x_px, fit.y_px)):
        return False
    whole, left = information[:2, :2], fit.information[:2, :2]
    ways = [] if along is None else [np.array(along)]
    if free is not None:
        ways.append(np.array([-free[1], free[0]]))
    if not ways:
        return bool(np.linalg.eigvals(np.linalg.solve(whole, left)).real.max() >= LEAST_TOLD)
    return all(way @ left @ way >= LEAST_TOLD * (way @ whole @ way) for way in ways)


@dataclass(frozen=True, slots=True, eq=False)
class _Left:
    """What is left of a pattern in a frame, and its fit, along `free` without a step."""

    image: Image
    whole: Pattern
    hidden: NDArray[np.bool_]
    fit: Fit
    free: FloatArray | None

    @property
    def pattern(self) -> Pattern:
        return _without(self.whole, self.hidden, RIM_PX)

    @property
    def weak(self) -> FloatArray:
        """The direction that is told least."""
        return np.asarray(np.linalg.eigh(self.fit.information[:2, :2])[1][:, 0])

    def doubt(self) -> FloatArray | None:
        """Return what the rim and the choice of pixels leave open, as a covariance (px^2).

        The halves of a chess board come to the place from both sides along the direction that is
        told least. Where they do not agree nothing can be said: None.
        """
        values, vectors = np.linalg.eigh(self.fit.information[:2, :2])
        place, left = np.array([self.fit.x_px, self.fit.y_px]), self.pattern
        y, x = np.indices(self.whole.shape) // max(4, min(self.whole.shape) // SQUARES)
        black = ((x + y) % 2).astype(np.float32)
        off = OFF_PX * self.weak if self.free is None else np.zeros(2)
        parts = (
            (_without(self.whole, self.hidden, RIM_PX + WIDER_PX), place),
            (_weighed(left, black), place - off),
            (_weighed(left, 1 - black), place + off),
        )
        fits = [fit_pattern(self.image, part, (at[0], at[1]), free=self.free) for part, at in parts]
        known = [np.array([each.x_px, each.y_px]) for each in fits if each is not None]
        if len(known) < len(fits):
            return None
        rim, halves = known[0] - place, (known[1] - known[2]) / 2
        if np.abs(halves).max() > AGREE_PX / 2:
            return None
        doubt = np.outer(rim, rim)
        for way, told in zip(vectors.T, values, strict=True):
            noise = self.fit.chi2 / max(told, 1e-9) / self.fit.gain**2
            doubt = doubt + max((halves @ way) ** 2 - noise, 0.0) * np.outer(way, way)
        return np.asarray(doubt)


def _without(pattern: Pattern, hidden: NDArray[np.bool_], rim_px: int) -> Pattern:
    """Return the pattern without the pixels that are covered, and those around them."""
    size = 2 * rim_px + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return _weighed(pattern, 1 - cv2.dilate(hidden.astype(np.uint8), kernel).astype(np.float32))


def _weighed(pattern: Pattern, part: Float32) -> Pattern:
    return replace(pattern, share=pattern.share * part, slope_share=pattern.slope_share * part)


@dataclass(frozen=True, slots=True, eq=False)
class _Beside:
    """A frame beside the template, shape (h, w): greys, steepness, and one over a pixel's noise.

    The last is zero beyond the frame and where the template is not used.
    """

    grey: Float32
    model: Float32
    steep: Float32
    scale: Float32
    offset: float
    gain: float

    @classmethod
    def at(
        cls, image: Image, pattern: Pattern, place: Place, fit: Fit | None, chi2: float, sign: float
    ) -> _Beside | None:
        """Compare them at a place, with the fit's brightness or one that is made out."""
        x, y = round(place[0]), round(place[1])
        h, w = pattern.shape
        top, bottom = max(0, -y), min(h, image.shape[0] - y)
        left, right = max(0, -x), min(w, image.shape[1] - x)
        if bottom - top < 4 or right - left < 4:
            return None
        inside = (slice(top, bottom), slice(left, right))
        inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
        dx, dy = x - place[0], y - place[1]
        value = moved(pattern.coef, dx, dy, 3)[inner][inside]
        slopes = [moved(pattern.coef, dx, dy, 3, s)[inner][inside] for s in "xy"]
        grey = image[y + top : y + bottom, x + left : x + right].astype(np.float32)
        grey -= np.float32(pattern.level)
        used = pattern.share[inside] > 0
        if fit is not None:
            offset, gain = fit.offset, fit.gain
        else:
            offset, gain = _brightness(sign * value[used], sign * grey[used])
            offset *= sign
        if not gain > 0:
            return None
        noise = variance(pattern.noise.astype(float), value.astype(float)) * max(gain, 1.0) * chi2
        out = np.zeros((4, h, w), np.float32)
        out[:, *inside] = (
            grey, offset + gain * value, gain * np.hypot(*slopes), used / np.sqrt(noise)
        )  # fmt: skip
        return cls(out[0], out[1], out[2], out[3], offset, gain)

    def beyond(self, sign: float, tolerance_px: float) -> NDArray[np.bool_]:
        """Tell the pixels that are darker (sign 1) or brighter (-1) than a wrong place makes."""
        if tolerance_px < 1:
            allowed = self.model - np.float32(sign * tolerance_px) * self.steep
        else:
            size = 2 * math.ceil(tolerance_px) + 1
            reach = cv2.erode if sign > 0 else cv2.dilate
            allowed = np.asarray(reach(self.model, np.ones((size, size), np.uint8)), np.float32)
        short = np.float32(sign) * (allowed - self.grey) * self.scale
        return np.asarray(cv2.GaussianBlur(short, (0, 0), POOL_PX) > DARKER)


def _brightness(value: Float32, grey: Float32) -> tuple[float, float]:
    """Return offset and gain by the template's darkest and brightest pixels (n,).

    What is covered is the darker end of the greys in each: it is kept out by a high quantile.
    """
    if not value.size:
        return 0.0, 0.0
    low, high = (float(v) for v in np.quantile(value, [0.02, 0.98]))
    dark, bright = value < low + 0.3 * (high - low), value > high - 0.3 * (high - low)
    if not (dark.any() and bright.any() and high > low):
        return 0.0, 0.0
    off_dark = float(np.quantile(grey[dark] - value[dark], 0.5))
    off_bright = float(np.quantile(grey[bright] - value[bright], 0.7))
    at_dark, at_bright = float(np.median(value[dark])), float(np.median(value[bright]))
    gain = 1 + (off_bright - off_dark) / max(at_bright - at_dark, 1e-9)
    return off_dark + at_dark * (1 - gain), gain

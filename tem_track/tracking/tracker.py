"""A prepared target: frozen, picklable, and locating it in a frame needs that frame alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tem_track.records import Box, FloatArray, Image, Match, Polarity
from tem_track.tracking.changed import Change, Usual, doubt_of_change
from tem_track.tracking.coarse import Coarse, Place, Reduced, search, search_partly
from tem_track.tracking.combed import APART_PX, fields_apart_px
from tem_track.tracking.covered import Cover, Uncovered, uncover
from tem_track.tracking.defects import Defects
from tem_track.tracking.fit import Fit, Pattern, fit_pattern, part_at_peak
from tem_track.tracking.focus import Blurs, Detail, Refocused, blurred, contrast_of_detail, refocus
from tem_track.tracking.illumination import Light
from tem_track.tracking.outward import DOUBT, Outward
from tem_track.tracking.phase import Phase

__all__ = ["Limits", "Look", "Tracker", "locate_all", "rough_place"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What good frames look like; a fit outside is a lost target.

    Attributes
    ----------
    chi2 : float
        Typical mean square of the residuals over their variance.
    chi2_most : float
        Largest that is still believed.
    likeness : float
        Typical squared correlation with the template.
    misfit_most : float
        Share of the template's energy that may differ, whatever the noise.
    gain : (float, float)
        Smallest and largest contrast against the template.
    seen : float
        Least share of the template inside the frame.
    at_peak : float
        Largest part of the pixels at the brightest grey.
    chi2_least : float
        Least mean square of the residuals, over the typical: less is a saturated frame.
    detail : float
        Least contrast of the fine detail, over that of the whole: less is a blurred frame.
    detail_usual : float
        Contrast below which it is asked whether a blurred template fits better.
    blur_most_px : float
        Blur beside the template's own, from which on a frame is given up.
    """

    chi2: float
    chi2_most: float
    likeness: float
    misfit_most: float = 0.2
    gain: tuple[float, float] = (0.3, 3.0)
    seen: float = 0.5
    at_peak: float = 1.1
    chi2_least: float = 0.3
    detail: float = 0.4
    detail_usual: float = 0.0
    blur_most_px: float = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Chance:
    """Where a target usually is along a direction that little but chance fixes.

    Attributes
    ----------
    direction : float64 (2,)
        Unit vector (x, y).
    place_px : float
        Median of the box's place along it, over the sampled frames.
    wander_px : float
        Standard deviation of that place.
    is_still : bool
        Whether the target is known not to go along it: then no place that chance has chosen
        there is believed.
    """

    direction: FloatArray
    place_px: float
    wander_px: float
    is_still: bool = False

    def correction(self, x_px: float, y_px: float) -> FloatArray:
        """Return the way (x, y) back from a place that only chance can have chosen; else zero."""
        off = float(self.direction @ (x_px, y_px)) - self.place_px
        far = self.is_still or abs(off) > _FAR * self.wander_px
        return -off * self.direction if far else np.zeros(2)


WORST_U_PX = 0.5
"""Uncertainty along the loading axis from which on what is left of a target does not fix it."""

_FAR = 3.0
"""From how many of the usual wanderings on a place along an edge is not believed."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One appearance of a target.

    Attributes
    ----------
    pattern, rough : Pattern
        The template at full size, and reduced for the second step of the search.
    detail : Detail or None
        What reads the contrast of the fine detail.
    coarse : Coarse
        The template of the global search.
    point_px : (float, float)
        The point (x, y) that is read, counted from the box's top-left pixel.
    pivot_px : (float, float)
        The point about which the template turns, likewise.
    turn_rad : float
        Turn of the template against the reference frame.
    turns : bool
        Whether a turn is fitted.
    information, covariance : float64 (n, n)
        Normal matrix of a whole view, and the covariance of the box's position, for a gain of one
        and typical residuals.
    free : float64 (2,) or None
        Unit vector (x, y) along which the target says nothing.
    u_free_px : float
        What is assumed of the position along it.
    limits : Limits
    apart_px2 : float64 (2, 2)
        Covariance of the look's place against that of the target's first look, and of what chance
        alone fixes.
    outward : Outward or None
        What undoes the pull of an outline that moves outwards, where it does.
    phase : Phase or None
        How the place within a pixel pulls the fit, as far as that is known.
    is_tied : bool
        Whether that place was measured on the outline, not drawn.
    chance : Chance or None
        A direction along which chance has the larger part in a fit, where there is one.
    usual : Usual
        What the residuals are of frames that look as the template does.
    cover : Cover or None
        What tells what is left of the target where a part is covered.
    """

    pattern: Pattern
    detail: Detail | None
    rough: Pattern
    coarse: Coarse
    point_px: tuple[float, float]
    pivot_px: tuple[float, float]
    turn_rad: float
    turns: bool
    information: FloatArray
    covariance: FloatArray
    free: FloatArray | None
    u_free_px: float
    limits: Limits
    apart_px2: FloatArray = field(default_factory=lambda: np.zeros((2, 2)))
    outward: Outward | None = None
    phase: Phase | None = None
    is_tied: bool = False
    chance: Chance | None = None
    usual: Usual = field(default_factory=Usual)
    cover: Cover | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Tracker:
    """Locates one target in any frame.

    Attributes
    ----------
    name : str
    box : Box
        The target's box in the reference frame.
    point_px : (float, float)
        The point that is read, in the reference frame.
    looks : tuple of Look
    moving_mask : bool (h, w)
        The pixels of the box that move with the target.
    found_frames : tuple of int
        Further reference frames that were found, not named.
    polarity : {'dark', 'bright'}
        How matter looks beside vacuum.
    along : (float, float) or None
        Unit vector (x, y) of the loading axis, as far as it is known: what is left of a target of
        which a part is covered has to fix it.
    light : Light or None
        What frames are divided by.
    frame_at_peak : float
        Part of a whole frame's pixels at the brightest grey, from which on it is over-exposed where
        it does not look as usual.
    defects : Defects or None
        Hot and dead pixels of the detector.
    lit_px : (float, float)
        What dividing by the light does to the place in the reference frame.
    change : Change or None
        Where the look changes for good though the target is followed.
    """

    name: str
    box: Box
    point_px: tuple[float, float]
    looks: tuple[Look, ...]
    moving_mask: NDArray[np.bool_] = field(default_factory=lambda: np.ones((0, 0), bool))
    found_frames: tuple[int, ...] = ()
    polarity: Polarity = "dark"
    along: tuple[float, float] | None = None
    light: Light | None = None
    frame_at_peak: float = 1.1
    defects: Defects | None = None
    lit_px: tuple[float, float] = (0.0, 0.0)
    change: Change | None = None

    @property
    def first(self) -> Tracker:
        """The tracker with its first look alone."""
        return replace(self, looks=self.looks[:1], found_frames=())

    def mended(self, image: Image) -> Reduced:
        """Return a frame without the detector's defects."""
        return Reduced(image if self.defects is None else self.defects.mended(image))

    def locate(
        self,
        image: Image,
        near_px: tuple[float, float] | None = None,
        mended: Reduced | None = None,
    ) -> Match:
        """Find the target in a frame; it depends on nothing but the frame.

        Parameters
        ----------
        image : Image
            Grey values, shape (height, width).
        near_px : (float, float), optional
            Where the target's point is expected to some pixels; by default it is sought in the
            whole frame.
        mended : Reduced, optional
            The frame without defects, where several targets are sought in it.

        Returns
        -------
        Match
            Position of the target's point with its covariance; lost, with the reason, where the
            frame does not show the target.
        """
        frame = self.mended(image) if mended is None else mended
        image = frame.image
        clipped = part_at_peak(image) > self.frame_at_peak
        if self.light is not None:
            image = self.light.evened(image)
            frame = Reduced(image)
        found: list[tuple[float, Match]] = []
        reasons: list[tuple[float, str]] = []
        places = [(look, _places(frame, look, near_px)) for look in self.looks]
        as_usual = [self._try(frame, *each, found, reasons, clipped) for each in places]
        if not found and near_px is None and self.name == "bar":
            home = [Place(self.box.x_px, self.box.y_px, 0.0)]
            as_usual.append(self._try(frame, self.looks[0], home, found, reasons, clipped))
        left = None if any(as_usual) else self._uncovered(image, places)
        if left is not None:
            return left
        if not found and near_px is None:
            for look in self.looks:
                beyond = [
                    p for p in search_partly(frame, look.coarse) if _reaches_out(p, look, image)
                ]
                self._try(frame, look, beyond, found, reasons, clipped)
        if not found:
            return _lost(reasons)
        found.sort(key=lambda pair: pair[0])
        least, best = found[0]
        others = tuple(
            other
            for left_over, other in found[1:]
            if left_over < 1.3 * least and _apart(best, other) > 2.0
        )
        if not others:
            return best
        return _with_alternatives(best, others)

    def _try(
        self,
        frame: Reduced,
        look: Look,
        places: list[Place],
        found: list[tuple[float, Match]],
        reasons: list[tuple[float, str]],
        clipped: bool,
    ) -> bool:
        """Refine places; add what is believed to `found`, and to `reasons` why the rest is not.

        Returns whether one looks as the target usually does.
        """
        as_usual = False
        for place in places:
            refined, reason = _refine(frame, look, place, patient=not found, sharp=as_usual)
            reason = reason or _why_unusual(frame.image, refined, look, clipped=clipped)
            if refined is None or reason:
                reasons.append((place.likeness, reason))
            else:
                match = _match(frame.image, refined, look)
                match = self._doubting_light(frame.image, refined.fit, look, match)
                found.append((_left_over(refined.fit, look), match))
                as_usual |= look.cover is None or look.cover.is_usual(refined.fit)
        return as_usual

    def _doubting_light(self, even: Image, fit: Fit, look: Look, match: Match) -> Match:
        """Add to a match what is not believed of the way that the divided brightness moves it."""
        if self.light is None:
            return match
        moved = moved_by_light(self.light.uneven(even), fit, look)
        if moved is None:
            return match
        x, y = (DOUBT_OF_LIGHT * (a - b) for a, b in zip(moved, self.lit_px, strict=True))
        return replace(
            match,
            xx_px2=match.xx_px2 + x * x,
            xy_px2=match.xy_px2 + x * y,
            yy_px2=match.yy_px2 + y * y,
        )

    def _uncovered(self, image: Image, places: list[tuple[Look, list[Place]]]) -> Match | None:
        """Return where the bar is by what is left of it, where another body covers a part."""
        if self.name != "bar":
            return None
        found: list[tuple[float, Match]] = []
        for look, starts in places:
            if look.cover is None or look.turns:
                continue
            left = uncover(
                image, look.pattern, look.cover, [(p.x_px, p.y_px) for p in starts],
                information=look.information, free=look.free, along=self.along,
                darker=self.polarity == "dark",
            )  # fmt: skip
            if left is not None and not _why_lost(left.fit, look):
                own = replace(
                    look, pattern=left.pattern, free=left.free,
                    u_free_px=look.u_free_px if look.free is not None else left.u_free_px,
                )  # fmt: skip
                match = _doubted(_match(image, Refocused(left.fit, 0.0, _NO_DOUBT), own), left)
                if self.along is None or match.u_along_px(self.along) < WORST_U_PX:
                    found.append((left.fit.seen, match))
        return max(found, key=lambda pair: pair[0])[1] if found else None


def locate_all(trackers: Mapping[str, Tracker], image: Image) -> dict[str, Match]:
    """Find several targets in a frame, which is mended and reduced once for all of them.

    Parameters
    ----------
    trackers : mapping of str to Tracker
    image : Image

    Returns
    -------
    dict of str to Match
    """
    mended: dict[int, Reduced] = {}
    for each in trackers.values():
        if id(each.defects) not in mended:
            mended[id(each.defects)] = each.mended(image)
    return {
        name: each.locate(image, mended=mended[id(each.defects)]) for name, each in trackers.items()
    }


DOUBT_OF_LIGHT = 0.3
"""Part that is not believed of what dividing by the beam's brightness does to a place: beneath a
broad target it is continued from around, and of 0.5 px it left 0.17."""


def moved_by_light(raw: Image, fit: Fit, look: Look) -> tuple[float, float] | None:
    """Return how much farther (x, y) a frame puts the target that is not evened; None if unknown.

    Parameters
    ----------
    raw : Image
        The frame as it is in the movie.
    fit : Fit
        In the evened frame.
    look : Look
    """
    uneven = fit_pattern(
        raw, look.pattern, (fit.x_px, fit.y_px),
        turns=look.turns, pivot_px=look.pivot_px, turn_rad=fit.turn_rad, free=look.free,
    )  # fmt: skip
    return None if uneven is None else (uneven.x_px - fit.x_px, uneven.y_px - fit.y_px)


def _doubted(match: Match, left: Uncovered) -> Match:
    (xx, xy), (_, yy) = left.doubt_px2
    return replace(
        match,
        xx_px2=match.xx_px2 + float(xx),
        xy_px2=match.xy_px2 + float(xy),
        yy_px2=match.yy_px2 + float(yy),
    )


def _left_over(fit: Fit, look: Look) -> float:
    """Return the residuals of a fit over the typical ones, by which places are compared.

    Where there is little light there is little noise, so a faint likeness in the dark leaves less
    than the target itself does: what it leaves is held against the contrast it explains.
    """
    return fit.chi2 / look.limits.chi2 / min(fit.gain, 1.0) ** 2


def _reaches_out(place: Place, look: Look, image: Image) -> bool:
    """Tell whether a box at a place reaches beyond the frame."""
    h, w = look.pattern.shape
    inside = 0 <= place.x_px <= image.shape[1] - w and 0 <= place.y_px <= image.shape[0] - h
    return not inside


def _places(frame: Reduced, look: Look, near_px: tuple[float, float] | None) -> list[Place]:
    if near_px is None:
        return search(frame, look.coarse)
    return [Place(near_px[0] - look.point_px[0], near_px[1] - look.point_px[1], 1.0)]


def _refine(
    frame: Reduced, look: Look, place: Place, *, patient: bool, sharp: bool
) -> tuple[Refocused | None, str]:
    """Go from a coarse place to the sub-pixel fit; return it, and why it is not believed.

    Where the first way ends in a place that is not believed, the neighbours are tried as well,
    as long as nothing better is known; and where none is, a blurred template, unless the target
    was seen `sharp` in another place of the frame.
    """
    image = frame.image
    fit: Fit | None = None
    reason, start = "no fit", (place.x_px, place.y_px)
    for number, (x, y, turn) in enumerate(_starts(frame, look, place, patient=patient)):
        start = (x, y) if number < 2 else start
        tried = fit_pattern(
            image, look.pattern, (x, y),
            turns=look.turns, pivot_px=look.pivot_px, turn_rad=turn, free=look.free,
        )  # fmt: skip
        if fit is None or (tried is not None and tried.chi2 < fit.chi2):
            fit, reason = tried, _why_lost(tried, look)
        if not reason:
            break
    contrast = _contrast(image, fit, look)
    is_sharp = not reason and not contrast < look.limits.detail_usual
    if is_sharp or (sharp and reason) or look.turns or reason not in _PERHAPS_BLURRED:
        return (None if fit is None else Refocused(fit, 0.0, _NO_DOUBT)), reason
    found = refocus(image, Blurs(look.pattern), start, fit, look.free)
    if found is None:
        return None, reason
    reason = _why_lost(found.fit, look)
    too_far = found.blur_px > look.limits.blur_most_px
    if not reason and (too_far or (not found.blur_px and contrast < look.limits.detail)):
        reason = BLURRED
    return found, reason


BLURRED = "blurred"
UNLIKE = "does not look like the template"
OVER_EXPOSED = "over-exposed"
COMBED = "its even and odd rows show it in two places"
_PERHAPS_BLURRED = ("", "no fit", UNLIKE)
_NO_DOUBT = np.zeros(2)


def _starts(
    frame: Reduced, look: Look, place: Place, *, patient: bool
) -> Iterator[tuple[float, float, float]]:
    """Yield places (x, y, turn) to begin the full fit at, the likeliest first.

    The reduced fit can be off by half a reduced pixel where a part of the box is out of view, and
    the full fit reaches two pixels: so around its place there are more to begin at.
    """
    factor = look.coarse.factor
    if factor == 1:
        yield (place.x_px, place.y_px, 0.0)
        return
    yield rough_place(frame, look, place, _ROUGH_STARTS[:1])
    if not patient:
        return
    x, y, turn = rough_place(frame, look, place)
    yield (x, y, turn)
    step = _REACH_PX * max(1.0, factor / (4 * _REACH_PX))
    for dx, dy in itertools.product((0, 1, -1), repeat=2):
        if dx or dy:
            yield (x + step * dx, y + step * dy, turn)


_REACH_PX = 1.5
"""How far from the right place the full fit is sure to find it."""
_ROUGH_STARTS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
"""The coarse peak can be a reduced pixel off, and from there the fit can end in a false minimum."""
_ROUGH_REACH = 2.5


def rough_place(
    frame: Reduced, look: Look, place: Place, starts: tuple[tuple[int, int], ...] = _ROUGH_STARTS
) -> tuple[float, float, float]:
    """Fit the reduced template to the reduced frame; return x, y and the turn."""
    factor = look.coarse.factor
    x, y = int(place.x_px) // factor, int(place.y_px) // factor
    h, w = look.rough.shape
    x0, y0 = max(0, x - 3), max(0, y - 3)
    reduced = frame.by(factor)[y0 : max(y + h + 3, 0), x0 : max(x + w + 3, 0)]
    pivot = ((look.pivot_px[0] + 0.5) / factor - 0.5, (look.pivot_px[1] + 0.5) / factor - 0.5)
    fits = [
        fit_pattern(
            reduced, look.rough, (x - x0 + dx, y - y0 + dy), turns=look.turns,
            pivot_px=pivot, free=look.free,
        )
        for dx, dy in starts
    ]  # fmt: skip
    known = [fit for fit in fits if fit is not None]
    best = min(known, key=lambda fit: fit.chi2, default=None)
    if best is None or math.hypot(best.x_px + x0 - x, best.y_px + y0 - y) > _ROUGH_REACH:
        return (place.x_px, place.y_px, 0.0)
    return ((best.x_px + x0) * factor, (best.y_px + y0) * factor, best.turn_rad)


def _why_lost(fit: Fit | None, look: Look) -> str:
    """Return why a fit is not believed; empty where it is."""
    if fit is None:
        return "no fit"
    limits = look.limits
    if fit.seen < limits.seen:
        return "out of view"
    if not limits.gain[0] < fit.gain < limits.gain[1]:
        return "contrast is gone"
    if fit.at_peak > limits.at_peak:
        return OVER_EXPOSED
    if fit.chi2 < limits.chi2_least * limits.chi2 * min(fit.gain, 1.0):
        return "without noise: over-exposed or blurred"
    misfit = fit.misfit(limits.chi2)
    if not (fit.chi2 / max(fit.gain, 1.0) <= limits.chi2_most or misfit <= limits.misfit_most):
        return UNLIKE
    return ""


def _why_unusual(image: Image, refined: Refocused | None, look: Look, *, clipped: bool) -> str:
    """Return why a place that leaves more than usual is not believed; empty where it is.

    `clipped`: the frame is over-exposed as a whole.
    """
    if refined is None or look.cover is None:
        return ""
    if clipped:
        least = (
            min(refined.fit.gain, 1.0) ** 2
        )  # a clipped frame has no faint places: see _left_over
        usual = replace(refined.fit, chi2=refined.fit.chi2 / least)
        return "" if look.cover.is_usual(usual) else OVER_EXPOSED
    if look.cover.is_usual(refined.fit):
        return ""
    apart = 0.0 if look.turns else fields_apart_px(image, refined.fit, look.pattern)
    return COMBED if apart > APART_PX else ""


def _contrast(image: Image, fit: Fit | None, look: Look) -> float:
    """Return the contrast of the fine detail, NaN where nothing can be said."""
    if fit is None or look.detail is None or look.turns:
        return math.nan
    contrast = contrast_of_detail(image, fit, look.detail, look.pattern.level)
    return math.nan if contrast is None else contrast


def _lost(reasons: list[tuple[float, str]]) -> Match:
    if not reasons:
        return Match.none(0.0, "not found")
    likeness, reason = max(reasons)
    return Match.none(max(0.0, likeness), reason)


def _match(image: Image, found: Refocused, look: Look) -> Match:
    """Read the point: the box's place, the pivot, and the turned arm from pivot to point."""
    fit, back = _without_chance(image, found.fit, look)
    cos, sin = math.cos(fit.turn_rad), math.sin(fit.turn_rad)
    ax, ay = look.point_px[0] - look.pivot_px[0], look.point_px[1] - look.pivot_px[1]
    bx, by = cos * ax - sin * ay, sin * ax + cos * ay
    covariance = _covariance(fit, look, np.array([-by, bx]), changed=found.blur_px > 0)
    covariance = covariance + np.diag(found.doubt_px**2)
    pull, of_pull = _pull(image, fit, look)
    covariance = covariance + of_pull
    if look.phase is not None:
        in_pixel, unsure = look.phase.at(fit.x_px, fit.y_px)
        pull, covariance = pull + in_pixel, covariance + np.diag(unsure)
    covariance = covariance + _of_change(image, found, look)
    covariance = covariance + np.outer(back, back) / 4  # it may be there after all: two u off
    score = min(1.0, math.sqrt(fit.likeness / look.limits.likeness))
    return Match(
        fit.x_px + look.pivot_px[0] + bx - float(pull[0]),
        fit.y_px + look.pivot_px[1] + by - float(pull[1]),
        float(covariance[0, 0]),
        float(covariance[0, 1]),
        float(covariance[1, 1]),
        score,
        math.degrees(fit.turn_rad - look.turn_rad) if look.turns else 0.0,
    )


def _without_chance(image: Image, fit: Fit, look: Look) -> tuple[Fit, FloatArray]:
    """Return the fit where a far place along an edge is not believed, and the way back (x, y)."""
    back = np.zeros(2) if look.chance is None else look.chance.correction(fit.x_px, fit.y_px)
    if look.chance is None or not back.any():
        return fit, back
    start = (fit.x_px + float(back[0]), fit.y_px + float(back[1]))
    again = fit_pattern(image, look.pattern, start, free=look.chance.direction)
    if again is None or _why_lost(again, look):
        return fit, 2 * back
    return again, np.zeros(2) if look.chance.is_still else back


def _pull(image: Image, fit: Fit, look: Look) -> tuple[FloatArray, FloatArray]:
    """Return how an outline that moves outwards has pulled the fit (x, y), and the covariance."""
    if look.outward is None:
        return np.zeros(2), np.zeros((2, 2))
    pull = look.outward.pull[:2]
    move = look.outward.in_frame(image, fit, look.pattern)
    if move is None:
        return np.zeros(2), FARTHEST_OUT_PX**2 * np.outer(pull, pull)
    variance = look.outward.u_px**2 + (DOUBT * move) ** 2
    return move * pull, variance * np.outer(pull, pull)


def _of_change(image: Image, found: Refocused, look: Look) -> FloatArray:
    """Return the covariance (x, y) that a changed look of the target leaves."""
    if look.free is not None or look.turns:
        return np.zeros((2, 2))
    pattern, usual = look.pattern, look.usual
    if found.blur_px > 0:  # a layer can pass for a blur, and its residuals in all for usual ones
        pattern, usual = blurred(pattern, found.blur_px), replace(usual, chi2=-math.inf)
    doubt = doubt_of_change(image, found.fit, pattern, usual)
    if not doubt:
        return np.zeros((2, 2))
    return np.asarray(doubt * np.linalg.pinv(look.information)[:2, :2])


FARTHEST_OUT_PX = 1.0
"""Outward move that is allowed for where it is not read."""


def _covariance(fit: Fit, look: Look, arm: FloatArray, *, changed: bool) -> FloatArray:
    """Scale the look's covariance to this frame: its noise, its contrast, the part in view.

    `arm` is the motion (x, y) of the point when the target turns by one radian; `changed` tells
    that the frame says less than the template would.
    """
    scale = max(fit.chi2 / look.limits.chi2, 0.5) / fit.gain**2
    covariance = look.covariance
    if fit.seen < 1 and look.free is not None:
        fixed = np.array([-look.free[1], look.free[0]])
        left, whole = (
            float(fixed @ m[:2, :2] @ fixed) for m in (fit.information, look.information)
        )
        covariance = covariance * whole / left
    elif (fit.seen < 1 or changed) and look.free is None:
        change = np.linalg.inv(fit.information) @ look.information
        share = float(np.trace(fit.information[:2, :2]) / np.trace(look.information[:2, :2]))
        covariance = share * change @ covariance @ change.T
    if look.turns:
        reach = np.column_stack([np.eye(2), arm])
        covariance = reach @ covariance @ reach.T
    covariance = scale * covariance + look.apart_px2
    if look.free is not None:
        covariance = covariance + look.u_free_px**2 * np.outer(look.free, look.free)
    return covariance


def _apart(one: Match, other: Match) -> float:
    return math.hypot(one.x_px - other.x_px, one.y_px - other.y_px)


def _with_alternatives(best: Match, others: tuple[Match, ...]) -> Match:
    return Match(
        best.x_px, best.y_px, best.xx_px2, best.xy_px2, best.yy_px2, best.score,
        best.rotation_deg, alternatives=others,
    )  # fmt: skip

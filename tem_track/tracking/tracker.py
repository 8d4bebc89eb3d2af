"""A prepared target: frozen, picklable, and locating it in a frame needs that frame alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tem_track.records import Box, FloatArray, Image, Match, Polarity
from tem_track.tracking.changed import Change
from tem_track.tracking.coarse import Place, Reduced, search, search_partly
from tem_track.tracking.covered import uncover
from tem_track.tracking.defects import Defects
from tem_track.tracking.fit import Fit, fit_pattern
from tem_track.tracking.focus import Refocused
from tem_track.tracking.illumination import Light, Unsure
from tem_track.tracking.look import Look
from tem_track.tracking.rays import without_rays
from tem_track.tracking.reading import doubted, match_of, of_change
from tem_track.tracking.reasons import CHANGED, why_lost, why_unusual
from tem_track.tracking.refine import NO_DOUBT, refine

__all__ = ["Tracker", "locate_all", "moved_by_light"]


WORST_U_PX = 0.5
"""Uncertainty along the loading axis from which on what is left of a target does not fix it."""
UNSURE_PX = 1.5
"""What a changed look may leave open: the fit reaches no farther, and beyond it ends anywhere."""
SLID_PX = 8.0
"""Way along its edge from which on a base has rather been mistaken than gone there."""
ALIKE = 1.3
"""What another place may leave over, against the best, to be a choice of the whole sequence."""
APART_PX = 2.0
"""From how far on it is another place."""
DOUBT_OF_LIGHT = 0.3
"""Part that is not believed of what dividing by the beam's brightness does to a place: beneath a
broad target it is continued from around, and of 0.5 px it left 0.17."""
MOST_ALONG, ALONG, ALIKE_ALONG = 6, 0.02, 0.9
"""Places side by side that are tried, their likeness behind the best's, and the least of that."""
REACH_PX = 4
"""Pixels around a target's place in which it is fitted with another brightness."""


@dataclass(slots=True, eq=False)
class Found:
    """What the places of a frame came to.

    Attributes
    ----------
    clipped : bool
        Whether the frame is over-exposed as a whole.
    matches : list of (float, Match)
        What is believed, and what each leaves over against a typical fit.
    reasons : list of (float, str)
        The likeness of the other places, and why they are not believed.
    """

    clipped: bool
    matches: list[tuple[float, Match]] = field(default_factory=list)
    reasons: list[tuple[float, str]] = field(default_factory=list)

    def best(self) -> Match:
        """Return what leaves least over, with others of like score; else a lost match."""
        if not self.matches:
            return _lost(self.reasons)
        (least, best), *rest = sorted(self.matches, key=lambda pair: pair[0])
        others = tuple(
            other
            for left_over, other in rest
            if left_over < ALIKE * least and _apart_px(best, other) > APART_PX
        )
        return replace(best, alternatives=others) if others else best


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
    unsure : Unsure or None
        Uneven brightness that does not stand still: frames are not divided by it, and what it may
        do to a place is doubted.
    lit_px : (float, float)
        What one light or the other does to the place in the reference frame.
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
    unsure: Unsure | None = None
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
        match = self._located(frame, near_px)
        if not match.lost or (clear := without_rays(frame.image)) is frame.image:
            return match
        return self._located(Reduced(clear), near_px)

    def _located(self, frame: Reduced, near_px: tuple[float, float] | None) -> Match:
        """Find the target in a frame without the detector's defects."""
        found = Found(clipped=frame.at_peak > self.frame_at_peak)
        if self.light is not None:
            frame = Reduced(self.light.evened(frame.image))
        places = [(look, _places(frame, look, near_px)) for look in self.looks]
        as_usual = [self._try(frame, *each, found) for each in places]
        if not found.matches and near_px is None and self.name == "bar":
            home = [Place(self.box.x_px, self.box.y_px, 0.0)]
            as_usual.append(self._try(frame, self.looks[0], home, found))
        if not any(as_usual) and near_px is None and self.name == "base":
            as_usual += [self._try(frame, *each, found) for each in self._slid_back(places)]
        left = None if any(as_usual) else self._uncovered(frame.image, places)
        if left is not None:
            return left
        if not found.matches and near_px is None:
            for look in self.looks:
                self._try(frame, look, _places_along(frame, look), found)
        if not found.matches and near_px is None:
            for look in self.looks:
                self._try(frame, look, _places_beyond(frame, look), found)
        return found.best()

    def _try(self, frame: Reduced, look: Look, places: list[Place], found: Found) -> bool:
        """Refine places, and add what is believed and why the rest is not.

        Returns whether one looks as the target usually does.
        """
        as_usual = False
        for place in places:
            patient = not found.matches
            refined, reason = refine(frame, look, place, patient=patient, sharp=as_usual)
            reason = reason or why_unusual(frame.image, refined, look, clipped=found.clipped)
            change = np.zeros((2, 2))
            if refined is not None and not reason:
                change = of_change(frame.image, refined, look)
                reason = CHANGED if _u_px(change, self.along) > UNSURE_PX else ""
            if refined is None or reason:
                found.reasons.append((place.likeness, reason))
            else:
                match = doubted(match_of(frame.image, refined, look), change)
                match = self._doubting_light(frame.image, refined.fit, look, match)
                found.matches.append((_left_over(refined.fit, look), match))
                as_usual |= look.cover is None or look.cover.is_usual(refined.fit)
        return as_usual

    def _slid_back(self, places: list[tuple[Look, list[Place]]]) -> list[tuple[Look, list[Place]]]:
        """Return places that have slid along the target's edge, back abreast of where it was drawn.

        One stretch of an edge looks much like another. A base is driven across its edge.
        """
        back = []
        for look, found in places:
            x, y = np.linalg.eigh(look.information[:2, :2])[1][:, 0]
            slid = [(p.x_px - self.box.x_px) * x + (p.y_px - self.box.y_px) * y for p in found]
            back.append((look, [
                Place(p.x_px - way * x, p.y_px - way * y, p.likeness)
                for p, way in zip(found, slid, strict=True) if abs(way) > SLID_PX
            ]))  # fmt: skip
        return back

    def _doubting_light(self, image: Image, fit: Fit, look: Look, match: Match) -> Match:
        """Add to a match what is not believed of how uneven brightness moves it.

        `image` is the frame as it was fitted: where brightness was divided out, without it.
        """
        if self.light is None and self.unsure is None:
            return match
        h, w = look.pattern.shape
        x, y = (max(round(v) - REACH_PX, 0) for v in (fit.x_px, fit.y_px))
        part = image[y : y + h + 2 * REACH_PX, x : x + w + 2 * REACH_PX]
        if self.light is not None:
            other = self.light.uneven_part(part, x, y)
        elif self.unsure is not None:
            other = self.unsure.light.evened_part(part, x, y)
        here = replace(fit, x_px=fit.x_px - x, y_px=fit.y_px - y)
        moved = moved_by_light(other, here, look)
        if moved is None:
            return match
        way = np.subtract(moved, self.lit_px)
        if self.unsure is not None:
            return doubted(match, self.unsure.doubt_px2(way, (fit.x_px, fit.y_px)))
        return doubted(match, DOUBT_OF_LIGHT**2 * np.outer(way, way))

    def _uncovered(self, image: Image, places: list[tuple[Look, list[Place]]]) -> Match | None:
        """Return where bar or tip is by what is left of it, where another body covers a part."""
        if self.name not in ("bar", "tip"):
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
            if left is not None and left.free is not None and self.name == "tip":
                continue  # it travels: where it usually is says nothing
            if left is not None and not why_lost(left.fit, look):
                own = replace(
                    look, pattern=left.pattern, free=left.free,
                    u_free_px=look.u_free_px if look.free is not None else left.u_free_px,
                )  # fmt: skip
                refined = Refocused(left.fit, 0.0, NO_DOUBT)
                match = doubted(match_of(image, refined, own), of_change(image, refined, own))
                match = doubted(match, left.doubt_px2)
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


def moved_by_light(other: Image, fit: Fit, look: Look) -> tuple[float, float] | None:
    """Return how much farther (x, y) a frame puts the target in another light; None if unknown.

    Parameters
    ----------
    other : Image
        The same part of a frame as it would be in another light.
    fit : Fit
        In the part as it was.
    look : Look
    """
    again = fit_pattern(
        other, look.pattern, (fit.x_px, fit.y_px),
        turns=look.turns, pivot_px=look.pivot_px, turn_rad=fit.turn_rad, free=look.free,
    )  # fmt: skip
    return None if again is None else (again.x_px - fit.x_px, again.y_px - fit.y_px)


def _u_px(covariance: FloatArray, along: tuple[float, float] | None) -> float:
    """Return the uncertainty along the loading axis, or else in the direction told best."""
    if along is None:
        return math.sqrt(max(float(np.linalg.eigvalsh(covariance)[0]), 0.0))
    direction = np.array(along)
    return math.sqrt(max(float(direction @ covariance @ direction), 0.0))


def _left_over(fit: Fit, look: Look) -> float:
    """Return the residuals of a fit over the typical ones, by which places are compared.

    Where there is little light there is little noise, so a faint likeness in the dark leaves less
    than the target itself does: what it leaves is held against the contrast it explains.
    """
    return fit.chi2 / look.limits.chi2 / min(fit.gain, 1.0) ** 2


def _places(frame: Reduced, look: Look, near_px: tuple[float, float] | None) -> list[Place]:
    if near_px is None:
        return search(frame, look.coarse)
    return [Place(near_px[0] - look.point_px[0], near_px[1] - look.point_px[1], 1.0)]


def _places_along(frame: Reduced, look: Look) -> list[Place]:
    """Return places side by side where the reduced frame hardly tells them apart.

    Of an edge that lies within a reduced pixel of the box's border little is left in the reduced
    template, and along the edge that is left one place then looks like the next.
    """
    if look.coarse.factor == 1:
        return []
    found = search(frame, look.coarse, most=MOST_ALONG, within=ALONG, apart=1)
    return found if found and found[0].likeness > ALIKE_ALONG else []


def _places_beyond(frame: Reduced, look: Look) -> list[Place]:
    """Return places at which the target is partly outside the frame."""
    found = search_partly(frame, look.coarse)
    return [place for place in found if _reaches_out(place, look, frame.image)]


def _reaches_out(place: Place, look: Look, image: Image) -> bool:
    """Tell whether a box at a place reaches beyond the frame."""
    h, w = look.pattern.shape
    inside = 0 <= place.x_px <= image.shape[1] - w and 0 <= place.y_px <= image.shape[0] - h
    return not inside


def _lost(reasons: list[tuple[float, str]]) -> Match:
    if not reasons:
        return Match.none(0.0, "not found")
    likeness, reason = max(reasons)
    return Match.none(max(0.0, likeness), reason)


def _apart_px(one: Match, other: Match) -> float:
    return math.hypot(one.x_px - other.x_px, one.y_px - other.y_px)

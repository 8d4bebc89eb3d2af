"""The first registration, by vote: the parts of a box say where it is, and most win.

A hand-drawn box holds more than its target. Before anything is learnt of which pixels move with
it, a fit of the whole box is dragged along by the rest, for instance by a gap that has closed.
So every part is fitted for itself, and the place at which most parts agree with the template is
kept, with the list of these parts. The cost is a truncated sum of squares, as in robust
regression. A large box votes on reduced frames: its places need be good to a fraction of a pixel
only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray, Image
from tem_track.tracking.coarse import reduce_image
from tem_track.tracking.crops import SLACK
from tem_track.tracking.fit import Pattern, fit_pattern
from tem_track.tracking.splines import MARGIN, coefficients, moved

__all__ = ["Ballot", "Vote", "glance", "make_ballot", "vote", "vote_from"]

BLUR_PX = 1.0
"""Standard deviation of the blur of frame and template before the vote, in reduced pixels."""
LARGE_PX = 72
"""A box with longer sides votes on frames reduced by two, from four times that on by four."""
BLOCK_PX = 12
PARTS = 3
TOLERANCE_PX = 0.4
OUTLIER = 6.0
"""Side of a block (px), parts along a side of the box that are fitted for themselves, motion that a
block is allowed (px), and squares over what is allowed from which on it does not agree."""
IN_VIEW = 0.4
"""Least part of the box in view, for a place to be judged."""
AFTER_BLUR = 0.2
"""Variance that a pixel of a block is allowed, over that of a frame's: what the blur leaves of it
(1 / 4 pi) twice, since the reference frame is as noisy, and something for a codec."""
AS_MUCH = 0.9
"""Agreement after a joint fit of the parts that agree, over that before, for it to be believed."""
SURE = 0.9
"""Share of the structure that agrees at a first place, from which on no part is asked for another:
the vote ended there in all frames that were tried."""
REACH_PX = 10
SAME_PX = 0.1
"""Way in which a box may have gone from a start, in px of the frame (starts come from a search to a
pixel or from the frame before), and from which on two places are two."""


@dataclass(frozen=True, slots=True, eq=False)
class Ballot:
    """What a vote compares with.

    Attributes
    ----------
    factor : int
        Frame pixels per pixel of the pattern.
    pattern : Pattern
        The reference frame's box, reduced and blurred; its noise is that before the blur.
    steepness : float64 (h, w)
        Squared slope of the pattern.
    shape : (int, int)
        Height and width of the box in the frame.
    """

    factor: int
    pattern: Pattern
    steepness: FloatArray
    shape: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Vote:
    """Where the box is by most of its parts.

    Attributes
    ----------
    x_px, y_px : float
        Top-left pixel of the box.
    agreed : float
        Share of the template's structure that agrees, 0 to 1.
    mask : bool (h, w)
        The parts that agree.
    """

    x_px: float
    y_px: float
    agreed: float
    mask: NDArray[np.bool_]


def make_ballot(grey: FloatArray, noise: float, shape: tuple[int, int]) -> Ballot:
    """Prepare the vote from the box's surroundings in the reference frame.

    Parameters
    ----------
    grey : float64 (h + 2 SLACK, w + 2 SLACK)
    noise : float
        Variance of a pixel.
    shape : (int, int)
        Height and width of the box.
    """
    factor = 1 if min(shape) <= LARGE_PX else 2 if min(shape) < 4 * LARGE_PX else 4
    reach = MARGIN * factor - SLACK
    wide = np.pad(grey, max(reach, 0), mode="edge")
    wide = wide[-reach:reach, -reach:reach] if reach < 0 else wide
    low = reduce_image(wide.astype(np.float32), factor)
    h, w = shape[0] // factor, shape[1] // factor
    low = low[: h + 2 * MARGIN, : w + 2 * MARGIN]
    inner = (slice(MARGIN, MARGIN + h), slice(MARGIN, MARGIN + w))
    level = float(low[inner].mean())
    blurred = np.asarray(cv2.GaussianBlur(low, (0, 0), BLUR_PX), float) - level
    coef = coefficients(blurred, 3)
    share = np.ones((h, w), np.float32)
    flat = np.array([noise / factor**2, 0, 0, noise / factor**2], np.float32)
    steepness = sum(moved(coef, 0, 0, 3, s)[inner].astype(float) ** 2 for s in "xy")
    return Ballot(factor, Pattern(coef, share, share, flat, level), np.asarray(steepness), shape)


def vote(image: Image, ballot: Ballot, starts: list[tuple[float, float]]) -> Vote | None:
    """Find the place near the starts at which most parts agree.

    Parameters
    ----------
    image : Image
    ballot : Ballot
    starts : list of (float, float)
        Places (x, y) of the box's top-left pixel to begin with.
    """
    x0, y0, part = _surroundings(image, ballot, starts)
    if part.size == 0:
        return None
    factor = ballot.factor
    here = _distinct([((x - x0) / factor, (y - y0) / factor) for x, y in starts])
    first = _sure(part, ballot, here, x0, y0)
    if first is not None:
        return first
    places = list(here)
    for sub, dx, dy in _parts(ballot.pattern):
        for x, y in here:
            fit = fit_pattern(part, sub, (x + dx, y + dy))
            if fit is not None:
                places.append((fit.x_px - dx, fit.y_px - dy))
    return _elected(part, ballot, _distinct(places), x0, y0)


def glance(image: Image, ballot: Ballot, starts: list[tuple[float, float]]) -> Vote | None:
    """Return where the box is if nearly all of it agrees at one of some places; None otherwise."""
    x0, y0, part = _surroundings(image, ballot, starts)
    if part.size == 0:
        return None
    factor = ballot.factor
    here = _distinct([((x - x0) / factor, (y - y0) / factor) for x, y in starts])
    return _sure(part, ballot, here, x0, y0)


def _sure(
    part: Image, ballot: Ballot, places: list[tuple[float, float]], x0: int, y0: int
) -> Vote | None:
    first = _judged(part, ballot, places)
    if first is None or not first[1].agreed > SURE:
        return None
    return _in_frame(_settled(part, ballot, first[1]), ballot, x0, y0)


def vote_from(image: Image, ballot: Ballot, home: tuple[float, float]) -> Vote | None:
    """Find the place near one start at which most parts agree, from a fit of the whole box."""
    x0, y0, part = _surroundings(image, ballot, [home])
    if part.size == 0:
        return None
    start = ((home[0] - x0) / ballot.factor, (home[1] - y0) / ballot.factor)
    fit = fit_pattern(part, ballot.pattern, start)
    places = [start] if fit is None else [start, (fit.x_px, fit.y_px)]
    return _elected(part, ballot, places, x0, y0)


def _elected(
    part: Image, ballot: Ballot, places: list[tuple[float, float]], x0: int, y0: int
) -> Vote | None:
    best = _judged(part, ballot, places)
    return None if best is None else _in_frame(_settled(part, ballot, best[1]), ballot, x0, y0)


def _judged(
    part: Image, ballot: Ballot, places: list[tuple[float, float]]
) -> tuple[float, Vote] | None:
    """Return the place of the least cost, with that."""
    judged = [_judge(part, ballot, x, y) for x, y in places]
    known = [(cost, found) for cost, found in judged if found is not None]
    return min(known, key=lambda pair: pair[0], default=None)


def _distinct(places: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Leave out places that are all but the same as an earlier one."""
    found: list[tuple[float, float]] = []
    for x, y in places:
        if all(max(abs(x - u), abs(y - v)) > SAME_PX for u, v in found):
            found.append((x, y))
    return found


def _surroundings(
    image: Image, ballot: Ballot, starts: list[tuple[float, float]]
) -> tuple[int, int, NDArray[np.float32]]:
    h, w = ballot.shape
    x0 = max(0, int(min(x for x, _ in starts)) - REACH_PX)
    y0 = max(0, int(min(y for _, y in starts)) - REACH_PX)
    x1 = int(max(x for x, _ in starts)) + w + REACH_PX
    y1 = int(max(y for _, y in starts)) + h + REACH_PX
    part = image[y0 : max(y1, 0), x0 : max(x1, 0)].astype(np.float32)
    if min(part.shape) < 2 * ballot.factor:
        return x0, y0, np.empty((0, 0), np.float32)
    part = reduce_image(part, ballot.factor)
    return x0, y0, np.asarray(cv2.GaussianBlur(part, (0, 0), BLUR_PX), np.float32)


def _in_frame(found: Vote, ballot: Ballot, x0: int, y0: int) -> Vote:
    """Return a vote on a reduced frame in the pixels of the frame."""
    h, w = ballot.shape
    factor = ballot.factor
    wide = np.repeat(np.repeat(found.mask, factor, axis=0), factor, axis=1)
    mask = np.pad(wide, ((0, h - wide.shape[0]), (0, w - wide.shape[1])), mode="edge")
    return Vote(found.x_px * factor + x0, found.y_px * factor + y0, found.agreed, mask)


def _parts(pattern: Pattern) -> list[tuple[Pattern, int, int]]:
    """Cut the pattern into overlapping parts; return each with its place in the box."""
    h, w = pattern.shape
    found = []
    for y, tall in _spans(h):
        for x, wide in _spans(w):
            inside = (slice(y, y + tall), slice(x, x + wide))
            reach = (slice(y, y + tall + 2 * MARGIN), slice(x, x + wide + 2 * MARGIN))
            share = pattern.share[inside]
            sub = replace(pattern, coef=pattern.coef[reach], share=share, slope_share=share)
            found.append((sub, x, y))
    return found


def _spans(length: int) -> list[tuple[int, int]]:
    size = max(min(length, 24), length // 2)
    return [(round(start), size) for start in np.linspace(0, length - size, PARTS)]


def _settled(part: Image, ballot: Ballot, found: Vote) -> Vote:
    """Fit the parts that agree together, twice."""
    pattern = ballot.pattern
    for _ in range(2):
        share = pattern.share * found.mask
        joint = replace(pattern, share=share, slope_share=share)
        fit = fit_pattern(part, joint, (found.x_px, found.y_px))
        if fit is None:
            return found
        _, again = _judge(part, ballot, fit.x_px, fit.y_px)
        if again is None or again.agreed < AS_MUCH * found.agreed:
            return found
        found = again
    return found


def _judge(part: Image, ballot: Ballot, x: float, y: float) -> tuple[float, Vote | None]:
    """Return the truncated cost of a place, and the blocks that agree there.

    All that is asked of the pixels are sums over blocks: of 1, T, I and their products.
    """
    from tem_track.tracking import weighing

    ix, iy = round(x), round(y)
    h, w = ballot.pattern.shape
    top, bottom = max(0, -iy), min(h, part.shape[0] - iy)
    left, right = max(0, -ix), min(w, part.shape[1] - ix)
    if (bottom - top) * (right - left) < IN_VIEW * h * w:
        return np.inf, None
    inside = (slice(top, bottom), slice(left, right))
    value = moved(ballot.pattern.coef, ix - x, iy - y, 3)[MARGIN:-MARGIN, MARGIN:-MARGIN][inside]
    grey = part[iy + top : iy + bottom, ix + left : ix + right] - ballot.pattern.level
    steepness = ballot.steepness[inside]
    size = BLOCK_PX // ballot.factor
    sums = np.zeros((7, -(-h // size), -(-w // size)))
    fields = [_alike(field) for field in (value, grey, steepness)]
    weighing.block_sums(*fields, top, left, size, sums)
    good = np.zeros(sums.shape[1:], bool)
    noise, tolerance = AFTER_BLUR * float(ballot.pattern.noise[0]), TOLERANCE_PX / ballot.factor
    cost, agreed = weighing.weigh(sums, noise, tolerance, OUTLIER, good)
    if agreed < 0:
        return np.inf, None
    return float(cost), Vote(x, y, float(agreed), _spread(good, size, (h, w)))


def _alike(field: NDArray[Any]) -> NDArray[np.float32]:
    """Return a field as the one kind of array that compiled code is given."""
    return field.astype(np.float32, order="C")


def _spread(blocks: NDArray[np.bool_], size: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
    wide = np.repeat(np.repeat(blocks, size, axis=0), size, axis=1)
    return np.asarray(wide[: shape[0], : shape[1]])

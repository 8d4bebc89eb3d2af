"""Where a later look of a target lies against the first one, and how well that is known.

A box that was drawn again is placed to a pixel at best, and a step of that size would stand in
every curve. Contrast may have flipped between the looks, so grey values say nothing; the outline
has stayed. The steepness of the first look's template, which is blind to sign, is fitted to that
of the later one, and each half of a chess board has to find the same place.

The outline of the later look may lie further out all round: carbon has grown on it, or bright and
dark, whose steepest places differ behind a lens, have changed sides. On a tip with slanted sides
that looks like a motion along it. So the fit has a third unknown, how far everything has moved
towards the bright side, and what it leaves open of the place stands in the uncertainty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray
from tem_track.tracking.fit import Pattern
from tem_track.tracking.information import squares
from tem_track.tracking.look import Look
from tem_track.tracking.outward import brighter_side
from tem_track.tracking.splines import MARGIN, coefficients, moved

__all__ = ["link", "linked", "steepness"]

DRAWN_U_PX = 0.3
"""Standard deviation of a box drawn to whole pixels, 1 / sqrt 12, where no more is known."""
LEAST_U_PX = 0.1
"""Least standard deviation of a place told by an outline whose look has changed: its halves may
agree better than that by chance."""
MOST_U_PX = 1.0
"""Above this a later look is not taken for the same target's."""
DARKEST = 0.03
"""Part of the brightest grey below which thickness is not told."""
REACH_PX = (0.0, -3.0, 3.0)
WIDER_PX = (0.0, -2.0, 2.0)
"""Shifts in x and y, and moves outwards, from which a fit begins: it reaches about two pixels."""
WIDER_U_PX = 1.5
"""Standard deviation of what is assumed of an outline's move outwards before it is measured."""
UNEVEN = 0.2
"""How far an outline's move outwards may differ from side to side, over the move."""
FARTHEST_PX = 6.0
"""Shift beyond which another outline was found: a box is drawn again to some pixels."""
LEAST_LIKE = 0.3
"""Squared correlation of the two steepnesses."""
AGREE_PX = 0.7
SQUARES = 4
BLOCK_PX = 16
BLUR_PX = 1.5
STEPS = 12
"""How far the halves of the chess board may find the place apart (px); squares along a side of it;
side of the blocks (px) whose residuals count as one; blur of both outlines (standard deviation,
px); and most Gauss-Newton steps."""


def link(first: Look, later: Look) -> Look:
    """Return the later look with its point where the first look's outline has it.

    Parameters
    ----------
    first, later : Look
        Of one target. Where the outlines cannot be matched, the drawn box is believed to the
        pixel and the uncertainty says so.
    """
    found = None if first.turns or later.turns else _between(first.pattern, later.pattern)
    if found is None:
        return replace(later, apart_px2=DRAWN_U_PX**2 * np.eye(2), is_tied=False)
    shift, covariance = found
    point = (first.point_px[0] + shift[0], first.point_px[1] + shift[1])
    return replace(later, point_px=point, apart_px2=covariance, is_tied=True)


def linked(look: Look) -> bool:
    """Tell whether a later look's outline was found in the first one's place."""
    return look.is_tied and bool(look.apart_px2.max() < MOST_U_PX**2)


def _between(first: Pattern, later: Pattern) -> tuple[FloatArray, FloatArray] | None:
    """Return the shift (x, y) from the first to the later template and its covariance.

    Whether grey values or their logarithm have kept more of the looks' likeness is not known
    beforehand: the more alike pair decides.
    """
    if first.shape != later.shape:
        return None
    share = np.pad((first.share * later.share).astype(float), MARGIN)
    starts = [np.array([x, y, d]) for x in REACH_PX for y in REACH_PX for d in WIDER_PX]
    ways = []
    for of in (steepness, _steepness_of_grey):
        outline, target = _Outline.of(first, of), _smoothed(of(later))
        for start in starts:
            way = outline.fit(target, share, start)
            if way is not None:
                ways.append((way.likeness, way, outline, target))
    if not ways:
        return None
    like, best, outline, target = max(ways, key=lambda each: each[0])
    if like < LEAST_LIKE or np.abs(best.place[:2]).max() > FARTHEST_PX:
        return None
    one, other = (
        outline.fit(target, share * np.pad(half, MARGIN), best.place)
        for half in _chess_board(first.shape)
    )
    if one is None or other is None:
        return None
    apart = np.abs(one.place - other.place)[:2]
    told = np.sqrt(np.diag(one.covariance + other.covariance)[:2])
    if (apart > np.maximum(AGREE_PX, 3 * told)).any():
        return None
    covariance = best.covariance[:2, :2]
    least = np.maximum(apart / 2, LEAST_U_PX) ** 2 + (UNEVEN * best.place[2]) ** 2
    wider = np.sqrt(np.maximum(least / np.diag(covariance), 1))
    return best.place[:2], covariance * np.outer(wider, wider)


@dataclass(frozen=True, slots=True, eq=False)
class _Way:
    """A fit of one outline to another: place (x, y, outwards), covariance, squared correlation."""

    place: FloatArray
    covariance: FloatArray
    likeness: float


@dataclass(frozen=True, slots=True, eq=False)
class _Outline:
    """The steepness of a template, and the direction (x, y) of the brighter side at its outline.

    The direction is a unit vector on the outline and fades on fainter texture, which nothing makes
    wider.
    """

    steep: NDArray[np.float32]
    brighter: tuple[NDArray[np.float32], NDArray[np.float32]]

    @classmethod
    def of(cls, pattern: Pattern, steepness_of: Callable[[Pattern], FloatArray]) -> _Outline:
        return cls(_smoothed(steepness_of(pattern)), brighter_side(pattern))

    def fit(self, target: NDArray[np.float32], share: FloatArray, start: FloatArray) -> _Way | None:
        """Fit place and outward move by Gauss-Newton steps; far misses count little."""
        place = start.copy()
        for _ in range(STEPS):
            slopes, rest, weight, gain = self._at(place, target, share)
            if not gain > 0:
                return None
            normal = np.einsum("nyx,myx,yx->nm", slopes, slopes, weight)
            noise = float((weight * rest**2).sum() / max(float((weight > 0).sum()), 1.0))
            prior = np.diag([0.0, 0.0, noise / WIDER_U_PX**2])
            score = np.einsum("nyx,yx,yx->n", slopes, rest, weight)
            try:
                step = np.linalg.solve(normal + prior, score - prior @ place)
            except np.linalg.LinAlgError:
                return None
            place = place + np.clip(step, -1, 1)
            if np.abs(place).max() > MARGIN - 1:
                return None
            if np.abs(step).max() < 1e-3:
                break
        slopes, rest, weight, _ = self._at(place, target, share)
        inverse = np.linalg.inv(np.einsum("nyx,myx,yx->nm", slopes, slopes, weight) + prior)
        sums = squares(slopes * rest * weight, BLOCK_PX)
        meat = np.einsum("nyx,myx->nm", sums, sums) + prior * noise
        total = float((share * (target - np.average(target, weights=share)) ** 2).sum())
        like = 1 - float((share * rest**2).sum()) / max(total, 1e-12)
        return _Way(place, inverse @ meat @ inverse, like)

    def _at(
        self, place: FloatArray, target: NDArray[np.float32], share: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, float]:
        """Return slopes (3, h, w) of the model, residuals, weights and the model's gain."""
        y, x = np.indices(self.steep.shape, np.float32)
        nx, ny = self.brighter
        at_x = x - np.float32(place[0]) - np.float32(place[2]) * nx
        at_y = y - np.float32(place[1]) - np.float32(place[2]) * ny
        value = cv2.remap(
            self.steep, at_x, at_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        ).astype(float)
        gy, gx = np.gradient(value)
        plain = np.array([np.ones_like(value), value])
        weight = share
        offset = gain = 0.0
        rest = np.zeros_like(value)
        for _ in range(2):
            normal = np.einsum("ayx,byx,yx->ab", plain, plain, weight)
            offset, gain = np.linalg.pinv(normal) @ np.einsum(
                "ayx,yx,yx->a", plain, target.astype(float), weight
            )
            rest = target - offset - gain * value
            spread = float(np.median(np.abs(rest[share > 0]))) / 0.6745 + 1e-12
            weight = share / (1 + (rest / (3 * spread)) ** 2)
        slopes = -gain * np.array([gx, gy, nx * gx + ny * gy])
        cross = np.einsum("nyx,ayx,yx->na", slopes, plain, weight)
        normal = np.einsum("ayx,byx,yx->ab", plain, plain, weight)
        slopes = slopes - np.einsum("na,ayx->nyx", cross @ np.linalg.pinv(normal), plain)
        return slopes, rest, weight, float(gain)


def _smoothed(image: FloatArray) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), BLUR_PX), np.float32)


def steepness(pattern: Pattern) -> FloatArray:
    """Return the length of the slope of the grey values' logarithm, (h + 2 MARGIN, w + 2 MARGIN).

    The logarithm is the thickness that the beam has crossed. In it a thin and a thick edge have
    their middle in the same place; in the grey values a thick one seems to stand further out.
    """
    grey = moved(pattern.coef, 0, 0, 3).astype(float) + pattern.level
    least = DARKEST * max(float(np.quantile(grey, 0.99)), 1e-9)
    coef = coefficients(np.log(np.maximum(grey, least)), 3)
    x, y = (moved(coef, 0, 0, 3, s).astype(float) for s in "xy")
    return np.asarray(np.hypot(x, y))


def _steepness_of_grey(pattern: Pattern) -> FloatArray:
    x, y = (moved(pattern.coef, 0, 0, 3, s).astype(float) for s in "xy")
    return np.asarray(np.hypot(x, y))


def _chess_board(shape: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    y, x = np.indices(shape) // max(4, min(shape) // SQUARES)
    black = ((x + y) % 2).astype(np.float32)
    return black, 1 - black

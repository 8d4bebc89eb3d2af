"""A target that looks otherwise than it did in the frames its template was made of.

A layer that grows on it or a texture that changes leaves residuals that are smooth over a few
pixels, which noise is not. How much of the change looks like a motion, the fit has taken for one,
and nothing in the frame says how much that was. What is left tells how strong the change is, and
a strong one stands in the uncertainty in two parts: how far the regions of the target say
different places, and what an outline that has moved outwards as far as the residuals show it does
to the place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray, Image
from tem_track.tracking.fit import Fit, Pattern
from tem_track.tracking.information import scores_of, slopes_at_rest, squares
from tem_track.tracking.noise import variance
from tem_track.tracking.outward import Outward
from tem_track.tracking.splines import MARGIN, moved

__all__ = [
    "BLOCK_PX",
    "SIDES",
    "Change",
    "Moves",
    "Usual",
    "doubt_of_change",
    "region_sizes",
    "rest_at",
    "structure",
    "usual",
]

SURE = 4.0
"""Deviations of the usual frames' structure that a changed look exceeds."""
ASKED = 2.0
"""Deviations of the usual frames' chi2 from which on a frame's structure is looked at."""
BLOCK_PX = 4
"""Side of the blocks whose residuals are summed: noise averages out in them, structure does not."""
SIDES = 4
"""Independent parts in which a change shows: as many sides as a target has."""
REGION_PX = 16
"""Least side of the squares that are asked whether they have moved for themselves."""
LARGE_REGIONS = 3
"""Large squares along the shorter side of the box."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What the residuals of frames are that look as the template does.

    Attributes
    ----------
    chi2 : float
        Mean square over the variance up to which nothing more is asked.
    typical, most : float
        Structured part of the squares' sum, and the largest that is no change.
    moves : Moves or None
        What a change does to the place; worked out where it is asked for if it is not known.
    """

    chi2: float = math.inf
    typical: float = 0.0
    most: float = math.inf
    moves: Moves | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """How the residuals of a fit without a turn stand for an error of its place.

    Attributes
    ----------
    influence : float32 (2, h, w)
        What a pixel's residual adds to (x, y).
    part : float64 (h, w)
        How much of the information is a pixel's.
    outwards : float32 (h, w)
        Weights of the residuals that read an outward move of the outline.
    pull : float64 (2,)
        What such a move by one pixel adds to (x, y).
    """

    influence: NDArray[np.float32]
    part: FloatArray
    outwards: NDArray[np.float32]
    pull: FloatArray

    @classmethod
    def of(cls, pattern: Pattern) -> Moves:
        """Work them out for a pattern."""
        value, slopes = slopes_at_rest(pattern, (0.0, 0.0), False)
        scores = scores_of(pattern, value, slopes)
        inverse = np.linalg.pinv(np.einsum("nyx,myx->nm", scores, slopes))
        influence = np.asarray(np.einsum("nm,myx->nyx", inverse, scores), np.float32)
        part = np.einsum("nyx,nyx->yx", scores, slopes)
        outward = Outward.of(pattern, value, slopes)
        nothing = np.zeros(pattern.shape, np.float32)
        read, pull = (nothing, np.zeros(2)) if outward is None else (outward.reading, outward.pull)
        return cls(influence, part / part.sum(), read, pull)

    def apart_px2(self, rest: FloatArray) -> FloatArray:
        """Return the covariance (2, 2) of a place about which the regions do not agree.

        A region's own pull on the fit is undone as by a jackknife; regions from small to half a
        box are asked, and the largest answer counts. What all have in common has moved the fit and
        is not seen: it is taken to be as much as what they differ by.
        """
        pulls = self.influence * rest
        answers = []
        for size in (*region_sizes(rest.shape), -(-min(rest.shape) // 2)):
            own = np.clip(squares(self.part[None], size)[0], 0, 0.5)
            sums = squares(pulls, size) / (1 - own)
            answers.append(np.einsum("nyx,myx->nm", sums, sums))
        return np.asarray(2 * max(answers, key=lambda each: float(np.trace(each))))

    def outwards_px(self, rest: FloatArray) -> FloatArray:
        """Return what the outward move that the residuals show does to the place (x, y)."""
        return float(np.vdot(self.outwards, rest.astype(np.float32))) * self.pull


def region_sizes(shape: tuple[int, ...]) -> list[int]:
    """Return the sides in px of the squares in which a box of a shape (h, w) is asked."""
    return sorted({REGION_PX, max(REGION_PX, min(shape) // LARGE_REGIONS)})


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A look that changes for good.

    Attributes
    ----------
    frame : int
        The first sampled frame that shows the other look.
    doubt_px2 : float64 (2, 2)
        Covariance (x, y) of what of it looks like a motion.
    """

    frame: int
    doubt_px2: FloatArray


def structure(rest: NDArray[np.floating], value: FloatArray, pattern: Pattern) -> float:
    """Return the part of the residuals' squares, over their variance, that is smooth over pixels.

    Parameters
    ----------
    rest, value : FloatArray (h, w)
        Residuals, and the template's grey less its level.
    pattern : Pattern
    """
    relative = pattern.share * rest / np.sqrt(variance(pattern.noise.astype(float), value))
    blocks = float((squares(relative[None], BLOCK_PX) ** 2).sum()) / BLOCK_PX**2
    white = float((relative**2).sum()) / BLOCK_PX**2
    return (blocks - white) / (1 - 1 / BLOCK_PX**2)


def usual(chi2: FloatArray, structures: FloatArray, pattern: Pattern) -> Usual:
    """Return what is usual in the frames (n,) that a pattern was made of."""
    typical, spread = _middle(structures)
    asked = _middle(chi2)[0] + ASKED * _middle(chi2)[1]
    return Usual(asked, typical, typical + SURE * spread, Moves.of(pattern))


def _middle(values: FloatArray) -> tuple[float, float]:
    middle = float(np.median(values))
    return middle, 1.4826 * float(np.median(np.abs(values - middle)))


def doubt_of_change(image: Image, fit: Fit, pattern: Pattern, known: Usual) -> FloatArray:
    """Return the covariance (2, 2) of a place that an unusual look leaves; 0 where it is usual.

    Parameters
    ----------
    image : Image
    fit : Fit
        In that image.
    pattern : Pattern
    known : Usual
    """
    nothing = np.zeros((2, 2))
    if fit.chi2 / max(fit.gain, 1.0) <= known.chi2:
        return nothing
    rest, value = rest_at(image, fit, pattern)
    if structure(rest, value, pattern) - known.typical * fit.seen <= known.most - known.typical:
        return nothing
    moves = Moves.of(pattern) if known.moves is None else known.moves
    outwards = moves.outwards_px(rest)
    return moves.apart_px2(rest) + np.outer(outwards, outwards)


def rest_at(image: Image, fit: Fit, pattern: Pattern) -> tuple[FloatArray, FloatArray]:
    """Return what a fit without a turn leaves, and the template's grey less its level, both (h, w).

    Beyond the frame's border nothing is left.
    """
    x, y = round(fit.x_px), round(fit.y_px)
    h, w = pattern.shape
    part = image[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)].astype(np.float32)
    top, left = max(-y, 0), max(-x, 0)
    held = (slice(top, top + part.shape[0]), slice(left, left + part.shape[1]))
    inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    value = moved(pattern.coef, x - fit.x_px, y - fit.y_px, 3)[inner].astype(float)
    rest = np.zeros((h, w))
    rest[held] = (part - np.float32(pattern.level + fit.offset)) / np.float32(fit.gain)
    rest[held] -= value[held]
    return rest, value

"""How far a target's outline moves outwards over the movie, and what that does to its place.

Carbon that grows on a tip moves its slanted sides apart, which looks like a motion along the tip.
Where texture or a face across the axis says otherwise, the two are told from one another: the
outward move of every sampled frame is read from its residuals. Where it has a slow part, which
noise has not, every frame's reading undoes the pull on the fit as far as it is seen; the
uncertainty says that it is more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray, Image
from tem_track.tracking.fit import Fit, Pattern
from tem_track.tracking.information import scores_of
from tem_track.tracking.noise import variance
from tem_track.tracking.splines import MARGIN, moved

__all__ = ["DOUBT", "Outward", "brighter_side", "grows"]

NORMAL_BLUR_PX = 4.0
"""Smoothing before the direction of an outline is read."""
FAINT = 0.2
"""Slope, over the steepest, that counts half as an outline."""
FEWEST = 8
"""Frames from which on slow and fast are told apart."""
LEAST_PX = 0.08
"""Slow outward move from which on it is undone."""
SURE = 4.0
"""The same over what noise alone makes of it, as standard deviations."""
DOUBT = 1.5
"""Uncertainty over the undone pull: a layer is no mere move of an outline, and reads as less."""


def brighter_side(
    pattern: Pattern,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the direction (x, y) of the brighter side, (h + 2 MARGIN, w + 2 MARGIN) each.

    It is a unit vector on the outline and fades on fainter texture, which nothing makes wider.
    """
    grey = cv2.GaussianBlur(moved(pattern.coef, 0, 0, 3), (0, 0), NORMAL_BLUR_PX)
    x, y = (cv2.Sobel(grey, cv2.CV_32F, *order, ksize=3) for order in ((1, 0), (0, 1)))
    size = np.hypot(x, y)
    size += FAINT * float(size.max()) + 1e-12
    return np.asarray(x / size, np.float32), np.asarray(y / size, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Outward:
    """What reads the outward move of a frame from its residuals, and undoes its pull.

    Attributes
    ----------
    reading : float32 (h, w)
        Weights of the residuals; shift, turn, gain and offset are no part of it.
    pull : float64 (n,)
        What a move by one pixel adds to (x, y[, turn]) in a fit that knows nothing of it.
    zero_px : float
        The reference frame's reading.
    u_px : float
        Standard deviation of a reading from noise.
    """

    reading: NDArray[np.float32]
    pull: FloatArray
    zero_px: float = 0.0
    u_px: float = 0.0

    @classmethod
    def of(cls, pattern: Pattern, value: FloatArray, slopes: FloatArray) -> Outward | None:
        """Begin with a pattern, its values (h, w) and slopes (n, h, w) at rest."""
        inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
        nx, ny = (part[inner].astype(float) for part in brighter_side(pattern))
        wider = -(nx * slopes[0] + ny * slopes[1])
        weight = pattern.slope_share / variance(pattern.noise.astype(float), value)
        known = np.array([np.ones_like(value), value, *slopes])
        normal = np.einsum("ayx,byx,yx->ab", known, known, weight)
        cross = np.einsum("ayx,yx,yx->a", known, wider, weight)
        own = wider - np.einsum("a,ayx->yx", np.linalg.pinv(normal, hermitian=True) @ cross, known)
        strength = float((weight * own * own).sum())
        if not strength > 0:
            return None
        scores = scores_of(pattern, value, slopes)
        information = np.einsum("nyx,myx->nm", scores, slopes)
        pull = -np.linalg.pinv(information) @ np.einsum("nyx,yx->n", scores, wider)
        return cls(np.asarray(weight * own / strength, np.float32), pull)

    def read(self, rest: NDArray[np.float32]) -> float:
        """Return the outward move (px) that the residuals (h, w) of a frame show."""
        return float(np.vdot(self.reading, rest))

    def in_frame(self, image: Image, fit: Fit, pattern: Pattern) -> float | None:
        """Return a frame's outward move against the reference; None where a part is out of view."""
        x, y = round(fit.x_px), round(fit.y_px)
        h, w = pattern.shape
        part = image[max(y, 0) : y + h, max(x, 0) : x + w].astype(np.float32)
        if fit.seen < 1 or part.shape != (h, w):
            return None
        inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
        part -= np.float32(pattern.level + fit.offset)
        part *= np.float32(1 / fit.gain)
        part -= moved(pattern.coef, x - fit.x_px, y - fit.y_px, 3)[inner]
        return self.read(part) - self.zero_px


def grows(outward: Outward, moves: FloatArray, reference_px: float) -> Outward | None:
    """Return the reader for a target whose outline moves over the movie, None where none does.

    Parameters
    ----------
    outward : Outward
    moves : float64 (n,)
        Readings of the sampled frames, in their order in time.
    reference_px : float
        Reading of the reference frame.
    """
    slow = slow_variance(moves)
    noise = max(float(np.var(moves)) - slow, 0.0)
    by_chance = noise / math.sqrt(max(len(moves), 1))
    if slow < max(LEAST_PX**2, SURE * by_chance):
        return None
    return replace(outward, zero_px=reference_px, u_px=math.sqrt(noise))


def slow_variance(series: FloatArray) -> float:
    """Return the variance of a series without that of its noise, which neighbours do not share."""
    if len(series) < FEWEST:
        return 0.0
    noise = 0.5 * float(np.mean(np.diff(series) ** 2))
    return max(float(np.var(series)) - noise, 0.0)

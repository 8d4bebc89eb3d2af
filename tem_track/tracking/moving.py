"""Which of a box's pixels move with the target, and how much a pixel varies by itself.

Two things are asked. A pixel whose residuals mean a motion of its own of a good part of a pixel
belongs to something else and is left out. A region that seems to move by less, since a specimen
comes to touch a face or a film behind moves otherwise, keeps its place and loses its weight: its
own motion is a variance beside that of its noise, and the two together are what its slopes say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.cores import hands, in_turn
from tem_track.records import FloatArray
from tem_track.tracking.crops import SLACK, Crop
from tem_track.tracking.fit import Fit, Pattern
from tem_track.tracking.information import slopes_at_rest
from tem_track.tracking.noise import noise_of_grey, variance
from tem_track.tracking.registration import good_fits, residuals
from tem_track.tracking.splines import MARGIN, moved
from tem_track.tracking.template import SLOPE_NOISE, Template

__all__ = ["learn_pixels"]

POOL_PX = 3.0
"""Standard deviation of the window over which a pixel's residuals are averaged."""
RIM_PX = 5
"""Pixels around the box that are looked at as well.

What moves otherwise just outside, a specimen that comes to touch a face along which the box was
drawn, reaches in by the width of a lens's blur.
"""
OWN_MOTION_PX = 0.4
"""Motion of its own, in px rms, that a pixel may have before it is left out."""
ODD_EXCESS = 0.1
ODD_SIGMAS = 5.0
"""The residuals that are believed: over the noise's variance, and in standard deviations of it."""
REGION_PX = 4.0
"""Standard deviation of the window within which pixels are taken to move alike."""
CALM_PART = 0.5
"""Part of what is told of the position, by the calmer regions, that sets what is typical."""
CALM_PX = 0.01
"""Least motion of its own that is called typical."""
TOLD_PX = 0.02
"""Motion of its own that every region is granted when that part is counted."""
ODD_MOTION = 1.0
"""A region's variance over the typical one, from which on it weighs less.

What all regions share, a film behind say, is no reason to prefer one: few of its states are seen,
and weights made from them would be made of chance. So it is with a post that bends.
"""
ODD_PIXEL = 9.0
"""The same for a pixel that is left out altogether."""
NEAR_PX = 6
"""Reach of what plainly moves otherwise: pixels so near are left out for slighter signs of it.

What comes to touch a face ends nowhere sharply: lens and fringe carry it on, and along the face
the contact grows slowly.
"""
NEAR_PART = 0.25
"""The least motion of theirs, over that of the others."""
NEAR_SIGMAS = 3.0
"""Standard deviations from which on such a sign counts."""
PLAIN_PART = 0.05
"""Change of grey, over the box's range, that is something else and not a codec's ripple."""
LEAST_LEFT = 0.2
"""Part of what is told along either axis that slighter signs must leave."""
FEWEST_FRAMES = 5
"""With fewer, a region's motion is not told from its noise."""
EARLY_PX = 0.3
"""Motion of its own that every region is granted before anything is known of it.

So most regions decide at first, and not the one steep edge.
"""
SURE_MOTION = 3.0
"""Standard errors of the noise that a region's own motion has to exceed."""


def learn_pixels(
    state: Template, stack: list[Crop], fits: list[Fit | None], pattern: Pattern
) -> None:
    """Learn the variance of every pixel, and which pixels move with the target."""
    good = good_fits(fits)
    if len(good) < 2:
        state.trust = 1.0
        return
    total = np.zeros((state.shape[0] + 2 * RIM_PX, state.shape[1] + 2 * RIM_PX))
    count = np.zeros(total.shape)
    inside = (slice(RIM_PX, -RIM_PX), slice(RIM_PX, -RIM_PX))
    regions = _Regions(pattern)

    def of_frames(some: Sequence[int]) -> tuple[Any, FloatArray, FloatArray]:
        count: Any = 0.0
        squared, motions = np.zeros(total.shape), regions.zeros()
        for k in some:
            fit = fits[k]
            assert fit is not None
            rest, held = residuals(stack[k], fit, pattern, state, RIM_PX)
            motions += regions.squares_of(rest[inside])
            rest *= rest
            squared += rest
            count = count + (1.0 if held is None else held)
        return count, squared, motions

    for held, squared, motions in in_turn(of_frames, hands(good)):
        count += held
        total += squared
        regions.add(motions)
    mean_square = total / np.maximum(count, 1)
    box = (slice(SLACK - RIM_PX, RIM_PX - SLACK), slice(SLACK - RIM_PX, RIM_PX - SLACK))
    support = np.pad(state.support, RIM_PX, mode="edge")
    seen = np.minimum(count, support) >= max(1.5, min(len(good), state.n_frames) / 4)
    seen &= np.pad(state.usable, RIM_PX, mode="edge")
    grey = state.template[box] - state.base
    learnt = seen[inside] & state.mask
    state.noise = noise_of_grey(grey[inside], mean_square[inside], learnt, len(good))
    by_grey = variance(state.noise, grey)
    excess = mean_square * len(good) / (len(good) - 1) / by_grey - 1
    typical = regions.typical(len(good))
    most = max(OWN_MOTION_PX**2, ODD_PIXEL * typical)
    slopes2 = _squared_slopes(pattern)
    told = _Told(excess, seen, by_grey, len(good), slopes2)
    odd = told.moves_otherwise(most)
    if state.rounds >= state.early_rounds:
        low, high = np.quantile(grey[inside], [0.02, 0.98])
        plain = odd & (told.smooth(excess * by_grey) > (PLAIN_PART * (high - low)) ** 2)
        slight = told.moves_otherwise(NEAR_PART**2 * most, 0.0, NEAR_SIGMAS)
        more = odd | (slight & _near(plain))
        odd = more if _tells_enough(slopes2, by_grey, seen & ~odd, seen & ~more) else odd
    state.mask = (seen & ~odd)[inside]
    state.trust = (
        regions.capped() if state.rounds < state.early_rounds else regions.trust(len(good), typical)
    )
    if len(good) < FEWEST_FRAMES:
        state.trust = 1.0


class _Regions:
    """The motion of every region against the fit of the whole, across its own edges.

    A region's apparent motion in one frame is its scores' sum over its information. Their mean
    square over the frames, less what noise makes, is the variance of its own motion.
    """

    def __init__(self, pattern: Pattern) -> None:
        """Begin with a pattern, whose slopes and noise tell what a region could say at best."""
        value, slopes = slopes_at_rest(pattern, (0.0, 0.0), False)
        weight = pattern.share / variance(pattern.noise.astype(float), value)
        self._slopes, self._scores = slopes, np.asarray(weight * slopes, np.float32)
        xx, xy, yy = self._tensor(REGION_PX)
        angle = 0.5 * np.arctan2(2 * xy, xx - yy)
        self._cos, self._sin = np.cos(angle), np.sin(angle)
        self._information = np.maximum(self._across(xx, xy, yy), 1e-12)
        narrow = self._tensor(REGION_PX / math.sqrt(2))
        narrow = [part / (4 * math.pi * REGION_PX**2) for part in narrow]
        self._noise = self._across(*narrow) / self._information**2
        self._shape = value.shape
        self._squares = self.zeros()

    def zeros(self) -> FloatArray:
        """Return what squared motions are added to."""
        return np.zeros(self._noise.shape)

    def squares_of(self, rest: NDArray[np.float32]) -> FloatArray:
        """Return every region's squared motion by the residuals (h, w) of a frame."""
        x, y = (_pooled(part * rest, REGION_PX) for part in self._scores)
        return np.asarray(((self._cos * x + self._sin * y) / self._information) ** 2)

    def add(self, squares: FloatArray) -> None:
        """Take in the squared motions of some frames."""
        self._squares += squares

    def capped(self) -> FloatArray:
        """Return the share that leaves no region more to say than a tolerance of its motion."""
        return self._full(self._noise / (self._noise + EARLY_PX**2))

    def trust(self, n_frames: int, typical: float) -> FloatArray:
        """Return the noise's share in the variance of every region's motion, 0 to 1."""
        sure = 1 + SURE_MOTION * math.sqrt(2 / n_frames)
        own = np.maximum(self._squares / (n_frames - 1) - sure * self._noise, 0)
        odd = np.maximum(own - ODD_MOTION * typical, 0)
        return self._full((self._noise + 1e-12) / (self._noise + odd + 1e-12))

    def typical(self, n_frames: int) -> float:
        """Return the variance of motion that the calmer regions have."""
        own = np.maximum(self._squares / (n_frames - 1) - self._noise, 0).ravel()
        order = np.argsort(own)
        told = np.cumsum(1 / (self._noise.ravel()[order] + TOLD_PX**2))
        return max(float(own[order][np.searchsorted(told, CALM_PART * told[-1])]), CALM_PX**2)

    def _full(self, pooled: FloatArray) -> FloatArray:
        h, w = self._shape
        return np.asarray(cv2.resize(pooled, (w, h), interpolation=cv2.INTER_LINEAR))

    def _tensor(self, size_px: float) -> list[FloatArray]:
        (sx, sy), (gx, gy) = self._scores, self._slopes
        return [_pooled(product, size_px) for product in (sx * gx, sx * gy, sy * gy)]

    def _across(self, xx: FloatArray, xy: FloatArray, yy: FloatArray) -> FloatArray:
        c, s = self._cos, self._sin
        return np.asarray(c * c * xx + 2 * c * s * xy + s * s * yy)


def _pooled(values: FloatArray, size_px: float) -> FloatArray:
    """Return the mean over a window at every second pixel of both axes; nothing lies outside."""
    h, w = values.shape
    padded = np.zeros((h + h % 2, w + w % 2), np.float32)
    padded[:h, :w] = values
    half = cv2.resize(padded, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    narrow = math.sqrt(size_px**2 - 0.25) / 2
    return np.asarray(cv2.GaussianBlur(half, (0, 0), narrow, borderType=cv2.BORDER_CONSTANT), float)


class _Told:
    """What the residuals say of every pixel, smoothed over those that are seen.

    The excess over noise is put in terms of a displacement: the same excess is harmless on a
    steep edge, where compression or the fit's own error makes it, and fatal where the template
    is flat and something else has passed by.
    """

    def __init__(
        self,
        excess: FloatArray,
        seen: NDArray[np.bool_],
        noise: FloatArray,
        n_frames: int,
        slopes2: list[FloatArray],
    ) -> None:
        self._known, self._n_frames = seen.astype(float), n_frames
        self._seen = np.maximum(_blurred(self._known), 1e-6)
        steepness = self.smooth(sum(slopes2) / noise)
        ripple = self.smooth(2 * SLOPE_NOISE * np.ones_like(noise) / n_frames)
        self._size = self.smooth(excess)
        self._motion2 = self._size / np.maximum(steepness - ripple, 1e-9)

    def smooth(self, values: FloatArray) -> FloatArray:
        """Return the mean of values about every pixel."""
        return np.asarray(_blurred(values * self._known) / self._seen)

    def moves_otherwise(
        self, most_px2: float, least: float = ODD_EXCESS, sigmas: float = ODD_SIGMAS
    ) -> NDArray[np.bool_]:
        """Tell the pixels whose residuals mean a motion of their own."""
        pooled = 4 * math.pi * POOL_PX**2
        sure = self._size > least + sigmas * math.sqrt(2 / (self._n_frames - 1) / pooled)
        return np.asarray(sure & (self._motion2 > most_px2))


def _blurred(values: FloatArray) -> FloatArray:
    return np.asarray(
        cv2.GaussianBlur(values, (0, 0), POOL_PX, borderType=cv2.BORDER_REFLECT), float
    )


def _squared_slopes(pattern: Pattern) -> list[FloatArray]:
    """Return the squares of the slopes along x and y, rim included."""
    rim = (slice(MARGIN - RIM_PX, RIM_PX - MARGIN), slice(MARGIN - RIM_PX, RIM_PX - MARGIN))
    return [moved(pattern.coef, 0, 0, 3, s)[rim].astype(float) ** 2 for s in "xy"]


def _near(plain: NDArray[np.bool_]) -> NDArray[np.bool_]:
    size = 2 * NEAR_PX + 1
    return np.asarray(cv2.dilate(plain.astype(np.uint8), np.ones((size, size))) > 0)


def _tells_enough(
    slopes2: list[FloatArray],
    noise: FloatArray,
    before: NDArray[np.bool_],
    after: NDArray[np.bool_],
) -> bool:
    """Tell whether the pixels that are left say enough of both axes."""
    told = [square / noise for square in slopes2]
    return all(one[after].sum() >= LEAST_LEFT * one[before].sum() for one in told)

"""Which of a box's pixels move with the target, and how much a pixel varies by itself."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray
from tem_track.tracking.crops import SLACK, Crop
from tem_track.tracking.fit import Fit, Pattern
from tem_track.tracking.information import slopes_at_rest
from tem_track.tracking.noise import noise_of_grey, variance
from tem_track.tracking.registration import good_fits, residuals
from tem_track.tracking.template import SLOPE_NOISE, Template

__all__ = ["learn_pixels"]

POOL_PX = 3.0
OWN_MOTION_PX = 0.4
ODD_EXCESS = 0.25


def learn_pixels(
    state: Template, stack: list[Crop], fits: list[Fit | None], pattern: Pattern
) -> None:
    """Learn the variance of every pixel, and which pixels move with the target."""
    good = good_fits(fits)
    if len(good) < 2:
        return
    total = np.zeros(state.shape)
    count = np.zeros(state.shape)
    for k in good:
        fit = fits[k]
        assert fit is not None
        rest = residuals(stack[k], fit, pattern, state)
        count += np.isfinite(rest)
        total += np.nan_to_num(rest) ** 2
    mean_square = total / np.maximum(count, 1)
    box = (slice(SLACK, -SLACK), slice(SLACK, -SLACK))
    seen = np.minimum(count, state.support) >= max(1.5, len(good) / 4)
    seen &= state.usable
    grey = state.template[box] - state.base
    state.noise = noise_of_grey(grey, mean_square, seen & state.mask, len(good))
    by_grey = variance(state.noise, grey)
    excess = mean_square * len(good) / (len(good) - 1) / by_grey - 1
    state.mask = seen & ~_moves_otherwise(excess, seen, by_grey, len(good), pattern, state)


def _moves_otherwise(
    excess: FloatArray,
    seen: NDArray[np.bool_],
    noise: FloatArray,
    n_frames: int,
    pattern: Pattern,
    state: Template,
) -> NDArray[np.bool_]:
    """Tell the pixels whose residuals mean a motion of their own.

    The excess over noise is put in terms of a displacement: the same excess is harmless on a
    steep edge, where compression or the fit's own error makes it, and fatal where the template
    is flat and something else has passed by.
    """
    _, slopes = slopes_at_rest(pattern, state.pivot_px, False)
    steepness = _smooth((slopes**2).sum(axis=0) / noise, seen)
    ripple = _smooth(2 * SLOPE_NOISE * np.ones_like(noise) / n_frames, seen)
    size = _smooth(excess, seen)
    pooled = 4 * math.pi * POOL_PX**2
    sure = size > ODD_EXCESS + 5 * math.sqrt(2 / (n_frames - 1) / pooled)
    motion2 = size / np.maximum(steepness - ripple, 1e-9)
    return sure & (motion2 > OWN_MOTION_PX**2)


def _smooth(values: FloatArray, seen: NDArray[np.bool_]) -> FloatArray:
    known = seen.astype(float)
    top = cv2.GaussianBlur(values * known, (0, 0), POOL_PX, borderType=cv2.BORDER_REFLECT)
    low = cv2.GaussianBlur(known, (0, 0), POOL_PX, borderType=cv2.BORDER_REFLECT)
    return np.asarray(top / np.maximum(low, 1e-6))

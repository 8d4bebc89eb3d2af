"""A target whose look changes for good: a further reference is looked for at the movie's ends.

The outline outlasts a flip of contrast or a new texture. Where every sampled frame from some
point on is lost, the outline is searched for in the middle one of them; the look that grows from
there is kept only if its own outline fits that of the first look. A sheet that hides the target
has no such outline, and an over-exposed or blurred stretch is lost and stays so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import Box, Image, Match, Target
from tem_track.tracking.coarse import reduce_image
from tem_track.tracking.fit import part_at_peak
from tem_track.tracking.linking import linked
from tem_track.tracking.look import Look
from tem_track.tracking.reasons import CHANGED, NO_FIT, UNLIKE
from tem_track.tracking.splines import MARGIN, moved
from tem_track.tracking.tracker import Tracker

__all__ = ["is_carried_on", "lost_stretches", "outline_at"]

FEWEST_FRAMES = 5
"""Least length of a stretch of lost frames in the sample; fewer are an accident."""
FEWEST_PART = 0.1
"""Least part of the sampled frames that a stretch must have."""
AS_IF_CHANGED = (NO_FIT, UNLIKE, CHANGED, "not found", "contrast is gone", "")
BLUR_PX = 1.5
"""Standard deviation of the blur before outlines are compared."""
LEAST_LIKE = 0.4
"""Least correlation of the outlines in the search."""
LEAST_SHARP = 0.5
"""Least steepness over contrast of a further look, over that of the first."""


def lost_stretches(found: Sequence[tuple[int, Match]]) -> set[int]:
    """Return the middle frame of every stretch at an end of the movie that is lost throughout.

    Parameters
    ----------
    found : sequence of (int, Match)
        The sampled frames in order, by number, and what was found in each.
    """
    lost = [(index, match.lost, match.reason) for index, match in found]
    middles = set()
    for rows in (lost, lost[::-1]):
        stretch = []
        for index, is_lost, reason in rows:
            if not is_lost:
                break
            stretch.append((index, reason in AS_IF_CHANGED))
        enough = max(FEWEST_FRAMES, FEWEST_PART * len(lost))
        if enough <= len(stretch) < len(lost) and np.mean([c for _, c in stretch]) > 0.5:
            middles.add(stretch[len(stretch) // 2][0])
    return middles


def outline_at(image: Image, target: Target, look: Look) -> Box | None:
    """Return the target's box where its outline is found in a frame."""
    factor = max(1, look.coarse.factor // 2)
    inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    template = reduce_image(_outline(look.pattern.coef)[inner], factor)
    picture = reduce_image(_outline(image.astype(np.float32)), factor)
    if any(a < b for a, b in zip(picture.shape, template.shape, strict=True)):
        return None
    answer = cv2.matchTemplate(picture, template, cv2.TM_CCOEFF_NORMED)
    _, value, _, (u, v) = cv2.minMaxLoc(answer)
    x, y = u * factor, v * factor
    h, w = look.pattern.shape
    part = image[y : y + h, x : x + w].astype(np.float32)
    if value < LEAST_LIKE or part.shape != (h, w) or part_at_peak(part) > look.limits.at_peak:
        return None
    return replace(target.references[0].box, x_px=float(x), y_px=float(y))


def is_carried_on(tracker: Tracker, sharp: Look) -> bool:
    """Tell whether the further looks of a tracker belong to its first and are as sharp."""
    others = tracker.looks[1:]
    return all(
        linked(look) and _sharpness(look) > LEAST_SHARP * _sharpness(sharp) for look in others
    )


def _outline(image: NDArray[np.float32]) -> NDArray[np.float32]:
    smooth = cv2.GaussianBlur(image, (0, 0), BLUR_PX)
    x, y = (cv2.Sobel(smooth, cv2.CV_32F, *order, ksize=3) for order in ((1, 0), (0, 1)))
    return np.asarray(np.hypot(x, y), np.float32)


def _sharpness(look: Look) -> float:
    """Return the steepest slope over the range of grey: less where it is blurred."""
    inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    grey = moved(look.pattern.coef, 0, 0, 3).astype(float)
    x, y = (moved(look.pattern.coef, 0, 0, 3, s).astype(float)[inner] for s in "xy")
    low, high = np.quantile(grey[inner], [0.02, 0.98])
    return float(np.quantile(np.hypot(x, y), 0.995)) / max(float(high - low), 1e-9)

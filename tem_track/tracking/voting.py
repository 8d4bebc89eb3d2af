"""The first registration, by vote: the parts of a box say where it is, and most win.

A hand-drawn box holds more than its target. Before anything is learnt of which pixels move with
it, a fit of the whole box is dragged along by the rest, for instance by a gap that has closed.
So every part is fitted for itself, and the place at which most parts agree with the template is
kept, with the list of these parts. The cost is a truncated sum of squares, as in robust
regression.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray, Image
from tem_track.tracking.fit import Pattern, fit_pattern
from tem_track.tracking.splines import MARGIN, moved

__all__ = ["BLUR_PX", "Vote", "vote"]

BLUR_PX = 1.0
BLOCK_PX = 12
PARTS = 3
TOLERANCE_PX = 0.4
OUTLIER = 6.0
REACH_PX = 10


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


def vote(image: Image, pattern: Pattern, starts: list[tuple[float, float]]) -> Vote | None:
    """Find the place near the starts at which most parts agree.

    Parameters
    ----------
    image : Image
    pattern : Pattern
        The template, blurred by BLUR_PX; its noise is that before the blur.
    starts : list of (float, float)
        Places (x, y) of the box's top-left pixel to begin with.
    """
    x0, y0, part = _surroundings(image, pattern, starts)
    if part.size == 0:
        return None
    here = [(x - x0, y - y0) for x, y in starts]
    places = list(here)
    for sub, dx, dy in _parts(pattern):
        for x, y in here:
            fit = fit_pattern(part, sub, (x + dx, y + dy))
            if fit is not None:
                places.append((fit.x_px - dx, fit.y_px - dy))
    judged = [_judge(part, pattern, x, y) for x, y in places]
    known = [(cost, found) for cost, found in judged if found is not None]
    if not known:
        return None
    _, best = min(known, key=lambda pair: pair[0])
    best = _settled(part, pattern, best)
    return replace(best, x_px=best.x_px + x0, y_px=best.y_px + y0)


def _surroundings(
    image: Image, pattern: Pattern, starts: list[tuple[float, float]]
) -> tuple[int, int, NDArray[np.float32]]:
    h, w = pattern.shape
    x0 = max(0, int(min(x for x, _ in starts)) - REACH_PX)
    y0 = max(0, int(min(y for _, y in starts)) - REACH_PX)
    x1 = int(max(x for x, _ in starts)) + w + REACH_PX
    y1 = int(max(y for _, y in starts)) + h + REACH_PX
    part = image[y0 : max(y1, 0), x0 : max(x1, 0)].astype(np.float32)
    if part.size:
        part = np.asarray(cv2.GaussianBlur(part, (0, 0), BLUR_PX), np.float32)
    return x0, y0, part


def _parts(pattern: Pattern) -> list[tuple[Pattern, int, int]]:
    """Cut the pattern into overlapping parts; return each with its place in the box."""
    h, w = pattern.shape
    found = []
    for y, tall in _spans(h):
        for x, wide in _spans(w):
            inside = (slice(y, y + tall), slice(x, x + wide))
            reach = (slice(y, y + tall + 2 * MARGIN), slice(x, x + wide + 2 * MARGIN))
            sub = replace(
                pattern,
                coef=pattern.coef[reach],
                share=pattern.share[inside],
                slope_share=pattern.share[inside],
            )
            found.append((sub, x, y))
    return found


def _spans(length: int) -> list[tuple[int, int]]:
    size = max(min(length, 24), length // 2)
    return [(round(start), size) for start in np.linspace(0, length - size, PARTS)]


def _settled(part: Image, pattern: Pattern, found: Vote) -> Vote:
    """Fit the parts that agree together, twice."""
    for _ in range(2):
        share = pattern.share * found.mask
        joint = replace(pattern, share=share, slope_share=share)
        fit = fit_pattern(part, joint, (found.x_px, found.y_px))
        if fit is None:
            return found
        _, again = _judge(part, pattern, fit.x_px, fit.y_px)
        if again is None or again.agreed < 0.9 * found.agreed:
            return found
        found = again
    return found


def _judge(part: Image, pattern: Pattern, x: float, y: float) -> tuple[float, Vote | None]:
    """Return the truncated cost of a place, and the blocks that agree there."""
    ix, iy = round(x), round(y)
    h, w = pattern.shape
    top, bottom = max(0, -iy), min(h, part.shape[0] - iy)
    left, right = max(0, -ix), min(w, part.shape[1] - ix)
    if (bottom - top) * (right - left) < 0.4 * h * w or max(abs(x - ix), abs(y - iy)) > 1:
        return np.inf, None
    inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    value = moved(pattern.coef, ix - x, iy - y, 3)[inner].astype(float)
    slope = moved(pattern.coef, 0, 0, 3, "x")[inner] ** 2
    slope = slope + moved(pattern.coef, 0, 0, 3, "y")[inner] ** 2
    seen = np.zeros((h, w))
    seen[top:bottom, left:right] = pattern.share[top:bottom, left:right]
    grey = np.zeros((h, w))
    grey[top:bottom, left:right] = part[iy + top : iy + bottom, ix + left : ix + right]
    grey -= pattern.level
    allowed = _blocks(seen * (pattern.noise[0] * 0.2 + TOLERANCE_PX**2 * slope)) + 1e-9
    weight = seen
    for _ in range(3):
        offset, gain = _line(value, grey, weight)
        squares = _blocks(seen * ((grey - offset) / max(gain, 0.05) - value) ** 2) / allowed
        good = squares < OUTLIER
        mask = _spread(good, (h, w))
        if not (seen * mask).any() or gain <= 0.05:
            return np.inf, None
        weight = seen * mask
    structure = _blocks(seen * slope) + 1e-3 * _blocks(seen * slope.mean())
    cost = float((structure * np.minimum(squares, OUTLIER)).sum())
    agreed = float((structure * good).sum() / max(float(structure.sum()), 1e-9))
    return cost, Vote(x, y, agreed, mask)


def _line(value: FloatArray, grey: FloatArray, weight: FloatArray) -> tuple[float, float]:
    """Return offset and gain of the line that takes template to frame."""
    total = max(float(weight.sum()), 1e-9)
    mean_v, mean_g = float((weight * value).sum()) / total, float((weight * grey).sum()) / total
    spread = float((weight * (value - mean_v) ** 2).sum())
    gain = float((weight * (value - mean_v) * (grey - mean_g)).sum()) / max(spread, 1e-9)
    return mean_g - gain * mean_v, gain


def _blocks(field: FloatArray) -> FloatArray:
    h, w = field.shape
    rows, columns = -(-h // BLOCK_PX), -(-w // BLOCK_PX)
    padded = np.zeros((rows * BLOCK_PX, columns * BLOCK_PX))
    padded[:h, :w] = field
    return np.asarray(padded.reshape(rows, BLOCK_PX, columns, BLOCK_PX).sum(axis=(1, 3)))


def _spread(blocks: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    wide = np.repeat(np.repeat(blocks, BLOCK_PX, axis=0), BLOCK_PX, axis=1)
    return np.asarray(wide[: shape[0], : shape[1]])

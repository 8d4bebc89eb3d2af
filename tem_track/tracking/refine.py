"""From a place of the coarse search to the fit at full size, sharp or blurred."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import cv2
import numpy as np

from tem_track.records import Image
from tem_track.tracking.coarse import Float32, Place, Reduced
from tem_track.tracking.fit import Fit, fit_pattern
from tem_track.tracking.focus import Blurs, Refocused, contrast_of_detail, refocus
from tem_track.tracking.look import Look
from tem_track.tracking.noise import variance
from tem_track.tracking.reasons import BLURRED, NO_FIT, UNLIKE, why_lost
from tem_track.tracking.splines import MARGIN, moved

__all__ = ["NO_DOUBT", "refine", "rough_place"]


NO_DOUBT = np.zeros(2)
"""The doubt (x, y) that a sharp frame adds."""
_PERHAPS_BLURRED = ("", NO_FIT, UNLIKE)
_REACH_PX = 1.5
"""How far from the right place the full fit is sure to find it."""
_ROUGH_STARTS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
"""The coarse peak can be a reduced pixel off, and from there the fit can end in a false minimum."""
_ALIKE = 0.9
"""Likeness of the reduced frame, from which on whole pixels about its place are worth a search."""
_ROUGH_REACH = 2.5
"""Reduced pixels from the coarse peak, beyond which the fit has gone astray."""


def refine(
    frame: Reduced, look: Look, place: Place, *, patient: bool, sharp: bool
) -> tuple[Refocused | None, str]:
    """Go from a coarse place to the sub-pixel fit; return it, and why it is not believed.

    Where the first way ends in a place that is not believed, the neighbours are tried as well,
    as long as nothing better is known; and where none is, a blurred template, unless the target
    was seen `sharp` in another place of the frame.
    """
    image = frame.image
    fit: Fit | None = None
    reason, start = NO_FIT, (place.x_px, place.y_px)
    for number, (x, y, turn) in enumerate(_starts(frame, look, place, patient=patient)):
        start = (x, y) if number < 2 else start
        tried = fit_pattern(
            image, look.pattern, (x, y),
            turns=look.turns, pivot_px=look.pivot_px, turn_rad=turn, free=look.free,
        )  # fmt: skip
        if fit is None or (tried is not None and tried.chi2 < fit.chi2):
            fit, reason = tried, why_lost(tried, look)
        if not reason:
            break
    contrast = _contrast(image, fit, look)
    is_sharp = not reason and not contrast < look.limits.detail_usual
    if is_sharp or (sharp and reason) or look.turns or reason not in _PERHAPS_BLURRED:
        return (None if fit is None else Refocused(fit, 0.0, NO_DOUBT)), reason
    found = refocus(image, Blurs(look.pattern), start, fit, look.free)
    if found is None:
        return None, reason
    reason = why_lost(found.fit, look)
    too_far = found.blur_px > look.limits.blur_most_px
    if not reason and (too_far or (not found.blur_px and contrast < look.limits.detail)):
        reason = BLURRED
    return found, reason


def _contrast(image: Image, fit: Fit | None, look: Look) -> float:
    """Return the contrast of the fine detail, NaN where nothing can be said."""
    if fit is None or look.detail is None or look.turns:
        return math.nan
    contrast = contrast_of_detail(image, fit, look.detail, look.pattern.level)
    return math.nan if contrast is None else contrast


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
    if place.likeness > _ALIKE:
        yield (*_whole_place(frame.image, look, x, y, 2 * factor), turn)


def _whole_place(image: Image, look: Look, x: float, y: float, reach: int) -> tuple[float, float]:
    """Return the place (x, y) in whole pixels at which the template fits the frame best.

    The reduced template of a box that ends beside an edge holds a mixture of what moves with the
    target and what does not, and its fit can be off by more than the full one reaches.

    Parameters
    ----------
    image : Image
    look : Look
    x, y : float
        About where the box's top-left pixel is.
    reach : int
        How far around, in pixels.
    """
    template, share = _values(look), look.pattern.share
    doubt = variance(look.pattern.noise.astype(float), template.astype(float))
    weight = np.sqrt(share / doubt).astype(np.float32)
    h, w = share.shape
    top, left = round(y) - reach, round(x) - reach
    rows = np.clip(np.arange(top, top + h + 2 * reach), 0, image.shape[0] - 1)
    columns = np.clip(np.arange(left, left + w + 2 * reach), 0, image.shape[1] - 1)
    around = image[np.ix_(rows, columns)].astype(np.float32) - np.float32(look.pattern.level)
    alike = cv2.matchTemplate(around, template, cv2.TM_CCOEFF_NORMED, mask=weight)
    v, u = np.unravel_index(int(np.nan_to_num(alike).argmax()), alike.shape)
    return float(left + u), float(top + v)


def _values(look: Look) -> Float32:
    """Return the template's grey values, less its level."""
    inner = slice(MARGIN, -MARGIN)
    return np.ascontiguousarray(moved(look.pattern.coef, 0.0, 0.0, 3)[inner, inner])


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

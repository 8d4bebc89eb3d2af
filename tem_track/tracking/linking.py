"""Where a later look of a target lies against the first one, and how well that is known.

A box that was drawn again is placed to a pixel at best, and a step of that size would stand in
every curve. Contrast may have flipped between the looks, so grey values say nothing; the outline
has stayed. The steepness of the first look's template, which is blind to sign, is fitted to that
of the later one, and each half of a chess board has to find the same place.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray
from tem_track.tracking.fit import Fit, Pattern, fit_pattern
from tem_track.tracking.splines import MARGIN, coefficients, moved
from tem_track.tracking.tracker import Look

__all__ = ["link", "linked", "steepness"]

DRAWN_U_PX = 0.3
"""Standard deviation of a box drawn to whole pixels, where nothing better is known."""
LEAST_U_PX = 0.1
DARKEST = 0.03
"""Part of the brightest grey below which thickness is not told."""
REACH_PX = (0.0, -3.0, 3.0)
FARTHEST_PX = 6.0
LEAST_LIKE = 0.3
"""Squared correlation of the two steepnesses."""
AGREE_PX = 0.7
SQUARES = 4


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
        return replace(later, apart_px2=DRAWN_U_PX**2 * np.eye(2))
    shift, u = found
    point = (first.point_px[0] + shift[0], first.point_px[1] + shift[1])
    return replace(later, point_px=point, apart_px2=np.diag(u**2))


def linked(look: Look) -> bool:
    """Tell whether a later look's outline was found in the first one's place."""
    return bool(look.apart_px2.max() < DRAWN_U_PX**2)


def _between(first: Pattern, later: Pattern) -> tuple[FloatArray, FloatArray] | None:
    """Return the shift (x, y) from the first to the later template and its uncertainty."""
    if first.shape != later.shape:
        return None
    share = first.share * later.share
    flat = np.array([1, 0, 0, 1], np.float32)
    steep = steepness(first)
    pattern = Pattern(coefficients(steep, 3), share, share, flat, float(steep.mean()))
    pattern = replace(pattern, coef=pattern.coef - np.float32(pattern.level))
    target = steepness(later).astype(np.float32)
    whole = _place(target, pattern)
    if whole is None or whole.likeness < LEAST_LIKE:
        return None
    place = np.array([whole.x_px, whole.y_px]) - MARGIN
    halves = []
    for half in _chess_board(first.shape):
        part = replace(pattern, share=share * half, slope_share=share * half)
        fit = fit_pattern(target, part, (whole.x_px, whole.y_px))
        if fit is None:
            return None
        halves.append((fit.x_px, fit.y_px))
    apart = np.abs(np.subtract(halves[0], halves[1]))
    if apart.max() > AGREE_PX or np.abs(place).max() > FARTHEST_PX:
        return None
    return place, np.full(2, max(float(apart.max()) / 2, LEAST_U_PX))


def _place(image: NDArray[np.float32], pattern: Pattern) -> Fit | None:
    starts = [(MARGIN + dx, MARGIN + dy) for dx in REACH_PX for dy in REACH_PX]
    found = [fit for start in starts if (fit := fit_pattern(image, pattern, start)) is not None]
    return max(found, key=lambda fit: fit.likeness, default=None)


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


def _chess_board(shape: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    y, x = np.indices(shape) // max(4, min(shape) // SQUARES)
    black = ((x + y) % 2).astype(np.float32)
    return black, 1 - black

"""A fit into the match that is written down: the point that is read, and its covariance."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tem_track.records import FloatArray, Image, Match
from tem_track.tracking.changed import doubt_of_change
from tem_track.tracking.fit import Fit, fit_pattern
from tem_track.tracking.focus import Refocused, blurred
from tem_track.tracking.look import Look
from tem_track.tracking.outward import DOUBT
from tem_track.tracking.reasons import why_lost

__all__ = ["doubted", "match_of", "of_change"]


FARTHEST_OUT_PX = 1.0
"""Outward move that is allowed for where it is not read."""


def match_of(image: Image, found: Refocused, look: Look) -> Match:
    """Read the point: the box's place, the pivot, and the turned arm from pivot to point.

    What a changed look leaves open is not in the match's covariance; `of_change` tells it.
    """
    fit, back = _without_chance(image, found.fit, look)
    cos, sin = math.cos(fit.turn_rad), math.sin(fit.turn_rad)
    ax, ay = look.point_px[0] - look.pivot_px[0], look.point_px[1] - look.pivot_px[1]
    bx, by = cos * ax - sin * ay, sin * ax + cos * ay
    covariance = _covariance(fit, look, np.array([-by, bx]), changed=found.blur_px > 0)
    covariance = covariance + np.diag(found.doubt_px**2)
    pull, of_pull = _pull(image, fit, look)
    covariance = covariance + of_pull
    if look.phase is not None:
        in_pixel, unsure = look.phase.at(fit.x_px, fit.y_px)
        pull, covariance = pull + in_pixel, covariance + np.diag(unsure)
    covariance = covariance + np.outer(back, back) / 4  # it may be there after all: two u off
    score = min(1.0, math.sqrt(fit.likeness / look.limits.likeness))
    return Match(
        fit.x_px + look.pivot_px[0] + bx - float(pull[0]),
        fit.y_px + look.pivot_px[1] + by - float(pull[1]),
        float(covariance[0, 0]),
        float(covariance[0, 1]),
        float(covariance[1, 1]),
        score,
        math.degrees(fit.turn_rad - look.turn_rad) if look.turns else 0.0,
    )


def _without_chance(image: Image, fit: Fit, look: Look) -> tuple[Fit, FloatArray]:
    """Return the fit where a far place along an edge is not believed, and the way back (x, y)."""
    back = np.zeros(2) if look.chance is None else look.chance.correction(fit.x_px, fit.y_px)
    if look.chance is None or not back.any():
        return fit, back
    start = (fit.x_px + float(back[0]), fit.y_px + float(back[1]))
    again = fit_pattern(image, look.pattern, start, free=look.chance.direction)
    if again is None or why_lost(again, look):
        return fit, 2 * back
    return again, np.zeros(2) if look.chance.is_still else back


def _pull(image: Image, fit: Fit, look: Look) -> tuple[FloatArray, FloatArray]:
    """Return how an outline that moves outwards has pulled the fit (x, y), and the covariance."""
    if look.outward is None:
        return np.zeros(2), np.zeros((2, 2))
    pull = look.outward.pull[:2]
    move = look.outward.in_frame(image, fit, look.pattern)
    if move is None:
        return np.zeros(2), FARTHEST_OUT_PX**2 * np.outer(pull, pull)
    variance = look.outward.u_px**2 + (DOUBT * move) ** 2
    return move * pull, variance * np.outer(pull, pull)


def of_change(image: Image, found: Refocused, look: Look) -> FloatArray:
    """Return the covariance (x, y) that a changed look of the target leaves, in square pixels."""
    if look.free is not None or look.turns:
        return np.zeros((2, 2))
    pattern, usual = look.pattern, look.usual
    if found.blur_px > 0:  # a layer can pass for a blur, and its residuals in all for usual ones
        pattern = blurred(pattern, found.blur_px)
        usual = replace(usual, chi2=-math.inf, moves=None)
    return doubt_of_change(image, found.fit, pattern, usual)


def _covariance(fit: Fit, look: Look, arm: FloatArray, *, changed: bool) -> FloatArray:
    """Scale the look's covariance to this frame: its noise, its contrast, the part in view.

    `arm` is the motion (x, y) of the point when the target turns by one radian; `changed` tells
    that the frame says less than the template would.
    """
    scale = max(fit.chi2 / look.limits.chi2, 0.5) / fit.gain**2
    covariance = look.covariance
    if fit.seen < 1 and look.free is not None:
        fixed = np.array([-look.free[1], look.free[0]])
        left, whole = (
            float(fixed @ m[:2, :2] @ fixed) for m in (fit.information, look.information)
        )
        covariance = covariance * whole / left
    elif (fit.seen < 1 or changed) and look.free is None:
        change = np.linalg.inv(fit.information) @ look.information
        share = float(np.trace(fit.information[:2, :2]) / np.trace(look.information[:2, :2]))
        covariance = share * change @ covariance @ change.T
    if look.turns:
        reach = np.column_stack([np.eye(2), arm])
        covariance = reach @ covariance @ reach.T
    covariance = scale * covariance + look.apart_px2
    if look.free is not None:
        covariance = covariance + look.u_free_px**2 * np.outer(look.free, look.free)
    return covariance


def doubted(match: Match, covariance: FloatArray) -> Match:
    """Return a match with a further covariance (x, y) of its place, in square pixels."""
    (xx, xy), (_, yy) = covariance
    return replace(
        match,
        xx_px2=match.xx_px2 + float(xx),
        xy_px2=match.xy_px2 + float(xy),
        yy_px2=match.yy_px2 + float(yy),
    )

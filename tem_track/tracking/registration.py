"""Registering the sampled crops on a template: fits, the choice of good ones, residuals."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray
from tem_track.tracking.crops import SLACK, Crop
from tem_track.tracking.fit import Fit, Pattern, fit_pattern
from tem_track.tracking.information import free_direction, information_of
from tem_track.tracking.splines import MARGIN, moved
from tem_track.tracking.template import Template
from tem_track.tracking.threads import at_once

__all__ = [
    "asks_for_turn",
    "fit_all",
    "good_fits",
    "residuals",
    "turned_by",
    "turns_matter",
]

TURNS_RAD = (0.0, math.radians(2.5), math.radians(-2.5))
"""Turns from which the registration begins, where a turn is fitted."""
TURN_MATTERS_PX = 0.1


def fit_all(
    stack: list[Crop], pattern: Pattern, state: Template, before: list[Fit | None] | None = None
) -> list[Fit | None]:
    """Fit every crop, beginning with the turns of the fits before."""
    starts = [(fit.turn_rad,) if fit else TURNS_RAD for fit in before or [None] * len(stack)]
    return at_once(
        lambda each: fit_crop(each[0], pattern, state, each[1]), zip(stack, starts, strict=True)
    )


def fit_crop(
    crop: Crop, pattern: Pattern, state: Template, turns: tuple[float, ...] = TURNS_RAD
) -> Fit | None:
    """Fit within a crop; the result's position counts from the crop's box."""
    top, bottom, left, right = crop.inside
    part = crop.image[top:bottom, left:right]
    if crop.agreed is not None and state.early:
        share = pattern.share * crop.agreed
        pattern = replace(pattern, share=share, slope_share=pattern.slope_share * crop.agreed)
    fits = [
        fit_pattern(
            part, pattern, (SLACK - left + crop.start[0], SLACK - top + crop.start[1]),
            turns=state.turns, pivot_px=state.pivot_px, turn_rad=turn, free=state.free,
        )
        for turn in (turns if state.turns else (0.0,))
    ]  # fmt: skip
    known = [fit for fit in fits if fit is not None]
    best = min(known, key=lambda fit: fit.chi2 / fit.gain**2, default=None)
    return _shifted(best, left - SLACK, top - SLACK)


def _shifted(fit: Fit | None, dx: float, dy: float) -> Fit | None:
    return None if fit is None else replace(fit, x_px=fit.x_px + dx, y_px=fit.y_px + dy)


def asks_for_turn(state: Template, stack: list[Crop], pattern: Pattern) -> bool:
    """Tell whether the target turns: by more than its uncertainty, and so far that it matters."""
    if len(stack) < 3 or free_direction(information_of(pattern, state.pivot_px, False)) is not None:
        return False
    state.turns = True
    some = stack[:: max(1, len(stack) // 24)]
    few = at_once(lambda crop: fit_crop(crop, pattern, state), some)
    state.turns = False
    return turns_matter(few, state.shape)


def turns_matter(fits: list[Fit | None], shape: tuple[int, int]) -> bool:
    """Tell whether fitted turns spread by more than their uncertainty, and so far that it matters.

    Parameters
    ----------
    fits : list of Fit or None
        With a turn each.
    shape : (int, int)
        Height and width of the box.
    """
    known = [fit for fit in fits if fit is not None]
    if len(known) < 3:
        return False
    turns = np.array([fit.turn_rad for fit in known])
    u = np.median([math.sqrt(fit.chi2 * np.linalg.inv(fit.information)[2, 2]) for fit in known])
    spread = float(np.sqrt(np.mean((turns - np.median(turns)) ** 2)))
    return spread > 4 * u and spread * 0.5 * min(shape) > TURN_MATTERS_PX


def good_fits(fits: list[Fit | None]) -> list[int]:
    """Return the numbers of the frames that show the target as most do."""
    known = [k for k, f in enumerate(fits) if f and max(abs(f.x_px), abs(f.y_px)) < 2.5]
    peak = np.median([fits[k].at_peak for k in known]) if known else 0  # type: ignore[union-attr]
    known = [k for k in known if fits[k].at_peak < peak + 0.15]  # type: ignore[union-attr]
    if not known:
        return []
    chi2 = np.array([fits[k].chi2 / fits[k].gain for k in known])  # type: ignore[union-attr]
    centre = float(np.median(chi2))
    spread = 1.4826 * float(np.median(np.abs(chi2 - centre)))
    most = centre + max(5 * spread, 0.3 * centre)
    return [
        k
        for k, value in zip(known, chi2, strict=True)
        if value <= most or fits[k].misfit(centre) < 0.1  # type: ignore[union-attr]
    ]


def turned_by(
    coef: NDArray[np.float32], turn: float, here: tuple[float, float], there: tuple[float, float]
) -> FloatArray:
    """Turn a cubic spline image by `turn`, so that its point `there` comes to `here`."""
    from tem_track.tracking import kernels

    cos, sin = math.cos(turn), math.sin(turn)
    out = np.empty(coef.shape, np.float32)
    x0 = there[0] - cos * here[0] + sin * here[1]
    y0 = there[1] - sin * here[0] - cos * here[1]
    kernels.turned(coef, cos, sin, x0, y0, out)
    return out.astype(float)


def residuals(crop: Crop, fit: Fit, pattern: Pattern, state: Template, rim: int = 0) -> FloatArray:
    """Return the residuals of the box's pixels in template grey; NaN outside the frame.

    With a rim, those of so many pixels around the box as well.
    """
    inner = (slice(MARGIN - rim, rim - MARGIN), slice(MARGIN - rim, rim - MARGIN))
    box = (slice(SLACK - rim, rim - SLACK), slice(SLACK - rim, rim - SLACK))
    if not state.turns:
        value = moved(pattern.coef, -fit.x_px, -fit.y_px, 3)[inner].astype(float)
    else:
        px, py = state.pivot_px[0] + MARGIN, state.pivot_px[1] + MARGIN
        there, here = (px, py), (px + fit.x_px, py + fit.y_px)
        value = turned_by(pattern.coef, -fit.turn_rad, here, there)[inner]
    grey = crop.image[box].astype(float) - pattern.level
    rest = (grey - fit.offset) / fit.gain - value
    return np.where(crop.visible()[box] > 0, rest, np.nan)

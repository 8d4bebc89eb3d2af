"""Registering the sampled crops on a template: fits, the choice of good ones, residuals."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tem_track.cores import at_once
from tem_track.records import FloatArray
from tem_track.tracking.coarse import reduce_image
from tem_track.tracking.crops import SLACK, Crop
from tem_track.tracking.fit import Fit, Pattern, fit_pattern
from tem_track.tracking.focus import Blurs, contrast_of_detail, detail_of, refocus
from tem_track.tracking.information import free_direction, information_of
from tem_track.tracking.splines import MARGIN, coefficients, moved
from tem_track.tracking.template import Template

__all__ = [
    "BLUR_SIGMAS",
    "asks_for_turn",
    "blurred_crops",
    "details",
    "fit_all",
    "good_fits",
    "residuals",
    "turned_by",
    "turns_matter",
]

TURNS_RAD = (0.0, math.radians(2.5), math.radians(-2.5))
"""Turns from which the registration begins, where a turn is fitted."""
TURN_MATTERS_PX = 0.1
"""Way of the box's rim by a turn, rms over the frames, from which on a turn is fitted."""
NEAR_START_PX = 1.0
"""How far from a crop's start a fit may begin: along an edge it would stray from round to round."""
TURN_ASKED_PX = 48
"""Shorter side to which a box is reduced to ask whether its target turns."""
SHARPER_PART = 0.75
"""Quantile of the contrasts that stands for a sharp frame: up to three in four may be blurred."""
LEAST_LESS = 0.02
"""Contrast that a blurred frame must lack at least."""
ASKED_FIRST = 12
"""Frames of little contrast that are asked first: in most movies none is blurred."""
BLUR_SIGMAS = 5.0
"""Standard deviations of the contrast below which a frame may be blurred."""
TRIED_PX = 1.0
"""Blur whose cost in the fit is compared with what it costs the sharper frames."""
HALF = 0.5
"""Least difference of these costs, over that of a sharp frame."""
NEAR_PX = 2.5
"""How far from its crop's start a frame may show the target, to be one that shows it as most do."""
MORE_AT_PEAK = 0.15
"""Part of the pixels that may be at the brightest grey there, over that of most frames."""
USUAL_SPREADS, USUAL_PART = 5.0, 0.3
"""How far above the typical one its mean square may be, in spreads or as a part of it."""
LITTLE = 0.1
"""Misfit, over the template's energy, that is forgiven in any case."""
SURE_COST = 10.0
"""Least difference of these costs, over the root of the cost: five standard deviations."""
LEAST_LIKE = 0.3
"""Squared correlation below which a blur is not told from noise that was registered on noise."""


def fit_all(
    stack: list[Crop], pattern: Pattern, state: Template, before: list[Fit | None] | None = None
) -> list[Fit | None]:
    """Fit every crop, beginning with the places and turns of the fits before."""
    return at_once(
        lambda each: fit_crop(each[0], pattern, state, each[1]),
        zip(stack, before or [None] * len(stack), strict=True),
    )


def fit_crop(
    crop: Crop, pattern: Pattern, state: Template, before: Fit | None = None
) -> Fit | None:
    """Fit within a crop; the result's position counts from the crop's box."""
    start = crop.start
    if before is not None and math.dist(start, (before.x_px, before.y_px)) < NEAR_START_PX:
        start = (before.x_px, before.y_px)
    turns = (before.turn_rad,) if before and state.turns else TURNS_RAD
    top, bottom, left, right = crop.inside
    part = crop.image[top:bottom, left:right]
    if crop.agreed is not None and state.early:
        pattern = _of_part(pattern, crop.agreed)
    if crop.hidden is not None:
        pattern = _of_part(pattern, ~crop.hidden)
    fits = [
        fit_pattern(
            part, pattern, (SLACK - left + start[0], SLACK - top + start[1]),
            turns=state.turns, pivot_px=state.pivot_px, turn_rad=turn,
        )
        for turn in (turns if state.turns else (0.0,))
    ]  # fmt: skip
    known = [fit for fit in fits if fit is not None]
    best = min(known, key=lambda fit: fit.chi2 / fit.gain**2, default=None)
    return None if best is None else _shifted(best, left - SLACK, top - SLACK)


def _of_part(pattern: Pattern, part: NDArray[np.bool_]) -> Pattern:
    return replace(pattern, share=pattern.share * part, slope_share=pattern.slope_share * part)


def _shifted(fit: Fit, dx: float, dy: float) -> Fit:
    return replace(fit, x_px=fit.x_px + dx, y_px=fit.y_px + dy)


def asks_for_turn(state: Template, stack: list[Crop], pattern: Pattern) -> bool:
    """Tell whether the target turns: by more than its uncertainty, and so far that it matters.

    A large box is asked on reduced crops: a turn that matters is seen there as well.
    """
    if len(stack) < 3 or free_direction(information_of(pattern, state.pivot_px, False)) is not None:
        return False
    factor = 1 if min(state.shape) < 2 * TURN_ASKED_PX else min(state.shape) // TURN_ASKED_PX
    low = _reduced(state, pattern, factor)
    pivot = tuple((p + 0.5) / factor - 0.5 for p in state.pivot_px)
    some = stack[:: max(1, len(stack) // 24)]
    few = at_once(lambda crop: _turned_fit(crop, low, factor, (pivot[0], pivot[1])), some)
    return turns_matter(few, low.shape, TURN_MATTERS_PX / factor)


def _reduced(state: Template, pattern: Pattern, factor: int) -> Pattern:
    """Return the present template averaged over squares of `factor` pixels."""
    if factor == 1:
        return pattern
    low = _shrunk(state.template - pattern.level, factor)
    h, w = (side // factor for side in state.shape)
    share = reduce_image(pattern.share, factor)[:h, :w]
    slope_share = reduce_image(pattern.slope_share, factor)[:h, :w]
    return Pattern(coefficients(low, 3), share, slope_share, pattern.noise, pattern.level)


def _shrunk(image: FloatArray, factor: int) -> NDArray[np.float32]:
    """Return a crop reduced, with MARGIN reduced pixels instead of SLACK around its box."""
    reach = MARGIN * factor
    wide = np.pad(image[SLACK:-SLACK, SLACK:-SLACK], reach, mode="edge")
    kept = min(reach, SLACK) - SLACK
    inner = image[-kept:kept, -kept:kept] if kept else image
    rest = reach - SLACK - kept
    middle = (slice(rest, rest + inner.shape[0]), slice(rest, rest + inner.shape[1]))
    wide[middle] = inner
    h, w = ((side - 2 * SLACK) // factor + 2 * MARGIN for side in image.shape)
    return np.ascontiguousarray(reduce_image(wide.astype(np.float32), factor)[:h, :w])


def _turned_fit(crop: Crop, low: Pattern, factor: int, pivot_px: tuple[float, float]) -> Fit | None:
    part = _shrunk(crop.image.astype(np.float32), factor) if factor > 1 else None
    start = (MARGIN + crop.start[0] / factor, MARGIN + crop.start[1] / factor)
    if part is None:
        top, bottom, left, right = crop.inside
        part = crop.image[top:bottom, left:right]
        start = (SLACK - left + crop.start[0], SLACK - top + crop.start[1])
    fits = [
        fit_pattern(part, low, start, turns=True, pivot_px=pivot_px, turn_rad=turn)
        for turn in TURNS_RAD
    ]
    known = [fit for fit in fits if fit is not None]
    return min(known, key=lambda fit: fit.chi2 / fit.gain**2, default=None)


def turns_matter(
    fits: list[Fit | None], shape: tuple[int, int], least_px: float = TURN_MATTERS_PX
) -> bool:
    """Tell whether fitted turns spread by more than their uncertainty, and so far that it matters.

    Parameters
    ----------
    fits : list of Fit or None
        With a turn each.
    shape : (int, int)
        Height and width of the box.
    least_px : float
        Motion of the box's rim that matters.
    """
    known = [fit for fit in fits if fit is not None]
    if len(known) < 3:
        return False
    turns = np.array([fit.turn_rad for fit in known])
    u = np.median([math.sqrt(fit.chi2 * np.linalg.inv(fit.information)[2, 2]) for fit in known])
    spread = float(np.sqrt(np.mean((turns - np.median(turns)) ** 2)))
    return spread > 4 * u and spread * 0.5 * min(shape) > least_px


def good_fits(fits: list[Fit | None]) -> list[int]:
    """Return the numbers of the frames that show the target as most do."""
    near = {k: f for k, f in enumerate(fits) if f and max(abs(f.x_px), abs(f.y_px)) < NEAR_PX}
    peak = np.median([fit.at_peak for fit in near.values()]) if near else 0
    known = {k: fit for k, fit in near.items() if fit.at_peak < peak + MORE_AT_PEAK}
    if not known:
        return []
    chi2 = np.array([fit.chi2 / fit.gain for fit in known.values()])
    centre = float(np.median(chi2))
    spread = 1.4826 * float(np.median(np.abs(chi2 - centre)))
    most = centre + max(USUAL_SPREADS * spread, USUAL_PART * centre)
    return [
        k
        for (k, fit), value in zip(known.items(), chi2, strict=True)
        if value <= most or fit.misfit(centre) < LITTLE
    ]


def details(stack: list[Crop], fits: list[Fit | None], pattern: Pattern) -> FloatArray:
    """Return the contrast of every crop's fine detail, NaN where nothing can be said."""
    detail = detail_of(pattern)
    found = np.full(len(stack), np.nan)
    for k, (crop, fit) in enumerate(zip(stack, fits, strict=True)):
        if detail is not None and fit is not None:
            top, bottom, left, right = crop.inside
            here = _shifted(fit, SLACK - left, SLACK - top)
            contrast = contrast_of_detail(
                crop.image[top:bottom, left:right], here, detail, pattern.level
            )
            found[k] = np.nan if contrast is None else contrast
    return found


def blurred_crops(
    stack: list[Crop], fits: list[Fit | None], pattern: Pattern
) -> dict[int, Fit | None]:
    """Return the crops that are less sharp than the sharper ones, with their fits blurred so far.

    Less contrast alone makes no frame a blurred one, since a specimen that has come near takes it
    off as well: a blurred template has to fit better.
    """
    contrast = details(stack, fits, pattern)
    detail = detail_of(pattern)
    if detail is None or np.isnan(contrast).all():
        return {}
    least = float(np.nanquantile(contrast, SHARPER_PART)) - max(BLUR_SIGMAS * detail.u, LEAST_LESS)
    few = [k for k, c in enumerate(contrast) if not c > least]
    blurs = Blurs(pattern)
    asked = few[:: max(1, len(few) // ASKED_FIRST)]
    if not any(at_once(lambda k: _refocused(stack[k], fits[k], blurs), asked)):
        return {}
    found = dict(
        zip(few, at_once(lambda k: _refocused(stack[k], fits[k], blurs), few), strict=True)
    )
    rest = [k for k in few if found[k] is None]
    usual = _cost_of_sharp(stack, fits, blurs, [k for k, c in enumerate(contrast) if c > least])
    softer = at_once(lambda k: _softer(stack[k], fits[k], blurs, usual), rest)
    found |= dict(zip(rest, softer, strict=True))
    return {k: fit for k, fit in found.items() if fit is not None}


def _cost_of_sharp(
    stack: list[Crop], fits: list[Fit | None], blurs: Blurs, sharp: list[int]
) -> float:
    """Return what a blurred template costs in the fit of the sharper frames, 0 if none is known."""
    some = sharp[:: max(1, len(sharp) // ASKED_FIRST)]
    tried = [_cost_of_blur(stack[k], fits[k], blurs)[0] for k in some]
    known = [cost for cost in tried if cost is not None]
    return max(float(np.median(known)), 0.0) if known else 0.0


def _cost_of_blur(crop: Crop, fit: Fit | None, blurs: Blurs) -> tuple[float | None, Fit | None]:
    """Return by how much the residuals' squares grow with a blurred template, and its fit."""
    if fit is None:
        return None, None
    top, bottom, left, right = crop.inside
    start = (fit.x_px + SLACK - left, fit.y_px + SLACK - top)
    again = fit_pattern(crop.image[top:bottom, left:right], blurs.by(TRIED_PX), start)
    if again is None:
        return None, None
    cost = (again.chi2 / fit.chi2 - 1) * float(blurs.sharp.share.sum())
    return cost, _shifted(again, left - SLACK, top - SLACK)


def _softer(crop: Crop, fit: Fit | None, blurs: Blurs, usual: float) -> Fit | None:
    """Return a crop's blurred fit where that costs less than half of what it costs sharp frames.

    A template that was averaged from sharp and blurred frames fits both about equally.
    """
    cost, found = _cost_of_blur(crop, fit, blurs)
    if cost is None or usual - cost < max(HALF * usual, SURE_COST * math.sqrt(usual)):
        return None
    return found


def _refocused(crop: Crop, fit: Fit | None, blurs: Blurs) -> Fit | None:
    """Return a crop's fit with the blur that suits it; None where it is as sharp as the pattern."""
    top, bottom, left, right = crop.inside
    here = None if fit is None else _shifted(fit, SLACK - left, SLACK - top)
    start = (SLACK - left + crop.start[0], SLACK - top + crop.start[1])
    start = start if here is None else (here.x_px, here.y_px)
    found = refocus(crop.image[top:bottom, left:right], blurs, start, here, None)
    if found is None or not found.blur_px > 0 or not 0.5 < found.fit.gain < 2:
        return None
    if found.fit.likeness < LEAST_LIKE:
        return None
    return _shifted(found.fit, left - SLACK, top - SLACK)


def turned_by(
    coef: NDArray[np.float32], turn: float, here: tuple[float, float], there: tuple[float, float]
) -> NDArray[np.float32]:
    """Turn a cubic spline image by `turn`, so that its point `there` comes to `here`."""
    from tem_track.tracking import kernels

    cos, sin = math.cos(turn), math.sin(turn)
    out = np.empty(coef.shape, np.float32)
    x0 = there[0] - cos * here[0] + sin * here[1]
    y0 = there[1] - sin * here[0] - cos * here[1]
    kernels.turned(coef, cos, sin, x0, y0, out)
    return out


def residuals(
    crop: Crop, fit: Fit, pattern: Pattern, state: Template, rim: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
    """Return the residuals of the box's pixels in template grey, and which the frame holds.

    With a rim, those of so many pixels around the box as well. Outside the frame they are zero;
    None for the second says that it holds all.
    """
    inner = (slice(MARGIN - rim, rim - MARGIN), slice(MARGIN - rim, rim - MARGIN))
    box = (slice(SLACK - rim, rim - SLACK), slice(SLACK - rim, rim - SLACK))
    if not state.turns:
        value = moved(pattern.coef, -fit.x_px, -fit.y_px, 3)[inner]
    else:
        px, py = state.pivot_px[0] + MARGIN, state.pivot_px[1] + MARGIN
        there, here = (px, py), (px + fit.x_px, py + fit.y_px)
        value = turned_by(pattern.coef, -fit.turn_rad, here, there)[inner]
    rest = crop.image[box].astype(np.float32)
    rest -= np.float32(pattern.level + fit.offset)
    rest *= np.float32(1 / fit.gain)
    rest -= value
    if crop.is_whole:
        return rest, None
    held = crop.visible()[box] > 0
    return np.where(held, rest, np.float32(0.0)), held

"""The last step of a template: anchored to its reference frame, with limits and covariance."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tem_track.records import FloatArray
from tem_track.tracking.changed import Usual, region_sizes, structure, usual
from tem_track.tracking.covered import Cover
from tem_track.tracking.crops import SLACK, Crop
from tem_track.tracking.fit import Fit, Pattern
from tem_track.tracking.gather import CLIPPED
from tem_track.tracking.information import scores_of, slopes_at_rest, squares
from tem_track.tracking.look import Limits, Look
from tem_track.tracking.outward import Outward, grows
from tem_track.tracking.phase import Phase, PhaseReader, learn_phase
from tem_track.tracking.registration import BLUR_SIGMAS, details, good_fits, residuals
from tem_track.tracking.template import Template

__all__ = ["settle"]

NO_NOISE = 1e-3
"""Mean square below which the frames are copies of each other."""
SOME_FRAMES = 32
"""Frames that are asked whether an outline moves outwards."""
FEWEST_USUAL = 8
"""Frames in nearly full view from which on it is known how much their residuals differ."""
NEARLY_WHOLE = 0.95
"""Part of the target in view from which on a frame tells what is usual, and of the pull towards
whole pixels."""


def settle(state: Template, stack: list[Crop], fits: list[Fit | None], anchor: Fit | None) -> Look:
    """Anchor the template to the reference frame and learn what good frames look like.

    Parameters
    ----------
    state : Template
    stack, fits
        Crops and their fits.
    anchor : Fit or None
        Where the target is in the reference's crop.
    """
    pattern = state.pattern()
    good = good_fits(fits)
    if len(good) >= 2:
        state.meat = score_covariance(state, stack, fits, good, pattern)
    values = [f for k in good if (f := fits[k])]
    if len(values) < 2:
        return state.look(Limits(2.0, math.inf, 1.0, chi2_least=0.0))
    chi2 = np.array([f.chi2 / max(f.gain, 1.0) for f in values])
    typical = float(np.median(chi2))
    if not typical > NO_NOISE:
        return state.look(Limits(1.0, math.inf, 1.0, chi2_least=0.0))
    spread = 1.4826 * float(np.median(np.abs(chi2 - typical)))
    most = typical + max(12 * spread, 1.0 * typical)
    likeness = float(np.median([f.likeness for f in values]))
    peak = float(np.median([f.at_peak for f in values])) + CLIPPED * _bright_part(state)
    phase = _phase(state, stack, fits, good, pattern)
    if anchor is not None:
        _anchor(
            state, anchor, np.zeros(2) if phase is None else phase.at(anchor.x_px, anchor.y_px)[0]
        )
    contrast = details(stack, fits, pattern)[good]
    look = state.look(
        Limits(typical, most, likeness, at_peak=peak, detail_usual=_usual_detail(contrast))
    )
    outward = _outward(state, stack, fits, good, pattern, anchor)
    places = [(stack[k].x + f.x_px, stack[k].y + f.y_px) for k in good if (f := fits[k])]
    return replace(
        look,
        outward=outward,
        phase=phase,
        usual=_usual(state, stack, fits, good, pattern),
        cover=Cover.of(chi2, np.array(places)),
    )


def _usual(
    state: Template, stack: list[Crop], fits: list[Fit | None], good: list[int], pattern: Pattern
) -> Usual:
    """Return what the residuals of the good frames are; those in nearly full view tell it."""
    if state.turns:
        return Usual()
    value = slopes_at_rest(pattern, state.pivot_px, False)[0]
    known = [(k, fit) for k in good if (fit := fits[k]) is not None and fit.seen > NEARLY_WHOLE]
    if len(known) < FEWEST_USUAL:
        return Usual()
    found = [structure(residuals(stack[k], f, pattern, state)[0], value, pattern) for k, f in known]
    return usual(np.array([f.chi2 / max(f.gain, 1.0) for _, f in known]), np.array(found), pattern)


def _phase(
    state: Template, stack: list[Crop], fits: list[Fit | None], good: list[int], pattern: Pattern
) -> Phase | None:
    """Return the pull towards whole pixels that the frames in nearly full view show."""
    reader = None if state.turns else PhaseReader.of(pattern)
    if reader is None:
        return None
    known = [(k, fit) for k in good if (fit := fits[k]) is not None and fit.seen > NEARLY_WHOLE]
    readings = [
        reader.read(residuals(stack[k], f, pattern, state)[0], f.x_px, f.y_px) for k, f in known
    ]
    places = [np.array([stack[k].x + f.x_px, stack[k].y + f.y_px]) for k, f in known]
    return learn_phase(readings, places)


def _usual_detail(contrast: FloatArray) -> float:
    """Return the contrast of the fine detail that sharp frames have at least."""
    if np.isnan(contrast).all():
        return 0.0
    usual = float(np.nanmedian(contrast))
    spread = 1.4826 * float(np.nanmedian(np.abs(contrast - usual)))
    return usual - max(BLUR_SIGMAS * spread, 0.02)


def _bright_part(state: Template) -> float:
    """Return the part of the pixels in the brighter half of the template's range."""
    grey = state.template[SLACK:-SLACK, SLACK:-SLACK]
    low, high = np.quantile(grey, [0.01, 0.99])
    return float((grey > (low + high) / 2).mean())


def _anchor(state: Template, fit: Fit, pull_px: FloatArray) -> None:
    """Move the point on the template to where the reference frame has it, its pull undone."""
    cos, sin = math.cos(fit.turn_rad), math.sin(fit.turn_rad)
    x = state.point_px[0] - state.pivot_px[0] - (fit.x_px - float(pull_px[0]))
    y = state.point_px[1] - state.pivot_px[1] - (fit.y_px - float(pull_px[1]))
    state.point_px = (
        state.pivot_px[0] + cos * x + sin * y,
        state.pivot_px[1] - sin * x + cos * y,
    )
    state.turn_rad = fit.turn_rad


def score_covariance(
    state: Template, stack: list[Crop], fits: list[Fit | None], good: list[int], pattern: Pattern
) -> FloatArray:
    """Return the scores' covariance as the residuals have it, with their spatial correlation.

    The pixels' scores are summed over squares before they are squared, so that correlation
    within a square counts; a square's own pull on the fit is undone as by a jackknife. Small
    squares see compression, large ones a region that changes as a whole: the larger one counts.
    """
    value, slopes = slopes_at_rest(pattern, state.pivot_px, state.turns)
    scores = scores_of(pattern, value, slopes)
    information = np.einsum("nyx,nyx->yx", scores, slopes)
    shares = {size: squares(information[None], size)[0] for size in region_sizes(state.shape)}
    meats = {size: np.zeros((len(slopes), len(slopes))) for size in shares}
    for k in good:
        fit = fits[k]
        assert fit is not None
        scored = scores * residuals(stack[k], fit, pattern, state)[0]
        for size, share in shares.items():
            free = 1 - np.clip(share / share.sum(), 0, 0.5)
            sums = squares(scored, size) / free
            meats[size] += np.einsum("nyx,myx->nm", sums, sums)
    return max(meats.values(), key=lambda meat: float(np.trace(meat[:2, :2]))) / (len(good) - 1)


def _outward(
    state: Template,
    stack: list[Crop],
    fits: list[Fit | None],
    good: list[int],
    pattern: Pattern,
    anchor: Fit | None,
) -> Outward | None:
    """Return what undoes the pull of an outline that moves outwards, where it does."""
    if state.turns or anchor is None:
        return None
    outward = Outward.of(pattern, *slopes_at_rest(pattern, state.pivot_px, False))
    if outward is None:
        return None
    moves = [
        outward.read(residuals(stack[k], fit, pattern, state)[0])
        for k in good[:: max(1, len(good) // SOME_FRAMES)]
        if (fit := fits[k]) is not None
    ]
    reference = outward.read(residuals(stack[0], anchor, pattern, state)[0])
    return grows(outward, np.array(moves), reference)

"""From which frame on a target looks otherwise for good, though it is followed all the same.

A crystal that flips its contrast leaves the outline and a part of the texture, so no frame is
lost, and the average of both looks is like neither. What tells it is that the residuals before and
after differ, and that the difference is there from one frame to the next. What lies behind a
target changes them as well, but as slowly as the target moves past it; where the target jumps, the
two cannot be told apart, and nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tem_track.records import FloatArray
from tem_track.tracking.changed import BLOCK_PX, SIDES, Change
from tem_track.tracking.crops import SLACK, Crop
from tem_track.tracking.fit import Fit, Pattern
from tem_track.tracking.focus import Blurs, blurred, refocus
from tem_track.tracking.information import information_of, slopes_at_rest, squares
from tem_track.tracking.noise import variance
from tem_track.tracking.registration import residuals
from tem_track.tracking.template import Template

__all__ = ["lasting_change"]

FEWEST_FRAMES = 5
"""On either side."""
AT_ONCE = 0.6
"""Part of the difference that must be there from one frame to the next."""
SURE = 6.0
"""Standard deviations of that step."""
LEAST_ENERGY = 0.02
"""Squared difference over the target's own squared contrast: what lies behind a tip that breaks
off and jumps makes up to 0.016."""
FARTHEST_PX = 4.0
"""How far the target may go between the two frames."""
_EACH = 2
"""Frames on either side of a step that show it."""


def lasting_change(
    stack: Sequence[Crop],
    fits: Sequence[Fit | None],
    blurs: Mapping[int, Fit | None],
    state: Template,
) -> Change | None:
    """Return where the look of a target changes for good; None where it does not.

    Parameters
    ----------
    stack : sequence of Crop
        The reference, and the sampled frames' crops in their order.
    fits : sequence of Fit or None
        Of the crops, by the present template.
    blurs : mapping of int to Fit or None
        The crops that were taken for blurred ones, by their number; a new look can pass for that.
    state : Template
    """
    if state.turns:
        return None
    pattern = state.pattern()
    value = slopes_at_rest(pattern, state.pivot_px, False)[0]
    deviation = np.sqrt(variance(pattern.noise.astype(float), value))
    softer = Blurs(pattern)
    frames, places, rests = [], [], []
    for k, crop in enumerate(stack):
        fit = blurs[k] if k in blurs else fits[k]
        shown = _shown(crop, fit, softer if k in blurs else None, pattern) if k else None
        if shown is not None:
            fit, as_seen = shown
            rest = pattern.share * residuals(crop, fit, as_seen, state)[0] / deviation
            rests.append(squares(rest[None], BLOCK_PX)[0].ravel() / BLOCK_PX)
            frames.append(crop.frame)
            places.append((crop.x + fit.x_px, crop.y + fit.y_px))
    if len(rests) < 2 * FEWEST_FRAMES:
        return None
    contrast = value - np.average(value, weights=np.maximum(pattern.share, 1e-9))
    own_energy = float((pattern.share * (contrast / deviation) ** 2).sum()) / BLOCK_PX**2
    found = _step(np.array(rests), np.array(places), LEAST_ENERGY * own_energy)
    if found is None:
        return None
    at, energy = found
    inverse = np.linalg.pinv(information_of(pattern, state.pivot_px, False))
    return Change(frames[at], np.asarray(energy / SIDES * inverse))


def _shown(
    crop: Crop, fit: Fit | None, softer: Blurs | None, pattern: Pattern
) -> tuple[Fit, Pattern] | None:
    """Return the fit of a crop that shows the whole target, and the pattern as blurred as it."""
    if fit is None or fit.seen < 1:
        return None
    if softer is None:
        return fit, pattern
    top, bottom, left, right = crop.inside
    dx, dy = SLACK - left, SLACK - top
    part = crop.image[top:bottom, left:right]
    found = refocus(part, softer, (fit.x_px + dx, fit.y_px + dy), None, None)
    if found is None:
        return None
    fit = replace(found.fit, x_px=found.fit.x_px - dx, y_px=found.fit.y_px - dy)
    return fit, blurred(pattern, found.blur_px) if found.blur_px > 0 else pattern


def _step(rests: FloatArray, places: FloatArray, least: float) -> tuple[int, float] | None:
    """Return the number of the first row after a step, and the squared difference it makes.

    Noise is no part of the squares: they are products of the even and the odd rows.
    """
    best: tuple[float, int, float] | None = None
    for at in range(FEWEST_FRAMES, len(rests) - FEWEST_FRAMES + 1):
        if np.abs(places[at] - places[at - 1]).max() > FARTHEST_PX:
            continue
        before, after = rests[: at - _EACH], rests[at + _EACH :]
        halves = [after[k::2].mean(axis=0) - before[k::2].mean(axis=0) for k in (0, 1)]
        energy = float(halves[0] @ halves[1])
        if energy < least:
            continue
        whole = (halves[0] + halves[1]) / 2
        local = rests[at : at + _EACH].mean(axis=0) - rests[at - _EACH : at].mean(axis=0)
        step = float(local @ whole)
        sigmas = step / float(np.linalg.norm(whole))
        if step > AT_ONCE * energy and sigmas > SURE and (best is None or sigmas > best[0]):
            best = (sigmas, at, energy)
    return None if best is None else (best[1], best[2])

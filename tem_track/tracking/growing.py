"""A target's template, grown from the crops that were gathered of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tem_track.tracking.average import average
from tem_track.tracking.gather import Gathered
from tem_track.tracking.moving import learn_pixels
from tem_track.tracking.registration import asks_for_turn, fit_all, turns_matter
from tem_track.tracking.settle import settle
from tem_track.tracking.splines import coefficients
from tem_track.tracking.template import Template
from tem_track.tracking.tracker import Look

__all__ = ["grow"]

ROUNDS = 5


def grow(own: Gathered, may_turn: bool = True) -> tuple[Look, NDArray[np.bool_]]:
    """Average the registered crops, and let the average register them again.

    What moves otherwise in the box can look like a turn before it is left out; a turn that the
    pixels which were kept do not show is taken back.

    Returns
    -------
    Look
    bool (h, w)
        The pixels of the box that move with the target.
    """
    stack = [own.reference, *own.crops]
    draft = own.draft
    state = Template(draft.point_px, draft.pattern.shape)
    inner = draft.pattern
    state.usable = ~own.still.mask()
    state.mask = state.usable
    inner = replace(
        inner, share=inner.share * state.mask, slope_share=inner.slope_share * state.mask
    )
    first = inner
    state.noise, state.base = inner.noise.astype(float), inner.level
    fits = fit_all(stack, inner, state)
    splines = [coefficients(crop.image.astype(float), 5) for crop in stack]
    for number in range(ROUNDS):
        average(state, stack, splines, fits, inner.level)
        inner = state.pattern()
        fits = fit_all(stack, inner, state, fits)
        if number == 0 and may_turn and asks_for_turn(state, stack, inner):
            state.turns = True
            splines = [coefficients(crop.image.astype(float), 3) for crop in stack]
            # the average is smeared by the turns; the one frame that it began with is not
            fits = fit_all(stack, first, state)
            average(state, stack, splines, fits, first.level)
            inner = state.pattern()
            fits = fit_all(stack, inner, state, fits)
        learn_pixels(state, stack, fits, inner)
        state.early = False
        state.rounds += 1
    if state.turns and not turns_matter(fits, state.shape):
        return grow(own, may_turn=False)
    return settle(state, stack, fits), state.mask

"""A target's template, grown from the crops that were gathered of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tem_track.cores import at_once
from tem_track.tracking.average import average
from tem_track.tracking.changed import Change
from tem_track.tracking.crops import Crop
from tem_track.tracking.fit import Fit
from tem_track.tracking.gather import Gathered
from tem_track.tracking.information import slopes_at_rest
from tem_track.tracking.lasting import lasting_change
from tem_track.tracking.look import Look
from tem_track.tracking.moving import learn_pixels
from tem_track.tracking.passing import hide_what_passes
from tem_track.tracking.registration import (
    asks_for_turn,
    blurred_crops,
    fit_all,
    good_fits,
    turns_matter,
)
from tem_track.tracking.settle import settle
from tem_track.tracking.splines import coefficients
from tem_track.tracking.template import EARLY_ROUNDS, Template

__all__ = ["grow"]

ROUNDS = 5
"""Times that the average registers the crops again, and pixels are chosen again."""
BLUR_ROUNDS = 2
"""Rounds in which blurred frames are looked for; in all where there are some."""
LEAST_KNOWN = 0.1
"""Part of the frames, over those it was made of, in which a template must be found again."""
ONE_EDGE = 1 / 12
"""Squared slopes along one direction over those along the other, below which little but one
straight edge is left and it is asked what passes over the target."""
_AS_MUCH = 0.95
_MORE = 1.02
"""Pixels that a turning template explains over those that a still one does: from the first on where
its residuals are smaller too, from the second on in any case."""


def grow(
    own: Gathered, early_rounds: int = EARLY_ROUNDS
) -> tuple[Look, NDArray[np.bool_], Change | None]:
    """Average the registered crops, and let the average register them again.

    Where a first look asks for a turn, both ways are gone to their end: what moves otherwise in
    the box can look like a turn before it is left out.

    Parameters
    ----------
    own : Gathered
    early_rounds : int
        Rounds in which most regions decide.

    Returns
    -------
    Look
    bool (h, w)
        The pixels of the box that move with the target.
    Change or None
        Where the look changes for good.
    """
    grown, asks = _grown(own, early_rounds, turns=False)
    if _loses_edges(grown.state) and hide_what_passes(grown.stack, grown.fits, grown.state):
        grown, asks = _grown(own, early_rounds, turns=False)
    own.crops = [crop for k, crop in enumerate(own.crops, 1) if k not in grown.blurred]
    if asks:
        turning, _ = _grown(own, early_rounds, turns=True)
        if _turns_better(turning, grown):
            grown = turning
    look = settle(grown.state, grown.stack, grown.fits, grown.blurred.get(0, grown.fits[0]))
    change = lasting_change(grown.stack, grown.fits, grown.blurred, grown.state)
    return look, grown.state.mask, change


@dataclass(frozen=True, slots=True)
class _Grown:
    state: Template
    stack: list[Crop]
    fits: list[Fit | None]
    blurred: dict[int, Fit | None]
    """Crops that were left out, with their fits; 0 is the reference."""

    def kept(self) -> float:
        """Return how much of box and frames agrees with the template."""
        return float(self.state.mask.mean()) * len(good_fits(self.fits))

    def unexplained(self) -> float:
        """Return the part of a frame's contrast that the template leaves."""
        return float(
            np.median([1 - f.likeness for k in good_fits(self.fits) if (f := self.fits[k])])
        )


def _turns_better(turning: _Grown, still: _Grown) -> bool:
    """Tell whether a turn is seen in the pixels that were kept, costs none of them and explains.

    A beam that wanders over the box looks like a turn as well, but then a turn wins nothing: no
    pixels that moved otherwise without it, and no smaller residuals.
    """
    if not turns_matter(turning.fits, turning.state.shape):
        return False
    part = turning.kept() / max(still.kept(), 1e-9)
    return part > _MORE or (part > _AS_MUCH and turning.unexplained() < still.unexplained())


def _grown(own: Gathered, early_rounds: int, *, turns: bool) -> tuple[_Grown, bool]:
    """Return the template after all rounds, and whether the first one asks for a turn."""
    stack = [own.reference, *own.crops]
    draft = own.draft
    state = Template(draft.point_px, draft.pattern.shape, early_rounds=early_rounds)
    inner = draft.pattern
    state.usable = ~own.still.mask()
    state.mask = state.usable
    inner = replace(
        inner, share=inner.share * state.mask, slope_share=inner.slope_share * state.mask
    )
    first, asks = inner, False
    state.noise, state.base = inner.noise.astype(float), inner.level
    fits = fit_all(stack, inner, state)
    splines = _splines(stack, 5)
    blurred: dict[int, Fit | None] = {}
    for number in range(ROUNDS):
        average(state, stack, splines, fits, inner.level)
        inner = state.pattern()
        again = fit_all(stack, inner, state, fits)
        # a template that hardly a frame knows has lost its edges: what it was made of counts on
        if len(good_fits(again)) > LEAST_KNOWN * len(good_fits(fits)):
            fits = again
        if number == 0 and turns:
            state.turns = True
            splines = _splines(stack, 3)
            # the average is smeared by the turns; the one frame that it began with is not
            fits = fit_all(stack, first, state)
            average(state, stack, splines, fits, first.level)
            inner = state.pattern()
            fits = fit_all(stack, inner, state, fits)
        elif number == 0:
            asks = asks_for_turn(state, stack, inner)
        if not state.turns and (number < BLUR_ROUNDS or blurred):
            blurred |= blurred_crops(stack, fits, inner)
        fits = [None if k in blurred else fit for k, fit in enumerate(fits)]
        learn_pixels(state, stack, fits, inner)
        state.early = False
        state.rounds += 1
    fits = fit_all(stack, state.pattern(), state, fits)
    fits = [None if k in blurred else fit for k, fit in enumerate(fits)]
    return _Grown(state, stack, fits, blurred), asks


def _loses_edges(state: Template) -> bool:
    """Tell whether a direction is hardly told by what is kept of the box, and was by the whole."""
    _, slopes = slopes_at_rest(state.pattern(), state.pivot_px, False)
    kept, whole = (
        np.linalg.eigvalsh(np.einsum("nyx,myx,yx->nm", slopes[:2], slopes[:2], part.astype(float)))
        for part in (state.mask, state.usable)
    )
    return bool(kept[0] < ONE_EDGE * kept[1] and whole[0] > ONE_EDGE * whole[1])


def _splines(stack: list[Crop], order: int) -> list[NDArray[np.float32]]:
    return at_once(lambda crop: coefficients(crop.image, order), stack)

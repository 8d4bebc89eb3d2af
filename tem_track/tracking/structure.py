"""Whether a box holds anything that could be followed.

An average of frames that were registered on the noise of one of them looks like that noise and
pretends to fix a position. So the box is cut like a chess board: the black squares must find the
target where the white ones find it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tem_track.errors import TrackingError
from tem_track.records import FloatArray
from tem_track.tracking.crops import SLACK, Crop
from tem_track.tracking.fit import Fit, fit_pattern
from tem_track.tracking.gather import Gathered, Gathering
from tem_track.tracking.information import information_of
from tem_track.tracking.tracker import Look

__all__ = ["require_structure"]

SQUARES = 4
"""Squares along the shorter side of the box."""
EDGE_SHARE = 1 / 12
"""Below this share of information a direction is left alone."""
AGREE_PX = 0.7
FEWEST_FRAMES = 5
LEAST_AGREEING = 0.75
"""Part of the recognised frames in which both halves must agree."""
LEAST_LIKE = 0.25
"""Squared correlation of the template with its reference frame, over that with the others."""
LEAST_RECOGNISED = 0.1
"""Part of the sampled frames in which the target must be recognised at all."""


def require_structure(gathering: Gathering, looks: tuple[Look, ...]) -> None:
    """Refuse a box that holds nothing but noise.

    Raises
    ------
    TrackingError
        In one line, with the box and the kind of box that would serve.
    """
    if gathering.shown < FEWEST_FRAMES:
        return
    agreeing = [
        _halves_agree(crop, look)
        for own, look in zip(gathering.looks, looks, strict=True)
        for crop in own.crops
    ]
    if any(not _anchored(own, look) for own, look in zip(gathering.looks, looks, strict=True)):
        agreeing = []
    recognised = sum(agreeing) / gathering.shown
    if recognised < LEAST_RECOGNISED or sum(agreeing) < LEAST_AGREEING * len(agreeing):
        box = [round(v) for v in gathering.target.references[0].box.as_tuple()]
        raise TrackingError(
            f"the {gathering.target.name}'s box {box} holds nothing that could be followed: it is "
            f"recognised in {sum(agreeing)} of {gathering.shown} sampled frames; draw it over a "
            "corner or an edge across the axis"
        )


def _anchored(own: Gathered, look: Look) -> bool:
    """Tell whether the template still looks like the reference frame that it began with."""
    if not _halves_agree(own.reference, look):
        return False
    fit = _fit(own.reference, look)
    # one noisy frame in which the descent does not end says nothing: both halves found their place
    return fit is None or fit.likeness >= LEAST_LIKE * look.limits.likeness


def _halves_agree(crop: Crop, look: Look) -> bool:
    """Tell whether two halves of the box find the target at the same place."""
    board = _chess_board(look.pattern.shape)
    direction = _directions(look)[1][:, 1]
    places = [
        _place(crop, look, half) @ direction
        for half in (board.astype(np.float32), (~board).astype(np.float32))
    ]
    return bool(abs(places[0] - places[1]) < AGREE_PX)


def _directions(look: Look) -> tuple[FloatArray, FloatArray]:
    """Return the information along the worst and the best direction, and both as columns."""
    values, vectors = np.linalg.eigh(information_of(look.pattern, look.pivot_px, False))
    return np.asarray(values), np.asarray(vectors)


def _weak_direction(look: Look) -> FloatArray | None:
    """Return the direction that an edge leaves open, or None."""
    values, vectors = _directions(look)
    return np.asarray(vectors[:, 0]) if values[0] < EDGE_SHARE * values[1] else None


def _place(crop: Crop, look: Look, half: NDArray[np.float32]) -> FloatArray:
    """Return where a part of the pattern is found, NaN where it is not."""
    fit = _fit(crop, look, half)
    return np.full(2, np.nan) if fit is None else np.array([fit.x_px, fit.y_px])


def _fit(crop: Crop, look: Look, part: NDArray[np.float32] | None = None) -> Fit | None:
    top, bottom, left, right = crop.inside
    pattern = look.pattern
    if part is not None:
        share, slope_share = pattern.share * part, pattern.slope_share * part
        pattern = replace(pattern, share=share, slope_share=slope_share)
    return fit_pattern(
        crop.image[top:bottom, left:right], pattern,
        (SLACK - left + crop.start[0], SLACK - top + crop.start[1]),
        turns=look.turns, pivot_px=look.pivot_px, free=_weak_direction(look),
    )  # fmt: skip


def _chess_board(shape: tuple[int, int]) -> NDArray[np.bool_]:
    size = max(4, min(shape) // SQUARES)
    y, x = np.indices(shape) // size
    return np.asarray((x + y) % 2 == 0)

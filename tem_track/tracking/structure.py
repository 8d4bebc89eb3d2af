"""Whether a box holds anything that could be followed.

An average of frames that were registered on the noise of one of them looks like that noise and
pretends to fix a position. So the box is cut like a chess board: the black squares must find the
target where the white ones find it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tem_track.cores import at_once
from tem_track.errors import TrackingError
from tem_track.records import FloatArray
from tem_track.tracking.crops import SLACK, Crop
from tem_track.tracking.fit import Fit, Pattern, fit_pattern
from tem_track.tracking.gather import Gathered, Gathering
from tem_track.tracking.information import information_of
from tem_track.tracking.look import Chance, Look

__all__ = ["require_structure", "without_chance"]

SQUARES = 4
"""Squares along the shorter side of the box."""
EDGE_SHARE = 1 / 12
"""Below this share of information a direction is left alone."""
AGREE_PX = 0.7
"""How far the halves may be apart in a frame that counts as agreeing."""
OFF_PX = 1.5
"""How far from the presumed place the halves begin along a weak direction, on either side."""
FEWEST_FRAMES = 5
"""Frames from which on it is asked."""
LEAST_AGREEING = 0.75
"""Part of the recognised frames in which both halves must agree."""
LEAST_WANDER_PX = 1.0
"""Least standard deviation of a place along an edge of which nothing is known."""
STILL = 3.0
"""Wandering along an edge over that across it, from which on a bar's is no camera's."""
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
    boards = [_Board.of(look) for look in looks]
    agreeing = [
        agrees
        for own, board in zip(gathering.looks, boards, strict=True)
        for agrees in at_once(board.halves_agree, own.crops)
    ]
    if any(not _anchored(own, board) for own, board in zip(gathering.looks, boards, strict=True)):
        agreeing = []
    recognised = sum(agreeing) / gathering.shown
    if recognised < LEAST_RECOGNISED or sum(agreeing) < LEAST_AGREEING * len(agreeing):
        box = [round(v) for v in gathering.target.references[0].box.as_tuple()]
        raise TrackingError(
            f"the {gathering.target.name}'s box {box} holds nothing that could be followed: it is "
            f"recognised in {sum(agreeing)} of {gathering.shown} sampled frames; draw it over a "
            "corner or an edge across the axis"
        )


def without_chance(own: Gathered, look: Look, *, is_bar: bool = False) -> Look:
    """Return a look that does not trust what fixes it along an edge, where that is but chance.

    Texture of the target serves along its edge, however faint: then both halves of the box find it
    at the same place. The average of frames that were registered on noise looks like texture too;
    where it was found in the sample is then all that is known. The bar goes nowhere but with the
    camera, which shakes along the edge as it does across it: where it seems to wander by much more,
    that is chance's, and the bar is held in its usual place.
    """
    if look.free is not None or look.turns or len(own.crops) < FEWEST_FRAMES:
        return look
    board = _Board.of(look)
    if board.weak is None:
        return look
    agreeing = at_once(board.weak_agrees, own.crops)
    if sum(agreeing) >= LEAST_AGREEING * len(agreeing):
        return look
    places = np.array([(crop.x + crop.start[0], crop.y + crop.start[1]) for crop in own.crops])
    along = places @ board.weak
    wander = max(float(np.std(along)), LEAST_WANDER_PX)
    camera = max(float(np.std(places @ board.strong)), LEAST_WANDER_PX)
    is_still = is_bar and wander > STILL * camera
    wander = camera if is_still else wander
    return replace(
        look,
        apart_px2=look.apart_px2 + wander**2 * np.outer(board.weak, board.weak),
        chance=Chance(board.weak, float(np.median(along)), wander, is_still),
    )


def _anchored(own: Gathered, board: _Board) -> bool:
    """Tell whether the template still looks like the reference frame that it began with."""
    if not board.halves_agree(own.reference):
        return False
    fit = board.fit(own.reference, board.look.pattern)
    # one noisy frame in which the descent does not end says nothing: both halves found their place
    return fit is None or fit.likeness >= LEAST_LIKE * board.look.limits.likeness


@dataclass(frozen=True, slots=True, eq=False)
class _Board:
    """A look, cut like a chess board: what is the same for every crop that is tried on it."""

    look: Look
    strong: FloatArray
    weak: FloatArray | None
    halves: tuple[Pattern, Pattern]

    @classmethod
    def of(cls, look: Look) -> _Board:
        """Cut a look; the direction that an edge leaves open is left alone in both halves."""
        values, vectors = np.linalg.eigh(information_of(look.pattern, look.pivot_px, False))
        weak = np.asarray(vectors[:, 0]) if values[0] < EDGE_SHARE * values[1] else None
        black = _chess_board(look.pattern.shape)
        halves = (_part(look.pattern, black), _part(look.pattern, ~black))
        return cls(look, np.asarray(vectors[:, 1]), weak, halves)

    def halves_agree(self, crop: Crop) -> bool:
        """Tell whether the two halves find the target at the same place."""
        return self._agree(crop, self.strong, self.weak, 0.0)

    def weak_agrees(self, crop: Crop) -> bool:
        """Tell whether they come from both sides to the same place along the weak direction."""
        return self.weak is None or self._agree(crop, self.weak, None, OFF_PX)

    def _agree(self, crop: Crop, along: FloatArray, free: FloatArray | None, off_px: float) -> bool:
        fits = [
            self._fit(crop, half, free, (side * off_px * along[0], side * off_px * along[1]))
            for half, side in zip(self.halves, (-1, 1), strict=True)
        ]
        places = [
            float(np.array([fit.x_px, fit.y_px]) @ along) if fit is not None else np.nan
            for fit in fits
        ]
        return bool(abs(places[0] - places[1]) < AGREE_PX)

    def fit(self, crop: Crop, pattern: Pattern) -> Fit | None:
        """Fit a pattern in a crop, along the strong direction alone where there is a weak one."""
        return self._fit(crop, pattern, self.weak, (0.0, 0.0))

    def _fit(
        self, crop: Crop, pattern: Pattern, free: FloatArray | None, off_px: tuple[float, float]
    ) -> Fit | None:
        top, bottom, left, right = crop.inside
        return fit_pattern(
            crop.image[top:bottom, left:right], pattern,
            (SLACK - left + crop.start[0] + off_px[0], SLACK - top + crop.start[1] + off_px[1]),
            turns=self.look.turns, pivot_px=self.look.pivot_px, free=free,
        )  # fmt: skip


def _part(pattern: Pattern, half: NDArray[np.bool_]) -> Pattern:
    part = half.astype(np.float32)
    share, slope_share = pattern.share * part, pattern.slope_share * part
    return replace(pattern, share=share, slope_share=slope_share)


def _chess_board(shape: tuple[int, int]) -> NDArray[np.bool_]:
    size = max(4, min(shape) // SQUARES)
    y, x = np.indices(shape) // size
    return np.asarray((x + y) % 2 == 0)

"""What passes over a target while its template is learnt: hidden in the frames where it lies there.

Pixels over which something is seen to move are left out of a template for good, as those are that
a specimen comes to touch. A body that drifts across the target would so take all its edges away,
though most frames show each of them. It is told from what comes and stays, or what touches and
lets go, by its motion: every place is covered in a part only of the frames in which it is there.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tem_track.records import FloatArray
from tem_track.tracking.crops import Crop
from tem_track.tracking.fit import Fit
from tem_track.tracking.moving import PLAIN_PART
from tem_track.tracking.registration import residuals
from tem_track.tracking.template import Template

__all__ = ["hide_what_passes"]

Covered = NDArray[np.bool_]

BLOCK_PX = 6
"""Side of the blocks in which residuals are averaged."""
RIM_BLOCKS = 2
"""Blocks around what is covered that are hidden as well: a lens's blur, and a body's thin edge."""
MOST_FRAMES = 1 / 3
"""Part of the frames in which a place may be covered."""
PASSES = 0.6
"""Part of its stay in which a body that passes covers a place, at most."""
FEWEST_FRAMES = 12
"""Frames from which on passing is told from staying."""
FEWEST_BLOCKS = 4
"""In a frame, on average: less does no harm."""


def hide_what_passes(stack: Sequence[Crop], fits: Sequence[Fit | None], state: Template) -> bool:
    """Hide in every crop what another body covers that passes; tell whether there is one.

    Parameters
    ----------
    stack : sequence of Crop
        The reference, then the sampled frames in their order.
    fits : sequence of Fit or None
    state : Template
    """
    known = [k for k in range(1, len(stack)) if fits[k] is not None]
    if len(known) < FEWEST_FRAMES:
        return False
    pattern = state.pattern()
    low, high = np.quantile(pattern.coef, [0.02, 0.98])
    differs = np.array([_blocks(residuals(stack[k], f, pattern, state)[0])
                        for k in known if (f := fits[k]) is not None])  # fmt: skip
    differs = differs - np.median(differs, axis=0)
    hidden = passing(np.abs(differs) > PLAIN_PART * float(high - low))
    if not hidden.any():
        return False
    size = 2 * RIM_BLOCKS + 1
    for k, covered in zip(known, hidden, strict=True):
        if covered.any():
            wide = cv2.dilate(covered.astype(np.uint8), np.ones((size, size), np.uint8))
            h, w = state.shape
            stack[k].hidden = cv2.resize(wide, (w, h), interpolation=cv2.INTER_NEAREST) > 0
    return True


def passing(covered: Covered) -> Covered:
    """Return the part of what is covered (frames, rows, columns) that a passing body covers."""
    bodies, count = ndimage.label(covered)
    out = np.zeros_like(covered)
    for number in range(1, count + 1):
        body = bodies == number
        stay = int(body.any(axis=(1, 2)).sum())
        at_a_place = body.sum(axis=0)
        longest = float(np.quantile(at_a_place[at_a_place > 0], 0.9))
        if longest <= PASSES * stay and longest <= MOST_FRAMES * len(covered):
            out |= body if body.sum() >= FEWEST_BLOCKS * stay else False
    return out


def _blocks(rest: NDArray[np.float32]) -> FloatArray:
    h, w = (max(1, side // BLOCK_PX) for side in rest.shape)
    return np.asarray(cv2.resize(rest, (w, h), interpolation=cv2.INTER_AREA), float)

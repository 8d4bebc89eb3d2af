"""A face as the specimen's own columns show it: the step between the specimen and what it meets."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.specimen.faces import Step, find_step
from tem_track.specimen.foot import contrast_step, root_doubt
from tem_track.specimen.model import end_profile
from tem_track.specimen.strip import Strip

__all__ = [
    "CLEAR_STEP",
    "DRAWN_PX",
    "FOOT_BLUR_PX",
    "FOOT_PX",
    "FOOT_WIDTH",
    "Face",
    "central_step",
    "seen_face",
]

FOOT_PX = 8.0
"""How far from where it is expected a step is sought."""
FOOT_WIDTH = 0.35
"""Half the columns in which it is sought, over the specimen's width."""
FOOT_BLUR_PX = 1.0
DRAWN_PX = 20.0
"""How far a hand draws a face off."""
CLEAR_STEP, _PLAIN_STEP = 0.08, 0.25
"""Height of a step over the vacuum, from which on it is seen, and from which on it is plain."""
_SURE_PX, _APART_PX = 0.15, 1.5
"""A base as dark as its specimen shows no step: a faint and unsure one so far off is none."""
_VOIDS_PX = 0.05
"""Thickness of the voids that two faces leave."""
_CONTRAST_REACH_PX, _LEAST_CONTRAST = 9.0, 0.015
"""How far off columns cease to differ, and by how much of the vacuum they have to."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face along the axis; `beside` where the specimen's own columns do not show it."""

    s_px: float
    u_px: float
    beside: bool = False


def seen_face(step: Step, level: float, specimen: float = 0.0) -> Face:
    """Return a face that is seen as a step.

    Two faces that touch leave voids. They are far too thin to be seen, but their light moves the
    step, by more the less the two bodies differ in brightness, and by less the brighter the
    specimen itself is at its end.
    """
    light = max(level - specimen, 0.0) / abs(step.height)
    return Face(step.s_px, math.hypot(step.u_px, _VOIDS_PX * light))


def central_step(
    mean: Strip,
    middle: float,
    width: float,
    near: float,
    otherwise: float,
    drawn: float | None = None,
) -> Face:
    """Return the face in the specimen's own columns, where it stands out clearly there.

    Elsewhere it is `otherwise`, and half the distance to what those columns show is its doubt.

    Beside the specimen a round or rough electrode lies lower than under its foot, and a lump may
    show a stronger step: then the clearest step about the drawn face counts.
    """
    profile = end_profile(mean, middle, FOOT_WIDTH * width)
    s, level = mean.grid.s_px, float(np.nanpercentile(mean.grey, 90))

    def clear(step: Step, about: float, reach: float) -> bool:
        inside = abs(step.s_px - about) < reach - 0.5
        return abs(step.height) > CLEAR_STEP * level and step.u_px < 0.5 and inside

    def mended(face: Face) -> Face:
        return _by_contrast(mean, middle, width, face, level)

    close = find_step(profile, s, near, FOOT_PX, 1.0)
    is_close = clear(close, near, FOOT_PX)
    if drawn is not None:
        wide = find_step(profile, s, drawn, DRAWN_PX, 1.0)
        weaker = not is_close or abs(close.height) < 0.6 * abs(wide.height)
        if weaker and clear(wide, drawn, DRAWN_PX):
            return mended(seen_face(wide, level))
    faint = abs(close.height) < _PLAIN_STEP * level and close.u_px > _SURE_PX
    doubtful = faint and abs(close.s_px - otherwise) > _APART_PX
    if is_close and not doubtful:
        return mended(seen_face(close, level))
    apart = abs(close.s_px - otherwise)
    doubt = 0.5 * apart if is_close else 0.0
    return mended(Face(otherwise, doubt, beside=True))


def _by_contrast(mean: Strip, middle: float, width: float, face: Face, level: float) -> Face:
    """Return a face as what the columns differ by and their mean show it together.

    Voids light up all columns alike and hardly move the first.
    """
    blur = FOOT_BLUR_PX
    differing = contrast_step(mean, middle, width, face.s_px, _CONTRAST_REACH_PX, blur)
    inside = abs(differing.s_px - face.s_px) < _CONTRAST_REACH_PX - 0.5
    if not (inside and differing.u_px < 0.5 and differing.height > _LEAST_CONTRAST * level):
        return face
    u = max(differing.u_px, _VOIDS_PX)
    profile = end_profile(mean, middle, FOOT_WIDTH * width)
    if face.beside:
        step = find_step(profile, mean.grid.s_px, differing.s_px, 3.0, blur)
        if not abs(step.height) > CLEAR_STEP * level:
            return Face(differing.s_px, u)
        face = seen_face(step, level)
    doubt = 0.5 * root_doubt(mean, middle, width, face.s_px, blur)
    return _weighed(Face(differing.s_px, u), Face(face.s_px, math.hypot(face.u_px, doubt)))


def _weighed(one: Face, other: Face) -> Face:
    """Return the weighted mean of two places, less sure by as much as they differ too far."""
    weight, total = one.u_px**-2, one.u_px**-2 + other.u_px**-2
    share = weight / total
    apart = abs(one.s_px - other.s_px) / math.hypot(one.u_px, other.u_px)
    u = total**-0.5 * max(apart, 1.0)
    return Face(share * one.s_px + (1 - share) * other.s_px, u)

"""The specimen's own end lines: a look at the length that owes nothing to the tracks.

In contact the length is the distance of the tip's and the base's faces, which move with the tracked
targets. That is precise, but it would follow a target that is not followed rightly, or a face that
is not fixed to it, without a word. So the steps of brightness at both ends are sought in the
specimen's own columns as well, frame by frame. Contrast inside the specimen moves such a step too,
by another amount in other columns and by the shape of the profile beside it, and a face moves them
all alike: so a third of the columns each says it once more, and so do curves in place of the lines
that lead up to the step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.specimen.edges import Edges
from tem_track.specimen.half_way import FARTHEST_PX, OUTER_PX, half_way
from tem_track.specimen.model import SpecimenModel
from tem_track.specimen.smooth import Mask
from tem_track.specimen.strip import Strip

__all__ = ["seat", "seat_again"]

_NEAR_PX = 40.0
_COLUMN_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to see an end line.

    Attributes
    ----------
    middle, half : float
        Of the columns that are averaged, over half the width of those that are used.
    degree : int
        Of the curves that lead up to the step.
    """

    middle: float = 0.0
    half: float = 1.0
    degree: int = 1


_WAYS = {
    "seat_left_px": _Way(-2 / 3, 1 / 3),
    "seat_mid_px": _Way(0.0, 1 / 3),
    "seat_right_px": _Way(2 / 3, 1 / 3),
    "seat_curved_px": _Way(degree=2),
}


def seat(
    model: SpecimenModel, strip: Strip, edges: Edges, base_face_px: float, tip_face_px: float
) -> dict[str, float]:
    """Return by how much the end lines that are seen lie farther apart than the tracked faces.

    Parameters
    ----------
    model : SpecimenModel
    strip : Strip
    edges : Edges
        Of the bands; they say where the specimen's own columns are.
    base_face_px, tip_face_px : float
        The faces along the axis, as the tracks carry them.

    Returns
    -------
    dict
        `seat_px` and `u_seat_px`; a constant part is the edge's look and means nothing. Empty
        where an end line is not to be seen.
    """
    found = _apart(model, strip, _ends(edges, base_face_px, tip_face_px), _Way())
    return {} if found is None else {"seat_px": found[0], "u_seat_px": found[1]}


def seat_again(
    model: SpecimenModel, strip: Strip, edges: Edges, base_face_px: float, tip_face_px: float
) -> dict[str, float]:
    """Return what `seat` does, seen in other ways: how far they agree says how sure it is."""
    ends = _ends(edges, base_face_px, tip_face_px)
    found = {name: _apart(model, strip, ends, way) for name, way in _WAYS.items()}
    return {name: math.nan if each is None else each[0] for name, each in found.items()}


@dataclass(frozen=True, slots=True)
class _End:
    """A face along the axis, and the specimen's own columns there: middle and half their width."""

    face_px: float
    middle_px: float
    reach_px: float


def _ends(edges: Edges, base_face_px: float, tip_face_px: float) -> tuple[_End, _End] | None:
    good: Mask = np.asarray(edges.good.all(axis=1))
    if not good.any():
        return None
    base, tip = (_end(edges, good, face_px) for face_px in (base_face_px, tip_face_px))
    return base, tip


def _end(edges: Edges, good: Mask, face_px: float) -> _End:
    near = good & (np.abs(edges.s_px - face_px) < _NEAR_PX)
    left, right = np.median(edges.t_px[near if near.any() else good], axis=0)
    return _End(face_px, (left + right) / 2, _COLUMN_SHARE * (right - left))


def _apart(
    model: SpecimenModel, strip: Strip, ends: tuple[_End, _End] | None, way: _Way
) -> tuple[float, float] | None:
    if ends is None:
        return None
    blur = model.table.profile.blur_px
    base, tip = (_end_line(strip, end, blur, way) for end in ends)
    if base is None or tip is None:
        return None
    return tip[0] - base[0], math.hypot(tip[1], base[1])


def _end_line(strip: Strip, end: _End, blur_px: float, way: _Way) -> tuple[float, float] | None:
    reach = OUTER_PX + FARTHEST_PX + 1
    rows = strip.rows(end.face_px - reach, end.face_px + reach)
    middle, half = end.middle_px + way.middle * end.reach_px, way.half * end.reach_px
    columns = strip.columns(middle - half, middle + half)
    if columns.stop <= columns.start or rows.stop <= rows.start:
        return None
    profile = np.asarray(strip.grey[rows, columns].mean(axis=1), dtype=np.float64)
    return half_way(profile, strip.grid.s_px[rows] - end.face_px, blur_px, way.degree)

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

import numpy as np

from tem_track.specimen.edges import Edges
from tem_track.specimen.half_way import end_lines
from tem_track.specimen.model import SpecimenModel
from tem_track.specimen.smooth import Mask
from tem_track.specimen.strip import Strip
from tem_track.specimen.widths import edges_near

__all__ = ["seat"]

_NEAR_PX = 40.0
"""Of the face, where the edges that cross it are taken from."""
_COLUMN_SHARE = 0.3
"""Half the columns that are read, over the width there."""
_MOST_VAGUE_PX = 0.25
"""What a foot may hide of the face before its end line is worth nothing."""


_WAYS = {
    "seat_px": (0.0, 1.0, 1.0),
    "seat_left_px": (-2 / 3, 1 / 3, 1.0),
    "seat_mid_px": (0.0, 1 / 3, 1.0),
    "seat_right_px": (2 / 3, 1 / 3, 1.0),
    "seat_curved_px": (0.0, 1.0, 2.0),
}
"""Ways to see an end line: middle and half width of the columns that are averaged, over half the
width of those that are used, and the degree of the curves that lead up to the step."""
_EVERY_WAY = np.array(list(_WAYS.values()))


def seat(
    model: SpecimenModel, strip: Strip, edges: Edges, base_face_px: float, tip_face_px: float
) -> tuple[dict[str, float], dict[str, float]]:
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
    found : dict
        `seat_px` and `u_seat_px`; a constant part is the edge's look and means nothing. Empty
        where an end line is not to be seen.
    again : dict
        The same seen in other ways: how far they agree says how sure it is.
    """
    good: Mask = np.asarray(edges.good.all(axis=1))
    if not good.any() or model.vague_line_px > _MOST_VAGUE_PX:
        return {}, dict.fromkeys(list(_WAYS)[1:], math.nan)
    edges_px = np.ascontiguousarray(edges.t_px)
    ends = np.empty((2, 3))
    for end, face_px in zip(ends, (base_face_px, tip_face_px), strict=True):
        left, right = edges_near(edges.s_px, edges_px, good, float(face_px), _NEAR_PX)
        end[:] = face_px, (left + right) / 2, _COLUMN_SHARE * (right - left)
    corner = (strip.grid.s_first, strip.grid.t_first)
    lines = end_lines(strip.grey, corner, ends, _EVERY_WAY, model.table.profile.blur_px)
    apart = (lines[:, 1, 0] - lines[:, 0, 0]).tolist()
    again = dict(zip(_WAYS, apart, strict=True))
    first = again.pop("seat_px")
    if math.isnan(first):
        return {}, again
    return {"seat_px": first, "u_seat_px": math.hypot(lines[0, 0, 1], lines[0, 1, 1])}, again

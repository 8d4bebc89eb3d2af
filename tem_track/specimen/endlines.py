"""The specimen's own end lines: a look at the length that owes nothing to the tracks.

In contact the length is the distance of the tip's and the base's faces, which move with the tracked
targets. That is precise, but it would follow a target that is not followed rightly, or a face that
is not fixed to it, without a word. So the steps of brightness at both ends are sought in the
specimen's own columns as well, frame by frame.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri

from tem_track.records import FloatArray
from tem_track.specimen.edges import Edges
from tem_track.specimen.model import SpecimenModel, end_profile
from tem_track.specimen.strip import Strip

__all__ = ["seat"]

_NEAR_PX = 40.0
_COLUMN_SHARE = 0.3
_OUTER_PX = 14.0
_FARTHEST_PX = 4.0


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
    blur = model.table.profile.blur_px
    base = _end_line(strip, edges, base_face_px, blur)
    tip = _end_line(strip, edges, tip_face_px, blur)
    if base is None or tip is None:
        return {}
    seen = tip[0] - base[0]
    return {"seat_px": seen, "u_seat_px": math.hypot(tip[1], base[1])}


def _end_line(
    strip: Strip, edges: Edges, face_px: float, blur_px: float
) -> tuple[float, float] | None:
    good = edges.good.all(axis=1)
    near = good & (np.abs(edges.s_px - face_px) < _NEAR_PX)
    use = near if near.any() else good
    if not use.any():
        return None
    left, right = np.median(edges.t_px[use], axis=0)
    profile = end_profile(strip, (left + right) / 2, _COLUMN_SHARE * (right - left))
    x = strip.grid.s_px - face_px
    about = np.abs(x) < _OUTER_PX + _FARTHEST_PX + 1
    return half_way(profile[about], x[about], blur_px)


def half_way(profile: FloatArray, x_px: FloatArray, blur_px: float) -> tuple[float, float] | None:
    """Return where a profile is half-way between the lines that lead up to a step, and u.

    Each sample on the step's flank says where its middle is, as the blur is known. The lines are
    drawn again about the middle that was found, so that none of the flank is in them.

    Parameters
    ----------
    profile, x_px : array, shape (n,)
        Brightness, and position against the place where the step is expected.
    blur_px : float
        Standard deviation of the blur.
    """
    first = _half_way(profile, x_px, blur_px)
    if first is None or abs(first[0]) > _FARTHEST_PX:
        return None
    again = _half_way(profile, x_px - first[0], blur_px)
    return None if again is None else (first[0] + again[0], again[1])


def _half_way(profile: FloatArray, x_px: FloatArray, blur_px: float) -> tuple[float, float] | None:
    clear = max(2.5 * blur_px, 3.0)
    seen = np.isfinite(profile)
    sides = [
        seen & (x_px > -_OUTER_PX) & (x_px < -clear),
        seen & (x_px > clear) & (x_px < _OUTER_PX),
    ]
    step = seen & (np.abs(x_px) <= clear + 1)
    if min(side.sum() for side in sides) < 6 or step.sum() < 4:
        return None
    lines = [_line(x_px[side], profile[side]) for side in sides]
    noise = math.sqrt(sum(line[2] for line in lines) / 2)
    if abs(lines[1][0] - lines[0][0]) < max(3 * noise, 1e-9):
        return None
    x = x_px[step]
    low, high = (level + slope * x for level, slope, _ in lines)
    return _middle(x, (profile[step] - low) / (high - low), noise / np.abs(high - low), blur_px)


def _line(x: FloatArray, y: FloatArray) -> tuple[float, float, float]:
    """Return level at zero, slope, and the mean square of what the line leaves over."""
    centre, mean = float(x.mean()), float(y.mean())
    dx, dy = x - centre, y - mean
    slope = float(dx @ dy) / float(dx @ dx)
    rest = dy - slope * dx
    return mean - slope * centre, slope, float(rest @ rest) / (len(x) - 2)


def _middle(
    x: FloatArray, risen: FloatArray, u_risen: FloatArray, blur_px: float
) -> tuple[float, float] | None:
    """Return the middle of a rise from 0 to 1, from the samples on the flank nearest to x = 0."""
    turn = np.flatnonzero(np.diff(np.sign(risen - 0.5)) != 0)
    if not len(turn):
        return None
    nearest = float(x[turn[np.argmin(np.abs(x[turn]))]]) + 0.5
    flank = (np.abs(x - nearest) < 2 * blur_px + 0.5) & (risen > 0.05) & (risen < 0.95)
    if not flank.any():
        return None
    z = ndtri(risen[flank])
    slope = np.exp(-0.5 * z * z) / (math.sqrt(2 * math.pi) * blur_px * u_risen[flank])
    weight = slope**2
    middle = float(weight @ (x[flank] - blur_px * z) / weight.sum())
    return middle, 1 / math.sqrt(float(weight.sum()))

"""How rough a face is: what a place read in some of its columns says of others."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.records import FloatArray
from tem_track.specimen.faces import find_step
from tem_track.specimen.smooth import Mask
from tem_track.specimen.strip import Strip

__all__ = ["Roughness", "face_steps", "measure_facing", "measure_roughness", "roughness_along"]

_GROUP_PX = 3
"""Columns that are read together."""
_REACH_PX = 12.0
"""How far from its expected place a face is sought."""
_AHEAD_PX = (6.0, 14.0)
"""Where before the face vacuum is looked for: beyond its blur."""
_LEAST_ROWS = 4
_CLEAR = 0.9
"""Brightness over the vacuum's, from which on a column is free."""
_CLEAR_PX = 4.0
"""Beside the specimen's flank, where its blur ends."""
_LEAST_STEP = 0.1
"""Height of a step over the vacuum's brightness."""
_LEAST_GROUPS = 8
"""Groups of columns from which on a face's roughness is told."""
_MOST_LENGTH_PX = 40.0
"""Longest distance over which departures are alike: beyond, they are the face's shape."""


@dataclass(frozen=True, slots=True)
class Roughness:
    """A face's departures from a straight line.

    Attributes
    ----------
    rms_px : float
    length_px : float
        Columns that far apart count as independent.
    columns_px : float
        Width of all columns in which it was seen.
    """

    rms_px: float = 0.0
    length_px: float = float(_GROUP_PX)
    columns_px: float = 0.0

    def u_mean_px(self, columns_px: float) -> float:
        """Return how far the face's mean over so many columns lies off the line."""
        return self.rms_px * math.sqrt(min(1.0, self.length_px / max(columns_px, 1.0)))

    @property
    def u_line_px(self) -> float:
        """How far the line itself may lie off."""
        return self.u_mean_px(self.columns_px)


def measure_roughness(
    mean: Strip, middle_px: float, width_px: float, face_px: float, blur_px: float
) -> Roughness:
    """Measure how rough the base's face is where vacuum is beside the specimen.

    Parameters
    ----------
    mean : Strip
        About the base's face, averaged over registered frames; vacuum lies towards the tip.
    middle_px, width_px : float
        Of the specimen, whose own columns are left out.
    face_px : float
        Where the face is, to some pixels.
    blur_px : float

    Returns
    -------
    Roughness
        None at all where too few columns show the face.
    """
    beside = np.abs(mean.grid.t_px - middle_px) > 0.5 * width_px + _CLEAR_PX
    return roughness_along(_base_steps(mean, beside, face_px, blur_px))


def face_steps(mean: Strip, face_px: float, blur_px: float) -> FloatArray:
    """Return where groups of columns show the base's face before anything stands on it.

    Parameters
    ----------
    mean : Strip
        Averaged over registered frames; vacuum lies towards the tip.
    face_px : float
        Where the face is, to some pixels.
    blur_px : float

    Returns
    -------
    array, shape (n, 2)
        Across and along the axis.
    """
    everywhere = np.ones(mean.grid.t_px.shape, dtype=bool)
    return _base_steps(mean, everywhere, face_px, blur_px)


def _base_steps(mean: Strip, columns: Mask, face_px: float, blur_px: float) -> FloatArray:
    """Return the steps, shape (n, 2), in those of some columns that show vacuum before the face."""
    ahead = mean.rows(face_px + _AHEAD_PX[0], face_px + _AHEAD_PX[1])
    if ahead.stop - ahead.start < _LEAST_ROWS:
        return np.empty((0, 2))
    level = np.asarray(mean.grey[ahead].mean(axis=0), dtype=np.float64)
    vacuum = float(np.nanpercentile(level, 90))
    clear = columns & (level > _CLEAR * vacuum)
    place, depth, _ = _departures(mean, clear, face_px, blur_px, 1, vacuum)
    return np.column_stack([place, depth])


def roughness_along(steps: FloatArray) -> Roughness:
    """Return how far steps, shape (n, 2), across and along the axis, depart from a line.

    Returns
    -------
    Roughness
        None at all where they are too few.
    """
    place, depth = steps.T
    if len(place) < _LEAST_GROUPS:
        return Roughness()
    rest = depth - np.polyval(np.polyfit(place, depth, 1), place)
    rms = float(np.std(rest)) * math.sqrt(len(rest) / (len(rest) - 2))
    return Roughness(rms, _length_px(place, rest), float(_GROUP_PX * len(place)))


def measure_facing(
    mean: Strip, middle_px: float, width_px: float, face_px: float, blur_px: float
) -> Roughness:
    """Measure how rough the tip's face is where it comes to meet the specimen.

    Parameters
    ----------
    mean : Strip
        About the tip's face, averaged over registered frames with an open gap before it.
    middle_px, width_px : float
        Of the specimen, in whose columns the face is looked at.
    face_px : float
        Where the face is, to some pixels.
    blur_px : float

    Returns
    -------
    Roughness
        None at all where too few columns show the face.
    """
    inside = np.abs(mean.grid.t_px - middle_px) < 0.5 * width_px
    level = float(np.nanpercentile(mean.grey, 90))
    place, depth, u = _departures(mean, inside, face_px, blur_px, -1, level)
    if len(place) < _LEAST_GROUPS:
        return Roughness()
    rest = depth - depth.mean()
    variance = float(np.var(depth, ddof=1)) - float(np.mean(u**2))
    if variance <= 0:
        return Roughness(0.0, float(_GROUP_PX), float(_GROUP_PX * len(place)))
    return Roughness(math.sqrt(variance), _length_px(place, rest), float(_GROUP_PX * len(place)))


def _departures(
    mean: Strip, columns: Mask, face_px: float, blur_px: float, sign: int, level: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return where groups of columns show a face, across and along the axis, and u of the last."""
    t = mean.grid.t_px
    seen = []
    for first in range(0, len(t) - _GROUP_PX + 1, _GROUP_PX):
        group = slice(first, first + _GROUP_PX)
        if not columns[group].all():
            continue
        profile = np.asarray(mean.grey[:, group].mean(axis=1), dtype=np.float64)
        step = find_step(profile, mean.grid.s_px, face_px, _REACH_PX, blur_px, sign)
        if sign * step.height > _LEAST_STEP * level and step.u_px < 1.0:
            seen.append((float(t[group].mean()), step.s_px, step.u_px))
    place, depth, u = np.array(seen).reshape(-1, 3).T
    return place, depth, u


def _length_px(at_px: FloatArray, rest: FloatArray) -> float:
    """Return the width over which departures are alike: the integral of their correlation."""
    power = max(float(np.mean(rest**2)), 1e-12)
    total, lag = 1.0, 1
    while lag * _GROUP_PX < _MOST_LENGTH_PX:
        pairs = np.abs(at_px[lag:] - at_px[:-lag] - lag * _GROUP_PX) < 0.5
        if pairs.sum() < 4:
            break
        alike = float(np.mean((rest[lag:] * rest[:-lag])[pairs])) / power
        if alike <= 0:
            break
        total += 2.0 * alike
        lag += 1
    return float(min(_GROUP_PX * total, _MOST_LENGTH_PX))

"""Where the tip's face is, learnt from the sample once for all frames."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray
from tem_track.specimen.central_step import CLEAR_STEP, DRAWN_PX, central_step
from tem_track.specimen.faces import Step, find_step, half_level, measure_blur
from tem_track.specimen.model import FRONT_PX, SpecimenModel, end_profile
from tem_track.specimen.roughness import measure_facing
from tem_track.specimen.sampled import (
    Sampled,
    around_tip,
    drawn_within,
    mean_strip,
    side_profile,
)
from tem_track.specimen.smooth import Mask
from tem_track.specimen.strip import Strip

__all__ = ["learn_tip_face", "sharpest"]

_END_PX = 6.0
"""Half the columns of the specimen that show the gap at least."""
_MOST_END_PX = 12.0
"""The same at most, where no column beside it shows the face."""
_CLEAR_OF_BODY_PX = 6.0
"""From a body's end, where its blur is over."""
_CLEAR_OF_FLANK_PX = 3.0
_FLANK_PX, _AS_HIGH = 4.0, 0.6
"""From where on, and how high, a step beside the specimen is a narrow tip's flank."""
_APEX_PX = 6.0
"""How far the apex of a curved tip reaches beyond the face beside the specimen at most."""
_FACE_BLUR_PX, _LEAST_U_FACE_PX = 1.2, 0.05


def learn_tip_face(
    model: SpecimenModel, kept: list[Sampled], width: float, middle: float
) -> SpecimenModel:
    """Find the tip's face on the average of frames whose gap is open, or beside the specimen."""
    span = (model.box_s_px[0] - 20.0, model.box_s_px[1] + 40.0)
    strips = [around_tip(model, item, span) for item in kept if not item.tip.lost]
    if not strips:
        return model
    mean = mean_strip(strips)
    drawn = model.box_s_px[1]
    within = drawn_within(model)
    beside = side_profile(mean, middle, width, drawn, -1, within)
    s = mean.grid.s_px
    near = find_step(beside, s, drawn, within, 1.2, -1)
    if model.mode == "compression":
        bright = float(np.nanpercentile(mean.grey, 90))
        near = _of_the_apex(strips, middle, drawn, near, bright, model.end.half_px)
    face = near.s_px if math.isfinite(near.s_px) else drawn
    open_strips = [x for x in strips if _gap_seen(x, middle, width, face)]
    model = replace(model, tip_face_px=face)
    if open_strips and model.mode == "compression":
        half = _half_before_the_tip(mean_strip(open_strips), middle, face, model.end.half_px)
        model = replace(model, end=replace(model.end, half_px=half))
    if not open_strips:
        central = central_step(mean, middle, width, face, model.tip_face_px)
        return replace(model, tip_face_px=central.s_px, u_common_tip_px=central.u_px)
    front, at = _front(open_strips, middle, face, model.end.half_px)
    across = find_step(front, at, face, 5.0, _FACE_BLUR_PX, -1)
    if math.isfinite(across.s_px) and across.height < 0:
        level = half_level(front, at, across, _FACE_BLUR_PX)
        u_face = math.hypot(0.5 * (level - across.s_px), _LEAST_U_FACE_PX)
        model = replace(model, tip_face_px=level, u_tip_face_px=u_face)
    front, _ = _front(open_strips, middle, model.tip_face_px, model.end.half_px)
    facing = measure_facing(
        mean_strip(open_strips), middle, width, model.tip_face_px, _FACE_BLUR_PX
    )
    u_facing = facing.u_mean_px(2.0 * model.end.half_px)
    return replace(model, tip_front=front, u_facing_px=u_facing)


def _of_the_apex(
    strips: list[Strip], middle: float, drawn: float, beside: Step, bright: float, end: float
) -> Step:
    """Return the face that the specimen meets; beside it a narrow tip shows its flank, or none."""
    if not -beside.height > CLEAR_STEP * bright:
        return _across_the_gap(strips, middle, drawn, min(end, _MOST_END_PX)) or beside
    across = _across_the_gap(strips, middle, drawn, _END_PX)
    if across is None:
        return beside
    is_flank = beside.s_px - across.s_px > _FLANK_PX and across.height < _AS_HIGH * beside.height
    return across if is_flank else beside


def _half_before_the_tip(strip: Strip, middle: float, face: float, half: float) -> float:
    """Return the half width of the end's columns, fewer where the tip does not reach them all."""
    t, at = strip.grid.t_px, strip.rows(face + 2.0, face + 5.0)
    behind = strip.grey[at].mean(axis=0)
    ahead = strip.grey[strip.rows(face - 6.0, face - 3.0)].mean(axis=0)
    near = np.abs(t - middle) <= _END_PX
    level = 0.5 * (np.nanmean(behind[near]) + np.nanmean(ahead[near]))
    free = np.abs(t - middle)[(behind > level) & (np.abs(t - middle) > _END_PX)]
    reach = float(free.min()) - _CLEAR_OF_FLANK_PX if free.size else half
    return min(half, max(reach, _END_PX))


def _across_the_gap(strips: list[Strip], middle: float, drawn: float, end: float) -> Step | None:
    """Return the tip's face as the specimen's own columns show it where the gap is open.

    A body wider than the tip leaves no column beside it from which the face would be seen. Of the
    frames those with the highest step count: there it falls from vacuum, not from the specimen.
    """
    steps = []
    for strip in strips:
        profile = end_profile(strip, middle, end, 3)
        step = _first_without_light(profile, strip.grid.s_px, drawn)
        if -step.height > CLEAR_STEP * float(np.nanpercentile(strip.grey, 90)):
            steps.append(step)
    if not steps:
        return None
    highest = sorted(steps, key=lambda step: step.height)[: max(1, len(steps) // 10)]
    return sorted(highest, key=lambda step: step.s_px)[len(highest) // 2]


def _first_without_light(profile: FloatArray, s_px: FloatArray, drawn: float) -> Step:
    """Return the fall of brightness within reach of the drawn face behind which all stays dark.

    The dark cap of a hollow ball's wall falls as steeply, but the gap is lit behind it.
    """
    step = find_step(profile, s_px, drawn, DRAWN_PX, 1.2, -1)
    behind = (s_px > step.s_px + 3.0) & (s_px < drawn + 2.0 * DRAWN_PX)
    near = behind & (s_px < step.s_px + 6.0)
    if not (step.height < 0 and near.any() and step.s_px < drawn + _FLANK_PX):
        return step
    half_lit = float(np.nanmin(profile[near])) - 0.5 * step.height
    if not np.nanmax(profile[behind]) > half_lit:
        return step
    reach = 0.5 * (drawn + DRAWN_PX - step.s_px - 4.0)
    return find_step(profile, s_px, drawn + DRAWN_PX - reach, reach, 1.2, -1)


def sharpest(model: SpecimenModel, kept: list[Sampled], width: float, middle: float) -> float:
    """Return the blur of the sharpest piece of the tip's face, on the registered average."""
    span = (model.tip_face_px - 20.0, model.tip_face_px + 20.0)
    strips = [around_tip(model, item, span) for item in kept if not item.tip.lost]
    if not strips:
        return 1.0
    mean = mean_strip(strips)
    blurs = []
    for at in np.arange(middle - 0.7 * width, middle + 0.7 * width, 9.0):
        profile = end_profile(mean, float(at), 4.0)
        step = find_step(profile, mean.grid.s_px, model.tip_face_px, 8.0, 1.0, -1)
        strong = np.isfinite(step.s_px) and -step.height > 0.2 * float(np.nanmax(profile))
        blurs += [measure_blur(profile, mean.grid.s_px, step)] if strong else []
    return float(np.clip(np.percentile(blurs, 25), 0.6, 3.0)) if blurs else 1.0


def _gap_seen(strip: Strip, middle: float, width: float, face: float) -> bool:
    profile = end_profile(strip, middle, _END_PX, 3)
    side = side_profile(strip, middle, width, face, -1)
    s = strip.grid.s_px
    near = (s > face - 30) & (s < face - 3)
    body = (s < face - 45) & (s > face - 75)
    if not near.any() or not body.any():
        return False
    inner, vacuum = float(np.median(profile[body])), float(np.median(side[near]))
    bright = profile[near] > inner + 0.85 * (vacuum - inner)
    return bool(bright.sum() >= 5)


def _front(
    strips: list[Strip], middle: float, face: float, end: float
) -> tuple[FloatArray, FloatArray]:
    """Return the brightness about the tip's face at `FRONT_PX`, as without a specimen.

    The frames see the face at different fractions of a pixel, so that splines through them tell
    more of its step together than samples a pixel apart.
    """
    at = face + FRONT_PX
    rows = []
    for strip in strips:
        s = strip.grid.s_px
        values = _between(s, end_profile(strip, middle, end), at)
        smooth = np.interp(at, s, end_profile(strip, middle, end, 3))
        if not np.isfinite(smooth).any():
            continue  # out of view
        body = _before_the_tip(smooth < 0.9 * np.nanmax(smooth), at, face - 3)
        if len(body):
            values[at < at[body[-1]] + _CLEAR_OF_BODY_PX] = np.nan
        rows.append(values)
    stack = np.asarray(rows).reshape(-1, at.size)
    count = np.isfinite(stack).sum(axis=0)
    mean = np.nansum(stack, axis=0) / np.maximum(count, 1)
    seen = count > 0
    return np.asarray(np.interp(at, at[seen], mean[seen])), at


def _before_the_tip(dark: Mask, at: FloatArray, ahead_px: float) -> NDArray[np.intp]:
    """Return which dark places in front of the tip are a body's and not the tip's own.

    A curved tip's apex reaches farther than its face beside the specimen: what is dark from there
    on, with light before it, is the apex.
    """
    ahead = at < ahead_px
    lit = np.flatnonzero(~dark & ahead)
    if len(lit) and at[lit[-1]] > ahead_px - _APEX_PX:
        ahead = ahead & (at < at[lit[-1]])
    return np.flatnonzero(dark & ahead)


def _between(s_px: FloatArray, profile: FloatArray, at_px: FloatArray) -> FloatArray:
    """Return a profile between its samples by a cubic spline; NaN where nothing is seen."""
    from scipy.interpolate import CubicSpline  # costs a tenth of a second

    seen = np.isfinite(profile)
    if seen.sum() < 4:
        return np.full(len(at_px), np.nan)
    values = CubicSpline(s_px[seen], profile[seen])(at_px)
    inside = (at_px >= s_px[seen][0]) & (at_px <= s_px[seen][-1])
    return np.where(inside, values, np.nan)

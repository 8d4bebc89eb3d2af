"""Learning a specimen from a sample of frames: faces, profile, the base's look, the axis."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from tem_track.errors import ConfigError
from tem_track.records import Axis, Box, FloatArray, Frame, Match, Outline
from tem_track.specimen.axis import (
    axis_from_boxes,
    axis_from_midlines,
    axis_from_motion,
    combine_axes,
)
from tem_track.specimen.basepatch import BasePatch
from tem_track.specimen.edges import coarse_edges, steady
from tem_track.specimen.ends import learn_end
from tem_track.specimen.faces import Step, find_step, half_level, measure_blur
from tem_track.specimen.foot import contrast_step, root_doubt
from tem_track.specimen.learn import learn_profile, with_film, with_form, with_layer
from tem_track.specimen.model import (
    FRONT_PX,
    MARGIN_T_PX,
    EndLook,
    SpecimenModel,
    average_bands,
    end_profile,
    fill_outside,
    grid_for,
    strip_margin_px,
    vacuum_level,
)
from tem_track.specimen.profile import Profile, tabulate
from tem_track.specimen.reduction import blocks_for, reduced, reduced_box, reduced_match
from tem_track.specimen.roughness import measure_facing, measure_roughness
from tem_track.specimen.shapes import SHAPES
from tem_track.specimen.strip import Crop, Strip, crop_around, project_box

__all__ = ["prepare_specimen"]

Triple = tuple[Frame, Match, Match | None]
Seen = Triple | tuple[Frame, Match, Match | None, Match | None]
_END_PX = 6.0
_FOOT_PX = 8.0
_FOOT_REACH_PX, _FOOT_WINDOW_PX = 2.5, 3.0
_CLEAR_OF_BODY_PX = 6.0
_DRAWN_PX = 20.0  # how far a hand draws a face off
_NEAR_PX, _NEAR_SHARE = 14.0, 0.06  # of the box's shorter side: a large one is drawn less finely
_CLEAR_STEP, _PLAIN_STEP = 0.08, 0.25
_FLANK_PX, _AS_HIGH = 4.0, 0.6  # from where on a step beside the specimen is a narrow tip's flank
_CLEAR_OF_FLANK_PX = 3.0
_MOST_END_PX = 12.0
_SURE_PX, _APART_PX = 0.15, 1.5  # a base as dark as its specimen shows no step under the foot
_PATCH_PX = (30, 10)
_FLAT_FOOT = 0.2  # share of facets from which on a body stands on one
_FOOT_WIDTH = 0.35  # half the columns in which the base is sought under a foot
_BESIDE_PX = 60.0
_VOIDS_PX, _U_UNSEEN_PX = 0.05, 2.0
_FOOT_BLUR_PX, _CONTRAST_REACH_PX, _LEAST_CONTRAST = 1.0, 9.0, 0.015
_VAGUE_DEG = 3.0
_FACE_BLUR_PX, _LEAST_U_FACE_PX = 1.2, 0.05
_SLENDER = 1.3  # length over diameter; a stouter body's midline tells nothing of bending


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """What is kept of a sampled frame."""

    crop: Crop
    tip: Match
    base: Match | None
    bar: Match | None = None


def prepare_specimen(
    reference: Seen,
    sample: Iterable[Seen],
    box: Box,
    *,
    shape: str,
    mode: str,
    axis: Axis | None = None,
    polarity: str = "dark",
    tip_box: Box | None = None,
    base_box: Box | None = None,
) -> SpecimenModel:
    """Learn how a specimen looks, so that single frames can be outlined.

    Parameters
    ----------
    reference : (Frame, Match, Match or None) or (Frame, Match, Match or None, Match or None)
        The frame in which the boxes are drawn, with tip, base and, if it is given, the bar as they
        were found in it.
    sample : iterable of the same
        Frames spread over the movie; only the specimen's surroundings are kept.
    box : Box
        The specimen in the reference frame, drawn by hand.
    shape : str
        A name in `SHAPES`.
    mode : {'compression', 'tension'}
    axis : Axis or None
        The loading axis; found from the sample where it is not given.
    polarity : {'dark', 'bright'}
        Whether objects are darker or brighter than what surrounds them.
    tip_box, base_box : Box or None
        The neighbours' boxes in the reference frame.

    Returns
    -------
    SpecimenModel

    Raises
    ------
    ConfigError
        If the shape is unknown or the box holds no picture.
    """
    if shape not in SHAPES:
        raise ConfigError(f"specimen.shape: '{shape}' is unknown; there are {', '.join(SHAPES)}")
    guess = axis or axis_from_boxes(box, tip_box, base_box)
    k = blocks_for(box, guess, is_long=SHAPES[shape].is_long)
    box = reduced_box(box, k) if k > 1 else box
    frame, tip, base, *_ = _reduced(reference, k)
    drawn = _Drawn(Crop(frame.image, 0, 0, k), tip, base, box, shape, mode, polarity)
    kept = [_keep(_reduced(reference, k), box, tip, guess, k)]
    kept += [_keep(_reduced(item, k), box, tip, guess, k) for item in sample if item[0].ok]
    return replace(_prepared(drawn, kept, axis, guess), blocks=k)


def _reduced(item: Seen, k: int) -> Seen:
    """Return where tip, base and bar are in the reduced picture."""
    if k == 1:
        return item
    frame, tip, *others = item
    base, bar = (None if m is None else reduced_match(m, k) for m in (*others, None)[:2])
    return frame, reduced_match(tip, k), base, bar


def _prepared(drawn: _Drawn, kept: list[Sampled], axis: Axis | None, guess: Axis) -> SpecimenModel:
    axis = axis or _find_axis(drawn, kept, guess)
    model = _learn(_blank(drawn, axis), kept)
    if axis.u_angle_deg > _VAGUE_DEG:
        text = f"the loading axis is known to {axis.u_angle_deg:.1f} degrees only; give axis_deg"
        model = replace(model, warnings=(*model.warnings, text))
    first_seen = model.outline(drawn.picture, drawn.tip, drawn.base)
    slender = not first_seen.length_px < _SLENDER * first_seen.diameter_max_px
    model = replace(model, slender=slender)
    return replace(model, neck_ratio=_neck_ratio(first_seen)) if drawn.mode == "tension" else model


def _neck_ratio(seen: Outline) -> float:
    """Return smallest over largest diameter before the test: what is no neck yet."""
    ratio = seen.diameter_min_px / seen.diameter_max_px
    return ratio if math.isfinite(ratio) else -math.inf


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """What is known of the reference frame."""

    picture: Crop
    tip: Match
    base: Match | None
    box: Box
    shape: str
    mode: str
    polarity: str


def _find_axis(drawn: _Drawn, kept: list[Sampled], guess: Axis) -> Axis:
    """Find the axis from the motion of tip against base and from the specimen's midline."""
    motion = axis_from_motion([k.tip for k in kept], [k.base for k in kept])
    if motion is not None and motion.u_angle_deg < 0.3:
        return motion
    found = guess
    if SHAPES[drawn.shape].is_long:
        for _ in range(3):
            slopes = _midline_slopes(_blank(drawn, found), kept)
            found = axis_from_midlines(found, slopes) or found
    return combine_axes([motion, found])


def _midline_slopes(model: SpecimenModel, kept: list[Sampled]) -> FloatArray:
    """Return dt/ds of the rough midline over the middle of the box, frame by frame."""
    from scipy.stats import theilslopes  # costs half a second

    low, high = model.box_s_px
    slopes = []
    for item in kept[:: max(1, len(kept) // 20)]:
        strip = _reference_strip(model, item)
        inset = 0.2 * (high - low)
        bands, s = average_bands(strip, low + inset, high - inset)
        if len(bands) < 6 or np.isnan(bands).mean() > 0.3:
            continue
        middle_t = sum(model.box_t_px) / 2
        edges = coarse_edges(fill_outside(bands), strip.grid.t_px, middle_t)
        middle = edges.mean(axis=1)
        seen = np.isfinite(middle)
        if seen.sum() >= 6:
            slopes.append(float(theilslopes(middle[seen], s[seen])[0]))
    return np.asarray(slopes)


def _keep(item: Seen, box: Box, reference_tip: Match, axis: Axis, k: int) -> Sampled:
    frame, tip, base, *others = item
    dx, dy = (0.0, 0.0)
    if not (tip.lost or reference_tip.lost):
        dx, dy = tip.x_px - reference_tip.x_px, tip.y_px - reference_tip.y_px
    x, y, w, h = box.shifted(dx, dy).as_tuple()
    corners = [(x, y), (x + w, y), (x, y + h), (x + w, y + h)]
    margin = max(_BESIDE_PX, strip_margin_px(max(w, h)) + 4.0)
    away = 0.6 * max(w, h)
    corners += [(px - away * axis.along[0], py - away * axis.along[1]) for px, py in corners[:4]]
    return Sampled(crop_around(frame.image, corners, margin, k), tip, base, *others)


def _blank(drawn: _Drawn, axis: Axis) -> SpecimenModel:
    """Return a model that knows the boxes and nothing else yet."""
    tip, base, box = drawn.tip, drawn.base, drawn.box
    tip_point = (tip.x_px, tip.y_px) if not tip.lost else _facing_point(box, axis)
    (s_low, s_high), (t_low, t_high) = project_box(box, axis, tip_point)
    base_point = None if base is None or base.lost else (base.x_px, base.y_px)
    invert = None
    if drawn.polarity == "bright":
        whole = reduced(drawn.picture.image, drawn.picture.blocks)
        low, high = np.percentile(whole, [1, 99.5])
        invert = float(2.2 * high - low)
    table = tabulate(Profile(), 3.0, max((t_high - t_low) / 2, 8.0))
    away = 0.5 * (s_high - s_low)
    return SpecimenModel(
        axis=axis,
        shape=drawn.shape,
        mode=drawn.mode,
        warnings=(),
        invert_at=invert,
        tip_point_px=tip_point,
        base_point_px=base_point,
        box_s_px=(float(s_low), float(s_high)),
        box_t_px=(float(t_low), float(t_high)),
        span_s_px=(float(s_low - away), float(s_high + 12)),
        tip_face_px=float(s_high),
        base_face_px=0.0,
        patch=None,
        tip_front=None,
        table=table,
        fixed=tip.lost,
    )


def _facing_point(box: Box, axis: Axis) -> tuple[float, float]:
    cx, cy = box.centre_px
    (_, high), _ = project_box(box, axis, (cx, cy))
    return (cx + high * axis.along[0], cy + high * axis.along[1])


def _learn(model: SpecimenModel, kept: list[Sampled]) -> SpecimenModel:
    width, middle = _first_look(model, kept[0])
    model = replace(model, table=tabulate(model.table.profile, 2.0, 0.9 * width))
    model = replace(model, end=EndLook(_end_half_px(model.shape, width)))
    model = _learn_tip_face(model, kept, width, middle)
    model = _learn_base_face(model, kept, width, middle)
    model = replace(model, vacuum=_usual_vacuum(model, kept))
    shape = SHAPES[model.shape]
    blur = _sharpest(model, kept, width, middle)
    profile = replace(model.table.profile, blur_px=blur)
    model = replace(model, table=tabulate(profile, 2.0, 0.9 * width))
    triples = [(k.crop, k.tip, k.base) for k in kept]
    seen = [(k.crop, k.tip, k.base, k.bar) for k in kept]
    model = learn_profile(model, seen, shape.profiles, shape.u_facet)
    model = with_film(model, seen)
    if model.film is not None:
        model = learn_profile(model, seen, shape.profiles, shape.u_facet, blur_px=blur)
    if shape.may_be_round:
        model = with_layer(_learn_base_face(model, kept, width, middle), seen)
    model = learn_end(model, triples)
    return with_form(model, seen) if shape.is_long else model


def _end_half_px(shape: str, width: float) -> float:
    """Return the half width of the columns in which the end is sought; a pole sags by 0.5 px."""
    if SHAPES[shape].may_be_round:
        return float(np.clip(0.7 * math.sqrt(width), 4.0, 12.0))
    return 0.5 * SHAPES[shape].end_share * width


def _drawn_within(model: SpecimenModel) -> float:
    """Return how far from the drawn box a face is sought."""
    low_high = model.box_s_px, model.box_t_px
    return max(_NEAR_PX, _NEAR_SHARE * min(high - low for low, high in low_high))


def _reference_strip(model: SpecimenModel, item: Sampled) -> Strip:
    low, high = model.box_s_px
    return _around_tip(model, item, (low - 50.0, high + 40.0))


def _around_tip(model: SpecimenModel, item: Sampled, span: tuple[float, float]) -> Strip:
    point = model.tip_point_px if item.tip.lost else (item.tip.x_px, item.tip.y_px)
    t = (model.box_t_px[0] - MARGIN_T_PX, model.box_t_px[1] + MARGIN_T_PX)
    return model.grey(item.crop, grid_for(model.axis, point, span, t, exact=True))


def _first_look(model: SpecimenModel, item: Sampled) -> tuple[float, float]:
    """Return the specimen's rough width and middle in the reference frame."""
    strip = _reference_strip(model, item)
    low, high = model.box_s_px
    bands, _ = average_bands(strip, low + 0.2 * (high - low), high - 0.2 * (high - low))
    if not len(bands) or np.isnan(bands).all():
        raise ConfigError("specimen.box_px: the box holds no picture; draw it around the specimen")
    edges = steady(coarse_edges(np.nan_to_num(bands), strip.grid.t_px, sum(model.box_t_px) / 2))
    left, right = np.nanmedian(edges, axis=0)
    if not right - left > 2:
        raise ConfigError(
            "specimen.box_px: no body is seen in the box; draw it around the specimen"
        )
    return float(right - left), float((left + right) / 2)


def _learn_tip_face(
    model: SpecimenModel, kept: list[Sampled], width: float, middle: float
) -> SpecimenModel:
    """Find the tip's face on the average of frames whose gap is open, or beside the specimen."""
    span = (model.box_s_px[0] - 20.0, model.box_s_px[1] + 40.0)
    strips = [_around_tip(model, item, span) for item in kept if not item.tip.lost]
    if not strips:
        return model
    mean = _mean_strip(strips)
    drawn = model.box_s_px[1]
    within = _drawn_within(model)
    beside = _side_profile(mean, middle, width, drawn, -1, within)
    s = mean.grid.s_px
    near = find_step(beside, s, drawn, within, 1.2, -1)
    if model.mode == "compression":
        bright = float(np.nanpercentile(mean.grey, 90))
        near = _of_the_apex(strips, middle, drawn, near, bright, model.end.half_px)
    face = near.s_px if math.isfinite(near.s_px) else drawn
    open_strips = [x for x in strips if _gap_seen(x, middle, width, face)]
    model = replace(model, tip_face_px=face)
    if open_strips and model.mode == "compression":
        half = _half_before_the_tip(_mean_strip(open_strips), middle, face, model.end.half_px)
        model = replace(model, end=replace(model.end, half_px=half))
    if not open_strips:
        central = _central_step(mean, middle, width, face, model.tip_face_px)
        return replace(model, tip_face_px=central.s_px, u_common_tip_px=central.u_px)
    front, at = _front(open_strips, middle, face, model.end.half_px)
    across = find_step(front, at, face, 5.0, _FACE_BLUR_PX, -1)
    if math.isfinite(across.s_px) and across.height < 0:
        level = half_level(front, at, across, _FACE_BLUR_PX)
        u_face = math.hypot(0.5 * (level - across.s_px), _LEAST_U_FACE_PX)
        model = replace(model, tip_face_px=level, u_tip_face_px=u_face)
    front, _ = _front(open_strips, middle, model.tip_face_px, model.end.half_px)
    facing = measure_facing(
        _mean_strip(open_strips), middle, width, model.tip_face_px, _FACE_BLUR_PX
    )
    u_facing = facing.u_mean_px(2.0 * model.end.half_px)
    return replace(model, tip_front=front, u_facing_px=u_facing)


def _of_the_apex(
    strips: list[Strip], middle: float, drawn: float, beside: Step, bright: float, end: float
) -> Step:
    """Return the face that the specimen meets; beside it a narrow tip shows its flank, or none."""
    if not -beside.height > _CLEAR_STEP * bright:
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
        step = find_step(profile, strip.grid.s_px, drawn, _DRAWN_PX, 1.2, -1)
        if -step.height > _CLEAR_STEP * float(np.nanpercentile(strip.grey, 90)):
            steps.append(step)
    if not steps:
        return None
    highest = sorted(steps, key=lambda step: step.height)[: max(1, len(steps) // 10)]
    return sorted(highest, key=lambda step: step.s_px)[len(highest) // 2]


def _usual_vacuum(model: SpecimenModel, kept: list[Sampled]) -> float:
    """Return the sample's usual brightness beside the specimen, against which flicker counts."""
    levels = []
    for item in kept:
        place = model.place(item.crop, item.tip, item.base)
        if place is not None:
            levels.append(vacuum_level(model.strip(item.crop, place), place))
    return float(np.nanmedian(levels)) if np.isfinite(levels).any() else math.nan


def _sharpest(model: SpecimenModel, kept: list[Sampled], width: float, middle: float) -> float:
    """Return the blur of the sharpest piece of the tip's face, on the registered average."""
    span = (model.tip_face_px - 20.0, model.tip_face_px + 20.0)
    strips = [_around_tip(model, item, span) for item in kept if not item.tip.lost]
    if not strips:
        return 1.0
    mean = _mean_strip(strips)
    blurs = []
    for at in np.arange(middle - 0.7 * width, middle + 0.7 * width, 9.0):
        profile = end_profile(mean, float(at), 4.0)
        step = find_step(profile, mean.grid.s_px, model.tip_face_px, 8.0, 1.0, -1)
        strong = np.isfinite(step.s_px) and -step.height > 0.2 * float(np.nanmax(profile))
        blurs += [measure_blur(profile, mean.grid.s_px, step)] if strong else []
    return float(np.clip(np.percentile(blurs, 25), 0.6, 3.0)) if blurs else 1.0


def _mean_strip(strips: list[Strip]) -> Strip:
    total = np.zeros(strips[0].grey.shape)
    count = np.zeros(strips[0].grey.shape)
    for strip in strips:
        seen = np.isfinite(strip.grey)
        total += np.where(seen, strip.grey, 0.0)
        count += seen
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return Strip(strips[0].grid, mean.astype(np.float32))


def _side_profile(
    strip: Strip, middle: float, width: float, face: float, ahead: int, within: float = _NEAR_PX
) -> FloatArray:
    """Return the mean brightness along the axis of the columns that see the face across vacuum.

    Parameters
    ----------
    face : float
        Where the face is, to half of `within`.
    ahead : {-1, 1}
        On which side of it the vacuum lies.
    """
    t = strip.grid.t_px
    off = 0.5 * within * ahead
    zone = strip.rows(*sorted((face + off, face + off + 8.0 * ahead)))
    level = np.nan_to_num(strip.grey[zone].mean(axis=0)) if zone.stop > zone.start else t * 0.0
    away = np.abs(t - middle)
    vacuum = np.percentile(level[away < width], 95)
    clear = (level > 0.93 * vacuum) & (away < 0.5 * width + 40)
    order = np.flatnonzero(clear)[np.argsort(away[clear], kind="stable")][2:14]
    if len(order) < 4:
        return np.full(strip.grid.n_s, np.nan)
    return np.asarray(strip.grey[:, order].mean(axis=1), dtype=np.float64)


def _gap_seen(strip: Strip, middle: float, width: float, face: float) -> bool:
    profile = end_profile(strip, middle, _END_PX, 3)
    side = _side_profile(strip, middle, width, face, -1)
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
    ahead = at < face - 3
    rows = []
    for strip in strips:
        s = strip.grid.s_px
        values = _between(s, end_profile(strip, middle, end), at)
        smooth = np.interp(at, s, end_profile(strip, middle, end, 3))
        if not np.isfinite(smooth).any():
            continue  # out of view
        body = np.flatnonzero((smooth < 0.9 * np.nanmax(smooth)) & ahead)
        if len(body):
            values[at < at[body[-1]] + _CLEAR_OF_BODY_PX] = np.nan
        rows.append(values)
    stack = np.asarray(rows).reshape(-1, at.size)
    count = np.isfinite(stack).sum(axis=0)
    mean = np.nansum(stack, axis=0) / np.maximum(count, 1)
    seen = count > 0
    return np.asarray(np.interp(at, at[seen], mean[seen])), at


def _between(s_px: FloatArray, profile: FloatArray, at_px: FloatArray) -> FloatArray:
    """Return a profile between its samples by a cubic spline; NaN where nothing is seen."""
    from scipy.interpolate import CubicSpline  # costs a tenth of a second

    seen = np.isfinite(profile)
    if seen.sum() < 4:
        return np.full(len(at_px), np.nan)
    values = CubicSpline(s_px[seen], profile[seen])(at_px)
    inside = (at_px >= s_px[seen][0]) & (at_px <= s_px[seen][-1])
    return np.where(inside, values, np.nan)


def _learn_base_face(
    model: SpecimenModel, kept: list[Sampled], width: float, middle: float
) -> SpecimenModel:
    low = model.box_s_px[0]
    strip = _reference_strip(model, kept[0])
    within = _drawn_within(model)
    side = _side_profile(strip, middle, width, low, 1, within)
    beside = find_step(side, strip.grid.s_px, low, within, 1.2, 1)
    face = beside.s_px if math.isfinite(beside.s_px) else low
    if model.base_point_px is None and model.fixed:
        return model  # with neither tip nor base the box alone says where the specimen is
    if model.base_point_px is None:
        return _learn_patch(model, kept, face)
    reference = model._base_reference()[0]
    model = replace(model, base_face_px=face - reference)
    tracked = [k for k in kept if k.base is not None and not k.base.lost]
    mean = _mean_strip(
        [
            _around_base(model, item, (face - reference - 30, face - reference + 40))
            for item in tracked
        ]
    )
    step = find_step(
        _side_profile(mean, middle - model._base_reference()[1], width, face - reference, 1),
        mean.grid.s_px,
        face - reference,
        6.0,
        1.2,
        1,
    )
    guess = step.s_px if math.isfinite(step.s_px) else face - reference
    t0 = middle - model._base_reference()[1]
    if SHAPES[model.shape].may_be_round:
        found = _foot_of_ball(model, mean, t0, guess)
        columns = 2.0 * model.end.half_px
    else:
        found = _central_step(mean, t0, width, guess, guess, low - reference)
        columns = 2.0 * _FOOT_WIDTH * width
        vague = root_doubt(mean, t0, width, found.s_px, _FOOT_BLUR_PX)
        model = replace(model, vague_line_px=vague)
    if found.beside:
        around = found.s_px - 30.0, found.s_px + 40.0
        wide = _mean_strip([_around_base(model, item, around, _BESIDE_PX) for item in tracked])
        rough = measure_roughness(wide, t0, width, guess, model.table.profile.blur_px)
        u_rough = math.hypot(rough.u_mean_px(columns), rough.u_line_px)
        u_face = math.hypot(found.u_px, u_rough if rough.columns_px else _U_UNSEEN_PX)
        return replace(model, base_face_px=found.s_px, u_base_face_px=u_face)
    return replace(model, base_face_px=found.s_px, u_base_face_px=found.u_px)


@dataclass(frozen=True, slots=True)
class _Face:
    """A face along the axis; `beside` where the specimen's own columns do not show it."""

    s_px: float
    u_px: float
    beside: bool = False


def _seen(step: Step, level: float, specimen: float = 0.0) -> _Face:
    """Return a face that is seen as a step.

    Two faces that touch leave voids. They are far too thin to be seen, but their light moves the
    step, by more the less the two bodies differ in brightness, and by less the brighter the
    specimen itself is at its end.
    """
    light = max(level - specimen, 0.0) / abs(step.height)
    return _Face(step.s_px, math.hypot(step.u_px, _VOIDS_PX * light))


def _central_step(
    mean: Strip,
    middle: float,
    width: float,
    near: float,
    otherwise: float,
    drawn: float | None = None,
) -> _Face:
    """Return the face in the specimen's own columns, where it stands out clearly there.

    Elsewhere it is `otherwise`, and half the distance to what those columns show is its doubt.

    Beside the specimen a round or rough electrode lies lower than under its foot, and a lump may
    show a stronger step: then the clearest step about the drawn face counts.
    """
    profile = end_profile(mean, middle, _FOOT_WIDTH * width)
    s, level = mean.grid.s_px, float(np.nanpercentile(mean.grey, 90))

    def clear(step: Step, about: float, reach: float) -> bool:
        inside = abs(step.s_px - about) < reach - 0.5
        return abs(step.height) > _CLEAR_STEP * level and step.u_px < 0.5 and inside

    def mended(face: _Face) -> _Face:
        return _by_contrast(mean, middle, width, face, level)

    close = find_step(profile, s, near, _FOOT_PX, 1.0)
    is_close = clear(close, near, _FOOT_PX)
    if drawn is not None:
        wide = find_step(profile, s, drawn, _DRAWN_PX, 1.0)
        weaker = not is_close or abs(close.height) < 0.6 * abs(wide.height)
        if weaker and clear(wide, drawn, _DRAWN_PX):
            return mended(_seen(wide, level))
    faint = abs(close.height) < _PLAIN_STEP * level and close.u_px > _SURE_PX
    doubtful = faint and abs(close.s_px - otherwise) > _APART_PX
    if is_close and not doubtful:
        return mended(_seen(close, level))
    apart = abs(close.s_px - otherwise)
    doubt = 0.5 * apart if is_close else 0.0
    return mended(_Face(otherwise, doubt, beside=True))


def _by_contrast(mean: Strip, middle: float, width: float, face: _Face, level: float) -> _Face:
    """Return a face as what the columns differ by and their mean show it together.

    Voids light up all columns alike and hardly move the first.
    """
    blur = _FOOT_BLUR_PX
    differing = contrast_step(mean, middle, width, face.s_px, _CONTRAST_REACH_PX, blur)
    inside = abs(differing.s_px - face.s_px) < _CONTRAST_REACH_PX - 0.5
    if not (inside and differing.u_px < 0.5 and differing.height > _LEAST_CONTRAST * level):
        return face
    u = max(differing.u_px, _VOIDS_PX)
    profile = end_profile(mean, middle, _FOOT_WIDTH * width)
    if face.beside:
        step = find_step(profile, mean.grid.s_px, differing.s_px, 3.0, blur)
        if not abs(step.height) > _CLEAR_STEP * level:
            return _Face(differing.s_px, u)
        face = _seen(step, level)
    doubt = 0.5 * root_doubt(mean, middle, width, face.s_px, blur)
    return _weighed(_Face(differing.s_px, u), _Face(face.s_px, math.hypot(face.u_px, doubt)))


def _weighed(one: _Face, other: _Face) -> _Face:
    """Return the weighted mean of two places, less sure by as much as they differ too far."""
    weight, total = one.u_px**-2, one.u_px**-2 + other.u_px**-2
    share = weight / total
    apart = abs(one.s_px - other.s_px) / math.hypot(one.u_px, other.u_px)
    u = total**-0.5 * max(apart, 1.0)
    return _Face(share * one.s_px + (1 - share) * other.s_px, u)


def _foot_of_ball(model: SpecimenModel, mean: Strip, middle: float, near: float) -> _Face:
    """Return where a ball meets the base, on the averaged columns about its pole, or beside it.

    Squeezed or not, the base ends there in a step. Farther off the pole darkens as its form and
    the load make it, and blotches of the base are hardly wider, so that only the pixels about the
    step are asked; all frames together show them with little noise.
    """
    profile, s = end_profile(mean, middle, model.end.half_px), mean.grid.s_px
    blur = model.table.profile.blur_px
    step = find_step(profile, s, near, _FOOT_REACH_PX, blur, 1, _FOOT_WINDOW_PX)
    clear = step.height > _CLEAR_STEP * model.vacuum and step.u_px < 0.5
    if clear and abs(step.s_px - near) < _FOOT_REACH_PX - 0.1:
        pole = (s > step.s_px + 2.5 * blur) & (s < step.s_px + 2.5 * blur + _FOOT_WINDOW_PX)
        return _seen(step, model.vacuum, float(np.mean(profile[pole])))
    if model.table.profile.facet > _FLAT_FOOT:
        return _foot_of_crystal(model, mean, middle, near)
    return _Face(near, 0.0, beside=True)


def _foot_of_crystal(model: SpecimenModel, mean: Strip, middle: float, near: float) -> _Face:
    """Return where a crystal stands on the base with a facet, darker than the base or not.

    Beside it a rough base may lie some pixels higher or lower.
    """
    profile, s = end_profile(mean, middle, model.end.half_px), mean.grid.s_px
    step = find_step(profile, s, near, _FOOT_PX, _FOOT_BLUR_PX)
    clear = abs(step.height) > _CLEAR_STEP * model.vacuum and step.u_px < 0.5
    if clear and abs(step.s_px - near) < _FOOT_PX - 0.5:
        return _seen(step, model.vacuum)
    return _Face(near, 0.0, beside=True)


def _around_base(
    model: SpecimenModel, item: Sampled, span: tuple[float, float], margin: float = MARGIN_T_PX
) -> Strip:
    assert item.base is not None
    t0 = model._base_reference()[1]
    t = (model.box_t_px[0] - margin - t0, model.box_t_px[1] + margin - t0)
    point = (item.base.x_px, item.base.y_px)
    return model.grey(item.crop, grid_for(model.axis, point, span, t, exact=True))


def _learn_patch(model: SpecimenModel, kept: list[Sampled], face: float) -> SpecimenModel:
    """Cut the base's look from the reference frame."""
    patch = _cut_patch(
        _around_tip(model, kept[0], (face - _PATCH_PX[0], face + _PATCH_PX[1])), face
    )
    return replace(model, patch=patch, base_face_px=0.0)


def _cut_patch(strip: Strip, face: float) -> BasePatch:
    import cv2

    grey = np.asarray(cv2.GaussianBlur(strip.grey, (0, 0), 1.0), dtype=np.float32)
    return BasePatch(grey, strip.grid.s_first - face, float(strip.grid.t_first))

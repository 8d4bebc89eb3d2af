"""Where the base's face is under the specimen, learnt from the sample once for all frames."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tem_track.specimen.basepatch import BasePatch
from tem_track.specimen.central_step import (
    CLEAR_STEP,
    FOOT_BLUR_PX,
    FOOT_PX,
    FOOT_WIDTH,
    Face,
    central_step,
    seen_face,
)
from tem_track.specimen.faces import find_step
from tem_track.specimen.foot import root_doubt
from tem_track.specimen.model import MARGIN_T_PX, SpecimenModel, end_profile, grid_for
from tem_track.specimen.roughness import measure_roughness
from tem_track.specimen.sampled import (
    BESIDE_PX,
    Sampled,
    around_tip,
    drawn_within,
    mean_strip,
    reference_strip,
    side_profile,
)
from tem_track.specimen.shapes import SHAPES
from tem_track.specimen.strip import Strip

__all__ = ["learn_base_face"]

_FOOT_REACH_PX, _FOOT_WINDOW_PX = 2.5, 3.0
"""How far a ball's foot is sought from where the base is beside it, and the pixels that tell it."""
_FLAT_FOOT = 0.2
"""Share of facets from which on a body stands on one."""
_U_UNSEEN_PX = 2.0
"""How far a base of unknown roughness may lie off under the specimen."""
_PATCH_PX = (30, 10)
"""Rows below and above the face by which a base without a box is found again."""


def learn_base_face(
    model: SpecimenModel, kept: list[Sampled], width: float, middle: float
) -> SpecimenModel:
    """Find the base's face under the foot on the average of the frames, or beside it.

    Parameters
    ----------
    model : SpecimenModel
        Its tip's face is known.
    kept : list of Sampled
        The reference frame comes first.
    width, middle : float
        The specimen's rough width and middle across the axis, in the reference frame.
    """
    low = model.box_s_px[0]
    strip = reference_strip(model, kept[0])
    within = drawn_within(model)
    side = side_profile(strip, middle, width, low, 1, within)
    beside = find_step(side, strip.grid.s_px, low, within, 1.2, 1)
    face = beside.s_px if math.isfinite(beside.s_px) else low
    if model.base_point_px is None and model.fixed:
        return model  # with neither tip nor base the box alone says where the specimen is
    if model.base_point_px is None:
        return _learn_patch(model, kept, face)
    reference = model.base_reference()[0]
    model = replace(model, base_face_px=face - reference)
    tracked = [k for k in kept if k.base is not None and not k.base.lost]
    mean = mean_strip(
        [
            _around_base(model, item, (face - reference - 30, face - reference + 40))
            for item in tracked
        ]
    )
    step = find_step(
        side_profile(mean, middle - model.base_reference()[1], width, face - reference, 1),
        mean.grid.s_px,
        face - reference,
        6.0,
        1.2,
        1,
    )
    guess = step.s_px if math.isfinite(step.s_px) else face - reference
    t0 = middle - model.base_reference()[1]
    if SHAPES[model.shape].may_be_round:
        found = _foot_of_ball(model, mean, t0, guess)
        columns = 2.0 * model.end.half_px
    else:
        found = central_step(mean, t0, width, guess, guess, low - reference)
        columns = 2.0 * FOOT_WIDTH * width
        vague = root_doubt(mean, t0, width, found.s_px, FOOT_BLUR_PX)
        model = replace(model, vague_line_px=vague)
    if found.beside:
        around = found.s_px - 30.0, found.s_px + 40.0
        wide = mean_strip([_around_base(model, item, around, BESIDE_PX) for item in tracked])
        rough = measure_roughness(wide, t0, width, guess, model.table.profile.blur_px)
        u_rough = math.hypot(rough.u_mean_px(columns), rough.u_line_px)
        u_face = math.hypot(found.u_px, u_rough if rough.columns_px else _U_UNSEEN_PX)
        return replace(model, base_face_px=found.s_px, u_base_face_px=u_face)
    return replace(model, base_face_px=found.s_px, u_base_face_px=found.u_px)


def _foot_of_ball(model: SpecimenModel, mean: Strip, middle: float, near: float) -> Face:
    """Return where a ball meets the base, on the averaged columns about its pole, or beside it.

    Squeezed or not, the base ends there in a step. Farther off the pole darkens as its form and
    the load make it, and blotches of the base are hardly wider, so that only the pixels about the
    step are asked; all frames together show them with little noise.
    """
    profile, s = end_profile(mean, middle, model.end.half_px), mean.grid.s_px
    blur = model.table.profile.blur_px
    step = find_step(profile, s, near, _FOOT_REACH_PX, blur, 1, _FOOT_WINDOW_PX)
    clear = step.height > CLEAR_STEP * model.vacuum and step.u_px < 0.5
    if clear and abs(step.s_px - near) < _FOOT_REACH_PX - 0.1:
        pole = (s > step.s_px + 2.5 * blur) & (s < step.s_px + 2.5 * blur + _FOOT_WINDOW_PX)
        return seen_face(step, model.vacuum, float(np.mean(profile[pole])))
    if model.table.profile.facet > _FLAT_FOOT:
        return _foot_of_crystal(model, mean, middle, near)
    return Face(near, 0.0, beside=True)


def _foot_of_crystal(model: SpecimenModel, mean: Strip, middle: float, near: float) -> Face:
    """Return where a crystal stands on the base with a facet, darker than the base or not.

    Beside it a rough base may lie some pixels higher or lower.
    """
    profile, s = end_profile(mean, middle, model.end.half_px), mean.grid.s_px
    step = find_step(profile, s, near, FOOT_PX, FOOT_BLUR_PX)
    clear = abs(step.height) > CLEAR_STEP * model.vacuum and step.u_px < 0.5
    if clear and abs(step.s_px - near) < FOOT_PX - 0.5:
        return seen_face(step, model.vacuum)
    return Face(near, 0.0, beside=True)


def _around_base(
    model: SpecimenModel, item: Sampled, span: tuple[float, float], margin: float = MARGIN_T_PX
) -> Strip:
    assert item.base is not None
    t0 = model.base_reference()[1]
    t = (model.box_t_px[0] - margin - t0, model.box_t_px[1] + margin - t0)
    point = (item.base.x_px, item.base.y_px)
    return model.grey(item.crop, grid_for(model.axis, point, span, t, exact=True))


def _learn_patch(model: SpecimenModel, kept: list[Sampled], face: float) -> SpecimenModel:
    """Cut the base's look from the reference frame."""
    patch = _cut_patch(around_tip(model, kept[0], (face - _PATCH_PX[0], face + _PATCH_PX[1])), face)
    return replace(model, patch=patch, base_face_px=0.0)


def _cut_patch(strip: Strip, face: float) -> BasePatch:
    import cv2

    grey = np.asarray(cv2.GaussianBlur(strip.grey, (0, 0), 1.0), dtype=np.float32)
    return BasePatch(grey, strip.grid.s_first - face, float(strip.grid.t_first))

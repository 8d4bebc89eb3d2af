"""Learning a specimen from a sample of frames: axis, faces, profile, film and end."""

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
from tem_track.specimen.base_face import learn_base_face
from tem_track.specimen.edges import coarse_edges, steady
from tem_track.specimen.ends import learn_end
from tem_track.specimen.learn import learn_profile, with_film, with_form, with_layer
from tem_track.specimen.model import (
    EndLook,
    SpecimenModel,
    average_bands,
    fill_outside,
    strip_margin_px,
    vacuum_level,
)
from tem_track.specimen.profile import Profile, tabulate
from tem_track.specimen.reduction import blocks_for, reduced, reduced_box, reduced_match
from tem_track.specimen.sampled import BESIDE_PX, Sampled, reference_strip
from tem_track.specimen.shapes import SHAPES
from tem_track.specimen.strip import Crop, crop_around, project_box
from tem_track.specimen.tip_face import learn_tip_face, sharpest

__all__ = ["prepare_specimen"]

_VAGUE_DEG = 3.0
"""Uncertainty from which on an axis that was found is warned of."""
_SLENDER = 1.3  # length over diameter; a stouter body's midline tells nothing of bending


Triple = tuple[Frame, Match, Match | None]
Seen = Triple | tuple[Frame, Match, Match | None, Match | None]


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
        strip = reference_strip(model, item)
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
    margin = max(BESIDE_PX, strip_margin_px(max(w, h)) + 4.0)
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
    model = learn_tip_face(model, kept, width, middle)
    model = learn_base_face(model, kept, width, middle)
    model = replace(model, vacuum=_usual_vacuum(model, kept))
    shape = SHAPES[model.shape]
    blur = sharpest(model, kept, width, middle)
    profile = replace(model.table.profile, blur_px=blur)
    model = replace(model, table=tabulate(profile, 2.0, 0.9 * width))
    triples = [(k.crop, k.tip, k.base) for k in kept]
    seen = [(k.crop, k.tip, k.base, k.bar) for k in kept]
    model = learn_profile(model, seen, shape.profiles, shape.u_facet)
    model = with_film(model, seen)
    if model.film is not None:
        model = learn_profile(model, seen, shape.profiles, shape.u_facet, blur_px=blur)
    if shape.may_be_round:
        model = with_layer(learn_base_face(model, kept, width, middle), seen)
    model = learn_end(model, triples)
    return with_form(model, seen) if shape.is_long else model


def _end_half_px(shape: str, width: float) -> float:
    """Return the half width of the columns in which the end is sought; a pole sags by 0.5 px."""
    if SHAPES[shape].may_be_round:
        return float(np.clip(0.7 * math.sqrt(width), 4.0, 12.0))
    return 0.5 * SHAPES[shape].end_share * width


def _first_look(model: SpecimenModel, item: Sampled) -> tuple[float, float]:
    """Return the specimen's rough width and middle in the reference frame."""
    strip = reference_strip(model, item)
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


def _usual_vacuum(model: SpecimenModel, kept: list[Sampled]) -> float:
    """Return the sample's usual brightness beside the specimen, against which flicker counts."""
    levels = []
    for item in kept:
        place = model.place(item.crop, item.tip, item.base)
        if place is not None:
            levels.append(vacuum_level(model.strip(item.crop, place), place))
    return float(np.nanmedian(levels)) if np.isfinite(levels).any() else math.nan

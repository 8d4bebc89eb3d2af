"""Learning what grows from a sample of frames: faces of the electrodes, sides, a nanotube."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import median_filter, uniform_filter1d

from tem_track.errors import ConfigError
from tem_track.records import Axis, Box, FloatArray, Frame, Match
from tem_track.specimen.axis import axis_from_boxes
from tem_track.specimen.faces import find_step
from tem_track.specimen.growing import MARGIN_PX, GrowthModel, Scene
from tem_track.specimen.growing_course import layer_course
from tem_track.specimen.growing_film import learn_film
from tem_track.specimen.growing_find import Darkness, Patch, darkness_map
from tem_track.specimen.growing_look import learn_grain, mean_look
from tem_track.specimen.growing_ride import look_inside, pattern_ride
from tem_track.specimen.growing_sides import ladder, layer_gain
from tem_track.specimen.growing_tube import find_tube
from tem_track.specimen.learn import learn_profile
from tem_track.specimen.model import SpecimenModel, grid_for
from tem_track.specimen.noise import Noise
from tem_track.specimen.profile import EdgeModel, Profile, tabulate
from tem_track.specimen.roughness import face_steps, roughness_along
from tem_track.specimen.smooth import Mask
from tem_track.specimen.strip import Crop, Strip, crop_around, project_box, straighten

__all__ = ["prepare_growth"]

Triple = tuple[Frame, Match, Match | None]
_CHUNKS = 6
"""Parts of the movie in each of which the base's face is sought: while bodies are small, more of it
is bare."""
_WINDOW_PX = 6
"""Half the columns of which a place of the face is read."""
_NEAR_PX = 25.0
"""Way from the drawn box's side at which the face may lie."""
_LEAST_STEP = 0.08
"""Least step at a face, over the vacuum's brightness."""
_LEAST_APART = 3
"""Frames that show several bodies apart, so that there are several."""
_CLEAR_PX = 40.0
"""Vacuum beside a body, for its look to be learnt from the frame."""
_LEARN_SHARE = 0.85
"""Height, over the greatest, from which on a frame is learnt from: its sides are longest."""
_ALONE_SHARE = 0.5  # of the greatest height: a shorter body has too little of a side
_TUBE_PX = 14.0  # a tube sways
_END_FRAMES, _FACET_GAIN, _LEAST_FACET = 12, 10.0, 0.25
"""Frames that are asked; gain in chi-square (mean) and share of the end (median) from which on the
end has a facet across the axis."""
_U_FACET = 0.3
"""Standard uncertainty of the sides' facets before they are learnt."""
_LEAST_FACE_PX = 36.0
"""Width of the base about a body over which its roughness is told, at least."""
_U_UNSEEN_PX = 2.0  # of a face that no column shows: it lies where the box was drawn
_LAYER_GAIN = 16.0  # of chi-square: four u
_LEAST_FORMS, _SHARE_OF_SCATTER = 8, 0.7
"""Frames from which on a form has a course; and part of single frames' scatter about it that holds
them."""
_U_FORM = (0.05, 0.05, 0.03)  # of the end's share and power, and of the facet
_CAUTION = 1.0  # what grows in a gas has a layer more often than not
_KINDS: tuple[EdgeModel, ...] = ("opaque", "round", "shell")


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    crop: Crop
    tip: Match
    base: Match | None
    time_s: float


def prepare_growth(
    reference: Triple,
    sample: Iterable[Triple],
    box: Box,
    *,
    axis: Axis | None = None,
    polarity: str = "dark",
    tip_box: Box | None = None,
    base_box: Box | None = None,
) -> GrowthModel:
    """Learn the surroundings in which something grows, so that single frames can be outlined.

    Parameters
    ----------
    reference : (Frame, Match, Match or None)
        The frame in which the boxes are drawn, with tip and base as they were found in it. The
        specimen need not be there yet.
    sample : iterable of the same
        Frames spread over the movie.
    box : Box
        The space in which it grows, from the base to the tip.
    axis : Axis or None
        From the base to the tip; by the boxes' places where it is not given.
    polarity : {'dark', 'bright'}
    tip_box, base_box : Box or None

    Returns
    -------
    GrowthModel

    Raises
    ------
    ConfigError
        The box holds no picture.
    """
    frame, tip, base = reference
    axis = axis or axis_from_boxes(box, tip_box, base_box)
    model = _blank(frame, tip, base, box, axis, polarity)
    first = _keep(model, frame, tip, base)
    if first is None or first.crop.image.size == 0:
        raise ConfigError("specimen.box_px: the box holds no picture; draw it where it grows")
    kept = [k for item in sample if item[0].ok and (k := _keep(model, *item)) is not None]
    kept = kept or [first]
    model = _learn_faces(model, kept)
    model = _learn_film(_learn_tube(model, kept), kept)
    return _learn_sides(model, kept)


def _blank(
    frame: Frame, tip: Match, base: Match | None, box: Box, axis: Axis, polarity: str
) -> GrowthModel:
    points = {
        name: (match.x_px, match.y_px)
        for name, match in (("base", base), ("tip", tip))
        if match is not None and not match.lost
    }
    named = next(iter(points), "")
    anchor = points.get(named, box.centre_px)
    others = {k: (x - anchor[0], y - anchor[1]) for k, (x, y) in points.items() if k != named}
    (s_low, s_high), (t_low, t_high) = project_box(box, axis, anchor)
    invert = None
    if polarity == "bright":
        low, high = np.percentile(frame.image, [1, 99.5])
        invert = float(2.2 * high - low)
    margin = MARGIN_PX + 0.1 * (t_high - t_low)
    return GrowthModel(
        axis=axis,
        warnings=(),
        invert_at=invert,
        anchor_px=anchor,
        anchored_to=named,
        others_px=others,
        span_s_px=(float(s_low) - MARGIN_PX, float(s_high) + MARGIN_PX),
        span_t_px=(float(t_low - margin), float(t_high + margin)),
        face_t_px=np.array([0.0]),
        face_s_px=np.array([float(s_low)]),
        tip_face_px=float(s_high),
        tables=(tabulate(Profile(), 2.0, max(float(t_high - t_low) / 2, 8.0)),),
    )


def _keep(model: GrowthModel, frame: Frame, tip: Match, base: Match | None) -> _Kept | None:
    point = model.point(tip, base)
    if point is None:
        return None
    grid = grid_for(model.axis, point, model.span_s_px, model.span_t_px)
    corners = grid.to_image(
        np.array(model.span_s_px)[:, None], np.array(model.span_t_px)[None, :]
    ).reshape(-1, 2)
    around = crop_around(frame.image, [(float(x), float(y)) for x, y in corners], 12.0)
    return _Kept(around, tip, base, frame.time_s)


def _strip(model: GrowthModel, item: _Kept) -> Strip | None:
    """Return a frame's strip registered to a fraction of a pixel."""
    point = model.point(item.tip, item.base)
    if point is None:
        return None
    grid = grid_for(model.axis, point, model.span_s_px, model.span_t_px, exact=True)
    strip = straighten(item.crop, grid)
    return strip if model.invert_at is None else replace(strip, grey=model.invert_at - strip.grey)


# --------------------------------------------------------------------------- electrodes


def _learn_faces(model: GrowthModel, kept: list[_Kept]) -> GrowthModel:
    """Find the electrodes' faces in a picture in which nothing has grown."""
    empty = _emptiest(model, kept)
    s, t = empty.grid.s_px, empty.grid.t_px
    grey = np.where(np.isfinite(empty.grey), empty.grey, np.nanmedian(empty.grey))
    vacuum = float(np.percentile(grey[empty.rows(*_middle(model))], 85))
    faces = {}
    for name, near, sign in (
        ("base", float(model.face_s_px[0]), 1),
        ("tip", model.tip_face_px, -1),
    ):
        columns = np.arange(_WINDOW_PX, len(t) - _WINDOW_PX, _WINDOW_PX)
        found = [_face(grey, s, int(c), near, sign, vacuum) for c in columns]
        faces[name] = (t[columns], np.asarray(found))
    base_t, base_s = _filled(*faces["base"], float(model.face_s_px[0]))
    within = np.abs(faces["tip"][0] - sum(model.span_t_px) / 2) < 0.25 * np.ptp(model.span_t_px)
    tips = faces["tip"][1][within]
    seen = bool(np.isfinite(tips).any())
    tip = float(np.nanmin(tips)) if seen else model.tip_face_px
    steps = face_steps(empty, float(np.median(base_s)), model.tables[0].profile.blur_px)
    return replace(
        model, face_t_px=base_t, face_s_px=base_s, tip_face_px=tip, has_tip=seen, steps_px=steps
    )


def _middle(model: GrowthModel) -> tuple[float, float]:
    low, high = float(model.face_s_px[0]), model.tip_face_px
    return low + 0.3 * (high - low), low + 0.8 * (high - low)


def _emptiest(model: GrowthModel, kept: list[_Kept]) -> Strip:
    """Return the brightest of some averages over parts of the movie, pixel by pixel."""
    best: FloatArray | None = None
    grid = None
    for chunk in np.array_split(np.arange(len(kept)), min(_CHUNKS, len(kept))):
        strips = [x for i in chunk if (x := _strip(model, kept[int(i)])) is not None]
        stack = np.mean([x.grey for x in strips], axis=0, dtype=np.float64)
        best = np.asarray(stack if best is None else np.fmax(best, stack))
        grid = strips[0].grid
    assert best is not None
    assert grid is not None
    return Strip(grid, best.astype(np.float32))


def _face(
    grey: FloatArray, s: FloatArray, column: int, near: float, sign: int, vacuum: float
) -> float:
    """Return the face about one column: the step nearest to the box's side, NaN where none is."""
    half = _WINDOW_PX
    profile = grey[:, column - half : column + half + 1].mean(axis=1).astype(np.float64)
    bright = profile > 0.75 * vacuum
    crossings = np.flatnonzero(np.diff(bright.astype(int)) == sign)
    if not crossings.size:
        return math.nan
    at = s[crossings] + 0.5
    coarse = float(at[np.argmin(np.abs(at - near))])
    if abs(coarse - near) > _NEAR_PX:
        return math.nan
    step = find_step(profile, s, coarse, 4.0, 1.2, sign)
    clear = step.height * sign > _LEAST_STEP * vacuum and step.u_px < 1.0
    return step.s_px if clear and abs(step.s_px - coarse) < 5 else coarse


def _filled(t: FloatArray, s: FloatArray, otherwise: float) -> tuple[FloatArray, FloatArray]:
    seen = np.isfinite(s)
    if seen.sum() < 3:
        return np.array([0.0]), np.array([otherwise])
    level = np.interp(t, t[seen], s[seen])
    return t, np.asarray(median_filter(level, size=5, mode="nearest"))


# --------------------------------------------------------------------------- what stands there


def _learn_tube(model: GrowthModel, kept: list[_Kept]) -> GrowthModel:
    """Look for a nanotube in the mean of the first frames."""
    strips = [
        x for item in kept[: max(len(kept) // 10, 3)] if (x := _strip(model, item)) is not None
    ]
    mean = Strip(strips[0].grid, np.mean([x.grey for x in strips], axis=0).astype(np.float32))
    face = np.interp(mean.grid.t_px, model.face_t_px, model.face_s_px)
    s = mean.grid.s_px[:, None]
    inside = np.isfinite(mean.grey) & (s > face + 3) & (s < model.tip_face_px - 3)
    dark = darkness_map(mean, inside)
    tube = find_tube(dark, mean, float(np.median(face)), model.tip_face_px)
    return replace(model, tube=tube)


def _learn_film(model: GrowthModel, kept: list[_Kept]) -> GrowthModel:
    """Learn what lies behind, where and when nothing stands in front of it."""
    grids = [strip.grid for item in kept[:1] if (strip := _strip(model, item)) is not None]
    if not grids:
        return model
    film = learn_film(_darknesses(model, kept))
    return replace(model, film=film, film_at=(grids[0].s_first, grids[0].t_first))


def _darknesses(model: GrowthModel, kept: list[_Kept]) -> Iterator[tuple[Darkness, Mask]]:
    for item in kept:
        strip = _strip(model, item)
        if strip is None:
            continue
        face = np.interp(strip.grid.t_px, model.face_t_px, model.face_s_px)
        s = strip.grid.s_px[:, None]
        inside = np.isfinite(strip.grey) & (s > face + 3) & (s < model.tip_face_px - 3)
        middle, width = model.tube
        beside = np.abs(strip.grid.t_px - middle) > width / 2 + _TUBE_PX
        yield darkness_map(strip, inside), inside & (beside if width else True)


def _scenes(model: GrowthModel, kept: list[_Kept]) -> list[tuple[_Kept, Scene]]:
    found = []
    for item in kept:
        scene = model.scene(item.crop, item.tip, item.base)
        first = scene.patches[0] if scene is not None and scene.patches else None
        if scene is not None and first is not None and not (first.beyond or first.at_border):
            found.append((item, scene))
    return found


def _learn_sides(model: GrowthModel, kept: list[_Kept]) -> GrowthModel:
    """Learn the look of the sides where they are longest, and tabulate layers of any thickness."""
    found = _scenes(model, kept)
    if not found:
        text = "nothing is seen to grow in the sampled frames"
        return replace(model, warnings=(*model.warnings, text))
    model = _learn_ride(model, found)
    model = replace(model, several=sum(_apart(s.patches) for _, s in found) >= _LEAST_APART)
    if model.several:  # a shoulder is another body's then
        found = _scenes(model, kept)
    whole = _tall(found)
    alone = _tall([pair for pair in found if _alone(pair[1].patches)])
    if alone and _height(alone) > _ALONE_SHARE * _height(whole):
        whole = alone
    else:
        alone = []
    bare = [kind for kind in _KINDS if kind != "shell"]
    # What a neighbour puts beside an edge could pass for a layer.
    model = _learn_look(model, whole, _KINDS if alone else bare)
    if alone and _layer_is_grain(model, whole):
        model = _learn_look(model, whole, bare)
    model = _learn_end(_doubt_face(model, whole), whole)
    return model if model.several else _learn_form(model, found)


def _doubt_face(model: GrowthModel, whole: list[tuple[_Kept, Scene]]) -> GrowthModel:
    """Say how far a rough face under the body may lie off its mean: all lengths alike.

    Its own columns show it before the nucleation; farther off, an electrode is rounded.
    """
    low, high = (
        float(np.median([getattr(s.patches[0], name) - s.shift_px[1] for _, s in whole]))
        for name in ("t_low_px", "t_high_px")
    )
    away = np.abs(model.steps_px[:, 0] - (low + high) / 2)
    near = max(high - low, _LEAST_FACE_PX) / 2
    rough = roughness_along(model.steps_px[away <= near])
    if not rough.columns_px:  # it stood there from the start
        rough = roughness_along(model.steps_px[away <= 3.0 * near])
    u = rough.u_mean_px((high - low) / 2) if rough.columns_px else _U_UNSEEN_PX
    return replace(model, extra=model.extra | {"u_common_length_px": u})


def _learn_look(
    model: GrowthModel, found: list[tuple[_Kept, Scene]], kinds: Sequence[EdgeModel]
) -> GrowthModel:
    """Learn the profile of the sides and what falsifies it."""
    learnt = learn_profile(
        _loaded_model(model, found),
        [(k.crop, k.tip, k.base, None) for k, _ in found],
        tuple(kinds),
        _U_FACET,
        _CAUTION,
    )
    # Both edges may lie off alike, the form of the profile being uncertain; in all frames the same.
    common = {"u_common_diameter_px": 2.0 * learnt.table.profile.u_edge_px}
    model = replace(model, tables=ladder(learnt.table), extra=model.extra | common)
    return _learn_grain(model, found, learnt.table.noise)


def _layer_is_grain(model: GrowthModel, found: list[tuple[_Kept, Scene]]) -> bool:
    """Return whether noise, grain or a fringe of the body could pass for its surface layer.

    The grain stays with the body, so that many frames are hardly more than one.
    """
    gains = []
    for _, scene in found[:: max(1, len(found) // _END_FRAMES)]:
        grown = model.measure(scene, scene.patches[0], 0.0)
        sides = None if grown is None else grown.sides
        if sides is None or sides.table.profile.model != "shell":
            continue
        look = mean_look(sides.edges, sides.bands, sides.t_px)
        if look is not None:
            gains.append(layer_gain(look, sides.table.profile, model.grain))
    return bool(gains) and float(np.mean(gains)) < _LAYER_GAIN


def _learn_ride(model: GrowthModel, found: list[tuple[_Kept, Scene]]) -> GrowthModel:
    """Learn whether the pattern inside the body rides on its end.

    The film is left in, so that it is the same in the body and in the vacuum beside.
    """
    looks = []
    plain = replace(model, film=None)
    for item, learnt in found:
        scene = learnt if model.film is None else plain.scene(item.crop, item.tip, item.base)
        if scene is not None and len(scene.patches) == 1:
            root = float(np.median(scene.face_px))
            patch = scene.patches[0]
            looks.append(look_inside(scene.strip, scene.dark, patch, root, scene.shift_px))
    ride = pattern_ride([look for look in looks if look is not None])
    if ride is None:
        return model
    return replace(model, extra={"pattern_rides": ride[0], "u_pattern_rides": ride[1]})


def _learn_end(model: GrowthModel, found: list[tuple[_Kept, Scene]]) -> GrowthModel:
    """Tell from many frames whether the free end carries a facet across the axis.

    A single frame cannot: a facet with a bevel and a dome differ by less than its noise.
    """
    gain, share = [], []
    for _, scene in found[:: max(1, len(found) // _END_FRAMES)]:
        dome = model.measure(scene, scene.patches[0], 0.0)
        facet = model.measure(scene, scene.patches[0], None)
        if dome is not None and facet is not None:
            gain.append(dome.cap.misfit - facet.cap.misfit)
            share.append(facet.cap.flat)
    if not gain or np.mean(gain) < _FACET_GAIN or np.median(share) < _LEAST_FACET:
        return model
    return replace(model, flat=float(np.median(share)))


def _learn_grain(model: GrowthModel, found: list[tuple[_Kept, Scene]], noise: Noise) -> GrowthModel:
    """Learn from the longest sides what falsifies their mean look."""
    measured = []
    for _, scene in found[:: max(1, len(found) // _END_FRAMES)]:
        grown = model.measure(scene, scene.patches[0], 0.0)
        if grown is not None and grown.sides is not None:
            measured.append((grown.sides.edges, grown.sides.bands, grown.sides.t_px))
    return replace(model, grain=learn_grain(measured, noise.shot + noise.film**2))


def _learn_form(model: GrowthModel, found: list[tuple[_Kept, Scene]]) -> GrowthModel:
    """Learn how the body's form changes while it grows: from frame to frame it hardly does.

    A single frame can put a rounder end that ends sooner for a sharper one that ends later, and a
    polygon for a thinner layer.
    """
    seen, layers = [], []
    for item, scene in found:
        grown = model.measure(scene, scene.patches[0], model.flat)
        if grown is not None and grown.sides is not None:
            layers.append((item.time_s, grown.sides.shell_px, grown.sides.u_shell_px))
        if grown is not None and grown.cap.depth_px > 0:
            height = scene.patches[0].top_px - float(np.median(scene.face_px))
            radius = grown.scalars["diameter_max_px"] / 2
            share = math.log(grown.cap.depth_px / radius)
            facet = math.nan if grown.sides is None else grown.sides.facet
            seen.append((height, share, grown.cap.power, facet))
    model = replace(model, layer=layer_course(np.array(layers).reshape(-1, 3)))
    if len(seen) < _LEAST_FORMS:
        return model
    height, *parts = np.array(sorted(seen)).T
    columns = [height]
    for values, least in zip(parts, _U_FORM, strict=True):
        known = np.isfinite(values)
        if known.sum() < _LEAST_FORMS:
            columns += [np.full(len(values), math.nan)] * 2
            continue
        course = _course(values[known])
        scatter = 1.4826 * float(np.median(np.abs(values[known] - course)))
        columns.append(np.interp(height, height[known], course))
        columns.append(np.full(len(values), max(_SHARE_OF_SCATTER * scatter, least)))
    return replace(model, forms=np.column_stack(columns))


def _course(values: FloatArray) -> FloatArray:
    """Return the slow course of a noisy sequence: running medians, averaged.

    Reflected at the ends: repeated, the last value alone would be the course there.
    """
    width = 2 * (len(values) // 10) + 3
    middle = median_filter(values, size=width, mode="reflect")
    return np.asarray(uniform_filter1d(middle, width, mode="reflect"))


def _tall(found: list[tuple[_Kept, Scene]]) -> list[tuple[_Kept, Scene]]:
    """Return the scenes in which the largest body is nearly as high as it becomes."""
    least = _LEARN_SHARE * _height(found)
    return [pair for pair in found if _height([pair]) > least]


def _height(found: list[tuple[_Kept, Scene]]) -> float:
    """Return how high the largest bodies of some scenes become."""
    heights = (s.patches[0].top_px - float(np.median(s.face_px)) for _, s in found)
    return max(heights, default=0.0)


def _alone(patches: list[Patch]) -> bool:
    """Return whether the largest body has vacuum on both sides, wide enough to learn its look."""
    first = patches[0]
    low, high = first.t_low_px - _CLEAR_PX, first.t_high_px + _CLEAR_PX
    return all(p.t_high_px < low or p.t_low_px > high for p in patches[1:])


def _apart(patches: list[Patch]) -> bool:
    """Return whether there are two bodies with vacuum between them."""
    free = [max(p.cut_low_px, p.cut_high_px) == -math.inf for p in patches]
    return len(patches) > 1 and all(free)


def _loaded_model(model: GrowthModel, found: list[tuple[_Kept, Scene]]) -> SpecimenModel:
    """Return the same surroundings in the terms of a specimen between two faces."""
    tip_at = model.others_px.get("tip", (0.0, 0.0))
    point = (model.anchor_px[0] + tip_at[0], model.anchor_px[1] + tip_at[1])
    along, across = model.axis.along, model.axis.across
    to_tip = (tip_at[0] * along[0] + tip_at[1] * along[1],
              tip_at[0] * across[0] + tip_at[1] * across[1])  # fmt: skip
    largest = [scene.patches[0] for _, scene in found]
    shifts = [scene.shift_px[1] for _, scene in found]
    low = float(np.median([p.t_low_px - d for p, d in zip(largest, shifts, strict=True)]))
    high = float(np.median([p.t_high_px - d for p, d in zip(largest, shifts, strict=True)]))
    face = float(np.median(model.face_s_px))
    has_base = model.anchored_to == "base"
    return SpecimenModel(
        axis=model.axis,
        shape="rod",
        mode="growth",
        warnings=(),
        invert_at=model.invert_at,
        tip_point_px=point,
        base_point_px=model.anchor_px if has_base else None,
        box_s_px=(face - to_tip[0], model.tip_face_px - to_tip[0]),
        box_t_px=(low - to_tip[1], high - to_tip[1]),
        span_s_px=(face - to_tip[0] - 20, model.tip_face_px - to_tip[0] + 12),
        tip_face_px=model.tip_face_px - to_tip[0],
        base_face_px=face if has_base else 0.0,
        patch=None,
        tip_front=None,
        table=tabulate(Profile(), 2.0, max(high - low, 16.0)),
        fixed=not model.anchored_to,
    )

"""From edges and faces to the outline: what all shapes have in common."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from scipy.special import ndtr

from tem_track.records import FloatArray, Image, Match, Outline
from tem_track.specimen.bend import Bend, Midline, bow_weights
from tem_track.specimen.breaks import Opening, find_opening, judged
from tem_track.specimen.edges import Edges
from tem_track.specimen.endlines import seat
from tem_track.specimen.faces import Step
from tem_track.specimen.form import Form, Widths
from tem_track.specimen.model import (
    BAND_PX,
    CLEAR_PX,
    Faces,
    Place,
    SpecimenModel,
    find_tip_end,
    measure_edges,
)
from tem_track.specimen.neck_fit import Neck, fit_neck
from tem_track.specimen.profile import EdgeModel, EdgeTable
from tem_track.specimen.resting import weighed
from tem_track.specimen.smooth import Curve, Mask, smooth_curve
from tem_track.specimen.smoothing import CAUTION
from tem_track.specimen.strip import Crop, Strip
from tem_track.specimen.widths import central, outer_line, upper_part, volume, weights_at

__all__ = ["Body", "Sides"]

_LEAST_GOOD = 0.3
"""Share of the bands that have to be seen."""
_BENT_RATIO = 0.1
"""Bow over mid diameter, times eight, beyond which a specimen is bent."""
_OUTSIDE_SHARE = 0.02
"""Share of unseen pixels from which on an end is out of view."""
_SPREADS, _LEAST_OPEN_PX = 3.0, 0.15
"""A gap is open from so many spreads of touching frames on, and at least so wide."""
_THIN_NECK_PX, _CUT_OFF = 48.0, 1.5  # a smooth curve shows a thin neck wider by up to this ratio
_APART = 6  # bands between two places whose widths have little in common
_NECK_REACH_PX = 5.0 * BAND_PX
"""How far to both sides of the thinnest band the neck is fitted."""
_THIN_MID, _THIN_LEAST = 0.4, 0.05
"""Of the table's largest radius: mid and smallest widths that are not the specimen's."""
_FLARE_BANDS, _FLARE = 6, 3.0
"""Outermost bands of a fillet, and from how many of its uncertainties on their curvature is one."""
_CLEAR_U_PX = 0.3  # of tip and base: less clear is smeared, or faint
_U_END = 1.25  # an end's place leans on the look that was learnt, and contours move behind it


@dataclass(frozen=True, eq=False)
class Sides:
    """The two smooth sides of a specimen on its bands, in strip coordinates.

    `u_common_px` is how far all widths may be off together, the form of the profile being
    uncertain; `u_own_px` is the same of the specimen's own form. `u_mended_px` is the widths' own
    uncertainty where they are not the curve's. `caution` is by how much what neighbouring bands
    share widens a variance. `bent_px` is what of the midline has the form in which the specimen
    bends, and `bow_bent_px` its bow.
    """

    s_px: FloatArray
    width: Curve
    middle: Curve
    good: Mask
    raw_px: FloatArray
    u_common_px: float = 0.0
    u_own_px: FloatArray | float = 0.0
    u_mended_px: FloatArray | None = None
    caution: float = CAUTION
    bent_px: FloatArray | float = 0.0
    bow_bent_px: float = 0.0

    @property
    def is_mended(self) -> bool:
        """Whether the widths are not the smooth curve's everywhere."""
        return self.u_mended_px is not None

    @cached_property
    def u_width_px(self) -> FloatArray:
        """Return the width's uncertainty, with what all bands share: the profile's own."""
        own = self.width.u if self.u_mended_px is None else self.u_mended_px
        return np.asarray(np.sqrt(own**2 + self.u_own_px**2 + self.u_common_px**2))

    def mended(self, neck: Neck) -> Sides:
        """Return the sides with a neck's widths where it was fitted.

        Curve and fit see the same grain with other weights: half of what they differ by is doubt.
        """
        width, u, share = neck.along(self.s_px)
        width = np.maximum(width, neck.width_px)
        apart = share * (width - self.width.value)
        value = self.width.value + apart
        u = np.sqrt((share * u) ** 2 + ((1.0 - share) * self.width.u) ** 2 + (apart / 2) ** 2)
        return replace(self, width=replace(self.width, value=value), u_mended_px=u)

    @property
    def left_px(self) -> FloatArray:
        """Return the left side."""
        return self.middle.value - self.width.value / 2

    @property
    def right_px(self) -> FloatArray:
        """Return the right side."""
        return self.middle.value + self.width.value / 2


class Body:
    """A specimen between two faces; a shape overrides what is special about it."""

    name: ClassVar[str] = "body"
    profiles: ClassVar[tuple[EdgeModel, ...]] = ("opaque", "round", "shell")
    u_facet: ClassVar[float] = 0.1
    may_be_round: ClassVar[bool] = False
    end_share: ClassVar[float] = 0.7
    is_long: ClassVar[bool] = True

    def outline(
        self,
        model: SpecimenModel,
        image: Image | Crop,
        tip: Match,
        base: Match | None,
        bar: Match | None = None,
    ) -> Outline:
        """Outline one frame."""
        seen = self.seen(model, image, tip, base, bar)
        return seen if isinstance(seen, Outline) else self.compose(model, *seen)

    def seen(
        self,
        model: SpecimenModel,
        image: Image | Crop,
        tip: Match,
        base: Match | None,
        bar: Match | None = None,
    ) -> Outline | tuple[Strip, Place, Edges, Faces]:
        """Return a frame's edges and faces, or at once the outline of what is lost or broken."""
        empty = Outline(model.axis.angle_deg, flags=("SPECIMEN_LOST",))
        hidden = tip.lost and not model.fixed
        if hidden and (base is None or base.lost):
            return empty
        place = model.place(image, tip, base, bar)
        if place is None or not place.tip_face_px - place.base_face_px > 8:
            return empty
        strip = model.strip(image, place)
        if _outside(model, strip, place):
            empty = replace(empty, flags=("SPECIMEN_LOST", "OUT_OF_VIEW"))
        if hidden or np.isnan(strip.grey).mean() > 0.3:
            return empty
        middle_t = sum(model.box_t_px) / 2 + place.shift_t_px
        edges, bands = measure_edges(
            strip,
            place.base_face_px,
            place.tip_face_px,
            middle_t,
            model.table,
            3 if model.mode == "tension" else 7,
            model.foot_t_px(place),
            beside_tip=model.mode == "compression",
            behind=model.behind(place),
        )
        if edges.good.size == 0 or edges.good.mean() < 0.15:
            return empty
        opening = find_opening(
            bands,
            strip.grid.t_px,
            edges,
            model.table.profile.mu_per_px,
            to_tip=model.mode == "tension",
        )
        if model.mode == "tension":
            opening = judged(opening, strip, edges, model.table.profile.mu_per_px)
        if opening is not None:
            return self.halves(model, strip, place, edges, opening)
        if edges.good.mean() < _LEAST_GOOD:
            return empty
        return strip, place, edges, self.faces(model, strip, place, edges)

    def faces(self, model: SpecimenModel, strip: Strip, place: Place, edges: Edges) -> Faces:
        """Find the two end faces and the gap."""
        base = Step(place.base_face_px, place.u_base_face_px, math.nan)
        left, right, radius = upper_part(edges.s_px, np.ascontiguousarray(edges.t_px), edges.good)
        tip = find_tip_end(model, strip, place, (left + right) / 2, radius)
        tip = replace(tip, u_px=_U_END * tip.u_px)
        touch, u_touch, doubt, spread = _contact(model, tip, place)
        gap = place.tip_face_px - touch - tip.s_px
        u_gap = math.hypot(tip.u_px, place.u_tip_face_px)
        if model.mode == "tension" or math.isnan(tip.height) or not gap > spread:
            beyond = max(gap - spread / _SPREADS, 0.0) if math.isfinite(gap) else 0.0
            u_face = math.hypot(place.u_tip_face_px, doubt, beyond)
            face = Step(place.tip_face_px - touch, u_face, math.nan)
            return Faces(base, face, 0.0, u_gap, u_touch)
        return Faces(base, tip, gap, math.hypot(u_gap, u_touch, doubt))

    def compose(
        self, model: SpecimenModel, strip: Strip, place: Place, edges: Edges, faces: Faces
    ) -> Outline:
        """Return the outline from its edges and faces."""
        softest = self.softest(model.mode)
        sides = self.sides(edges, faces, softest, model.form, model.bend, corners=model.faceted)
        if sides is None:
            return Outline(model.axis.angle_deg, flags=("SPECIMEN_LOST",))
        smeared = _smeared(place)
        u_common = math.hypot(2.0 * model.table.profile.u_edge_px, 2.0 * smeared)
        sides = replace(sides, u_common_px=u_common)
        length = faces.tip.s_px - faces.base.s_px
        u_length = _root_sum(faces.tip.u_px, faces.base.u_px)
        grid = strip.grid
        scalars = self.scalars(sides, faces)
        if model.mode == "compression" and _is_another(scalars, model.table):
            return Outline(model.axis.angle_deg, flags=("SPECIMEN_LOST",))
        scalars["u_bow_px"] = math.hypot(scalars["u_bow_px"], smeared)
        common = math.hypot(model.u_common_length_px, faces.u_touch_px)
        extra = {"u_common_length_px": common}
        if faces.gap_px == 0:
            seen, others = seat(model, strip, edges, faces.base.s_px, faces.tip.s_px)
            extra |= others
            scalars |= seen
        if not model.slender:
            scalars |= {"bow_px": math.nan, "u_bow_px": math.nan}
        if model.mode == "tension":
            sides, bottom = _neck_bottom(sides, scalars, strip, model.table)
            if sides.is_mended:
                scalars |= self.scalars(sides, faces)
            scalars |= bottom
        layer, u_layer = edges.shell_px, edges.u_shell_px
        if model.layer is not None and math.isfinite(layer):
            layer, u_layer = weighed(layer, u_layer, model.layer)
        u_layer = math.hypot(u_layer, model.table.profile.u_shell_px)
        flags = self.flags(model, scalars)
        if model.fixed:
            scalars, length, u_length = _without_ends(scalars), math.nan, math.nan
        ends = [
            tuple(grid.to_image(s, float(np.interp(s, sides.s_px, sides.middle.value))))
            for s in (faces.base.s_px, faces.tip.s_px)
        ]
        return Outline(
            axis_deg=model.axis.angle_deg,
            model=model.table.profile.model,
            midline_px=grid.to_image(sides.s_px, sides.middle.value),
            left_px=grid.to_image(sides.s_px, sides.left_px),
            right_px=grid.to_image(sides.s_px, sides.right_px),
            diameter_px=sides.width.value,
            u_diameter_px=sides.u_width_px,
            base_face_px=(float(ends[0][0]), float(ends[0][1])),
            tip_face_px=(float(ends[1][0]), float(ends[1][1])),
            length_px=length,
            u_length_px=u_length,
            shell_px=layer,
            u_shell_px=u_layer,
            gap_px=faces.gap_px,
            u_gap_px=faces.u_gap_px,
            flags=flags,
            extra=extra,
            **scalars,  # type: ignore[arg-type]
        )

    def halves(
        self, model: SpecimenModel, strip: Strip, place: Place, edges: Edges, opening: Opening
    ) -> Outline:
        """Return the two pieces of a broken specimen: both outlines, no length."""
        grid = strip.grid
        nothing = Step(math.nan, math.nan, math.nan)
        pieces = [
            self.sides(edges, Faces(replace(nothing, s_px=low), replace(nothing, s_px=high), 0, 0))
            for low, high in (
                (place.base_face_px, opening.s_low_px),
                (opening.s_high_px, place.tip_face_px),
            )
        ]
        lines: list[list[FloatArray]] = [[], [], [], [], []]
        for k, side in enumerate(piece for piece in pieces if piece is not None):
            gap = [np.full((1, 2), math.nan)] if k else []
            seen = _longest_seen(side)
            s_px = side.s_px[seen]
            lines[0] += [*gap, grid.to_image(s_px, side.middle.value[seen])]
            lines[1] += [*gap, grid.to_image(s_px, side.left_px[seen])]
            lines[2] += [*gap, grid.to_image(s_px, side.right_px[seen])]
            lines[3] += [*(g[:, 0] for g in gap), side.width.value[seen]]
            lines[4] += [*(g[:, 0] for g in gap), side.u_width_px[seen]]
        if not lines[0]:
            return Outline(model.axis.angle_deg, broken=True, flags=("BROKEN",))
        middle, left, right, width, u_width = (np.concatenate(line) for line in lines)
        return Outline(
            axis_deg=model.axis.angle_deg,
            model=model.table.profile.model,
            midline_px=middle,
            left_px=left,
            right_px=right,
            diameter_px=width,
            u_diameter_px=u_width,
            broken=True,
            flags=("BROKEN",),
            extra={"opening_px": opening.s_high_px - opening.s_low_px},
        )

    @staticmethod
    def softest(mode: str) -> float:
        """Return the smallest penalty of the width's curve: a neck bends more than a barrel."""
        return 0.1 if mode == "tension" else 1e3

    @staticmethod
    def level(mode: str) -> float:
        """Return what a slope of what a load did to the width costs: a barrel leans all over."""
        return 1e-2 if mode == "tension" else 0.0

    def sides(
        self,
        edges: Edges,
        faces: Faces,
        softest: float = 1e3,
        form: Form | None = None,
        bend: Bend | None = None,
        *,
        corners: bool = False,
    ) -> Sides | None:
        """Smooth the edges between the two faces, the specimen's own form apart."""
        inside: Mask = (edges.s_px > faces.base.s_px + CLEAR_PX) & (
            edges.s_px < faces.tip.s_px - CLEAR_PX
        )
        if inside.sum() < 4:
            return None
        good: Mask = np.asarray(edges.good[inside].all(axis=1))
        if good.mean() < _LEAST_GOOD:
            return None
        t, s = edges.t_px[inside], edges.s_px[inside]
        wide = t[:, 1] - t[:, 0]
        own, u_own, level = np.zeros(len(s)), np.zeros(len(s)), 0.0
        if form is not None:
            seen = Widths(s, wide, good, (faces.base.s_px, faces.tip.s_px), edges.caution)
            own, u_own = form.at(seen.share)
            level = form.level
        soft = softest, edges.caution, level
        width = self.smooth_width(wide - own, good, *soft, corners=corners)
        width = replace(width, value=width.value + own)
        if level > 0:  # half of what a frame alone would say otherwise is doubt
            alone = smooth_curve(wide, good, softest, edges.caution)
            u_own = np.hypot(u_own, (width.value - alone.value) / 2)
        line, bent, bow = t.mean(axis=1), np.zeros(len(s)), 0.0
        if bend is not None:
            found = Midline(s, line, good, (faces.base.s_px, faces.tip.s_px), edges.caution)
            bow, bent = bend.of(found)
        middle = smooth_curve(line - bent, good, caution=edges.caution)
        middle = replace(middle, value=middle.value + bent)
        raw = np.where(good, wide, np.nan)
        return Sides(
            s, width, middle, good, raw,
            u_own_px=u_own, caution=edges.caution, bent_px=bent, bow_bent_px=bow,
        )  # fmt: skip

    def smooth_width(
        self,
        width_px: FloatArray,
        good: Mask,
        softest: float,
        caution: float,
        level: float = 0.0,
        *,
        corners: bool = False,
    ) -> Curve:
        """Smooth the width along the axis, with corners where the body may have some."""
        return smooth_curve(width_px, good, softest, caution, level)

    def scalars(self, sides: Sides, faces: Faces) -> dict[str, float]:
        """Return diameters, bow and volume with their uncertainties."""
        s, d = sides.s_px, sides.width.value
        u = sides.u_width_px
        low, high = faces.base.s_px, faces.tip.s_px
        mid, u_mid, least, u_least, at = central(s, d, u, low, high)
        if not self.is_long:
            u_least = math.hypot(u_least, _border(sides, at, faces))
        out = {
            "diameter_mid_px": mid,
            "u_diameter_mid_px": u_mid,
            "diameter_min_px": least,
            "u_diameter_min_px": u_least,
        }
        out |= self.largest(sides, low, high)
        out |= self.end_diameters(sides, low, high)
        out |= _bow(sides, low, high)
        filled, u_filled = volume(s, d, u, low, high)
        return out | {"volume_px3": filled, "u_volume_px3": u_filled}

    def largest(self, sides: Sides, low: float, high: float) -> dict[str, float]:
        """Return the largest width between the two faces, one of which may be the widest place."""
        d, u = sides.width.value, sides.u_width_px
        most = int(np.argmax(d))
        value, u_value = float(d[most]), float(u[most])
        for at, face in ((0, low), (len(d) - 1, high)):
            if most != at:
                continue
            weights = weights_at(sides.s_px, face)
            value = max(value, float(weights @ d))
            u_own = float(np.linalg.norm(weights * sides.u_own_px))
            u_face = _root_sum(sides.width.u_of(weights), sides.u_common_px, u_own)
            u_value = max(u_value, u_face)
            if self.is_long:
                value, u_value = _flared(sides, face, value, u_value)
        if self.is_long:
            alone = math.sqrt(max(float(u[most]) ** 2 - sides.u_common_px**2, 1e-6))
            u_value = math.hypot(u_value, _picked(d, value, most, alone))
        return {"diameter_max_px": value, "u_diameter_max_px": u_value}

    def end_diameters(self, sides: Sides, low: float, high: float) -> dict[str, float]:
        """Extrapolate the width to both faces from the outer tenth of the length."""
        out: dict[str, float] = {}
        tenth = max(0.1 * (high - low), 8.0)
        for name, at in (("base", low), ("tip", high)):
            value, slope, u_mean = outer_line(
                sides.s_px, sides.width.value, sides.u_width_px, at, tenth + CLEAR_PX
            )
            if math.isnan(value):
                continue
            u = math.hypot(u_mean * 2.0, 0.1 * abs(slope))
            if self.is_long:
                value, u = _flared(sides, at, value, u)
            out |= {f"diameter_{name}_px": value, f"u_diameter_{name}_px": u}
        return out

    def flags(self, model: SpecimenModel, scalars: dict[str, float]) -> tuple[str, ...]:
        """Return the flags that the numbers ask for."""
        flags = []
        bow, u = scalars["bow_px"], scalars["u_bow_px"]
        if abs(bow) - _BENT_RATIO / 8 * scalars["diameter_mid_px"] > 2 * u:
            flags.append("BENT")
        if _neck(scalars) < model.neck_ratio - max(0.03, 3 * _u_neck(scalars)):
            flags.append("NECK")
        if scalars["diameter_max_px"] < 5.0:
            flags.append("BELOW_RESOLUTION")
        return tuple(flags)


def _outside(model: SpecimenModel, strip: Strip, place: Place) -> bool:
    """Return whether a part of the box around the specimen lies outside the picture."""
    low, high = (t + place.shift_t_px for t in model.box_t_px)
    rows = strip.rows(place.base_face_px, place.tip_face_px)
    part = strip.grey[rows, strip.columns(low, high)]
    return part.size == 0 or float(np.isnan(part).mean()) > _OUTSIDE_SHARE


def _without_ends(scalars: dict[str, float]) -> dict[str, float]:
    """Keep the widths inside the box: where neither end is known, nothing that leans on one."""
    kept = ("diameter_mid", "diameter_max", "diameter_min")
    return {
        name: value if name.removeprefix("u_").removesuffix("_px") in kept else math.nan
        for name, value in scalars.items()
        if "seat" not in name
    }


def _contact(model: SpecimenModel, tip: Step, place: Place) -> tuple[float, float, float, float]:
    """Return what gap is left in contact, two uncertainties, and what more of it is open.

    The first uncertainty is common to all frames in contact, the second is this frame's: what of a
    rough tip meets the specimen changes as it is squeezed. Where no frame has shown what contact
    looks like, a gap within three of its uncertainties or half a pixel may be none.
    """
    end = model.end
    if math.isfinite(end.touch_px):
        spread = max(_SPREADS * end.spread_px, _LEAST_OPEN_PX)
        return end.touch_px, end.u_touch_px, model.u_facing_px, spread
    least = max(3 * math.hypot(tip.u_px, place.u_tip_face_px), 0.5)
    gap = place.tip_face_px - tip.s_px if math.isfinite(tip.height) else 0.0
    doubt = min(max(gap, 0.0), least) / math.sqrt(3)
    return 0.0, model.u_tip_face_px, math.hypot(model.u_facing_px, doubt), least


def _is_another(scalars: dict[str, float], table: EdgeTable) -> bool:
    """Return whether what was outlined is far thinner than the specimen, which load only widens.

    The table goes to half as much again as the largest radius of the sample.
    """
    most = math.exp(float(table.log_radius[-1]))
    thin = scalars["diameter_mid_px"] < _THIN_MID * most
    return bool(thin or scalars["diameter_min_px"] < _THIN_LEAST * most)


def _smeared(place: Place) -> float:
    """Return how far a side may be off in a picture that is smeared as a whole.

    Where neither tip nor base can be placed to a fraction of a pixel, it moved while it was taken.
    """
    least = min(place.u_tip_face_px, place.u_base_face_px)
    return math.sqrt(max(least**2 - _CLEAR_U_PX**2, 0.0)) if math.isfinite(least) else 0.0


def _border(sides: Sides, at: float, faces: Faces) -> float:
    """Return what the faces' uncertainty means for a width at the border of the middle part.

    A steep side's look was not learnt, and its place along the axis is not known within a row.
    """
    low, high = faces.base.s_px, faces.tip.s_px
    if abs(abs(at - (low + high) / 2) - 0.4 * (high - low)) >= 1e-9:
        return 0.0
    slope = np.interp(at, sides.s_px, np.gradient(sides.width.value, sides.s_px))
    ends = (0.0 if math.isnan(f.u_px) else f.u_px for f in (faces.base, faces.tip))
    u = math.hypot(*ends, 1 / math.sqrt(12))
    return float(abs(slope)) * u


def _neck_bottom(
    sides: Sides, scalars: dict[str, float], strip: Strip, table: EdgeTable
) -> tuple[Sides, dict[str, float]]:
    """Return the sides and the smallest width of a neck, which the smooth curve cuts off.

    A thin neck is fitted in the picture itself. Where that fails and its narrowest bands were not
    seen, the width is anything below the curve's.
    """
    least, u_curve = scalars["diameter_min_px"], scalars["u_diameter_min_px"]
    at = float(sides.s_px[int(np.argmin(np.abs(sides.width.value - least)))])
    seen = sides.raw_px[np.abs(sides.s_px - at) <= 2.0 * BAND_PX]
    hidden = least < _CUT_OFF * _THIN_NECK_PX and not np.isfinite(seen).all()
    if hidden or min(least, np.nanmin(seen, initial=math.inf)) < _THIN_NECK_PX:
        found = np.where(np.isfinite(sides.raw_px), sides.raw_px, sides.width.value)
        start = sides.s_px, found, sides.middle.value
        low, high = sides.s_px[0] + _NECK_REACH_PX, sides.s_px[-1] - _NECK_REACH_PX
        about = min(max(at, low), high) if low < high else at  # what is at the faces is no neck
        neck = fit_neck(strip, table, start, about, _NECK_REACH_PX, BAND_PX)
        if neck is not None and neck.width_px < _THIN_NECK_PX:
            u = math.hypot(neck.u_width_px, sides.u_common_px)
            bottom = {"diameter_min_px": neck.width_px, "u_diameter_min_px": u}
            return sides.mended(neck), bottom
    bottom = _parabola(sides, least, u_curve, at, table.profile.blur_px)
    if bottom or not hidden:
        return sides, bottom
    return sides, {"u_diameter_min_px": max(u_curve, least / math.sqrt(12))}


def _parabola(
    sides: Sides, least: float, u_curve: float, at: float, blur_px: float
) -> dict[str, float]:
    """Return the smallest width from a parabola through the bands about it.

    A band's rows and the blur along the axis take in some of what is wider beside it, by as much
    as it is curved.
    """
    reach = max(0.3 * least, 2.6 * BAND_PX)
    usual = np.abs(sides.raw_px - sides.width.value) < max(4 * sides.width.scatter, 4.0)
    near = (np.abs(sides.s_px - at) <= reach) & usual
    if near.sum() < 4:
        return {}
    x = (sides.s_px[near] - at) / reach
    design = np.column_stack([np.ones_like(x), x, x**2])
    solution, *_ = np.linalg.lstsq(design, sides.raw_px[near], rcond=None)
    rest = sides.raw_px[near] - design @ solution
    sigma = max(float(np.sqrt((rest**2).sum() / (near.sum() - 3))), 0.2)
    if solution[2] < max(2.0, 3 * sigma):
        return {}
    vertex = float(np.clip(-solution[1] / (2 * solution[2]), -0.7, 0.7))
    row = np.array([1.0, vertex, vertex**2])
    covariance = np.linalg.inv(design.T @ design)
    u = max(sigma * math.sqrt(float(row @ covariance @ row)), u_curve)
    widened = float(solution[2]) / reach**2 * (BAND_PX**2 / 12 + blur_px**2)
    value = float(row @ solution) - min(widened, 0.3 * float(row @ solution))
    return {"diameter_min_px": value, "u_diameter_min_px": u} if 0 < value < least else {}


def _neck(scalars: dict[str, float]) -> float:
    """Return the smallest over the mean of the end diameters and the largest."""
    return scalars["diameter_min_px"] / scalars["diameter_max_px"]


def _u_neck(scalars: dict[str, float]) -> float:
    return math.hypot(
        scalars["u_diameter_min_px"] / scalars["diameter_min_px"],
        scalars["u_diameter_max_px"] / scalars["diameter_max_px"],
    )


def _flared(sides: Sides, face_px: float, value: float, u: float) -> tuple[float, float]:
    """Return the width at a face to which a fillet may widen faster than the smooth curve, and u.

    Where the outermost bands are clearly curved, a parabola through them tells it; where they
    may be, it is doubt. Half of what it and the smooth curve differ by is in u.
    """
    s, raw = sides.s_px, sides.raw_px
    at_base = abs(s[0] - face_px) < abs(s[-1] - face_px)
    near = slice(0, _FLARE_BANDS) if at_base else slice(len(s) - _FLARE_BANDS, len(s))
    if len(s) < 2 * _FLARE_BANDS or not np.isfinite(raw[near]).all():
        return value, u
    wide = raw[near]
    design = np.vander((s[near] - face_px) / (BAND_PX * _FLARE_BANDS), 3, increasing=True)
    inverse = np.linalg.inv(design.T @ design)
    found = inverse @ design.T @ wide
    rest = wide - design @ found
    left = max(float(rest @ rest) / (_FLARE_BANDS - 3), sides.width.scatter**2)
    sigma = math.sqrt(sides.caution * left)
    clear = float(found[2]) / (sigma * math.sqrt(float(inverse[2, 2])))
    if clear < 1.0 or not found[0] > value:
        return value, u
    half = (float(found[0]) - value) / 2
    if clear < _FLARE:
        return value, _root_sum(half, u)
    return float(found[0]), _root_sum(sigma * math.sqrt(float(inverse[0, 0])), half, u)


def _picked(width: FloatArray, value: float, most: int, u: float) -> float:
    """Return by how much the widest place may only seem so: others nearly as wide might be it.

    By how much the larger of two uncertain widths is more than the one that was picked, for each
    place that has little in common with it.
    """
    rivals = np.maximum.reduceat(width, np.arange(0, len(width), _APART))
    away = np.arange(len(rivals)) != most // _APART
    z = (value - rivals[away]) / (math.sqrt(2.0) * u)
    more = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) - z * ndtr(-z)
    return float(math.sqrt(2.0) * u * np.linalg.norm(more))


def _root_sum(*terms: float) -> float:
    return math.sqrt(sum(t * t for t in terms))


def _bow(sides: Sides, low: float, high: float) -> dict[str, float]:
    """Offset of the midline at half length from the straight line between the ends."""
    functional = bow_weights(sides.s_px, low, high)
    bow = float(functional @ (sides.middle.value - sides.bent_px)) + sides.bow_bent_px
    return {"bow_px": bow, "u_bow_px": sides.middle.u_of(functional)}


def _longest_seen(side: Sides) -> slice:
    """Return the longest run of bands with edges; beyond it the curve is but extrapolated."""
    edge = np.flatnonzero(np.diff(np.concatenate([[0], side.good.astype(int), [0]])))
    starts, stops = edge[::2], edge[1::2]
    longest = int(np.argmax(stops - starts))
    return slice(int(starts[longest]), int(stops[longest]))

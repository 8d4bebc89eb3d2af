"""Learning the look of the specimen's free end from the frames with an open gap, and of contact.

Form and look are decided once for the movie: a ball's pole in contact is flattened and looks like a
face, and one noisy frame cannot tell the two apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tem_track.records import FloatArray, Match
from tem_track.specimen.edges import coarse_edges, steady
from tem_track.specimen.faces import Gate, fit_end
from tem_track.specimen.model import (
    ROUND_AHEAD_PX,
    EndLook,
    Place,
    SpecimenModel,
    TabledEnd,
    average_bands,
    cut_end,
    end_profile,
    fill_outside,
    find_tip_end,
    first_dark,
    free_end,
    without_specimen,
)
from tem_track.specimen.resting import at_rest
from tem_track.specimen.strip import Crop, Strip

__all__ = ["learn_end"]

_OPEN_PX = 8.0
"""Gap from which on an end stands free."""
_LEAST_FRAMES = 2
"""Frames that make a group with an open gap."""
_CLOSED_FRAMES = 3
"""Closed frames running that end a group."""
_FLAT_SHARE = 0.6  # a body that may be round is so until a flat end leaves that much less over
_NEAR_PX, _LEAST_TOUCHING = 1.5, 4
"""Gaps that may be contact, and how many tell its spread."""
_FARTHEST_PX = 0.9  # a fit is held within 1 px behind the face; there the look does not suit
_LEAST_SPREAD_PX, _MOST_SPREAD_PX = 0.03, 0.4
"""Between which the spread of touching frames is believed."""
_CUTS_PX = (2.0, 5.0, 10.0)  # squeezed poles, where the movie does not show one across a gap
_ALIKE = 0.25  # grain and contours in front of an end stay, and so does the look it is sought by
_DEPTH_PX = np.arange(-14.0, 26.01, 0.25)
"""Depths at which the end's darkness is tabled."""


@dataclass(frozen=True, slots=True, eq=False)
class _OpenEnd:
    """A profile along the axis across an open gap."""

    s_px: FloatArray
    profile: FloatArray
    without: FloatArray
    start_px: float
    limit_px: float
    radius_px: float
    base_px: float

    def fit(self, gate: Gate, *, known: bool, ahead_px: float) -> tuple[float, float, float]:
        """Return where the end lies, what is left over, and the place's uncertainty."""
        near = (self.s_px > self.start_px - 14) & (self.s_px < self.start_px + ahead_px)
        near &= self.s_px < self.limit_px - 2
        parts = self.profile[near], self.s_px[near], self.without[near]
        step, rest = fit_end(*parts, self.start_px, self.limit_px, gate, known=known)
        return step.s_px, rest, step.u_px


def learn_end(model: SpecimenModel, kept: list[tuple[Crop, Match, Match | None]]) -> SpecimenModel:
    """Choose the form of the free end, then average its look over all frames with an open gap."""
    if model.tip_front is None or model.mode == "tension":
        return model
    frames = [_seen(model, *item) for item in kept]
    groups = _groups([_open_end(model, seen) for seen in frames])
    shapes = _forms(model)
    if not groups:
        return replace(model, end=shapes[-1])
    gates, rests, form = [], [], shapes[0]
    for ends in groups:
        fits = [_fits(replace(model, end=look), ends) for look in shapes]
        rest = [float(np.median(fit[:, 1])) for fit in fits]
        best = len(rest) - 1 if rest[-1] * _FLAT_SHARE < rest[0] else 0
        form = shapes[best] if shapes[best].is_round else form
        gates.append(_average(ends, fits[best][:, 0]))
        bases = np.array([end.base_px for end in ends])
        rests.append(at_rest(fits[best][:, 0] - bases, fits[best][:, 2], _ALIKE))
    if form.is_round and len(gates) < 2:
        radius = float(np.median([end.radius_px for end in groups[0]]))
        gates += [cut_end(model.table, radius, cut) for cut in _CUTS_PX]
    known = tuple(rests) if len(shapes) > 1 and model.patch is None else ()
    model = replace(model, end=replace(form, gates=tuple(gates), rests=known))
    return replace(model, end=_touching(model, frames))


def _groups(seen: list[_OpenEnd | None]) -> list[list[_OpenEnd]]:
    """Part the frames with an open gap where contact lies between: it may change the end."""
    groups: list[list[_OpenEnd]] = [[]]
    closed = 0
    for end in seen:
        closed = 0 if end is not None else closed + 1
        if closed == _CLOSED_FRAMES and groups[-1]:
            groups.append([])
        if end is not None:
            groups[-1].append(end)
    return [group for group in groups if len(group) >= _LEAST_FRAMES][:3]


def _forms(model: SpecimenModel) -> list[EndLook]:
    from tem_track.specimen.shapes import SHAPES

    forms = [model.end]
    if SHAPES[model.shape].may_be_round:
        forms.append(replace(model.end, is_round=True))
    return forms


def _fits(model: SpecimenModel, ends: list[_OpenEnd]) -> FloatArray:
    from tem_track.specimen.shapes import SHAPES

    ahead = ROUND_AHEAD_PX if SHAPES[model.shape].may_be_round else 14.0
    return np.array(
        [
            end.fit(free_end(model, end.radius_px), known=model.end.is_round, ahead_px=ahead)
            for end in ends
        ]
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A sampled frame's strip, and where the specimen's upper part lies in it."""

    place: Place
    strip: Strip
    middle_px: float
    radius_px: float


def _seen(model: SpecimenModel, crop: Crop, tip: Match, base: Match | None) -> _Seen | None:
    place = None if tip.lost else model.place(crop, tip, base)
    if place is None or not place.tip_face_px - place.base_face_px > 24:
        return None
    strip = model.strip(crop, place)
    bands, s = average_bands(strip, place.base_face_px, place.tip_face_px)
    if len(bands) < 6 or np.isnan(bands).mean() > 0.3:
        return None
    middle = sum(model.box_t_px) / 2 + place.shift_t_px
    edges = steady(coarse_edges(fill_outside(bands), strip.grid.t_px, middle))
    upper = edges[s > np.median(s)]
    if not np.isfinite(upper).any():
        return None
    left, right = np.nanmedian(upper, axis=0)
    radius = float(np.nanpercentile(edges[:, 1] - edges[:, 0], 95)) / 2
    return _Seen(place, strip, float(left + right) / 2, radius)


def _open_end(model: SpecimenModel, seen: _Seen | None) -> _OpenEnd | None:
    if seen is None:
        return None
    strip, place = seen.strip, seen.place
    profile = end_profile(strip, seen.middle_px, model.end.half_px)
    without = without_specimen(model, strip, place)
    round_too = len(_forms(model)) > 1
    start = first_dark(profile, without, strip.grid.s_px, place, round_too)
    if not place.base_face_px + 20 < start < place.tip_face_px - _OPEN_PX:
        return None
    limit = place.tip_face_px
    base = place.base_face_px
    return _OpenEnd(strip.grid.s_px, profile, without, start, limit, seen.radius_px, base)


def _touching(model: SpecimenModel, frames: list[_Seen | None]) -> EndLook:
    """Learn what gap is left in contact, from the frames that show next to none."""
    gaps = []
    for seen in frames:
        if seen is None:
            continue
        end = find_tip_end(model, seen.strip, seen.place, seen.middle_px, seen.radius_px)
        if np.isfinite(end.height):
            gaps.append(seen.place.tip_face_px - end.s_px)
    near = np.array([gap for gap in gaps if -_FARTHEST_PX < gap < _NEAR_PX])
    if len(near) < _LEAST_TOUCHING:
        return model.end
    for _ in range(3):
        middle = float(np.median(near))
        spread = max(1.4826 * float(np.median(np.abs(near - middle))), _LEAST_SPREAD_PX)
        near = near[np.abs(near - middle) < 3 * spread]
    if len(near) < _LEAST_TOUCHING or spread > _MOST_SPREAD_PX:
        return model.end
    u = np.hypot(1.25 / np.sqrt(len(near)), 0.25) * spread  # the spread has a part that stays
    if len(_forms(model)) > 1:  # a squeezed end looks otherwise than its gates; no gap is negative
        middle = max(middle, 0.0)
    return replace(model.end, touch_px=middle, u_touch_px=float(u), spread_px=spread)


def _average(ends: list[_OpenEnd], at: FloatArray) -> TabledEnd:
    """Average the darkness behind the end, frame by frame, against depth."""
    rows = []
    for end, place in zip(ends, at, strict=True):
        seen = np.isfinite(end.profile) & (end.s_px < end.limit_px - 1)
        dark = (end.without[seen] - end.profile[seen]) / end.without.max()
        depth = place - end.s_px[seen]
        rows.append(np.interp(_DEPTH_PX, depth[::-1], dark[::-1], left=np.nan, right=np.nan))
    stack = np.asarray(rows)
    count = np.isfinite(stack).sum(axis=0)
    mean = np.nansum(stack, axis=0) / np.maximum(count, 1)
    dark = np.interp(_DEPTH_PX, _DEPTH_PX[count > 0], mean[count > 0])
    return TabledEnd.of(_DEPTH_PX, dark)

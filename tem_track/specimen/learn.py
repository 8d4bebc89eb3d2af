"""Learning the profile across the specimen from all sampled frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from scipy.ndimage import binary_dilation

from tem_track.cores import at_once
from tem_track.records import FloatArray, Match, Outline
from tem_track.specimen.bend import Midline, learn_bend
from tem_track.specimen.body import Body
from tem_track.specimen.edges import Edges, coarse_edges, fit_edges, steady
from tem_track.specimen.ensemble import choose_profile, gather
from tem_track.specimen.film import Behind, Uncovered, clear_pixels, learn_film
from tem_track.specimen.form import Widths, learn_form
from tem_track.specimen.model import (
    BAND_PX,
    CLEAR_PX,
    SpecimenModel,
    average_bands,
    fill_outside,
    measure_edges,
)
from tem_track.specimen.noise import Noise, measure_noise
from tem_track.specimen.profile import EdgeModel, Profile, tabulate
from tem_track.specimen.resting import at_rest
from tem_track.specimen.smooth import Mask, cornered, smooth_curve
from tem_track.specimen.strip import Crop

__all__ = ["learn_profile", "with_film", "with_form", "with_layer"]

_CLEAR_PX = 10.0
"""From the faces, where nothing but the body's sides is learnt."""
_MOST_FRAMES = 40
"""Frames that are learnt from."""
_HOLLOW_CLASSES = 9  # where a section cuts the wall depends on its radius
_BESIDE_PX = 6.0
"""From the body, where vacuum tells the noise."""
_LEAST_LAYERS = 4
"""Frames whose layer has to be found for it to be learnt."""
_LEAST_BANDS = 12
_LESS = 0.8  # what must be left of a film for it to be taken out
_SOFT = 10.0  # a ball's sides curve more than a rod's, and a crystal's have corners
_SOFT_NECK = 0.1
"""Softest curve in tension, so that a neck is followed."""
_CORNER_BANDS = 1  # beside a rod's steep side: a smooth curve cuts the corner between them
_OFFSETS_PX = np.arange(-14, 65)
"""Depths at which the noise is read."""
_U_FACET_ROUND = 0.1  # a body with a round outline has hardly a facet
_BLUNT = 0.8  # width beside its ends, over the largest: a ball squeezed by a quarter has less
_STEEPEST, _STEEPEST_BALL, _STEEPEST_HOLLOW = 0.35, 0.2, 0.15  # px a px: steeper, seen askew

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_Aligned = tuple[FloatArray, FloatArray, FloatArray]
Kept = tuple[Crop, Match, Match | None, Match | None]
"""A piece of a frame, with tip, base and bar."""


_LARGE = 300_000
"""Pixels from which on two threads do more than one: less is calls of small functions."""


def _size(kept: list[Kept]) -> int:
    return max((crop.image.size for crop, *_ in kept), default=0)


def _of_each(function: Callable[[Item], Answer], items: list[Item], size: int) -> list[Answer]:
    return at_once(function, items) if size > _LARGE else [function(item) for item in items]


@dataclass(frozen=True, slots=True, eq=False)
class _Bands:
    """The banded strip of one sampled frame."""

    bands: FloatArray
    s_px: FloatArray
    t_px: FloatArray
    start: FloatArray


def learn_profile(
    model: SpecimenModel,
    kept: list[Kept],
    kinds: tuple[EdgeModel, ...],
    u_facet: float,
    caution: float = 3.0,
    blur_px: float | None = None,
) -> SpecimenModel:
    """Choose and fit the profile model on the sampled frames, free of the film where known.

    The blur is held near `blur_px`, that of other edges, or near the table's. What was fitted once
    must not be what the next fit is held to: it drifts away from fit to fit.
    """
    from tem_track.specimen.shapes import SHAPES

    step = max(1, len(kept) // _MOST_FRAMES)
    every = _of_each(lambda item: _band(model, *item), kept[::step], _size(kept))
    banded = [item for item in every if item is not None]
    if not banded:
        return model
    widths = np.concatenate([b.start[:, 1] - b.start[:, 0] for b in banded])
    low, high = float(np.percentile(widths, 1)) / 3, 0.75 * float(np.percentile(widths, 99))
    profile, is_long = model.table.profile, SHAPES[model.shape].is_long
    blur = profile.blur_px if blur_px is None else blur_px
    mu = _first_mu(banded)
    first = replace(profile, mu_per_px=mu, blur_px=blur)
    if profile.model == "hollow":  # its wall absorbs more than a full body as dark
        first = replace(profile, blur_px=blur)
    profile, fits, noise, faceted = first, None, model.table.noise, False
    for turn in range(3):
        table = tabulate(profile, low, high, noise)
        collected = _collect(banded, replace(model, table=table))
        if collected is None:
            break
        aligned, faceted = collected
        noise = _noise(banded, aligned) if model.film is None else noise
        ensemble = gather(*aligned, _HOLLOW_CLASSES if profile.model == "hollow" else 3)
        largest = 0.0 if is_long else ensemble.largest_px
        full = mu if profile.model == "hollow" else profile.mu_per_px
        start = replace(first, mu_per_px=full, equator_px=largest)
        fits = fits and {k: replace(v, equator_px=largest) for k, v in fits.items()}
        u = u_facet if is_long or faceted else min(u_facet, _U_FACET_ROUND)
        profile, fits = choose_profile(
            ensemble, start, kinds, u_facet=u, caution=caution, before=fits
        )
        if turn == 1 and not is_long:  # corners mislead the first look
            fits = None
    table = tabulate(profile, min(low, 2.0), high, noise)
    model = replace(model, faceted=faceted)
    return replace(model, table=replace(table, noise_alone=model.table.noise_alone))


def with_film(model: SpecimenModel, kept: list[Kept]) -> SpecimenModel:
    """Learn a film that stands still behind the moving specimen, and what noise is left of it."""
    seen = _of_each(lambda item: _uncovered(model, *item), kept, _size(kept))
    found = [item for item in seen if item is not None]
    film = learn_film([frame for frame, _, _ in found], BAND_PX)
    if film is None:
        return model
    outside = []
    for frame, bands, edges in found:
        first = float(frame.strip.grid.t_first)
        behind = Behind(film, frame.at_px)
        known = behind.known(edges.s_px, edges.t_px)
        if not known.any():
            continue
        divided = behind.divided(bands[known], edges.s_px[known], first)
        t = first + np.arange(divided.shape[1])
        widest = edges.t_px[known]
        sides = t < widest[:, 0].min() - _BESIDE_PX, t > widest[:, 1].max() + _BESIDE_PX
        outside += [divided[:, side] for side in sides]
    nothing = np.zeros(0)
    rest = measure_noise(outside, np.zeros((0, 0)), nothing, nothing)
    noise = model.table.noise
    left = max(rest.film, film.left)  # a frame of the sample has part in what is divided out of it
    if not left < _LESS * noise.film:
        return model
    alone = replace(noise, film=left, film_px=min(rest.film_px, noise.film_px))
    return replace(model, film=film, table=replace(model.table, noise_alone=alone))


def _uncovered(
    model: SpecimenModel, crop: Crop, tip: Match, base: Match | None, bar: Match | None
) -> tuple[Uncovered, FloatArray, Edges] | None:
    """Return a frame with the pixels that nothing covers, its bands and its edges."""
    place = model.place(crop, tip, base, bar)
    if place is None or place.bar_px is None or not place.tip_face_px > place.base_face_px + 24:
        return None
    strip = model.strip(crop, place)
    faces = place.base_face_px, place.tip_face_px
    middle = sum(model.box_t_px) / 2 + place.shift_t_px
    edges, bands = measure_edges(strip, *faces, middle, model.table, beside_tip=True)
    good: Mask = np.asarray(edges.good.all(axis=1))
    if good.sum() < 6:
        return None
    clear = clear_pixels(strip, edges.s_px[good], edges.t_px[good], faces)
    return Uncovered(strip, place.bar_px, clear), bands, edges


def with_layer(model: SpecimenModel, kept: list[Kept]) -> SpecimenModel:
    """Learn the surface layer's thickness from all frames: one frame tells it to half a pixel."""
    if model.table.by_shell is None:
        return model
    some = kept[:: max(1, len(kept) // _MOST_FRAMES)]
    seen = _of_each(lambda item: _edges(model, *item), some, _size(kept))
    found = [
        (edges.shell_px, edges.u_shell_px)
        for edges in seen
        if edges is not None and np.isfinite(edges.shell_px)
    ]
    if len(found) < _LEAST_LAYERS:
        return model
    value, u = np.array(found).T
    return replace(model, layer=at_rest(value, u))


def with_form(model: SpecimenModel, kept: list[Kept]) -> SpecimenModel:
    """Learn the unevenness of a long specimen's width, which it carries along, and how it bends."""
    some = kept[:: max(1, len(kept) // _MOST_FRAMES)]
    seen = _of_each(lambda item: _lines(model, *item), some, _size(kept))
    found = [item for item in seen if item is not None]
    if not found:
        return model
    frames = [widths for widths, _ in found]
    radius = float(np.median([np.median(frame.width_px) for frame in frames])) / 2
    u_grain = np.sqrt(2.0) * model.table.u_grain_px(radius)
    softest, level = Body.softest(model.mode), Body.level(model.mode)
    form = learn_form(frames, softest, level, u_grain)
    return replace(model, form=form, bend=learn_bend([midline for _, midline in found]))


def _lines(
    model: SpecimenModel, crop: Crop, tip: Match, base: Match | None, bar: Match | None
) -> tuple[Widths, Midline] | None:
    from tem_track.specimen.shapes import SHAPES

    seen = SHAPES[model.shape]().seen(model, crop, tip, base, bar)
    if isinstance(seen, Outline):
        return None
    _, _, edges, faces = seen
    inside = edges.s_px > faces.base.s_px + CLEAR_PX
    inside &= edges.s_px < faces.tip.s_px - CLEAR_PX
    good: Mask = np.asarray(edges.good[inside].all(axis=1))
    if good.sum() < _LEAST_BANDS:
        return None
    s, t, faces_px = edges.s_px[inside], edges.t_px[inside], (faces.base.s_px, faces.tip.s_px)
    widths = Widths(s, t[:, 1] - t[:, 0], good, faces_px, edges.caution)
    return widths, Midline(s, t.mean(axis=1), good, faces_px, edges.caution)


def _edges(
    model: SpecimenModel, crop: Crop, tip: Match, base: Match | None, bar: Match | None
) -> Edges | None:
    """Return the edges of one frame, None where they are not seen."""
    place = model.place(crop, tip, base, bar)
    if place is None or not place.tip_face_px > place.base_face_px + 24:
        return None
    strip = model.strip(crop, place)
    edges, _ = measure_edges(
        strip,
        place.base_face_px,
        place.tip_face_px,
        sum(model.box_t_px) / 2 + place.shift_t_px,
        model.table,
        foot_t_px=model.foot_t_px(place),
        beside_tip=model.mode == "compression",
        behind=model.behind(place),
    )
    return edges if edges.good.any() else None


def _band(
    model: SpecimenModel, crop: Crop, tip: Match, base: Match | None, bar: Match | None
) -> _Bands | None:
    place = model.place(crop, tip, base, bar)
    if place is None:
        return None
    strip = model.strip(crop, place)
    low, high = place.base_face_px + _CLEAR_PX, place.tip_face_px - _CLEAR_PX
    bands, s = average_bands(strip, low, high)
    if len(bands) < 6 or np.isnan(bands).mean() > 0.3:
        return None
    bands = fill_outside(bands)
    middle = sum(model.box_t_px) / 2 + place.shift_t_px
    start = coarse_edges(bands, strip.grid.t_px, middle)
    usual = np.nanmedian(start[:, 1] - start[:, 0])
    seen = np.isfinite(start).all(axis=1) & (start[:, 1] - start[:, 0] > 0.3 * usual)
    seen[np.flatnonzero(seen)[-2:]] = False
    if seen.sum() < 6:
        return None
    bands, s, start = bands[seen], s[seen], steady(start[seen])
    behind = model.behind(place)
    if behind is not None:
        alone = behind.known(s, start)
        bands[alone] = behind.divided(bands[alone], s[alone], float(strip.grid.t_first))
    return _Bands(bands, s, strip.grid.t_px, start)


def _first_mu(banded: list[_Bands]) -> float:
    """Absorption from the brightness on the midline against that outside."""
    values = []
    for item in banded:
        middle, half = item.start.mean(axis=1), (item.start[:, 1] - item.start[:, 0]) / 2
        inner = np.abs(item.t_px - middle[:, None]) < 0.3 * half[:, None]
        outer = np.abs(item.t_px - middle[:, None]) > 1.25 * half[:, None] + 4
        if not outer.any() or not inner.any():
            continue
        ratio = np.median(item.bands[inner]) / np.median(item.bands[outer])
        values.append(-np.log(max(ratio, 0.02)) / (2.1 * np.median(half)))
    return float(np.clip(np.median(values), 1e-4, 0.5)) if values else 0.01


def _collect(banded: list[_Bands], model: SpecimenModel) -> tuple[_Aligned, bool] | None:
    """Lay all edges on one another, along their smooth sides: depths, brightness, radii.

    And say whether the outline is a crystal's: with corners, or nearly as wide at its ends.
    """
    from tem_track.specimen.shapes import SHAPES

    is_long = SHAPES[model.shape].is_long
    softest = 1e3 if is_long else _SOFT
    softest = _SOFT_NECK if model.mode == "tension" else softest

    corners: list[bool] = []
    blunt: list[float] = []

    def laid(item: _Bands) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
        edges = fit_edges(item.bands, item.s_px, float(item.t_px[0]), item.start, model.table)
        good: Mask = np.asarray(edges.good.all(axis=1))
        if good.sum() < 6:
            return []
        smooth = [smooth_curve(edges.t_px[:, k], good, softest) for k in (0, 1)]
        if not is_long:
            plain = smooth
            smooth = [cornered(edges.t_px[:, k], good, plain[k]) for k in (0, 1)]
            corners.extend(curve is not other for curve, other in zip(smooth, plain, strict=True))
        sides = [curve.value for curve in smooth]
        radius = (sides[1] - sides[0]) / 2
        blunt.append(float((radius[0] + radius[-1]) / (2.0 * radius.max())))
        steepest = _steepest(model.table.profile)
        steep = np.abs(np.gradient(radius, item.s_px)) >= steepest
        good &= ~(binary_dilation(steep, iterations=_CORNER_BANDS) if is_long else steep)
        if good.sum() < 3:
            return []
        aligned = [_aligned(item, edges, sides[k], sign, k) for k, sign in ((0, 1.0), (1, -1.0))]
        return [(depth[good], values[good], radius[good]) for depth, values in aligned]

    found = [sides for item in _of_each(laid, banded, banded[0].bands.size * 8) for sides in item]
    if not found:
        return None
    depths, grey, radii = zip(*found, strict=True)
    faceted = sum(corners) > 0.5 * len(corners) or float(np.quantile(blunt, 0.25)) > _BLUNT
    return (np.concatenate(depths), np.concatenate(grey), np.concatenate(radii)), faceted


def _steepest(profile: Profile) -> float:
    """Return how steep a side may be; squeezed, a ball's layer is a ball's at its equator only."""
    if profile.model == "hollow":
        return _STEEPEST_HOLLOW
    return _STEEPEST_BALL if profile.ball >= 0.5 else _STEEPEST


def _noise(banded: list[_Bands], aligned: _Aligned) -> Noise:
    """Measure the scatter beside the specimen and in it."""
    outside = []
    for item in banded:
        left = item.t_px < np.min(item.start[:, 0]) - _BESIDE_PX
        right = item.t_px > np.max(item.start[:, 1]) + _BESIDE_PX
        outside += [item.bands[:, side] for side in (left, right)]
    _, grey, radius = aligned
    whole = radius > np.median(radius) * 0.9
    reach = int(min(float(np.median(radius)), 60.0))
    columns = slice(0, len(_OFFSETS_PX) - int(_OFFSETS_PX[-1]) + reach)
    inside = grey[whole][:, columns]
    seen = inside[np.isfinite(inside).all(axis=1)]
    if len(seen) < 20:
        return measure_noise(outside, seen, np.zeros(seen.shape[1]), np.zeros(seen.shape[1]))
    return measure_noise(outside, seen, seen.mean(axis=0), _OFFSETS_PX[columns].astype(float))


def _aligned(
    item: _Bands, edges: Edges, side: FloatArray, sign: float, k: int
) -> tuple[FloatArray, FloatArray]:
    column = np.rint(side - item.t_px[0])[:, None] + sign * _OFFSETS_PX
    inside = (column >= 0) & (column < item.bands.shape[1])
    index = np.clip(column, 0, item.bands.shape[1] - 1).astype(np.intp)
    rows = np.arange(len(side))[:, None]
    values = item.bands[rows, index] / edges.background[:, k][:, None]
    depth = sign * (item.t_px[index] - side[:, None])
    return depth, np.where(inside, values, np.nan)

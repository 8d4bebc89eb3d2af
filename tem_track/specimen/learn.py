"""Learning the profile across the specimen from all sampled frames."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tem_track.records import FloatArray, Match
from tem_track.specimen.edges import Edges, coarse_edges, fit_edges, steady
from tem_track.specimen.ensemble import Ensemble, choose_profile, gather
from tem_track.specimen.model import SpecimenModel, average_bands, fill_outside
from tem_track.specimen.profile import EdgeModel, tabulate
from tem_track.specimen.smooth import Mask, smooth_curve
from tem_track.specimen.strip import Crop

__all__ = ["learn_profile"]

_CLEAR_PX = 10.0
_GAP_PX = 30.0
_MOST_FRAMES = 40
_HOLLOW_CLASSES = 9  # where a section cuts the wall depends on its radius
_STEEPEST = 0.35  # px a px: a steeper side is no longer seen at right angles


@dataclass(frozen=True, slots=True, eq=False)
class _Bands:
    """The banded strip of one sampled frame."""

    bands: FloatArray
    s_px: FloatArray
    t_px: FloatArray
    start: FloatArray


def learn_profile(
    model: SpecimenModel,
    kept: list[tuple[Crop, Match, Match | None]],
    kinds: tuple[EdgeModel, ...],
    u_facet: float,
    caution: float = 3.0,
) -> SpecimenModel:
    """Choose and fit the profile model on the sampled frames."""
    step = max(1, len(kept) // _MOST_FRAMES)
    banded = [b for item in kept[::step] if (b := _band(model, *item)) is not None]
    if not banded:
        return model
    widths = np.concatenate([b.start[:, 1] - b.start[:, 0] for b in banded])
    low, high = float(np.percentile(widths, 1)) / 3, 0.75 * float(np.percentile(widths, 99))
    first = replace(model.table.profile, mu_per_px=_first_mu(banded))
    profile, fits = first, None
    for _ in range(3):
        table = tabulate(profile, low, high)
        ensemble = _collect(banded, replace(model, table=table))
        if ensemble is None:
            break
        largest = ensemble.largest_px
        start = replace(first, mu_per_px=profile.mu_per_px, equator_px=largest)
        fits = fits and {k: replace(v, equator_px=largest) for k, v in fits.items()}
        profile, fits = choose_profile(
            ensemble, start, kinds, u_facet=u_facet, caution=caution, before=fits
        )
    return replace(model, table=tabulate(profile, min(low, 2.0), high))


def _band(model: SpecimenModel, crop: Crop, tip: Match, base: Match | None) -> _Bands | None:
    place = model.place(crop, tip, base)
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
    return _Bands(bands[seen], s[seen], strip.grid.t_px, steady(start[seen]))


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


def _collect(banded: list[_Bands], model: SpecimenModel) -> Ensemble | None:
    """Lay all edges on one another, along their smooth sides."""
    depths, grey, radii = [], [], []
    for item in banded:
        edges = fit_edges(item.bands, item.s_px, float(item.t_px[0]), item.start, model.table)
        good: Mask = np.asarray(edges.good.all(axis=1))
        if good.sum() < 6:
            continue
        sides = [smooth_curve(edges.t_px[:, k], good).value for k in (0, 1)]
        radius = (sides[1] - sides[0]) / 2
        good &= np.abs(np.gradient(radius, item.s_px)) < _STEEPEST
        if good.sum() < 3:
            continue
        for k, sign in ((0, 1.0), (1, -1.0)):
            depth, values = _aligned(item, edges, sides[k], sign, k)
            depths.append(depth[good])
            grey.append(values[good])
            radii.append(radius[good])
    if not depths:
        return None
    classes = _HOLLOW_CLASSES if model.table.profile.model == "hollow" else 3
    depth, grey_all, radius_all = (np.concatenate(part) for part in (depths, grey, radii))
    return gather(depth, grey_all, radius_all, classes)


def _aligned(
    item: _Bands, edges: Edges, side: FloatArray, sign: float, k: int
) -> tuple[FloatArray, FloatArray]:
    offsets = np.arange(-14, 65)
    column = np.rint(side - item.t_px[0])[:, None] + sign * offsets
    inside = (column >= 0) & (column < item.bands.shape[1])
    index = np.clip(column, 0, item.bands.shape[1] - 1).astype(np.intp)
    rows = np.arange(len(side))[:, None]
    values = item.bands[rows, index] / edges.background[:, k][:, None]
    depth = sign * (item.t_px[index] - side[:, None])
    return depth, np.where(inside, values, np.nan)

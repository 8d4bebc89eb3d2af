"""What is kept of the sampled frames, cut out about the tip and averaged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tem_track.records import FloatArray, Match
from tem_track.specimen.model import MARGIN_T_PX, SpecimenModel, grid_for
from tem_track.specimen.strip import Crop, Strip

__all__ = [
    "BESIDE_PX",
    "Sampled",
    "around_tip",
    "drawn_within",
    "mean_strip",
    "reference_strip",
    "side_profile",
]

BESIDE_PX = 60.0
"""What is kept beside the box at least: there the base's face is free."""
_NEAR_PX, _NEAR_SHARE = 14.0, 0.06
"""How far from the drawn box a face is sought; of a large box a share of its shorter side, since it
is drawn less finely."""


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """What is kept of a sampled frame."""

    crop: Crop
    tip: Match
    base: Match | None
    bar: Match | None = None


def drawn_within(model: SpecimenModel) -> float:
    """Return how far from the drawn box a face is sought."""
    low_high = model.box_s_px, model.box_t_px
    return max(_NEAR_PX, _NEAR_SHARE * min(high - low for low, high in low_high))


def reference_strip(model: SpecimenModel, item: Sampled) -> Strip:
    """Return the box and what is beyond its ends in a frame, along the axis."""
    low, high = model.box_s_px
    return around_tip(model, item, (low - 50.0, high + 40.0))


def around_tip(model: SpecimenModel, item: Sampled, span: tuple[float, float]) -> Strip:
    """Return what lies between two positions along the axis, counted from the tip's point."""
    point = model.tip_point_px if item.tip.lost else (item.tip.x_px, item.tip.y_px)
    t = (model.box_t_px[0] - MARGIN_T_PX, model.box_t_px[1] + MARGIN_T_PX)
    return model.grey(item.crop, grid_for(model.axis, point, span, t, exact=True))


def mean_strip(strips: list[Strip]) -> Strip:
    """Return the average of registered strips, NaN where none shows anything."""
    total = np.zeros(strips[0].grey.shape)
    count = np.zeros(strips[0].grey.shape)
    for strip in strips:
        seen = np.isfinite(strip.grey)
        total += np.where(seen, strip.grey, 0.0)
        count += seen
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return Strip(strips[0].grid, mean.astype(np.float32))


def side_profile(
    strip: Strip, middle: float, width: float, face: float, ahead: int, within: float = _NEAR_PX
) -> FloatArray:
    """Return the mean brightness along the axis of the columns that see the face across vacuum.

    Parameters
    ----------
    strip : Strip
    middle, width : float
        The specimen's, across the axis, in px.
    face : float
        Where the face is, to half of `within`.
    ahead : {-1, 1}
        On which side of it the vacuum lies.
    within : float
        In px.
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

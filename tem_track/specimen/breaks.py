"""Whether there is still a body between the two faces, and where it is parted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from tem_track.records import FloatArray
from tem_track.specimen.edges import Edges
from tem_track.specimen.model import BAND_PX
from tem_track.specimen.smooth import Mask

__all__ = ["Opening", "find_opening"]

_THINNEST_PX = 5.0
_LEAST_BANDS = 2
_LEAST_BODY = 2
_MEAN_CHORD, _WINDOW_PX = 0.85, 7.0
_THIN, _MISSING = 0.5, 0.45
_NEAR_FACE = 3  # bands: the tip's own edge reaches into the last ones


@dataclass(frozen=True, slots=True)
class Opening:
    """A stretch of the specimen's length without a body, from s_low to s_high."""

    s_low_px: float
    s_high_px: float


def find_opening(
    bands: FloatArray, t_px: FloatArray, edges: Edges, mu_per_px: float, *, to_tip: bool
) -> Opening | None:
    """Find the longest stretch in which nothing absorbs, between bands where something does.

    A band is empty where the pixels about the midline are hardly darker than those outside: less
    than a body 5 px thick would be, and, where edges were found, less than half as dark as a body
    of that width.

    Parameters
    ----------
    bands : array, shape (n, m)
        The picture in bands along the specimen, the same bands as `edges`.
    t_px : array, shape (m,)
    edges : Edges
    mu_per_px : float
        Absorption of the body.
    to_tip : bool
        Whether a stretch that reaches the tip counts too.

    Returns
    -------
    Opening or None
    """
    empty: Mask = _empty(bands, t_px, edges, mu_per_px)
    runs, last = _runs(empty), len(empty)
    body = ~empty & edges.good.all(axis=1)
    inner = [
        (a, b)
        for a, b in runs
        if b - a >= _LEAST_BANDS
        and body[:a].sum() >= _LEAST_BODY
        and (body[b : last - _NEAR_FACE].sum() >= _LEAST_BODY or to_tip)
    ]
    if not inner:
        return None
    a, b = max(inner, key=lambda run: run[1] - run[0])
    half = BAND_PX / 2
    return Opening(float(edges.s_px[a]) - half, float(edges.s_px[b - 1]) + half)


def _empty(bands: FloatArray, t_px: FloatArray, edges: Edges, mu_per_px: float) -> Mask:
    seen: Mask = np.asarray(edges.good.all(axis=1))
    width = edges.t_px[:, 1] - edges.t_px[:, 0]
    if seen.sum() < 3:
        return np.zeros(len(bands), dtype=bool)
    usual = float(np.median(width[seen]))
    seen &= width > 0.1 * usual
    middle = np.interp(edges.s_px, edges.s_px[seen], edges.t_px[seen].mean(axis=1))
    dark = _darkness(bands, t_px, middle, usual)
    plateau = float(np.median(dark[seen])) if seen.any() else 0.0
    least = min(1.0 - float(np.exp(-mu_per_px * _THINNEST_PX)), 0.25 * plateau)
    least = max(least, 0.02)
    steady = uniform_filter1d(dark, 3)  # a thin neck is hardly darker than the noise of one band
    thick = _MEAN_CHORD * mu_per_px * np.clip(width, 0.0, None)
    expected = (1.0 - np.exp(-thick)) * np.clip(width / _WINDOW_PX, 0.0, 1.0)
    expected = uniform_filter1d(expected, 3)
    thin = (width < _THIN * usual) & (steady < np.minimum(_MISSING * expected, least))
    return np.asarray((~seen & (dark < least)) | thin)


def _darkness(bands: FloatArray, t_px: FloatArray, middle: FloatArray, usual: float) -> FloatArray:
    """Return the largest darkness of three narrow windows about the midline of each band."""
    away = np.abs(t_px - middle[:, None])
    outer = away > 0.6 * usual + 4
    background = _medians(bands, outer)
    found = []
    for shift in (-0.2 * usual, 0.0, 0.2 * usual):
        near = np.abs(t_px - middle[:, None] - shift) <= _WINDOW_PX / 2
        total = np.where(near, bands, 0.0).sum(axis=1) / np.maximum(near.sum(axis=1), 1)
        found.append(1.0 - total / np.maximum(background, 1e-6))
    return np.asarray(np.nan_to_num(np.max(found, axis=0)))


def _medians(rows: FloatArray, use: Mask) -> FloatArray:
    """Return the median of what is used of each row; NaN where nothing is."""
    ordered = np.sort(np.where(use, rows, np.inf), axis=1)
    count = use.sum(axis=1)
    at = np.arange(len(rows))
    low, high = ordered[at, np.maximum(count - 1, 0) // 2], ordered[at, count // 2 % rows.shape[1]]
    return np.where(count > 0, (low + high) / 2, np.nan)


def _runs(flags: Mask) -> list[tuple[int, int]]:
    padded = np.concatenate([[0], flags.astype(int), [0]])
    starts = np.flatnonzero(np.diff(padded) == 1)
    stops = np.flatnonzero(np.diff(padded) == -1)
    return list(zip(starts.tolist(), stops.tolist(), strict=True))

"""Whether there is still a body between the two faces, and where it is parted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tem_track.records import FloatArray
from tem_track.specimen.edges import Edges
from tem_track.specimen.model import BAND_PX
from tem_track.specimen.parting import parted
from tem_track.specimen.slits import find_slit
from tem_track.specimen.smooth import Mask
from tem_track.specimen.strip import Strip

__all__ = ["Opening", "find_opening", "judged"]

_LEAST_BANDS = 2
"""Bands without a body that make a break."""
_LEAST_BODY = 2
"""Bands with one that make a piece."""
_NEAR_FACE = 3  # bands: the tip's own edge reaches into the last ones
_PIECE = 0.25  # of the usual width: what is thinner between a blunt end and the tip is no piece


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
    empty: Mask = parted(
        np.ascontiguousarray(bands, dtype=np.float64),
        np.ascontiguousarray(t_px, dtype=np.float64),
        np.ascontiguousarray(edges.s_px, dtype=np.float64),
        np.ascontiguousarray(edges.t_px, dtype=np.float64),
        edges.good.all(axis=1),
        float(mu_per_px),
    )
    if not empty.any():
        return None
    runs, last = _runs(empty), len(empty)
    body = ~empty & edges.good.all(axis=1)
    if not body.any():
        return None
    piece = body & (to_tip | (_width(edges) > _PIECE * np.median(_width(edges)[body])))
    inner = [
        (a, b)
        for a, b in runs
        if b - a >= _LEAST_BANDS
        and body[:a].sum() >= _LEAST_BODY
        and (piece[b : last - _NEAR_FACE].sum() >= _LEAST_BODY or to_tip)
    ]
    if not inner:
        return None
    a, b = max(inner, key=lambda run: run[1] - run[0])
    half = BAND_PX / 2
    return Opening(float(edges.s_px[a]) - half, float(edges.s_px[b - 1]) + half)


def judged(opening: Opening | None, strip: Strip, edges: Edges, mu_per_px: float) -> Opening | None:
    """Return what the ways across the specimen make of an opening in its bands, or of none.

    Two pieces that overlap along the axis have a body in every band, and yet a way of light runs
    between them. Where a body bars every way, bands were empty for another reason.

    Parameters
    ----------
    opening : Opening or None
        What `find_opening` says.
    strip : Strip
    edges : Edges
    mu_per_px : float
        Absorption of the body.

    Returns
    -------
    Opening or None
    """
    slit = find_slit(strip, edges, mu_per_px)
    if slit is None:
        return opening
    if opening is None:
        return Opening(slit.s_low_px, slit.s_high_px) if slit.parts else None
    return None if slit.bars(opening.s_low_px, opening.s_high_px) else opening


def _width(edges: Edges) -> FloatArray:
    width: FloatArray = edges.t_px[:, 1] - edges.t_px[:, 0]
    return width


def _runs(flags: Mask) -> list[tuple[int, int]]:
    padded = np.concatenate([[0], flags.astype(int), [0]])
    starts = np.flatnonzero(np.diff(padded) == 1)
    stops = np.flatnonzero(np.diff(padded) == -1)
    return list(zip(starts.tolist(), stops.tolist(), strict=True))

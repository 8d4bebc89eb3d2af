"""How far two neighbouring bodies are apart, down to where they touch and a little beyond.

The blur fills a narrow gap from both sides, so that each side's own fit sees the neighbour as part
of its surroundings. Here both edges of the gap are fitted at once, row by row about its narrowest
place, with the darkness of either body added up.
"""

from __future__ import annotations

import math

import numpy as np

from tem_track.records import FloatArray
from tem_track.specimen.growing_find import Darkness, Patch
from tem_track.specimen.profile import U_LOW_PX, U_STEP_PX, EdgeTable
from tem_track.specimen.strip import Strip

__all__ = ["fit_gap"]

_BAND_PX = 3
"""Rows of a band across a gap."""
_INSIDE_PX = 14.0
"""Pixels of the bodies on either side of the gap that are fitted with it."""
_LOWEST, _HIGHEST = 0.15, 0.9  # of the smaller body's height: where neighbours meet
_ROUNDS, _STEP_PX = 12, 2.0
_LEAST_BANDS = 5
"""Bands that must show a gap: its narrowest place is a parabola's."""
_NEAR_PX = 18.0  # bands about the narrowest place that its parabola is fitted to
_BEGINS = 0.5  # share of a body's darkness at which its edge is taken to begin with
_FAINT = 0.3  # a fitted side must have that share of the darkness that is expected of it
_FARTHEST_PX, _DEEPEST_PX = 40.0, 3.5
"""Widest gap that is one fit of both edges; and overlap beyond which two bodies are one."""


def fit_gap(
    dark: Darkness,
    strip: Strip,
    left: Patch,
    right: Patch,
    face_px: float,
    table: EdgeTable,
) -> tuple[float, float]:
    """Return the least distance between two bodies and its uncertainty, in pixels.

    Parameters
    ----------
    dark : Darkness
    strip : Strip
    left, right : Patch
        Neighbours, the left one first.
    face_px : float
        The base's face.
    table : EdgeTable
        The look of their edges.

    Returns
    -------
    (float, float)
        Negative where they overlap by some pixels; NaN where they overlap by more, since the sum of
        both is then no picture of them, and where their sides cannot be followed.
    """
    height = min(left.top_px, right.top_px) - face_px
    rows = strip.rows(face_px + _LOWEST * height, face_px + _HIGHEST * height)
    columns = strip.columns(left.middle_px, right.middle_px)
    block = dark.raw[rows, columns]
    n = len(block) // _BAND_PX
    if n < _LEAST_BANDS or block.shape[1] < 6:
        return math.nan, math.nan
    bands = block[: n * _BAND_PX].reshape(n, _BAND_PX, -1).mean(axis=1)
    s = strip.grid.s_px[rows][: n * _BAND_PX].reshape(n, _BAND_PX).mean(axis=1)
    t = strip.grid.t_px[columns]
    radii = (left.middle_px - left.t_low_px, right.t_high_px - right.middle_px)
    looks = [table.value[table.rung(np.array([max(r, 2.0)]))[0]] for r in radii]
    found = np.array([_two_edges(band, t, looks) for band in bands])
    gap, u = _narrowest(s, found[:, 0], found[:, 1])
    return (gap, u) if gap > -_DEEPEST_PX else (math.nan, math.nan)


def _two_edges(band: FloatArray, t: FloatArray, looks: list[FloatArray]) -> tuple[float, float]:
    """Return one band's gap and its uncertainty: both edges and both bodies' darkness are free."""
    smooth = np.convolve(np.pad(band, 2, mode="edge"), np.full(5, 0.2), mode="valid")
    valley = int(np.argmin(smooth))
    first, last = (
        _edge(smooth, valley, step, look) for step, look in zip((-1, 1), looks, strict=True)
    )
    edges = np.array([t[first], t[last]])
    if not 0 < valley < len(t) - 1:
        return math.nan, math.nan
    depth = U_LOW_PX + U_STEP_PX * np.arange(len(looks[0]))
    use = (t > edges[0] - _INSIDE_PX) & (t < edges[1] + _INSIDE_PX)
    x, y = t[use], band[use]
    for _ in range(_ROUNDS):
        parts, slopes = [], []
        for edge, sign, look in zip(edges, (-1.0, 1.0), looks, strict=True):
            u = sign * (x - edge)
            parts.append(np.interp(u, depth, look))
            slopes.append(-sign * np.interp(u, depth, np.gradient(look, U_STEP_PX)))
        shares = np.linalg.lstsq(np.column_stack(parts), y, rcond=None)[0]
        shares = np.clip(shares, _FAINT, 2.0)
        design = np.column_stack([shares[0] * slopes[0], shares[1] * slopes[1], *parts])
        rest = y - shares[0] * parts[0] - shares[1] * parts[1]
        solution = np.linalg.lstsq(design, rest, rcond=None)[0]
        step = np.clip(solution[:2], -_STEP_PX, _STEP_PX)
        edges = edges + step
        if np.abs(step).max() < 0.01:
            break
    gap = float(edges[1] - edges[0])
    if abs(gap) > _FARTHEST_PX or shares.min() <= _FAINT or len(x) < 8:
        return math.nan, math.nan
    spread = float(rest @ rest) / max(len(x) - 4, 1)
    inverse = np.linalg.pinv(design.T @ design) * spread
    return gap, math.sqrt(max(inverse[0, 0] + inverse[1, 1] - 2 * inverse[0, 1], 1e-6))


def _edge(smooth: FloatArray, valley: int, step: int, look: FloatArray) -> int:
    """Return the first column from the valley on at which a body's darkness begins."""
    level = smooth[valley] + _BEGINS * 0.5 * float(look.max())
    column = valley
    while 0 < column < len(smooth) - 1 and smooth[column] < level:
        column += step
    return column


def _narrowest(s: FloatArray, gap: FloatArray, u: FloatArray) -> tuple[float, float]:
    """Return the least gap: the vertex of a parabola about the narrowest band."""
    known = np.isfinite(gap)
    if known.sum() < _LEAST_BANDS:
        return math.nan, math.nan
    s, gap, u = s[known], gap[known], np.maximum(u[known], 0.1)
    middle = np.array([np.median(gap[max(i - 2, 0) : i + 3]) for i in range(len(gap))])
    near = np.abs(s - s[int(np.argmin(middle))]) <= _NEAR_PX
    near &= np.abs(gap - middle) < 4.0
    if near.sum() < _LEAST_BANDS:
        return math.nan, math.nan
    x = s[near] - s[near].mean()
    fit, covariance = np.polyfit(x, gap[near], 2, w=1 / u[near], cov=True)
    at = -fit[1] / (2 * fit[0]) if fit[0] > 0 else math.inf
    if not abs(at) <= float(np.abs(x).max()):
        return float(middle[near].min()), float(np.median(u[near]))
    here = np.array([at * at, at, 1.0])
    return float(here @ fit), math.sqrt(float(here @ covariance @ here))

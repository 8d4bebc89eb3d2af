"""Root or tip: whether the pattern inside a growing body stays with the base or rides on the end.

Grain and diffraction contrast belong to the material. Where material is added at the root, they
move away from the base as fast as the end does; where it is added at the end, they stay.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from tem_track.records import FloatArray
from tem_track.specimen.growing_find import Darkness, Patch
from tem_track.specimen.strip import Strip

__all__ = ["Texture", "look_inside", "pattern_ride"]

_CORE, _FOOT_PX, _CAP = 0.6, 8.0, 0.9
_LEAST_ROWS, _LEAST_COLUMNS = 30, 15
_HIGH_PASS_PX = 41
"""Pixels along which a pattern is longer than its grain: what is slower is the body's shape."""
_LEAST_GROWTH_PX, _MOST_GROWTH_PX = 20.0, 70.0
_LEAST_PAIRS = 5
"""Pairs of frames, by which the body has grown by a pattern's reach, that must be compared."""
_SHARES = np.linspace(-0.3, 1.3, 81)
"""Shares of the growth by which a pattern may have gone: 0 with the base, 1 with the end."""
_PEAK = 0.22
"""Distance in share from which on another peak is a rival."""
_CLEAR, _RIVAL = 5.0, 0.6
_U_SHARE = 0.05
"""Standard uncertainty of the share: the peak's width over its least clearness."""
_FILM = 0.3  # the film behind the body is another piece than that beside it
_APART_PX = 12.0
"""Pixels beside a body that its blur and fringe reach."""


@dataclass(frozen=True, slots=True, eq=False)
class Texture:
    """The pattern of one frame.

    Attributes
    ----------
    low_px, top_px : float
        Against the base: the first row, and the body's highest point.
    inside, beside : array
        Logarithm of the transmission about its mean, in the body's core and in the vacuum beside,
        shape (rows, columns).
    inside_t, beside_t : int
        Their first columns, against the base.
    """

    low_px: float
    top_px: float
    inside: FloatArray
    beside: FloatArray
    inside_t: int
    beside_t: int


def look_inside(
    strip: Strip, dark: Darkness, patch: Patch, root_px: float, anchor_px: tuple[float, float]
) -> Texture | None:
    """Cut the pattern out of a frame; None where the body is too small to have one.

    Parameters
    ----------
    strip, dark, patch
        The frame, and where the body is in it.
    root_px : float
        The base's face.
    anchor_px : (float, float)
        The place (s, t) against which places count.
    """
    half = (patch.t_high_px - patch.t_low_px) / 2
    rows = strip.rows(root_px + _FOOT_PX, patch.top_px - _CAP * half)
    middle = (patch.t_low_px + patch.t_high_px) / 2
    columns = strip.columns(middle - _CORE * half, middle + _CORE * half)
    width = columns.stop - columns.start
    if rows.stop - rows.start < _LEAST_ROWS or width < _LEAST_COLUMNS:
        return None
    beside = _beside(strip, patch)
    if beside.stop - beside.start < _LEAST_COLUMNS:
        return None
    log = np.log(np.clip(1.0 - dark.raw[rows], 0.02, 2.0))
    grid, (s, t) = strip.grid, anchor_px
    return Texture(
        grid.s_first + rows.start - s, patch.top_px - s, _pattern(log[:, columns]),
        _pattern(log[:, beside]), round(grid.t_first + columns.start - t),
        round(grid.t_first + beside.start - t),
    )  # fmt: skip


def _beside(strip: Strip, patch: Patch) -> slice:
    """Return the columns of the vacuum on the wider side of a body."""
    first, last = float(strip.grid.t_px[0]), float(strip.grid.t_px[-1])
    left, right = patch.t_low_px - _APART_PX, patch.t_high_px + _APART_PX
    return strip.columns(right, last) if last - right > left - first else strip.columns(first, left)


def _pattern(log: FloatArray) -> FloatArray:
    """Take out what is the body's shape: slow along it, or the same across it."""
    slow = cv2.blur(log, (1, _HIGH_PASS_PX), borderType=cv2.BORDER_REFLECT)
    fast = cv2.GaussianBlur(log - slow, (0, 0), 1.0)
    columns = np.arange(fast.shape[1])
    line = np.polynomial.polynomial.polyfit(columns - columns.mean(), fast.T, 2)
    return np.asarray(fast - np.polynomial.polynomial.polyval(columns - columns.mean(), line))


def pattern_ride(textures: Sequence[Texture]) -> tuple[float, float] | None:
    """Return how far the pattern moves with the end, and its uncertainty.

    Parameters
    ----------
    textures : sequence of Texture
        In the movie's order.

    Returns
    -------
    (float, float) or None
        0: it stays with the base; 1: it moves as the end does. None where there is no pattern
        that could be followed: the likeness of two frames, less that of the vacuum beside the
        body, has no clear peak against the share of the growth by which one is moved.
    """
    likeness = [
        _likeness(one, other)
        for k, one in enumerate(textures)
        if (other := _later(textures[k + 1 :], one)) is not None
    ]
    known = [line for line in likeness if line is not None]
    if len(known) < _LEAST_PAIRS:
        return None
    more = np.array([inside - beside for inside, beside in known])
    mean, film = more.mean(axis=0), np.mean([beside for _, beside in known], axis=0)
    at = int(np.argmax(mean))
    far = np.abs(_SHARES - _SHARES[at]) > _PEAK
    u = float(np.std(more[:, at], ddof=1)) / math.sqrt(len(known))
    if mean[at] < _CLEAR * u or mean[far].max() > _RIVAL * mean[at]:
        return None
    if mean[at] < _FILM * film[at]:
        return None
    return _centre(mean, at), _U_SHARE


def _later(textures: Sequence[Texture], one: Texture) -> Texture | None:
    for other in textures:
        if _LEAST_GROWTH_PX <= other.top_px - one.top_px <= _MOST_GROWTH_PX:
            return other
    return None


def _likeness(one: Texture, other: Texture) -> tuple[FloatArray, FloatArray] | None:
    """Return two frames' covariance, inside and beside, by the share of the growth between them."""
    growth = other.top_px - one.top_px
    shifts = np.arange(math.floor(_SHARES[0] * growth) - 1, math.ceil(_SHARES[-1] * growth) + 2)
    inside, beside = [], []
    for shift in shifts:
        start = round(other.low_px - one.low_px - shift)
        pairs = [
            _overlap(one.inside, other.inside, (start, other.inside_t - one.inside_t)),
            _overlap(one.beside, other.beside, (start, other.beside_t - one.beside_t)),
        ]
        if pairs[0] is None or pairs[1] is None:
            return None
        inside.append(pairs[0])
        beside.append(pairs[1])
    shares = shifts / growth
    return np.interp(_SHARES, shares, inside), np.interp(_SHARES, shares, beside)


def _overlap(one: FloatArray, other: FloatArray, at: tuple[int, int]) -> float | None:
    """Return the covariance of two patterns; the other's first pixel lies on `at` of the one."""
    spans = []
    for size, more, start, least in zip(
        one.shape, other.shape, at, (_LEAST_ROWS, _LEAST_COLUMNS), strict=True
    ):
        low, high = max(start, 0), min(size, start + more)
        if high - low < least:
            return None
        spans.append((slice(low, high), slice(low - start, high - start)))
    (rows, other_rows), (columns, other_columns) = spans
    return float((one[rows, columns] * other[other_rows, other_columns]).mean())


def _centre(height: FloatArray, at: int) -> float:
    """Return the middle of a peak: the centre of what rises above its half."""
    low = high = at
    while low > 0 and height[low - 1] > height[at] / 2:
        low -= 1
    while high < len(height) - 1 and height[high + 1] > height[at] / 2:
        high += 1
    weight = np.clip(height[low : high + 1] - height[at] / 2, 0.0, None)
    return float((weight * _SHARES[low : high + 1]).sum() / weight.sum())

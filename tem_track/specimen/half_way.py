"""Where a profile is half-way between the curves that lead up to a step, compiled."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from tem_track.compiled import compiled, inner
from tem_track.records import FloatArray

__all__ = ["end_lines", "half_way"]

OUTER_PX = 14.0
"""Pixels on either side that are read."""
FARTHEST_PX = 4.0
"""From the first guess, beyond which it is another edge."""
_FEWEST_BESIDE, _FEWEST_ON = 6, 4
"""Samples that tell a level beside the edge, and those that tell its place."""
_LOW, _HIGH = 0.05, 0.95
"""Rise between which a sample tells the place."""
_TABLE = np.asarray(ndtri(np.linspace(_LOW, _HIGH, 8001)))
"""Of the normal distribution's inverse: compiled code has none. Straight lines between: 1e-8."""


def half_way(
    profile: FloatArray, x_px: FloatArray, blur_px: float, degree: int = 1
) -> tuple[float, float] | None:
    """Return where a profile is half-way between the curves that lead up to a step, and u.

    Each sample on the step's flank says where its middle is, as the blur is known. The curves are
    drawn again about the middle that was found, so that none of the flank is in them.

    Parameters
    ----------
    profile, x_px : array, shape (n,)
        Brightness, and position against the place where the step is expected.
    blur_px : float
        Standard deviation of the blur.
    degree : {1, 2}
        Of the curves that lead up to the step.

    Returns
    -------
    (float, float) or None
        In pixels; None where no step stands out.
    """
    grey, x = np.ascontiguousarray(profile, np.float64), np.ascontiguousarray(x_px, np.float64)
    middle, u = _twice(grey, x, float(blur_px), degree, _TABLE)
    return None if math.isnan(middle) else (middle, u)


def end_lines(
    grey: NDArray[np.float32],
    corner: tuple[int, int],
    ends: FloatArray,
    ways: FloatArray,
    blur_px: float,
) -> FloatArray:
    """Seek the end lines about some places in each of several ways.

    Parameters
    ----------
    grey : float32 array, shape (n, m)
        A strip.
    corner : (int, int)
        Positions of its first row and column.
    ends : array, shape (k, 3)
        Where an end line is expected, and middle and half width of the columns there.
    ways : array, shape (l, 3)
        Middle and half width of the columns that are averaged, over that half width, and the
        degree of the curves that lead up to the step.
    blur_px : float

    Returns
    -------
    array, shape (l, k, 2)
        Where each lies against the place expected, and its u; NaN where no step stands out.
    """
    place = (float(corner[0]), float(corner[1]))
    found: FloatArray = _middles(grey, place, ends, ways, float(blur_px), _TABLE)
    return found


@compiled(nogil=True)
def _middles(
    grey: NDArray[np.float32],
    corner: tuple[float, float],
    ends: FloatArray,
    ways: FloatArray,
    blur_px: float,
    table: FloatArray,
) -> FloatArray:
    found = np.full((len(ways), len(ends), 2), math.nan)
    n_s, n_t = grey.shape
    for j in range(len(ends)):
        face = ends[j, 0]
        reach = OUTER_PX + FARTHEST_PX + 1
        top, bottom = _span(face - reach, face + reach, corner[0], n_s)
        x = corner[0] + np.arange(top, bottom) - face
        for i in range(len(ways)):
            middle, half = ends[j, 1] + ways[i, 0] * ends[j, 2], ways[i, 1] * ends[j, 2]
            left, right = _span(middle - half, middle + half, corner[1], n_t)
            if right <= left or bottom <= top:
                continue
            profile = np.zeros(bottom - top)
            for row in range(top, bottom):
                for column in range(left, right):
                    profile[row - top] += grey[row, column]
                profile[row - top] /= right - left
            found[i, j] = _twice(profile, x, blur_px, int(ways[i, 2]), table)
    return found


@inner
def _span(low: float, high: float, first: float, n: int) -> tuple[int, int]:
    """Return the samples between two places, as `Strip.rows` does."""
    start = min(max(math.ceil(low) - int(first), 0), n)
    return start, min(max(math.floor(high) - int(first) + 1, start), n)


@compiled(nogil=True)
def _twice(
    profile: FloatArray, x_px: FloatArray, blur_px: float, degree: int, table: FloatArray
) -> tuple[float, float]:
    first, u = _once(profile, x_px, 0.0, blur_px, degree, table)
    if not abs(first) <= FARTHEST_PX:
        return math.nan, math.nan
    again, u = _once(profile, x_px, first, blur_px, degree, table)
    return first + again, u


@inner
def _once(
    profile: FloatArray,
    x_px: FloatArray,
    about: float,
    blur_px: float,
    degree: int,
    table: FloatArray,
) -> tuple[float, float]:
    """Return the middle against `about`, and its u; NaN where no step stands out."""
    clear = max(2.5 * blur_px, 3.0)
    lower = _leads_up(profile, x_px, about, -OUTER_PX, -clear, degree)
    upper = _leads_up(profile, x_px, about, clear, OUTER_PX, degree)
    noise = math.sqrt((lower[4] + upper[4]) / 2)
    nearest, at_nearest, turn, samples = math.inf, 0.0, math.inf, 0
    before_x, before = math.nan, math.nan
    for i in range(len(x_px)):
        x = x_px[i] - about
        if abs(x) > clear + 1 or not math.isfinite(profile[i]):
            continue
        low, high = _value(lower, x), _value(upper, x)
        samples += 1
        if abs(x) < nearest:
            nearest, at_nearest = abs(x), high - low
        half = (profile[i] - low) / (high - low) - 0.5
        if before * half <= 0 and (before != 0 or half != 0) and abs(before_x) < abs(turn):
            turn = before_x
        before_x, before = x, half
    missing = math.isnan(noise) or samples < _FEWEST_ON or math.isinf(turn)
    if missing or abs(at_nearest) < max(3 * noise, 1e-9):
        return math.nan, math.nan
    total, sum_ = 0.0, 0.0
    for i in range(len(x_px)):
        x = x_px[i] - about
        if abs(x) > clear + 1 or abs(x - turn - 0.5) >= 2 * blur_px + 0.5:
            continue
        low, high = _value(lower, x), _value(upper, x)
        risen = (profile[i] - low) / (high - low)
        if _LOW < risen < _HIGH:
            place = (risen - _LOW) / (_HIGH - _LOW) * (len(table) - 1)
            k = min(int(place), len(table) - 2)
            z = table[k] + (place - k) * (table[k + 1] - table[k])
            u_risen = max(noise / abs(high - low), 1e-12)
            slope = math.exp(-0.5 * z * z) / (math.sqrt(2 * math.pi) * blur_px * u_risen)
            total += slope * slope
            sum_ += slope * slope * (x - blur_px * z)
    if total <= 0:
        return math.nan, math.nan
    return sum_ / total, 1 / math.sqrt(total)


@inner
def _leads_up(
    profile: FloatArray, x_px: FloatArray, about: float, start: float, stop: float, degree: int
) -> tuple[float, float, float, float, float]:
    """Return centre, level, slope and bend of one side, and the mean square it leaves over."""
    n, centre, mean = 0, 0.0, 0.0
    for i in range(len(x_px)):
        if start < x_px[i] - about < stop and math.isfinite(profile[i]):
            n += 1
            centre += x_px[i] - about
            mean += profile[i]
    if n < _FEWEST_BESIDE:
        return 0.0, math.nan, math.nan, math.nan, math.nan
    centre, mean = centre / n, mean / n
    s2, s3, s4, t1, t2 = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(x_px)):
        if start < x_px[i] - about < stop and math.isfinite(profile[i]):
            d, y = x_px[i] - about - centre, profile[i] - mean
            s2 += d * d
            s3 += d * d * d
            s4 += d * d * d * d
            t1 += d * y
            t2 += d * d * y
    slope, bend = t1 / s2, 0.0
    if degree == 2:
        left = s4 - s2 * s2 / n - s3 * s3 / s2
        bend = (t2 - s3 / s2 * t1) / left
        slope = (t1 - s3 * bend) / s2
    level = mean - bend * s2 / n
    rest = 0.0
    for i in range(len(x_px)):
        if start < x_px[i] - about < stop and math.isfinite(profile[i]):
            d = x_px[i] - about - centre
            miss = profile[i] - level - d * (slope + d * bend)
            rest += miss * miss
    return centre, level, slope, bend, rest / (n - degree - 1)


@inner
def _value(side: tuple[float, float, float, float, float], x: float) -> float:
    d = x - side[0]
    return side[1] + d * (side[2] + d * side[3])

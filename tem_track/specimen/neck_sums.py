"""What the picture of a neck says about its width, its midline and the light: compiled sums."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tem_track.compiled import compiled, inner
from tem_track.records import FloatArray

__all__ = ["looked_up", "summed"]

_AXIS, _LIGHT = 2, 2  # unknowns of the midline and of the light
_FAST = {"reassoc", "contract", "arcp", "nsz"}


@inner
def looked_up(
    radius: FloatArray,
    middle: FloatArray,
    t_px: FloatArray,
    ladder: tuple[float, float, int],
    grid: tuple[float, float],
    value: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the darkness of every row, not yet blurred along the axis, and its changes.

    Below the least radius tabulated it falls as the section's area does.

    Parameters
    ----------
    radius, middle : array, shape (n,)
    t_px : array, shape (m,)
    ladder : (float, float, int)
        Logarithm of the first radius tabulated, its step, and how many there are.
    grid : (float, float)
        First depth tabulated, and its step.
    value : array, shape (k, p)

    Returns
    -------
    plain, wider, aside : array, shape (n, m)
        Darkness, and its change with the width and with the midline.
    """
    n, m = len(radius), len(t_px)
    plain, wider, aside = np.empty((n, m)), np.empty((n, m)), np.empty((n, m))
    least, last = math.exp(ladder[0]), value.shape[1] - 1.001
    for i in range(n):
        held = max(radius[i], least)
        place = min(max((math.log(held) - ladder[0]) / ladder[1], 0.0), ladder[2] - 1.001)
        row = int(place)
        blend, ratio = place - row, radius[i] / held
        shrunk = ratio * ratio
        for j in range(m):
            across = t_px[j] - middle[i]
            cell = min(max((held - abs(across) - grid[0]) / grid[1], 0.0), last)
            left = int(cell)
            part = cell - left
            a, b = value[row, left], value[row, left + 1]
            c, d = value[row + 1, left], value[row + 1, left + 1]
            lower, upper = a + part * (b - a), c + part * (d - c)
            inwards = ((1 - blend) * (b - a) + blend * (d - c)) / grid[1]
            dark = lower + blend * (upper - lower)
            plain[i, j] = dark * shrunk
            if radius[i] < least:
                wider[i, j] = ratio / least * dark
            else:
                wider[i, j] = (inwards + (upper - lower) / (ladder[1] * held)) / 2
            aside[i, j] = (inwards if across >= 0 else -inwards) * shrunk
    return plain, wider, aside


@compiled(nogil=True, fastmath=_FAST, error_model="numpy")
def summed(
    p: FloatArray,
    t_px: FloatArray,
    table: tuple[tuple[float, float, int], tuple[float, float], FloatArray],
    rows: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    spans: NDArray[np.int64],
    grey: FloatArray,
    lean: FloatArray,
    scatter: tuple[float, float, float],
    held: tuple[float, float],
) -> tuple[FloatArray, FloatArray, float]:
    """Return the information in the picture about a neck's unknowns, their pull, and the rest.

    Parameters
    ----------
    p : array, shape (q,)
        Widths of the splines, level and slope of the midline, level and slope of the light, and
        the powers of the darkness along the axis.
    t_px : array, shape (m,)
    table : (ladder, grid, value)
        As `looked_up` takes them.
    rows : (blur, splines, x, powers), shapes (n, l), (l, k), (l,), (n, d)
        Weights of the fine rows in those of `grey`, the splines and the distances along the axis
        on the fine rows, and the powers of the darkness on those of `grey`.
    spans : array, shape (n, 4)
        First and last fine row and spline that count in a row of `grey`, the last not included.
    grey : array, shape (n, m)
    lean : array, shape (m,)
        Distance across the axis by which the light's slope is measured.
    scatter : (float, float, float)
        Variance by shot noise; relative standard deviations of film and of texture.
    held : (float, float)
        Least radius, and how many standard deviations a pixel may be off.

    Returns
    -------
    information : array, shape (q, q)
    pull : array, shape (q,)
    usual : float
        Mean square of what is left over, in standard deviations.
    """
    blur, splines, x, powers = rows
    n, m = grey.shape
    wide, q = splines.shape[1], len(p)
    radius, middle = np.empty(len(x)), np.empty(len(x))
    for k in range(len(x)):
        width = 0.0
        for c in range(wide):
            width += splines[k, c] * p[c]
        radius[k] = max(width / 2, held[0])
        middle[k] = p[wide] + p[wide + 1] * x[k]
    plain, wider, aside = looked_up(radius, middle, t_px, table[0], table[1], table[2])
    information, pull, total = np.zeros((q, q)), np.zeros(q), 0.0
    vectors, dark = np.empty((wide + 6, m)), np.empty(m)
    after = wide + _AXIS + _LIGHT
    for i in range(n):
        first, last, low, high = spans[i]
        count = high - low
        vectors[:] = 0.0
        dark[:] = 0.0
        for k in range(first, last):
            weight = blur[i, k]
            for j in range(m):
                dark[j] += weight * plain[k, j]
                vectors[count, j] += weight * aside[k, j]
                vectors[count + 1, j] += weight * x[k] * aside[k, j]
            for c in range(count):
                part = weight * splines[k, low + c]
                if part == 0.0:
                    continue
                for j in range(m):
                    vectors[c, j] += part * wider[k, j]
        share = 0.0
        for c in range(powers.shape[1]):
            share += powers[i, c] * p[after + c]
        share = min(max(share, 0.1), 4.0)
        total += _over_noise(
            vectors, count, dark, share, p[wide + 2], p[wide + 3], grey[i], lean, scatter, held[1]
        )
        _added(information, pull, vectors, count, low, wide, powers[i])
    for a in range(q):
        for b in range(a):
            information[a, b] = information[b, a]
    return information, pull, total / (n * m)


@inner
def _over_noise(
    vectors: FloatArray,
    count: int,
    dark: FloatArray,
    share: float,
    level: float,
    tilt: float,
    grey: FloatArray,
    lean: FloatArray,
    scatter: tuple[float, float, float],
    outlier: float,
) -> float:
    """Turn a row's changes of darkness into those of its grey over the noise; return the rest."""
    total = 0.0
    for j in range(len(dark)):
        bright = 1.0 + tilt * lean[j]
        light, lit = level * bright, 1.0 - share * dark[j]
        depth = -math.log(min(max(lit, 0.02), 1.0)) * lit
        variance = scatter[0] * max(lit, 0.05) + (scatter[1] * lit) ** 2 + (scatter[2] * depth) ** 2
        sigma = abs(light) * math.sqrt(variance)
        shaded = -light * share / sigma
        for c in range(count + _AXIS):
            vectors[c, j] *= shaded
        vectors[count + 2, j] = lit * bright / sigma
        vectors[count + 3, j] = lit * level * lean[j] / sigma
        vectors[count + 4, j] = -dark[j] * light / sigma
        rest = min(max((grey[j] - light * lit) / sigma, -outlier), outlier)
        vectors[count + 5, j] = rest
        total += rest * rest
    return total


@inner
def _added(
    information: FloatArray,
    pull: FloatArray,
    vectors: FloatArray,
    count: int,
    low: int,
    wide: int,
    powers: FloatArray,
) -> None:
    """Add a row's products of changes; the darkness counts with its powers along the axis."""
    m, dark, rest = vectors.shape[1], count + 4, count + 5
    after = wide + _AXIS + _LIGHT
    for a in range(rest):
        to = low + a if a < count else wide + a - count
        for b in range(a, rest + 1):
            product = 0.0
            for j in range(m):
                product += vectors[a, j] * vectors[b, j]
            if b == rest and a < dark:
                pull[to] += product
            elif b == rest:
                for c in range(len(powers)):
                    pull[after + c] += powers[c] * product
            elif b < dark:
                information[to, low + b if b < count else wide + b - count] += product
            elif a < dark:
                for c in range(len(powers)):
                    information[to, after + c] += powers[c] * product
            else:
                for c in range(len(powers)):
                    for d in range(c, len(powers)):
                        information[after + c, after + d] += powers[c] * powers[d] * product

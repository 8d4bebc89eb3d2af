"""Noise-free transmission of a scene, pixel by pixel.

Every object is an optical depth; depths add and the beam falls as exp(-depth). Edges are averaged
over the pixel: analytically across an edge, on a 4 x 4 grid of sub-pixels where one is near.

Coordinates: `u` runs along the loading axis from the base to the tip, `v` across it to the right
(when the axis points up), both in pixels from the tip's initial apex. A block (tip, base, bar) has
its own: `p` into the block from its face, `w` along the face.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from tem_track.simulate.textures import PER_PX

__all__ = ["Block", "Bodies", "View", "transmission"]

_SUB = 4
_NEAR_PX = 1.6


class Block(NamedTuple):
    """A thick body with a face: contours one sample a pixel, pattern PER_PX samples a pixel."""

    face: NDArray[Any]  # p of the face at w = first_w, first_w + 1, ...
    low: NDArray[Any]  # w of the lower flank at p = first_p, first_p + 1, ...
    high: NDArray[Any]
    first_w: float
    first_p: float
    depth: float  # optical depth deep inside
    rim: float  # optical depth at the edge, as a share of it
    ramp_px: float  # how fast it gets thick
    pattern: NDArray[Any]
    pattern_share: float
    soft_px: float  # half width of an out-of-focus edge
    # place: picture -> (p, w)
    x0: float
    y0: float
    px: float
    py: float
    wx: float
    wy: float


class Bodies(NamedTuple):
    """Bodies of revolution along the axis, stations evenly spaced from u0 to u1."""

    u0: NDArray[Any]
    u1: NDArray[Any]
    r2: NDArray[Any]  # squared radius, shape (bodies, stations)
    c2: NDArray[Any]  # squared radius of the core
    mid: NDArray[Any]  # v of the midline
    material: NDArray[Any]  # material coordinate of the station, px
    mu_core: NDArray[Any]  # optical depth a pixel
    mu_shell: NDArray[Any]
    ellipticity: NDArray[Any]
    facet: NDArray[Any]
    pattern: NDArray[Any]
    pattern_share: float
    bands: NDArray[Any]  # Bragg contours: (material, slope, curve, width, depth) each


class View(NamedTuple):
    """Where the stage is in the picture, and the film on it."""

    x0: float  # picture position of (u, v) = (0, 0)
    y0: float
    along_x: float
    along_y: float
    across_x: float
    across_y: float
    film: float
    pattern: NDArray[Any]
    film_x: float
    film_y: float


@numba.njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _clamp(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _line(table: NDArray[Any], position: float) -> float:
    position = _clamp(position, 0.0, table.size - 1.001)
    i = int(position)
    f = position - i
    return float(table[i] * (1 - f) + table[i + 1] * f)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _lattice(pattern: NDArray[Any], a: float, b: float) -> float:
    a *= PER_PX
    b *= PER_PX
    i = int(np.floor(a))
    j = int(np.floor(b))
    f = a - i
    g = b - j
    n, m = pattern.shape
    i %= n
    j %= m
    k = i + 1 if i + 1 < n else 0
    c = j + 1 if j + 1 < m else 0
    upper = pattern[i, j] * (1 - g) + pattern[i, c] * g
    lower = pattern[k, j] * (1 - g) + pattern[k, c] * g
    return float(upper * (1 - f) + lower * f)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _block(block: Block, x: float, y: float, half: float) -> tuple[float, bool]:
    dx = x - block.x0
    dy = y - block.y0
    p = dx * block.px + dy * block.py
    w = dx * block.wx + dy * block.wy
    soft = max(half, block.soft_px)
    reach = soft + _NEAR_PX
    if p < -12.0 - reach:
        return 0.0, False
    low = w - _line(block.low, p - block.first_p)
    high = _line(block.high, p - block.first_p) - w
    if low < -reach or high < -reach:
        return 0.0, False
    front = p - _line(block.face, w - block.first_w)
    if front < -reach:
        return 0.0, False
    inside = min(front, min(low, high))
    cover = _clamp(front / (2 * soft) + 0.5, 0, 1)
    cover *= _clamp(low / (2 * soft) + 0.5, 0, 1) * _clamp(high / (2 * soft) + 0.5, 0, 1)
    near = inside < reach
    if cover <= 0:
        return 0.0, near
    thick = 1.0 - (1.0 - block.rim) * np.exp(-max(inside, 0.0) / block.ramp_px)
    depth = block.depth * thick
    if block.pattern_share != 0:
        depth *= max(1 + block.pattern_share * _lattice(block.pattern, p, w), 0.1)
    return cover * depth, near


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _circle_area(d: float, r: float) -> float:
    """Integral of the chord's half from 0 to d."""
    d = _clamp(d, -r, r)
    return 0.5 * (d * np.sqrt(max(r * r - d * d, 0.0)) + r * r * np.arcsin(d / r))


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _hexagon_area(d: float, r: float) -> float:
    """Integral of a hexagon's half depth (flat for |d| < r / 2) from 0 to d, of a circle's peak."""
    a = _clamp(abs(d), 0.0, r)
    flat = min(a, r / 2)
    rest = a - flat
    total = r * flat + rest * r - rest * rest
    return total if d > 0 else -total


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _chord(r2: float, d: float, half: float, facet: float) -> float:
    """Mean thickness over [d - half, d + half] of a section of half width sqrt(r2)."""
    if r2 <= 0:
        return 0.0
    r = np.sqrt(r2)
    if abs(d) - half >= r:
        return 0.0
    width = 2 * half
    total = (1 - facet) * (_circle_area(d + half, r) - _circle_area(d - half, r))
    if facet > 0:
        total += facet * (_hexagon_area(d + half, r) - _hexagon_area(d - half, r))
    return 2 * total / width


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _body(bodies: Bodies, b: int, u: float, v: float, half: float) -> tuple[float, bool]:
    u0 = bodies.u0[b]
    u1 = bodies.u1[b]
    cover = _clamp((u - u0) / (2 * half) + 0.5, 0, 1) * _clamp((u1 - u) / (2 * half) + 0.5, 0, 1)
    end = min(u - u0, u1 - u)
    if end < -_NEAR_PX:
        return 0.0, False
    n = bodies.r2.shape[1]
    s = _clamp((u - u0) / (u1 - u0) * (n - 1), 0.0, n - 1.001)
    i = int(s)
    f = s - i
    r2 = bodies.r2[b, i] * (1 - f) + bodies.r2[b, i + 1] * f
    c2 = bodies.c2[b, i] * (1 - f) + bodies.c2[b, i + 1] * f
    d = v - bodies.mid[b, i] * (1 - f) - bodies.mid[b, i + 1] * f
    side = np.sqrt(max(r2, 0.0)) - abs(d)
    if side < -_NEAR_PX:
        return 0.0, False
    near = end < _NEAR_PX or side < 2 * _NEAR_PX
    if c2 > 0:
        near = near or abs(np.sqrt(c2) - abs(d)) < _NEAR_PX
    if cover <= 0 or r2 <= 0:
        return 0.0, near
    outer = _chord(r2, d, half, bodies.facet[b]) * bodies.ellipticity[b]
    core = _chord(c2, d, half, bodies.facet[b]) * bodies.ellipticity[b] if c2 > 0 else 0.0
    depth = bodies.mu_shell[b] * (outer - core) + bodies.mu_core[b] * core
    z = bodies.material[b, i] * (1 - f) + bodies.material[b, i + 1] * f
    if bodies.pattern_share != 0:
        depth *= 1 + bodies.pattern_share * _lattice(bodies.pattern, z, d)
    for k in range(bodies.bands.shape[0]):
        r = np.sqrt(r2)
        across = d / r
        g = z - bodies.bands[k, 0] - (bodies.bands[k, 1] + bodies.bands[k, 2] * across) * d
        g /= bodies.bands[k, 3]
        if abs(g) < 4:
            depth += bodies.bands[k, 4] * np.exp(-g * g) * core / (2 * r)
    return cover * depth, near


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _depth(
    x: float, y: float, half: float, tip: Block, base: Block, bar: Block, bodies: Bodies, view: View
) -> tuple[float, bool]:
    total, near = _block(bar, x, y, half)
    depth, close = _block(tip, x, y, half)
    total += depth
    near = near or close
    depth, close = _block(base, x, y, half)
    total += depth
    near = near or close
    dx = x - view.x0
    dy = y - view.y0
    u = dx * view.along_x + dy * view.along_y
    v = dx * view.across_x + dy * view.across_y
    for b in range(bodies.u0.size):
        depth, close = _body(bodies, b, u, v, half)
        total += depth
        near = near or close
    if view.film > 0:
        share = 1 + 0.5 * _lattice(view.pattern, y - view.film_y, x - view.film_x)
        total += view.film * share
    return total, near


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def transmission(
    out: NDArray[Any], tip: Block, base: Block, bar: Block, bodies: Bodies, view: View
) -> None:
    """Fill `out` (float32, rows x columns) with the share of the beam that arrives."""
    rows, columns = out.shape
    small = 0.5 / _SUB
    for y in range(rows):
        for x in range(columns):
            depth, near = _depth(float(x), float(y), 0.5, tip, base, bar, bodies, view)
            if not near:
                out[y, x] = np.exp(-depth)
                continue
            total = 0.0
            for j in range(_SUB):
                for i in range(_SUB):
                    sx = x - 0.5 + (2 * i + 1) * small
                    sy = y - 0.5 + (2 * j + 1) * small
                    depth, _ = _depth(sx, sy, small, tip, base, bar, bodies, view)
                    total += np.exp(-depth)
            out[y, x] = total / (_SUB * _SUB)

"""Noise-free transmission of a scene, pixel by pixel.

Every object is an optical depth; depths add and the beam falls as exp(-depth). Edges are averaged
over the pixel: analytically across an edge, on a 4 x 4 grid of sub-pixels where one is near.
Each object is evaluated on a list of points: first the pixels' centres, then the sub-pixels.

Coordinates: `u` runs along the loading axis from the base to the tip, `v` across it to the right
(when the axis points up), both in pixels from the tip's initial apex. A block (tip, base, bar) has
its own: `p` into the block from its face, `w` along the face.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tem_track.compiled import compiled
from tem_track.simulate.textures import PER_PX

__all__ = ["Block", "Bodies", "View", "transmission"]

_SUB = 4
_NEAR_PX = 1.6
"""Parts of a pixel, each way, where an edge is nearer to its middle than this, in px."""


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


@compiled()
def _clamp(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


@compiled()
def _between(position: float, size: int) -> tuple[int, float]:
    """Index below a position in a table, and the share of the next entry."""
    position = min(max(position, 0.0), size - 1.001)
    i = int(position)
    return i, position - i


@compiled()
def _cell(position: float, size: int) -> tuple[int, int, float]:
    """Return the indices around a position in a periodic table, and the second's share."""
    whole = np.floor(position)
    i = int(whole) % size
    k = i + 1 if i + 1 < size else 0
    return i, k, position - whole


@compiled()
def _covered(cover: float, depth: float) -> float:
    """Depth that lets through what a share `cover` of depth `depth` does beside the open rest."""
    if cover >= 1:
        return depth
    return float(-np.log(1 - cover + cover * np.exp(-depth)))


@compiled()
def _circle_area(d: float, r: float) -> float:
    """Integral of a circle's half chord from 0 to d."""
    d = min(max(d, -r), r)
    return float(0.5 * (d * np.sqrt(max(r * r - d * d, 0.0)) + r * r * np.arcsin(d / r)))


@compiled()
def _hexagon_area(d: float, r: float) -> float:
    """Integral of the half chord of a hexagon as high: flat for |d| < r / 2, then falling."""
    a = min(abs(d), r)
    flat = min(a, r / 2)
    rest = a - flat
    total = r * flat + rest * r - rest * rest
    return float(total if d > 0 else -total)


@compiled()
def _chord(r2: float, d: float, half: float, facet: float) -> float:
    """Mean thickness over [d - half, d + half] of a section of half width sqrt(r2)."""
    if r2 <= 0:
        return 0.0
    r = np.sqrt(r2)
    if abs(d) + half < 0.9 * r and facet == 0:
        return float(2 * np.sqrt(r2 - d * d))
    if abs(d) - half >= r:
        return 0.0
    total = (1 - facet) * (_circle_area(d + half, r) - _circle_area(d - half, r))
    if facet > 0:
        total += facet * (_hexagon_area(d + half, r) - _hexagon_area(d - half, r))
    return float(total / half)


@compiled()
def _add_block(
    xs: NDArray[Any], ys: NDArray[Any], half: float, block: Block,
    depth: NDArray[Any], near: NDArray[Any],
) -> None:  # fmt: skip
    face, low_line, high_line, pattern = block.face, block.low, block.high, block.pattern
    soft = max(half, block.soft_px)
    reach = soft + _NEAR_PX
    for n in range(xs.size):
        dx = xs[n] - block.x0
        dy = ys[n] - block.y0
        p = dx * block.px + dy * block.py
        if p < -12.0 - reach:
            continue
        w = dx * block.wx + dy * block.wy
        i, f = _between(p - block.first_p, low_line.size)
        low = w - (low_line[i] * (1 - f) + low_line[i + 1] * f)
        high = high_line[i] * (1 - f) + high_line[i + 1] * f - w
        if low < -reach or high < -reach:
            continue
        i, f = _between(w - block.first_w, face.size)
        front = p - (face[i] * (1 - f) + face[i + 1] * f)
        if front < -reach:
            continue
        inside = min(front, min(low, high))
        if inside < reach:
            near[n] = True
        cover = _clamp(front / (2 * soft) + 0.5, 0.0, 1.0)
        cover *= _clamp(low / (2 * soft) + 0.5, 0.0, 1.0)
        cover *= _clamp(high / (2 * soft) + 0.5, 0.0, 1.0)
        thick = 1.0 - (1.0 - block.rim) * np.exp(-max(inside, 0.0) / block.ramp_px)
        if block.pattern_share != 0:
            a, b, f = _cell(p * PER_PX, pattern.shape[0])
            c, d, g = _cell(w * PER_PX, pattern.shape[1])
            upper = pattern[a, c] * (1 - g) + pattern[a, d] * g
            lower = pattern[b, c] * (1 - g) + pattern[b, d] * g
            thick *= max(1 + block.pattern_share * (upper * (1 - f) + lower * f), 0.1)
        depth[n] += _covered(cover, block.depth * thick)


@compiled()
def _add_bodies(
    xs: NDArray[Any], ys: NDArray[Any], half: float, bodies: Bodies, view: View,
    depth: NDArray[Any], near: NDArray[Any],
) -> None:  # fmt: skip
    """Where bodies overlap, the thickest counts: they grow into each other, not through."""
    pattern, bands = bodies.pattern, bodies.bands
    stations = bodies.r2.shape[1]
    thickest = np.zeros(xs.size)
    for b in range(bodies.u0.size):
        u0, u1 = bodies.u0[b], bodies.u1[b]
        r2s, c2s, mids, material = bodies.r2[b], bodies.c2[b], bodies.mid[b], bodies.material[b]
        mu_shell, mu_core = bodies.mu_shell[b], bodies.mu_core[b]
        deep, facet = bodies.ellipticity[b], bodies.facet[b]
        for n in range(xs.size):
            dx = xs[n] - view.x0
            dy = ys[n] - view.y0
            u = dx * view.along_x + dy * view.along_y
            end = min(u - u0, u1 - u)
            if end < -_NEAR_PX:
                continue
            i, f = _between((u - u0) / (u1 - u0) * (stations - 1), stations)
            r2 = r2s[i] * (1 - f) + r2s[i + 1] * f
            d = dx * view.across_x + dy * view.across_y - mids[i] * (1 - f) - mids[i + 1] * f
            side = np.sqrt(max(r2, 0.0)) - abs(d)
            if side < -_NEAR_PX:
                continue
            c2 = c2s[i] * (1 - f) + c2s[i + 1] * f
            close = end < _NEAR_PX or side < 2 * _NEAR_PX
            if close or (c2 > 0 and abs(np.sqrt(c2) - abs(d)) < _NEAR_PX):
                near[n] = True
            cover = _clamp((u - u0) / (2 * half) + 0.5, 0.0, 1.0)
            cover *= _clamp((u1 - u) / (2 * half) + 0.5, 0.0, 1.0)
            if cover <= 0 or r2 <= 0:
                continue
            outer = _chord(r2, d, half, facet) * deep
            core = _chord(c2, d, half, facet) * deep
            here = mu_shell * (outer - core) + mu_core * core
            z = material[i] * (1 - f) + material[i + 1] * f
            if bodies.pattern_share != 0:
                p, q, f = _cell(z * PER_PX, pattern.shape[0])
                s, t, g = _cell(d * PER_PX, pattern.shape[1])
                upper = pattern[p, s] * (1 - g) + pattern[p, t] * g
                lower = pattern[q, s] * (1 - g) + pattern[q, t] * g
                here *= 1 + bodies.pattern_share * (upper * (1 - f) + lower * f)
            for k in range(bands.shape[0]):
                r = np.sqrt(r2)
                g = z - bands[k, 0] - (bands[k, 1] + bands[k, 2] * d / r) * d
                g /= bands[k, 3]
                if abs(g) < 4:
                    here += bands[k, 4] * np.exp(-g * g) * core / (2 * r)
            thickest[n] = max(thickest[n], _covered(cover, here))
    for n in range(xs.size):
        depth[n] += thickest[n]


@compiled()
def _add_film(xs: NDArray[Any], ys: NDArray[Any], view: View, depth: NDArray[Any]) -> None:
    pattern = view.pattern
    for n in range(xs.size):
        a, b, f = _cell((ys[n] - view.film_y) * PER_PX, pattern.shape[0])
        c, d, g = _cell((xs[n] - view.film_x) * PER_PX, pattern.shape[1])
        upper = pattern[a, c] * (1 - g) + pattern[a, d] * g
        lower = pattern[b, c] * (1 - g) + pattern[b, d] * g
        depth[n] += view.film * (1 + 0.5 * (upper * (1 - f) + lower * f))


def _depths(
    xs: NDArray[Any], ys: NDArray[Any], half: float, blocks: tuple[Block, ...],
    bodies: Bodies, view: View,
) -> tuple[NDArray[Any], NDArray[Any]]:  # fmt: skip
    """Optical depth at each point, averaged over +-half, and whether an edge is near."""
    depth = np.zeros(xs.size)
    near = np.zeros(xs.size, dtype=np.bool_)
    for block in blocks:
        _add_block(xs, ys, half, block, depth, near)
    _add_bodies(xs, ys, half, bodies, view, depth, near)
    if view.film > 0:
        _add_film(xs, ys, view, depth)
    return depth, near


def transmission(
    shape: tuple[int, int], blocks: tuple[Block, ...], bodies: Bodies, view: View
) -> NDArray[np.float32]:
    """Return the share of the beam that arrives in each pixel, float32, shape (rows, columns)."""
    rows, columns = shape
    ys, xs = (grid.ravel() for grid in np.mgrid[:rows, :columns].astype(np.float64))
    depth, near = _depths(xs, ys, 0.5, blocks, bodies, view)
    share = np.exp(-depth.astype(np.float32))
    small = (2 * np.arange(_SUB) + 1) / (2 * _SUB) - 0.5
    across, down = (grid.ravel() for grid in np.meshgrid(small, small))
    fine_x = (xs[near][:, None] + across).ravel()
    fine_y = (ys[near][:, None] + down).ravel()
    fine, _ = _depths(fine_x, fine_y, 0.5 / _SUB, blocks, bodies, view)
    share[near] = np.exp(-fine).reshape(-1, _SUB * _SUB).mean(axis=1)
    return share.reshape(shape)

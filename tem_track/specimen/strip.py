"""The specimen's own coordinates: s along the loading axis towards the tip, t across it.

A strip is the picture resampled on a grid of whole pixels in (s, t). Where the axis is parallel to
the rows or columns, the grid coincides with the pixels and nothing is interpolated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tem_track.records import Axis, Box, FloatArray, Image
from tem_track.specimen.reduction import reduced
from tem_track.specimen.resampling import resampled

__all__ = ["Crop", "Grid", "Strip", "crop_around", "project_box", "straighten"]

Float32Array = NDArray[np.float32]
_SQUARE_DEG = 0.02
"""Turn from a quarter below which pixels are copied, not sampled."""
_MARGIN_PX = 4.0
"""Around what is sampled."""
_NEARLY_45 = 0.35
"""Cosine of twice the angle, below which a box is read as far as the axis leads through it."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Where a strip lies in the picture.

    Attributes
    ----------
    axis : Axis
    origin_px : (float, float)
        Picture position (x, y) of s = t = 0.
    s_first, t_first : int
        Coordinates of the strip's first row and column, in pixels.
    n_s, n_t : int
        Numbers of rows and columns.
    """

    axis: Axis
    origin_px: tuple[float, float]
    s_first: int
    t_first: int
    n_s: int
    n_t: int

    @property
    def s_px(self) -> FloatArray:
        """Position of every row along the axis."""
        return np.arange(self.s_first, self.s_first + self.n_s, dtype=np.float64)

    @property
    def t_px(self) -> FloatArray:
        """Position of every column across the axis."""
        return np.arange(self.t_first, self.t_first + self.n_t, dtype=np.float64)

    def to_image(self, s: FloatArray | float, t: FloatArray | float) -> FloatArray:
        """Return picture positions, shape (..., 2), of strip positions."""
        along, across = self.axis.along, self.axis.across
        s, t = np.asarray(s), np.asarray(t)
        x = self.origin_px[0] + s * along[0] + t * across[0]
        points: FloatArray = np.empty((*np.shape(x), 2))
        points[..., 0] = x
        points[..., 1] = self.origin_px[1] + s * along[1] + t * across[1]
        return points

    def to_strip(self, x: float, y: float) -> tuple[float, float]:
        """Return (s, t) of a picture position."""
        dx, dy = x - self.origin_px[0], y - self.origin_px[1]
        along, across = self.axis.along, self.axis.across
        return dx * along[0] + dy * along[1], dx * across[0] + dy * across[1]


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A part of a picture that remembers where it was cut.

    Attributes
    ----------
    image : Image
    x_px, y_px : int
        Where its first pixel lies.
    blocks : int
        Side of the blocks of pixels that one pixel of a strip stands for: more than 1 for a whole
        picture that is averaged where a strip needs it and nowhere else.
    """

    image: Image
    x_px: int
    y_px: int
    blocks: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """Grey values on a grid; NaN outside the picture."""

    grid: Grid
    grey: Float32Array

    def rows(self, s_low: float, s_high: float) -> slice:
        """Return the rows with s_low <= s <= s_high."""
        return _span(s_low, s_high, self.grid.s_first, self.grid.n_s)

    def columns(self, t_low: float, t_high: float) -> slice:
        """Return the columns with t_low <= t <= t_high."""
        return _span(t_low, t_high, self.grid.t_first, self.grid.n_t)


def crop_around(
    image: Image, points_px: Iterable[tuple[float, float]], margin_px: float, blocks: int = 1
) -> Crop:
    """Cut the rectangle around some points, with a margin, as far as the picture goes.

    The points may be given in a picture of which blocks of pixels are averaged; so is the crop.
    """
    points = np.asarray(list(points_px))
    x0, y0 = (int(v) for v in np.floor(points.min(axis=0) - margin_px))
    x1, y1 = (int(v) + 1 for v in np.ceil(points.max(axis=0) + margin_px))
    return _part(image, (x0, y0), (x1, y1), blocks)


def _part(image: Image, first: tuple[int, int], last: tuple[int, int], blocks: int) -> Crop:
    """Return the pixels from `first` (x, y) to before `last` as far as they are there."""
    k = blocks
    height, width = image.shape[0] // k, image.shape[1] // k
    x0, y0 = max(first[0], 0), max(first[1], 0)
    x1, y1 = max(min(last[0], width), x0), max(min(last[1], height), y0)
    part = image[y0 * k : y1 * k, x0 * k : x1 * k]
    averaged = reduced(part, k) if k > 1 and part.size else np.ascontiguousarray(part)
    return Crop(averaged, x0, y0)


def project_box(box: Box, axis: Axis, origin_px: tuple[float, float]) -> FloatArray:
    """Return ((s_low, s_high), (t_low, t_high)) of what a box encloses, in strip coordinates.

    A hand draws the box along rows and columns around a body that may be tilted: length and width
    of the body are those of the tilted rectangle that touches all four sides. Near 45 degrees that
    has no answer, and the lines through the box's centre are taken instead.
    """
    cx, cy = box.centre_px
    dx, dy = cx - origin_px[0], cy - origin_px[1]
    rows = []
    for (ux, uy), half in zip((axis.along, axis.across), _half_sizes(box, axis), strict=True):
        middle = dx * ux + dy * uy
        rows.append((middle - half, middle + half))
    return np.asarray(rows)


def _half_sizes(box: Box, axis: Axis) -> tuple[float, float]:
    sine, cosine = (abs(v) for v in axis.along)
    width, height = box.width_px / 2, box.height_px / 2
    through = [
        min(h / max(u, 1e-9) for h, u in ((width, ux), (height, uy)))
        for ux, uy in ((sine, cosine), (cosine, sine))
    ]
    spread = cosine**2 - sine**2
    if abs(spread) < _NEARLY_45:
        return through[0], through[1]
    length = (height * cosine - width * sine) / spread
    across = (width * cosine - height * sine) / spread
    if length < 0.4 * through[0] or across < 0.25 * through[1]:
        return through[0], through[1]
    return min(length, through[0]), min(across, through[1])


def straighten(source: Image | Crop, grid: Grid) -> Strip:
    """Resample a picture on a grid, cubic where the axis is tilted."""
    crop = source if isinstance(source, Crop) else Crop(source, 0, 0)
    if crop.blocks > 1:
        crop = _part(crop.image, *_needed(grid), crop.blocks)
    if crop.image.size == 0:
        return Strip(grid, np.full((grid.n_s, grid.n_t), np.nan, np.float32))
    turns = grid.axis.angle_deg / 90.0
    on_pixels = all(abs(v - round(v)) < 1e-6 for v in grid.origin_px)
    if on_pixels and abs(turns - round(turns)) * 90.0 < _SQUARE_DEG:
        return Strip(grid, _slice(crop, grid, round(turns) % 4))
    return Strip(grid, _resample(crop, grid))


def _span(low: float, high: float, first: int, n: int) -> slice:
    start = min(max(math.ceil(low) - first, 0), n)
    stop = min(max(math.floor(high) - first + 1, start), n)
    return slice(start, stop)


def _slice(crop: Crop, grid: Grid, quarter: int) -> Float32Array:
    turned = np.rot90(crop.image, quarter)[::-1]
    x = round(grid.origin_px[0]) - crop.x_px
    y = round(grid.origin_px[1]) - crop.y_px
    height, width = crop.image.shape
    s0, t0 = ((height - 1 - y, x), (x, y), (y, width - 1 - x), (width - 1 - x, height - 1 - y))[
        quarter
    ]
    return _window(turned, s0 + grid.s_first, t0 + grid.t_first, grid.n_s, grid.n_t)


def _window(image: Image, row: int, column: int, n_rows: int, n_columns: int) -> Float32Array:
    height, width = image.shape
    r0, r1 = max(row, 0), min(row + n_rows, height)
    c0, c1 = max(column, 0), min(column + n_columns, width)
    if (r1 - r0, c1 - c0) == (n_rows, n_columns):
        return np.array(image[r0:r1, c0:c1], dtype=np.float32, order="C")
    out = np.full((n_rows, n_columns), np.nan, np.float32)
    if r1 > r0 and c1 > c0:
        out[r0 - row : r1 - row, c0 - column : c1 - column] = image[r0:r1, c0:c1]
    return out


def _resample(crop: Crop, grid: Grid) -> Float32Array:
    crop = _cut(crop, grid)
    if crop.image.size == 0:
        return np.full((grid.n_s, grid.n_t), np.nan, np.float32)
    along, across = grid.axis.along, grid.axis.across
    corner = grid.to_image(float(grid.s_first), float(grid.t_first))
    matrix = np.array(
        [
            [across[0], along[0], corner[0] - crop.x_px],
            [across[1], along[1], corner[1] - crop.y_px],
        ]
    )
    source = crop.image.astype(np.float32, copy=False)
    return resampled(source, matrix, (grid.n_s, grid.n_t), math.nan)


def _needed(grid: Grid) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the first pixel (x, y) that a grid needs and the one behind its last."""
    s = np.array([grid.s_first, grid.s_first + grid.n_s - 1], dtype=np.float64)
    t = np.array([grid.t_first, grid.t_first + grid.n_t - 1], dtype=np.float64)
    corners = grid.to_image(s[:, None], t[None, :]).reshape(-1, 2)
    low, high = corners.min(axis=0) - _MARGIN_PX, corners.max(axis=0) + _MARGIN_PX
    first = math.floor(low[0]), math.floor(low[1])
    return first, (math.ceil(high[0]) + 1, math.ceil(high[1]) + 1)


def _cut(crop: Crop, grid: Grid) -> Crop:
    """Keep the part of a picture that a grid needs."""
    (x0, y0), (x1, y1) = _needed(grid)
    dx, dy = crop.x_px, crop.y_px
    part = _part(crop.image, (x0 - dx, y0 - dy), (x1 - dx, y1 - dy), 1)
    return Crop(part.image, part.x_px + dx, part.y_px + dy)

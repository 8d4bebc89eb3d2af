"""Uneven illumination that stands still in the frame, while a target travels past it.

The picture is the beam times what the matter lets through. A template averaged along the target's
way holds a mean of the beam's brightness, and in a place where the beam slopes otherwise a soft
flank is fitted off its place, by what the slope makes of it. The beam is seen wherever vacuum is,
so it is learnt from the bright, even places of the sampled frames and divided out. Where it is
even, nothing is divided at all; nor where it does not stand still, since it lies behind the matter
and moves with the stage, or drifts: then what it would do to a place is no more than a doubt.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray, Image
from tem_track.tracking.coarse import Reduced
from tem_track.tracking.crops import SLACK, Crop
from tem_track.tracking.fit import fit_pattern
from tem_track.tracking.noise import variance
from tem_track.tracking.splines import MARGIN, moved

if TYPE_CHECKING:
    from tem_track.tracking.look import Look

__all__ = ["Beam", "Cells", "Light", "Lit", "Unsure", "cells_of"]

Float32 = NDArray[np.float32]
Cells = Float32
"""The mean brightness of squares of a frame."""

CELLS = 64
"""Cells along the longer side of the frame in which brightness is averaged."""
BRIGHT = 0.75
"""Least grey of vacuum, between the darkest cells and the brightest of a frame."""
FEWEST_FRAMES = 5
"""Frames that must show vacuum in a cell; either half of the movie has as many."""
FEWEST_CELLS = 0.1
"""Least part of the frame in which vacuum is seen."""
STIFF, FLAT = 1.0, 0.03
"""What curvature and slope of the brightness count beside its squared difference from a cell's:
structures of a few cells are followed, and the unseen is continued to about six cells."""
OUTLIER = 3.0
"""Spreads about the smooth surface beyond which a cell holds no vacuum."""
LEAST = 0.02
"""Standard deviation of the brightness about a plane below which it is called even."""
OPAQUE = 0.35
"""Largest grey of what nothing comes through, over that of vacuum."""
U_CELL = 0.005
"""How well vacuum tells the brightness of a cell, and a target at best."""
AGREE = 0.15
"""How far the halves of the movie may differ, over that standard deviation."""
MOST_APART = math.sqrt(2)
"""The same of halves that have nothing in common."""
PATTERN_PX = 20.0
"""How far a target goes until the brightness there has no more to do with that where it was."""
MOST = 0.25
"""Largest departure from the mean that is divided out."""


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """The brightness of the beam over its mean, as it is divided out.

    Attributes
    ----------
    inverse : float32 (height, width)
        One over the brightness.
    black : float
        Grey value where no electrons arrive; it is not divided.
    """

    inverse: Float32
    black: float

    def evened(self, image: Image) -> Image:
        """Return a frame as it would look in an even beam, float32.

        What is at the end of the scale stays there, so that an over-exposed frame is told.
        """
        if image.shape != self.inverse.shape:
            return image
        return _evened(image, self.inverse, self.black)

    def uneven_part(self, even: Image, x: int, y: int) -> Image:
        """Return an evened part of a frame as it was in the movie, float32."""
        black = np.float32(self.black)
        inverse = self._inverse_at(even.shape, x, y)
        return np.asarray((even - black) / inverse + black, np.float32)

    def evened_part(self, part: Image, x: int, y: int) -> Image:
        """Return a part of a frame evened, its top-left pixel given; it may reach beyond."""
        return _evened(part, self._inverse_at(part.shape, x, y), self.black)

    def _inverse_at(self, shape: tuple[int, ...], x: int, y: int) -> Float32:
        height, width = self.inverse.shape
        rows = np.clip(np.arange(y, y + shape[0]), 0, height - 1)
        columns = np.clip(np.arange(x, x + shape[1]), 0, width - 1)
        return self.inverse[np.ix_(rows, columns)]


@dataclass(frozen=True, slots=True, eq=False)
class Unsure:
    """Brightness that does not stand still, and what it may do to a target that travels.

    Attributes
    ----------
    light : Light
        Its mean over the movie.
    amplitude : float
        How much stronger it is in a frame than in that mean.
    home_px : (float, float)
        Place (x, y) of the box in the reference frame.
    spread_px2 : float64 (2, 2)
        Mean square of what the mean does to the place in the sampled frames, against the reference.
    """

    light: Light
    amplitude: float
    home_px: tuple[float, float] = (0.0, 0.0)
    spread_px2: FloatArray = field(default_factory=lambda: np.zeros((2, 2)))

    def doubt_px2(self, way_px: FloatArray, place_px: tuple[float, float]) -> FloatArray:
        """Return the covariance (x, y) of a place that the mean moves by a way from the reference.

        The pattern may lie otherwise in a frame than in the mean: away from where the target was
        in the reference frame it may do elsewhere what it does somewhere.
        """
        away = math.dist(place_px, self.home_px)
        else_where = 1 - math.exp(-0.5 * (away / PATTERN_PX) ** 2)
        doubt = np.outer(way_px, way_px) + else_where * self.spread_px2
        return np.asarray(self.amplitude**2 * doubt)


def _evened(image: Image, inverse: Float32, black: float) -> Image:
    even = image.astype(np.float32)
    if black:
        even -= np.float32(black)
    even *= inverse
    if black:
        even += np.float32(black)
    if image.dtype == np.uint8:
        even[image == 255] = np.float32(255 * (1 + MOST))
    return even


@dataclass(slots=True)
class Lit:
    """The sampled frames in cells, from which the light is learnt."""

    shape: tuple[int, int] = (0, 0)
    factor: int = 1
    cells: list[Float32] = field(default_factory=list)

    def add(self, image: Image, cells: Float32) -> None:
        """Take in a frame, with its `cells_of`."""
        if not self.cells:
            self.shape = (image.shape[0], image.shape[1])
            self.factor = _factor(image)
        if image.shape == self.shape:
            self.cells.append(cells)

    def beam(self) -> Beam | None:
        """Return what vacuum says of its brightness; None where it is even, or is not told."""
        if len(self.cells) < 2 * FEWEST_FRAMES:
            return None
        grey = np.stack(self.cells).astype(float)
        black = float(np.quantile(grey, 0.005))
        bright = np.quantile(grey, 0.97, axis=(1, 2)) - black
        if not (bright > 0).all():
            return None
        if black > OPAQUE * float(np.median(bright) + black):
            black = 0.0  # nothing opaque is in view: the darkest place is matter
            bright = np.quantile(grey, 0.97, axis=(1, 2))
        relative = (grey - black) / bright[:, None, None]
        clear = np.stack([_clear(each) for each in relative])
        half = len(grey) // 2
        whole, *halves = (
            _vacuum(relative[part], clear[part])
            for part in (slice(None), slice(half), slice(half, None))
        )
        if whole is None or not _size(whole) > LEAST:
            return None
        return Beam(self.shape, self.factor, black, *whole, _apart(whole, *halves))


def _factor(image: Image) -> int:
    return max(1, -(-int(max(image.shape)) // CELLS))


def cells_of(frame: Reduced) -> Float32:
    """Return a frame's brightness in cells."""
    return frame.by(_factor(frame.image))


@dataclass(frozen=True, slots=True, eq=False)
class Beam:
    """The brightness of the beam in cells of the frame, where it was seen.

    Attributes
    ----------
    shape : (int, int)
        Height and width of the frame.
    factor : int
        Pixels along a side of a cell.
    black : float
        Grey value where no electrons arrive.
    seen : float64 (h, w)
        What vacuum shows of it, over the mean.
    weight : float64 (h, w)
        1 where that is used, else 0.
    surface : float64 (h, w)
        The brightness of all cells, smooth, and continued where nothing is known.
    apart : float
        Standard deviation of the difference of the movie's halves, over that of the brightness.
    """

    shape: tuple[int, int]
    factor: int
    black: float
    seen: FloatArray
    weight: FloatArray
    surface: FloatArray
    apart: float = 0.0

    @property
    def stands_still(self) -> bool:
        """Whether both halves of the movie show it alike."""
        return self.apart < AGREE

    def unsure(self) -> Unsure:
        """Return what it may do where it does not stand still.

        Halves that have nothing in common differ by the square root of two.
        """
        return Unsure(self.light(), math.sqrt(1 + min(self.apart, MOST_APART) ** 2 / 2))

    def light(self) -> Light:
        """Return what is divided out."""
        height, width = self.shape
        y = ((np.arange(height) + 0.5) / self.factor - 0.5).astype(np.float32)
        x = ((np.arange(width) + 0.5) / self.factor - 0.5).astype(np.float32)
        inverse = np.asarray(1 / np.clip(self.surface, 1 - MOST, 1 + MOST), np.float32)
        at = np.meshgrid(x, y)
        wide = cv2.remap(inverse, *at, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return Light(np.asarray(wide, np.float32), self.black)

    def with_beneath(self, shown: Sequence[tuple[Sequence[Crop], Look]]) -> Beam:
        """Return the beam with what a target says of it that lets a part of it through.

        One step of least squares for the brightness beneath it and for its place, gain and offset
        in every frame at once: a place that was fitted with a wrong brightness hides the error.

        Parameters
        ----------
        shown : sequence of (sequence of Crop, Look)
            Surroundings of the target, divided by this beam's light, and how it looks there.
        """
        from scipy.sparse import diags
        from scipy.sparse.linalg import splu

        size = self.surface.size
        square, change = np.zeros(size), np.zeros(size)
        shared: list[FloatArray] = []
        for crop, look in ((crop, look) for crops, look in shown for crop in crops):
            told = None if look.turns else _told(crop, look, self)
            if told is not None:
                square += told[0]
                change += told[1]
                shared.append(told[2])
        if not shared:
            return self
        sure = square[square > 0.1 * square.max()]
        part = 1 / (1 + U_CELL**2 * float(np.median(sure))) * U_CELL**2
        columns = np.hstack(shared) * math.sqrt(part)
        normal = diags(self.weight.ravel() + part * square) + _stiffness(self.surface.shape)
        now = self.surface.ravel() - 1
        known = (self.weight * (self.seen - 1)).ravel()
        known = known + part * (change + square * now) - columns @ (columns.T @ now)
        solve = splu(normal.tocsc()).solve
        first, through = solve(known), solve(columns)
        left = np.eye(columns.shape[1]) - columns.T @ through
        found = first + through @ np.linalg.solve(left, columns.T @ first)
        return replace(self, surface=1 + found.reshape(self.surface.shape))


def _told(crop: Crop, look: Look, beam: Beam) -> tuple[FloatArray, FloatArray, FloatArray] | None:
    """Return what a frame tells of the cells: squares, and products with what is left.

    Third, of shape (cells, 4): what of it gain, offset and place could take up as well.
    """
    x, y = crop.start
    fit = fit_pattern(crop.image, look.pattern, (x + SLACK, y + SLACK), free=look.free)
    if fit is None or fit.seen < 1:
        return None
    x, y = round(fit.x_px), round(fit.y_px)
    h, w = look.pattern.shape
    part = crop.image[y : y + h, x : x + w].astype(float)
    shift = (x - fit.x_px, y - fit.y_px)
    inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    value, *slopes = (
        moved(look.pattern.coef, *shift, 3, *by)[inner].astype(float) for by in ((), "x", "y")
    )
    model = look.pattern.level + fit.offset + fit.gain * value
    weight = look.pattern.share / variance(look.pattern.noise.astype(float), value)
    weight = weight / fit.gain / max(fit.chi2, 1.0) * crop.visible()[y : y + h, x : x + w]
    rows = (np.arange(h) + y + crop.y - SLACK) // beam.factor
    columns = (np.arange(w) + x + crop.x - SLACK) // beam.factor
    height, width = beam.surface.shape
    weight[(rows < 0) | (rows >= height)] = 0
    weight[:, (columns < 0) | (columns >= width)] = 0
    cell = np.clip(rows, 0, height - 1)[:, None] * width + np.clip(columns, 0, width - 1)
    size = beam.surface.size

    def over_cells(values: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(cell.ravel(), values.ravel(), size), float)

    light = (model - beam.black) / beam.surface.ravel()[cell]
    others = [np.ones_like(value), value, *slopes]
    cross = np.column_stack([over_cells(weight * light * each) for each in others])
    matrix = np.array([[float((weight * a * b).sum()) for b in others] for a in others])
    values, vectors = np.linalg.eigh(matrix / _outer_root(matrix))
    kept = values > 1e-6
    root = vectors[:, kept] / np.sqrt(values[kept]) / np.sqrt(np.diag(matrix))[:, None]
    return over_cells(weight * light**2), over_cells(weight * light * (part - model)), cross @ root


def _outer_root(matrix: FloatArray) -> FloatArray:
    scale = np.sqrt(np.maximum(np.diag(matrix), 1e-12))
    return np.asarray(np.outer(scale, scale))


def _clear(relative: FloatArray) -> NDArray[np.bool_]:
    """Return the cells that show vacuum, and whose neighbours do."""
    bright = (relative > BRIGHT).astype(np.uint8)
    return np.asarray(cv2.erode(bright, np.ones((3, 3)), borderValue=1) > 0)


Vacuum = tuple[FloatArray, FloatArray, FloatArray]
"""Brightness of the cells over its mean, how far each is used, and the smooth surface of all."""


def _vacuum(relative: FloatArray, clear: NDArray[np.bool_]) -> Vacuum | None:
    """Return what the cells (n, h, w) of frames show where they show vacuum."""
    counts = clear.sum(axis=0)
    seen = counts >= max(FEWEST_FRAMES, 0.1 * len(clear))
    if seen.sum() < FEWEST_CELLS * seen.size:
        return None
    scale = np.ones(len(clear))
    middle = np.ones(seen.shape)
    for _ in range(2):  # the frames' own brightness, by what they have in common
        values = np.where(clear, relative / scale[:, None, None], np.nan)
        middle[seen] = np.nanmedian(values[:, seen], axis=0)
        own = np.where(clear & seen, relative / middle, np.nan)
        scale = np.array([np.nanmedian(each) if np.isfinite(each).any() else 1.0 for each in own])
    middle /= middle[seen].mean()
    weight, surface = seen.astype(float), np.ones(seen.shape)
    for _ in range(3):
        surface = 1 + _plate((middle - 1) * weight, weight)
        off = np.abs(middle - surface)
        spread = 1.4826 * float(np.median(off[weight > 0]))
        weight = (seen & (off <= max(OUTLIER * spread, 1e-9))).astype(float)
    return middle, weight, surface


def _size(whole: Vacuum) -> float:
    """Return the standard deviation of the brightness about a plane."""
    return float(_without_plane(whole[2], whole[1] > 0).std())


def _apart(whole: Vacuum, one: Vacuum | None, other: Vacuum | None) -> float:
    """Return how far the movie's halves differ, over the size of the brightness."""
    if one is None or other is None:
        return MOST_APART
    both = (one[1] > 0) & (other[1] > 0)
    if both.sum() < FEWEST_CELLS * both.size:
        return MOST_APART
    first, last = (each[2][both] / each[2][both].mean() for each in (one, other))
    return float((first - last).std()) / _size(whole)


def _without_plane(surface: FloatArray, seen: NDArray[np.bool_]) -> FloatArray:
    """Return what is left of the seen cells without a plane, which a frame's gain takes up."""
    rows, columns = np.nonzero(seen)
    plane = np.column_stack([np.ones(len(rows)), rows, columns])
    return np.asarray(surface[seen] - plane @ np.linalg.lstsq(plane, surface[seen], rcond=None)[0])


def _plate(values: FloatArray, weight: FloatArray) -> FloatArray:
    """Return the smooth surface (h, w) nearest to values that come times their weight."""
    from scipy.sparse import diags
    from scipy.sparse.linalg import spsolve

    normal = diags(weight.ravel()) + _stiffness(values.shape)
    return np.asarray(spsolve(normal.tocsc(), values.ravel())).reshape(values.shape)


def _stiffness(shape: tuple[int, ...]) -> Any:
    """Return the quadratic form of a surface's bends and slopes, as a sparse matrix."""
    from scipy.sparse import diags, eye, kron

    h, w = shape

    def along(order: int, n: int) -> Any:
        bands = [(-1.0, 1.0), (1.0, -2.0, 1.0)][order - 1]
        return diags(bands, range(order + 1), shape=(n - order, n))

    slopes = [kron(along(1, h), eye(w)), kron(eye(h), along(1, w))]
    bends = [kron(along(2, h), eye(w)), kron(eye(h), along(2, w))]
    bends += 2 * [kron(along(1, h), along(1, w))]
    return STIFF * sum(m.T @ m for m in bends) + FLAT * sum(m.T @ m for m in slopes)

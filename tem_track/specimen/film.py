"""What lies still behind a moving specimen: a textured film, learnt where it is seen uncovered.

A film's texture is the largest noise of an edge, and it is the same in all frames. What moves in
front of it, tip, specimen and base, uncovers in one frame what it hides in another; where a frame's
edges lie on a piece of film that other frames have shown, the picture is divided by it. Nothing is
taken from behind a body: an edge that lies wrong would then be explained by a film that is not
there. A film that does not stand still, or none, says nothing in half of the frames about the
other half, and is left alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter1d

from tem_track.compiled import compiled
from tem_track.records import FloatArray
from tem_track.specimen.strip import Float32Array, Strip

__all__ = ["Behind", "Film", "Uncovered", "clear_pixels", "learn_film"]

_SMOOTH_PX = 1.0
"""Over which the film is averaged: it is known no finer."""
_OUTLIER = 0.5  # of the brightness: what is that much off is no film
_LEAST_FRAMES = 8
"""Frames below which no film is learnt."""
_LEAST_ALIKE = 0.5  # correlation of what two halves of the frames show
_LEAST_SHARE = 0.003  # of the brightness
_LEAST_PIXELS = 500
"""That two halves of the frames have to share, to tell the film's noise."""
_KNOWN = 0.7
_OUTSIDE_PX, _INSIDE_PX = 14, 12  # about an edge, where the film has to be known
_CLEAR_PX = 7.0
"""From the body's edges and faces, where only film is."""


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """The film on a grid of the specimen's axes, about the place of what it stands still with.

    Attributes
    ----------
    s_first, t_first : int
    banded : float32 array, shape (n, m)
        Brightness of the film over the usual, less 1, averaged over `rows` rows from each on.
    near : float32 array, shape (n, m, 2)
        How well it is known about a left and a right edge in that column, from 0 to 1.
    rows : int
        Of a band.
    left : float
        Its standard deviation over the brightness where it is known and was divided out.
    """

    s_first: int
    t_first: int
    banded: Float32Array
    near: Float32Array
    rows: int
    left: float


@dataclass(frozen=True, slots=True, eq=False)
class Behind:
    """The film in one frame.

    Attributes
    ----------
    film : Film
    at_px : (float, float)
        Where in the strip, along and across, what the film stands still with is.
    """

    film: Film
    at_px: tuple[float, float]

    def known(self, s_px: FloatArray, edges_px: FloatArray) -> NDArray[np.bool_]:
        """Return the bands about both of whose edges, shape (n, 2), the film is known."""
        film = self.film
        n, m, _ = film.near.shape
        row = np.nan_to_num(s_px - self.at_px[0] - film.s_first, nan=-1.0)
        column = np.nan_to_num(edges_px - self.at_px[1] - film.t_first, nan=-1.0)
        i, j = np.rint(row).astype(np.intp), np.rint(column).astype(np.intp)
        inside = (i >= 0)[:, None] & (i < n)[:, None] & (j >= 0) & (j < m)
        i, j = np.clip(i, 0, n - 1), np.clip(j, 0, m - 1)
        known = np.column_stack([film.near[i, j[:, k], k] for k in (0, 1)])
        return np.asarray((inside & (known > _KNOWN)).all(axis=1))

    def divided(self, bands: FloatArray, s_px: FloatArray, t_first: float) -> FloatArray:
        """Return the bands, shape (n, m), divided by the film."""
        film = self.film
        first = s_px - (film.rows - 1) / 2 - self.at_px[0] - film.s_first
        left = t_first - self.at_px[1] - film.t_first
        bands = np.ascontiguousarray(bands, np.float64)
        out: FloatArray = _divided(bands, first, float(left), film.banded)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Uncovered:
    """What one frame shows of the film.

    Attributes
    ----------
    strip : Strip
    at_px : (float, float)
        Where in the strip, along and across, what the film stands still with is.
    clear : array of bool
        Pixels of the strip where nothing lies in front of it.
    """

    strip: Strip
    at_px: tuple[float, float]
    clear: NDArray[np.bool_]


def clear_pixels(
    strip: Strip, s_px: FloatArray, edges_px: FloatArray, faces_px: tuple[float, float]
) -> NDArray[np.bool_]:
    """Return where neither specimen nor tip nor base lies in front of the film.

    Parameters
    ----------
    strip : Strip
    s_px : array, shape (n,)
        Rows whose edges were found.
    edges_px : array, shape (n, 2)
    faces_px : (float, float)
        Base and tip.
    """
    s, t = strip.grid.s_px, strip.grid.t_px
    left, right = (np.interp(s, s_px, edges_px[:, k]) for k in (0, 1))
    rows = (s > faces_px[0] + _CLEAR_PX) & (s < faces_px[1] - _CLEAR_PX)
    rows &= (s >= s_px[0]) & (s <= s_px[-1])
    beside = (t < left[:, None] - _CLEAR_PX) | (t > right[:, None] + _CLEAR_PX)
    return np.asarray(beside & rows[:, None] & np.isfinite(strip.grey))


def learn_film(frames: Sequence[Uncovered], rows: int) -> Film | None:
    """Average what the frames show of the film; None where they do not show the same.

    Parameters
    ----------
    frames : sequence of Uncovered
    rows : int
        Over how many rows a band is averaged.
    """
    if len(frames) < _LEAST_FRAMES:
        return None
    s_first, t_first, n, m = _extent(frames)
    halves = [_Sum(s_first, t_first, n, m) for _ in range(2)]
    for k, frame in enumerate(frames):
        halves[k % 2].add(frame)
    noise, share = _compared(halves)
    if not share > _LEAST_SHARE:
        return None
    weight = gaussian_filter(halves[0].weight + halves[1].weight, _SMOOTH_PX)
    total = gaussian_filter(halves[0].total + halves[1].total, _SMOOTH_PX)
    doubt = noise**2 / (4 * math.pi * _SMOOTH_PX**2) / share**2
    value, known = total / (weight + doubt), weight / (weight + doubt)
    banded = uniform_filter1d(value, rows, axis=0, origin=-(rows // 2) if rows > 1 else 0)
    near = _near(known, rows)
    used = near[near > _KNOWN]
    left = share * math.sqrt(1.0 - float(np.median(used))) if used.size else share
    return Film(s_first, t_first, banded.astype(np.float32), near, rows, left)


def _near(known: FloatArray, rows: int) -> Float32Array:
    """Average how well the film is known from outside to inside an edge, over a band's rows."""
    width = _OUTSIDE_PX + _INSIDE_PX
    known = uniform_filter1d(known, rows, axis=0)
    shift = (_OUTSIDE_PX - _INSIDE_PX) // 2
    middle = uniform_filter1d(known, width, axis=1, mode="constant")
    return np.stack([np.roll(middle, shift, 1), np.roll(middle, -shift, 1)], -1).astype(np.float32)


def _extent(frames: Sequence[Uncovered]) -> tuple[int, int, int, int]:
    lows, highs = [], []
    for frame in frames:
        grid = frame.strip.grid
        low = (grid.s_first - frame.at_px[0], grid.t_first - frame.at_px[1])
        lows.append(low)
        highs.append((low[0] + grid.n_s, low[1] + grid.n_t))
    s_first, t_first = np.floor(np.min(lows, axis=0)).astype(int) - 2
    s_last, t_last = np.ceil(np.max(highs, axis=0)).astype(int) + 2
    return int(s_first), int(t_first), int(s_last - s_first), int(t_last - t_first)


class _Sum:
    """A weighted sum of frames on the film's grid."""

    def __init__(self, s_first: int, t_first: int, n: int, m: int) -> None:
        self.first = (s_first, t_first)
        self.total, self.weight = np.zeros((n, m)), np.zeros((n, m))

    def add(self, frame: Uncovered) -> None:
        grey = frame.strip.grey
        if not frame.clear.any():
            return
        level = float(np.median(grey[frame.clear]))
        ratio = np.where(frame.clear, np.nan_to_num(grey) / max(level, 1e-6) - 1.0, 0.0)
        clear = frame.clear & (np.abs(ratio) < _OUTLIER)
        grid = frame.strip.grid
        s = grid.s_first - frame.at_px[0] - self.first[0]
        t = grid.t_first - frame.at_px[1] - self.first[1]
        size = (self.total.shape[1], self.total.shape[0])
        move = np.array([[1.0, 0.0, t], [0.0, 1.0, s]])
        for into, values in ((self.total, np.where(clear, ratio, 0.0)), (self.weight, clear)):
            into += cv2.warpAffine(values.astype(np.float32), move, size, flags=cv2.INTER_LINEAR)


def _compared(halves: list[_Sum]) -> tuple[float, float]:
    """Return a pixel's noise in one frame, and the film's own part, both of the brightness."""
    smooth = []
    for half in halves:
        weight = gaussian_filter(half.weight, _SMOOTH_PX)
        part = gaussian_filter(half.total, _SMOOTH_PX) / np.maximum(weight, 1e-3)
        smooth.append((part, weight))
    (a, n), (b, k) = smooth
    both = (n > 1.5) & (k > 1.5)
    if both.sum() < _LEAST_PIXELS:
        return math.nan, math.nan
    wide = [_detrended(part, both)[both] for part in (a, b)]
    shared = float(np.mean(wide[0] * wide[1]))
    alone = math.sqrt(max(float(np.mean(wide[0] ** 2) * np.mean(wide[1] ** 2)), 1e-18))
    if shared < _LEAST_ALIKE * alone:
        return math.nan, math.nan
    apart = float(np.mean((wide[0] - wide[1]) ** 2 / (1 / n[both] + 1 / k[both])))
    return math.sqrt(max(apart, 1e-12) * 4 * math.pi) * _SMOOTH_PX, math.sqrt(max(shared, 0.0))


def _detrended(part: FloatArray, seen: NDArray[np.bool_]) -> FloatArray:
    """Take away what varies slowly: uneven light is no film, and harms no edge."""
    weight = gaussian_filter(seen.astype(np.float64), 12.0)
    mean = gaussian_filter(np.where(seen, part, 0.0), 12.0) / np.maximum(weight, 1e-3)
    return np.asarray(part - mean)


@compiled(nogil=True)
def _divided(bands: FloatArray, first: FloatArray, left: float, banded: Float32Array) -> FloatArray:
    n, m = bands.shape
    rows, columns = banded.shape
    out = bands.copy()
    j0 = math.floor(left)
    f = left - j0
    for b in range(n):
        i = math.floor(first[b])
        if i < 0 or i + 1 >= rows:
            continue
        e = first[b] - i
        for c in range(max(0, -j0), min(m, columns - 1 - j0)):
            j = c + j0
            upper = banded[i, j] * (1 - f) + banded[i, j + 1] * f
            lower = banded[i + 1, j] * (1 - f) + banded[i + 1, j + 1] * f
            out[b, c] = bands[b, c] / (1.0 + upper * (1 - e) + lower * e)
    return out

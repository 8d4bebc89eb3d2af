"""A first look at a movie: some sixty frames, reduced, as transmission between black and vacuum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.errors import MovieError
from tem_track.records import Box, FloatArray, Frame, Image, Polarity

if TYPE_CHECKING:
    from tem_track.analysis import Progress
    from tem_track.frames import Movie

__all__ = ["Glance", "Picture", "clear_of", "look", "vacuum_share"]

Picture = NDArray[np.float32]

SAMPLE_FRAMES = 60
WORKING_PX = 256
"""The longer side of a reduced frame is about this."""

UNEVEN = 0.055
"""Spread of what is taken for vacuum, over its brightness, that no vacuum has."""

MUCH = 0.15
"""Share of the picture that is vacuum, at least, where ends and specimen are seen from outside."""

DISTURBED = 0.06
"""A frame whose mean transmission is off its neighbours' by more shows an accident."""


@dataclass(frozen=True, eq=False)
class Glance:
    """What was looked at.

    Attributes
    ----------
    size_px : (int, int)
        Rows and columns of the movie's frames.
    step : int
        Full pixels to one reduced pixel.
    frames : tuple of int
        The frames looked at, without those that are damaged or disturbed.
    clear : Picture, shape (n, rows, columns)
        Their reduced pictures: 1 is vacuum, 0 the darkest there is.
    first : Image
        The first of the frames, in full.
    mean, std : FloatArray
        Of every full pixel over the frames, in grey values.
    grey_range : (float, float)
        Grey values of black and vacuum.
    covered : bool, shape (rows, columns) or None
        Reduced pixels that show writing, not the scene.
    disturbed : tuple of int
        Frames that were left out because they look unlike their neighbours.
    """

    size_px: tuple[int, int]
    step: int
    frames: tuple[int, ...]
    clear: Picture
    first: Image
    mean: FloatArray
    std: FloatArray
    grey_range: tuple[float, float]
    disturbed: tuple[int, ...] = ()
    covered: NDArray[np.bool_] | None = None

    def full(self, box: tuple[float, float, float, float]) -> Box:
        """Return a box of the reduced picture, (x0, y0, x1, y1) with open ends, in full pixels."""
        rows, columns = self.size_px
        x0, y0, x1, y1 = (round(v * self.step) for v in box)
        x0, y0 = max(x0, 0), max(y0, 0)
        x1, y1 = min(x1, columns), min(y1, rows)
        return Box(x0, y0, max(x1 - x0, 1), max(y1 - y0, 1))


def vacuum_share(clear: Picture) -> float:
    """Return 1 where a picture has an even vacuum in it, as every movie of a test has; 0 without.

    A landscape or a room is as bright in places, but nowhere as even.
    """
    usual = cv2.GaussianBlur(np.median(clear, axis=0), (0, 0), 1.5)
    bright = (np.abs(usual - 1) < 0.12).astype(np.uint8)
    empty = cv2.erode(bright, np.ones((5, 5), dtype=np.uint8)) > 0
    if empty.sum() < 20:
        return 0.0
    amount = np.clip(empty.mean() / MUCH, 0, 1)
    even = np.clip((UNEVEN - np.std(usual[empty])) / (0.4 * UNEVEN), 0, 1)
    return float(amount * even)


def look(movie: Movie, *, polarity: Polarity = "dark", progress: Progress | None = None) -> Glance:
    """Look at a sample of a movie, telling ``progress("look", done, total)``.

    Raises
    ------
    MovieError
        Fewer than one frame can be decoded.
    """
    count = len(movie)
    spread = np.linspace(0, count - 1, min(SAMPLE_FRAMES, count))
    numbers = sorted({round(float(i)) for i in spread})
    gathered = _Gathered(movie.info.height_px, movie.info.width_px, polarity)
    for done, frame in enumerate(movie.select(numbers), start=1):
        if frame.ok:
            gathered.add(frame)
        if progress is not None:
            progress("look", done, len(numbers))
    if gathered.first is None:
        raise MovieError(f"{movie.path}: none of the frames looked at can be decoded")
    return gathered.glance()


class _Gathered:
    """Running sums over the full frames, and the reduced ones."""

    def __init__(self, rows: int, columns: int, polarity: Polarity) -> None:
        self._polarity = polarity
        self._size = (rows, columns)
        self._step = max(1, round(max(rows, columns) / WORKING_PX))
        self._sum = np.zeros((rows, columns))
        self._squares = np.zeros((rows, columns))
        self._reduced: list[Picture] = []
        self._frames: list[int] = []
        self.first: Image | None = None

    def add(self, frame: Frame) -> None:
        image = frame.image.astype(np.float32)
        self.first = frame.image if self.first is None else self.first
        self._sum += image
        self._squares += image * image
        self._reduced.append(reduced(image, self._step))
        self._frames.append(frame.index)

    def glance(self) -> Glance:
        assert self.first is not None
        count = len(self._frames)
        mean = self._sum / count
        std = np.sqrt(np.maximum(self._squares / count - mean * mean, 0))
        stack = np.stack(self._reduced)
        sign = 1.0 if self._polarity == "dark" else -1.0
        clear, (black, vacuum) = clear_of(np.float32(sign) * stack)
        kept = undisturbed(clear)
        return Glance(
            self._size,
            self._step,
            tuple(n for n, ok in zip(self._frames, kept, strict=True) if ok),
            clear[kept],
            self.first,
            mean,
            std,
            (sign * black, sign * vacuum),
            tuple(n for n, ok in zip(self._frames, kept, strict=True) if not ok),
        )


def reduced(image: Picture, step: int) -> Picture:
    """Return the means of step x step pixels."""
    rows, columns = (n // step for n in image.shape)
    cut = np.ascontiguousarray(image[: rows * step, : columns * step])
    small = cv2.resize(cut, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float32)


def clear_of(stack: Picture) -> tuple[Picture, tuple[float, float]]:
    """Return transmissions, 0 black to 1 vacuum, and the grey values of both.

    Vacuum is the brightest level that many pixels share; its slow variation over the picture (the
    beam) and from frame to frame (flicker) is divided out.
    """
    smooth = np.stack([cv2.GaussianBlur(p, (0, 0), 1.0) for p in stack])
    black = float(np.percentile(smooth, 0.3))
    vacuum = _vacuum_level(smooth)
    middle = np.median(smooth, axis=0)
    beam = _beam(middle - black, vacuum - black)
    empty = np.abs((middle - black) / beam - 1) < 0.08
    clear = (smooth - black) / beam
    if np.count_nonzero(empty) > 50:
        clear = clear / np.median(clear[:, empty], axis=1)[:, None, None].clip(0.2, 5)
    return np.clip(clear, 0, 1.2).astype(np.float32), (black, vacuum)


def _vacuum_level(smooth: Picture) -> float:
    low, high = np.percentile(smooth, (0.3, 99.7))
    counts, edges = np.histogram(smooth, 100, (float(low), float(high) + 1e-6))
    shape = np.convolve(counts, np.hanning(9), "same")
    peaks = [
        i
        for i in range(1, 99)
        if shape[i] >= shape[i - 1] and shape[i] > shape[i + 1] and shape[i] > 0.2 * shape.max()
    ]
    best = peaks[-1] if peaks else int(np.argmax(shape))
    return float((edges[best] + edges[best + 1]) / 2)


def _beam(middle: Picture, vacuum: float) -> Picture:
    """Return a quadratic surface through the pixels that are vacuum most of the time."""
    rows, columns = middle.shape
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y]).reshape(6, -1).T
    surface = np.full(middle.size, vacuum)
    values = middle.ravel()
    for width in (0.15, 0.08):
        near = np.abs(values / surface - 1) < width
        if near.mean() < 0.05:
            break
        surface = terms @ np.linalg.lstsq(terms[near], values[near], rcond=None)[0]
        surface = np.clip(surface, 0.7 * vacuum, 1.3 * vacuum)
    return surface.reshape(middle.shape).astype(np.float32)


def undisturbed(clear: Picture) -> NDArray[np.bool_]:
    """Return which frames look like their neighbours: not saturated, nothing in the way."""
    levels = clear.mean(axis=(1, 2))
    half = 4
    padded = np.pad(levels, half, mode="edge")
    usual = np.array([np.median(padded[i : i + 2 * half + 1]) for i in range(levels.size)])
    kept: NDArray[np.bool_] = np.abs(levels - usual) < DISTURBED
    return kept if kept.any() else np.ones(levels.size, dtype=bool)

"""The pictures inside the report: few enough and light enough that the file can be mailed.

Noise is what a picture's bytes are spent on. Where the budget is short the stills are smoothed a
little and made smaller, step by step, until a sample of them fits; only when they would become too
poor to look at are there fewer of them.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tem_track.analysis import Progress
from tem_track.outputs.display import Grey, resized, shown, shown_size, survey
from tem_track.outputs.panels import first_rows

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = ["Recipe", "Stills", "StillsMaker", "make_stills"]

TOTAL_BYTES = 15_500_000
"""In base64 a third more; marks and points of 2000 frames add some 3 MB."""
FILLED = 0.93
MOST_BYTES_EACH = 70_000
"""Part of the room that the sampled stills' mean size may promise, as others are larger; and bytes
of a still beyond which the eye sees no gain."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a still is made: its longer side, the smoothing before, the encoder's quality."""

    side_px: int
    sigma_px: float
    quality: int


RECIPES = (
    Recipe(760, 0.0, 76),
    Recipe(640, 0.0, 72),
    Recipe(640, 0.6, 70),
    Recipe(620, 0.7, 66),
    Recipe(600, 0.8, 60),
    Recipe(580, 0.9, 54),
    Recipe(560, 1.0, 48),
    Recipe(520, 1.1, 42),
    Recipe(480, 1.3, 36),
)

POORER = (Recipe(440, 1.6, 32), Recipe(380, 1.8, 28))
"""For movies so noisy that not even `ALWAYS` stills would fit otherwise."""

ALWAYS = 600
"""A movie of so many frames has a still of each."""


@dataclass(frozen=True, slots=True)
class Stills:
    """Encoded stills.

    Attributes
    ----------
    rows : tuple of int
        The row of the points that each still belongs to.
    sources : tuple of str
        ``data:`` addresses.
    width_px, height_px : int
    recipe : Recipe
    """

    rows: tuple[int, ...]
    sources: tuple[str, ...]
    width_px: int
    height_px: int
    recipe: Recipe


class StillsMaker:
    """Encodes the frames of the rows, or a thinned choice of them where there are too many.

    Parameters
    ----------
    movie : Movie
    frames : sequence of int
        Frame number of each row.
    keep : sequence of int
        Rows that must have their own still.

    Attributes
    ----------
    levels : Levels
    rows : list of int
        Those that get a still.
    """

    def __init__(self, movie: Movie, frames: Sequence[int], keep: Sequence[int] = ()) -> None:
        every = first_rows(frames)
        number = {row: i for i, row in enumerate(every)}
        seen = survey(movie, frames)
        self.levels = seen.levels
        self._recipe, count = _plan(seen.samples, len(every))
        wanted = [number[row] for row in keep if row in number]
        self.rows = [every[i] for i in thinned(len(every), count, wanted)]
        shape = shown_size(movie.info.width_px, movie.info.height_px)
        self._size = _size(*shape, self._recipe.side_px)
        self._wanted = frozenset(self.rows)
        self._sources: dict[int, str] = {}

    def take(self, row: int, grey: Grey) -> None:
        """Encode the frame of a row, as `shown` returns it, if it gets a still."""
        if row in self._wanted and row not in self._sources:
            encoded = base64.b64encode(_encode(grey, self._recipe)).decode("ascii")
            self._sources[row] = f"data:image/jpeg;base64,{encoded}"

    def missing(self) -> list[int]:
        """Return the rows whose frames have not been taken."""
        return [row for row in self.rows if row not in self._sources]

    def stills(self) -> Stills:
        """Return all of them."""
        sources = tuple(self._sources[row] for row in self.rows)
        return Stills(tuple(self.rows), sources, *self._size, self._recipe)


def make_stills(
    movie: Movie,
    frames: Sequence[int],
    *,
    maker: StillsMaker | None = None,
    progress: Progress | None = None,
) -> Stills:
    """Encode what stills a report needs and its maker has not got yet.

    Parameters
    ----------
    movie : Movie
    frames : sequence of int
        Frame number of each row.
    maker : StillsMaker, optional
    progress : callable, optional
    """
    maker = maker if maker is not None else StillsMaker(movie, frames)
    rows = maker.missing()
    for done, frame in enumerate(movie.select([frames[row] for row in rows]), start=1):
        maker.take(rows[done - 1], shown(frame, maker.levels))
        if progress is not None:
            progress("report", done, len(rows))
    return maker.stills()


def thinned(count: int, most: int, keep: Sequence[int] = ()) -> list[int]:
    """Return rows evenly spread, with those to keep among them."""
    if count <= most:
        return list(range(count))
    wanted = set(keep)
    spread = np.linspace(0, count - 1, max(most - len(wanted), 2))
    return sorted(wanted | {round(float(row)) for row in spread})


def nearest(rows: Sequence[int], count: int) -> list[int]:
    """Return for every row of the points the number of the nearest still."""
    stations = np.asarray(rows)
    every = np.arange(count)
    right = np.clip(np.searchsorted(stations, every), 0, len(stations) - 1)
    left = np.maximum(right - 1, 0)
    closer_left = every - stations[left] <= np.abs(stations[right] - every)
    return [int(i) for i in np.where(closer_left & (stations[right] != every), left, right)]


def _plan(sample: Sequence[Grey], count: int) -> tuple[Recipe, int]:
    """Return the best recipe with which all frames fit, or how many fit with the poorest."""
    size = 0.0
    for recipe in RECIPES:
        size = _mean_size(sample, recipe)
        if size <= _budget(count):
            return recipe, count
    count = min(count, max(ALWAYS, int(FILLED * TOTAL_BYTES / size)))
    for recipe in (RECIPES[-1], *POORER):
        if _mean_size(sample, recipe) <= _budget(count):
            return recipe, count
    return POORER[-1], count


def _budget(count: int) -> float:
    """Return how many bytes each of so many stills may have."""
    return FILLED * min(MOST_BYTES_EACH, TOTAL_BYTES / count)


def _mean_size(sample: Sequence[Grey], recipe: Recipe) -> float:
    sizes = [len(_encode(grey, recipe)) for grey in sample]
    return float(np.mean(sizes)) if sizes else 0.0


def _encode(grey: Grey, recipe: Recipe) -> bytes:
    small = resized(grey, *_size(grey.shape[1], grey.shape[0], recipe.side_px))
    how = [cv2.IMWRITE_JPEG_QUALITY, recipe.quality]
    _, data = cv2.imencode(".jpg", _smoothed(small, recipe.sigma_px), how)
    return bytes(data)


def _smoothed(grey: Grey, sigma_px: float) -> Grey:
    if sigma_px <= 0:
        return grey
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), sigma_px), dtype=np.uint8)


def _size(width: int, height: int, side: int) -> tuple[int, int]:
    scale = min(side / max(width, height), 1.0)
    return max(1, round(width * scale)), max(1, round(height * scale))

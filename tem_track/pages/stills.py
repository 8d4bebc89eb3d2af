"""The pictures inside the report: few enough and light enough that the file can be mailed.

Noise is what a picture's bytes are spent on. Where the budget is short the stills are smoothed a
little and made smaller, step by step, until a sample of them fits; only when they would become too
poor to look at are there fewer of them.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image as Pictures

from tem_track.analysis import Progress
from tem_track.outputs.display import BAD_FRAME_GREY, Grey, Levels, resized, survey
from tem_track.outputs.panels import first_rows
from tem_track.records import Frame

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = ["Recipe", "Stills", "make_stills"]

TOTAL_BYTES = 15_500_000
"""In base64 a third more; marks and points of 2000 frames add some 3 MB."""
FILLED = 0.93
MOST_BYTES_EACH = 70_000
SAMPLE = 5


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a still is made: its longer side, the smoothing before, the encoder's quality."""

    side_px: int
    sigma_px: float
    quality: int


RECIPES = (
    Recipe(760, 0.0, 82),
    Recipe(640, 0.0, 80),
    Recipe(640, 0.6, 78),
    Recipe(620, 0.7, 76),
    Recipe(600, 0.8, 74),
    Recipe(580, 0.9, 72),
    Recipe(560, 1.0, 70),
    Recipe(520, 1.1, 64),
    Recipe(480, 1.3, 56),
)

POORER = (Recipe(440, 1.6, 45), Recipe(380, 1.8, 35))
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


def make_stills(
    movie: Movie,
    frames: Sequence[int],
    *,
    keep: Sequence[int] = (),
    progress: Progress | None = None,
) -> Stills:
    """Encode the frames of the rows, or a thinned choice of them where there are too many.

    Parameters
    ----------
    movie : Movie
    frames : sequence of int
        Frame number of each row.
    keep : sequence of int
        Rows that must have their own still.
    progress : callable, optional
    """
    every = first_rows(frames)
    wanted = [every.index(row) for row in keep if row in every]
    levels = survey(movie, frames).levels
    recipe, count = _plan(movie, [frames[row] for row in every], levels)
    rows = [every[number] for number in thinned(len(every), count, wanted)]
    sources = []
    width, height = _size(movie.info.width_px, movie.info.height_px, recipe.side_px)
    for done, frame in enumerate(movie.select([frames[row] for row in rows]), start=1):
        encoded = base64.b64encode(_encode(frame, levels, recipe)).decode("ascii")
        sources.append(f"data:image/webp;base64,{encoded}")
        if progress is not None:
            progress("report", done, len(rows))
    return Stills(tuple(rows), tuple(sources), width, height, recipe)


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


def _plan(movie: Movie, frames: Sequence[int], levels: Levels) -> tuple[Recipe, int]:
    """Return the best recipe with which all frames fit, or how many fit with the poorest."""
    picked = sorted({frames[round(i)] for i in np.linspace(0, len(frames) - 1, SAMPLE)})
    sample = [frame for frame in movie.select(picked) if frame.ok]
    count, size = len(frames), 0.0
    for recipe in RECIPES:
        size = _mean_size(sample, levels, recipe)
        if size <= _budget(count):
            return recipe, count
    count = min(count, max(ALWAYS, int(FILLED * TOTAL_BYTES / size)))
    for recipe in (RECIPES[-1], *POORER):
        if _mean_size(sample, levels, recipe) <= _budget(count):
            return recipe, count
    return POORER[-1], count


def _budget(count: int) -> float:
    """Return how many bytes each of so many stills may have."""
    return FILLED * min(MOST_BYTES_EACH, TOTAL_BYTES / count)


def _mean_size(sample: Sequence[Frame], levels: Levels, recipe: Recipe) -> float:
    sizes = [len(_encode(frame, levels, recipe)) for frame in sample]
    return float(np.mean(sizes)) if sizes else 0.0


def _encode(frame: Frame, levels: Levels, recipe: Recipe) -> bytes:
    grey = levels.apply(frame.image)
    if not frame.ok:
        grey = np.full_like(grey, BAD_FRAME_GREY)
    small = resized(grey, *_size(grey.shape[1], grey.shape[0], recipe.side_px))
    buffer = io.BytesIO()
    Pictures.fromarray(_smoothed(small, recipe.sigma_px)).save(
        buffer, "WEBP", quality=recipe.quality, method=1
    )
    return buffer.getvalue()


def _smoothed(grey: Grey, sigma_px: float) -> Grey:
    if sigma_px <= 0:
        return grey
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), sigma_px), dtype=np.uint8)


def _size(width: int, height: int, side: int) -> tuple[int, int]:
    scale = min(side / max(width, height), 2.0 if max(width, height) < side else 1.0)
    return max(1, round(width * scale)), max(1, round(height * scale))

"""What lies behind: the film that the stage carries, learnt where nothing has grown yet.

A carbon film or an even contamination is as fine as the edges and always in the same place against
the base. Every part of the picture that a body reaches was empty before, so the mean of the empty
frames tells it apart from the body.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray
from tem_track.specimen.growing_find import Darkness
from tem_track.specimen.resampling import resampled
from tem_track.specimen.smooth import Mask

__all__ = ["learn_film", "without_film"]

_REACH = 17  # about a body, what belongs to its blur
_DARK = 4.0
_LEAST_DARK, _MOST_DARK = 0.04, 0.2
_LEAST_FRAMES = 4
"""Frames that show a place uncovered, at least."""


def learn_film(seen: Iterable[tuple[Darkness, Mask]]) -> FloatArray | None:
    """Return the film's brightness over the vacuum's; None where no film can be told from noise.

    Parameters
    ----------
    seen : iterable of (Darkness, mask)
        Frames on one grid, registered against the base, and where each shows the space between
        the electrodes.

    Returns
    -------
    array, shape (n_s, n_t), or None
        Shrunk towards 1 where few frames tell, by what the film varies over what noise does.
    """
    parts = list(_summed(seen))
    if not parts:
        return None
    total, count, square = parts
    known = count >= _LEAST_FRAMES
    if known.mean() < 0.05:
        return None
    mean = total / np.maximum(count, 1)
    noise = (square[known] / count[known] - mean[known] ** 2) * count[known] / (count[known] - 1)
    single = float(np.mean(noise))
    film = float(np.var(mean[known])) - float(np.mean(single / count[known]))
    if film <= 0.02 * single:
        return None
    share = np.where(count > 0, film / (film + single / np.maximum(count, 1)), 0.0)
    level = float(np.mean(mean[known]))
    return np.asarray(1.0 - share * (mean - level), dtype=np.float32)


def _summed(seen: Iterable[tuple[Darkness, Mask]]) -> Iterator[FloatArray]:
    """Yield the empty frames' sum, their number and the sum of squares; nothing of no frame."""
    sums: list[FloatArray] = []
    for dark, inside in seen:
        empty = _empty(dark, inside)
        value = np.where(empty, dark.raw, 0.0)
        if not sums:
            sums = [np.zeros(value.shape) for _ in range(3)]
        for part, new in zip(sums, (value, empty, value**2), strict=True):
            part += new
    yield from sums


def _empty(dark: Darkness, inside: Mask) -> NDArray[np.bool_]:
    level = float(np.clip(_DARK * dark.noise, _LEAST_DARK, _MOST_DARK))
    full: NDArray[Any] = ((dark.smooth > level) & inside).astype(np.uint8)
    full = cv2.morphologyEx(full, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    wide = cv2.dilate(full, np.ones((_REACH, _REACH), np.uint8))
    return np.asarray(inside & (wide == 0))


def without_film(
    grey: NDArray[np.float32], film: FloatArray, shift_px: tuple[float, float]
) -> NDArray[np.float32]:
    """Divide a strip by the film, which lies `shift_px` (s, t) from where it was learnt."""
    around = np.pad(film.astype(np.float32), 2, constant_values=1.0)
    back = np.array([[1.0, 0.0, 2 - shift_px[1]], [0.0, 1.0, 2 - shift_px[0]]])
    moved = resampled(around, back, grey.shape, 1.0)
    return np.asarray(grey / np.maximum(moved, 0.2), dtype=np.float32)

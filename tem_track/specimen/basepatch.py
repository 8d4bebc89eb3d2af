"""The base's face followed by its own look, where no base is tracked."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray
from tem_track.specimen.strip import Strip

__all__ = ["BasePatch"]

_LEAST_SCORE = 0.35
"""Correlation below which the patch is not found."""


@dataclass(frozen=True, slots=True, eq=False)
class BasePatch:
    """A picture of the base about its face, and where its middle row and column were.

    Attributes
    ----------
    grey : float32 array, shape (n, m)
    s_px, t_px : float
        Position of the patch's first sample against the face (s) and in the reference (t).
    """

    grey: NDArray[np.float32]
    s_px: float
    t_px: float

    def locate(self, strip: Strip) -> tuple[float, float, float] | None:
        """Return (face's s, shift in t, u of s) in a strip, or None where it is not seen."""
        field = np.nan_to_num(strip.grey, nan=float(np.nanmedian(strip.grey)))
        if field.shape[0] < self.grey.shape[0] or field.shape[1] < self.grey.shape[1]:
            return None
        blurred = cv2.GaussianBlur(field, (0, 0), 1.0)
        score = cv2.matchTemplate(blurred, self.grey, cv2.TM_CCOEFF_NORMED)
        row, column = np.unravel_index(int(np.argmax(score)), score.shape)
        best = float(score[row, column])
        if not best > _LEAST_SCORE:
            return None
        ds, dt = _peak(np.asarray(score, dtype=np.float64), int(row), int(column))
        s = strip.grid.s_first + row + ds - self.s_px
        t = strip.grid.t_first + column + dt - self.t_px
        return float(s), float(t), 0.05


def _peak(score: FloatArray, row: int, column: int) -> tuple[float, float]:
    return _vertex(score[:, column], row), _vertex(score[row], column)


def _vertex(line: FloatArray, at: int) -> float:
    if not 0 < at < len(line) - 1:
        return 0.0
    a, b, c = line[at - 1 : at + 2]
    bend = a - 2 * b + c
    return float(0.5 * (a - c) / bend) if bend < 0 else 0.0

"""Pictures turned so that the chain of tip, specimen and base stands upright, and the way back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.propose.glance import Picture
from tem_track.records import FloatArray

__all__ = ["Edges", "Turn"]

Edges = tuple[float, float, float, float]


@dataclass(frozen=True)
class Turn:
    """A turn about the picture's centre that brings a direction to straight up.

    What lies beyond the picture's border repeats the border, so that a tip that comes in from the
    side still reaches the turned picture's first row.

    Attributes
    ----------
    angle_deg : float
        Direction in the picture as it is, clockwise from straight up, that points up when turned.
    shape : (int, int)
        Rows and columns of the picture as it is.
    """

    angle_deg: float
    shape: tuple[int, int]

    @property
    def cos_sin(self) -> tuple[float, float]:
        """Cosine and sine; exact for quarter turns."""
        angle = math.radians(self.angle_deg)
        return (round(math.cos(angle), 12), round(math.sin(angle), 12))

    @property
    def turned_shape(self) -> tuple[int, int]:
        """Rows and columns of the turned picture, which holds the whole of the other."""
        (rows, columns), (c, s) = self.shape, (abs(v) for v in self.cos_sin)
        high, wide = columns * s + rows * c, columns * c + rows * s
        return (math.ceil(high - 1e-6), math.ceil(wide - 1e-6))

    def picture(self, stack: Picture) -> Picture:
        """Return turned pictures, shape (n, rows, columns)."""
        return np.stack([self._warp(picture, cv2.BORDER_REPLICATE) for picture in stack])

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """Pixels of the turned picture that the picture as it is shows."""
        return self.mask(np.ones(self.shape, dtype=bool))

    def mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return a mask of the picture as it is in the turned one, false beyond its border."""
        turned = self._warp(mask.astype(np.float32), cv2.BORDER_CONSTANT)
        return np.asarray(turned > 0.5)

    def back(self, edges: Edges) -> Edges:
        """Return what holds a box (x0, y0, x1, y1), open ends, in the picture as it is.

        The part of the box that lies outside of the picture is cut away first.
        """
        x0, y0, x1, y1 = edges
        xs, ys = np.linspace(x0, x1, 65) - 0.5, np.linspace(y0, y1, 65) - 0.5
        grid = np.stack([g.ravel() for g in np.meshgrid(xs, ys)], axis=1)
        points = self.points_back(grid)
        rows, columns = self.shape
        seen = (points > -0.5 - 1e-6).all(axis=1) & (
            points < np.array([columns, rows]) - 0.5 + 1e-6
        ).all(axis=1)
        points = points[seen] if seen.any() else points
        (left, top), (right, bottom) = points.min(axis=0) + 0.5, points.max(axis=0) + 0.5
        return (float(left), float(top), float(right), float(bottom))

    def points_back(self, points: FloatArray) -> FloatArray:
        """Return points (n, 2) of the turned picture in the picture as it is."""
        matrix = self._matrix
        out: FloatArray = (points - matrix[:, 2]) @ matrix[:, :2]
        return out

    def vectors(self, vectors: FloatArray) -> FloatArray:
        """Return vectors (n, 2) of the picture as it is in the turned one."""
        out: FloatArray = vectors @ self._matrix[:, :2].T
        return out

    def vectors_back(self, vectors: FloatArray) -> FloatArray:
        """Return vectors (n, 2) of the turned picture in the picture as it is."""
        out: FloatArray = vectors @ self._matrix[:, :2]
        return out

    @property
    def _matrix(self) -> FloatArray:
        """Rotation and shift, shape (2, 3), from points (x, y) as they are to turned ones."""
        c, s = self.cos_sin
        rotation = np.array([[c, s], [-s, c]])
        (rows, columns), (high, wide) = self.shape, self.turned_shape
        centre = np.array([(columns - 1) / 2, (rows - 1) / 2])
        shift = np.array([(wide - 1) / 2, (high - 1) / 2]) - rotation @ centre
        return np.column_stack([rotation, shift])

    def _warp(self, picture: Picture, border: int) -> Picture:
        high, wide = self.turned_shape
        warped = cv2.warpAffine(
            picture, self._matrix, (wide, high), flags=cv2.INTER_LINEAR, borderMode=border
        )
        return np.asarray(warped, dtype=np.float32)

"""What is kept of the sampled frames: the target's surroundings, at whole-pixel places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray, Image
from tem_track.tracking.splines import MARGIN

if TYPE_CHECKING:
    from tem_track.tracking.illumination import Light

__all__ = ["SLACK", "Crop", "cut"]

SLACK = MARGIN + 6
"""Pixels kept around the box: the template's margin and room for the interpolation."""


@dataclass(slots=True, eq=False)
class Crop:
    """The surroundings of a target in one frame.

    Attributes
    ----------
    image : Image
        Shape (h + 2 SLACK, w + 2 SLACK), in the movie's own depth; continued beyond the border.
    x, y : int
        Place of the box's top-left pixel in the frame.
    inside : (int, int, int, int)
        Top, bottom, left, right of the part of `image` that the frame really holds.
    start : (float, float)
        Where the target's box seems to be, (x, y) from the crop's own.
    agreed : bool (h, w) or None
        The pixels that looked like the reference frame when the crop was cut.
    uneven : Image or None
        What `image` was before the beam's brightness was divided out.
    frame : int
        Number of the frame in the movie; -1 where it is not known.
    hidden : bool (h, w) or None
        The pixels of the box over which another body passes.
    """

    image: Image
    x: int
    y: int
    inside: tuple[int, int, int, int]
    start: tuple[float, float] = (0.0, 0.0)
    agreed: NDArray[np.bool_] | None = None
    uneven: Image | None = None
    frame: int = -1
    hidden: NDArray[np.bool_] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the frame shows all of it."""
        top, bottom, left, right = self.inside
        return self.hidden is None and (top, left) == (0, 0) and (bottom, right) == self.image.shape

    def even(self, light: Light) -> None:
        """Divide the picture, as it was in the movie, by the beam's brightness."""
        self.uneven = self.image if self.uneven is None else self.uneven
        self.image = light.evened_part(self.uneven, self.x - SLACK, self.y - SLACK)

    def visible(self) -> FloatArray:
        """Return 1 where the frame shows the pixel, 0 beyond its border and where it is hidden."""
        seen = np.zeros(self.image.shape)
        top, bottom, left, right = self.inside
        seen[top:bottom, left:right] = 1
        if self.hidden is not None:
            seen[np.pad(self.hidden, SLACK, mode="edge")] = 0
        return seen


def cut(image: Image, x: int, y: int, shape: tuple[int, int]) -> Crop | None:
    """Cut out a box of a shape (h, w) with its surroundings; None if it lies outside."""
    h, w = shape[0] + 2 * SLACK, shape[1] + 2 * SLACK
    top, left = y - SLACK, x - SLACK
    y0, y1 = max(0, top), min(image.shape[0], top + h)
    x0, x1 = max(0, left), min(image.shape[1], left + w)
    if y1 - y0 < 4 or x1 - x0 < 4:
        return None
    inside = (y0 - top, y1 - top, x0 - left, x1 - left)
    part = cv2.copyMakeBorder(
        np.ascontiguousarray(image[y0:y1, x0:x1]),
        inside[0], h - inside[1], inside[2], w - inside[3], cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return Crop(part, x, y, inside)

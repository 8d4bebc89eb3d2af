"""X-rays and cosmic rays: single pixels of one frame, far brighter than anything beside them.

In the dark of a bar, where hardly an electron falls, one such pixel outweighs in the fit all that
the frame shows of the bar's edges. Behind a lens nothing is as sharp, so it is told in the frame
itself, without others, and is given its neighbours' grey.
"""

from __future__ import annotations

import cv2
import numpy as np

from tem_track.records import Image
from tem_track.tracking.defects import around, stand_out

__all__ = ["without_rays"]

GLARING = 0.25
"""How far a pixel stands out at least, over the range of grey."""
SIGMAS = 10.0
"""And over the noise beside it."""
ALONE = 0.6
"""Part of that by which it exceeds the brightest neighbour: no part of a burnt-in stroke does."""
MOST = 2e-3
"""More of the pixels are no rays but what the movie shows."""


def without_rays(image: Image, range_grey: float | None = None) -> Image:
    """Return the image with the pixels that rays have hit mended; itself where there are none.

    Parameters
    ----------
    image : Image
        Shape (h, w), uint8, uint16 or float32.
    range_grey : float, optional
        Range of grey of the whole frame, where the image is a part: a dark one has next to none.
    """
    if image.dtype.name not in ("uint8", "uint16", "float32") or min(image.shape) < 3:
        return image
    grey = np.ascontiguousarray(image)
    out, usual = stand_out(grey)
    if range_grey is None:
        low, high = np.quantile(grey[::16, ::16], [0.01, 0.99])
        range_grey = float(high - low)
    y, x = np.nonzero((out > GLARING * range_grey) & (out > SIGMAS * usual))
    if not y.size:
        return image
    above = grey[y, x] - around(grey, y, x).max(axis=0).astype(np.float32)
    alone = above > ALONE * out[y, x]
    y, x = y[alone], x[alone]
    if not 0 < y.size <= MOST * grey.size:
        return image
    mended: Image = grey.copy()
    mended[y, x] = cv2.medianBlur(grey, 3)[y, x]
    return mended

"""Large pictures of a specimen are averaged down before they are outlined.

Edges are fitted within windows of some pixels, which suit a specimen of one to a few hundred. On
a detector of 4096 pixels a fringe, a rounded corner or the grain of the film is many pixels wide,
and such a window sees only a part of it. Averaging whole blocks of pixels first loses nothing: the
noise falls with it, and what remains is finer than the edge's own width.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import cv2
import numpy as np

from tem_track.records import Axis, Box, Image, Match, Outline

__all__ = ["blocks_for", "enlarged", "reduced", "reduced_box", "reduced_match"]

_USUAL_PX, _USUAL_BALL_PX = 320.0, 260.0
"""Width of a box that is outlined as it is; up to half as much again.

A ball is as wide as its box, and its layer and curvature reach deep behind its edges.
"""


def blocks_for(box: Box, axis: Axis, *, is_long: bool = True) -> int:
    """Return the side of the blocks of pixels that are averaged, 1 for a specimen of usual size.

    The shorter side of the box counts, of a ball or a crystal the mean of both.

    Parameters
    ----------
    box : Box
        As drawn around the specimen.
    axis : Axis
        The loading axis, or a guess of it.
    is_long : bool
        Whether the specimen is a rod.
    """
    across, along = axis.across, axis.along
    width = box.width_px * abs(across[0]) + box.height_px * abs(across[1])
    height = box.width_px * abs(along[0]) + box.height_px * abs(along[1])
    side = min(width, height) / _USUAL_PX if is_long else (width + height) / 2 / _USUAL_BALL_PX
    return max(1, round(side))


def reduced(image: Image, k: int) -> Image:
    """Return the means of blocks of k by k pixels, float32; a rest at the far borders is cut."""
    from tem_track.reducing import WHOLE, mean_blocks

    if image.dtype.name in WHOLE:
        return np.asarray(mean_blocks(image, k))
    h, w = image.shape[0] // k, image.shape[1] // k
    whole = np.ascontiguousarray(image[: h * k, : w * k]).astype(np.float32)
    return np.asarray(cv2.resize(whole, (w, h), interpolation=cv2.INTER_AREA))


def _down(position_px: float, k: int) -> float:
    return (position_px - (k - 1) / 2) / k


def reduced_match(match: Match, k: int) -> Match:
    """Return a match in the reduced picture."""
    return replace(
        match,
        x_px=_down(match.x_px, k),
        y_px=_down(match.y_px, k),
        xx_px2=match.xx_px2 / k**2,
        xy_px2=match.xy_px2 / k**2,
        yy_px2=match.yy_px2 / k**2,
    )


def reduced_box(box: Box, k: int) -> Box:
    """Return the box in the reduced picture, on whole pixels and no smaller."""
    x, y = box.x_px // k, box.y_px // k
    right, bottom = -(-(box.x_px + box.width_px) // k), -(-(box.y_px + box.height_px) // k)
    return Box(x, y, right - x, bottom - y)


def enlarged(outline: Outline, k: int) -> Outline:
    """Return an outline of the reduced picture in pixels of the whole one."""
    changed: dict[str, Any] = {}
    for field in fields(outline):
        name = field.name
        value = getattr(outline, name)
        if name in ("midline_px", "left_px", "right_px"):
            changed[name] = value * k + (k - 1) / 2
        elif name in ("base_face_px", "tip_face_px"):
            changed[name] = tuple(k * at + (k - 1) / 2 for at in value)
        elif name.endswith("_px"):
            changed[name] = value * k
        elif name.endswith("_px3"):
            changed[name] = value * k**3
    extra = {key: v * k if key.endswith("_px") else v for key, v in outline.extra.items()}
    return replace(outline, **changed, extra=extra)

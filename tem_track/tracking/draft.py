"""The first look at a target, from its reference frame alone."""

from __future__ import annotations

import math

import cv2
import numpy as np

from tem_track.errors import TrackingError
from tem_track.records import Box, FloatArray, Image, Reference, Target
from tem_track.tracking.crops import SLACK, Crop, cut
from tem_track.tracking.look import Limits, Look
from tem_track.tracking.noise import single_frame_variance
from tem_track.tracking.template import Template

__all__ = ["draft_look", "reference_crop"]

BLUR_PX = 1.0
DRAFT_FRAMES = 12
"""A blur by one pixel takes as much noise off a single frame as averaging this many."""


def _whole(box: Box, shape: tuple[int, ...], name: str) -> tuple[int, int, int, int]:
    x, y = round(box.x_px), round(box.y_px)
    w, h = round(box.width_px), round(box.height_px)
    x1, y1 = min(x + w, shape[1]), min(y + h, shape[0])
    x, y = max(x, 0), max(y, 0)
    if x1 - x < 8 or y1 - y < 8:
        raise TrackingError(
            f"the {name}'s box {[x, y, w, h]} leaves less than 8 pixels inside the frame of "
            f"{shape[1]}x{shape[0]} px: draw it larger and inside the frame"
        )
    return x, y, x1 - x, y1 - y


def reference_crop(image: Image, ref: Reference, target: Target) -> tuple[Crop, tuple[int, int]]:
    """Cut a reference's box out of its frame; return it with the box's height and width."""
    x, y, w, h = _whole(ref.box, image.shape, target.name)
    crop = cut(image, x, y, (h, w))
    assert crop is not None
    return crop, (h, w)


def _point_in_box(target: Target, ref: Reference, crop: Crop) -> tuple[float, float]:
    """Return the point (x, y), counted from the crop's box; it keeps its place in the box."""
    first = target.references[0].box
    x = target.point_px[0] - first.x_px + ref.box.x_px - crop.x
    y = target.point_px[1] - first.y_px + ref.box.y_px - crop.y
    return (x, y)


def draft_look(image: Image, ref: Reference, target: Target) -> Look:
    """Make a look from the reference frame alone, good enough to register others."""
    crop, (h, w) = reference_crop(image, ref, target)
    grey = crop.image.astype(float)
    if not np.isfinite(grey).all() or float(np.ptp(grey[SLACK:-SLACK, SLACK:-SLACK])) <= 0:
        raise TrackingError(
            f"the {target.name}'s box in frame {ref.frame} is uniform: nothing in it can be "
            "followed; draw it over an edge or a texture"
        )
    state = Template(_point_in_box(target, ref, crop), (h, w))
    state.template = np.asarray(cv2.GaussianBlur(grey, (0, 0), BLUR_PX), float)
    state.base = float(grey[SLACK:-SLACK, SLACK:-SLACK].mean())
    state.noise = _flat_noise(single_frame_variance(grey))
    state.mask = np.ones((h, w), bool)
    state.n_frames = DRAFT_FRAMES
    return state.look(Limits(1.0, math.inf, 1.0, gain=(0.05, 20.0), seen=0.3))


def _flat_noise(level: float) -> FloatArray:
    return np.array([level, 0.0, 0.0, level])

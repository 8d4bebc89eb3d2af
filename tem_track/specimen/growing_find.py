"""Which bodies stand on the electrode in one frame, and roughly where."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from tem_track.records import FloatArray
from tem_track.specimen.smooth import Mask
from tem_track.specimen.strip import Strip

__all__ = ["Darkness", "Patch", "darkness_map", "find_patches"]

BLOCK_PX = 8
"""Side of the blocks of vacuum through which its brightness is laid."""
_LEAST_DARK, _MOST_DARK = 0.05, 0.25
_LEAST_HEIGHT_PX = 6
"""Least height of a body: what is lower is the base's face."""
_SWELLS = 1.4  # a tube in the course of the movie
_LEAST_AREA_PX2 = 40
"""Least area of what is looked at: a speck of noise is smaller."""
_FOOT_PX = 9
"""Height above the base's face in which a body begins, else it belongs to something else."""
_PROMINENCE = 0.15
_LEAST_PROMINENCE_PX = 7.0
_LOWEST = 0.25
_LOPSIDED = 1.1
_LEAST_SHOULDER_PX = 8
"""What parts tops into bodies: depth of the valley between, over the lower top and in px; height
over the highest top's; and for a shoulder, where there are several bodies, width of the wider side
over the narrower's, and how much wider in px."""


@dataclass(frozen=True, slots=True)
class Patch:
    """Where a body is to be measured, in strip coordinates.

    Attributes
    ----------
    t_low_px, t_high_px : float
        Its sides, to some pixels.
    top_px : float
        Its highest point.
    middle_px : float
        Where across the axis the highest point lies.
    cut_low_px, cut_high_px : float
        Up to which height a neighbour hides the left and the right side; -inf where none does.
    area_px2 : float
    at_border : bool
        A side of it lies beyond the border of what is seen.
    beyond : bool
        Its end is not seen: it lies beyond the picture, or beyond the box where no tip ends it.
    """

    t_low_px: float
    t_high_px: float
    top_px: float
    middle_px: float
    area_px2: float
    cut_low_px: float = -np.inf
    cut_high_px: float = -np.inf
    at_border: bool = False
    beyond: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Darkness:
    """The missing share of the vacuum's brightness, shape (n_s, n_t); 0 outside the space.

    Attributes
    ----------
    raw, smooth : array
        Pixel by pixel, and averaged over 5 x 5 of them.
    noise : float
        Standard deviation of the smoothed values in the vacuum.
    """

    raw: FloatArray
    smooth: FloatArray
    noise: float


def darkness_map(strip: Strip, inside: Mask) -> Darkness:
    """Compare a strip with the vacuum's brightness.

    The vacuum is a plane through the brighter blocks of what lies between the electrodes.

    Parameters
    ----------
    strip : Strip
    inside : array of bool, shape (n_s, n_t)
        Pixels between the electrodes and in the picture.
    """
    grey = np.where(np.isfinite(strip.grey), strip.grey, 0.0).astype(np.float32)
    weight = cv2.blur(inside.astype(np.float32), (5, 5))
    smooth = cv2.blur(np.where(inside, grey, np.float32(0)), (5, 5)) / np.maximum(weight, 1e-3)
    half = BLOCK_PX // 2
    rows, columns = np.nonzero(inside[half::BLOCK_PX, half::BLOCK_PX])
    s, t = rows * BLOCK_PX + half, columns * BLOCK_PX + half
    value = cv2.blur(smooth, (BLOCK_PX, BLOCK_PX))[s, t].astype(np.float64)
    plane, spread = _vacuum(s, t, value, strip.grey.shape)
    dark = np.where(inside, 1.0 - smooth / plane, 0.0)
    free = dark[s, t][np.abs(value - plane[s, t]) < 3 * spread]
    noise = 1.4826 * float(np.median(np.abs(free - np.median(free)))) if free.size else 1.0
    raw = np.where(inside, 1.0 - grey / plane, 0.0)
    return Darkness(raw, np.asarray(dark, dtype=np.float64), noise)


def _vacuum(
    s: NDArray[np.intp], t: NDArray[np.intp], value: FloatArray, shape: tuple[int, ...]
) -> tuple[FloatArray, float]:
    """Return the plane of the vacuum's brightness, and how far single blocks lie from it."""
    if value.size < 12:
        return np.full(shape, max(float(value.max(initial=1.0)), 1e-6)), 1.0
    design = np.column_stack([np.ones(len(s)), s / shape[0] - 0.5, t / shape[1] - 0.5])
    level = float(np.percentile(value, 90))
    use = value > 0.93 * level
    solution = np.array([level, 0.0, 0.0])
    spread = 0.03 * level
    for _ in range(4):
        if use.sum() < 12:
            break
        solution = np.linalg.lstsq(design[use], value[use], rcond=None)[0]
        rest = value - design @ solution
        spread = max(1.4826 * float(np.median(np.abs(rest[use]))), 1e-3 * level)
        use = np.abs(rest) < 3 * spread
    i, j = np.arange(shape[0]) / shape[0] - 0.5, np.arange(shape[1]) / shape[1] - 0.5
    plane = solution[0] + solution[1] * i[:, None] + solution[2] * j[None, :]
    return np.maximum(plane, 1e-3 * level), spread


def find_patches(
    dark: Darkness, strip: Strip, face_px: FloatArray, tube_px: float, several: bool
) -> list[Patch]:
    """Return the bodies that stand on the base's face, the largest first.

    Parameters
    ----------
    dark : Darkness
    strip : Strip
    face_px : array, shape (n_t,)
        The base's face in every column.
    tube_px : float
        Width of a nanotube that stands there and is no body; 0 without.
    several : bool
        Whether the movie shows more than one body: a shoulder is another one's then.
    """
    level = float(np.clip(5.0 * dark.noise, _LEAST_DARK, _MOST_DARK))
    mask: NDArray[Any] = (dark.smooth > level).astype(np.uint8)
    wide = round(_SWELLS * tube_px) + 10 if tube_px else 3
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((1, wide), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    found: list[Patch] = []
    for label in range(1, count):
        if stats[label, cv2.CC_STAT_AREA] >= _LEAST_AREA_PX2:
            found += _lobes(labels == label, strip, face_px, several)
    return sorted(found, key=lambda patch: -patch.area_px2)


def _lobes(body: Mask, strip: Strip, face_px: FloatArray, several: bool) -> list[Patch]:
    """Cut a silhouette into the bodies whose tops stand apart."""
    s, t = strip.grid.s_px, strip.grid.t_px
    columns = np.flatnonzero(body.any(axis=0))
    first, last = int(columns[0]), int(columns[-1])
    part = body[:, first : last + 1]
    top = s[len(s) - 1 - np.argmax(part[::-1], axis=0)]
    foot = s[np.argmax(part, axis=0)] - face_px[first : last + 1]
    has = part.any(axis=0)
    height = np.where(has, top - face_px[first : last + 1], 0.0)
    if height.max() < _LEAST_HEIGHT_PX or foot[has].min() > _FOOT_PX:
        return []
    smooth = median_filter(height, size=5, mode="nearest")
    edges, tops = _cuts(smooth, several)
    seen = np.flatnonzero(np.isfinite(strip.grey).any(axis=0))
    cut_off = first <= seen[0], last >= seen[-1]
    found = []
    for k, (low, high) in enumerate(pairwise(edges)):
        peak = first + tops[k]
        patch = Patch(
            float(t[first + low]),
            float(t[first + high]),
            float(smooth[low : high + 1].max() + face_px[peak]),
            float(t[peak]),
            float(part[:, low : high + 1].sum()),
            at_border=(cut_off[0] and k == 0) or (cut_off[1] and k == len(tops) - 1),
        )
        left = smooth[low] + face_px[first + low] if k else -np.inf
        right = smooth[high] + face_px[first + high] if k < len(tops) - 1 else -np.inf
        found.append(replace(patch, cut_low_px=float(left), cut_high_px=float(right)))
    return found


def _cuts(height: FloatArray, several: bool) -> tuple[list[int], list[int]]:
    """Return the columns between which single tops lie, and the tops' columns."""
    from scipy.signal import find_peaks  # costs a second

    padded = np.concatenate([[0.0], height, [0.0]])
    peaks, found = find_peaks(padded, prominence=_LEAST_PROMINENCE_PX, plateau_size=1)
    strong = found["prominences"] > _PROMINENCE * padded[peaks]
    strong &= padded[peaks] > _LOWEST * padded.max()
    peaks = _parted(height, peaks[strong] - 1)
    if len(peaks) < 2:
        top = np.flatnonzero(height > 0.97 * height.max())
        middle = round(float(top.mean()))
        return _shoulder(height, middle) if several else ([0, len(height) - 1], [middle])
    valleys = [int(a + np.argmin(height[a : b + 1])) for a, b in pairwise(peaks)]
    return [0, *valleys, len(height) - 1], peaks


def _parted(height: FloatArray, peaks: NDArray[np.intp]) -> list[int]:
    """Keep of tops of equal height without a valley between them the first."""
    kept: list[int] = []
    for peak in peaks.tolist():
        if kept:
            lower = min(height[kept[-1]], height[peak])
            valley = height[kept[-1] : peak + 1].min()
            if lower - valley < max(_LEAST_PROMINENCE_PX, _PROMINENCE * lower):
                continue
        kept.append(peak)
    return kept


def _shoulder(height: FloatArray, middle: int) -> tuple[list[int], list[int]]:
    """Cut off what a silhouette has on one side of its top beyond what it has on the other."""
    last = len(height) - 1
    left, right = middle, last - middle
    narrow, wide = min(left, right), max(left, right)
    if wide < _LOPSIDED * narrow or wide - narrow < _LEAST_SHOULDER_PX:
        return [0, last], [middle]
    cut = middle + narrow if right > left else middle - narrow
    beyond = slice(cut, last + 1) if right > left else slice(0, cut + 1)
    other = int(np.argmax(height[beyond])) + (cut if right > left else 0)
    return [0, cut, last], sorted([middle, other])

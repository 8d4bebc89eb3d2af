"""Burnt-in writing and the scale bar: exactly still in the frame, with hard edges, without noise.

What belongs to the scene trembles with the camera and carries shot noise; what a program has
written into the pixels does neither.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.propose.glance import Glance
from tem_track.propose.proposal import ScaleBar
from tem_track.records import Box, FloatArray

__all__ = ["Writing", "find_writing", "without_writing"]

Mask = NDArray[np.bool_]

QUIET = 0.6
"""Noise of written pixels over that of vacuum, at most."""

HARD = 0.45
"""Share of a written edge's step that lies between two neighbouring pixels, at least."""

FLAT = 0.06
"""Writing has one ink: it varies by less than this, over the range from black to vacuum."""

MOST = 12
"""More separate labels than this are the scene's own texture."""

LARGEST = {"dark": 0.006, "bright": 0.3}
"""Area over the frame's: bright panels may be large; what is dark and large is the bar."""

SLENDER = 5.0
"""A scale bar is at least this many times as long as thick."""


@dataclass(frozen=True, slots=True)
class Writing:
    """Boxes of burnt-in writing, and the scale bar if there is one."""

    boxes: tuple[Box, ...] = ()
    scale_bar: ScaleBar | None = None


@dataclass(frozen=True, eq=False)
class _Piece:
    x: int
    y: int
    width: int
    height: int
    fill: float
    ink: float


def find_writing(glance: Glance) -> Writing:
    """Find burnt-in labels and the scale bar in the movie's mean picture."""
    if len(glance.frames) < 3:
        return Writing()
    pieces = [piece for sign in (1.0, -1.0) for piece in _pieces(glance, sign)]
    pieces = pieces or _pieces(glance, 1.0, beyond=False)  # white, where objects are white too
    if not pieces:
        return Writing()
    boxes = _grouped(pieces, glance.size_px)
    if len(boxes) > MOST:
        return Writing()
    bars = [piece for piece in pieces if _is_bar(piece, glance)]
    bar = max(bars, key=lambda piece: piece.width, default=None)
    return Writing(tuple(boxes), None if bar is None else _measured(bar, glance))


def without_writing(glance: Glance, writing: Writing) -> Glance:
    """Return the look with what surrounds each label in the label's place."""
    clear = glance.clear.copy()
    rows, columns = clear.shape[1:]
    covered = np.zeros((rows, columns), dtype=bool)
    for box in writing.boxes:
        x0, y0 = (math.floor(v / glance.step) - 1 for v in (box.x_px, box.y_px))
        x1 = math.ceil((box.x_px + box.width_px) / glance.step) + 1
        y1 = math.ceil((box.y_px + box.height_px) / glance.step) + 1
        ring = np.zeros((rows, columns), dtype=bool)
        ring[max(y0 - 2, 0) : y1 + 2, max(x0 - 2, 0) : x1 + 2] = True
        ring[max(y0, 0) : y1, max(x0, 0) : x1] = False
        if ring.any():
            around = np.median(clear[:, ring], axis=1)
            clear[:, max(y0, 0) : y1, max(x0, 0) : x1] = around[:, None, None]
            covered[max(y0, 0) : y1, max(x0, 0) : x1] = True
    return replace(glance, clear=clear, covered=covered)


def _pieces(glance: Glance, sign: float, beyond: bool = True) -> list[_Piece]:
    """Return the written pieces: whiter than all else (sign +1), or black on something bright.

    Without `beyond`, white pieces are as white as the scene's own objects, and then they have to
    stand on something dark.
    """
    low, high = sorted(glance.grey_range)
    span = max(high - low, 1e-6)
    near = np.abs(glance.mean - glance.grey_range[1]) < 0.1 * span
    noise = float(np.median(glance.std[near])) if near.any() else 0.0
    quiet = glance.std < max(QUIET * noise, 0.01 * span)
    whiter = high + 0.06 * span if beyond else high - 0.1 * span
    inked_level = glance.mean > whiter if sign > 0 else glance.mean < low + 0.15 * span
    mask = quiet & inked_level
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    largest = LARGEST["bright" if sign > 0 and beyond else "dark"] * mask.size
    found = []
    for i in range(1, count):
        x, y, width, height, area = (int(v) for v in stats[i])
        if area < 4 or area > largest or min(width, height) < 2:
            continue
        part = labels[y : y + height, x : x + width] == i
        least = 0.0 if sign > 0 and beyond else 0.6 * span
        if _is_hard(glance.mean, part, (x, y), least):
            inked = glance.mean[y : y + height, x : x + width][part]
            ink = float(np.percentile(sign * inked, 90))
            if ink - float(np.median(sign * inked)) < FLAT * span:
                found.append(_Piece(x, y, width, height, area / (width * height), ink))
    full = max((piece.ink for piece in found), default=0.0)
    return [piece for piece in found if full - piece.ink < FLAT * span]


def _is_hard(mean: FloatArray, part: Mask, at: tuple[int, int], least: float) -> bool:
    """Whether most of the piece's edge falls off from one pixel to the next, by `least` or more."""
    reach = 3
    rows, columns = mean.shape
    x, y = at
    y0, x0 = max(y - reach, 0), max(x - reach, 0)
    y1, x1 = min(y + part.shape[0] + reach, rows), min(x + part.shape[1] + reach, columns)
    mask = np.zeros((y1 - y0, x1 - x0), dtype=np.uint8)
    mask[y - y0 : y - y0 + part.shape[0], x - x0 : x - x0 + part.shape[1]] = part
    kernel = np.ones((3, 3), dtype=np.uint8)
    around = (cv2.dilate(mask, kernel, iterations=3) > 0) & (
        cv2.dilate(mask, kernel, iterations=2) == 0
    )
    local = mean[y0:y1, x0:x1]
    if not around.any():
        return False
    step = abs(float(np.median(local[mask > 0]) - np.median(local[around])))
    fall = _largest_step(local)
    edge = (mask > 0) & (cv2.erode(mask, kernel) == 0)
    return bool(step > least and np.median(fall[edge]) > HARD * step)


def _largest_step(local: FloatArray) -> FloatArray:
    """Return the largest difference of each pixel to one of its four neighbours."""
    padded = np.pad(local, 1, mode="edge")
    middle = padded[1:-1, 1:-1]
    sides = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    out: FloatArray = np.max([np.abs(side - middle) for side in sides], axis=0)
    return out


def _grouped(pieces: list[_Piece], size_px: tuple[int, int]) -> list[Box]:
    """Return boxes around pieces that stand together, as the letters of a line do."""
    mask = np.zeros(size_px, dtype=np.uint8)
    tall = float(np.median([piece.height for piece in pieces]))
    gap = max(3, round(1.2 * tall))
    for p in pieces:
        mask[
            max(p.y - gap // 3, 0) : p.y + p.height + gap // 3,
            max(p.x - gap, 0) : p.x + p.width + gap,
        ] = 1
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    boxes = []
    for i in range(1, count):
        x, y, width, height, _ = (int(v) for v in stats[i])
        inside = [p for p in pieces if x <= p.x < x + width and y <= p.y < y + height]
        if sum(p.width * p.height for p in inside) >= 12:
            boxes.append(_around(inside, size_px))
    return boxes


def _around(pieces: list[_Piece], size_px: tuple[int, int]) -> Box:
    x0 = max(min(p.x for p in pieces) - 2, 0)
    y0 = max(min(p.y for p in pieces) - 2, 0)
    x1 = min(max(p.x + p.width for p in pieces) + 2, size_px[1])
    y1 = min(max(p.y + p.height for p in pieces) + 2, size_px[0])
    return Box(x0, y0, x1 - x0, y1 - y0)


def _is_bar(piece: _Piece, glance: Glance) -> bool:
    columns = glance.size_px[1]
    long_enough = piece.width >= 0.03 * columns and piece.width < 0.9 * columns
    return long_enough and piece.width >= SLENDER * piece.height and piece.fill > 0.8


def _measured(piece: _Piece, glance: Glance) -> ScaleBar:
    """Measure the bar from half level to half level, over its inner rows."""
    inner = slice(piece.y + piece.height // 4, piece.y + max(piece.height - piece.height // 4, 1))
    line = glance.mean[inner].mean(axis=0)
    level = float(np.median(line[piece.x : piece.x + piece.width]))
    left = _crossing(line, piece.x, -1, level)
    right = _crossing(line, piece.x + piece.width - 1, 1, level)
    box = Box(piece.x, piece.y, piece.width, piece.height)
    return ScaleBar(box, right - left, 0.3)


def _crossing(line: FloatArray, start: int, step: int, level: float) -> float:
    """Return where the line falls to half way between the bar and what is beside it."""
    beyond = [i for i in range(start + 3 * step, start + 7 * step, step) if 0 <= i < line.size]
    if not beyond:
        return start + 0.5 * step
    half = (level + float(np.median(line[beyond]))) / 2
    sign = 1.0 if level > half else -1.0
    i = start - 2 * step
    while 0 <= i + step < line.size and sign * (line[i + step] - half) > 0:
        i += step
    if not 0 <= i + step < line.size:
        return start + 0.5 * step
    fall = float(line[i] - line[i + step])
    return i + step * float(line[i] - half) / fall if fall else float(i)

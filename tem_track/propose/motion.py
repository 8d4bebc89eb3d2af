"""How parts of the reduced picture move from frame to frame, and the direction they move in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.propose.glance import Picture
from tem_track.records import Axis, FloatArray

__all__ = ["Track", "axis_of_motion", "follow"]

GOOD = 0.6
"""Correlation below which a place is not believed."""

EVEN = 0.1
"""Least contrast of a place over that of what is sought."""

CLEARLY, LEAST_AMISS = 0.4, 0.03
"""Mismatch, at most, from which a place that is cut by the picture's border is believed instead of
the best within: as part of that one's, and at all. Less is seen of it, and what is put in the place
of the rest looks like anything dark."""

LEAST_SHOWN = 0.15
"""Share of a box that must show the scene."""

SYSTEMATIC_PX = 0.12
"""What following a part by correlation may be off, beyond noise, as its surroundings change."""


@dataclass(frozen=True, eq=False)
class Track:
    """Where a box of the first picture is found in the others.

    Attributes
    ----------
    moved : FloatArray, shape (n, 2)
        Motion (x, y) since the first picture, in its pixels; NaN where it is not found.
    score : FloatArray, shape (n,)
        Correlation, 1 perfect.
    """

    moved: FloatArray
    score: FloatArray


def follow(
    clear: Picture,
    box: tuple[int, int, int, int],
    reach: tuple[int, int],
    shown: NDArray[np.bool_] | None = None,
    model: Picture | None = None,
) -> Track:
    """Find a box (x0, y0, x1, y1) of the first picture, or of a model, in every picture.

    `reach` is how far it may move (x, y), in pixels; `shown` are the pixels that show the scene.
    What was put in the place of bar and labels stands still, and would hold the box back. What is
    cut by the picture's border goes on beyond it, and may be shifted there. Good for the fraction
    of a pixel.
    """
    x0, y0, x1, y1 = box
    rows, columns = clear.shape[1:]
    template = (clear[0] if model is None else model)[y0:y1, x0:x1]
    left, up = max(x0 - reach[0], 0), max(y0 - reach[1], 0)
    right, down = min(x1 + reach[0], columns), min(y1 + reach[1], rows)
    above, below = (reach[1] if cut else 1 for cut in (y0 == 0, y1 == rows))
    before, behind = (reach[0] if cut else 1 for cut in (x0 == 0, x1 == columns))
    moved, score = np.full((len(clear), 2), np.nan), np.zeros(len(clear))
    mask = None if shown is None or shown[y0:y1, x0:x1].all() else shown[y0:y1, x0:x1]
    if mask is not None and mask.mean() < LEAST_SHOWN:
        return Track(moved, score)
    if float((template if mask is None else template[mask]).std()) < 1e-3:
        return Track(moved, score)
    for k, picture in enumerate(clear):
        window = np.pad(
            picture[up:down, left:right], ((above, below), (before, behind)), mode="edge"
        )
        match = _correlation(window, template, mask)
        (x, y), score[k] = _peak(match)
        rim = (above - 1, below - 1, before - 1, behind - 1)
        within, usual = _peak_within(match, rim)
        if 1 - score[k] > min(CLEARLY * (1 - usual), LEAST_AMISS):
            (x, y), score[k] = within, usual
        if score[k] >= GOOD:
            moved[k] = (left - before + x - x0, up - above + y - y0)
    return Track(moved - np.nan_to_num(moved[0]), score)


def _correlation(
    window: Picture, template: Picture, mask: NDArray[np.bool_] | None
) -> NDArray[np.float32]:
    weights = np.ones_like(template) if mask is None else mask.astype(np.float32)
    match = (
        cv2.matchTemplate(window, template, cv2.TM_CCOEFF_NORMED)
        if mask is None
        else cv2.matchTemplate(window, template, cv2.TM_CCOEFF_NORMED, mask=weights)
    )
    sound = np.isfinite(match) & (np.abs(match) <= 1.01) & ~_is_even(window, template, weights)
    return np.where(sound, match, -1.0).astype(np.float32)


def _is_even(window: Picture, template: Picture, weights: Picture) -> NDArray[np.bool_]:
    """Return the places with next to no contrast: the correlation there is chance, often one.

    In a movie whose black is clipped nothing but zeros is found inside bar, tip and base.
    """
    least = EVEN * float(template[weights > 0].std())
    total = float(weights.sum())
    centred = window - np.float32(window.mean())
    mean, square = (
        cv2.matchTemplate(each, weights, cv2.TM_CCORR) / total for each in (centred, centred**2)
    )
    even: NDArray[np.bool_] = square - mean**2 < least**2
    return even


def _peak(match: NDArray[np.float32]) -> tuple[tuple[float, float], float]:
    """Return place (x, y) and height of the maximum, by a parabola through its neighbours."""
    row, column = np.unravel_index(int(np.argmax(match)), match.shape)
    x = column + _vertex(match[row, :], int(column))
    y = row + _vertex(match[:, column], int(row))
    return (float(x), float(y)), float(match[row, column])


def _peak_within(
    match: NDArray[np.float32], rim: tuple[int, int, int, int]
) -> tuple[tuple[float, float], float]:
    """Return the maximum as `_peak` does, without the rim (above, below, before, behind)."""
    above, below, before, behind = rim
    rows, columns = match.shape
    (x, y), height = _peak(match[above : rows - below, before : columns - behind])
    return (x + before, y + above), height


def _vertex(line: NDArray[np.float32], at: int) -> float:
    if not 0 < at < line.size - 1:
        return 0.0
    before, here, after = (float(v) for v in line[at - 1 : at + 2])
    bend = before - 2 * here + after
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))


def axis_of_motion(
    tip: Track, base: Track, camera: FloatArray | None, up: tuple[float, float]
) -> Axis | None:
    """Return the loading axis from what moves, pointing along `up` (x, y); None where little does.

    Two views, the better known one wins: the base against the tip, where drift of the stage and
    jitter of the camera drop out; and the base against the bar, without what grows evenly with
    time, where the way is longer. `camera` is the bar's motion, shape (n, 2); None without a bar:
    then only the first view tells the load from the camera.
    """
    views = [_direction(base.moved - tip.moved, up, SYSTEMATIC_PX)]
    if camera is not None:
        times = np.linspace(-1, 1, len(camera))
        against_bar = _without_drift(base.moved - camera, times)
        views.append(_direction(against_bar, up, 3 * SYSTEMATIC_PX))
    return min((v for v in views if v is not None), key=lambda v: v.u_angle_deg, default=None)


def _without_drift(moved: FloatArray, times: FloatArray) -> FloatArray:
    """Return a motion without its straight line in time."""
    seen = ~np.isnan(moved).any(axis=1)
    if seen.sum() < 6:
        return moved
    out: FloatArray = moved - np.stack(
        [np.polyval(np.polyfit(times[seen], moved[seen, i], 1), times) for i in (0, 1)], axis=1
    )
    return out


def _direction(moved: FloatArray, up: tuple[float, float], systematic_px: float) -> Axis | None:
    """Return the line that a motion follows; None where it is short or not along a line."""
    moved = moved[~np.isnan(moved).any(axis=1)]
    if len(moved) < 6:
        return None
    for _ in range(3):
        centre = np.median(moved, axis=0)
        values, vectors = np.linalg.eigh(np.cov((moved - centre).T))
        off = np.abs((moved - centre) @ vectors[:, 0])
        near = off <= max(3 * 1.4826 * float(np.median(off)), 0.3)
        if near.all() or near.sum() < 6:
            break
        moved = moved[near]
    if values[1] < 1.0 or values[1] < 16 * values[0]:
        return None
    dx, dy = vectors[:, 1] * (1.0 if vectors[:, 1] @ up >= 0 else -1.0)
    scatter = max(float(values[0]), 0.01) / len(moved)
    u_deg = math.degrees(math.sqrt((scatter + systematic_px**2) / values[1]))
    return Axis(math.degrees(math.atan2(dx, -dy)), u_deg)

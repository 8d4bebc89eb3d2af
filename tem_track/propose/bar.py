"""The beam-blocking bar: dark, at the picture's border, and the same in every frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.propose.glance import Picture
from tem_track.propose.motion import Track, follow

__all__ = ["BarCandidate", "Mask", "at_border", "bar_candidates", "judged", "reach_of", "without"]

Mask = NDArray[np.bool_]

DARK = (0.45, 0.10, 0.04)
"""Transmissions below which the bar is looked for: apart from all else, or where it touches a dark
base or tip, apart by its blackness."""

LARGEST, SMALLEST = 0.25, 0.001
"""Area of a bar, over the picture's."""

MOST = 4
REACH_PX = 16
"""How far the camera may wander, in reduced pixels."""

OPAQUE = 0.03
"""Transmission of what lets nothing through; it stands apart from anything that does."""

BLACKEST = 0.01
"""Transmission of what is as black all over as the blackest place."""

WANDERS_PX = 10.0
"""Way of a part, in reduced pixels, from which it hardly is the camera's alone."""

STEADY = 0.6
"""What a drift that is even in time counts for, of its way."""

JUMP_PX, JUMP_TIMES = 3.0, 8.0
"""Way between two frames, in reduced pixels and in usual ways, from which on it is a jump."""

MARGIN_PX = 4
CLEAR_BESIDE = 0.6
"""How much of what is beside a part is followed with it, in reduced pixels, and the transmission
from which it is no other dark thing."""

USUAL = 0.005
"""Area of a usual bar, over the picture's; less may be a blotch of the base."""

IN_VACUUM = 0.3
"""Share of a bar's rim that stands against vacuum at some time, at least, unless it is opaque."""

VACUUM = 0.85
"""Transmission of vacuum, at least."""

ALWAYS = 0.9
"""Share of the frames in which a pixel of the bar is dark."""


@dataclass(frozen=True, eq=False)
class BarCandidate:
    """Something dark at the border that may be the bar.

    Attributes
    ----------
    mask : Mask
        Its pixels in the first frame, reduced.
    bounds : (int, int, int, int)
        x0, y0, x1, y1, open ends.
    edges : (float, float, float, float)
        The same where its sides usually are, between the ragged and the rounded places.
    quality : float
        0 to 1: how much it stays the same while the movie runs, dark, apart from other matter.
    track : Track
        Its motion, in reduced pixels: the camera's.
    """

    mask: Mask
    bounds: tuple[int, int, int, int]
    edges: tuple[float, float, float, float]
    quality: float
    track: Track


def bar_candidates(clear: Picture) -> list[BarCandidate]:
    """Return what may be the bar in a stack of reduced pictures, best first."""
    found: list[BarCandidate] = []
    for level in DARK:
        share = (clear < level).mean(axis=0)
        for mask in at_border(share >= ALWAYS):
            part = _in_first(clear[0] < level, mask)
            if not any(_alike(part, other.mask) for other in found):
                found.append(judged(clear, part))
    found = [one for one in _opaque_first(clear, found) if one.quality > 0.02]
    return sorted(found, key=lambda one: -one.quality)[:MOST]


def _opaque_first(clear: Picture, found: list[BarCandidate]) -> list[BarCandidate]:
    """Return the candidates, those doubted that let something through where a good one does not.

    The bar blocks the beam; a tip or a base is thinner, unless all is black.
    """
    levels = [float(np.median(clear[:, one.mask])) for one in found]
    good = [level for one, level in zip(found, levels, strict=True) if one.quality > 0.5]
    darkest = min(good, default=1.0)
    return [
        replace(one, quality=one.quality * (0.3 if level > darkest + OPAQUE else 1.0))
        if darkest <= OPAQUE
        else one
        for one, level in zip(found, levels, strict=True)
    ]


def _alike(one: Mask, other: Mask) -> bool:
    """Whether two parts are the same one, seen at two levels."""
    return int((one & other).sum()) > 0.7 * int((one | other).sum())


def at_border(mask: Mask) -> list[Mask]:
    """Return the connected parts of a mask that touch the border, no specks and no landscapes."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=4
    )
    rows, columns = mask.shape
    parts = []
    for i in range(1, count):
        x, y, w, h, area = stats[i]
        touches = x == 0 or y == 0 or x + w == columns or y + h == rows
        if touches and SMALLEST < area / mask.size < LARGEST:
            parts.append(labels == i)
    return parts


def _in_first(dark: Mask, always: Mask) -> Mask:
    """Return the part as it is in the first frame, where that is not part of something larger."""
    _, labels = cv2.connectedComponents(dark.astype(np.uint8), connectivity=4)
    inside = labels[always & dark]
    if inside.size == 0:
        return always
    whole: Mask = labels == np.bincount(inside).argmax()
    return whole if whole.sum() < 1.5 * always.sum() else always


def judged(clear: Picture, mask: Mask, *, is_alone: bool = True) -> BarCandidate:
    """Return a dark part at the border as a candidate.

    `is_alone` tells that nothing lies over it; otherwise it is followed by the edges alone that
    stand against vacuum.
    """
    bounds = bounds_of(mask)
    usual = np.median(clear, axis=0)  # the base may be close in the first frame
    box = _with_margin(bounds, mask.shape, None if is_alone else usual)
    rows, columns = mask.shape
    strip = (box[0] == 0 and box[2] == columns, box[1] == 0 and box[3] == rows)
    reach = (1 if strip[0] else REACH_PX, 1 if strip[1] else REACH_PX)  # along it nothing is told
    tracks = (follow(clear, box, reach), follow(clear, box, reach, model=usual))
    track = max(tracks, key=_stillness)
    level = float(np.median(clear[:, mask]))
    opaque = level <= BLACKEST
    apart = _apart(clear, mask, 0.04 if opaque else 0.06 if level <= OPAQUE else 0.3)
    black = float(np.clip(1 - level / 0.4, 0, 1))
    whole = float(np.clip(mask.mean() / USUAL, 0.2, 1))
    straight = float(np.clip((_fill(mask) - 0.3) / 0.5, 0.2, 1))
    free = float(np.clip(_in_vacuum(clear, mask) / IN_VACUUM, 0, 1))
    if opaque:  # it may lie on the base all around, and then may be a blotch of it
        free = max(free, whole**2)
    quality = _stillness(track) * apart * (0.4 + 0.6 * black) * whole * straight * free
    return BarCandidate(mask, bounds, _usual_edges(clear[0], mask), quality, track)


def _with_margin(
    bounds: tuple[int, int, int, int], shape: tuple[int, ...], usual: Picture | None
) -> tuple[int, int, int, int]:
    """Return the bounds with some of what is beside them; of a picture, only where it is vacuum."""
    x0, y0, x1, y1 = bounds
    rows, columns = shape
    m, near = MARGIN_PX, MARGIN_PX - 1
    sides = [m, m, m, m]
    if usual is not None:
        beside = (
            usual[y0:y1, max(x0 - near, 0)],
            usual[max(y0 - near, 0), x0:x1],
            usual[y0:y1, min(x1 + near, columns) - 1],
            usual[min(y1 + near, rows) - 1, x0:x1],
        )
        sides = [m if (line > CLEAR_BESIDE).mean() > 0.5 else 0 for line in beside]
    return (
        max(x0 - sides[0], 0),
        max(y0 - sides[1], 0),
        min(x1 + sides[2], columns),
        min(y1 + sides[3], rows),
    )


def bounds_of(mask: Mask) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1 (open ends) of the pixels that are set."""
    ys, xs = np.nonzero(mask)
    return (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)


def _usual_edges(picture: Picture, mask: Mask) -> tuple[float, float, float, float]:
    """Return where the sides usually are, to a fraction of a reduced pixel."""
    left, right = _ends(picture, mask)
    top, bottom = _ends(picture.T, mask.T)
    return (left, top, right, bottom)


def _ends(picture: Picture, mask: Mask) -> tuple[float, float]:
    """Return the usual first and last column (open end) of the mask's rows."""
    rows = np.flatnonzero(mask.sum(axis=1) > 0.5 * mask.sum(axis=1).max())
    ends = [
        (_edge(picture[row], int(columns[0]), -1), _edge(picture[row], int(columns[-1]), 1))
        for row in rows
        for columns in (np.flatnonzero(mask[row]),)
    ]
    first, last = np.median(ends, axis=0)
    return float(first), float(last)


def _edge(line: NDArray[np.float32], at: int, step: int) -> float:
    """Return where a row rises half way from the bar, which ends at a pixel, to what is beside it.

    Pixel i reaches from i to i + 1.
    """
    within, beyond = np.clip([at - 2 * step, at + 4 * step], 0, line.size - 1)
    if beyond != at + 4 * step:  # the picture's border
        return 0.0 if step < 0 else float(line.size)
    half = (float(line[within]) + float(line[beyond])) / 2
    for i in range(int(within), int(beyond), step):
        here, there = float(line[i]), float(line[i + step])
        if here <= half < there:
            return i + 0.5 + step * (half - here) / (there - here)
    return at + (1.0 if step > 0 else 0.0)


def _stillness(track: Track) -> float:
    """Return 1 for what looks the same in most frames and moves as a camera does, 0 for others."""
    same = float(np.median(track.score))
    return float(np.clip((same - 0.6) / 0.3, 0, 1)) / (1 + (_wander(track) / WANDERS_PX) ** 4)


def _fill(mask: Mask) -> float:
    """Return the share of the smallest rectangle around a part, however turned, that it fills."""
    points = np.argwhere(mask)[:, ::-1].astype(np.float32)
    (_, (wide, high), _) = cv2.minAreaRect(points)
    return float(mask.sum() / max((wide + 1) * (high + 1), 1.0))


def _wander(track: Track) -> float:
    """Return how far a part wanders, in reduced pixels: the bar follows the camera alone.

    A camera that drifts does so steadily, while the ends are pushed to and fro: what is even in
    time counts for a part. A stage that jumps does so from one frame to the next, as nothing does
    that is pushed: that counts for nothing.
    """
    known = np.isfinite(track.moved).all(axis=1)
    seen = track.moved[known]
    if len(seen) < 4:
        return 0.0
    times = np.linspace(0, 1, known.size)[known]
    jumps = _jumps(seen)
    seen = seen - jumps
    is_drift = len(seen) > 5 and not jumps.any()  # what springs back was pushed evenly before
    steady = np.polyfit(times, seen, 1)[0] if is_drift else np.zeros(2)
    left = seen - (1 - STEADY) * times[:, None] * steady
    return float(np.ptp(np.percentile(left, (10, 90), axis=0), axis=0).max())


def _jumps(seen: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what a track (n, 2) has jumped, until each frame."""
    steps = np.diff(seen, axis=0, prepend=seen[:1])
    size = np.hypot(*steps.T)
    least = max(JUMP_PX, JUMP_TIMES * float(np.median(size)))
    return np.asarray(np.cumsum(np.where((size > least)[:, None], steps, 0.0), axis=0))


def _apart(clear: Picture, mask: Mask, by: float) -> float:
    """Return the share of the rim, just outside, that is usually clearer than the inside."""
    ring = _ring(mask)
    if not ring.any():
        return 0.0
    inside = float(np.median(clear[:, mask]))
    clearer: NDArray[np.float64] = (clear[:, ring] > inside + by).mean(axis=0)
    return float((clearer > 0.5).mean())


def _in_vacuum(clear: Picture, mask: Mask) -> float:
    """Return the share of the rim that is vacuum in a tenth of the frames or more."""
    ring = _ring(mask)
    return float((np.percentile(clear[:, ring], 90, axis=0) > VACUUM).mean()) if ring.any() else 0.0


def _ring(mask: Mask) -> Mask:
    """Return the pixels a little outside of a part."""
    kernel = np.ones((3, 3), dtype=np.uint8)
    near = cv2.dilate(mask.astype(np.uint8), kernel, iterations=3)
    far = cv2.dilate(mask.astype(np.uint8), kernel, iterations=5)
    return np.asarray((far > 0) & (near == 0))


def without(
    clear: Picture, candidate: BarCandidate | None, places: list[int] | None = None
) -> Picture:
    """Return (some of) the pictures with vacuum in the bar's place, wherever the camera put it."""
    stack = clear if places is None else clear[places]
    if candidate is None:
        return stack
    out = stack.copy()
    out[:, reach_of(candidate)] = 1.0
    return out


def reach_of(candidate: BarCandidate) -> Mask:
    """Return the pixels in which the bar is seen at any time."""
    moved = np.nanmax(np.abs(candidate.track.moved), axis=0)
    wide = 2 * (int(np.ceil(np.nan_to_num(moved, nan=0.0).max())) + 3) + 1
    grown = cv2.dilate(candidate.mask.astype(np.uint8), np.ones((wide, wide), np.uint8))
    return np.asarray(grown > 0)

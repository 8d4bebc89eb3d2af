"""The loading axis from one picture: the body's midline, or the faces that it stands between."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tem_track.propose.chain import Chain
from tem_track.propose.glance import Picture
from tem_track.records import Axis

__all__ = ["face_axis", "outline_axis"]

FACE_DEG = 4.0
"""How well a face stands across the axis."""


def outline_axis(chain: Chain) -> Axis | None:
    """Return the direction of the body's midline, where it is long enough to have one."""
    rows = np.arange(chain.top, chain.bottom + 1)
    middle = ((chain.left + chain.right) / 2)[rows]
    width = (chain.right - chain.left + 1)[rows]
    seen = np.isfinite(middle)
    cut = max(2, rows.size // 12)
    seen[:cut] = seen[-cut:] = False
    if seen.sum() < 6:
        return None
    slope, _ = np.polyfit(rows[seen], middle[seen], 1)
    angle = math.degrees(math.atan(-slope))
    slender = rows.size / float(np.nanmedian(width))
    residual = float(
        np.std(middle[seen] - np.polyval(np.polyfit(rows[seen], middle[seen], 1), rows[seen]))
    )
    # the midline of a ball is upright however it is loaded: only what is slender tells
    u_deg = math.degrees((residual + 0.4) / rows.size) * 2 + 12.0 / max(slender, 0.3) ** 3
    return Axis(angle, u_deg)


def face_axis(pictures: Picture, chains: Mapping[int, Chain]) -> Axis | None:
    """Return the direction across the faces of both ends; None where neither is straight.

    The median over the frames (`chains`, by place in `pictures`): in some of them a face is hidden
    behind the body.
    """
    slopes = [
        [_face_slope(pictures[k], chain, upper) for k, chain in chains.items()]
        for upper in (True, False)
    ]
    each = [[math.degrees(math.atan(v)) for v in own if v is not None] for own in slopes]
    every = [angle for own in each for angle in own]
    if not every:
        return None
    usual = [float(np.median(own)) for own in each if own]
    apart = abs(usual[0] - usual[-1]) / 2
    return Axis(float(np.median(every)), math.hypot(FACE_DEG, apart))


def _face_slope(picture: Picture, chain: Chain, upper: bool) -> float | None:
    """Return the slope (rows for a column) of the line where an end begins, around the body."""
    middle = (chain.top + chain.bottom) // 2
    body = slice(chain.top, chain.bottom + 1)
    reach = 0.6 * float(np.nanmax((chain.right - chain.left)[body])) + 8
    at = float(chain.path[chain.upper if upper else chain.lower])
    columns = np.arange(max(round(at - reach), 0), min(round(at + reach) + 1, picture.shape[1]))
    half = picture[: middle + 1][::-1] if upper else picture[middle:]
    level = (chain.levels[1] + chain.levels[0 if upper else 2]) / 2
    dark = half[:, columns] < level
    first = np.argmax(dark, axis=0).astype(float)
    seen = dark.any(axis=0) & (first > 0)
    for _ in range(3):
        if seen.sum() < 8:
            return None
        slope, start = np.polyfit(columns[seen], first[seen], 1)
        off = np.abs(first - slope * columns - start)
        limit = max(3 * 1.4826 * float(np.median(off[seen])), 1.0)
        seen &= off <= limit
    if float(np.median(off[seen])) > 2.0:
        return None
    return float(-slope if upper else slope)

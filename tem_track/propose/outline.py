"""The direction of a body's midline."""

from __future__ import annotations

import math

import numpy as np

from tem_track.propose.chain import Chain
from tem_track.records import Axis

__all__ = ["outline_axis"]


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
    u_deg = math.degrees((residual + 0.4) / rows.size) * 2 + 2.0 / max(slender, 0.2)
    return Axis(angle, u_deg)

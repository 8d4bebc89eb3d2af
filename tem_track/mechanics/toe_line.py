"""Modulus of a short record: a toe, a line and a second line, continuous.

Two breakpoints are searched on a grid, the rest is linear least squares. It is meant for records
too short for ASTM E3076. The steepest few points or the most significant window are biased and
are not offered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tem_track.records import FloatArray

__all__ = ["ToeLine", "fit_toe_line"]

_GRID = 30


@dataclass(frozen=True, slots=True)
class ToeLine:
    """Three connected lines.

    Attributes
    ----------
    slope : float
        Of the middle one.
    intercept : float
        Where the middle line meets zero strain.
    first, last : float
        Abscissae of the two breakpoints.
    sse : float
        Sum of squares left.
    """

    slope: float
    intercept: float
    first: float
    last: float
    sse: float


def _candidates(x: FloatArray, smallest: int) -> FloatArray:
    """Pairs of breakpoints with at least `smallest` points between them, shape (m, 2)."""
    ordered = np.unique(x)
    if ordered.size > _GRID:
        ordered = np.quantile(ordered, np.linspace(0, 1, _GRID))
    first, last = np.meshgrid(ordered[:-1], ordered[1:], indexing="ij")
    inside = (x[:, None, None] >= first) & (x[:, None, None] <= last)
    enough = inside.sum(axis=0) >= smallest
    return np.stack([first[enough], last[enough]], axis=1)


def fit_toe_line(x: FloatArray, y: FloatArray, smallest: int = 4) -> ToeLine | None:
    """Fit toe + line + line.

    Parameters
    ----------
    x, y : FloatArray
        Strain and stress of the loading branch, shape (n,).
    smallest : int
        Points that the middle line must hold.

    Returns
    -------
    ToeLine or None
        None where no middle line holds enough points and is the steepest of the three.
    """
    pairs = _candidates(x, smallest)
    if not len(pairs) or x.size < smallest + 2:
        return None
    design = np.stack(
        [
            np.broadcast_to(np.ones_like(x), (len(pairs), x.size)),
            np.broadcast_to(x, (len(pairs), x.size)),
            np.clip(x - pairs[:, :1], 0, None),
            np.clip(x - pairs[:, 1:], 0, None),
        ],
        axis=2,
    )
    q, _ = np.linalg.qr(design)
    fitted = np.einsum("mik,mjk,j->mi", q, q, y, optimize=True)
    sse = ((y - fitted) ** 2).sum(axis=1)
    return _best(x, y, pairs, design, sse)


def _best(
    x: FloatArray, y: FloatArray, pairs: FloatArray, design: FloatArray, sse: FloatArray
) -> ToeLine | None:
    for index in np.argsort(sse, kind="stable")[:200]:
        a, b, toe, bend = np.linalg.lstsq(design[index], y, rcond=None)[0]
        slope = b + toe
        if slope > 0 and toe >= 0 and bend <= 0:
            first, last = pairs[index]
            intercept = float(a - toe * first)
            return ToeLine(float(slope), intercept, float(first), float(last), float(sse[index]))
    return None

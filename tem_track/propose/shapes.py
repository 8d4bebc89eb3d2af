"""Rod, particle, pillar or hollow sphere: from the widths and the darkness of the body."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.propose.chain import Chain
from tem_track.propose.glance import Picture
from tem_track.propose.proposal import ShapeFound
from tem_track.records import FloatArray, Mode

__all__ = ["Figure", "figure_of", "shape_of"]


@dataclass(frozen=True, slots=True)
class Figure:
    """Numbers that tell the shapes apart.

    Attributes
    ----------
    aspect : float
        Length over largest width.
    taper : float
        Logarithm of the ratio of the widths a fifth of the length from either end.
    narrowing : float
        Mean width a twentieth of the length from the ends, over the largest.
    hollow : float
        How much clearer the centre is than the ring around it, over the body's darkness.
    """

    aspect: float
    taper: float
    narrowing: float
    hollow: float


def figure_of(turned: Picture, chain: Chain) -> Figure:
    """Measure the body of a chain in its (turned) picture."""
    rows = np.arange(chain.top, chain.bottom + 1)
    width = (chain.right - chain.left + 1)[rows]
    length = rows.size
    largest = chain.widest_px
    low, high = (_near(width, at) for at in (0.2, 0.8))
    ends = 0.5 * (_near(width, 0.06) + _near(width, 0.94))
    return Figure(
        length / largest,
        abs(math.log(low / high)),
        min(ends / largest, 1.0),
        _hollow(turned, chain),
    )


def _near(width: FloatArray, at: float) -> float:
    middle = round(at * (width.size - 1))
    reach = max(1, width.size // 25)
    near = width[max(middle - reach, 0) : middle + reach + 1]
    return float(np.nanmedian(near)) if np.isfinite(near).any() else 1.0


def _hollow(turned: Picture, chain: Chain) -> float:
    """Compare centre and ring, across and along; both must show the hollow."""
    middle = (chain.top + chain.bottom) // 2
    half = (chain.bottom - chain.top) / 2
    if not np.isfinite(chain.left[middle]):
        return 0.0
    across = _section(
        turned[middle - 2 : middle + 3].mean(axis=0), chain.left[middle], chain.right[middle]
    )
    column = round(float(chain.left[middle] + chain.right[middle]) / 2)
    strip = turned[:, max(column - 2, 0) : column + 3].mean(axis=1)
    along = _section(strip, middle - half, middle + half)
    return min(across, along)


def _section(line: FloatArray | Picture, first: float, last: float) -> float:
    """Return how much clearer the middle is than the darker parts on both sides of it."""
    radius = np.linspace(-1, 1, 41)
    if not (math.isfinite(first) and math.isfinite(last)):
        return 0.0
    at = (first + last) / 2 + radius * (last - first) / 2
    values = np.interp(at, np.arange(line.size), line)
    centre = float(np.mean(values[np.abs(radius) < 0.25]))
    sides = [float(np.min(values[(s * radius > 0.4) & (s * radius < 0.92)])) for s in (-1.0, 1.0)]
    dark = 1 - min(sides)
    return (centre - max(sides)) / max(dark, 0.1)


def shape_of(figures: list[Figure], mode: Mode) -> ShapeFound:
    """Decide on the shape from several views of the body.

    A hollow sphere shows its shell; a pillar narrows to one end; a particle is about as long as
    wide; a rod is longer. The confidence is the distance to the nearest border between two.
    """
    if not figures:
        return ShapeFound(None, 0.0)
    aspect, taper, narrowing, hollow = (
        float(np.median([getattr(f, name) for f in figures]))
        for name in ("aspect", "taper", "narrowing", "hollow")
    )
    round_ = aspect < 1.35
    scores: dict[str, float] = {
        "hollow_sphere": min(hollow / 0.08, 2.0) * (1.0 if aspect < 1.6 else 0.4),
        "pillar": min(taper / 0.25, 2.0) * (1.0 if aspect > 1.1 else 0.6),
        "particle": 2.0 * (1.35 / max(aspect, 0.3)) ** 3 / (1 + (1.35 / max(aspect, 0.3)) ** 3),
        "rod": 2.0 * (aspect / 1.35) ** 3 / (1 + (aspect / 1.35) ** 3),
    }
    if round_ and narrowing > 0.93:
        scores["rod"] += 0.3
    if mode == "tension":
        scores["rod"] += 0.8
    if mode == "growth":  # seen at its end, with what it grows along
        scores["pillar"] -= 2.0
    scores["pillar"] -= 0.0 if taper > 0.25 else 1.0
    scores["hollow_sphere"] -= 0.0 if hollow > 0.05 else 1.0
    specials: tuple[str, ...] = ("hollow_sphere", "pillar")
    for special in specials:
        if scores[special] > 1.0:
            scores[special] += 1.0
    ranked = sorted(scores, key=lambda name: -scores[name])
    lead = scores[ranked[0]] - scores[ranked[1]]
    return ShapeFound(ranked[0], float(np.clip(0.5 + lead / 2, 0.3, 0.98)), ranked[1])

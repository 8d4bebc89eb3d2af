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

# The borders below lie between the shapes that the experiment's specimens come in; a score of 1 is
# a border, 2 the most, and the confidence says how near a body is to one.

_LONG = 1.35
"""Length over width of a body that is as much a rod as a particle."""
_STOUT_RING, _STOUT_CONE = 1.6, 1.1
"""Length over width above which a hollow body is hardly a sphere, below which a tapered one is
hardly a pillar."""
_HARDLY_SPHERE, _HARDLY_PILLAR = 0.4, 0.6
"""What is left of their scores then."""
_HOLLOW, _LEAST_HOLLOW = 0.08, 0.05
"""How much clearer the centre is, over the body's darkness, in a hollow sphere; and at least."""
_TAPERED = 0.25
"""Logarithm of the ratio of a pillar's widths: one end a quarter wider than the other."""
_PRISMATIC = 0.93
"""Width at the ends over the largest from which on a stout body is a rod's piece, not a ball."""
_BUT_A_ROD, _IN_TENSION = 0.3, 0.8
"""What that adds to a rod's score; and being pulled, which particles are not."""
_LEAST_SURE, _MOST_SURE = 0.3, 0.98
"""Confidence of a shape that was found, at least and at most."""


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
    scores: dict[str, float] = {
        "hollow_sphere": min(hollow / _HOLLOW, 2.0)
        * (1.0 if aspect < _STOUT_RING else _HARDLY_SPHERE),
        "pillar": min(taper / _TAPERED, 2.0) * (1.0 if aspect > _STOUT_CONE else _HARDLY_PILLAR),
        "particle": _beyond(_LONG / max(aspect, 0.3)),
        "rod": _beyond(aspect / _LONG),
    }
    if aspect < _LONG and narrowing > _PRISMATIC:
        scores["rod"] += _BUT_A_ROD
    if mode == "tension":
        scores["rod"] += _IN_TENSION
    if mode == "growth":  # seen at its end, with what it grows along
        scores["pillar"] -= 2.0
    scores["pillar"] -= 0.0 if taper > _TAPERED else 1.0
    scores["hollow_sphere"] -= 0.0 if hollow > _LEAST_HOLLOW else 1.0
    specials: tuple[str, ...] = ("hollow_sphere", "pillar")
    for special in specials:
        if scores[special] > 1.0:
            scores[special] += 1.0
    ranked = sorted(scores, key=lambda name: -scores[name])
    lead = scores[ranked[0]] - scores[ranked[1]]
    sure = float(np.clip(0.5 + lead / 2, _LEAST_SURE, _MOST_SURE))
    return ShapeFound(ranked[0], sure, ranked[1])


def _beyond(ratio: float) -> float:
    """Return a score that goes from 0 to 2 with a ratio, and is 1 where that is 1."""
    return 2.0 * ratio**3 / (1 + ratio**3)

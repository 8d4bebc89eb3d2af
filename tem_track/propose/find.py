"""From a first look to the boxes: which chain, which bar, which end is the tip."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from tem_track.propose.bar import BarCandidate, bar_candidates, without
from tem_track.propose.chain import Chain, find_chain
from tem_track.propose.glance import Glance, Picture
from tem_track.propose.motion import Track, axis_of_motion, follow
from tem_track.propose.shapes import Figure, figure_of
from tem_track.records import Axis, FloatArray, Mode

__all__ = ["Scene", "understand"]

LOOKS = 16
"""Frames in which the chain is laid again."""

DARKEST_SPECIMEN = 0.5
"""Transmission of an end above which it is not thick."""

THICK = 0.4
"""Transmission of what is certainly an end, and not grown."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What was understood of a movie, in reduced pixels of the turned picture (tip on top).

    Attributes
    ----------
    glance : Glance
    turns : int
    clear : Picture, shape (n, rows, columns)
        Turned, and without the bar.
    chains : dict of Chain
        By place in the stack; 0 is the reference.
    bar, second_bar : BarCandidate or None
        In the picture as it is.
    quality : float
        Of the chain, 0 to 1.
    upright : float
        How sure it is that the upper end is the tip, 0 to 1.
    tip, base : Track
    axis : Axis or None
        Loading axis from the motion, in the turned picture.
    travel : (float, float)
        Of tip and base along the chain, against the bar.
    """

    glance: Glance
    turns: int
    clear: Picture
    chains: dict[int, Chain]
    bar: BarCandidate | None
    second_bar: BarCandidate | None
    quality: float
    upright: float
    tip: Track
    base: Track
    axis: Axis | None
    travel: tuple[float, float]
    why_upright: str

    @property
    def chain(self) -> Chain:
        """The chain in the reference frame."""
        return self.chains[0]

    def figures(self) -> list[Figure]:
        """Return the body's figure in frames where little has been done to it."""
        early = [k for k in sorted(self.chains) if k <= max(2, len(self.clear) // 4)]
        return [figure_of(self.clear[k], self.chains[k]) for k in early]


def understand(glance: Glance, mode: Mode) -> Scene | None:
    """Find chain, bar and ends; None where there is nothing like two thick ends and a body."""
    candidates = bar_candidates(glance.clear)
    best: tuple[float, int, BarCandidate | None, float] | None = None
    places = _spread(len(glance.clear), 3)
    for candidate in [None, *candidates]:
        stack = without(glance.clear[places], candidate)
        for turns in (0, 1):
            quality = _chain_quality([find_chain(picture, turns) for picture in stack])
            total = quality + (0.5 * candidate.quality - 0.05 if candidate else 0.0)
            if best is None or total > best[0]:
                best = (total, turns, candidate, quality)
    if best is None or best[3] < 0.15:
        return None
    _, turns, bar, quality = best
    others = [c for c in candidates if c is not bar]
    clear = without(glance.clear, bar)
    return _oriented(glance, clear, turns, bar, others[0] if others else None, quality, mode)


def _spread(count: int, wanted: int) -> list[int]:
    return sorted({round(float(i)) for i in np.linspace(0, count - 1, min(wanted, count))})


def _chain_quality(chains: list[Chain | None]) -> float:
    """Return the mean of the better two thirds."""
    each = sorted((_one_quality(chain) for chain in chains), reverse=True)
    return float(np.mean(each[: max(1, math.ceil(2 * len(each) / 3))]))


def _one_quality(chain: Chain | None) -> float:
    if chain is None:
        return 0.0
    rows = chain.left.size
    ends = [0 if np.isfinite(chain.left[side]) else 1 for side in (0, -1)]
    dark = float(np.clip(2 - 2 * max(chain.levels[0], chain.levels[2]) / DARKEST_SPECIMEN, 0, 1))
    crossing = float(np.clip(1 - 1.5 * chain.gap_px / rows, 0, 1))
    return min(chain.contrast, 1.2) / 1.2 * crossing * dark * (0.6 ** sum(ends))


def _oriented(
    glance: Glance,
    clear: Picture,
    turns: int,
    bar: BarCandidate | None,
    second: BarCandidate | None,
    quality: float,
    mode: Mode,
) -> Scene | None:
    upper_first = _followed(clear, turns, mode)
    if upper_first is None:
        return None
    chains, ends, turned = upper_first
    camera = _camera(bar, turns, len(clear))
    travel = [_travel(track, camera[:, 1]) for track in ends]
    sure, why = _which_is_tip(chains, travel, mode)
    if sure < 0:  # the lower end is the tip: turn the picture over
        flipped = _followed(clear, turns + 2, mode)
        if flipped is None:
            return None
        chains, ends, turned = flipped
        travel = travel[::-1]
        turns, camera = turns + 2, -camera
    axis = None if mode == "growth" else axis_of_motion(*ends, camera, (0.0, -1.0))
    return Scene(
        glance, turns % 4, turned, chains, bar, second, quality,
        abs(sure), ends[0], ends[1], axis, (travel[0], travel[1]), why,
    )  # fmt: skip


def _followed(
    clear: Picture, turns: int, mode: Mode
) -> tuple[dict[int, Chain], tuple[Track, Track], Picture] | None:
    """Lay the chain in a number of frames, agree on the body's length, follow both ends."""
    turned = np.ascontiguousarray(np.rot90(clear, turns, axes=(1, 2)))
    found = {k: find_chain(turned[k], 0) for k in _spread(len(turned), LOOKS)}
    chains = {k: chain for k, chain in found.items() if chain is not None}
    if not chains:
        return None
    length = _usual_length(chains, mode)
    for k, chain in chains.items():
        if abs(math.log((chain.bottom - chain.top + 1) / length)) > 0.2 and mode != "growth":
            chains[k] = find_chain(turned[k], 0, length) or chain
    if mode == "growth":
        chains = _standing(chains)
    if 0 not in chains:
        return None
    first = chains[0]
    return chains, (_follow_end(turned, first, True), _follow_end(turned, first, False)), turned


def _standing(chains: dict[int, Chain]) -> dict[int, Chain]:
    """Return chains with the room between the ends that most frames agree on.

    While something grows the ends stand still, and in single frames they are mistaken for it.
    """
    good = [c for c in chains.values() if max(c.levels[0], c.levels[2]) < THICK] or [
        *chains.values()
    ]
    upper = int(np.median([c.upper for c in good]))
    lower = int(np.median([c.lower for c in good]))
    out = {}
    for k, chain in chains.items():
        body = np.flatnonzero(np.isfinite(chain.left[upper + 1 : lower])) + upper + 1
        if body.size:
            top, bottom = int(body[0]), int(body[-1])
            out[k] = replace(chain, upper=upper, top=top, bottom=bottom, lower=lower)
    return out


def _usual_length(chains: dict[int, Chain], mode: Mode) -> float:
    lengths = [c.bottom - c.top + 1 for c in chains.values() if c.contrast > 0.3]
    if not lengths:
        lengths = [c.bottom - c.top + 1 for c in chains.values()]
    return float(np.percentile(lengths, 90 if mode == "growth" else 60))


def _follow_end(turned: Picture, chain: Chain, upper: bool) -> Track:
    rows, columns = turned.shape[1:]
    row = chain.upper if upper else chain.lower
    deep = max(12, rows // 6)
    y0, y1 = (
        (max(row - deep, 0), min(row + 4, rows))
        if upper
        else (max(row - 4, 0), min(row + deep, rows))
    )
    inside = slice(max(row - deep // 2, 0), row + 1) if upper else slice(row, row + deep // 2)
    x0 = int(np.nanmedian(chain.left[inside])) - 4
    x1 = int(np.nanmedian(chain.right[inside])) + 5
    middle, most = chain.path[row], max(30, columns // 4)
    x0, x1 = max(x0, int(middle) - most, 0), min(x1, int(middle) + most, columns)
    return follow(turned, (x0, y0, x1, y1), reach=(max(8, columns // 10), rows // 2))


def _camera(bar: BarCandidate | None, turns: int, count: int) -> FloatArray:
    """Return the bar's motion (x, y) in the turned picture, shape (n, 2); 0 without a bar."""
    if bar is None:
        return np.zeros((count, 2))
    x, y = np.nan_to_num(bar.track.moved).T
    return np.stack([(x, y), (y, -x), (-x, -y), (-y, x)][turns % 4], axis=1)


def _travel(track: Track, camera: FloatArray) -> float:
    along = track.moved[:, 1] - camera
    along = along[np.isfinite(along)]
    return float(np.percentile(along, 95) - np.percentile(along, 5)) if along.size > 3 else 0.0


def _which_is_tip(chains: dict[int, Chain], travel: list[float], mode: Mode) -> tuple[float, str]:
    """Return how sure it is that the upper end is the tip (negative: the lower one), and why.

    The counter electrode is driven: it travels at least as far as the lever's tip, which only
    follows the force. Where nothing moves, the free end of a compressed specimen faces the tip.
    """
    upper, lower = travel
    if mode == "growth":
        return _grows_from(chains[0])
    if max(upper, lower) > 1.5 and abs(upper - lower) > 0.15 * max(upper, lower):
        sure = min(1.0, 0.5 + abs(upper - lower) / max(upper, lower, 4.0))
        return (sure if lower > upper else -sure), "the counter electrode travels farther"
    above = float(np.median([c.top - c.upper for c in chains.values()]))
    below = float(np.median([c.lower - c.bottom for c in chains.values()]))
    if mode != "tension" and abs(above - below) >= 1:
        return (0.6 if above > below else -0.6), "the specimen's free end faces the tip"
    first = chains[min(chains)]
    narrow_above = first.width_px(first.upper) <= first.width_px(first.lower)
    return (0.35 if narrow_above else -0.35), "the tip is the narrower end"


def _grows_from(chain: Chain) -> tuple[float, str]:
    """Return how sure it is that the lower end is the one that the body grows from, and why."""
    width = np.nan_to_num((chain.right - chain.left + 1)[chain.upper + 1 : chain.lower])
    third = max(1, width.size // 3)
    above, below = float(width[:third].mean()), float(width[-third:].mean())
    sure = 0.35 + 0.6 * abs(above - below) / max(above, below, 1.0)
    return (sure if below >= above else -sure), "what grows is attached to the base"

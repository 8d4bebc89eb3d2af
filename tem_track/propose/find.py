"""From a first look to the boxes: which chain, which bar, which end is the tip."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tem_track.propose.bar import (
    LARGEST,
    SMALLEST,
    BarCandidate,
    bar_candidates,
    judged,
    reach_of,
    without,
)
from tem_track.propose.chain import Chain, find_chain
from tem_track.propose.glance import Glance, Picture
from tem_track.propose.merged import still_corner
from tem_track.propose.motion import Track, axis_of_motion, follow
from tem_track.propose.outline import face_axis, outline_axis
from tem_track.propose.shapes import Figure, figure_of
from tem_track.propose.turning import Turn
from tem_track.records import Axis, FloatArray, Mode

__all__ = ["Scene", "understand"]

LOOKS, FEWER_LOOKS = 16, 5
"""Frames in which the chain is laid again: at last, and while it is turned upright."""

CLEAR_CUT = 0.6
"""Quality of a chain from which no other direction is tried."""

ASKEW = 0.45
"""Quality from which a chain that stands askew is believed: more tries find more by chance."""

LOOSE = 0.3
"""Factor for an end that does not come in from the picture's border."""

RIVAL, MOST_RIVALS = 0.15, 3
"""Starts that are worse than the best by less are tried to the end, and how many at most."""

ASKEW_DEG = 15.0
"""A chain whose own axis, when all is turned, leans by that much counts half."""

UPRIGHT_DEG = 2.0
"""The picture is turned again where the axis leans by more."""

DARKEST_SPECIMEN = 0.5
"""Transmission of an end above which it is not thick."""

THICK = 0.4
"""Transmission of what is certainly an end, and not grown."""

UP = (0.0, -1.0)
"""From base to tip in the turned picture."""

MOVES_PX = 1.5
"""Ends that move by less against each other, in reduced pixels, only drift."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What was understood of a movie, in reduced pixels of the turned picture (tip on top).

    Attributes
    ----------
    glance : Glance
    turn : Turn
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
    why_upright : str
        What tells the tip from the base.
    settled : float
        How good the chain is at last, and what is taken for the bar; it ranks several scenes.
    """

    glance: Glance
    turn: Turn
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
    settled: float

    @property
    def chain(self) -> Chain:
        """The chain in the reference frame."""
        return self.chains[0]

    @property
    def followed(self) -> float:
        """The share of frames in which the less clear of the two ends was found again."""
        return min(float(np.isfinite(t.moved).all(axis=1).mean()) for t in (self.tip, self.base))

    def figures(self) -> list[Figure]:
        """Return the body's figure in frames where little has been done to it."""
        early = [k for k in sorted(self.chains) if k <= max(2, len(self.clear) // 4)]
        return [figure_of(self.clear[k], self.chains[k]) for k in early]


def understand(glance: Glance, mode: Mode) -> Scene | None:
    """Find chain, bar and ends; None where there is nothing like two thick ends and a body."""
    candidates = bar_candidates(glance.clear)
    starts = _starts(glance.clear, candidates, (0.0, 90.0), mode)
    best = starts[0]
    if best.quality < CLEAR_CUT:
        askew = _starts(glance.clear, candidates, (-35.0, 35.0, 55.0, 125.0), mode)
        believed = [s for s in askew if s.quality > max(ASKEW, best.quality + 0.2)]
        starts = sorted([*starts, *believed], key=lambda start: -start.total)
    rivals = [s for s in starts if s.quality >= 0.15 and s.total > starts[0].total - RIVAL]
    scenes = [_oriented(glance, start, candidates, mode) for start in rivals[:MOST_RIVALS]]
    found = [scene for scene in scenes if scene is not None]
    best_scene = max(found, key=lambda scene: scene.settled, default=None)
    if best_scene is None or best_scene.bar is not None or mode == "growth":
        return best_scene
    return _with_merged_bar(best_scene, mode) or best_scene


def _with_merged_bar(scene: Scene, mode: Mode) -> Scene | None:
    """Return the scene with a bar that tip or base lie over; None where no edge stands still.

    Both must have moved past it: an edge that stays with one of them is that one's own.
    """
    angle = math.radians(scene.turn.angle_deg)
    mask = still_corner(scene.glance.clear, (math.sin(angle), -math.cos(angle)))
    if mask is None or not SMALLEST < mask.mean() < LARGEST:
        return None
    bar = judged(scene.glance.clear, mask, is_alone=False)
    start = _Start(scene.turn.angle_deg, bar, scene.quality, scene.quality + 0.5 * bar.quality)
    found = _oriented(scene.glance, start, [bar], mode)
    if found is None or min(found.travel) < MOVES_PX or found.quality < 0.7 * scene.quality:
        return None
    return found


@dataclass(frozen=True, eq=False)
class _Start:
    """A direction to look along and what is taken for the bar."""

    angle_deg: float
    bar: BarCandidate | None
    quality: float
    total: float


def _starts(
    clear: Picture, candidates: list[BarCandidate], angles: tuple[float, ...], mode: Mode
) -> list[_Start]:
    """Return directions to look along, each with what is taken for the bar, best first."""
    places = _spread(len(clear), 3)
    starts = []
    for candidate in [None, *candidates]:
        stack = without(clear, candidate, places)
        for angle in angles:
            turned = Turn(angle, (clear.shape[1], clear.shape[2])).picture(stack)
            quality = _chain_quality([find_chain(p) for p in turned], turned.shape[2], mode)
            total = quality + (0.5 * candidate.quality - 0.05 if candidate else 0.0)
            starts.append(_Start(angle, candidate, quality, total))
    return sorted(starts, key=lambda start: -start.total)


def _spread(count: int, wanted: int) -> list[int]:
    return sorted({round(float(i)) for i in np.linspace(0, count - 1, min(wanted, count))})


def _chain_quality(chains: list[Chain | None], columns: int, mode: Mode) -> float:
    """Return the mean of the better two thirds; `columns` is the pictures' width."""
    each = sorted((_one_quality(chain, columns, mode) for chain in chains), reverse=True)
    return float(np.mean(each[: max(1, math.ceil(2 * len(each) / 3))]))


def _one_quality(chain: Chain | None, columns: int, mode: Mode) -> float:
    if chain is None:
        return 0.0
    rows = chain.left.size
    loose = chain.loose_ends
    dark = float(np.clip(2 - 2 * max(chain.levels[0], chain.levels[2]) / DARKEST_SPECIMEN, 0, 1))
    dear = 0.5 if mode == "growth" else 1.5  # what grows has not reached the tip
    crossing = float(np.clip(1 - dear * chain.gap_px / rows, 0, 1))
    body = slice(chain.top, chain.bottom + 1)
    aside = (chain.left[body] <= 0) | (chain.right[body] >= columns - 1)
    whole = 0.4 if aside.mean() > 0.2 else 1.0  # what runs along the border is no specimen
    return min(chain.contrast, 1.2) / 1.2 * crossing * dark * (LOOSE**loose) * whole


def _oriented(
    glance: Glance, start: _Start, candidates: list[BarCandidate], mode: Mode
) -> Scene | None:
    """Turn the picture until the axis is upright and the tip on top."""
    others = [c for c in candidates if c is not start.bar]
    second = others[0] if others else None
    clear = without(glance.clear, start.bar)
    shape = (clear.shape[1], clear.shape[2])
    shown = _shown(glance, start.bar)
    angle, looks = start.angle_deg, FEWER_LOOKS
    for turns_left in range(4, 0, -1):
        found = _followed(clear, Turn(angle, shape), mode, looks, shown)
        if found is None:
            return None
        camera = _camera(start.bar, found.turn, len(clear))
        upper, lower = (_travel(track, camera[:, 1]) for track in (found.tip, found.base))
        sure, _ = _which_is_tip(found, (upper, lower), mode)
        over, lean = sure < 0, _lean_deg(found, None if start.bar is None else camera, mode)
        if (looks == LOOKS and not over) or turns_left == 1:
            return _scene(glance, start, second, found, camera, lean, mode)
        if not over and abs(lean) < UPRIGHT_DEG:
            looks = LOOKS
        angle += lean + (180.0 if over else 0.0)
    return None


def _scene(
    glance: Glance,
    start: _Start,
    second: BarCandidate | None,
    found: _Followed,
    camera: FloatArray,
    lean: float,
    mode: Mode,
) -> Scene:
    upper, lower = (_travel(track, camera[:, 1]) for track in (found.tip, found.base))
    sure, why = _which_is_tip(found, (upper, lower), mode)
    by_bar = None if start.bar is None else camera
    axis = None if mode == "growth" else axis_of_motion(found.tip, found.base, by_bar, UP)
    laid = _chain_quality([*found.chains.values()], found.clear.shape[2], mode)
    askew = min(abs(lean) / ASKEW_DEG, 1.0)  # a chain that still leans is not the right one
    settled = (start.total - start.quality) + laid * (1 - 0.5 * askew)
    return Scene(
        glance, found.turn, found.clear, found.chains, start.bar, second, min(start.quality, laid),
        max(sure, 0.0), found.tip, found.base, axis, (upper, lower), why, settled,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Followed:
    """The chains and the ends' motions in pictures that are turned in one way."""

    turn: Turn
    clear: Picture
    chains: dict[int, Chain]
    tip: Track
    base: Track


def _lean_deg(found: _Followed, camera: FloatArray | None, mode: Mode) -> float:
    """Return the axis' angle from straight up in the turned picture, as far as it is known."""
    axes = [outline_axis(found.chains[0]), face_axis(found.clear, found.chains)]
    if mode != "growth":
        axes.append(axis_of_motion(found.tip, found.base, camera, UP))
    known = [axis for axis in axes if axis is not None]
    best = min(known, key=lambda axis: axis.u_angle_deg, default=None)
    return 0.0 if best is None or best.u_angle_deg > 10 else best.angle_deg


def _shown(glance: Glance, bar: BarCandidate | None) -> NDArray[np.bool_]:
    """Return the pixels that show the scene, not what was put in the place of bar and writing."""
    shown = np.ones(glance.clear.shape[1:], dtype=bool)
    if glance.covered is not None:
        shown &= ~glance.covered
    return shown if bar is None else shown & ~reach_of(bar)


def _followed(
    clear: Picture, turn: Turn, mode: Mode, looks: int, shown: NDArray[np.bool_]
) -> _Followed | None:
    """Lay the chain in a number of frames, agree on the body's length, follow both ends."""
    turned = turn.picture(clear)
    found = {k: find_chain(turned[k]) for k in _spread(len(turned), looks)}
    chains = {k: chain for k, chain in found.items() if chain is not None}
    if not chains:
        return None
    length = _usual_length(chains, mode)
    for k, chain in chains.items():
        if abs(math.log((chain.bottom - chain.top + 1) / length)) > 0.2 and mode != "growth":
            chains[k] = find_chain(turned[k], length) or chain
    if mode == "growth":
        chains = _standing(chains)
    if 0 not in chains:
        return None
    seen = turn.mask(shown)
    tip, base = (_follow_end(turned, chains[0], upper, seen) for upper in (True, False))
    return _Followed(turn, turned, chains, tip, base)


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
        matter = np.flatnonzero(np.isfinite(chain.left[upper + 1 : lower])) + upper + 1
        if matter.size:
            pieces = np.split(matter, np.flatnonzero(np.diff(matter) > 3) + 1)
            body = max(pieces, key=len)  # the corner of a leaning end may hang into the room
            top, bottom = int(body[0]), int(body[-1])
            out[k] = replace(chain, upper=upper, top=top, bottom=bottom, lower=lower)
    return out


def _usual_length(chains: dict[int, Chain], mode: Mode) -> float:
    lengths = [c.bottom - c.top + 1 for c in chains.values() if c.contrast > 0.3]
    if not lengths:
        lengths = [c.bottom - c.top + 1 for c in chains.values()]
    return float(np.percentile(lengths, 90 if mode == "growth" else 60))


def _follow_end(turned: Picture, chain: Chain, upper: bool, shown: NDArray[np.bool_]) -> Track:
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
    return follow(turned, (x0, y0, x1, y1), reach=(max(8, columns // 10), rows // 2), shown=shown)


def _camera(bar: BarCandidate | None, turn: Turn, count: int) -> FloatArray:
    """Return the bar's motion (x, y) in the turned picture, shape (n, 2); 0 without a bar."""
    if bar is None:
        return np.zeros((count, 2))
    return turn.vectors(np.nan_to_num(bar.track.moved))


def _travel(track: Track, camera: FloatArray) -> float:
    along = track.moved[:, 1] - camera
    along = along[np.isfinite(along)]
    return float(np.percentile(along, 95) - np.percentile(along, 5)) if along.size > 3 else 0.0


def _which_is_tip(found: _Followed, travel: tuple[float, float], mode: Mode) -> tuple[float, str]:
    """Return how sure it is that the upper end is the tip (negative: the lower one), and why.

    The counter electrode is driven: it travels at least as far as the lever's tip, which only
    follows the force. Drift moves both alike, so that nothing is told where they do not move
    against each other. Then the free end of a compressed specimen faces the tip.
    """
    upper, lower = travel
    chains = found.chains
    if mode == "growth":
        return _grows_from(chains[0])
    apart = _travel(found.base, found.tip.moved[:, 1])
    farther = abs(upper - lower) / max(apart, MOVES_PX)
    if apart > MOVES_PX and farther > 0.5:
        sure = min(1.0, 0.4 + 0.6 * farther)
        return (sure if lower > upper else -sure), "the counter electrode travels farther"
    above = float(np.median([c.top - c.upper for c in chains.values()]))
    below = float(np.median([c.lower - c.bottom for c in chains.values()]))
    if mode != "tension" and abs(above - below) >= 1:
        return (0.6 if above > below else -0.6), "the specimen's free end faces the tip"
    if apart > MOVES_PX and farther > 0.2:
        return (0.45 if lower > upper else -0.45), "the counter electrode travels a little farther"
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

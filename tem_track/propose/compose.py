"""A movie alone to a proposed experiment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tem_track.propose.bar import at_border, bar_candidates, without
from tem_track.propose.boxes import (
    axis_as_it_is,
    bar_box,
    base_box,
    specimen_box,
    tip_box,
)
from tem_track.propose.find import Scene, understand
from tem_track.propose.glance import Glance, look, vacuum_share
from tem_track.propose.labels import find_writing, without_writing
from tem_track.propose.motion import Track
from tem_track.propose.outline import face_axis, outline_axis
from tem_track.propose.proposal import GUESS, NAMES, SURE, AxisFound, Part, Proposal, ShapeFound
from tem_track.propose.reading import read_label
from tem_track.propose.shapes import shape_of
from tem_track.records import Box, FloatArray, Mode, Polarity

if TYPE_CHECKING:
    from tem_track.analysis import Progress
    from tem_track.frames import Movie

__all__ = ["propose"]

AXIS_SURE_DEG, AXIS_UNKNOWN_DEG = 2.0, 10.0
STILL_PX = 2.0
SURE_BAR = 0.6
"""Quality of a bar that is hardly anything else."""

CLEAR_UPRIGHT = 0.7
"""How sure it is which end is the tip, from which the other end is no next best."""

DARK_END = 0.45
"""Transmission of tip and base, at most."""

LEAST_GAP = 2
"""Reduced rows of vacuum that are a gap, and not a dim line between two bodies that touch."""

_UNLIKE = (
    "no specimen between a tip and a counter electrode was recognised in frame {}: draw the boxes"
    " with tem-track setup"
)

_NO_BASE = (
    "nothing comes in from the border opposite to the tip: no base visible; draw [tip] and"
    " [specimen] with tem-track setup, [base] may stay out"
)


def propose(
    movie: Movie,
    *,
    mode: Mode,
    polarity: Polarity = "dark",
    progress: Progress | None = None,
) -> Proposal:
    """Find bar, tip, specimen, base, shape and axis in a movie.

    Parameters
    ----------
    movie : Movie
    mode : {'compression', 'tension', 'growth'}
    polarity : {'dark', 'bright'}
        Whether objects are darker or brighter than vacuum.
    progress : callable, optional
        Called as ``progress("look", done, total)``.

    Returns
    -------
    Proposal
        What was not found has no box, and a note that says what to do. The same movie gives the
        same proposal.

    Raises
    ------
    MovieError
        The movie cannot be read.

    Notes
    -----
    Assumes two thick ends that come in from opposite borders, with the specimen between them, in
    the first frame that can be read.
    """
    seen = look(movie, polarity=polarity, progress=progress)
    writing = find_writing(seen)
    bar = None if writing.scale_bar is None else read_label(writing.scale_bar, writing.boxes, seen)
    glance = without_writing(seen, writing)
    scene = understand(_backwards(glance) if mode == "growth" else glance, mode)
    if scene is None:
        nothing = _nothing(movie, glance, mode, polarity)
        return replace(nothing, scale_bar=bar, labels=writing.boxes)
    parts = {
        part.name: part for part in (_bar(scene), _tip(scene), _specimen(scene, mode), _base(scene))
    }
    return Proposal(
        mode,
        polarity,
        glance.size_px,
        glance.frames[0],
        _in_first_frame(scene, tuple(parts.values()), mode),
        _shape(scene, parts["specimen"], mode),
        _believed_axis(scene, parts),
        bar,
        writing.boxes,
        tag_scale_nm_per_px=movie.info.scale_nm_per_px,
        travel_px=tuple(
            (name, round(way * glance.step, 1))
            for name, way in zip(("tip", "base"), scene.travel, strict=True)
            if parts["bar"].found and parts[name].found
        ),
        warnings=tuple(_warnings(scene, parts, movie, mode)),
    )


def _backwards(glance: Glance) -> Glance:
    """Return what was seen from the end: what grows is there in the last frame."""
    return replace(glance, frames=glance.frames[::-1], clear=glance.clear[::-1])


def _in_first_frame(scene: Scene, parts: tuple[Part, ...], mode: Mode) -> tuple[Part, ...]:
    """Return the parts with their boxes where they were in the movie's first frame."""
    if mode != "growth":
        return parts
    way = {"tip": _way_back(scene.tip), "base": _way_back(scene.base)}
    way["specimen"] = (way["tip"] + way["base"]) / 2
    moved = {name: scene.turn.vectors_back(w) for name, w in way.items()}
    moved["bar"] = _way_back(scene.bar.track) if scene.bar is not None else np.zeros(2)
    return tuple(_shifted(part, moved[part.name] * scene.glance.step, scene) for part in parts)


def _way_back(track: Track) -> FloatArray:
    return np.asarray(np.nan_to_num(track.moved[-1]), dtype=np.float64)


def _shifted(part: Part, way_px: FloatArray, scene: Scene) -> Part:
    if part.box is None:
        return part
    rows, columns = scene.glance.size_px
    box = part.box.shifted(*(float(round(v)) for v in way_px))
    x0, y0 = max(box.x_px, 0), max(box.y_px, 0)
    x1, y1 = min(box.x_px + box.width_px, columns), min(box.y_px + box.height_px, rows)
    return replace(part, box=Box(x0, y0, x1 - x0, y1 - y0))


def _bar(scene: Scene) -> Part:
    found = bar_box(scene)
    if scene.bar is None or found is None:
        return Part(
            "bar", None, 0.0,
            note="nothing dark at the border stays the same in all frames; draw [bar] box_px around"
            " something that does not move with the stage, or film with the bar in view",
        )  # fmt: skip
    second = ""
    if scene.second_bar is not None:
        lead = scene.bar.quality - scene.second_bar.quality
        bounds = scene.glance.full(scene.second_bar.bounds)
        second = f"box_px = {[round(v) for v in bounds.as_tuple()]}" if lead < 0.5 else ""
    box, is_part = found
    note = "only the part of it that neither tip nor base passes" if is_part else ""
    sure = min(scene.bar.quality / SURE_BAR, 0.99) * _in_vacuum(scene)
    if _sure(scene) < GUESS:  # unlike a test: what is dark at the border may be anything
        sure = min(sure, 0.9 * GUESS)
    return Part("bar", box, round(float(sure), 2), second, note)


def _tip(scene: Scene) -> Part:
    sure = _sure_end(scene)
    second = "the base's box" if scene.upright < CLEAR_UPRIGHT else ""
    doubted = sure < SURE and scene.upright < CLEAR_UPRIGHT
    note = f"only told by: {scene.why_upright}" if doubted else ""
    return Part("tip", tip_box(scene), sure, second, note)


def _base(scene: Scene) -> Part:
    second = "the tip's box" if scene.upright < CLEAR_UPRIGHT else ""
    return Part("base", base_box(scene), _sure_end(scene), second)


def _sure_end(scene: Scene) -> float:
    """Return how sure tip and base are: the chain, and which of its ends is which."""
    return round(_sure(scene) * (0.4 + 0.6 * scene.upright), 2)


def _in_vacuum(scene: Scene) -> float:
    """Return what a confidence is worth: a test is seen in vacuum, and a quarter without any."""
    return 0.25 + 0.75 * vacuum_share(scene.glance.clear)


def _specimen(scene: Scene, mode: Mode) -> Part:
    same = 1.0 if mode == "growth" else _steadiness(scene)
    note = "" if same > 0.5 else "its ends were found at different places in different frames"
    sure, tip = round(_sure(scene) * (0.5 + 0.5 * same), 2), _tip(scene)
    sure = sure if tip.found else min(sure, tip.confidence)  # it lies between tip and base
    return Part("specimen", specimen_box(scene), sure, "", note)


def _sure(scene: Scene) -> float:
    """Return how sure the chain is: clear-cut, free of the borders, with a bar, and followed."""
    sure = min(0.99, max(0.0, (scene.quality - 0.1) / 0.5))
    if _at_side(scene):
        sure *= 0.4
    if scene.bar is None:
        sure *= 0.75
    sure *= _in_vacuum(scene)
    axis = _axis(scene).axis
    if axis is None or axis.u_angle_deg > AXIS_UNKNOWN_DEG:
        sure *= 0.5  # neither faces nor a slender body nor any motion
    return sure * min(1.0, 0.3 + 0.9 * scene.followed)


def _at_side(scene: Scene) -> bool:
    """Whether much of the body, or an end's face, runs out of the picture sideways."""
    chain, inside = scene.chain, scene.turn.inside
    last = inside.shape[1] - 1
    rows = np.arange(chain.left.size)
    left, right = (
        np.clip(np.nan_to_num(side, nan=last / 2) + step, -1, last + 1).astype(int)
        for side, step in ((chain.left, -1), (chain.right, 1))
    )
    within = np.pad(inside, ((0, 0), (1, 1)))
    out = ~(within[rows, left + 1] & within[rows, right + 1])
    return bool(out[chain.top : chain.bottom + 1].mean() > 0.2 or out[chain.upper])


def _steadiness(scene: Scene) -> float:
    """Return the share of frames whose body is about as long as in the reference."""
    own = scene.chain.bottom - scene.chain.top + 1
    others = [c.bottom - c.top + 1 for c in scene.chains.values()]
    return sum(0.7 < other / own < 1.43 for other in others) / len(others)


def _axis(scene: Scene) -> AxisFound:
    """Return the axis from the motion where that is long enough, else from the picture."""
    found, source = scene.axis, "motion"
    if found is None or found.u_angle_deg > AXIS_SURE_DEG:
        views = [
            (scene.axis, "motion"),
            (outline_axis(scene.chain), "outline"),
            (face_axis(scene.clear, scene.chains), "faces"),
        ]
        known = [(axis, name) for axis, name in views if axis is not None]
        if not known:
            return AxisFound(None, 0.0)
        found, source = min(known, key=lambda pair: pair[0].u_angle_deg)
    assert found is not None
    sure = max(0.0, min(0.98, 1 - found.u_angle_deg / 4))
    return AxisFound(axis_as_it_is(found, scene.turn), round(sure, 2), source)


def _shape(scene: Scene, specimen: Part, mode: Mode) -> ShapeFound:
    """Return the shape, no surer than the box it is seen in; none where that is not found."""
    if not specimen.found:
        return ShapeFound(None, 0.0)
    found = shape_of(scene.figures(), mode)
    return replace(found, confidence=min(found.confidence, specimen.confidence))


def _believed_axis(scene: Scene, parts: dict[str, Part]) -> AxisFound:
    """Return the axis, where what it was found from is found; no surer than that."""
    axis = _axis(scene)
    seen_in = ("specimen",) if axis.source == "outline" else ("tip", "base")
    if not all(parts[name].found for name in seen_in):
        return AxisFound(None, 0.0)
    return replace(axis, confidence=min(axis.confidence, round(_sure(scene), 2)))


def _warnings(scene: Scene, parts: dict[str, Part], movie: Movie, mode: Mode) -> list[str]:
    glance, out = scene.glance, list(movie.info.warnings)
    if not parts["specimen"].found:
        out.append(_UNLIKE.format(scene.glance.frames[0]))
    if glance.disturbed:
        shown = ", ".join(str(n) for n in glance.disturbed[:5])
        out.append(f"frames {shown} look unlike their neighbours and were left out")
    loose = np.median([chain.loose_ends for chain in scene.chains.values()]) >= 1
    if loose or (_UNLIKE.format(glance.frames[0]) in out and _one_end_alone(glance)):
        out.append(_NO_BASE)
    if mode != "growth":
        out += _unloaded(scene, {name for name, part in parts.items() if part.found}, mode)
    return out


def _unloaded(scene: Scene, found: set[str], mode: Mode) -> list[str]:
    """Say where nothing is loaded, as far as what tells it is found."""
    tip, base = (way * scene.glance.step for way in scene.travel)
    if found >= {"bar", "tip", "base"} and max(tip, base) < STILL_PX:
        return ["tip and base hardly move against the bar: nothing seems to be loaded"]
    if found >= {"bar", "tip"} and tip < STILL_PX:
        return ["the tip hardly moves against the bar: no contact is seen, and no force"]
    if mode == "compression" and "specimen" in found and _never_closed(scene):
        return ["a gap stays between the specimen and an end: no contact is seen, and no force"]
    return []


def _one_end_alone(glance: Glance) -> bool:
    """Whether one dark thing alone comes in from the border into a vacuum, beside a sure bar."""
    if vacuum_share(glance.clear) < 0.5:
        return False
    bar = next((one for one in bar_candidates(glance.clear) if one.quality > SURE_BAR), None)
    usual = np.median(without(glance.clear, bar), axis=0)
    return len(at_border(usual < DARK_END)) == 1


def _never_closed(scene: Scene) -> bool:
    """Whether in every frame looked at there is vacuum between the specimen and an end."""
    gaps = [max(c.top - c.upper, c.lower - c.bottom) - 1 for c in scene.chains.values()]
    return min(gaps) >= LEAST_GAP


def _nothing(movie: Movie, glance: Glance, mode: Mode, polarity: Polarity) -> Proposal:
    alone = (_NO_BASE,) if _one_end_alone(glance) else ()
    how = "not recognised: draw its box with tem-track setup, or write the numbers here"
    parts = tuple(Part(name, None, 0.0, note=how) for name in NAMES)
    return Proposal(
        mode, polarity, glance.size_px, glance.frames[0], parts,
        ShapeFound(None, 0.0), AxisFound(None, 0.0),
        tag_scale_nm_per_px=movie.info.scale_nm_per_px,
        warnings=(*movie.info.warnings, *alone, _UNLIKE.format(glance.frames[0])),
    )  # fmt: skip

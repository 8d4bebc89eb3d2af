"""Trackers from a sample of frames: gather, grow the templates, refuse what cannot be followed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from tem_track.cores import at_once, in_turn
from tem_track.errors import TrackingError
from tem_track.records import Frame, Image, Match, Reference, Target
from tem_track.tracking.changed import Change
from tem_track.tracking.coarse import Reduced
from tem_track.tracking.crops import SLACK, Crop
from tem_track.tracking.defects import Speckles
from tem_track.tracking.fit import fit_pattern
from tem_track.tracking.further import is_carried_on, lost_stretches, outline_at
from tem_track.tracking.gather import Gathering, Seen, frame_checksum
from tem_track.tracking.growing import grow
from tem_track.tracking.illumination import Cells, Lit, Unsure, cells_of
from tem_track.tracking.linking import link
from tem_track.tracking.look import Look
from tem_track.tracking.structure import require_structure, without_chance
from tem_track.tracking.template import EARLY_ROUNDS
from tem_track.tracking.tracker import Tracker, locate_all, moved_by_light

__all__ = ["begin_trackers", "build_trackers", "carry_on"]

SOME_FRAMES = 24
"""Frames that are asked what brightness that moves does to a place."""


def build_trackers(
    references: Mapping[int, Image], sample: Iterable[Frame], targets: Sequence[Target]
) -> dict[str, Tracker]:
    """Prepare one tracker a target.

    Parameters
    ----------
    references : mapping of int to Image
        The frames that the targets' references name.
    sample : iterable of Frame
        Frames spread over the movie, about a hundred; only crops are kept. Where it can be read
        again, further references are looked for.
    targets : sequence of Target

    Returns
    -------
    dict of str to Tracker
        By the target's name.

    Raises
    ------
    TrackingError
        A box lies outside its frame, is too small, or holds nothing that could be followed.
    """
    trackers = begin_trackers(references, sample, targets)
    if isinstance(sample, Iterator):
        return trackers

    def located(frame: Frame) -> tuple[int, dict[str, Match]]:
        return frame.index, locate_all(trackers, frame.image)

    seen = dict(in_turn(located, (frame for frame in sample if frame.ok)))
    return carry_on(trackers, seen, references, sample, targets)


def begin_trackers(
    references: Mapping[int, Image], sample: Iterable[Frame], targets: Sequence[Target]
) -> dict[str, Tracker]:
    """Prepare one tracker a target from the references that are named; as `build_trackers`."""
    found = at_once(_finish, _gathered(references, sample, targets))
    return {target.name: tracker for target, tracker in zip(targets, found, strict=True)}


def carry_on(
    trackers: Mapping[str, Tracker],
    seen: Mapping[int, Mapping[str, Match]],
    references: Mapping[int, Image],
    sample: Iterable[Frame],
    targets: Sequence[Target],
) -> dict[str, Tracker]:
    """Return the trackers, each with a further look where its target's look changes for good.

    Parameters
    ----------
    trackers : mapping of str to Tracker
        From `begin_trackers`.
    seen : mapping of int to mapping of str to Match
        What they found in every frame of the sample, in the frames' order.
    references, sample, targets
        As for `build_trackers`. The sample is read again only where a look has changed.
    """
    changed = dict(trackers)
    for target in targets:
        tracker = trackers[target.name]
        found = [(index, matches[target.name]) for index, matches in seen.items()]
        lost = lost_stretches(found)
        if lost:
            frames = [frame for frame in sample if frame.index in lost]
            changed[target.name] = _carried_on(tracker, frames, target, references, sample)
        elif tracker.change is not None and len(tracker.looks) == 1:
            other = _other_look(found, tracker.change, target)
            frames = [frame for frame in sample if other and frame.index == other.frame]
            changed[target.name] = _looking_anew(tracker, frames, other, target, references, sample)
    return changed


def _other_look(
    found: Sequence[tuple[int, Match]], change: Change, target: Target
) -> Reference | None:
    """Return the middle frame of those that show another look than the reference, with its box."""
    first = target.references[0]
    others = [
        (index, match)
        for index, match in found
        if not match.lost and (index < change.frame) != (first.frame < change.frame)
    ]
    if not others:
        return None
    index, match = others[len(others) // 2]
    x, y = match.x_px - target.point_px[0], match.y_px - target.point_px[1]
    box = replace(first.box, x_px=round(first.box.x_px + x), y_px=round(first.box.y_px + y))
    return Reference(index, box)


def _looking_anew(
    tracker: Tracker,
    frames: Sequence[Frame],
    other: Reference | None,
    target: Target,
    references: Mapping[int, Image],
    sample: Iterable[Frame],
) -> Tracker:
    """Return the tracker with a look of its own from a change on; unsure where that fails."""
    assert tracker.change is not None
    if other is not None and frames:
        images = {**references, other.frame: frames[0].image}
        whole = replace(target, references=(*target.references, other))
        with contextlib.suppress(TrackingError):
            (own,) = _gathered(images, sample, [whole], apart=True, change=tracker.change.frame)
            more = _finish(own)
            if is_carried_on(more, tracker.looks[0]):
                return replace(more, found_frames=(other.frame,))
    doubted = tuple(
        replace(look, apart_px2=look.apart_px2 + tracker.change.doubt_px2) for look in tracker.looks
    )
    return replace(tracker, looks=doubted)


def _gathered(
    references: Mapping[int, Image],
    sample: Iterable[Frame],
    targets: Sequence[Target],
    *,
    apart: bool = False,
    change: int | None = None,
) -> list[Gathering]:
    gatherings = [Gathering(each, references, apart=apart, change=change) for each in targets]
    lit, speckles = Lit(), Speckles()

    def seen(shown: tuple[Frame, int]) -> tuple[Frame, Cells, list[Seen]]:
        frame, checksum = shown
        reduced = Reduced(frame.image)
        found = [each.look_at(reduced, checksum) for each in gatherings]
        return frame, cells_of(reduced), found

    for frame, cells, found in in_turn(seen, _different(sample)):
        lit.add(frame.image, cells)
        speckles.add(frame.image)
        for each, one in zip(gatherings, found, strict=True):
            each.add(frame.image, one, frame.index)
    defects = speckles.defects()
    if defects is not None:
        for each in gatherings:
            each.mend(defects)
    for each in gatherings:
        each.clear(speckles.high - speckles.low)
    travelling = [each for each in gatherings if each.travels() and each.target.polarity == "dark"]
    beam = lit.beam() if travelling else None
    if beam is not None:
        for each in travelling:
            if beam.stands_still:
                each.even(beam)
            else:
                each.unsure = beam.unsure()
    return gatherings


def _different(sample: Iterable[Frame]) -> Iterator[tuple[Frame, int]]:
    """Yield the good frames, each with its checksum and once.

    A frame that was seen already, since a recorder has written it twice, says nothing new: its
    noise would be taken for what does not vary.
    """
    known: set[int] = set()
    for frame in sample:
        if frame.ok and (checksum := frame_checksum(frame.image)) not in known:
            known.add(checksum)
            yield frame, checksum


def _carried_on(
    tracker: Tracker,
    lost: Iterable[Frame],
    target: Target,
    references: Mapping[int, Image],
    sample: Iterable[Frame],
) -> Tracker:
    """Return the tracker with a further look where one is found in the frames that are lost."""
    images, named = dict(references), list(target.references)
    for frame in lost:
        place = outline_at(frame.image, target, tracker.looks[0])
        if place is not None and frame.index not in images:
            images[frame.index] = frame.image
            named.append(Reference(frame.index, place))
    if len(named) == len(target.references):
        return tracker
    try:
        whole = replace(target, references=tuple(named))
        (gathering,) = _gathered(images, sample, [whole], apart=True)
        more = _finish(gathering)
    except TrackingError:
        return tracker
    if not is_carried_on(more, tracker.looks[0]):
        return tracker
    frames = tuple(reference.frame for reference in named[len(target.references) :])
    return replace(more, found_frames=frames)


def _finish(gathering: Gathering) -> Tracker:
    """Return the tracker; a box is refused only where its edges, trusted sooner, fail as well."""
    try:
        return _finished(gathering, EARLY_ROUNDS)
    except TrackingError:
        with contextlib.suppress(TrackingError):
            return _finished(gathering, 1)
        raise


def _finished(gathering: Gathering, early_rounds: int) -> Tracker:
    target = gathering.target
    whole = [own.crops for own in gathering.looks]
    grown = [grow(own, early_rounds) for own in gathering.looks]
    if gathering.light is not None:  # a second time bettered the last tenth of the error
        gathering.even_beneath([look for look, _, _ in grown], whole)
        grown = [grow(own, early_rounds) for own in gathering.looks]
    first = grown[0][0]
    looks = (first, *(link(first, look) for look, _, _ in grown[1:]))
    require_structure(gathering, looks)
    is_bar = target.name == "bar"
    sure = tuple(
        without_chance(own, look, is_bar=is_bar)
        for own, look in zip(gathering.looks, looks, strict=True)
    )
    unsure, at_home = _unsure(gathering, looks[0])
    return Tracker(
        target.name, target.references[0].box, target.point_px, sure, grown[0][1],
        polarity=target.polarity, light=gathering.light, frame_at_peak=gathering.frame_at_peak(),
        defects=gathering.defects, unsure=unsure,
        lit_px=at_home if unsure is not None else _lit(gathering, looks[0]),
        change=next((change for _, _, change in grown if change is not None), None),
    )  # fmt: skip


def _lit(gathering: Gathering, look: Look) -> tuple[float, float]:
    """Return what dividing by the beam's brightness does to the place in the reference frame."""
    crop = gathering.looks[0].reference
    moved = None if crop.uneven is None else _moved_in_crop(crop, crop.uneven, look)
    return (0.0, 0.0) if moved is None else moved[0]


def _unsure(gathering: Gathering, look: Look) -> tuple[Unsure | None, tuple[float, float]]:
    """Return what is doubted of brightness that does not stand still.

    Second, what its mean does to the place in the reference frame.
    """
    unsure, own = gathering.unsure, gathering.looks[0]
    if unsure is None:
        return None, (0.0, 0.0)
    some = own.crops[:: max(1, len(own.crops) // SOME_FRAMES)]
    found = [
        _moved_in_crop(
            crop, unsure.light.evened_part(crop.image, crop.x - SLACK, crop.y - SLACK), look
        )
        for crop in (own.reference, *some)
    ]
    if found[0] is None:
        return None, (0.0, 0.0)
    (at_home, home), *others = [each for each in found if each is not None]
    ways = np.array([np.subtract(moved, at_home) for moved, _ in others]).reshape(-1, 2)
    spread = ways.T @ ways / max(len(ways), 1)
    return replace(unsure, home_px=home, spread_px2=spread), at_home


def _moved_in_crop(
    crop: Crop, other: Image, look: Look
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Return how much farther (x, y) a crop in another light puts the target, and its place."""
    start = (SLACK + crop.start[0], SLACK + crop.start[1])
    fit = fit_pattern(
        crop.image, look.pattern, start, turns=look.turns, pivot_px=look.pivot_px, free=look.free
    )
    moved = None if fit is None else moved_by_light(other, fit, look)
    if fit is None or moved is None:
        return None
    return moved, (crop.x - SLACK + fit.x_px, crop.y - SLACK + fit.y_px)

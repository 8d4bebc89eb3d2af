"""Trackers from a sample of frames: gather, grow the templates, refuse what cannot be followed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from tem_track.errors import TrackingError
from tem_track.records import Frame, Image, Reference, Target
from tem_track.tracking.further import is_carried_on, lost_stretches, outline_at
from tem_track.tracking.gather import Gathering
from tem_track.tracking.growing import grow
from tem_track.tracking.linking import link
from tem_track.tracking.structure import require_structure
from tem_track.tracking.template import EARLY_ROUNDS
from tem_track.tracking.threads import at_once
from tem_track.tracking.tracker import Tracker

__all__ = ["build_trackers"]


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
    found = at_once(_finish, _gathered(references, sample, targets))
    return {
        target.name: _carried_on(tracker, target, references, sample)
        for target, tracker in zip(targets, found, strict=True)
    }


def _gathered(
    references: Mapping[int, Image], sample: Iterable[Frame], targets: Sequence[Target]
) -> list[Gathering]:
    gatherings = [Gathering(target, references) for target in targets]
    with ThreadPoolExecutor(len(gatherings) or 1) as pool:
        for frame in sample:
            if frame.ok:
                for added in [pool.submit(each.add, frame) for each in gatherings]:
                    added.result()
    return gatherings


def _carried_on(
    tracker: Tracker, target: Target, references: Mapping[int, Image], sample: Iterable[Frame]
) -> Tracker:
    """Return the tracker with a further look where the target's look has changed for good."""
    images, named = dict(references), list(target.references)
    for frame in lost_stretches(tracker, sample):
        place = outline_at(frame.image, target, tracker.looks[0])
        if place is not None and frame.index not in images:
            images[frame.index] = frame.image
            named.append(Reference(frame.index, place))
    if len(named) == len(target.references):
        return tracker
    try:
        (gathering,) = _gathered(images, sample, [replace(target, references=tuple(named))])
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
    grown = [grow(own, early_rounds) for own in gathering.looks]
    first = grown[0][0]
    looks = (first, *(link(first, look) for look, _ in grown[1:]))
    require_structure(gathering, looks)
    return Tracker(target.name, target.references[0].box, target.point_px, looks, grown[0][1])

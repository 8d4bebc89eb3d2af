"""Trackers from a sample of frames: gather, grow the templates, refuse what cannot be followed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from tem_track.records import Frame, Image, Target
from tem_track.tracking.gather import Gathering
from tem_track.tracking.growing import grow
from tem_track.tracking.structure import require_structure
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
        Frames spread over the movie, about a hundred; read once, only crops are kept.
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
    gatherings = [Gathering(target, references) for target in targets]
    with ThreadPoolExecutor(len(gatherings) or 1) as pool:
        for frame in sample:
            if frame.ok:
                for added in [pool.submit(each.add, frame) for each in gatherings]:
                    added.result()
    return {tracker.name: tracker for tracker in at_once(_finish, gatherings)}


def _finish(gathering: Gathering) -> Tracker:
    target = gathering.target
    grown = [grow(own) for own in gathering.looks]
    looks = tuple(look for look, _ in grown)
    require_structure(gathering, looks)
    return Tracker(target.name, target.references[0].box, target.point_px, looks, grown[0][1])

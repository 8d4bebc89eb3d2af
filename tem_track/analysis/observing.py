"""Once a frame: targets and outline, by the frame and the plan alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from tem_track.analysis.nouns import Plan
from tem_track.analysis.targets import level_of, levelled, locate, stand
from tem_track.records import Frame, Match, Observation, Outline

__all__ = ["observe"]


def observe(frame: Frame, plan: Plan, settled: Mapping[str, Match] | None = None) -> Observation:
    """Measure one frame. The answer depends on the frame and the plan alone.

    Parameters
    ----------
    frame : Frame
    plan : Plan
    settled : mapping, optional
        Targets whose place is known already.

    Returns
    -------
    Observation
    """
    if not frame.ok:
        return Observation(frame.index, frame.time_s, False, "")
    found = locate(plan.trackers, frame)
    matches = levelled(plan.trackers, frame, found, level_of(plan.experiment)) | dict(settled or {})
    return Observation(
        frame.index,
        frame.time_s,
        True,
        _digest(frame),
        bar=matches.get("bar"),
        tip=matches.get("tip"),
        base=matches.get("base"),
        outline=_outline(frame, plan, matches),
    )


def _outline(frame: Frame, plan: Plan, matches: Mapping[str, Match]) -> Outline | None:
    if plan.specimen is None:
        return None
    base = stand(matches) if plan.experiment.mode == "growth" else matches.get("base")
    from tem_track.specimen import GrowthModel

    tip = matches.get("tip", Match.none())
    if isinstance(plan.specimen, GrowthModel):
        return plan.specimen.outline(frame.image, tip, base, frame.time_s)
    return plan.specimen.outline(frame.image, tip, base, matches.get("bar"))


def _digest(frame: Frame) -> str:
    """Return a digest: noise makes every eighth row enough to tell two frames apart."""
    return hashlib.blake2b(frame.image[::8].tobytes(), digest_size=8).hexdigest()

"""Bar, tip and base in one frame, and what the specimen stands on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tem_track.config import Experiment
from tem_track.records import Axis, Frame, Match

if TYPE_CHECKING:
    from tem_track import tracking

__all__ = ["level_of", "levelled", "locate", "stand"]


_SLID_PX = 10.0
"""Way along its edge, in px, from which on a base found elsewhere is asked for again where it
usually is: a counter electrode is driven across its edge, not along it."""


def locate(trackers: Mapping[str, tracking.Tracker], frame: Frame) -> dict[str, Match]:
    """Return where every target is in a frame, by its name."""
    from tem_track.tracking import locate_all

    return locate_all(trackers, frame.image)


def levelled(
    trackers: Mapping[str, tracking.Tracker],
    frame: Frame,
    found: Mapping[str, Match],
    level: Axis | None,
) -> dict[str, Match]:
    """Return what was found; `level` is given where the base does not travel across the axis."""
    known = dict(found)
    if level is not None and "base" in found:
        known["base"] = _not_along_its_edge(trackers, frame, found, level)
    return known


def level_of(experiment: Experiment) -> Axis | None:
    """Return the axis across which the base does not travel: in growth it stays where it is."""
    return experiment.rough_axis if experiment.mode == "growth" else None


def _not_along_its_edge(
    trackers: Mapping[str, tracking.Tracker], frame: Frame, found: Mapping[str, Match], axis: Axis
) -> Match:
    """Return the base, sought again where the others expect it, if it slid along its own edge.

    A counter electrode may show but one straight edge with hardly a pattern behind it. What grows
    on it then makes any other stretch of the edge look more like it than its own.
    """
    tracker, base = trackers["base"], found["base"]
    others = [name for name in ("tip", "bar") if name in found and not found[name].lost]
    moved = (0.0, 0.0)
    if others:
        x, y = trackers[others[0]].point_px
        moved = (found[others[0]].x_px - x, found[others[0]].y_px - y)
    x, y = tracker.point_px[0] + moved[0], tracker.point_px[1] + moved[1]
    if not base.lost:
        slid = (base.x_px - x) * axis.across[0] + (base.y_px - y) * axis.across[1]
        if abs(slid) <= _SLID_PX:
            return base
        x, y = base.x_px - slid * axis.across[0], base.y_px - slid * axis.across[1]
    again = tracker.locate(frame.image, (x, y))
    if again.lost and not others:
        return base
    return again


def stand(matches: Mapping[str, Match]) -> Match | None:
    """Return what a growing body stands still against: the base, or the bar where it is alone."""
    if "base" in matches or "tip" in matches:
        return matches.get("base")
    return matches.get("bar")

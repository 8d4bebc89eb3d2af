"""The sample once more, with every target found in it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tem_track.analysis.targets import level_of, levelled, locate, stand
from tem_track.config import Experiment
from tem_track.cores import in_turn
from tem_track.records import Frame, Image, Match, Target

if TYPE_CHECKING:
    from tem_track import tracking

__all__ = ["LooksChangedError", "Place", "Walk"]


Place = tuple[Frame, Match, Match | None, Match | None]
"""A frame, where the tip is, and what the specimen stands on."""
_ENOUGH = 0.75
"""Share of the sample that first looks have to find, of what all find, to be learnt from alone."""


class Walk:
    """The sample once more, with every target found in it; what was found is remembered."""

    def __init__(
        self,
        experiment: Experiment,
        trackers: Mapping[str, tracking.Tracker],
        sample: Iterable[Frame],
        *,
        by_first: bool = False,
    ) -> None:
        self.trackers = trackers
        self.found: dict[int, dict[str, Match]] = {}
        self._spent_s: list[float] = []
        self._sample = sample
        self._level = level_of(experiment)
        self._first = {
            name: tracker.first
            for name, tracker in trackers.items()
            if by_first and len(tracker.looks) > 1
        }
        self._by_first_alone = 0

    def __iter__(self) -> Iterator[Place]:
        for frame, found, first in in_turn(self._located, self._sample):
            self.found[frame.index] = found
            self._by_first_alone += all(
                not match.lost or found[name].lost for name, match in first.items()
            )
            yield self._place(frame, found | first)

    def place(self, frame: Frame) -> Place:
        """Return a frame of which nothing is remembered."""
        frame, found, first = self._located(frame)
        return self._place(frame, found | first)

    def _located(self, frame: Frame) -> tuple[Frame, dict[str, Match], dict[str, Match]]:
        begun = time.thread_time()
        found = locate(self.trackers, frame)
        self._spent_s.append(time.thread_time() - begun)
        return frame, found, locate(self._first, frame)

    def a_frame_s(self) -> float:
        """Return the processor time in which a frame's targets are found."""
        return statistics.median(self._spent_s) if self._spent_s else 0.0

    def _place(self, frame: Frame, found: Mapping[str, Match]) -> Place:
        known = levelled(self.trackers, frame, found, self._level)
        return frame, known.get("tip", Match.none()), stand(known), known.get("bar")

    def looking_further(
        self, images: Mapping[int, Image], targets: Sequence[Target]
    ) -> Iterator[Place]:
        """Walk, and see at the end whether a target's look has changed for good.

        The places are those that the first looks find, where they find most: what is learnt there
        does not depend on references that serve for a few frames.

        Raises
        ------
        LooksChangedError
            It has, and what was walked with the first looks is to be walked again.
        """
        from tem_track.tracking import carry_on

        yield from self
        own = [target for target in targets if target.name in self.trackers]
        trackers = carry_on(self.trackers, self.found, images, self._sample, own)
        changed = any(trackers[name] is not self.trackers[name] for name in trackers)
        if changed or self._by_first_alone < _ENOUGH * len(self.found):
            raise LooksChangedError(trackers)


class LooksChangedError(Exception):
    """Says with which trackers to begin again."""

    def __init__(self, trackers: dict[str, tracking.Tracker]) -> None:
        super().__init__()
        self.trackers = trackers

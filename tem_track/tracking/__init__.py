"""Target box -> sub-pixel position and its uncertainty, frame by frame.

Trackers are prepared once from a sample of the movie; after that every frame is located for
itself. Choices that need the whole sequence are made on the matches, by `choose`.
"""

from __future__ import annotations

from tem_track.tracking.aperture import require_axis
from tem_track.tracking.build import begin_trackers, build_trackers, carry_on
from tem_track.tracking.sequence import choose
from tem_track.tracking.tracker import Tracker, locate_all

__all__ = [
    "Tracker",
    "begin_trackers",
    "build_trackers",
    "carry_on",
    "choose",
    "locate_all",
    "require_axis",
]

"""A pillar: a strongly tapered rod that stands on its wide end."""

from __future__ import annotations

from tem_track.specimen.shapes.rod import Rod

__all__ = ["Pillar"]


class Pillar(Rod):
    """A tapered body of revolution, usually of one material."""

    name = "pillar"
    end_share = 0.4  # of the width in the middle: the end is narrow

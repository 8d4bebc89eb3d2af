"""A rod: a body of revolution of slowly varying radius between two faces."""

from __future__ import annotations

from tem_track.specimen.body import Body

__all__ = ["Rod"]


class Rod(Body):
    """A straight, barrelled, bent or necking rod."""

    name = "rod"

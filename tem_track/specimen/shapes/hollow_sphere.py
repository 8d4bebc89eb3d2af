"""A hollow sphere: a ball whose core is empty, so that its wall is the shell."""

from __future__ import annotations

from tem_track.specimen.shapes.particle import Particle

__all__ = ["HollowSphere"]


class HollowSphere(Particle):
    """A hollow ball; the wall's thickness is reported as the shell."""

    name = "hollow_sphere"
    profiles = ("hollow",)
    u_facet = 0.02

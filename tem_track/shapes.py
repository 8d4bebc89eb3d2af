"""The shapes of specimens, a line each; no shape's code is loaded before the shape is used."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["TABLE", "ShapeLine", "stressed_as"]


class ShapeLine(NamedTuple):
    """What is known of a shape without its code.

    Attributes
    ----------
    where : str
        Its class, as ``module:Class``; a `tem_track.specimen.body.Body`.
    stressed_as : str
        The row of `AREA_MODELS` that holds, and whose contact and limits the mechanics know.
    """

    where: str
    stressed_as: str


TABLE: dict[str, ShapeLine] = {
    "rod": ShapeLine("tem_track.specimen.shapes.rod:Rod", "rod"),
    "particle": ShapeLine("tem_track.specimen.shapes.particle:Particle", "particle"),
    "pillar": ShapeLine("tem_track.specimen.shapes.pillar:Pillar", "pillar"),
    "hollow_sphere": ShapeLine(
        "tem_track.specimen.shapes.hollow_sphere:HollowSphere", "hollow_sphere"
    ),
}


def stressed_as(shape: str) -> str:
    """Return the name under which the mechanics know a shape."""
    return TABLE[shape].stressed_as

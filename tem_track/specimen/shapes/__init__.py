"""The shapes: one file and one class each, one line in the table."""

from tem_track.specimen.body import Body
from tem_track.specimen.shapes.hollow_sphere import HollowSphere
from tem_track.specimen.shapes.particle import Particle
from tem_track.specimen.shapes.pillar import Pillar
from tem_track.specimen.shapes.rod import Rod

__all__ = ["SHAPES"]

SHAPES: dict[str, type[Body]] = {
    "rod": Rod,
    "particle": Particle,
    "pillar": Pillar,
    "hollow_sphere": HollowSphere,
}

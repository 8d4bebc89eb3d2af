"""The shapes: one file and one class each, one line in the table."""

from tem_track.specimen.body import Body
from tem_track.specimen.shapes.rod import Rod

__all__ = ["SHAPES"]

SHAPES: dict[str, type[Body]] = {
    "rod": Rod,
    "pillar": Rod,
    "particle": Rod,
    "hollow_sphere": Rod,
}

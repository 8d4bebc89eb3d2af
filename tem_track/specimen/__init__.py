"""From a frame to the specimen's outline: length, diameters, shell, bow."""

from tem_track.specimen.growing import GrowthModel
from tem_track.specimen.growing_prepare import prepare_growth
from tem_track.specimen.model import SpecimenModel
from tem_track.specimen.prepare import prepare_specimen
from tem_track.specimen.section import (
    Bow,
    CrossSection,
    cross_section,
    measure_bow,
    measure_width,
    out_of_plane_bow,
)
from tem_track.specimen.shapes import SHAPES

__all__ = [
    "SHAPES",
    "Bow",
    "CrossSection",
    "GrowthModel",
    "SpecimenModel",
    "cross_section",
    "measure_bow",
    "measure_width",
    "out_of_plane_bow",
    "prepare_growth",
    "prepare_specimen",
]

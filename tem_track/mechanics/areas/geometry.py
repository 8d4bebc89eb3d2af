"""What an area model may know of a specimen, and what it must offer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tem_track.records import FloatArray

__all__ = ["AreaModel", "Geometry"]


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """The specimen's dimensions in nm: one number before loading, one array over the frames.

    Attributes
    ----------
    initial_length_nm, initial_diameter_nm : float
        Before contact; the diameter is the one at half length.
    deformation_nm : FloatArray
        Shortening in compression, shape (n,).
    diameter_mid_nm, diameter_max_nm, diameter_min_nm, diameter_tip_nm : FloatArray
        Outer widths, shape (n,).
    section_area_ratio : float
        True sectional area over that of the circle as wide as the specimen is seen.
    """

    initial_length_nm: float
    initial_diameter_nm: float
    deformation_nm: FloatArray
    diameter_mid_nm: FloatArray
    diameter_max_nm: FloatArray
    diameter_min_nm: FloatArray
    diameter_tip_nm: FloatArray
    section_area_ratio: float = 1.0


class AreaModel(Protocol):
    """The area that carries the load, from the specimen's geometry.

    A new model is one class with these two members and one line in `AREA_MODELS`. Its
    uncertainty needs no code: it is propagated through `area_nm2`.
    """

    @property
    def name(self) -> str:
        """Name in the experiment file and in `stress_<name>_MPa`."""

    def area_nm2(self, geometry: Geometry) -> FloatArray:
        """Return the area in every frame, shape (n,); NaN where it does not exist."""

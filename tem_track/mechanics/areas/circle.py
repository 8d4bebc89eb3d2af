"""Areas of round sections: pi/4 d^2 of one of the specimen's diameters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.mechanics.areas.geometry import Geometry
from tem_track.records import FloatArray

__all__ = ["Circle", "InitialCircle"]


@dataclass(frozen=True, slots=True)
class Circle:
    """The circle as wide as the specimen is in this frame, at one place along it.

    Attributes
    ----------
    name : str
    diameter : str
        Field of `Geometry` to use.
    """

    name: str
    diameter: str

    def area_nm2(self, geometry: Geometry) -> FloatArray:
        """Return pi/4 d^2 in every frame, shape (n,)."""
        width: FloatArray = getattr(geometry, self.diameter)
        return geometry.section_area_ratio * math.pi / 4 * width**2


@dataclass(frozen=True, slots=True)
class InitialCircle:
    """The circle of the mid diameter before contact: engineering stress."""

    name: str = "initial"

    def area_nm2(self, geometry: Geometry) -> FloatArray:
        """Return the same pi/4 d0^2 in every frame, shape (n,)."""
        area = geometry.section_area_ratio * math.pi / 4 * geometry.initial_diameter_nm**2
        return np.full_like(geometry.deformation_nm, area)

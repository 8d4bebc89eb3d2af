"""Contact area of a particle flattened between two plates.

Equation 1 cuts a cap of height deformation/2 off each side of a sphere of radius r; equation 2
is the cylinder of the sphere's volume. The source uses the first below and the second above a
deformation of 10 % of the diameter. They do not meet there: the area jumps by 3.9.

Source: Mook et al., Phys. Rev. B 75 (2007) 214112, as printed as equations 1 and 2 in Liu et
al. (docs/paper.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tem_track.mechanics.areas.geometry import Geometry
from tem_track.records import FloatArray

__all__ = ["MOOK_SWITCH", "Mook", "cap_radius_nm", "cylinder_radius_nm"]

MOOK_SWITCH = 0.10
"""Deformation over diameter up to and including which equation 1 holds."""


def cap_radius_nm(radius_nm: float, deformation_nm: FloatArray) -> FloatArray:
    """Return the contact radius by equation 1, sqrt(r^2 - (r - deformation/2)^2).

    Parameters
    ----------
    radius_nm : float
        Radius of the undeformed particle.
    deformation_nm : FloatArray
        Its loss of height, shape (n,). NaN is returned below 0 and from 2 r.
    """
    inside = (deformation_nm >= 0) & (deformation_nm < 2 * radius_nm)
    deformation = np.where(inside, deformation_nm, np.nan)
    return np.sqrt(radius_nm * deformation - deformation**2 / 4)


def cylinder_radius_nm(radius_nm: float, deformation_nm: FloatArray) -> FloatArray:
    """Return the radius by equation 2: the cylinder of the same volume and the actual height.

    Parameters are those of `cap_radius_nm`. At zero deformation it is 0.8165 r, not zero: the
    equation is meant for large deformation.
    """
    inside = (deformation_nm >= 0) & (deformation_nm < 2 * radius_nm)
    height = np.where(inside, 2 * radius_nm - deformation_nm, np.nan)
    return np.sqrt(4 * radius_nm**3 / (3 * height))


@dataclass(frozen=True, slots=True, eq=False)
class Mook:
    """pi a^2 with the contact radius of equation 1, of equation 2, or of both with the switch.

    Attributes
    ----------
    name : str
    equation : {0, 1, 2}
        0: equation 1 up to and including a deformation of 10 % of the diameter, 2 above.
    chosen : FloatArray or None
        Equation of every frame, where it is settled already.
    """

    name: str = "mook"
    equation: Literal[0, 1, 2] = 0
    chosen: FloatArray | None = None

    def area_nm2(self, geometry: Geometry) -> FloatArray:
        """Return pi a^2 in every frame, shape (n,)."""
        return math.pi * self.contact_radius_nm(geometry) ** 2

    def contact_radius_nm(self, geometry: Geometry) -> FloatArray:
        """Return the contact radius in every frame, shape (n,)."""
        radius = geometry.initial_length_nm / 2
        cap = cap_radius_nm(radius, geometry.deformation_nm)
        cylinder = cylinder_radius_nm(radius, geometry.deformation_nm)
        return np.where(self.equations(geometry) == 2, cylinder, cap)

    def equations(self, geometry: Geometry) -> FloatArray:
        """Return which equation is used in every frame, 1 or 2; NaN without a deformation."""
        if self.chosen is not None:
            return self.chosen
        ratio = geometry.deformation_nm / geometry.initial_length_nm
        # Rounding must not push a deformation of exactly 10 % over the switch.
        chosen = np.where(ratio > MOOK_SWITCH * (1 + 1e-12), 2.0, 1.0)
        if self.equation:
            chosen = np.full_like(ratio, float(self.equation))
        return np.where(np.isfinite(ratio), chosen, np.nan)

    def settled(self, geometry: Geometry) -> Mook:
        """Return the same model with each frame's equation kept, whatever is varied afterwards.

        Which equation holds is a choice of model, so its jump must not enter an uncertainty.
        """
        return replace(self, chosen=self.equations(geometry))

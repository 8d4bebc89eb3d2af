"""Stress by every area model that applies."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from tem_track.constants import MPA_PER_GPA
from tem_track.mechanics.areas import AreaModel, Geometry, Mook
from tem_track.mechanics.uncertainty import propagate
from tem_track.records import FloatArray

__all__ = ["Stress", "stress", "u_common"]


@dataclass(frozen=True, slots=True, eq=False)
class Stress:
    """Stress by one area model.

    Attributes
    ----------
    model : AreaModel
    area_nm2, u_area_nm2, stress_MPa, u_stress_MPa : FloatArray
        Shape (n,); u holds what changes from frame to frame.
    """

    model: AreaModel
    area_nm2: FloatArray
    u_area_nm2: FloatArray
    stress_MPa: FloatArray
    u_stress_MPa: FloatArray

    def where(self, rows: NDArray[np.bool_]) -> Stress:
        """Return the same with nothing in all other rows."""
        columns = (self.area_nm2, self.u_area_nm2, self.stress_MPa, self.u_stress_MPa)
        return Stress(self.model, *(np.where(rows, column, np.nan) for column in columns))


def stress(
    model: AreaModel,
    geometry: Geometry,
    u_geometry: dict[str, FloatArray],
    force_nN: FloatArray,
    u_force_nN: FloatArray,
) -> Stress:
    """Divide the force by the model's area; 1 nN/nm2 is 1 GPa.

    Parameters
    ----------
    model : AreaModel
    geometry : Geometry
    u_geometry : dict of str to FloatArray
        Standard uncertainties of those fields that change from frame to frame.
    force_nN, u_force_nN : FloatArray
        Shape (n,).
    """
    area = model.area_nm2(geometry)
    varied = _settled(model, geometry)
    u_area = propagate(
        lambda **values: varied.area_nm2(replace(geometry, **values)),
        {name: getattr(geometry, name) for name in u_geometry},
        {name: np.nan_to_num(u) for name, u in u_geometry.items()},
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(area > 0, force_nN / area, np.nan) * MPA_PER_GPA
        u = MPA_PER_GPA / area * np.hypot(u_force_nN, force_nN / area * u_area)
    return Stress(model, area, u_area, value, np.where(np.isfinite(value), u, np.nan))


def u_common(model: AreaModel, geometry: Geometry, row: int, u_edge_nm: float) -> float:
    """Return the relative standard uncertainty of the area that all frames share.

    Each width and the initial length is between two edges, each of which may lie `u_edge_nm`
    off in all frames alike; a change of length is free of it.
    """
    shift = math.sqrt(2) * u_edge_nm
    moved = {
        field.name: getattr(geometry, field.name) + shift
        for field in fields(geometry)
        if field.name.startswith(("diameter", "initial"))
    }
    varied = _settled(model, geometry)
    area = varied.area_nm2(geometry)[row]
    return float(abs(varied.area_nm2(replace(geometry, **moved))[row] - area) / area)


def _settled(model: AreaModel, geometry: Geometry) -> AreaModel:
    return model.settled(geometry) if isinstance(model, Mook) else model

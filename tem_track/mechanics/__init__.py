"""Pixels to nm, nN and MPa: equations, area models, events, properties, uncertainty."""

from __future__ import annotations

from tem_track.mechanics.areas import AREA_MODELS, AreaModel, Geometry, area_model_names
from tem_track.mechanics.calc import (
    contact_radius,
    critical_overpotential,
    ecm_stress,
    fracture_stress,
    rod_stress,
)
from tem_track.mechanics.evaluate import Evaluation, evaluate
from tem_track.mechanics.settings import Settings
from tem_track.mechanics.uncertainty import two_digits

__all__ = [
    "AREA_MODELS",
    "AreaModel",
    "Evaluation",
    "Geometry",
    "Settings",
    "area_model_names",
    "contact_radius",
    "critical_overpotential",
    "ecm_stress",
    "evaluate",
    "fracture_stress",
    "rod_stress",
    "two_digits",
]

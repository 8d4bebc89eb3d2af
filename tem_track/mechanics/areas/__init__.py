"""Area models: which area carries the load. The choice is a bracket, not an uncertainty."""

from __future__ import annotations

from tem_track.mechanics.areas.circle import Circle, InitialCircle
from tem_track.mechanics.areas.geometry import AreaModel, Geometry
from tem_track.mechanics.areas.mook import MOOK_SWITCH, Mook, cap_radius_nm, cylinder_radius_nm

__all__ = [
    "AREA_MODELS",
    "MOOK_SWITCH",
    "AreaModel",
    "Circle",
    "Geometry",
    "InitialCircle",
    "Mook",
    "area_model_names",
    "area_models",
    "cap_radius_nm",
    "cylinder_radius_nm",
]

_INITIAL = InitialCircle()
_MID = Circle("mid", "diameter_mid_nm")
_MAX = Circle("max", "diameter_max_nm")
_MIN = Circle("min", "diameter_min_nm")
_CONTACT = Circle("contact", "diameter_tip_nm")
_SPHERE: tuple[AreaModel, ...] = (
    Mook("mook"),
    Mook("mook1", 1),
    Mook("mook2", 2),
    Circle("projected", "diameter_max_nm"),
)

AREA_MODELS: dict[tuple[str, str], tuple[AreaModel, ...]] = {
    ("rod", "compression"): (_INITIAL, _MID, _MAX, _MIN, _CONTACT),
    ("rod", "tension"): (_INITIAL, _MIN, _MID, _MAX),
    ("particle", "compression"): _SPHERE,
    ("pillar", "compression"): (_MID, _CONTACT, _MIN, _MAX, _INITIAL),
    ("pillar", "tension"): (_MIN, _MID, _MAX, _INITIAL),
    ("hollow_sphere", "compression"): _SPHERE,
}
"""By (shape, mode); the first of a row is its default, the reading of the paper."""


def area_models(shape: str | None, mode: str) -> tuple[AreaModel, ...]:
    """Return the models that apply to a shape and mode, default first; none without a shape."""
    return AREA_MODELS.get((shape, mode), ()) if shape is not None else ()


def area_model_names(shape: str | None, mode: str) -> tuple[str, ...]:
    """Return the names of the models that apply to a shape and mode, default first."""
    return tuple(model.name for model in area_models(shape, mode))

"""What a scene shows at one moment, before any camera: a story is a sequence of moments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tem_track.simulate.paint import Bodies
from tem_track.simulate.textures import Floats

__all__ = [
    "STATIONS",
    "BodyState",
    "Moment",
    "Story",
    "empty_bodies",
    "pack_bodies",
    "profile_truth",
]

STATIONS = 401
"""Places along a body of which its shape is kept."""


@dataclass(frozen=True, slots=True, eq=False)
class BodyState:
    """A body of revolution: stations evenly spaced from the base's side to the tip's, in pixels.

    Attributes
    ----------
    u0_px, u1_px : float
        Its two ends along the axis.
    radius_px, core_px, mid_px, material_px : Floats
        Half the outer width across the axis, that of the core (0 where there is none), the
        midline, and the material coordinate that patterns follow; shape (STATIONS,).
    mu_core, mu_shell : float
        Optical depth a pixel.
    ellipticity, facet : float
        Depth over width, and the share of a hexagonal section.
    """

    u0_px: float
    u1_px: float
    radius_px: Floats
    core_px: Floats
    mid_px: Floats
    material_px: Floats
    mu_core: float
    mu_shell: float
    ellipticity: float
    facet: float


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One moment of a story.

    Attributes
    ----------
    tip_u_px, base_u_px : float
        Positions of the apex and of the base's face along the axis.
    tip_rotation_deg, base_rotation_deg : float
        Clockwise.
    bodies : tuple of BodyState
    truth : dict
        What is true of the specimen, by column name.
    """

    tip_u_px: float
    base_u_px: float
    bodies: tuple[BodyState, ...]
    tip_rotation_deg: float = 0.0
    base_rotation_deg: float = 0.0
    truth: dict[str, Any] = field(default_factory=dict)


class Story(Protocol):
    """A sequence of moments, with what is true of all of them."""

    @property
    def constants(self) -> dict[str, Any]:
        """What is true of all moments."""
        ...

    def moment(self, k: int) -> Moment:
        """Return what the stage holds at moment k."""
        ...


def pack_bodies(
    states: tuple[BodyState, ...], pattern: NDArray[Any], share: float, bands: Floats
) -> Bodies:
    """Stack the states of several bodies for the painter."""
    if not states:
        return empty_bodies(pattern)

    def stack(name: str) -> Floats:
        return np.ascontiguousarray([getattr(state, name) for state in states], dtype=np.float64)

    return Bodies(
        stack("u0_px"), stack("u1_px"), stack("radius_px") ** 2, _signed_square(stack("core_px")),
        stack("mid_px"), stack("material_px"), stack("mu_core"), stack("mu_shell"),
        stack("ellipticity"), stack("facet"), pattern, float(share), bands,
    )  # fmt: skip


def empty_bodies(pattern: NDArray[Any]) -> Bodies:
    """Return no body at all."""
    none, table = np.zeros(0), np.zeros((0, STATIONS))
    return Bodies(
        none, none, table, table, table, table, none, none, none, none, pattern, 0.0,
        np.zeros((0, 5)),
    )  # fmt: skip


def _signed_square(core: Floats) -> Floats:
    return np.asarray(np.sign(core) * core**2, dtype=np.float64)


def profile_truth(
    radius: Floats, mid: Floats, length: float, scale_nm_per_px: float
) -> dict[str, float]:
    """Return the diameters, the bow and the volume of a profile whose stations run base to tip."""
    s = np.linspace(0, 1, radius.size)
    width = 2 * radius * scale_nm_per_px
    central = (s >= 0.1) & (s <= 0.9)
    base = np.polyfit(s[s <= 0.1], width[s <= 0.1], 1)
    tip = np.polyfit(s[s >= 0.9] - 1, width[s >= 0.9], 1)
    middle = float(np.interp(0.5, s, width))
    bow = float(np.interp(0.5, s, mid) - (mid[0] + mid[-1]) / 2) * scale_nm_per_px
    volume = float(np.trapezoid(np.pi / 4 * width**2, s)) * length * scale_nm_per_px
    return {
        "diameter_mid_nm": middle,
        "diameter_max_nm": float(width.max()),
        "diameter_min_nm": float(width[central].min()),
        "diameter_tip_nm": float(tip[1]),
        "diameter_base_nm": float(base[1]),
        "bow_nm": bow,
        "bend_ratio": 8 * abs(bow) / middle,
        "volume_nm3": volume,
    }

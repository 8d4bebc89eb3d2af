"""Compression and tension: the story of a specimen between counter electrode and tip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tem_track.simulate.loading import History, Material, Programme
from tem_track.simulate.story import STATIONS, BodyState, Moment, profile_truth
from tem_track.simulate.textures import Floats

__all__ = ["Loaded", "Looks", "Part"]


@dataclass(frozen=True, slots=True)
class Looks:
    """How a body absorbs and how its section departs from a circle."""

    mu_core_per_nm: float
    mu_shell_per_nm: float
    ellipticity: float
    facet: float


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The specimen at rest.

    Attributes
    ----------
    length_nm : float
    radius_nm : Floats
        At the middles of equal slices, from the base to the tip.
    kind : {'column', 'sphere'}
    shell_nm : float
    hollow : bool
        The core is empty.
    corner_nm : float
        Rounding of the end that faces the tip.
    lean, bow_nm : float
        Slope of the midline against the axis, and its initial offset at half length.
    bend_share : float
        Share of the deformation after `bend_from` that becomes bow.
    bend_from : float
        Deformation over initial length at which bending starts.
    """

    length_nm: float
    radius_nm: Floats
    kind: str
    shell_nm: float
    hollow: bool
    corner_nm: float
    lean: float
    bow_nm: float
    bend_share: float
    bend_from: float


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """The story of a loaded specimen."""

    part: Part
    looks: Looks
    material: Material
    programme: Programme
    history: History
    phases: tuple[str, ...]
    scale_nm_per_px: float
    tip_rotation_deg: float
    base_rotation_deg: float
    constants: dict[str, Any]

    def moment(self, k: int) -> Moment:
        """Return what the stage holds at moment k."""
        sign, scale = self.programme.sign, self.scale_nm_per_px
        force = float(self.history.force_nN[k])
        deflection = force / self.programme.stiffness_N_per_m
        actuator = float(self.programme.actuator_nm[k])
        rest = self.part.length_nm + (self.programme.gap_nm if sign > 0 else 0.0)
        tip_u, base_u = sign * deflection / scale, (sign * actuator - rest) / scale
        broken = self.history.fracture_frame is not None and k >= self.history.fracture_frame
        bodies, seen = self._pieces(k, tip_u, base_u) if broken else self._whole(k, base_u)
        peak = max(float(np.max(np.abs(self.history.force_nN))), 1e-9)
        turned = self.tip_rotation_deg * force / peak
        creep = self.base_rotation_deg * k / max(self.history.force_nN.size - 1, 1)
        truth = self._truth(k, force, deflection, actuator, broken) | seen
        return Moment(tip_u, base_u, bodies, turned, creep, truth)

    def _truth(
        self, k: int, force: float, deflection: float, actuator: float, broken: bool
    ) -> dict[str, Any]:
        sunk = force * self.programme.sink_in_nm_per_uN / 1000
        deformation = float("nan") if broken else float(self.history.deformation_nm[k])
        area = np.pi / 4 * float(self.constants["initial_diameter_nm"]) ** 2
        return {
            "phase": "broken" if broken else self.phases[k],
            "contact": (force > 0 or self.programme.sign < 0) and not broken,
            "broken": broken,
            "deflection_nm": deflection,
            "force_nN": force,
            "actuator_nm": actuator - self._closed_nm(),
            "base_motion_nm": actuator,
            "deformation_nm": deformation,
            "length_nm": self.part.length_nm - self.programme.sign * deformation,
            "strain_eng": deformation / self.part.length_nm,
            "stress_initial_MPa": 1000 * force / area,
            "gap_nm": float(self.history.gap_nm[k]),
            "closure_nm": sunk,
            "contact_radius_nm": float(self.history.contact_radius_nm[k]),
            "shell_nm": float("nan") if broken else self.part.shell_nm,
        }

    def _closed_nm(self) -> float:
        """Actuator motion until contact; 0 where there is none."""
        touches = bool(np.any(self.history.force_nN > 0))
        return self.programme.gap_nm if touches else 0.0

    def _whole(self, k: int, base_u: float) -> tuple[tuple[BodyState, ...], dict[str, float]]:
        scale = self.scale_nm_per_px
        sign = self.programme.sign
        sunk = float(self.history.force_nN[k]) * self.programme.sink_in_nm_per_uN / 1000
        length = self.part.length_nm - sign * float(self.history.deformation_nm[k])
        radius, material = self._profile(k, length)
        mid = self._midline(k, length)
        u0 = base_u - sign * sunk / scale
        seen = profile_truth(radius / scale, mid / scale, length / scale, scale)
        rounded = _round_end(radius, length, self.part.corner_nm)
        core = self._core(radius, rounded, length)
        state = self._state(u0, length, rounded, core, mid, material)
        return (state,), seen

    def _state(
        self, u0: float, length: float, radius: Floats, core: Floats, mid: Floats, material: Floats
    ) -> BodyState:
        scale = self.scale_nm_per_px
        return BodyState(
            u0, u0 + length / scale, radius / scale, core / scale, mid / scale, material / scale,
            self.looks.mu_core_per_nm * scale, self.looks.mu_shell_per_nm * scale,
            self.looks.ellipticity, self.looks.facet,
        )  # fmt: skip

    def _profile(self, k: int, length: float) -> tuple[Floats, Floats]:
        """Radius and material coordinate (nm) at the stations."""
        s = np.linspace(0, 1, STATIONS)
        if self.part.kind == "sphere":
            contact = float(self.history.contact_radius_nm[k])
            radius = float(self.part.radius_nm[0])
            return flattened(radius, length, contact), s * self.part.length_nm
        edges, radii = self._slices(k)
        return _at_stations(edges, radii, s * edges[-1]), _material(
            edges, self.part.length_nm, s * edges[-1]
        )

    def _slices(self, k: int) -> tuple[Floats, Floats]:
        """Edges and radii (nm) of the deformed slices."""
        sign = self.programme.sign
        strain = self.history.plastic_strain[k]
        area = np.pi * self.part.radius_nm**2 * np.exp(sign * strain)
        elastic = self.history.force_nN[k] / (self.material.modulus_GPa * area)
        thick = self.part.length_nm / strain.size * np.exp(-sign * strain) * (1 - sign * elastic)
        radii = self.part.radius_nm * np.exp(sign * strain / 2) * (1 + sign * 0.32 * elastic)
        return np.concatenate([[0.0], np.cumsum(thick)]), radii

    def _midline(self, k: int, length: float) -> Floats:
        s = np.linspace(0, 1, STATIONS)
        bow = self.part.bow_nm
        if self.part.bend_share > 0:
            so_far = float(np.max(self.history.deformation_nm[: k + 1]))
            spare = max(so_far - self.part.bend_from * self.part.length_nm, 0.0)
            grown = 2 / np.pi * np.sqrt(length * spare * self.part.bend_share)
            bow = bow + np.copysign(grown, bow)
        arch = 0.7 * np.sin(np.pi * s) + 0.3 * np.sin(np.pi * s) ** 2
        return np.asarray(self.part.lean * length * s + bow * arch, dtype=np.float64)

    def _core(self, radius: Floats, rounded: Floats, length: float) -> Floats:
        shell = self.part.shell_nm
        if self.part.kind == "sphere":
            return inner(radius, length, shell)
        s = np.linspace(0, length, radius.size)
        core = np.clip(rounded - shell, 0, None)
        return np.where(length - s < shell, 0.0, core)

    def _pieces(
        self, k: int, tip_u: float, base_u: float
    ) -> tuple[tuple[BodyState, ...], dict[str, float]]:
        """Two stumps with drawn-out ends, relaxed, each on its own holder."""
        scale = self.scale_nm_per_px
        edges, radii = self._slices(k)
        cut = float(edges[self.history.fracture_slice] + edges[self.history.fracture_slice + 1]) / 2
        s = np.linspace(0, 1, STATIONS)
        lower, upper = s * cut, cut + s * (edges[-1] - cut)
        states = []
        for z, u0, free in (
            (lower, base_u, cut - lower),
            (upper, tip_u - (edges[-1] - cut) / scale, upper - cut),
        ):
            radius = _at_stations(edges, radii, z)
            drawn = 0.8 * float(radii.min())
            tapered = radius * np.sqrt(
                np.clip(free / drawn, 0, 1) * (2 - np.clip(free / drawn, 0, 1))
            )
            core = np.clip(tapered - self.part.shell_nm, 0, None)
            mid = self._midline(0, float(edges[-1]))
            mid = np.interp(z / edges[-1], s, mid)
            material = _material(edges, self.part.length_nm, z)
            states.append(self._state(u0, float(z[-1] - z[0]), tapered, core, mid, material))
        nan = float("nan")
        return tuple(states), dict.fromkeys(profile_truth(np.ones(STATIONS), s, 1.0, 1.0), nan)


def flattened(radius: float, length: float, contact: float) -> Floats:
    """Radius profile of a sphere squeezed to `length` with flat ends of radius `contact`.

    A paraboloidal belt between the flats, of the sphere's volume.
    """
    belt = np.clip(1 - np.linspace(-1, 1, STATIONS) ** 2, 0, None)
    volume = 4 / 3 * np.pi * radius**3
    rise = 1.5 * (volume / (np.pi * length) - contact**2)
    return np.sqrt(contact**2 + rise * belt)


def inner(radius: Floats, length: float, shell: float) -> Floats:
    """Core of a flattened sphere: its surface lies `shell` inside the outer one."""
    z = np.linspace(-length / 2, length / 2, radius.size)
    equator = max(float(radius.max()) - shell, 0.0)
    half = max(length / 2 - shell, 1e-9)
    return np.asarray(equator * np.sqrt(np.clip(1 - (z / half) ** 2, 0, None)), dtype=np.float64)


def _round_end(radius: Floats, length: float, corner: float) -> Floats:
    if corner <= 0:
        return radius
    z = np.linspace(0, length, radius.size)
    deep = np.clip(corner - (length - z), 0, corner)
    return radius - corner + np.sqrt(np.clip(corner**2 - deep**2, 0, None))


def _at_stations(edges: Floats, radii: Floats, z: Floats) -> Floats:
    """Radius at z, straight to the ends from the outer two slices."""
    middle = (edges[1:] + edges[:-1]) / 2
    first = radii[0] - (radii[1] - radii[0]) * (middle[0] / (middle[1] - middle[0]))
    last = radii[-1] + (radii[-1] - radii[-2]) * (
        (edges[-1] - middle[-1]) / (middle[-1] - middle[-2])
    )
    where = np.concatenate([[0.0], middle, [edges[-1]]])
    heights = np.concatenate([[first], radii, [last]])
    return np.asarray(np.interp(z, where, heights), dtype=np.float64)


def _material(edges: Floats, length: float, z: Floats) -> Floats:
    return np.interp(z, edges, np.linspace(0, length, edges.size))

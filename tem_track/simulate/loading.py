"""The test itself: an actuator, a specimen and a cantilever in series, moment by moment.

The column is cut into slices that share one force. A slice strains elastically and flows at
rate = reference_rate * ((stress / strength - t) / (1 - t))^m above the threshold t, stress being
force over its present area; plastic flow keeps its volume. Slices near the ends are held
(barrelling), one place is a little weak (necking in tension). Forces and lengths are positive in
the test's own direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tem_track.simulate.textures import Floats

__all__ = ["Column", "History", "Material", "Programme", "load_column", "load_sphere"]


@dataclass(frozen=True, slots=True)
class Material:
    """An elastic body that flows.

    Attributes
    ----------
    modulus_GPa : float
    strength_MPa : float
        True flow stress at the reference rate before hardening.
    hardening_MPa, hardening_strain : float
        Voce hardening: what is added, and the plastic strain over which it saturates.
    rate_exponent, threshold, reference_rate_per_s : float
    fracture_strain : float
        Local true plastic strain at which a slice parts in tension.
    """

    modulus_GPa: float
    strength_MPa: float
    hardening_MPa: float
    hardening_strain: float = 0.05
    rate_exponent: float = 8.0
    threshold: float = 0.6
    reference_rate_per_s: float = 0.01
    fracture_strain: float = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """Slices of equal initial length, from the base to the tip.

    Attributes
    ----------
    length_nm : float
    area_nm2 : Floats
        Initial area of each slice.
    hold : Floats
        Strength of each slice over that of the material.
    """

    length_nm: float
    area_nm2: Floats
    hold: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Programme:
    """What the actuator does: its position at each frame, and the gap it must close first."""

    time_s: Floats
    actuator_nm: Floats
    gap_nm: float
    sign: Literal[1, -1]  # 1 compression, -1 tension
    stiffness_N_per_m: float
    sink_in_nm_per_uN: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """The specimen's state at each frame.

    Attributes
    ----------
    force_nN, deformation_nm, gap_nm : Floats
        The gap is what is open between specimen and tip.
    plastic_strain : Floats
        True plastic strain of each slice, shape (frames, slices), positive in the test's direction.
    contact_radius_nm : Floats
        Of a sphere; NaN otherwise.
    fracture_frame : int or None
    fracture_slice : int
    """

    force_nN: Floats
    deformation_nm: Floats
    gap_nm: Floats
    plastic_strain: Floats
    contact_radius_nm: Floats
    fracture_frame: int | None = None
    fracture_slice: int = -1


def load_column(column: Column, material: Material, programme: Programme) -> History:
    """Load a column through a cantilever and return what happens at every frame."""
    frames = programme.time_s.size
    slices = column.area_nm2.size
    strain = np.zeros(slices)
    kept = np.zeros((frames, slices))
    force, deformation, gap = np.zeros(frames), np.zeros(frames), np.zeros(frames)
    broken: int | None = None
    for i in range(frames):
        if i and broken is None:
            strain = _flow(column, material, programme, strain, i)
        kept[i] = strain
        if broken is None and programme.sign < 0 and strain.max() > material.fracture_strain:
            broken = i
        force[i], deformation[i], gap[i] = _balance(
            column, material, programme, strain, programme.actuator_nm[i], broken is not None
        )
    worst = int(np.argmax(strain)) if broken is not None else -1
    return History(force, deformation, gap, kept, np.full(frames, np.nan), broken, worst)


def _balance(
    column: Column,
    material: Material,
    programme: Programme,
    strain: Floats,
    actuator_nm: float,
    broken: bool,
) -> tuple[float, float, float]:
    """Force, deformation and open gap: in a plastic state all else is linear in force."""
    length = column.length_nm / strain.size * np.exp(-programme.sign * strain)
    area = column.area_nm2 * np.exp(programme.sign * strain)
    plastic = programme.sign * (column.length_nm - float(length.sum()))
    compliance = float((length / area).sum()) / material.modulus_GPa
    if broken:
        return 0.0, plastic, 0.0
    seats = 1 / programme.stiffness_N_per_m + programme.sink_in_nm_per_uN / 1000
    travel = actuator_nm - programme.gap_nm - plastic
    force = travel / (compliance + seats)
    if programme.sign > 0 and force < 0:
        return 0.0, plastic, -travel
    return force, plastic + force * compliance, 0.0


def _flow(
    column: Column, material: Material, programme: Programme, strain: Floats, frame: int
) -> Floats:
    """Flow from one frame to the next, in steps small enough for the stiff law."""
    start, end = programme.actuator_nm[frame - 1 : frame + 1]
    span = float(programme.time_s[frame] - programme.time_s[frame - 1])
    done = 0.0
    while done < 1.0:
        actuator = start + (end - start) * done
        force, _, _ = _balance(column, material, programme, strain, actuator, False)
        rate = _rate(column, material, programme.sign, strain, force)
        fastest = float(np.abs(rate).max()) * span
        step = min(1.0 - done, 0.01, 1.5e-4 / max(fastest, 1e-9))
        strain = strain + rate * span * step
        done += step
        if programme.sign < 0 and float(strain.max()) > material.fracture_strain:
            break
    return strain


def _rate(column: Column, material: Material, sign: int, strain: Floats, force: float) -> Floats:
    if force == 0:
        return np.zeros_like(strain)
    area = column.area_nm2 * np.exp(sign * strain)
    harder = 1 - np.exp(-np.abs(strain) / material.hardening_strain)
    strength = column.hold * (material.strength_MPa + material.hardening_MPa * harder)
    above = np.abs(force) / area * 1000 / strength - material.threshold
    ratio = np.clip(above / (1 - material.threshold), 0, 2.5)
    flow = material.reference_rate_per_s * ratio**material.rate_exponent
    return np.asarray(np.sign(force) * flow, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Sphere:
    radius_nm: float
    modulus_GPa: float
    pressure_MPa: float

    def contact2(self, squeezed_nm: float) -> float:
        """Squared contact radius of a plastic sphere between plates, with a little pile-up."""
        flat = self.radius_nm * squeezed_nm - squeezed_nm**2 / 4
        return 1.1 * max(flat, 0.0)

    def load(self, squeezed_nm: float) -> float:
        """Force while loading: Hertz at first, then mean pressure times contact area."""
        if squeezed_nm <= 0:
            return 0.0
        elastic = 4 / 3 * self.modulus_GPa * self.radius_nm**0.5 * (squeezed_nm / 2) ** 1.5
        harder = 1 + 0.6 * squeezed_nm / self.radius_nm
        plastic = self.pressure_MPa / 1000 * harder * np.pi * self.contact2(squeezed_nm)
        return float((elastic**-4 + plastic**-4) ** -0.25)


def load_sphere(
    radius_nm: float, modulus_GPa: float, pressure_MPa: float, programme: Programme
) -> History:
    """Compress a sphere between plates; unloading follows (deformation - residual)^1.5.

    The modulus is the reduced one, E / (1 - nu^2); the initial slope of unloading is that of two
    flat contacts in series, modulus * contact radius.
    """
    sphere = _Sphere(radius_nm, modulus_GPa, pressure_MPa)
    frames = programme.time_s.size
    force, deformation, gap = np.zeros(frames), np.zeros(frames), np.zeros(frames)
    contact = np.zeros(frames)
    largest = 0.0
    for i in range(frames):
        travel = float(programme.actuator_nm[i]) - programme.gap_nm
        squeezed, pressed = _series(sphere, largest, travel, programme)
        largest = max(largest, squeezed)
        force[i], deformation[i] = pressed, squeezed
        gap[i] = max(squeezed - travel, 0.0) if pressed == 0 else 0.0
        contact[i] = np.sqrt(sphere.contact2(largest))
    nothing = np.zeros((frames, 1))
    return History(force, deformation, gap, nothing, contact)


def _series(
    sphere: _Sphere, largest: float, travel: float, programme: Programme
) -> tuple[float, float]:
    """Deformation and force of the sphere where it balances the cantilever."""
    seats = 1 / programme.stiffness_N_per_m + programme.sink_in_nm_per_uN / 1000
    residual, exponent = _residual(sphere, largest)

    def pressed(squeezed: float) -> float:
        if squeezed >= largest:
            return sphere.load(squeezed)
        if squeezed <= residual:
            return 0.0
        share = (squeezed - residual) / (largest - residual)
        return float(sphere.load(largest) * share**exponent)

    if travel <= residual:
        return residual, 0.0
    low, high = residual, travel
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if middle + seats * pressed(middle) < travel else (low, middle)
    return low, pressed(low)


def _residual(sphere: _Sphere, largest: float) -> tuple[float, float]:
    if largest <= 0:
        return 0.0, 1.5
    slope = sphere.modulus_GPa * np.sqrt(sphere.contact2(largest))
    elastic = 1.5 * sphere.load(largest) / max(float(slope), 1e-12)
    return max(largest - elastic, 0.0), 1.5

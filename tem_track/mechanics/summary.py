"""The numbers of a movie as a whole."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tem_track.mechanics.dimensions import Dimensions
from tem_track.mechanics.events import Drop, first_lasting
from tem_track.mechanics.flags import Flags
from tem_track.mechanics.kinematics import Loading
from tem_track.mechanics.measurement import Measurement
from tem_track.mechanics.settings import Settings
from tem_track.mechanics.stresses import Stress, u_common
from tem_track.mechanics.toe_line import fit_toe_line
from tem_track.mechanics.uncertainty import Budget

__all__ = ["Events", "summarise"]


@dataclass(frozen=True, slots=True)
class Events:
    """Rows at which something happens; None where it does not."""

    contact: int | None
    top: int | None
    release: int | None
    fracture: int | None
    holds: list[tuple[int, int]]
    drops: list[Drop]
    phases: list[str]


def summarise(
    settings: Settings,
    table: Measurement,
    loading: Loading,
    sizes: Dimensions,
    stresses: dict[str, Stress],
    events: Events,
    flags: Flags,
    points: dict[str, NDArray[Any]],
) -> dict[str, Any]:
    """Return what `summary.json` holds of the mechanics."""
    bent = first_lasting(flags["BENT"])
    lost = flags["BAR_LOST"] | flags["TIP_LOST"]
    if settings.shape is not None:
        lost = lost | flags["SPECIMEN_LOST"]
    summary: dict[str, Any] = {
        "max_force_nN": _at(loading.force_nN, events.top),
        "max_force_frame": _frame(table, events.top),
        **_critical(settings, loading, sizes, stresses, events, bent),
        **_modulus(settings, points, events, flags),
        "contact_frame": _frame(table, events.contact),
        "fracture_frame": _frame(table, events.fracture),
        "bending_frame": _frame(table, bent),
        "initial_length_nm": _number(sizes.length.value_nm),
        "initial_diameter_nm": _number(sizes.diameter.value_nm),
        "aspect_ratio": _number(sizes.length.value_nm / sizes.diameter.value_nm),
        "strain_rate_per_s": None,
        "n_frames": len(table),
        "n_lost": int(lost.sum()),
        "warnings": [],
    }
    return summary


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _at(values: NDArray[Any], row: int | None) -> float | None:
    return None if row is None else _number(float(values[row]))


def _frame(table: Measurement, row: int | None) -> int | None:
    return None if row is None else int(table.frame[row])


def _critical(
    settings: Settings,
    loading: Loading,
    sizes: Dimensions,
    stresses: dict[str, Stress],
    events: Events,
    bent: int | None,
) -> dict[str, Any]:
    by_model = {name: _at(s.stress_MPa, events.top) for name, s in stresses.items()}
    chosen = settings.area_model
    value = by_model.get(chosen) if chosen is not None else None
    budget: dict[str, Any] = {}
    if value is not None and events.top is not None and chosen is not None:
        budget = _budget(settings, loading, sizes, stresses[chosen], events.top)
    relative = Budget({k: v for k, v in budget.items() if v is not None}).relative
    return {
        "critical_stress_MPa": value,
        "u_critical_stress_MPa": None if value is None else abs(value) * relative,
        "area_model": chosen,
        "critical_stress_by_area_model_MPa": by_model,
        "critical_stress_unbent_MPa": None,
        "uncertainty_budget": budget,
    }


def _budget(
    settings: Settings, loading: Loading, sizes: Dimensions, chosen: Stress, row: int
) -> dict[str, Any]:
    force = loading.force_nN[row]
    zero = loading.zero.u_px * settings.scale_nm_per_px / loading.deflection_nm[row]
    edge = settings.edge_u_px * settings.scale_nm_per_px
    return {
        "stiffness": _relative(settings.u_stiffness_N_per_m, settings.stiffness_N_per_m),
        "scale": _relative(settings.u_scale_nm_per_px, settings.scale_nm_per_px),
        "tracking": _number(math.hypot(loading.u_force_nN[row] / force, zero)),
        "edges": _number(u_common(chosen.model, sizes.geometry(), row, edge)),
        "section": settings.u_section_area_ratio / settings.section_area_ratio,
    }


def _relative(u: float | None, value: float) -> float | None:
    return None if u is None else u / value


def _modulus(
    settings: Settings, points: dict[str, NDArray[Any]], events: Events, flags: Flags
) -> dict[str, Any]:
    nothing = {"youngs_modulus_GPa": None, "u_youngs_modulus_GPa": None, "modulus_method": None}
    if events.contact is None or events.top is None or settings.shape is None:
        return nothing
    strain, stress = points["strain_eng"], points["stress_MPa"]
    rows = np.arange(len(strain))
    keep = np.isfinite(strain) & np.isfinite(stress) & ~flags["BENT"]
    keep &= (rows >= events.contact) & (rows <= events.top)
    fit = fit_toe_line(strain[keep], stress[keep])
    if fit is None:
        return nothing
    return nothing | {
        "youngs_modulus_GPa": fit.slope / 1000,
        "modulus_method": "toe + line + line",
    }

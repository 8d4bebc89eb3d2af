"""Critical stress in all its readings, with its budget."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tem_track.mechanics.case import Case, frame_at, number, value_at
from tem_track.mechanics.events import largest
from tem_track.mechanics.stresses import u_common
from tem_track.mechanics.uncertainty import Budget, monte_carlo, shortest_interval

__all__ = ["critical_stress", "drift_share", "interval", "relative", "stress_budget"]

_WIDE = 0.10
"""Relative uncertainty above which the interval is drawn, since it is no longer symmetric."""
_DRAWS = 100_000
"""Draws of the Monte Carlo, which then knows the ends to about a hundredth of u."""


_READINGS = (
    "largest_stress_MPa",
    "u_largest_stress_MPa",
    "largest_stress_frame",
    "fracture_stress_MPa",
    "u_fracture_stress_MPa",
)


def relative(u: float | None, value: float) -> float:
    """Return u over value, NaN where u is not known."""
    return math.nan if u is None or not value else abs(u / value)


def drift_share(case: Case) -> float:
    """Return what drift may have added to the largest deflection, relative; 0 where none is seen.

    Drift grows with time as the deflection does on the loading branch: slopes share its effect.
    """
    top = case.events.top
    if top is None:
        return 0.0
    drift = float(np.nan_to_num(case.loading.u_drift_nm[top]))
    return float(np.nan_to_num(relative(drift, float(case.loading.deflection_nm[top]))))


def critical_stress(case: Case) -> dict[str, Any]:
    """Return the stress at the largest force by every area model, and the other readings."""
    top, chosen = case.events.top, case.settings.area_model
    by_model = {name: value_at(s.stress_MPa, top) for name, s in case.stresses.items()}
    value = by_model.get(chosen) if chosen is not None else None
    if value is None or top is None or chosen is None:
        return {
            "critical_stress_MPa": None,
            "u_critical_stress_MPa": None,
            "critical_stress_95_MPa": None,
            "area_model": chosen,
            "critical_stress_by_area_model_MPa": by_model,
            "critical_stress_unbent_MPa": None,
            "uncertainty_budget": {},
            **dict.fromkeys(_READINGS),
        }
    budget = stress_budget(case, chosen, top)
    return {
        "critical_stress_MPa": value,
        "u_critical_stress_MPa": abs(value) * budget.relative,
        "critical_stress_95_MPa": interval(value, budget),
        "area_model": chosen,
        "critical_stress_by_area_model_MPa": by_model,
        "critical_stress_unbent_MPa": _unbent(case, chosen),
        "uncertainty_budget": {name: number(part) for name, part in budget.parts.items()},
        **_other_readings(case, chosen),
    }


def stress_budget(case: Case, model: str, row: int) -> Budget:
    """Return the relative uncertainties of the stress in one row, by source."""
    s, loading, stress = case.settings, case.loading, case.stresses[model]
    deflection = loading.deflection_nm[row]
    zero_nm = loading.zero.u_px * s.scale_nm_per_px
    area = stress.area_nm2[row]
    geometry = case.sizes.geometry(s.section_area_ratio)
    return Budget(
        {
            "stiffness": relative(s.u_stiffness_N_per_m, s.stiffness_N_per_m),
            "scale": relative(s.u_scale_nm_per_px, s.scale_nm_per_px),
            "tracking": relative(_tracking_nm(case, row), deflection),
            "zero": relative(zero_nm, deflection),
            "drift": relative(float(np.nan_to_num(loading.u_drift_nm[row])), deflection),
            "axis": _axis(case, row),
            "edges": u_common(stress.model, geometry, row, s.edge_u_px * s.scale_nm_per_px),
            "outline": relative(_outline_nm2(case, model, row), area),
            "section": s.u_section_area_ratio / s.section_area_ratio,
        }
    )


def _tracking_nm(case: Case, row: int) -> float:
    """One frame's tracking; where many frames come close, the largest of them is chosen noise."""
    force, u = case.loading.force_nN, case.loading.u_deflection_nm[row]
    with np.errstate(invalid="ignore"):
        close = force >= force[row] - 2 * case.loading.u_force_nN[row]
    rivals = max(int(close.sum()), 1)
    return float(u * math.sqrt(1 + 2 * math.log(rivals)))


def _axis(case: Case, row: int) -> float:
    """Of the loading axis' angle: the lateral motion that leaks in, and the cosine."""
    angle = math.radians(case.settings.u_axis_deg)
    lateral = case.loading.lateral_nm[row] / case.loading.deflection_nm[row]
    leak = abs(lateral) * angle if math.isfinite(lateral) else 0.0
    return math.hypot(leak, angle**2 / 2)


def _outline_nm2(case: Case, model: str, row: int) -> float:
    """Scatter of the outline: this frame's, or the median's where the area is the initial one."""
    stress = case.stresses[model]
    if model == "initial":
        d = case.sizes.diameter
        return float(stress.area_nm2[row] * 2 * d.u_nm / d.value_nm)
    return float(stress.u_area_nm2[row])


def interval(value: float, budget: Budget) -> list[float] | None:
    """Return the 95 % interval: 1.96 u, or the shortest of a Monte Carlo above an input of 10 %.

    Sources that divide the result, areas and scale, then make it lopsided.
    """
    u = abs(value) * budget.relative
    known = {name: part for name, part in budget.parts.items() if math.isfinite(part)}
    if not math.isfinite(u):
        return None
    if max(known.values(), default=0.0) <= _WIDE:
        return [value - 1.96 * u, value + 1.96 * u]
    below = {"edges", "outline", "section", "scale"}

    def stress(**factors: float) -> Any:
        product: Any = value
        for name, factor in factors.items():
            product = product / factor if name in below else product * factor
        return product

    draws = monte_carlo(stress, dict.fromkeys(known, 1.0), known, _DRAWS)
    return list(shortest_interval(draws))


def _unbent(case: Case, model: str) -> float | None:
    """Critical stress of the frames before bending, where they do not hold the largest force."""
    bent, top = case.events.bent, case.events.top
    if bent is None or top is None or bent > top:
        return None
    rows = np.arange(len(case.table))
    row = largest(case.loading.force_nN, case.loading_rows() & (rows < bent))
    return value_at(case.stresses[model].stress_MPa, row)


def _other_readings(case: Case, model: str) -> dict[str, Any]:
    stress = case.stresses[model].stress_MPa
    rows = case.loading_rows()
    peak = (
        largest(stress, rows) if case.settings.shape not in ("particle", "hollow_sphere") else None
    )
    fracture = case.events.fracture
    last = None
    if fracture is not None:
        before = np.flatnonzero(np.isfinite(stress[:fracture]))
        last = int(before[-1]) if before.size else None
    return {
        "largest_stress_MPa": value_at(stress, peak),
        "u_largest_stress_MPa": _u_at(case, model, peak),
        "largest_stress_frame": frame_at(case.table, peak),
        "fracture_stress_MPa": value_at(stress, last),
        "u_fracture_stress_MPa": _u_at(case, model, last),
    }


def _u_at(case: Case, model: str, row: int | None) -> float | None:
    """Everything included, as of the critical stress."""
    if row is None:
        return None
    stress = float(case.stresses[model].stress_MPa[row])
    return number(abs(stress) * stress_budget(case, model, row).relative)

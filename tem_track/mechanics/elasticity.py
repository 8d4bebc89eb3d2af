"""Modulus, yield and what follows from them, as the summary's keys."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tem_track.constants import MPA_PER_GPA
from tem_track.mechanics.bending import bow_radius_nm, euler_load_nN
from tem_track.mechanics.case import Case, number, value_at
from tem_track.mechanics.hertz import Hertz, fit_hertz
from tem_track.mechanics.known import known_median
from tem_track.mechanics.measurement import RowArray
from tem_track.mechanics.modulus import Modulus, find_modulus
from tem_track.mechanics.phases import driven_until, unloading_after
from tem_track.mechanics.seating import u_seat_slope_px
from tem_track.mechanics.strength import drift_share, interval, relative
from tem_track.mechanics.uncertainty import Budget
from tem_track.mechanics.unloading import (
    PowerLaw,
    column_modulus_GPa,
    fit_unloading,
    plate_reduced_modulus_GPa,
)
from tem_track.mechanics.yielding import Yield, offset_yield, proportional_limit, smoothed
from tem_track.records import FloatArray

__all__ = ["elasticity"]

_MOOK = ("mook1", "mook2")
_FEWEST_TO_LEAN, _MOST_TO_LEAN = 6, 300
"""Points that tell how far a line may lean; more are thinned to so many."""
_OFFSETS = {"": 0.002, "_0_5": 0.005, "_1_0": 0.010}
"""Offset strains of the proof stresses by the ending of their names."""


def elasticity(case: Case) -> dict[str, Any]:
    """Return modulus, its budget and quality, offset yields, buckling and unloading."""
    if case.settings.shape is None:
        return _nothing("no specimen is outlined")
    if case.events.contact is None or case.events.top is None:
        return _nothing("nothing was loaded")
    if case.settings.shape == "hollow_sphere":
        return _nothing("a hollow sphere has no straight elastic branch")
    if case.settings.shape == "particle":
        return _sphere(case)
    return _column(case)


def _nothing(reason: str) -> dict[str, Any]:
    keys = (
        "youngs_modulus_GPa",
        "u_youngs_modulus_GPa",
        "modulus_method",
        "modulus_window_frames",
        "offset_yield_MPa",
        "u_offset_yield_MPa",
    )
    return {**dict.fromkeys(keys), "modulus_reason": reason}


def _engineering(case: Case) -> tuple[FloatArray, FloatArray]:
    """Engineering stress in MPa, and its u, on the area that carries elastic strain."""
    area = case.modulus_area_nm2()
    force, u = case.loading.force_nN, case.loading.u_force_nN
    return force / area * MPA_PER_GPA, u / area * MPA_PER_GPA


def _column(case: Case) -> dict[str, Any]:
    stress, u_stress = _engineering(case)
    strain, u_strain, seated = case.elastic_strain()
    rows = case.elastic_rows() & np.isfinite(strain) & np.isfinite(stress)
    found = find_modulus(strain[rows], stress[rows], u_strain[rows], u_stress[rows])
    if not math.isfinite(found.value):
        return {**_nothing(found.reason), "modulus_quality": found.quality, **_unloading(case)}
    inside = np.flatnonzero(rows & (strain >= found.first) & (strain <= found.last))
    hidden = _hidden(case, found, inside, seated)
    doubts = ((u_strain[inside], 1.0), (u_stress[inside], found.value))
    growing = math.hypot(*(_growth(strain[inside], u) / unit for u, unit in doubts))
    budget = _budget(case, found.u / found.value, hidden, growing)
    value = found.value / MPA_PER_GPA
    u = value * budget.relative
    return {
        "youngs_modulus_GPa": value,
        "u_youngs_modulus_GPa": u,
        "youngs_modulus_95_GPa": interval(value, budget),
        "modulus_method": found.method,
        "modulus_reason": None,
        "modulus_u_record": found.u / found.value,
        "modulus_budget": {name: number(part) for name, part in budget.parts.items()},
        "modulus_window_frames": _window_frames(case, inside),
        "modulus_strain_range": [found.first, found.last],
        "modulus_zero_strain": found.zero_strain,
        "modulus_n_points": found.n_points,
        "modulus_others_GPa": {k: v / MPA_PER_GPA for k, v in found.others.items()},
        "modulus_quality": found.quality,
        **_yields(case, found),
        **_buckling(case, value),
        **_unloading(case),
    }


def _hidden(case: Case, found: Modulus, inside: RowArray, seated: bool) -> float:
    """Return what share of the elastic slope the end lines cannot exclude to be the seats'.

    Seats give way with the load, all along the branch or only up to the end of the elastic line:
    the worse of the two counts, and both use the frames after it, where the load is larger. Where
    the end lines were taken off frame by frame, only those inside the line tell.
    """
    length_nm = case.sizes.length.value_nm
    stiffness = found.value / MPA_PER_GPA * case.modulus_area_nm2() / length_nm
    force = case.loading.force_nN
    until = np.minimum(force, (found.last - found.zero_strain) * length_nm * stiffness)
    rows = inside if seated else np.flatnonzero(case.elastic_rows())
    slopes = (u_seat_slope_px(case.table, x, rows, taken_off=seated) for x in (force, until))
    return max(slopes) * case.settings.scale_nm_per_px * stiffness


def _growth(strain: FloatArray, u: FloatArray) -> float:
    """Return by how much an uncertainty grows over an elastic line, per strain.

    What is uncertain of the tracks lasts for many frames, so that the scatter about the line does
    not show it. As long as it stays it shifts the line; where it grows with the way that the
    targets have gone, the line may lean by as much.
    """
    known = np.isfinite(strain) & np.isfinite(u)
    if known.sum() < _FEWEST_TO_LEAN:
        return 0.0
    thinned = np.flatnonzero(known)[:: max(1, int(known.sum()) // _MOST_TO_LEAN)]
    i, j = np.triu_indices(thinned.size, 1)
    way = strain[thinned][j] - strain[thinned][i]
    more = (u[thinned][j] - u[thinned][i])[way != 0] / way[way != 0]
    return abs(float(np.median(more))) if more.size else 0.0


def _window_frames(case: Case, inside: RowArray) -> list[int] | None:
    """First and last frame of the elastic line."""
    if not inside.size:
        return None
    return [int(case.table.frame[inside[0]]), int(case.table.frame[inside[-1]])]


def _budget(case: Case, record: float, seating: float = 0.0, tracks: float = 0.0) -> Budget:
    s, sizes = case.settings, case.sizes
    edge = math.sqrt(2) * s.edge_u_px * s.scale_nm_per_px
    return Budget(
        {
            "record": record,
            "seating": seating,
            "tracks": tracks,
            "stiffness": relative(s.u_stiffness_N_per_m, s.stiffness_N_per_m),
            "scale": relative(s.u_scale_nm_per_px, s.scale_nm_per_px),
            "edges": 2 * edge / sizes.diameter.value_nm,
            "outline": 2 * sizes.diameter.u_nm / sizes.diameter.value_nm,
            "length": math.hypot(edge, sizes.length.u_nm) / sizes.length.value_nm,
            "section": s.u_section_area_ratio / s.section_area_ratio,
            "drift": drift_share(case),
        }
    )


def _yields(case: Case, found: Modulus) -> dict[str, Any]:
    """Offset yields while the test is driven on, beyond the largest force too; holds left out."""
    (stress, u_stress), points = _engineering(case), case.points
    top, phase = case.events.top, np.array(case.events.phases)
    assert top is not None
    row, last = np.arange(phase.size), driven_until(case.events.phases, top)
    rows = case.loading_rows() | (case.trusted & (row > top) & (row <= last))
    rows &= phase != "hold"
    rows &= np.isfinite(points["strain_eng"]) & np.isfinite(stress)
    strain, stress, u_stress = points["strain_eng"][rows], stress[rows], u_stress[rows]
    u_strain = points["u_strain_within"][rows]
    common = _budget(case, 0.0).relative
    keys: dict[str, Any] = {}
    one_point = [float(np.nan_to_num(known_median(u))) for u in (u_strain, u_stress)]
    readings: dict[str, tuple[FloatArray | None, float]] = {
        name: (stress, offset) for name, offset in _OFFSETS.items()
    }
    readings["_smoothed"] = (smoothed(stress), _OFFSETS[""])
    for name, (curve, offset) in readings.items():
        result = (
            Yield() if curve is None else offset_yield(strain, curve, found, offset, *one_point)
        )
        keys[f"offset_yield{name}_MPa"] = number(result.stress_MPa)
        u = math.hypot(result.u_stress_MPa, common * result.stress_MPa)
        keys[f"u_offset_yield{name}_MPa"] = number(u)
    step_px = 0.002 * case.sizes.length.value_nm / case.settings.scale_nm_per_px
    keys["offset_yield_below_resolution"] = step_px < 1
    keys["proportional_limit_MPa"] = number(proportional_limit(found).stress_MPa)
    return keys


def _buckling(case: Case, modulus_GPa: float) -> dict[str, Any]:
    """Give the loads at which a straight elastic column buckles beside that at which it bends."""
    d, length = case.sizes.diameter.value_nm, case.sizes.length.value_nm
    if case.settings.mode != "compression" or not math.isfinite(d):
        return {}
    ends = {"one_end_free": 2.0, "hinged": 1.0, "held": 0.5}
    top, points = case.events.top, case.points
    assert top is not None
    radius = bow_radius_nm(float(points["length_nm"][top]), float(points["bow_nm"][top]))
    return {
        "euler_load_nN": {k: euler_load_nN(modulus_GPa, d, length, f) for k, f in ends.items()},
        "bending_force_nN": value_at(case.loading.force_nN, case.events.bent),
        "bow_nm": value_at(points["bow_nm"], top),
        "bow_radius_nm": number(radius),
        "bow_outer_strain": number(float(points["diameter_mid_nm"][top]) / (2 * radius)),
    }


def _unloading_law(case: Case) -> tuple[PowerLaw, int] | None:
    """Power law of the unloading from the largest force, and the row where it begins."""
    if case.events.top is None or case.settings.mode != "compression":
        return None
    first, last = unloading_after(case.events.phases, case.events.top)
    rows = np.arange(first, last + 1)
    rows = rows[case.trusted[first : last + 1]]
    if rows.size < 6 or rows[0] != first:
        return None
    law = fit_unloading(case.points["deformation_nm"][rows], case.loading.force_nN[rows])
    return None if law is None else (law, first)


def _unloading(case: Case) -> dict[str, Any]:
    """Modulus of a column from the start of unloading, by the length and area that it has then."""
    found = _unloading_law(case)
    if found is None:
        return {}
    law, row = found
    slope = law.stiffness_nN_per_nm(float(case.points["deformation_nm"][row]))
    value = column_modulus_GPa(slope, float(case.points["length_nm"][row]), case.area_at_nm2(row))
    budget = _budget(case, law.u_stiffness)
    return {
        "unloading_modulus_GPa": number(value),
        "u_unloading_modulus_GPa": number(value * budget.relative),
        "unloading_power": law.power,
    }


def _sphere(case: Case) -> dict[str, Any]:
    """Hertz between two plates, before yield; not where the plates meet flat faces."""
    unloading = _plates(case)
    if case.flat_faces:
        reason = "the particle's faces are flat before loading: Hertz' law does not hold"
        return _nothing(reason) | unloading
    rows = case.loading_rows()
    points, radius = case.points, case.sizes.length.value_nm / 2
    fit = fit_hertz(
        points["deformation_nm"][rows],
        case.loading.force_nN[rows],
        points["u_deformation_within_nm"][rows],
        radius,
    )
    if fit is None:
        return _nothing("fewer than four points within 2 % of the diameter") | unloading
    if fit.flows:
        reason = "the force rises as the deformation, not as its power 1.5: it flows from the first"
        return _nothing(reason) | unloading
    return _hertz_keys(case, fit) | unloading


def _plates(case: Case) -> dict[str, Any]:
    """Reduced modulus of a flattened sphere from the start of unloading, E* = S / a."""
    found = _unloading_law(case)
    if found is None:
        return {}
    law, row = found
    slope = law.stiffness_nN_per_nm(float(case.points["deformation_nm"][row]))
    radii = {name: math.sqrt(float(case.stresses[name].area_nm2[row]) / math.pi) for name in _MOOK}
    reduced = {k: number(plate_reduced_modulus_GPa(slope, radius)) for k, radius in radii.items()}
    return {
        "unloading_reduced_modulus_by_area_model_GPa": reduced,
        "unloading_power": law.power,
    }


def _hertz_keys(case: Case, fit: Hertz) -> dict[str, Any]:
    s = case.settings
    edge = math.sqrt(2) * s.edge_u_px * s.scale_nm_per_px
    budget = Budget(
        {
            "record": fit.u_reduced_GPa / fit.reduced_GPa,
            "stiffness": relative(s.u_stiffness_N_per_m, s.stiffness_N_per_m),
            "scale": relative(s.u_scale_nm_per_px, s.scale_nm_per_px),
            "edges": 0.5 * edge / case.sizes.length.value_nm,
            "drift": drift_share(case),
        }
    )
    value = fit.modulus_GPa(s.poisson)
    return {
        **_nothing(""),
        "youngs_modulus_GPa": value,
        "u_youngs_modulus_GPa": value * budget.relative,
        "modulus_method": f"Hertz between two plates, nu = {s.poisson:g}",
        "modulus_reason": None,
        "modulus_u_record": budget.parts["record"],
        "modulus_budget": {name: number(part) for name, part in budget.parts.items()},
        "modulus_n_points": fit.n_points,
        "reduced_modulus_GPa": fit.reduced_GPa,
    }

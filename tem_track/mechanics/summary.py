"""The numbers of a movie as a whole."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tem_track.mechanics.case import Case, frame_at, number, value_at
from tem_track.mechanics.chronicle import chronicle
from tem_track.mechanics.corrections import (
    apex_ratio,
    axial_ratio,
    elongation_of_view,
    lever_factor,
)
from tem_track.mechanics.elasticity import elasticity
from tem_track.mechanics.limits import warnings_of
from tem_track.mechanics.plasticity import plasticity
from tem_track.mechanics.strength import critical_stress, drift_share

__all__ = ["summarise"]


def summarise(case: Case) -> dict[str, Any]:
    """Return what `summary.json` holds of the mechanics; None where there is nothing."""
    elastic = elasticity(case)
    summary: dict[str, Any] = {
        "mode": case.settings.mode,
        "shape": case.settings.shape,
        "max_force_nN": value_at(case.loading.force_nN, case.events.top),
        "u_max_force_nN": _u_force(case),
        "max_force_frame": frame_at(case.table, case.events.top),
        **critical_stress(case),
        **elastic,
        **_events(case),
        "events": chronicle(case),
        **_initial(case),
        **plasticity(case, elastic["youngs_modulus_GPa"]),
        **_counts(case),
        "corrections": _corrections(case),
        "zero": _zero(case),
    }
    summary = {name: _plain(value) for name, value in summary.items()}
    return summary | {"warnings": warnings_of(case, summary)}


def _plain(value: Any) -> Any:
    """Return a value as JSON holds it: None for what is not a finite number."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, (float, np.floating)):
        return number(float(value))
    return value


def _u_force(case: Case) -> float | None:
    """Of the largest force, stiffness and scale included."""
    top, s = case.events.top, case.settings
    if top is None:
        return None
    force, u = case.loading.force_nN[top], case.loading.u_force_nN[top]
    zero = case.loading.zero.u_px * s.scale_nm_per_px * s.stiffness_N_per_m
    common = math.hypot(
        (s.u_stiffness_N_per_m or 0.0) / s.stiffness_N_per_m,
        (s.u_scale_nm_per_px or 0.0) / s.scale_nm_per_px,
    )
    return number(math.hypot(u, zero, force * common, force * drift_share(case)))


def _events(case: Case) -> dict[str, Any]:
    events, contact, table = case.events, case.loading.contact, case.table
    loaded = events.contact is not None
    timed = loaded and table.timed
    return {
        "contact_frame": frame_at(table, events.contact),
        "contact_time_s": number(contact.time_s) if timed else None,
        "u_contact_time_s": number(contact.u_time_s) if timed else None,
        "contact_criterion": contact.criterion,
        "contact_power": number(contact.power) if loaded else None,
        "contact_delta_aicc": number(contact.delta_aicc) if loaded else None,
        "gap_closed_frame": frame_at(table, contact.gap_row),
        "release_frame": frame_at(table, events.release),
        "fracture_frame": frame_at(table, events.fracture),
        "bending_frame": frame_at(table, events.bent),
        "neck_frame": frame_at(table, events.neck),
        "load_drops": [
            {
                "frame": frame_at(table, drop.row),
                "size_nN": drop.size_nN,
                "u_size_nN": number(drop.u_size_nN),
            }
            for drop in events.drops
        ],
    }


def _initial(case: Case) -> dict[str, Any]:
    length, diameter = case.sizes.length, case.sizes.diameter
    return {
        "initial_length_nm": number(length.value_nm),
        "u_initial_length_nm": number(length.u_nm),
        "initial_diameter_nm": number(diameter.value_nm),
        "u_initial_diameter_nm": number(diameter.u_nm),
        "aspect_ratio": number(length.value_nm / diameter.value_nm),
    }


def _counts(case: Case) -> dict[str, Any]:
    lost = case.flags["BAR_LOST"] | case.flags["TIP_LOST"]
    if case.settings.shape is not None:
        lost = lost | case.flags["SPECIMEN_LOST"]
    closure = case.points["closure_nm"]
    loaded = np.isin(case.events.phases, ("load", "hold", "unload")) & np.isfinite(closure)
    rms = float(np.sqrt(np.mean(closure[loaded] ** 2))) if loaded.any() else math.nan
    return {
        "n_frames": len(case.table),
        "n_lost": int(lost.sum()),
        "closure_rms_nm": number(rms),
        "n_closure_flagged": int(case.flags["CLOSURE"].sum()),
        "flag_counts": {k: int(v.sum()) for k, v in case.flags.items() if v.any()},
    }


def _corrections(case: Case) -> dict[str, float]:
    """Factors of the corrections that are on; empty where none is."""
    s = case.settings
    factors = {
        "cantilever_tilt_on_force": lever_factor(s.tilt_deg, s.tip_height_um, s.length_um),
        "behind_apex_on_deflection": 1 / apex_ratio(s.behind_apex_um, s.length_um),
        "out_of_plane_on_lengths": elongation_of_view(s.out_of_plane_deg),
        "off_axis_on_force": axial_ratio(s.off_axis_deg),
        "section_on_area": s.section_area_ratio,
    }
    found = {name: factor for name, factor in factors.items() if factor != 1}
    if s.base_modulus_GPa is not None:
        found["base_modulus_GPa"] = s.base_modulus_GPa
    return found


def _zero(case: Case) -> dict[str, Any]:
    """Zero and drift; their uncertainties shift or tilt the whole curve."""
    s, zero = case.settings, case.loading.zero
    per_px = s.scale_nm_per_px
    return {
        "n_frames": zero.n_frames,
        "u_deflection_nm": number(zero.u_px * per_px),
        "scatter_nm": number(zero.scatter_px * per_px),
        "drift_order": case.loading.drift_order,
        "drift_nm_per_s": number(case.loading.drift_nm_per_s),
        "u_drift_at_largest_force_nm": value_at(case.loading.u_drift_nm, case.events.top),
    }

"""Flow: rates, work, hardening, creep, as the summary's keys."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tem_track.constants import MPA_PER_GPA
from tem_track.mechanics.case import Case, frame_at, number, value_at
from tem_track.mechanics.corrections import core_diameter_nm
from tem_track.mechanics.creep import creep_rate, strain_rate, stress_exponent
from tem_track.mechanics.hardening import fit_hollomon, true_stress
from tem_track.mechanics.phases import unloading_after
from tem_track.mechanics.work import loop_work

__all__ = ["plasticity"]


def plasticity(case: Case, modulus_GPa: float | None) -> dict[str, Any]:
    """Return strain rate, work of the loop, true stress, hardening, creep, core stress."""
    if case.settings.shape is None or case.events.contact is None or case.events.top is None:
        return {"strain_rate_per_s": None}
    return {
        **_rate(case),
        **_work(case),
        **_true(case, modulus_GPa),
        **_creep(case),
        **_ends_and_core(case),
    }


def _rate(case: Case) -> dict[str, Any]:
    """Rate while the test is driven forwards; holds and earlier cycles' unloading are left out."""
    phase = np.array(case.events.phases)
    rows = case.loading_rows() & (phase == "load")
    stretch = np.cumsum(np.concatenate([[0], phase[1:] != phase[:-1]])).astype(float)
    rate, u = strain_rate(
        case.table.time_s[rows],
        case.points["strain_eng"][rows],
        case.points["u_strain_within"][rows],
        stretch[rows],
    )
    return {"strain_rate_per_s": number(rate), "u_strain_rate_per_s": number(u)}


def _work(case: Case) -> dict[str, Any]:
    """Work up to where unloading from the largest force begins, and what it gives back."""
    contact, top = case.events.contact, case.events.top
    assert contact is not None
    assert top is not None
    turn, end = unloading_after(case.events.phases, top)
    rows = slice(contact, end + 1)
    work = loop_work(
        case.points["deformation_nm"][rows],
        case.loading.force_nN[rows],
        turn - contact,
        end - contact,
    )
    release = case.events.release
    residual = math.nan if release is None else float(case.points["strain_eng"][release])
    return {
        "work_total_J": number(work.total_J),
        "work_elastic_J": number(work.elastic_J),
        "work_plastic_J": number(work.plastic_J),
        "residual_strain": number(residual),
    }


def _true(case: Case, modulus_GPa: float | None) -> dict[str, Any]:
    top = case.events.top
    if case.settings.shape != "rod" or "initial" not in case.stresses:
        return {}
    engineering = case.stresses["initial"].stress_MPa
    true = true_stress(engineering, case.points["strain_eng"], case.settings.mode)
    keys: dict[str, Any] = {"critical_true_stress_MPa": value_at(true, top)}
    if modulus_GPa is None:
        return keys
    plastic = case.points["strain_true"] - true / (modulus_GPa * MPA_PER_GPA)
    rows = case.loading_rows() & (plastic > 0.002) & ~case.flags["NECK"]
    fit = fit_hollomon(plastic[rows], true[rows])
    if fit is not None:
        keys["hardening_exponent"] = fit.exponent
        keys["u_hardening_exponent"] = fit.u_exponent
        keys["hardening_strength_MPa"] = fit.strength_MPa
    return keys


def _creep(case: Case) -> dict[str, Any]:
    if case.settings.area_model is None or not case.events.holds:
        return {}
    stress = case.stresses[case.settings.area_model].stress_MPa
    strain, u = case.points["strain_true"], case.points["u_strain_true"]
    rates = [creep_rate(case.table.time_s, strain, u, stress, h) for h in case.events.holds]
    listed = [
        {
            "first_frame": frame_at(case.table, r.first_row),
            "last_frame": frame_at(case.table, r.last_row),
            "rate_per_s": number(r.rate_per_s),
            "u_rate_per_s": number(r.u_rate_per_s),
            "stress_MPa": number(r.stress_MPa),
        }
        for r in rates
    ]
    return {"holds": listed, "creep_stress_exponent": number(stress_exponent(rates))}


def _ends_and_core(case: Case) -> dict[str, Any]:
    """Barrelling, and the stress if the core alone carried the load."""
    top = case.events.top
    mid, tip = case.points["diameter_mid_nm"], case.points["diameter_tip_nm"]
    core = core_diameter_nm(mid, case.points["shell_nm"])
    with np.errstate(divide="ignore", invalid="ignore"):
        barrel = mid / tip - 1
        stress = case.loading.force_nN / (math.pi / 4 * core**2) * MPA_PER_GPA
    return {
        "barrel_coefficient": value_at(barrel, top),
        "critical_stress_core_MPa": value_at(np.where(core > 0, stress, np.nan), top),
    }

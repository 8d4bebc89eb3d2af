"""Cases that can be calculated by hand, with their digits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from uncertainties import ufloat

from tem_track.growth import shell_law
from tem_track.mechanics import (
    Geometry,
    Settings,
    contact_radius,
    critical_overpotential,
    ecm_stress,
    evaluate,
    fracture_stress,
    rod_stress,
)
from tem_track.mechanics.areas import AREA_MODELS, Mook
from tem_track.mechanics.bending import bend_ratio, bow_radius_nm, euler_load_nN
from tem_track.mechanics.corrections import apex_ratio, lever_factor, sink_in_nm
from tem_track.mechanics.displacements import motion_px, zero_of
from tem_track.mechanics.hardening import Hollomon, true_stress
from tem_track.mechanics.hertz import fit_hertz, hertz_force_nN
from tem_track.mechanics.measurement import Track
from tem_track.mechanics.modulus import Modulus
from tem_track.mechanics.neck import bridgman_factor
from tem_track.mechanics.paper import COMPARISONS
from tem_track.mechanics.stresses import stress
from tem_track.mechanics.uncertainty import Budget, monte_carlo, shortest_interval
from tem_track.mechanics.unloading import PowerLaw, fit_unloading
from tem_track.mechanics.work import loop_work
from tem_track.mechanics.yielding import offset_yield
from tem_track.records import Axis
from tem_track.specimen import cross_section
from tests.mechanics.tables import make

NA, LI = 23.7, 13.0


def rod(force_uN: float, diameter_nm: float) -> float:
    value = rod_stress(force_uN * 1000, diameter_nm)["stress_MPa"]
    assert value is not None
    return value


def particle(length: float, deformation: float) -> Geometry:
    one = np.array([length])
    return Geometry(length, length, np.array([deformation]), one, one, one, one)


def mook_stress(equation: int, deformation: float, force_nN: float = 10_000.0) -> float:
    geometry, force = particle(1110.0, deformation), np.array([force_nN])
    return float(stress(Mook("mook", equation), geometry, {}, force, force * 0).stress_MPa[0])  # type: ignore[arg-type]


def test_01_hooke() -> None:
    table, _ = make(n=30, approach=10, load=15, u_track_px=0.0, jitter_px=0.0)
    rows = np.arange(30)
    table["tip_y_px"] = 326.0 - np.where(rows >= 15, 300.0, 0.0)
    table["gap_px"][:] = np.nan
    points = evaluate(table, Settings(mode="compression", scale_nm_per_px=2, stiffness_N_per_m=6))
    assert points.points["deflection_nm"][-1] == pytest.approx(600.0, abs=1e-9)
    assert points.points["force_nN"][-1] == pytest.approx(3600.0, abs=1e-6)


@pytest.mark.parametrize(
    ("force", "diameter", "expected"),
    [
        (3.6, 355, 36.371),
        (3.6, 385, 30.924),
        (4.02, 140, 261.144),
        (0.42, 40, 334.225),
        (0.939, 196, 31.122),
    ],
)
def test_02_03_10_stress_of_a_rod(force: float, diameter: float, expected: float) -> None:
    assert rod(force, diameter) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(("force", "target", "d"), [(3.6, 120, 195.441), (0.939, 95, 112.183)])
def test_04_10_diameter_for_a_stress(force: float, target: float, d: float) -> None:
    assert rod(force, d) == pytest.approx(target, rel=1e-5)


def test_05_06_strain_and_volume() -> None:
    table, _ = make(n=30)
    table["length_px"] = np.where(np.arange(30) < 20, 388.0, 339.0)
    table["volume_px3"] = np.where(np.arange(30) < 20, 355**2 * 776, 385**2 * 678).astype(float)
    points = evaluate(table, _settings()).points
    assert points["strain_eng"][-1] == pytest.approx(0.126289, abs=1e-6)
    assert points["strain_true"][-1] == pytest.approx(0.135005, abs=1e-6)
    assert points["volume_ratio"][-1] == pytest.approx(1.02762, abs=1e-5)
    assert 355 * math.sqrt(776 / 678) == pytest.approx(379.791, abs=1e-3)


def test_07_to_09_contact_of_a_particle() -> None:
    small, limit = contact_radius(1110, 55.5), contact_radius(1110, 111)
    assert small["contact_radius_equation_1_nm"] == pytest.approx(173.299, abs=1e-3)
    assert small["contact_radius_equation_2_nm"] == pytest.approx(464.928, abs=1e-3)
    assert limit["contact_radius_equation_1_nm"] == pytest.approx(241.919, abs=1e-3)
    assert limit["contact_radius_equation_2_nm"] == pytest.approx(477.668, abs=1e-3)
    assert limit["mook_equation"] == 1
    assert mook_stress(0, 55.5) == pytest.approx(105.989, abs=1e-3)
    assert mook_stress(2, 55.5) == pytest.approx(14.726, abs=1e-3)
    assert mook_stress(0, 111.0) == pytest.approx(54.389, abs=1e-3)
    assert mook_stress(2, 111.0) == pytest.approx(13.951, abs=1e-3)
    assert mook_stress(0, 111.1) == pytest.approx(13.949, abs=1e-3)
    ratio = mook_stress(1, 111.0) / mook_stress(2, 111.0)
    assert ratio == pytest.approx(3.89864, abs=1e-5)


def test_08_the_switch_is_flagged() -> None:
    table, _ = make(n=60, approach=10, load=45)
    ramp = np.clip(np.arange(60) - 10, 0, None) * 1.4
    table["length_px"] = 400.0 - ramp
    table["u_length_px"][:] = 0.1
    points = evaluate(table, _settings(shape="particle")).points
    row = int(np.flatnonzero(points["mook_equation"] == 2)[0])
    assert "MOOK_LIMIT" in points["flags"][row]
    assert "MOOK_LIMIT" not in points["flags"][row + 8]


def test_11_aspect_ratios() -> None:
    values = {c.what: c.ours() for c in COMPARISONS}
    assert values["aspect ratio 825 / 260"] == pytest.approx(3.17308, abs=1e-5)
    assert values["aspect ratio 742 / 309"] == pytest.approx(2.40129, abs=1e-5)


def test_12_14_electrochemical_stress() -> None:
    rounded = [ecm_stress(100, v, 9.65e4)["ecm_stress_MPa"] for v in (LI, NA)]
    codata = [ecm_stress(100, v)["ecm_stress_MPa"] for v in (LI, NA)]
    assert rounded == pytest.approx([742.308, 407.173], abs=1e-3)
    assert codata == pytest.approx([742.195, 407.111], abs=1e-3)
    back = critical_overpotential(357, NA, 9.65e4)["critical_overpotential_mV"]
    assert back == pytest.approx(87.677, abs=1e-3)
    back = critical_overpotential(357, NA)["critical_overpotential_mV"]
    assert back == pytest.approx(87.691, abs=1e-3)


@pytest.mark.parametrize(
    ("toughness", "flaw", "expected"),
    [(1, 5, 252.313), (2, 10, 356.825), (2, 0.5, 1595.769), (1, 0.5, 797.885)],
)
def test_13_fracture_stress(toughness: float, flaw: float, expected: float) -> None:
    value = fracture_stress(toughness, flaw)["fracture_stress_MPa"]
    assert value == pytest.approx(expected, abs=1e-3)


def test_15_growth() -> None:
    values = {c.what: c.ours() for c in COMPARISONS}
    assert values["mean growth, 825 nm in 665 s"] == pytest.approx(1.24060, abs=1e-5)


def test_16_the_bar_takes_the_cameras_drift_off() -> None:
    tip, bar = (_track(-np.array(v, dtype=float)) for v in ([100, 105, 210], [50, 55, 60]))
    motion = motion_px(tip, bar, Axis(0.0), "compression")
    zero = zero_of(motion, np.array([0]), 0)
    assert (motion.value_px - zero.value_px).tolist() == [0.0, 0.0, 100.0]


def test_17_lever() -> None:
    assert lever_factor(12, 15, 225) == pytest.approx(1.09090, abs=1e-5)
    assert lever_factor(0, 15, 225) == 1.0
    assert apex_ratio(20, 225) == pytest.approx(0.86702, abs=1e-5)


def test_18_hertz_between_two_plates() -> None:
    force = hertz_force_nN(5.0, 500.0, 10.0)
    assert force == pytest.approx(1666.67, abs=0.01)
    assert force != pytest.approx(4714.05, rel=0.1)
    deformation = np.linspace(0.0, 15.0, 20)
    forces = np.array([hertz_force_nN(5.0, 500.0, d) for d in deformation])
    fit = fit_hertz(deformation, forces, np.full(20, 0.1), 500.0)
    assert fit is not None
    assert fit.reduced_GPa == pytest.approx(5.0, rel=1e-9)


def test_19_true_strain_and_stress() -> None:
    assert math.log(1.2) == pytest.approx(0.182322, abs=1e-6)
    assert true_stress(np.array([100.0]), np.array([0.2]), "tension")[0] == pytest.approx(120.0)


def test_20_hollomon() -> None:
    law = Hollomon(120.0, 0.25, 0.0, 5)
    assert law.stress_MPa(0.05) == pytest.approx(56.7445, abs=1e-4)
    assert law.tensile_strength_MPa == pytest.approx(66.0834, abs=1e-4)


def test_21_offset_yield() -> None:
    strain = np.linspace(0, 0.1, 1001)
    curve = np.where(strain < 0.03, 2000 * strain, 60 + 200 * (strain - 0.03))
    found = offset_yield(strain, curve, Modulus(2000.0, 20.0, zero_strain=0.0, last=0.03))
    assert found.strain == pytest.approx(0.0322222, abs=1e-6)
    assert found.stress_MPa == pytest.approx(60.4444, abs=1e-4)


def test_22_work() -> None:
    work = loop_work(np.array([0.0, 100.0, 60.0]), np.array([0.0, 4000.0, 0.0]), 1, 2)
    assert work.total_J == pytest.approx(2.0e-13)
    assert work.elastic_J == pytest.approx(0.8e-13)
    assert work.plastic_J == pytest.approx(1.2e-13)


def test_23_24_bow_and_buckling() -> None:
    assert bow_radius_nm(776, 20) == pytest.approx(3773.6, abs=0.05)
    assert bend_ratio(20, 355) == pytest.approx(0.45070, abs=1e-5)
    assert euler_load_nN(3.5, 355, 776, 2) == pytest.approx(11180.7, abs=0.05)


def test_25_shell() -> None:
    t = np.linspace(10.0, 200.0, 20)
    grown = np.sqrt(2 * 0.98 * t)
    assert grown[-1] == pytest.approx(19.799, abs=5e-4)
    law = shell_law(t, grown, np.full(20, 0.05))
    assert law.name == "parabolic"
    assert law.parameters["k_nm2_per_s"] == pytest.approx(14.0**2 / (2 * 100), rel=1e-6)


def test_26_elliptic_section() -> None:
    widths, tilts = [394.095, 397.353, 377.492], [-15.0, 10.0, 30.0]
    section = cross_section(widths, [1.0, 1.0, 1.0], tilts)
    assert section.area == pytest.approx(94247.8, abs=0.5)


def test_27_budget() -> None:
    scale = 2.0
    edges, deflection = math.hypot(1.5, 1.5) / 177.5, math.sqrt(4) * 0.5 / 300
    ours = Budget(
        {"stiffness": 0.1, "scale": 0.015, "edges": 2 * edges, "tracking": deflection}
    ).relative
    k, s = ufloat(6, 0.6), ufloat(scale, 0.015 * scale)
    q = 300 + sum(ufloat(0, 0.5) for _ in range(4))
    d = 177.5 + ufloat(0, 1.5) + ufloat(0, 1.5)
    exact = k * q * s / (math.pi / 4 * (d * s) ** 2)
    assert exact.std_dev / exact.nominal_value == pytest.approx(0.10396, abs=1e-5)
    assert ours == pytest.approx(0.10396, abs=1e-5)
    draws = monte_carlo(
        lambda **v: v["k"] * v["q"] / (v["d"] ** 2 * v["s"]),
        {"k": 6, "q": 300, "d": 177.5, "s": 2},
        {"k": 0.6, "q": 1.0, "d": math.hypot(1.5, 1.5), "s": 0.03},
        draws=1_000_000,
    )
    # Second order adds half a hundredth of a per cent; the draws' own scatter is as much.
    assert np.std(draws) / np.mean(draws) == pytest.approx(0.10396, abs=1.5e-4)
    stress_MPa = draws * 4 / math.pi * 1000
    assert np.mean(stress_MPa) == pytest.approx(36.39, abs=0.01)
    assert np.std(stress_MPa) == pytest.approx(3.78, abs=0.01)
    assert shortest_interval(stress_MPa) == pytest.approx((29.1, 43.9), abs=0.1)


def test_28_bridgman() -> None:
    assert bridgman_factor(0.5, 1.0) == pytest.approx(0.896284, abs=1e-6)
    assert bridgman_factor(1.0, math.inf) == 1.0


def test_29_unloading_and_sink_in() -> None:
    law = PowerLaw(1e-3 * 1000, 1.5, 60.0)
    assert law.stiffness_nN_per_nm(100.0) == pytest.approx(9.48683, abs=1e-5)
    assert sink_in_nm(np.array([3600.0]), 355.0, 3.9, 0.32)[0] == pytest.approx(2.33395, abs=1e-5)
    deformation = np.linspace(100.0, 61.0, 60)
    found = fit_unloading(deformation, (deformation - 60.0) ** 1.5)
    assert found is not None
    assert found.stiffness_nN_per_nm(100.0) == pytest.approx(9.48683, abs=1e-5)


def test_30_doubled_scale() -> None:
    table, _ = make(seed=1)
    one, two = (evaluate(table, _settings(scale_nm_per_px=s)) for s in (2.0, 4.0))
    np.testing.assert_allclose(two.points["strain_eng"], one.points["strain_eng"], atol=1e-12)
    np.testing.assert_allclose(two.points["stress_MPa"], one.points["stress_MPa"] / 2, rtol=1e-9)
    np.testing.assert_allclose(two.points["deflection_nm"], 2 * one.points["deflection_nm"])
    modulus = [r.summary["youngs_modulus_GPa"] for r in (one, two)]
    assert modulus[1] == pytest.approx(modulus[0] / 2, rel=1e-6)


@pytest.mark.parametrize("move", ["mirror", "shift", "turn"])
def test_31_mirrored_shifted_turned(move: str) -> None:
    table, _ = make(seed=2, axis_deg=10.0)
    plain = evaluate(table, _settings(axis_deg=10.0)).points["force_nN"]
    axis = {"mirror": -10.0, "shift": 10.0, "turn": 100.0}[move]
    for target in ("bar", "tip", "base"):
        x, y = table[f"{target}_x_px"], table[f"{target}_y_px"]
        moved = {"mirror": (640 - x, y), "shift": (x + 31.5, y - 7.25), "turn": (-y, x)}[move]
        table[f"{target}_x_px"], table[f"{target}_y_px"] = moved
    moved_force = evaluate(table, _settings(axis_deg=axis)).points["force_nN"]
    np.testing.assert_allclose(moved_force, plain, atol=1e-6)


def test_32_tension_is_positive() -> None:
    table, truth = make(mode="tension", approach=0, seed=3)
    points = evaluate(table, _settings(mode="tension")).points
    for name in ("deflection_nm", "force_nN", "deformation_nm", "strain_eng", "stress_MPa"):
        assert points[name][truth.top] > 0
    assert abs(np.nanmedian(points["closure_nm"])) < 1.0


def test_33_a_dropped_frame_keeps_its_time() -> None:
    table, _ = make(seed=4)
    keep = np.arange(120) != 40
    dropped = {name: values[keep] for name, values in table.items()}
    rates = [evaluate(t, _settings()).summary["strain_rate_per_s"] for t in (table, dropped)]
    assert rates[1] == pytest.approx(rates[0], rel=0.02)


def test_34_nothing_moves() -> None:
    table, _ = make(travel=-1e-9, seed=5)
    table["gap_px"][:] = 0.0
    result = evaluate(table, _settings())
    assert np.all(np.abs(result.points["force_nN"]) <= 4.5 * result.points["u_force_nN"])
    assert result.summary["youngs_modulus_GPa"] is None
    assert result.summary["offset_yield_MPa"] is None
    assert result.summary["contact_frame"] is None


def test_every_area_model_is_in_the_contract() -> None:
    names = {key: [m.name for m in models] for key, models in AREA_MODELS.items()}
    assert names["rod", "compression"] == ["initial", "mid", "max", "min", "contact"]
    assert names["rod", "tension"] == ["initial", "min", "mid", "max"]
    assert names["particle", "compression"] == ["mook", "mook1", "mook2", "projected"]
    assert names["pillar", "compression"] == ["mid", "contact", "min", "max", "initial"]
    assert names["hollow_sphere", "compression"] == ["mook", "mook1", "mook2", "projected"]


def _track(y: np.ndarray) -> Track:
    zero = np.zeros_like(y)
    return Track(zero, y, zero, zero, zero, zero + 1)


def _settings(**changes: object) -> Settings:
    plain = {"mode": "compression", "shape": "rod", "scale_nm_per_px": 2.0}
    plain |= {"stiffness_N_per_m": 6.0, "u_scale_nm_per_px": 0.03, "u_stiffness_N_per_m": 0.6}
    return Settings(**(plain | changes))  # type: ignore[arg-type]

"""The mechanics behind the pictures keeps its own laws."""

import numpy as np
import pytest

from tem_track.simulate.loading import Column, Material, Programme, load_column, load_sphere

FRAMES = 60
LENGTH, DIAMETER = 600.0, 300.0


def programme(top: float, sign: int = 1, gap: float = 30.0, stiffness: float = 6.0) -> Programme:
    actuator = np.interp(np.arange(FRAMES), [0, 8, 40, 44, 59], [0, gap, top, top, 0.0])
    if sign < 0:
        actuator = np.linspace(0, top, FRAMES)
    return Programme(np.arange(FRAMES) * 0.2, actuator, gap, sign, stiffness)  # type: ignore[arg-type]


def column(count: int = 40) -> Column:
    area = np.full(count, np.pi / 4 * DIAMETER**2)
    return Column(LENGTH, area, np.ones(count))


def test_an_elastic_column_and_a_lever_are_two_springs_in_series() -> None:
    steel = Material(modulus_GPa=2.0, strength_MPa=1e6, hardening_MPa=0.0)
    history = load_column(column(), steel, programme(250.0))
    spring = 2.0 * np.pi / 4 * DIAMETER**2 / LENGTH
    series = 1 / (1 / spring + 1 / 6.0)
    assert history.force_nN.max() == pytest.approx(series * 220.0, rel=1e-9)
    assert history.deformation_nm[42] == pytest.approx(history.force_nN[42] / spring)
    assert history.force_nN[-1] == 0
    assert history.gap_nm[-1] == pytest.approx(30.0)


def test_travel_is_shared_without_rest() -> None:
    soft = Material(1.8, 18.0, 6.0)
    plan = programme(400.0)
    history = load_column(column(), soft, plan)
    closed = plan.gap_nm - history.gap_nm
    rest = plan.actuator_nm - closed - history.force_nN / 6.0 - history.deformation_nm
    assert np.abs(rest).max() < 1e-9


def test_flow_keeps_the_volume_and_the_set_stress() -> None:
    soft = Material(1.8, 18.0, 0.0, rate_exponent=20.0, reference_rate_per_s=0.01)
    history = load_column(column(), soft, programme(500.0))
    true_stress = (
        1000 * history.force_nN / (np.pi / 4 * DIAMETER**2 * np.exp(history.plastic_strain[:, 0]))
    )
    flowing = np.gradient(history.plastic_strain[:, 0], 0.2) > 0.005
    assert flowing.sum() > 8
    assert np.abs(true_stress[flowing] / 18.0 - 1).max() < 0.06


def test_unloading_has_the_elastic_slope() -> None:
    soft = Material(1.8, 18.0, 6.0)
    history = load_column(column(), soft, programme(400.0))
    area = np.pi / 4 * DIAMETER**2 * np.exp(history.plastic_strain[-1, 0])
    length = LENGTH * np.exp(-history.plastic_strain[-1, 0])
    slope = np.diff(history.force_nN[48:52]) / np.diff(history.deformation_nm[48:52])
    assert slope == pytest.approx(1.8 * area / length, rel=0.02)


def test_a_weak_place_necks_and_breaks_in_tension() -> None:
    weak = column(60)
    hold = np.ones(60)
    hold[28:32] = 0.92
    history = load_column(
        Column(LENGTH, weak.area_nm2, hold),
        Material(1.8, 18.0, 2.0, rate_exponent=8.0, fracture_strain=0.8),
        programme(700.0, sign=-1, gap=0.0, stiffness=3.0),
    )
    assert history.fracture_frame is not None
    assert 28 <= history.fracture_slice < 32
    assert history.force_nN[history.fracture_frame :].max() == 0
    assert history.plastic_strain[-1, 0] < 0.3 < history.plastic_strain[-1, 30]


def test_a_sphere_starts_as_hertz_says_and_unloads_with_its_modulus() -> None:
    modulus, radius = 4.0, 250.0
    history = load_sphere(radius, modulus, 1e6, programme(120.0))
    squeezed = history.deformation_nm[20]
    hertz = 4 / 3 * modulus * radius**0.5 * (squeezed / 2) ** 1.5
    assert history.force_nN[20] == pytest.approx(hertz, rel=1e-3)
    plastic = load_sphere(radius, modulus, 60.0, programme(250.0))
    top = int(np.argmax(plastic.deformation_nm))
    assert plastic.deformation_nm[-1] > 0.5 * plastic.deformation_nm[top]
    assert plastic.force_nN[-1] == 0

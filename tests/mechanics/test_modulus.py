"""The modulus: right on known curves, honest on real ones, refused where there is nothing."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tem_track.mechanics.modulus import Modulus, find_modulus
from tem_track.mechanics.toe_line import fit_toe_line
from tem_track.mechanics.yielding import offset_yield, smoothed
from tem_track.mechanics.york import fit_york
from tests.mechanics.coverage import SCENARIOS, study

DATA = Path(os.environ.get("TEM_TRACK_DATA", Path(__file__).parents[3] / "shared" / "data"))


def bilinear(n: int, rng: np.random.Generator, u_x: float, u_y: float) -> tuple:
    strain = np.linspace(0, 0.1, n)
    toe = np.where(strain < 0.01, 800 * strain, 8 + 2000 * (strain - 0.01))
    stress = np.where(strain < 0.05, toe, 88 + 250 * (strain - 0.05))
    return strain + u_x * rng.standard_normal(n), stress + u_y * rng.standard_normal(n)


@pytest.mark.parametrize("n", [14, 24, 60, 300])
def test_toe_line_line_is_unbiased_and_honest(n: int) -> None:
    found = []
    for seed in range(60):
        x, y = bilinear(n, np.random.default_rng(seed), 0.0008, 0.8)
        line = fit_toe_line(x, y, 0.0008, 0.8)
        assert line is not None
        found.append((line.slope, line.u_slope))
    slope, u = np.array(found).T
    assert abs(slope.mean() - 2000) < 0.5 * u.mean()
    assert np.mean(np.abs(slope - 2000) < 2 * u) > 0.88


def test_york_agrees_with_the_published_answer() -> None:
    """Pearson's data with York's weights: slope -0.48053, intercept 5.47991."""
    x = np.array([0.0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4])
    y = np.array([5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5])
    wx = np.array([1e3, 1e3, 5e2, 8e2, 2e2, 8e1, 6e1, 2e1, 1.8, 1.0])
    wy = np.array([1, 1.8, 4, 8, 20, 20, 70, 70, 1e2, 5e2])
    line = fit_york(x, y, 1 / np.sqrt(wx), 1 / np.sqrt(wy))
    assert line.slope == pytest.approx(-0.4805334, abs=1e-6)
    assert line.intercept == pytest.approx(5.4799102, abs=1e-6)
    assert line.chi2_reduced == pytest.approx(1.4833, abs=1e-3)


def test_errors_in_strain_do_not_flatten_the_line() -> None:
    slopes = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        x = np.linspace(0, 0.02, 6)
        line = fit_york(
            x + 0.003 * rng.standard_normal(6), 2000 * x, np.full(6, 0.003), np.full(6, 1e-3)
        )
        slopes.append(line.slope)
    assert np.median(slopes) == pytest.approx(2000, rel=0.02)


def test_noise_alone_has_no_modulus() -> None:
    rng = np.random.default_rng(0)
    found = find_modulus(
        rng.standard_normal(40), rng.standard_normal(40), np.full(40, 1.0), np.full(40, 1.0)
    )
    assert not math.isfinite(found.value) or found.u > 0.2 * found.value


def steel(record: int) -> tuple[np.ndarray, np.ndarray]:
    path = DATA / "steel_1045" / f"Steel_1045_Normalized_{record}_Formatted.csv"
    if not path.exists():
        pytest.skip(f"{path} is not there: the real tensile records are kept outside the project")
    table = pd.read_csv(path)
    area = math.pi / 4 * table["Original Diameter (mm)"][0] ** 2
    stress = table["Load (kN)"].to_numpy() * 1000 / area
    top = int(np.argmax(stress)) + 1
    return table["Strain (mm/mm)"].to_numpy()[:top], stress[:top]


def test_steel_record_1() -> None:
    strain, stress = steel(1)
    none = np.full(strain.size, np.nan)
    found = find_modulus(strain, stress, none, none)
    assert stress.max() == pytest.approx(737.1, abs=0.05)
    assert found.method == "ASTM E3076"
    assert found.quality["data_good"]
    assert found.quality["fit_good"]
    assert found.value == pytest.approx(178_880, rel=0.08)
    assert abs(found.value - 178_880) < 2 * found.u
    assert found.u < 0.08 * found.value
    # The offset line meets the lower yield plateau for any modulus from 150 to 230 GPa; the
    # record's own points leave no other answer.
    raw = offset_yield(strain, stress, found)
    assert raw.stress_MPa == pytest.approx(497.6, abs=0.1)
    assert 0.1 < raw.u_stress_MPa < 1.0
    # Its source fits a cubic to 11 neighbours first, which smears the upper yield point into the
    # plateau, and states 503.09: that reading is there too, under its own name.
    curve = smoothed(stress)
    assert curve is not None
    assert offset_yield(strain, curve, found).stress_MPa == pytest.approx(503.09, rel=0.002)


def test_smoothing_helps_a_noisy_yield_and_is_not_done_on_a_short_record() -> None:
    strain = np.linspace(0, 0.12, 200)
    curve = np.where(strain < 0.03, 2000 * strain, 60 + 200 * (strain - 0.03))
    line = Modulus(2000.0, 1.0, zero_strain=0.0, last=0.02)
    errors = []
    for seed in range(60):
        noisy = curve + 1.5 * np.random.default_rng(seed).standard_normal(200)
        smooth = smoothed(noisy)
        assert smooth is not None
        errors.append([offset_yield(strain, y, line).stress_MPa - 60.444 for y in (noisy, smooth)])
    raw, smoother = np.sqrt(np.mean(np.square(errors), axis=0))
    assert smoother < 0.7 * raw
    assert smoothed(curve[:99]) is None


@pytest.mark.parametrize("record", [2, 3])
def test_steel_records_that_miss_the_standard_say_so(record: int) -> None:
    strain, stress = steel(record)
    none = np.full(strain.size, np.nan)
    found = find_modulus(strain, stress, none, none)
    assert found.method == "toe + line + line"
    assert not found.quality["data_good"]
    assert "astm_e3076" in found.others
    assert found.value == pytest.approx(200_000, rel=0.15)


@pytest.mark.parametrize("name", ["14 points", "24 points", "60 points"])
def test_intervals_hold_the_truth(name: str) -> None:
    result = study(SCENARIOS[name], 40)
    for share in (result.stress, result.modulus, result.modulus_record, result.contact):
        assert share >= 0.87
    assert abs(result.bias_over_u) < 0.6

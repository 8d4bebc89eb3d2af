"""Rates and shell laws against truth that was written down first."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tem_track.growth.rates import (
    current_A,
    local_rate,
    mean_rate,
    rates_by_step,
    steps_of,
)
from tem_track.growth.shell import shell_law
from tem_track.growth.summary import _scattered_share


def test_the_papers_mean_rate_and_current() -> None:
    t = np.linspace(0, 665, 30)
    rate = mean_rate(t, 825 * t / 665, np.ones(30))
    assert rate.value_per_s == pytest.approx(1.24060, abs=1e-5)
    volume = math.pi / 4 * 260**2 * 825 / 665
    assert current_A(volume, 23.7) == pytest.approx(0.268e-12, rel=2e-3)


def test_coverage_of_the_mean_rate() -> None:
    rng = np.random.default_rng(3)
    t, u = np.arange(40.0), np.full(40, 2.0)
    pulls = [
        (rate.value_per_s - 1.5) / rate.u_value_per_s
        for rate in (mean_rate(t, 1.5 * t + rng.normal(0, 2, 40), u) for _ in range(400))
    ]
    assert np.std(pulls) == pytest.approx(0.97, abs=0.1)
    assert abs(np.mean(pulls)) < 0.15


def test_too_few_points_give_no_rate() -> None:
    assert math.isnan(mean_rate(np.arange(2.0), np.arange(2.0), np.ones(2)).value_per_s)
    assert math.isnan(mean_rate(np.zeros(5), np.arange(5.0), np.ones(5)).value_per_s)


def test_local_rate_follows_a_bend() -> None:
    t = np.arange(60.0)
    value = np.where(t < 30, 2 * t, 60 + 0.5 * (t - 30))
    slope, u = local_rate(t, value, np.full(60, 0.1), 4)
    assert slope[10] == pytest.approx(2.0)
    assert slope[50] == pytest.approx(0.5)
    assert (u > 0).all()


def test_each_potential_has_its_rate() -> None:
    t = np.arange(50.0)
    potential = np.where(t < 20, -5.0, np.where(t < 22, -3.0, -1.0))
    potential[45:] = np.nan
    value = np.where(t < 20, 3 * t, 60 + 0.2 * (t - 20))
    steps = steps_of(potential)
    assert [(s.first, s.last, s.potential_V) for s in steps] == [(0, 19, -5.0), (22, 44, -1.0)]
    rates = rates_by_step(steps, t, value, np.full(50, 0.1))
    assert [r.value_per_s for r in rates] == [pytest.approx(3.0), pytest.approx(0.2)]


def test_a_point_that_claims_to_be_far_better_than_its_neighbours_does_not_draw_the_line() -> None:
    t = np.arange(30.0)
    value, u = 2 * t, np.full(30, 0.5)
    value[28] -= 1.5
    u[28] = 0.05
    rate = mean_rate(t, value, u)
    assert abs(rate.value_per_s - 2) < rate.u_value_per_s


def test_errors_that_neighbours_share_are_in_the_rates_uncertainty() -> None:
    rng = np.random.default_rng(2)
    t, u = np.arange(40.0), np.full(40, 1.0)
    alike = np.linalg.cholesky(np.exp(-np.abs(t[:, None] - t) / 3) + 1e-9 * np.eye(40))
    rates = [mean_rate(t, alike @ rng.normal(size=40), u, 1) for _ in range(200)]
    pulls = [rate.value_per_s / rate.u_value_per_s for rate in rates]
    assert np.std(pulls) < 1.25


def test_a_bend_is_no_error_that_neighbours_share() -> None:
    t = np.arange(40.0)
    value = 60 * np.sqrt(25 + t) + np.random.default_rng(3).normal(0, 0.5, 40)
    straight = np.polyval(np.polyfit(t, value, 1), t)
    spread = np.sqrt(np.sum((value - straight) ** 2) / 38 / np.sum((t - t.mean()) ** 2))
    rate = mean_rate(t, value, np.full(40, 0.5))
    assert rate.u_value_per_s == pytest.approx(spread, rel=0.3)


def test_a_body_that_only_emerges_is_not_in_the_rate_of_its_step() -> None:
    t = np.arange(30.0)
    value = 50 + 2 * t
    value[:3] -= (40.0, 25.0, 10.0)
    (rate,) = rates_by_step(steps_of(np.full(30, -5.0)), t, value, np.full(30, 0.3))
    assert rate.value_per_s == pytest.approx(2.0, abs=1e-6)


@pytest.mark.parametrize("frames", [5, 20])
def test_a_marker_off_by_up_to_half_a_frame_is_in_the_rates_uncertainty(frames: int) -> None:
    """Long steps leave their end frames out; in short ones these weigh less."""
    rng = np.random.default_rng(6)
    t = np.arange(2.0 * frames)
    pulls: dict[float, list[float]] = {0.0: [], 1 / math.sqrt(12): []}
    for _ in range(150):
        change, off = frames - rng.random(), rng.random() - 0.5
        value = 3 * np.minimum(t, change) + rng.normal(0, 0.05, len(t))
        steps = steps_of(np.where(t < change + off, -5.0, -1.0))
        for u_log, found in pulls.items():
            rates = rates_by_step(steps, t, value, np.full(len(t), 0.05), u_log)
            found += [
                (r.value_per_s - k) / r.u_value_per_s for r, k in zip(rates, (3, 0), strict=True)
            ]
    without, known = (np.std(found) for found in pulls.values())
    assert known < 1.1
    assert known < 0.95 * without if frames == 5 else known == pytest.approx(without)


T = np.linspace(0, 600, 40)
TRUE_LAWS = {
    "linear": 5 + 0.02 * T,
    "parabolic": np.sqrt(5**2 + 2 * 0.28 * T),
    "logarithmic": 5 + 3.5 * np.log1p(T / 15),
}


@pytest.mark.parametrize("name", TRUE_LAWS)
def test_the_right_law_is_named(name: str) -> None:
    rng = np.random.default_rng(5)
    noise = 0.08
    named = [
        shell_law(T, TRUE_LAWS[name] + rng.normal(0, noise, 40), np.full(40, noise)).name
        for _ in range(20)
    ]
    assert named.count(name) >= 18
    assert set(named) <= {name, "undetermined"}


@pytest.mark.parametrize("name", TRUE_LAWS)
def test_noise_makes_it_undetermined(name: str) -> None:
    rng = np.random.default_rng(6)
    noise = 6.0
    named = [
        shell_law(T, TRUE_LAWS[name] + rng.normal(0, noise, 40), np.full(40, noise)).name
        for _ in range(20)
    ]
    assert named.count("undetermined") >= 18


def test_a_short_or_thin_record_is_undetermined() -> None:
    few = shell_law(T[:4], TRUE_LAWS["linear"][:4], np.full(4, 0.1))
    assert (few.name, few.reason) == ("undetermined", "4 points with a shell; 5 are needed")
    thin = shell_law(T, 10 + 0.01 * T, np.full(40, 0.1))
    assert thin.name == "undetermined"
    assert "factor of 1.6" in thin.reason


def test_the_papers_parabolic_constant() -> None:
    t = np.linspace(1, 200, 30)
    law = shell_law(t, np.sqrt(2 * 0.98 * t), np.full(30, 0.05))
    assert law.name == "parabolic"
    assert law.parameters["k_nm2_per_s"] == pytest.approx(0.98, rel=1e-3)


@pytest.mark.parametrize("u_nm", [0.2, 0.4, 1.6])
def test_the_papers_thicknesses_are_given_no_wrong_law(u_nm: float) -> None:
    """From 5 to 14 nm; neighbours share their errors, five by five."""
    rng = np.random.default_rng(0)
    t = np.linspace(0, 665, 100)
    laws = {
        "linear": 5 + 9 * t / 665,
        "parabolic": np.sqrt(25 + 171 * t / 665),
        "logarithmic": 5 + 9 * np.log1p(25 * t / 665) / np.log1p(25),
    }
    for name, shell in laws.items():
        found = [
            shell_law(t, shell + np.repeat(rng.normal(0, u_nm, 20), 5), np.full(100, 2.24 * u_nm))
            for _ in range(10)
        ]
        named = [law.name for law in found]
        assert set(named) <= {name, "undetermined"}
        assert named.count(name) >= (4 if u_nm < 1 else 0)


PAPER_T = np.linspace(0, 665, 60)
PAPER_LAWS = {
    "linear": 5 + 9 * PAPER_T / 665,
    "parabolic": np.sqrt(25 + 171 * PAPER_T / 665),
    "logarithmic": 5 + 9 * np.log1p(25 * PAPER_T / 665) / np.log1p(25),
    "weakly logarithmic": 5 + 9 * np.log1p(3 * PAPER_T / 665) / np.log1p(3),
}


def _names(law: str, u_nm: float, u_lasting_nm: float, count: int) -> list[str]:
    """Name the law of series that are drawn with noise and with errors that last."""
    rng = np.random.default_rng(4)
    n = len(PAPER_T)
    apart = np.abs(PAPER_T[:, None] - PAPER_T) / (665 / 6)
    root = np.linalg.cholesky(np.exp(-apart) + 1e-9 * np.eye(n))
    single, lasting = np.full(n, u_nm), np.full(n, u_lasting_nm)
    return [
        shell_law(
            PAPER_T,
            PAPER_LAWS[law] + u_nm * rng.normal(size=n) + u_lasting_nm * root @ rng.normal(size=n),
            single,
            lasting,
        ).name
        for _ in range(count)
    ]


@pytest.mark.parametrize("law", PAPER_LAWS)
@pytest.mark.parametrize(("u_nm", "u_lasting_nm"), [(0.05, 0.05), (0.3, 0.0), (0.4, 0.4)])
def test_the_papers_thicknesses_are_hardly_ever_given_a_wrong_law(
    law: str, u_nm: float, u_lasting_nm: float
) -> None:
    """From 5 to 14 nm; a twentieth of wrong names is what chance makes of it."""
    named = _names(law, u_nm, u_lasting_nm, 12)
    wrong = sum(name not in (law.split()[-1], "undetermined") for name in named)
    assert wrong <= 1


@pytest.mark.parametrize(
    ("law", "u_nm", "u_lasting_nm", "least"),
    [
        ("linear", 0.3, 0.0, 9),
        ("linear", 0.15, 0.15, 8),
        ("logarithmic", 0.3, 0.0, 9),
        ("logarithmic", 0.3, 0.3, 6),
        ("parabolic", 0.05, 0.0, 7),
        ("parabolic", 0.03, 0.03, 4),
        ("parabolic", 0.3, 0.0, 8),
    ],
)
def test_the_papers_thicknesses_are_told_apart_where_the_noise_allows(
    law: str, u_nm: float, u_lasting_nm: float, least: int
) -> None:
    """A logarithm with a free time constant bends much like a parabola: that takes the most."""
    assert _names(law, u_nm, u_lasting_nm, 10).count(law) >= least


def test_the_share_of_noise_is_read_from_second_differences() -> None:
    """A slow course and slow errors add nothing to it."""
    rng = np.random.default_rng(9)
    u = np.full(400, 0.5)
    for share in (0.3, 0.8):
        value = 5 + 9 * np.linspace(0, 1, 400) ** 0.5 + share * u * rng.normal(size=400)
        assert _scattered_share(value, u) == pytest.approx(share, rel=0.15)


def test_uncertainties_that_jump_are_no_pattern_of_errors() -> None:
    """A parabola whose frames share smooth errors; u, an estimate itself, scatters by a fifth."""
    rng = np.random.default_rng(12)
    n = len(PAPER_T)
    apart = np.abs(PAPER_T[:, None] - PAPER_T) / (665 / 12)
    root = np.linalg.cholesky((1 + apart) * np.exp(-apart) + 1e-6 * np.eye(n))
    wrong = 0
    for _ in range(20):
        shell = PAPER_LAWS["parabolic"] + root @ rng.normal(size=n) + 0.1 * rng.normal(size=n)
        u = 1 + 0.2 * rng.normal(size=n)
        name = shell_law(PAPER_T, shell, 0.2 * u, 0.98 * u).name
        wrong += name in ("linear", "logarithmic")
    assert wrong <= 2


def test_errors_that_last_are_no_law() -> None:
    """Taken for noise, a slow error of the thickness would be named; said to last, it is not."""
    rng = np.random.default_rng(8)
    n = len(PAPER_T)
    apart = np.abs(PAPER_T[:, None] - PAPER_T) / (665 / 6)
    root = np.linalg.cholesky(np.exp(-apart) + 1e-9 * np.eye(n))
    series = [
        PAPER_LAWS["parabolic"] + 1.0 * root @ rng.normal(size=n) + 0.3 * rng.normal(size=n)
        for _ in range(12)
    ]
    u, lasting = np.full(n, 0.3), np.full(n, 1.0)
    wrong = ("linear", "logarithmic")
    assert sum(shell_law(PAPER_T, x, u).name in wrong for x in series) >= 4
    assert sum(shell_law(PAPER_T, x, u, lasting).name in wrong for x in series) <= 1

"""How often the 95 % intervals hold the truth, over simulated measurements.

Stiffness, scale and edges are drawn once for each measurement, as a laboratory would have them
wrong once; tracking and outline noise are drawn in every frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.mechanics import Settings, evaluate
from tests.mechanics.tables import Scene, make

__all__ = ["SCENARIOS", "Scenario", "Study", "study"]


@dataclass(frozen=True)
class Scenario:
    """A test of so many points, its noise, and how well it is calibrated."""

    points: int
    approach: int
    load: int
    yield_MPa: float
    u_length_px: float = 0.15
    u_track_px: float = 0.04
    u_stiffness: float = 0.10
    u_scale: float = 0.015
    u_edge_px: float = 0.5


SCENARIOS = {
    "14 points": Scenario(14, 4, 9, 28.0),
    "24 points": Scenario(24, 6, 17, 24.0),
    "60 points": Scenario(60, 10, 49, 22.0),
    "300 points": Scenario(300, 30, 269, 22.0),
    "14 points, calibrated": Scenario(14, 4, 9, 28.0, u_stiffness=0.02, u_scale=0.005),
    "300 points, noisy": Scenario(300, 30, 269, 22.0, u_length_px=0.4, u_track_px=0.15),
}


@dataclass(frozen=True)
class Study:
    """Shares of intervals that hold the truth, and the modulus' bias over its u."""

    n: int
    stress: float
    modulus: float
    modulus_record: float
    contact: float
    bias_over_u: float
    u_record: float
    refused: int


def study(scenario: Scenario, n: int, seed: int = 0) -> Study:
    """Measure n simulated tests and count how often the truth lies within the 95 % intervals."""
    rows = np.array([_one(scenario, seed + i) for i in range(n)])
    known = np.isfinite(rows[:, 1])
    bias = np.mean(rows[known, 4]) / np.mean(rows[known, 5])
    held = np.abs(rows[:, :4]) <= 1.96
    return Study(
        n=n,
        stress=float(held[:, 0].mean()),
        modulus=float(held[known, 1].mean()),
        modulus_record=float(held[known, 2].mean()),
        contact=float(held[:, 3].mean()),
        bias_over_u=float(bias),
        u_record=float(np.mean(rows[known, 5])),
        refused=int((~known).sum()),
    )


def _one(s: Scenario, seed: int) -> tuple[float, float, float, float, float, float]:
    """Errors over u: stress, modulus, modulus of the record alone, contact; its error and u."""
    rng = np.random.default_rng(90_000 + seed)
    stiffness, scale = 6.0 * (1 + s.u_stiffness * rng.standard_normal()), 2.0
    scale *= 1 + s.u_scale * rng.standard_normal()
    edge = s.u_edge_px * math.sqrt(2) * rng.standard_normal()
    scene = Scene(
        n=s.points, approach=s.approach, load=s.load, yield_MPa=s.yield_MPa, stiffness=stiffness,
        scale=scale, edge_px=edge, u_length_px=s.u_length_px, u_track_px=s.u_track_px, seed=seed,
        contact_shift=float(rng.uniform()), travel=600.0,
    )  # fmt: skip
    table, truth = make(scene)
    summary = evaluate(table, _settings(s)).summary
    area = math.pi / 4 * scene.diameter**2
    stress = truth.force_nN.max() / area * 1000
    off_stress = (summary["critical_stress_MPa"] - stress) / summary["u_critical_stress_MPa"]
    contact = truth.contact_position * scene.interval_s
    off_contact = (summary["contact_time_s"] - contact) / summary["u_contact_time_s"]
    modulus = summary["youngs_modulus_GPa"]
    if modulus is None:
        return (off_stress, math.nan, math.nan, off_contact, math.nan, math.nan)
    off_modulus = (modulus - scene.modulus) / summary["u_youngs_modulus_GPa"]
    seen_px = (scene.diameter / scale + edge) ** 2 / (scene.length / scale + edge)
    seen = 6.0 / stiffness * (scene.diameter / scale) ** 2 / (scene.length / scale) / seen_px
    error = modulus / (scene.modulus * seen * scale / 2.0) - 1
    u = summary["modulus_u_record"]
    return (off_stress, off_modulus, error / u, off_contact, error, u)


def _settings(s: Scenario) -> Settings:
    return Settings(
        mode="compression",
        shape="rod",
        scale_nm_per_px=2.0,
        u_scale_nm_per_px=2.0 * s.u_scale,
        stiffness_N_per_m=6.0,
        u_stiffness_N_per_m=6.0 * s.u_stiffness,
        edge_u_px=s.u_edge_px,
    )

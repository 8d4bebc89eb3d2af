"""Tables of pixels made from what is true of a simulated movie, plus a measurement's noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from tem_track.mechanics import Settings
from tem_track.simulate import build_scene
from tests.mechanics.tables import Table

__all__ = ["settings_of", "table_of"]

U_TRACK_PX = 0.03
U_OUTLINE_PX = {"gap": 0.1, "length": 0.12, "bow": 0.3}
U_DIAMETER_PX = 0.4


def settings_of(constants: dict[str, Any]) -> Settings:
    """Return the settings of a scene as an experimenter would know them."""
    return Settings(
        mode=constants["mode"],
        shape=constants["shape"],
        scale_nm_per_px=constants["scale_nm_per_px"],
        u_scale_nm_per_px=0.015 * constants["scale_nm_per_px"],
        stiffness_N_per_m=constants["stiffness_N_per_m"],
        u_stiffness_N_per_m=0.1 * constants["stiffness_N_per_m"],
        axis_deg=constants["axis_deg"],
    )


def table_of(name: str, seed: int, frames: int, noise: int = 0) -> tuple[Table, dict[str, Any]]:
    """Return the table of a scene's truth plus noise, and the scene's constants."""
    scene = build_scene(name, seed=seed, frames=frames)
    rng = np.random.default_rng(noise)
    records = [scene.truth(i) for i in range(frames)]
    truth = {key: np.array([record[key] for record in records]) for key in records[0]}
    scale = float(scene.constants["scale_nm_per_px"])
    broken = truth["broken"].astype(bool)
    table: Table = {key: truth[key] for key in ("frame", "time_s", "duplicate")}
    table |= {"ok": np.ones(frames, dtype=bool), "broken": broken}
    table["outline_flags"] = np.where(broken, "BROKEN", "").astype(object)
    for target in ("bar", "tip", "base"):
        _track(table, target, truth, rng)
    for quantity, u in U_OUTLINE_PX.items():
        seen = np.where(broken, np.nan, np.abs(truth[f"{quantity}_nm"]) / scale)
        _measured(table, f"{quantity}_px", seen, u, rng)
    for place in ("mid", "max", "min", "tip", "base"):
        seen = np.where(broken, np.nan, truth[f"diameter_{place}_nm"] / scale)
        _measured(table, f"diameter_{place}_px", seen, U_DIAMETER_PX, rng)
    return table, dict(scene.constants)


def _track(table: Table, name: str, truth: Table, rng: np.random.Generator) -> None:
    n = len(truth["frame"])
    for part in ("x", "y"):
        noise = U_TRACK_PX * rng.standard_normal(n)
        table[f"{name}_{part}_px"] = truth[f"{name}_{part}_px"] + noise
        table[f"{name}_{2 * part}_px2"] = np.full(n, U_TRACK_PX**2)
    table[f"{name}_xy_px2"] = np.zeros(n)
    table[f"{name}_score"] = np.full(n, 0.98)


def _measured(
    table: Table, name: str, values: np.ndarray, u: float, rng: np.random.Generator
) -> None:
    table[name] = values + u * rng.standard_normal(len(values))
    table[f"u_{name}"] = np.where(np.isfinite(values), u, np.nan)

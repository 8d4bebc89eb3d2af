"""Tables of pixels whose truth is known: a cantilever in series with an elastic-plastic specimen.

The tables say nothing of how a movie is measured; noise is normal with the standard deviation that
the table's own u columns state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Table = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What happens, in nm, nN, GPa and frames."""

    mode: str = "compression"
    n: int = 120
    approach: int = 15
    load: int = 75
    hold: int = 0
    scale: float = 2.0
    stiffness: float = 6.0
    length: float = 776.0
    diameter: float = 355.0
    modulus: float = 2.0
    yield_MPa: float = 30.0
    tangent: float = 0.2
    travel: float = 750.0
    contact_shift: float = 0.4
    break_at: int | None = None
    axis_deg: float = 0.0
    drift_px: tuple[float, float] = (0.0, 0.0)
    jitter_px: float = 0.6
    u_track_px: float = 0.02
    u_length_px: float = 0.1
    u_diameter_px: float = 0.2
    edge_px: float = 0.0
    toe_nm: float = 0.0
    course: tuple[tuple[float, float], ...] = ()
    interval_s: float = 0.1
    lost: tuple[int, ...] = ()
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Truth:
    """The same curve without noise."""

    deflection_nm: NDArray[np.float64]
    force_nN: NDArray[np.float64]
    length_nm: NDArray[np.float64]
    diameter_nm: NDArray[np.float64]
    actuator_nm: NDArray[np.float64]
    gap_nm: NDArray[np.float64]
    contact_frame: int | None
    contact_position: float
    top: int | None
    scene: Scene = field(default_factory=Scene)


def onset(scene: Scene) -> float:
    """Where load begins, in frames; a tension test begins connected."""
    return 0.0 if scene.mode == "tension" else scene.approach - 1 + scene.contact_shift


def path(scene: Scene) -> NDArray[np.float64]:
    """Actuator travel past contact, in nm; negative is the gap before it.

    Where the scene has a course, it is that line through (frame, nm).
    """
    i = np.arange(scene.n, dtype=float)
    if scene.course:
        return np.interp(i, *zip(*scene.course, strict=True))
    rate = scene.travel / scene.load
    start = onset(scene)
    travel = rate * (i - start)
    top = rate * (scene.approach + scene.load - start)
    travel = np.minimum(travel, top)
    back = np.clip(i - (scene.approach + scene.load + scene.hold), 0, None)
    return travel - 2.0 * rate * back


def respond(scene: Scene, travel: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """Deflection and deformation for a bilinear specimen with elastic unloading, in nm."""
    area = math.pi / 4 * scene.diameter**2
    elastic = scene.modulus * area / scene.length
    plastic = scene.tangent * area / scene.length
    limit = scene.yield_MPa / 1000 * area
    q, delta = np.zeros(scene.n), np.zeros(scene.n)
    residual, peak = 0.0, limit
    for i, z in enumerate(travel):
        free = z - residual
        if free <= 0:
            delta[i] = residual
            continue
        force = free / (1 / elastic + 1 / scene.stiffness)
        if force > peak:
            yielded = limit / elastic
            force = (z + limit / plastic - yielded) / (1 / plastic + 1 / scene.stiffness)
            peak = force
            delta[i] = yielded + (force - limit) / plastic
            residual = delta[i] - force / elastic
        else:
            delta[i] = residual + force / elastic
        q[i] = force / scene.stiffness
    return q, delta


def make(scene: Scene | None = None, **changes: Any) -> tuple[Table, Truth]:
    """A rod's table of pixels and its truth."""
    scene = scene if scene is not None else Scene(**changes)
    rng = np.random.default_rng(scene.seed)
    travel = path(scene)
    if scene.mode == "tension":
        travel = np.clip(travel, 0, None)
    q, delta = respond(scene, travel)
    gap = np.clip(-(travel - q - delta), 0, None) if scene.mode == "compression" else 0 * q
    broken = np.zeros(scene.n, dtype=bool)
    if scene.break_at is not None:
        broken[scene.break_at :] = True
        q[broken], gap = 0.0, 0 * q
    sign = 1.0 if scene.mode == "compression" else -1.0
    length = scene.length - sign * delta
    diameter = scene.diameter * np.sqrt(scene.length / length)
    a = math.radians(scene.axis_deg)
    along = np.array([math.sin(a), -math.cos(a)])
    shake = scene.jitter_px * rng.standard_normal((scene.n, 2))
    drift = np.outer(np.arange(scene.n), scene.drift_px)
    tip = np.array([265.0, 326.0]) + sign * np.outer(q / scene.scale, along) + shake + drift
    base = np.array([250.0, 600.0]) + sign * np.outer(travel / scene.scale, along) + shake + drift
    bar = np.array([562.0, 72.5]) + shake
    table: Table = {
        "frame": np.arange(scene.n),
        "time_s": np.arange(scene.n) * scene.interval_s,
        "ok": np.ones(scene.n, dtype=bool),
        "duplicate": np.zeros(scene.n, dtype=bool),
    }
    for name, xy in (("bar", bar), ("tip", tip), ("base", base)):
        xy = xy + scene.u_track_px * rng.standard_normal((scene.n, 2))
        table[f"{name}_x_px"], table[f"{name}_y_px"] = xy[:, 0], xy[:, 1]
        table[f"{name}_xx_px2"] = np.full(scene.n, scene.u_track_px**2)
        table[f"{name}_xy_px2"] = np.zeros(scene.n)
        table[f"{name}_yy_px2"] = np.full(scene.n, scene.u_track_px**2)
        table[f"{name}_score"] = 0.98 + 0.005 * rng.standard_normal(scene.n)
        table[f"{name}_rotation_deg"] = np.zeros(scene.n)
        table[f"{name}_reason"] = np.full(scene.n, "", dtype=object)
    table["model"] = np.full(scene.n, "round", dtype=object)
    table["outline_flags"] = np.where(broken, "BROKEN", "").astype(object)
    table["broken"] = broken
    _measured(table, "gap_px", gap / scene.scale, 0.1, rng)
    edges = scene.edge_px
    _measured(table, "length_px", np.where(broken, np.nan, length / scene.scale + edges),
              scene.u_length_px, rng)  # fmt: skip
    for name, factor in (("mid", 1.0), ("max", 1.03), ("min", 0.97), ("tip", 0.9), ("base", 0.95)):
        _measured(table, f"diameter_{name}_px", factor * diameter / scene.scale + edges,
                  scene.u_diameter_px, rng)  # fmt: skip
    volume = math.pi / 4 * diameter**2 * length / scene.scale**3
    _measured(table, "volume_px3", volume, 0.002 * float(volume[0]), rng)
    _measured(table, "bow_px", np.zeros(scene.n), 0.1, rng)
    for row in scene.lost:
        for name in ("tip_x_px", "tip_y_px", "tip_xx_px2", "tip_yy_px2"):
            table[name][row] = np.nan
        table["tip_reason"][row] = "occluded"
    loaded = np.flatnonzero(q > 0)
    contact = int(loaded[0]) if loaded.size else None
    if scene.mode == "tension":
        contact = 0
    truth = Truth(
        q, q * scene.stiffness, length, diameter, travel, gap, contact,
        onset(scene),
        int(np.argmax(q)) if loaded.size else None, scene,
    )  # fmt: skip
    return table, truth


def _measured(table: Table, name: str, value: NDArray, u: float, rng: np.random.Generator) -> None:
    table[name] = value + u * rng.standard_normal(len(value))
    table[f"u_{name}"] = np.where(np.isfinite(value), u, np.nan)

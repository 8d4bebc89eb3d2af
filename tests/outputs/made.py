"""A small movie whose every frame carries its number as a bar code, and the result that fits it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tem_track.analysis import Result
from tem_track.config import Experiment, experiment_from_dict
from tem_track.frames import Movie, open_movie
from tem_track.frames.arrays import ArraySource
from tem_track.frames.movie import Picture
from tem_track.mechanics.columns import COLUMNS
from tem_track.records import Axis

SIZE = (160, 192)
SCALE = 4.0
CODE_BITS = 12
CODE_PX = 8


def experiment(**changes: Any) -> Experiment:
    data: dict[str, Any] = {
        "movie": "made.avi",
        "mode": "compression",
        "axis_deg": 0.0,
        "calibration": {"scale_nm_per_px": SCALE, "u_scale_nm_per_px": 0.04},
        "cantilever": {"stiffness_N_per_m": 6.0, "u_stiffness_N_per_m": 0.6},
        "bar": {"box_px": [110, 14, 50, 30]},
        "tip": {"box_px": [40, 44, 60, 40]},
        "specimen": {"box_px": [50, 84, 40, 70], "shape": "rod", "material": "Na"},
        "base": {"box_px": [30, 154, 80, 30]},
    }
    return experiment_from_dict(data | changes)


def code(index: int) -> NDArray[np.uint8]:
    """The frame's number: white blocks for ones, black for zeros, the highest bit first."""
    bits = [(index >> bit) & 1 for bit in reversed(range(CODE_BITS))]
    row = np.repeat(np.array(bits, dtype=np.uint8) * 255, CODE_PX)
    return np.repeat(row[None, :], CODE_PX, axis=0)


def read_code(image: NDArray[Any], scale: float = 1.0) -> int:
    """Read the number back from a picture that is `scale` times as large."""
    centres = (np.arange(CODE_BITS) + 0.5) * CODE_PX * scale
    row = round(CODE_PX * scale / 2)
    value = 0
    for centre in centres:
        value = 2 * value + int(image[row, int(centre)] > 127)
    return value


def motion(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Deflection and deformation in px, and the base's height, of an approach, load and unload."""
    t = np.linspace(0, 1, count)
    drive = 14.0 * np.clip(np.minimum((t - 0.15) / 0.5, (1.05 - t) / 0.4), 0, 1)
    return 0.55 * drive, 0.45 * drive, drive


class WithBadFrame(ArraySource):
    """A movie in which one frame cannot be decoded."""

    bad = 5

    def read(self, indices: Sequence[int]) -> Iterator[Picture]:
        for index, picture in zip(indices, super().read(indices), strict=True):
            yield (None, "cut short") if index == self.bad else picture


def movie(count: int = 48, *, noise: float = 6.0, bad: bool = False) -> Movie:
    """Bar, tip, rod and base as flat grey shapes with seeded noise; frame 5 may be bad."""
    deflection, deformation, _ = motion(count)
    stack = np.empty((count, *SIZE[::-1]), dtype=np.uint8)
    for i in range(count):
        stack[i] = _frame(i, deflection[i], deformation[i], noise)
    if bad:
        return Movie(WithBadFrame(stack), 0.1)
    return open_movie(stack, frame_interval_s=0.1)


def _frame(i: int, deflection: float, deformation: float, noise: float) -> NDArray[np.uint8]:
    image = np.full(SIZE[::-1], 200.0)
    up = round(deflection)
    image[:40, 114:] = 30
    image[46 - up : 84 - up, 42:98] = 70
    top, bottom = 84 - up, 154 - up - round(deformation)
    half = 14 + round(deformation / 3)
    image[top:bottom, 70 - half : 70 + half] = 110
    image[bottom : bottom + 28, 32:108] = 60
    image += np.random.default_rng(i).normal(0, noise, image.shape)
    grey = np.clip(image, 0, 255).astype(np.uint8)
    grey[:CODE_PX, : CODE_BITS * CODE_PX] = code(i)
    return grey


def outlines(count: int) -> dict[int, NDArray[np.float32]]:
    deflection, deformation, _ = motion(count)
    found = {}
    for i in range(count):
        top, bottom = 84 - deflection[i], 154 - deflection[i] - deformation[i]
        y = np.linspace(bottom, top, 9)
        half = 14 + deformation[i] / 3
        x = np.full(9, 69.5)
        found[i] = np.column_stack([x, y, x - half, y, x + half, y]).astype(np.float32)
    return found


def result(count: int = 48, *, specimen: bool = True, **changes: Any) -> Result:
    if not specimen:
        changes |= {"specimen": None}
    made = experiment(**{k: v for k, v in changes.items() if v is not None})
    if not specimen:
        made = made.model_copy(update={"specimen": None})
    points = _points(count, specimen)
    return Result(
        points=points,
        summary=_summary(points, specimen),
        measurement=_measurement(points),
        outlines=outlines(count) if specimen else {},
        experiment=made,
        axis=Axis(0.0, 0.1),
    )


def _points(count: int, specimen: bool) -> pd.DataFrame:
    deflection, deformation, _ = motion(count)
    frame = np.arange(count)
    peak = int(np.argmax(deflection))
    columns: dict[str, Any] = {name: np.full(count, np.nan) for name in COLUMNS}
    columns |= {"frame": frame, "time_s": frame * 0.1}
    columns["phase"] = np.where(
        deflection == 0, np.where(frame < peak, "approach", "after"),
        np.where(frame <= peak, "load", "unload"),
    ).astype(object)  # fmt: skip
    columns["flags"] = np.array([""] * count, dtype=object)
    columns["flags"][count // 3] = "LOW_SCORE;BENT"
    for name, x, y in (
        ("bar", 134.5, 28.5 + 0 * deflection),
        ("tip", 69.5, 83.0 - deflection),
        ("base", 69.5, 168.5 - deflection - deformation),
    ):
        columns |= {f"{name}_x_px": np.full(count, x), f"{name}_y_px": y}
        columns |= {f"u_{name}_px": np.full(count, 0.03), f"{name}_score": np.full(count, 0.97)}
    _set(columns, "deflection_nm", deflection * SCALE, 0.2)
    _set(columns, "force_nN", deflection * SCALE * 6.0, 1.2)
    if specimen:
        length = (70 - deformation) * SCALE
        _set(columns, "length_nm", length, 1.0)
        _set(columns, "deformation_nm", deformation * SCALE, 1.0)
        _set(columns, "strain_eng", deformation / 70, 0.004)
        for where in ("mid", "max", "min", "tip", "base"):
            _set(columns, f"diameter_{where}_nm", (28 + deformation / 1.5) * SCALE, 2.0)
        _set(columns, "stress_MPa", columns["force_nN"] / (np.pi / 4 * 112**2) * 1000, 0.4)
    return pd.DataFrame(columns)


def _set(columns: dict[str, Any], name: str, values: NDArray[np.float64], u: float) -> None:
    columns[name] = np.asarray(values, dtype=float)
    columns[f"u_{name}"] = np.full(len(values), u)


def _summary(points: pd.DataFrame, specimen: bool) -> dict[str, Any]:
    peak = int(points["force_nN"].idxmax())
    stress = float(points["stress_MPa"].iloc[peak]) if specimen else None
    return {
        "max_force_nN": float(points["force_nN"].iloc[peak]),
        "max_force_frame": peak,
        "critical_stress_MPa": stress,
        "u_critical_stress_MPa": 2.0 if specimen else None,
        "area_model": "initial" if specimen else None,
        "critical_stress_by_area_model_MPa": {"initial": stress, "mid": 15.0} if specimen else {},
        "youngs_modulus_GPa": 0.2 if specimen else None,
        "u_youngs_modulus_GPa": 0.02 if specimen else None,
        "modulus_method": "toe + line + line",
        "contact_frame": int((points["force_nN"] > 0).idxmax()),
        "fracture_frame": None,
        "bending_frame": len(points) // 3,
        "initial_length_nm": 280.0,
        "initial_diameter_nm": 112.0,
        "aspect_ratio": 2.5,
        "strain_rate_per_s": 0.01,
        "n_frames": len(points),
        "n_lost": 0,
        "uncertainty_budget": {"stiffness": 0.1, "scale": 0.01, "edges": 0.02},
        "warnings": [],
    }


def _measurement(points: pd.DataFrame) -> pd.DataFrame:
    table = points[["frame", "time_s", "tip_x_px", "tip_y_px"]].copy()
    table["ok"] = True
    table["digest"] = [f"{i:016x}" for i in points["frame"]]
    table["tip_yy_px2"] = np.where(points["frame"] == 3, np.inf, 0.1 / 3)
    table["tip_reason"] = ""
    return table


def growth(count: int = 12, bodies: int = 1) -> Result:
    """The rod as a body that grows; where bodies are several, a frame has several rows."""
    base = result(count)
    data = {"movie": "made.avi", "mode": "growth", "calibration": {"scale_nm_per_px": SCALE}}
    data["specimen"] = {"box_px": [50, 84, 40, 70], "shape": "rod"}
    points = base.points[["frame", "time_s", "flags", "length_nm", "u_length_nm"]].copy()
    points["phase"] = ""
    points["diameter_mean_nm"] = np.linspace(40, 90, count)
    points["shell_nm"] = np.linspace(2, 14, count)
    points = points.loc[points.index.repeat(bodies)].reset_index(drop=True)
    points["body"] = [f"b{1 + row % bodies}" for row in range(len(points))]
    summary = {"n_frames": count, "n_lost": 0, "growth_rate_nm_per_s": 1.2, "warnings": []}
    summary |= {"u_growth_rate_nm_per_s": 0.1, "nucleation_frame": 3, "shell_law": "parabolic"}
    return Result(
        points, summary, base.measurement, base.outlines, experiment_from_dict(data), base.axis
    )

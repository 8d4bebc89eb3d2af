"""The composition: a table of pixels becomes sizes against time, rates and events."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tem_track.growth.rates import (
    MOLAR_VOLUME_CM3_PER_MOL,
    current_A,
    local_rate,
    mean_rate,
)
from tem_track.growth.summary import summarise
from tem_track.growth.tracks import Track, tracks_of
from tem_track.records import Axis, FloatArray
from tem_track.scores import unusually_low

__all__ = ["FLAGS", "Settings", "bodies_table", "evaluate"]

Columns = dict[str, NDArray[Any]]
BoolArray = NDArray[np.bool_]

FLAGS = (
    "BAR_LOST",
    "TIP_LOST",
    "SPECIMEN_LOST",
    "LOW_SCORE",
    "BAD_FRAME",
    "DUPLICATE",
    "BENT",
    "BELOW_RESOLUTION",
    "OUT_OF_VIEW",
    "TOUCHING",
    "AT_TIP",
)

_OUTLINE = (
    "length",
    "diameter_mid",
    "diameter_max",
    "diameter_min",
    "diameter_tip",
    "diameter_base",
    "shell",
    "bow",
)
_LOADED = (
    "deflection_nm",
    "force_nN",
    "deformation_nm",
    "volume_ratio",
    "strain_eng",
    "strain_true",
    "area_nm2",
    "stress_MPa",
)
"""Columns of every mode; empty here, where nothing is loaded."""
_LEAST_WINDOW, _WINDOWS = 3, 30
"""Frames on either side of a local rate, at least, and windows of that width in a record."""
_STILL_ROWS = 3
"""Frames in which growth has stopped, at least."""
_STILL_SHARE = 0.2
"""Rate of a stretch that has stopped, over the rate before, at most."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What growth needs of an experiment, as plain numbers.

    Attributes
    ----------
    scale_nm_per_px : float
    u_scale_nm_per_px : float or None
        Standard uncertainty of the scale, common to all frames.
    axis_deg : float
        From the base to the tip, from straight up, clockwise.
    material : str
        Tells the molar volume, where it is one of `MOLAR_VOLUME_CM3_PER_MOL`.
    log_by_marker : bool
        Whether a marker in one frame lines the electrical log up: to half a frame only.
    """

    scale_nm_per_px: float
    u_scale_nm_per_px: float | None = None
    axis_deg: float = 0.0
    material: str = ""
    log_by_marker: bool = False

    @property
    def molar_volume_cm3_per_mol(self) -> float | None:
        """Molar volume of the metal; None where it is not known."""
        return MOLAR_VOLUME_CM3_PER_MOL.get(self.material)


def evaluate(
    measurement: Mapping[str, NDArray[Any]], settings: Settings
) -> tuple[Columns, dict[str, Any]]:
    """Return the columns of ``points.csv`` and the summary of a growth run.

    Parameters
    ----------
    measurement : mapping of str to array
        Equally long columns, as in ``measurement.csv``; with ``potential_V`` where a log is given.
    settings : Settings

    Notes
    -----
    The phases are ``before`` (nothing has grown yet), ``growth``, and ``after`` (it no longer
    grows). The body in the points is the one that becomes the largest; the others are in the
    summary and in `bodies_table`.
    """
    tracks = tracks_of(measurement)
    main = _main(tracks)
    flags = _flags(measurement, main)
    points = _points(measurement, settings, main)
    phase = _phases(measurement["time_s"], points, main)
    points["phase"] = phase
    points["flags"] = _joined(flags, len(phase))
    points |= _local_rates(points, settings)
    summary = summarise(measurement, settings, points, tracks, main)
    lost = flags["BAR_LOST"] | flags["TIP_LOST"] | flags["SPECIMEN_LOST"] | flags["BAD_FRAME"]
    summary["n_lost"] = int(lost.sum())
    summary["flag_counts"] = {name: int(rows.sum()) for name, rows in flags.items() if rows.any()}
    return points, summary


def bodies_table(measurement: Mapping[str, NDArray[Any]], settings: Settings) -> Columns:
    """Return the sizes of every body, one row a body and frame; empty where there is one only."""
    tracks = tracks_of(measurement)
    if len(tracks) < 2:
        return {}
    parts: dict[str, list[NDArray[Any]]] = {}
    for track in tracks:
        rows = np.flatnonzero(track.seen)
        columns: Columns = {
            "frame": np.asarray(measurement["frame"])[rows],
            "time_s": np.asarray(measurement["time_s"])[rows],
            "body": np.full(len(rows), track.number),
        }
        for name, values in track.values.items():
            if name != "place_px":
                new, factor = _in_nm(name, settings.scale_nm_per_px)
                columns[new] = values[rows] * factor
        for name, values in columns.items():
            parts.setdefault(name, []).append(values)
    table = {name: np.concatenate(values) for name, values in parts.items()}
    order = np.lexsort((table["body"], table["frame"]))
    return {name: values[order] for name, values in table.items()}


def _in_nm(name: str, scale: float) -> tuple[str, float]:
    """Return a size's name and factor in nm; places stay in pixels."""
    if name.endswith(("_x_px", "_y_px")):
        return name, 1.0
    for unit, power in (("_px3", 3), ("_px2", 2), ("_px", 1)):
        if name.endswith(unit):
            return name.removesuffix(unit) + unit.replace("px", "nm"), scale**power
    return name, 1.0


def _main(tracks: list[Track]) -> Track | None:
    """Return the body that becomes the largest."""
    if not tracks:
        return None
    return max(tracks, key=lambda t: float(np.nanmax(t.values["projected_area_px2"])))


# --------------------------------------------------------------------------- columns


def _points(
    measurement: Mapping[str, NDArray[Any]], settings: Settings, main: Track | None
) -> Columns:
    n = len(measurement["frame"])
    points: Columns = {
        "frame": np.asarray(measurement["frame"]).astype(int),
        "time_s": np.asarray(measurement["time_s"], dtype=float),
        "phase": np.full(n, "before", dtype=object),
        "flags": np.full(n, "", dtype=object),
    }
    along = Axis(settings.axis_deg).along
    for name in ("bar", "tip", "base"):
        points |= _target(measurement, name, along, n)
    rows = _of_main(measurement, main)
    scale = settings.scale_nm_per_px
    for name in _OUTLINE:
        value, u = _pair(measurement, main, rows, f"{name}_px")
        points[f"{name}_nm"], points[f"u_{name}_nm"] = value * scale, u * scale
    points |= _bend(points)
    for name, unit, power in (
        ("diameter_mean", "px", 1),
        ("projected_area", "px2", 2),
        ("volume", "px3", 3),
    ):
        value, u = _pair(measurement, main, rows, f"{name}_{unit}")
        new = f"{name}_{unit.replace('px', 'nm')}"
        points[new], points[f"u_{new}"] = value * scale**power, u * scale**power
        if name == "diameter_mean":
            points |= _aspect(points)
    for name in ("root", "end"):
        for axis in "xy":
            key = f"{name}_{axis}_px"
            points[key] = main.values[key] if main else np.full(n, np.nan)
    for name in _LOADED:
        points |= {name: np.full(n, np.nan), f"u_{name}": np.full(n, np.nan)}
    points["body"] = np.array([str(main.number) if main and here else "" for here in rows], object)
    if "nanotube_px" in measurement:
        points["nanotube_nm"] = _numbers(measurement, "nanotube_px") * scale
        points["u_nanotube_nm"] = _numbers(measurement, "u_nanotube_px") * scale
    return points


def _numbers(measurement: Mapping[str, NDArray[Any]], name: str) -> FloatArray:
    if name not in measurement:
        return np.full(len(measurement["frame"]), np.nan)
    return np.asarray(measurement[name], dtype=float)


def _target(
    measurement: Mapping[str, NDArray[Any]], name: str, along: tuple[float, float], n: int
) -> Columns:
    xx, xy, yy = (_numbers(measurement, f"{name}_{key}_px2") for key in ("xx", "xy", "yy"))
    variance = np.zeros(n)
    for weight, part in ((along[0] ** 2, xx), (2 * along[0] * along[1], xy), (along[1] ** 2, yy)):
        if abs(weight) > 1e-12:
            variance = variance + weight * part
    return {
        f"{name}_x_px": _numbers(measurement, f"{name}_x_px"),
        f"{name}_y_px": _numbers(measurement, f"{name}_y_px"),
        f"u_{name}_px": np.sqrt(np.clip(variance, 0, None)),
        f"{name}_score": _numbers(measurement, f"{name}_score"),
    }


def _of_main(measurement: Mapping[str, NDArray[Any]], main: Track | None) -> BoolArray:
    if main is None:
        return np.zeros(len(measurement["frame"]), dtype=bool)
    return main.seen


def _pair(
    measurement: Mapping[str, NDArray[Any]], main: Track | None, rows: BoolArray, name: str
) -> tuple[FloatArray, FloatArray]:
    """Return a size of the main body and its u: its own, or the outline's of the same length."""
    if main is not None and name in main.values:
        value, u = main.values[name], main.values[f"u_{name}"]
    else:
        own = main.values["length_px"] if main else np.full(len(rows), np.nan)
        same = rows & (np.abs(_numbers(measurement, "length_px") - own) < 1e-9)
        value = np.where(same, _numbers(measurement, name), np.nan)
        u = np.where(same, _numbers(measurement, f"u_{name}"), np.nan)
    known = np.isfinite(value) & np.isfinite(u)
    return np.where(known, value, np.nan), np.where(known, u, np.nan)


def _bend(points: Columns) -> Columns:
    ratio = 8 * np.abs(points["bow_nm"]) / points["diameter_mid_nm"]
    return {"bend_ratio": ratio, "u_bend_ratio": 8 * points["u_bow_nm"] / points["diameter_mid_nm"]}


def _aspect(points: Columns) -> Columns:
    length, width = points["length_nm"], points["diameter_max_nm"]
    ratio = length / width
    u = ratio * np.hypot(points["u_length_nm"] / length, points["u_diameter_max_nm"] / width)
    return {"aspect_ratio": ratio, "u_aspect_ratio": u}


def _local_rates(points: Columns, settings: Settings) -> Columns:
    """Return how fast length, mean diameter and volume grow about each frame, and the current."""
    rows = np.flatnonzero((points["phase"] != "before") & np.isfinite(points["length_nm"]))
    window = max(_LEAST_WINDOW, len(rows) // _WINDOWS)
    out: Columns = {}
    for new, name in (
        ("length_rate_nm_per_s", "length_nm"),
        ("diameter_rate_nm_per_s", "diameter_mean_nm"),
        ("volume_rate_nm3_per_s", "volume_nm3"),
    ):
        time, value, u = (points[key][rows] for key in ("time_s", name, f"u_{name}"))
        local = local_rate(time, value, u, window)
        for key, values in zip((new, f"u_{new}"), local, strict=True):
            out[key] = np.full(len(points["frame"]), np.nan)
            out[key][rows] = values
    volume = settings.molar_volume_cm3_per_mol
    if volume is not None:
        for prefix in ("", "u_"):
            rate = out[f"{prefix}volume_rate_nm3_per_s"]
            out[f"{prefix}growth_current_A"] = current_A(1.0, volume) * rate
    return out


# --------------------------------------------------------------------------- phases and flags


def _phases(time_s: NDArray[Any], points: Columns, main: Track | None) -> NDArray[Any]:
    n = len(time_s)
    phase = np.full(n, "before", dtype=object)
    if main is None:
        return phase
    phase[main.first :] = "growth"
    still = _stops(points, main)
    if still is not None:
        phase[still:] = "after"
    return phase


def _stops(points: Columns, main: Track) -> int | None:
    """Return the first row of a stretch up to the end in which the length stays as it is."""
    rows = np.flatnonzero(main.seen & np.isfinite(points["length_nm"]))
    if len(rows) < 2 * _STILL_ROWS:
        return None
    t, length, u = (points[k][rows] for k in ("time_s", "length_nm", "u_length_nm"))
    level = float(np.median(length[-_STILL_ROWS:]))
    scatter = 1.4826 * float(np.median(np.abs(np.diff(length, 2)))) / math.sqrt(6)
    moving = np.abs(length - level) > 3 * np.maximum(u, scatter)
    start = int(np.flatnonzero(moving)[-1]) + 1 if moving.any() else 0
    if len(rows) - start < _STILL_ROWS or start < _STILL_ROWS:
        return None
    late = mean_rate(t[start:], length[start:], u[start:])
    early = mean_rate(t[:start], length[:start], u[:start])
    slow = _STILL_SHARE * abs(early.value_per_s)
    if abs(late.value_per_s) > slow or late.u_value_per_s > slow:
        return None
    return int(rows[start])


def _flags(measurement: Mapping[str, NDArray[Any]], main: Track | None) -> dict[str, BoolArray]:
    n = len(measurement["frame"])
    texts = measurement.get("outline_flags", np.full(n, "", dtype=object))
    words = [set(str(text).split(";")) for text in texts]
    flags = {name: np.array([name in w for w in words], dtype=bool) for name in FLAGS}
    ok = np.asarray(measurement.get("ok", np.ones(n)), dtype=bool)
    flags["BAD_FRAME"] = ~ok
    flags["DUPLICATE"] = np.asarray(measurement.get("duplicate", np.zeros(n)), dtype=bool)
    for name in ("bar", "tip"):
        if f"{name}_x_px" in measurement:
            flags[f"{name.upper()}_LOST"] = ~np.isfinite(_numbers(measurement, f"{name}_x_px"))
            flags["LOW_SCORE"] |= unusually_low(_numbers(measurement, f"{name}_score"))
    if main is not None:
        between = np.arange(n)
        flags["SPECIMEN_LOST"] |= (between >= main.first) & ~main.seen
    return flags


def _joined(flags: dict[str, BoolArray], n: int) -> NDArray[Any]:
    texts = [";".join(name for name in FLAGS if flags[name][row]) for row in range(n)]
    return np.array(texts, dtype=object)

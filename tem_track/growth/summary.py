"""What a growth run comes to: nucleation, rates, the layer's law, steps of potential, bodies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tem_track.growth.rates import Rate, current_A, mean_rate, rates_by_step, steps_of
from tem_track.growth.shell import shell_law
from tem_track.growth.tracks import Track, drawn_in_row, merged_into, touch_row
from tem_track.records import FloatArray

if TYPE_CHECKING:
    from tem_track.growth.evaluate import Settings

__all__ = ["split_errors", "summarise"]

Columns = Mapping[str, NDArray[Any]]
Mask = NDArray[np.bool_]

_NOT_LOADED = (
    "max_force_nN", "max_force_frame", "critical_stress_MPa", "u_critical_stress_MPa",
    "area_model", "critical_stress_unbent_MPa", "youngs_modulus_GPa", "u_youngs_modulus_GPa",
    "modulus_method", "contact_frame", "fracture_frame", "bending_frame", "strain_rate_per_s",
)  # fmt: skip
_LATE_ROWS = 5
"""Last frames over whose sizes the median is taken."""
_LEAST_SHELL_PX = 2.0
"""Layer from which on its law is asked for: thinner, blur and fringe make the most of it."""
_LEAST_SCATTER, _LEAST_SINGLE, _LEAST_LASTING = 8, 0.2, 0.5
_SIGNIFICANT = 3.0
"""Rate over its u from which on a body is called growing."""
_DIRECTIONAL = 2.0
"""Rate of the length over that of the diameter from which on growth is called directional."""
_WIDTHS = ("final_diameter_nm", "final_diameter_mean_nm")
_TIP_MARK, _ROOT_MARK = 0.35, 0.65
"""Share of the growth with which a pattern has gone, below which a body grows at its end and above
which at its root; between them nothing is said."""


def summarise(
    measurement: Columns, settings: Settings, points: Columns, tracks: list[Track],
    main: Track | None,
) -> dict[str, Any]:  # fmt: skip
    """Return the summary of a growth run; what did not happen is None."""
    wide, long = (
        _common_px(measurement, name) * settings.scale_nm_per_px for name in ("diameter", "length")
    )
    grown = _Grown(points, settings, wide, long)
    summary: dict[str, Any] = {"mode": "growth", **dict.fromkeys(_NOT_LOADED)}
    summary |= {"critical_stress_by_area_model_MPa": {}, "initial_length_nm": None,
                "initial_diameter_nm": None, "n_frames": len(points["frame"])}  # fmt: skip
    summary |= _events(points, main)
    summary |= grown.sizes() | grown.rates() | _direction(points)
    summary |= _shell(points, settings.scale_nm_per_px) | _grows_at(measurement, main)
    summary |= _potential(measurement, settings, points, main)
    summary |= _tube(points)
    summary["bodies"] = [_body(measurement, settings, track) for track in tracks]
    summary["merges"] = _merges(measurement, points, tracks, main)
    summary["uncertainty_budget"] = grown.budget()
    summary["warnings"] = _warnings(points, main, settings)
    return summary


def number(value: float) -> float | None:
    """Return a finite number, None otherwise."""
    return float(value) if math.isfinite(value) else None


def _frame(points: Columns, row: int | None) -> int | None:
    return None if row is None else int(points["frame"][row])


def _events(points: Columns, main: Track | None) -> dict[str, Any]:
    after = np.flatnonzero(points["phase"] == "after")
    nucleated = None if main is None or main.first == 0 else main.first
    return {
        "nucleation_frame": _frame(points, nucleated),
        "nucleation_time_s": None if nucleated is None else float(points["time_s"][nucleated]),
        "growth_end_frame": _frame(points, int(after[0]) if after.size else None),
    }


def _common_px(measurement: Columns, name: str) -> float:
    """Return how far all diameters, or lengths, may lie off alike.

    The form of the edges is uncertain, and a rough face has no one height.
    """
    values = np.asarray(measurement.get(f"u_common_{name}_px", math.nan), dtype=float)
    return float(np.nanmax(values)) if np.isfinite(values).any() else 0.0


def _scale_share(settings: Settings) -> float:
    return (settings.u_scale_nm_per_px or 0.0) / settings.scale_nm_per_px


def _between(points: Columns) -> float:
    """Return the time from a frame to the next (s)."""
    return float(np.median(np.diff(points["time_s"])))


class _Grown:
    """The main body's rows that grow."""

    def __init__(
        self, points: Columns, settings: Settings, common_nm: float, face_nm: float
    ) -> None:
        self.points, self.settings = points, settings
        self.common_nm, self.face_nm = common_nm, face_nm
        self.rows = points["phase"] == "growth"

    def rate(self, name: str) -> Rate:
        """Return the mean rate of a column."""
        part = [self.points[k][self.rows] for k in ("time_s", name, f"u_{name}")]
        return mean_rate(*part)

    def sizes(self) -> dict[str, Any]:
        """Return the sizes that were reached, medians over the last frames."""
        known = np.flatnonzero(np.isfinite(self.points["length_nm"]))
        after = known[self.points["phase"][known] == "after"]
        late = after if after.size >= _LATE_ROWS else known[-_LATE_ROWS:][-1:]
        out: dict[str, Any] = {"u_common_length_nm": self.face_nm}
        for key, name in (
            ("final_length_nm", "length_nm"),
            ("final_diameter_nm", "diameter_max_nm"),
            ("final_diameter_mean_nm", "diameter_mean_nm"),
            ("final_volume_nm3", "volume_nm3"),
            ("aspect_ratio", "aspect_ratio"),
        ):
            value, u = self.points[name][late], self.points[f"u_{name}"][late]
            out[key] = number(float(np.median(value))) if late.size else None
            if late.size:
                out[f"u_{key}"] = number(math.hypot(float(np.median(u)), self._common(key, value)))
            else:
                out[f"u_{key}"] = None
        return out

    def _common(self, key: str, value: FloatArray) -> float:
        """Return what all frames' common uncertainties make of a size: no number of them helps."""
        wide, long = (self.points[name] for name in ("diameter_max_nm", "length_nm"))
        edges = self.common_nm / float(np.nanmax(wide)) * (2 if key == "final_volume_nm3" else 1)
        face = self.face_nm / float(np.nanmax(long))
        power = {"final_volume_nm3": 3, "aspect_ratio": 0}.get(key, 1)
        share = math.hypot(
            edges if key != "final_length_nm" else 0.0,
            face if key not in _WIDTHS else 0.0,
            power * _scale_share(self.settings),
        )
        return abs(float(np.median(value))) * share

    def rates(self) -> dict[str, Any]:
        """Return the rates of length, diameter and volume, and the current."""
        out: dict[str, Any] = {}
        for key, name in (
            ("growth_rate_nm_per_s", "length_nm"),
            ("diameter_rate_nm_per_s", "diameter_mean_nm"),
            ("volume_rate_nm3_per_s", "volume_nm3"),
        ):
            rate = self.rate(name)
            out[key] = number(rate.value_per_s)
            out[f"u_{key}"] = number(self._with_scale(rate, {"volume_nm3": 3}.get(name, 1)))
        out |= self._mean() | self._current(out)
        return out

    def _with_scale(self, rate: Rate, power: int) -> float:
        share = power * _scale_share(self.settings)
        return math.hypot(rate.u_value_per_s, rate.value_per_s * share)

    def _mean(self) -> dict[str, Any]:
        """Return the length that was reached over the time since the nucleation."""
        known = np.flatnonzero(self.rows & np.isfinite(self.points["length_nm"]))
        seen_from_nothing = self.points["phase"][0] == "before"
        if known.size < 2 or not seen_from_nothing:
            return {"mean_growth_rate_nm_per_s": None}
        t, length, u = (self.points[key] for key in ("time_s", "length_nm", "u_length_nm"))
        span = float(t[known[-1]] - t[known[0]])
        rate = float(length[known[-1]]) / span
        share = _scale_share(self.settings)
        last = math.hypot(float(u[known[-1]]), self.face_nm)
        off = math.hypot(last / span, share * rate, rate * self._onset_s() / span)
        return {"mean_growth_rate_nm_per_s": rate, "u_mean_growth_rate_nm_per_s": off}

    def _onset_s(self) -> float:
        """Return how well the moment of nucleation is known: it lies between two frames."""
        return _between(self.points) / math.sqrt(12)

    def _current(self, rates: dict[str, Any]) -> dict[str, Any]:
        volume = self.settings.molar_volume_cm3_per_mol
        rate, u = rates["volume_rate_nm3_per_s"], rates["u_volume_rate_nm3_per_s"]
        if volume is None or rate is None:
            return {"growth_current_A": None, "u_growth_current_A": None}
        return {
            "growth_current_A": current_A(rate, volume),
            "u_growth_current_A": None if u is None else current_A(u, volume),
            "molar_volume_cm3_per_mol": volume,
        }

    def budget(self) -> dict[str, float]:
        """Return the relative parts of the growth rate's uncertainty."""
        rate = self.rate("length_nm")
        scale = self.settings.u_scale_nm_per_px
        if not math.isfinite(rate.value_per_s) or rate.value_per_s == 0:
            return {}
        parts = {"line": abs(rate.u_value_per_s / rate.value_per_s)}
        return parts | ({"scale": scale / self.settings.scale_nm_per_px} if scale else {})


def _direction(points: Columns) -> dict[str, Any]:
    """Return the direction in the picture in which the end moves away from the root."""
    use = (points["phase"] == "growth") & np.isfinite(points["length_nm"])
    if use.sum() < 3:
        return {"growth_direction_deg": None}
    length = points["length_nm"][use]
    dx = np.polyfit(length, (points["end_x_px"] - points["root_x_px"])[use], 1)[0]
    dy = np.polyfit(length, (points["end_y_px"] - points["root_y_px"])[use], 1)[0]
    return {"growth_direction_deg": math.degrees(math.atan2(dx, -dy))}


def _shell(points: Columns, scale: float) -> dict[str, Any]:
    """Name the layer's law from where the layer is thick enough to be measured."""
    grown = np.isin(points["phase"], ("growth", "after")) & np.isfinite(points["shell_nm"])
    grown &= np.arange(len(grown)) >= _thick_from(points["shell_nm"], grown, scale)
    shell, u_shell = points["shell_nm"][grown], points["u_shell_nm"][grown]
    law = shell_law(points["time_s"][grown], shell, *split_errors(shell, u_shell))
    last = number(float(np.median(shell[-_LATE_ROWS:]))) if shell.size else None
    return {
        "shell_law": law.name,
        "shell_law_reason": law.reason,
        "shell_law_parameters": law.parameters,
        "u_shell_law_parameters": law.u_parameters,
        "shell_law_delta_aicc": law.delta_aicc,
        "final_shell_nm": last,
    }


def split_errors(value: FloatArray, u: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return which part of the uncertainties changes from frame to frame, and which part lasts."""
    single = _scattered_share(value, u)
    return single * u, math.sqrt(max(1.0 - single**2, _LEAST_LASTING**2)) * u


def _thick_from(shell_nm: FloatArray, known: Mask, scale: float) -> int:
    """Return the first row from which on a layer is thick enough, by the median of five.

    Left out one by one, the thin ones would leave the noise's thick ones behind.
    """
    rows = np.flatnonzero(known)
    middle = [float(np.median(shell_nm[rows[max(i - 2, 0) : i + 3]])) for i in range(len(rows))]
    thick = np.flatnonzero(np.array(middle) > _LEAST_SHELL_PX * scale)
    return int(rows[thick[0]]) if thick.size else len(known)


def _scattered_share(value: FloatArray, u: FloatArray) -> float:
    """Return which part of the uncertainties changes from frame to frame, from second differences.

    What noise does to one frame is another's no more; the grain that falsifies one frame is still
    there in the next.
    """
    if len(value) < _LEAST_SCATTER:
        return 1.0
    bend = value[:-2] - 2 * value[1:-1] + value[2:]
    expected = np.sqrt(u[:-2] ** 2 + 4 * u[1:-1] ** 2 + u[2:] ** 2)
    share = 1.4826 * float(np.median(np.abs(bend / expected)))
    return float(np.clip(share, _LEAST_SINGLE, 1.0))


def _grows_at(measurement: Columns, main: Track | None) -> dict[str, Any]:
    """Say where material is added, from how far the pattern inside rides with the end."""
    column = measurement.get("pattern_rides")
    known = np.empty(0) if column is None else np.asarray(column, float)
    known = known[np.isfinite(known)]
    u = measurement.get("u_pattern_rides")
    if main is None or not len(known) or u is None:
        return {"grows_at": None, "pattern_rides": None, "u_pattern_rides": None}
    share, u_share = float(known[0]), float(np.nanmax(np.asarray(u, float)))
    where = None
    if share + u_share < _TIP_MARK:
        where = "tip"
    elif share - u_share > _ROOT_MARK:
        where = "root"
    return {"grows_at": where, "pattern_rides": share, "u_pattern_rides": u_share}


def _potential(
    measurement: Columns, settings: Settings, points: Columns, main: Track | None
) -> dict[str, Any]:
    """Return the rates within each step of potential, and how well the log's clock is known.

    A marker lies somewhere within its frame's interval.
    """
    if "potential_V" not in measurement:
        return {"rates_by_potential": []}
    u_log = _between(points) / math.sqrt(12) if settings.log_by_marker else 0.0
    potential = np.asarray(measurement["potential_V"], float)
    seen = np.zeros(len(potential), dtype=bool)
    if main is not None:
        seen[main.first : main.last + 1] = True
    steps = steps_of(np.where(seen, potential, np.nan))
    rates = {
        name: rates_by_step(steps, points["time_s"], points[name], points[f"u_{name}"], u_log)
        for name in ("length_nm", "diameter_mean_nm", "volume_nm3")
    }
    rows = [
        {
            "first_frame": _frame(points, step.first),
            "last_frame": _frame(points, step.last),
            "potential_V": step.potential_V,
            **_step_rate("length_nm_per_s", rates["length_nm"][i], settings),
            **_step_rate("diameter_nm_per_s", rates["diameter_mean_nm"][i], settings),
            **_step_rate("volume_nm3_per_s", rates["volume_nm3"][i], settings, 3),
            "growth_mode": _growth_mode(rates["length_nm"][i], rates["diameter_mean_nm"][i]),
        }
        for i, step in enumerate(steps)
        if math.isfinite(rates["length_nm"][i].value_per_s)
    ]
    return {"rates_by_potential": rows, "u_log_time_s": u_log if settings.log_by_marker else None}


def _step_rate(
    name: str, rate: Rate, settings: Settings, power: int = 1
) -> dict[str, float | None]:
    """Return a step's rate, its uncertainty, and the part of it that the steps do not share."""
    whole = math.hypot(rate.u_value_per_s, power * _scale_share(settings) * rate.value_per_s)
    return {
        name: number(rate.value_per_s),
        f"u_{name}": number(whole),
        f"u_own_{name}": number(rate.u_value_per_s),
    }


def _growth_mode(length: Rate, diameter: Rate) -> str | None:
    """Name how it grows: one way (directional), in all directions alike (isotropic), or not."""
    if not math.isfinite(length.value_per_s) or not math.isfinite(diameter.value_per_s):
        return None
    if abs(length.value_per_s) < _SIGNIFICANT * length.u_value_per_s:
        return "none"
    wide = max(diameter.value_per_s, 0.0)
    return "directional" if length.value_per_s >= _DIRECTIONAL * wide else "isotropic"


def _tube(points: Columns) -> dict[str, Any]:
    """Return the nanotube's diameter in the first frame and before the nucleation, by a line."""
    if "nanotube_nm" not in points:
        return {}
    before = points["phase"] == "before"
    t, d = points["time_s"][before], points["nanotube_nm"][before]
    known = np.isfinite(d)
    if known.sum() < 3:
        return {"nanotube_start_nm": None, "nanotube_end_nm": None}
    (slope, level), spread = np.polyfit(t[known], d[known], 1), 0.0
    rest = d[known] - np.polyval([slope, level], t[known])
    spread = 2 * float(np.std(rest)) / math.sqrt(known.sum())
    return {
        "nanotube_start_nm": float(level + slope * t[known][0]),
        "nanotube_end_nm": float(level + slope * t[known][-1]),
        "u_nanotube_nm": spread,
    }


def _body(measurement: Columns, settings: Settings, track: Track) -> dict[str, Any]:
    scale = settings.scale_nm_per_px
    time: FloatArray = np.asarray(measurement["time_s"], dtype=float)
    rate = mean_rate(time, track.values["length_px"] * scale, track.values["u_length_px"] * scale)
    u_rate = math.hypot(rate.u_value_per_s, _scale_share(settings) * rate.value_per_s)
    frames = measurement["frame"]
    return {
        "body": track.number,
        "nucleation_frame": None if track.first == 0 else int(frames[track.first]),
        "last_frame": int(frames[track.last]),
        "last_length_nm": _last(track, "length_px", scale),
        "last_diameter_nm": _last(track, "diameter_max_px", scale),
        "growth_rate_nm_per_s": number(rate.value_per_s),
        "u_growth_rate_nm_per_s": number(u_rate),
    }


def _last(track: Track, name: str, scale: float) -> float | None:
    """Return a size where it was last measured: later a neighbour may hide it."""
    row = track.last_seen
    return None if row is None else float(track.values[name][row]) * scale


def _merges(
    measurement: Columns, points: Columns, tracks: list[Track], main: Track | None
) -> list[dict[str, Any]]:
    out = []
    texts = measurement.get("outline_flags", np.full(len(points["frame"]), "", dtype=object))
    touching = np.array(["TOUCHING" in str(text).split(";") for text in texts])
    gap = np.asarray(measurement.get("bodies_gap_px", np.full(len(texts), np.nan)), dtype=float)
    bulge = np.asarray(measurement.get("bulge_px", np.full(len(texts), np.nan)), dtype=float)
    for track in tracks:
        if main is None or track is main:
            continue
        merged = merged_into(track, main)
        merged = None if merged is None else drawn_in_row(bulge, merged)
        touch = touch_row(gap, touching, merged if merged is not None else len(texts))
        if touch is not None:
            out.append(
                {
                    "bodies": [main.number, track.number],
                    "touch_frame": _frame(points, min(touch, len(texts) - 1)),
                    "merge_frame": _frame(points, merged),
                }
            )
    return out


def _warnings(points: Columns, main: Track | None, settings: Settings) -> list[str]:
    left = sum("OUT_OF_VIEW" in str(text) for text in points["flags"])
    cut = f"the body reaches beyond the box, or the picture, in {left} frames; widen the box"
    if main is None:
        nothing = "nothing is seen to grow: there is no body on the base in three frames in a row"
        return [nothing, *([cut] if left else [])]
    out = []
    if main.first == 0:
        out.append("the body is there in the first frame: its nucleation was not recorded")
    if settings.material and settings.molar_volume_cm3_per_mol is None:
        out.append(
            f"the molar volume of '{settings.material}' is not known: no current is calculated"
        )
    if left:
        out.append(cut)
    return out

"""The specimen in nm, before loading and in every frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from tem_track.errors import ConfigError
from tem_track.mechanics.areas import Geometry
from tem_track.mechanics.columns import DIAMETERS
from tem_track.mechanics.corrections import sink_in_nm
from tem_track.mechanics.kinematics import Loading, nm_per_px
from tem_track.mechanics.known import known_rms
from tem_track.mechanics.measurement import BoolArray, Measurement, RowArray
from tem_track.mechanics.seating import seating_px
from tem_track.mechanics.settings import Settings
from tem_track.mechanics.unloaded import bounded_length, u_shared
from tem_track.records import FloatArray

__all__ = ["Dimensions", "Initial", "dimensions"]

_BALLS = ("particle", "hollow_sphere")


@dataclass(frozen=True, slots=True)
class Initial:
    """A dimension before contact: the median over the zero's frames.

    Attributes
    ----------
    value_nm, u_nm : float
        u is of the frames' scatter and, of the length, of the base's face under the foot; the
        edge's own uncertainty comes on top.
    """

    value_nm: float
    u_nm: float


@dataclass(frozen=True, slots=True, eq=False)
class Dimensions:
    """Lengths and widths.

    Attributes
    ----------
    columns : dict of str to FloatArray
        The specimen's columns of `points.csv` up to strain, each with its `u_`.
    length, diameter : Initial
        Before contact.
    ends_nm : (float, float)
        Diameters at the tip's and the base's face before contact.
    """

    columns: dict[str, FloatArray]
    length: Initial
    diameter: Initial
    ends_nm: tuple[float, float]

    def without(self, rows: BoolArray) -> Dimensions:
        """Return them empty in the rows in which the specimen is in two pieces."""
        columns = {name: np.where(rows, np.nan, values) for name, values in self.columns.items()}
        return replace(self, columns=columns)

    def geometry(self, section_area_ratio: float = 1.0) -> Geometry:
        """Return what the area models may know."""
        c = self.columns
        return Geometry(
            initial_length_nm=self.length.value_nm,
            initial_diameter_nm=self.diameter.value_nm,
            deformation_nm=c["deformation_nm"],
            diameter_mid_nm=c["diameter_mid_nm"],
            diameter_max_nm=c["diameter_max_nm"],
            diameter_min_nm=c["diameter_min_nm"],
            diameter_tip_nm=c["diameter_tip_nm"],
            section_area_ratio=section_area_ratio,
        )


def dimensions(
    measurement: Measurement, settings: Settings, loading: Loading, usable: BoolArray
) -> Dimensions:
    """Scale the outlines' pixels and compare them with the frames before contact.

    Parameters
    ----------
    measurement : Measurement
    settings : Settings
    loading : Loading
        Its rows before contact, and its force for the sink-in of an elastic base.
    usable : BoolArray
        Rows whose end lines may be believed.

    Raises
    ------
    ConfigError
        Where the length or diameter before loading is not above zero.
    """
    zero_rows = loading.zero_rows
    scales = {"length_nm": nm_per_px(settings)}
    columns: dict[str, FloatArray] = {}
    for name in ("length_nm", *DIAMETERS, "shell_nm", "bow_nm"):
        scale = scales.get(name, settings.scale_nm_per_px)
        pixels = name.replace("_nm", "_px")
        value, u = measurement.measured(pixels)
        columns[name], columns[f"u_{name}"] = value * scale, u * scale
    columns |= _seated(columns, measurement, usable, scales["length_nm"])
    columns |= _unloaded(columns, measurement, settings, loading, usable)
    length = _initial("length", columns["length_nm"], columns["u_length_nm"], zero_rows)
    alike = u_shared(*(_known(columns, name, zero_rows) for name in ("length_nm", "u_length_nm")))
    diameter = _initial(
        "diameter", columns["diameter_mid_nm"], columns["u_diameter_mid_nm"], zero_rows
    )
    sink_in = _sink_in(columns, loading, settings)
    common = np.nan_to_num(measurement.number("u_common_length_px")) * scales["length_nm"]
    gap = measurement.number("gap_px")
    u_step = _contact_step(
        common, columns["length_nm"], gap, math.hypot(length.u_nm, alike), zero_rows
    )
    columns |= _deformation(columns, length, settings.mode, sink_in, u_step)
    columns |= _bending(columns)
    columns |= _volume(measurement, zero_rows)
    ends = (
        _before_loading(columns[f"diameter_{end}_nm"], columns[f"u_diameter_{end}_nm"], zero_rows)
        for end in ("tip", "base")
    )
    tip, base = (end.value_nm for end in ends)  # a ball's end is a point
    u_common = math.hypot(alike, _before(common, columns["length_nm"], zero_rows))
    if u_common > 0:
        length = Initial(length.value_nm, math.hypot(length.u_nm, u_common))
    return Dimensions(columns, length, diameter, (tip, base))


def _known(columns: dict[str, FloatArray], name: str, rows: RowArray) -> FloatArray:
    return columns[name][rows[np.isfinite(columns["length_nm"][rows])]]


def _unloaded(
    columns: dict[str, FloatArray],
    measurement: Measurement,
    settings: Settings,
    loading: Loading,
    usable: BoolArray,
) -> dict[str, FloatArray]:
    """Return a ball's length with what contact tells of it before contact."""
    first = loading.contact.row
    if settings.shape not in _BALLS or settings.mode != "compression" or first is None:
        return {}
    rows = np.flatnonzero(usable)
    length, u = bounded_length(
        columns["length_nm"],
        columns["u_length_nm"],
        measurement.number("gap_px") * nm_per_px(settings),
        rows[rows < first],
        rows[(rows >= first) & (loading.force_nN[rows] > 0)],
    )
    return {"length_nm": length, "u_length_nm": u}


def _seated(
    columns: dict[str, FloatArray], measurement: Measurement, usable: BoolArray, scale: float
) -> dict[str, FloatArray]:
    """Return the length whose slow part is that of the end lines, and what that part is.

    The end lines are believed as far as they go beyond their own uncertainty (the estimator of
    James and Stein); what is left off counts in the length's.
    """
    seating, u = (value * scale for value in seating_px(measurement, usable))
    held = measurement.number("gap_px") == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        believed = np.clip(1 - (u / seating) ** 2, 0.0, 1.0)
    u_kept = np.hypot(np.sqrt(believed) * u, (1 - believed) * seating)
    added, u_added = _between(believed * seating, held), _between(u_kept, held)
    return {
        "length_nm": columns["length_nm"] + added,
        "u_length_nm": np.hypot(columns["u_length_nm"], u_added),
        "seated_nm": added,
        "u_seated_nm": u_added,
        "seating_nm": seating,
        "u_seating_nm": u,
    }


def _between(values: FloatArray, rows: BoolArray) -> FloatArray:
    """Fill the rows between known ones; zero in all others."""
    known = np.flatnonzero(np.isfinite(values))
    if not known.size:
        return np.zeros_like(values)
    filled = np.interp(np.arange(values.size), known, values[known])
    return np.where(rows | np.isfinite(values), filled, 0.0)


def _initial(name: str, values: FloatArray, u: FloatArray, rows: RowArray) -> Initial:
    initial = _before_loading(values, u, rows)
    if initial.value_nm <= 0:
        raise ConfigError(
            f"specimen.box_px: the specimen's {name} before loading is {initial.value_nm:.3g} nm;"
            " draw the box around the whole specimen"
        )
    return initial


def _before_loading(values: FloatArray, u: FloatArray, rows: RowArray) -> Initial:
    known = rows[np.isfinite(values[rows])]
    if not known.size:
        known = np.flatnonzero(np.isfinite(values))[:1]
    if not known.size:
        return Initial(math.nan, math.nan)
    value = float(np.median(values[known]))
    return Initial(value, _u_median(values[known], u[known]))


def _u_median(values: FloatArray, u: FloatArray) -> float:
    """Of the median of n values: 1.2533 sigma / sqrt(n) from three on."""
    stated = known_rms(u)
    if values.size < 3:
        return stated
    scatter = float(np.std(values, ddof=1))
    sigma = max(scatter, stated) if math.isfinite(stated) else scatter
    return 1.2533 * sigma / math.sqrt(values.size)


def _sink_in(
    columns: dict[str, FloatArray], loading: Loading, settings: Settings
) -> FloatArray | float:
    """How deep the specimen sinks into an elastic base that its outline does not resolve."""
    if settings.base_modulus_GPa is None or settings.mode != "compression":
        return 0.0
    width = columns["diameter_base_nm"]
    return sink_in_nm(loading.force_nN, width, settings.base_modulus_GPa, settings.base_poisson)


def _before(common: FloatArray, length: FloatArray, rows: RowArray) -> float:
    """Return what the lengths before loading may be off by together."""
    known = rows[np.isfinite(length[rows])]
    return float(np.median(common[known])) if known.size else 0.0


def _contact_step(
    common: FloatArray, length: FloatArray, gap: FloatArray, u_zero: float, rows: RowArray
) -> FloatArray:
    """Return by how much deformations in contact may be off together.

    They are counted from lengths that end in front of a gap, where the end is another line than
    where two faces touch: neither the free end's own doubt, nor that of the place of touch, is in
    both. The base's face is, and is not counted. Zero where the first frames are in contact too.
    """
    first = rows[np.isfinite(length[rows])]
    if not first.size or not np.median(gap[first]) > 0:
        return np.zeros_like(common)
    touch = np.clip(common**2 - _before(common, length, rows) ** 2, 0.0, None)
    return np.where(gap == 0, np.sqrt(touch + u_zero**2), 0.0)


def _deformation(
    columns: dict[str, FloatArray],
    length: Initial,
    mode: str,
    sink_in: FloatArray | float,
    u_step: FloatArray,
) -> dict[str, FloatArray]:
    sign = -1.0 if mode == "compression" else 1.0
    change = sign * (columns["length_nm"] - length.value_nm) - sink_in
    u_within = columns["u_length_nm"]
    u = np.hypot(u_within, u_step)
    ratio = 1 + sign * change / length.value_nm
    with np.errstate(divide="ignore", invalid="ignore"):
        true = sign * np.log(np.where(ratio > 0, ratio, np.nan))
    return {
        "deformation_nm": change,
        "u_deformation_nm": u,
        "u_deformation_within_nm": u_within,
        "strain_eng": change / length.value_nm,
        "u_strain_eng": u / length.value_nm,
        "u_strain_within": u_within / length.value_nm,
        "strain_true": true,
        "u_strain_true": u / columns["length_nm"],
    }


def _bending(columns: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Bending over axial stress of a round rod, 8 bow / diameter."""
    bow, u_bow = columns["bow_nm"], columns["u_bow_nm"]
    width, u_width = columns["diameter_mid_nm"], columns["u_diameter_mid_nm"]
    return {
        "bend_ratio": 8 * np.abs(bow) / width,
        "u_bend_ratio": 8 / width * np.hypot(u_bow, bow / width * u_width),
    }


def _volume(measurement: Measurement, rows: RowArray) -> dict[str, FloatArray]:
    volume, u = measurement.measured("volume_px3")
    reference = _initial("volume", volume, u, rows).value_nm
    return {"volume_ratio": volume / reference, "u_volume_ratio": u / reference}

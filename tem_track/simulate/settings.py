"""What can be chosen of a simulated movie: its physics, its camera and its accidents."""

from __future__ import annotations

import difflib
import inspect
import math
import re
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from tem_track.errors import ConfigError

__all__ = [
    "CODECS",
    "Accidents",
    "Codec",
    "Orientation",
    "Physics",
    "Setup",
    "setting_names",
    "split_settings",
]

Codec = Literal["mjpeg", "ffv1", "raw", "tiff16"]
CODECS: tuple[Codec, ...] = ("mjpeg", "ffv1", "raw", "tiff16")
Orientation = Literal["up", "down", "left", "right"]


@dataclass(frozen=True, slots=True)
class Accidents:
    """What goes wrong in a recording; each field is a switch with an amount, 0 is off.

    Attributes
    ----------
    camera_jitter_px : float
        Rms shift per axis of the whole picture, bar included, from frame to frame.
    camera_drift_px : float
        Slow walk of the whole picture, bar included: distance at the last frame.
    stage_drift_px : float
        Drift of everything but the bar: distance at the last frame.
    stage_vibration_px : float
        Amplitude of an oscillation of everything but the bar.
    flicker : float
        Rms relative change of brightness from frame to frame.
    slow_brightness : float
        Relative change of brightness over the movie.
    occluded_frames : int
        Frames in which a dark object hides the tip and the specimen.
    overexposed_frames : int
        Frames that are saturated almost everywhere.
    duplicated_frames, dropped_frames : int
        Frames that repeat the one before; moments that the recording missed.
    tip_contrast_change : float
        Share of the tip's inner contrast that becomes another pattern halfway through.
    tip_rotation_deg : float
        Rotation of the tip about its apex at the largest deflection, in proportion to it.
    base_rotation_deg : float
        The same for the counter electrode, over the whole movie.
    bragg_contours : float
        Optical depth of dark bands that run through the specimen as it is loaded.
    low_contrast : float
        Number of grey levels that the whole picture spans, for example 18.
    """

    camera_jitter_px: float = 0.6
    camera_drift_px: float = 0.0
    stage_drift_px: float = 0.0
    stage_vibration_px: float = 0.0
    flicker: float = 0.0
    slow_brightness: float = 0.0
    occluded_frames: int = 0
    overexposed_frames: int = 0
    duplicated_frames: int = 0
    dropped_frames: int = 0
    tip_contrast_change: float = 0.0
    tip_rotation_deg: float = 0.0
    base_rotation_deg: float = 0.0
    bragg_contours: float = 0.0
    low_contrast: float = 0.0


@dataclass(frozen=True, slots=True)
class Physics:
    """How the picture is formed.

    Attributes
    ----------
    dose_e_per_px : float
        Electrons per pixel in vacuum; infinite gives a picture without noise.
    gamma : float
        Grey value = intensity to this power, before it is rounded.
    fringe : float
        Height of the Fresnel fringe at edges, as a fraction of the edge's step.
    fringe_asymmetry : float
        How much stronger the fringe is on one side than on the other.
    psf_sigma_px, tail, tail_sigma_px : float
        The detector's blur: a Gaussian core, and the share and width of its tail.
    correlated_noise : bool
        Shot noise passes through the detector's blur too.
    read_noise_e : float
        Noise of the read-out, in electrons.
    specimen_texture : float
        Relative variation of the specimen's optical depth, fixed in its material.
    film : float
        Optical depth of a textured film behind everything; it moves with the stage.
    ellipticity : float
        Depth of the sections over their width.
    facet : float
        Share of a hexagonal section in the round one.
    illumination : float
        Relative fall of the beam from the middle to the corner.
    roughness_px : float
        Roughness of the contours of tip, base and bar.
    bar_blur_px : float
        Out-of-focus softness of the bar's edge.
    tip_curvature_px : float
        How far a rounded apex has receded where a flat one would end; it touches on the axis.
    """

    dose_e_per_px: float = 150.0
    gamma: float = 0.9
    fringe: float = 0.08
    fringe_asymmetry: float = 0.4
    psf_sigma_px: float = 0.7
    tail: float = 0.08
    tail_sigma_px: float = 3.0
    correlated_noise: bool = False
    read_noise_e: float = 1.0
    specimen_texture: float = 0.06
    film: float = 0.06
    ellipticity: float = 0.95
    facet: float = 0.1
    illumination: float = 0.06
    roughness_px: float = 1.2
    bar_blur_px: float = 0.8
    tip_curvature_px: float = 0.0


@dataclass(frozen=True, slots=True)
class Setup:
    """The experiment that is drawn.

    Attributes
    ----------
    shape_px : (int, int)
        Height and width of the frames, such as 768x640; a sideways orientation swaps them.
    scale_nm_per_px : float
    frame_interval_s : float
        NaN: the scenario's own, 0.1 s under load, 750 s over the frames in growth.
    stiffness_N_per_m : float
        NaN: the scenario's own.
    length_nm, diameter_nm, shell_nm : float
        Of the specimen; NaN lets the seed choose.
    modulus_GPa, strength_MPa : float
        NaN: the scenario's own; the strength then fills the room that the frame leaves.
    final_strain : float
        Deformation over initial length that is aimed at; NaN: the scenario's own.
    sink_in_nm_per_uN : float
        Compliance of the seats, which shows as closure.
    axis_deg : float
        Loading axis, from straight up, clockwise; added to the orientation.
    orientation : {'up', 'down', 'left', 'right'}
        Where the tip is, seen from the specimen.
    polarity : {'dark', 'bright'}
    bits : {8, 16}
    label : bool
        Burnt-in scale bar and time stamp.
    shell_law : {'parabolic', 'linear', 'logarithmic'}
        How the surface layer thickens in growth.
    grows_at : {'root', 'tip'}
        Where a growing body adds material.
    marker_frame : int
        In this frame of a growth movie the beam is dimmed and the log is marked; 0 is none.
    """

    shape_px: tuple[int, int] = (768, 640)
    scale_nm_per_px: float = 2.0
    frame_interval_s: float = float("nan")
    stiffness_N_per_m: float = float("nan")
    length_nm: float = float("nan")
    diameter_nm: float = float("nan")
    shell_nm: float = float("nan")
    modulus_GPa: float = float("nan")
    strength_MPa: float = float("nan")
    final_strain: float = float("nan")
    sink_in_nm_per_uN: float = 0.0
    axis_deg: float = 0.0
    orientation: Orientation = "up"
    polarity: Literal["dark", "bright"] = "dark"
    bits: int = 8
    label: bool = True
    shell_law: Literal["parabolic", "linear", "logarithmic"] = "parabolic"
    grows_at: Literal["root", "tip"] = "root"
    marker_frame: int = 0


_RECORDS = (Setup, Physics, Accidents)
_SHORT = {"dose": "dose_e_per_px", "jitter": "camera_jitter_px", "scale": "scale_nm_per_px"}
_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def setting_names() -> list[tuple[str, str]]:
    """Return every setting of `Setup`, `Physics` and `Accidents` with one line of help."""
    return [pair for record in _RECORDS for pair in _helped(record)]


def split_settings(values: dict[str, Any]) -> tuple[Setup, Physics, Accidents]:
    """Sort keyword arguments, which may be texts, into the three records.

    Raises
    ------
    ConfigError
        For a name that none of them has, or a value that the setting cannot take.
    """
    named = {_SHORT.get(name, name).replace("-", "_"): value for name, value in values.items()}
    known = {field.name for record in _RECORDS for field in fields(record)}
    for name in named:
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known | set(_SHORT)), 1, 0.0)[0]
            raise ConfigError(f"simulate: there is no setting '{name}'; did you mean '{near}'?")
    return _filled(Setup, named), _filled(Physics, named), _filled(Accidents, named)


R = TypeVar("R", Setup, Physics, Accidents)


def _filled(record: type[R], named: dict[str, Any]) -> R:
    kinds = get_type_hints(record)
    own = [field.name for field in fields(record) if field.name in named]
    filled = record(**{name: _converted(name, named[name], kinds[name]) for name in own})
    _check(filled)
    return filled


def _converted(name: str, value: Any, kind: Any) -> Any:
    """Return the value as the field's own type."""
    try:
        if get_origin(kind) is Literal:
            return _one_of(value, get_args(kind))
        if kind is bool:
            return _one_of(str(value).lower(), _YES + _NO) in _YES
        if get_origin(kind) is tuple:
            rows, columns = re.split("[x,]", value) if isinstance(value, str) else value
            return (int(rows), int(columns))
        if kind is int:
            return _whole(value)
        return float(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"simulate: {name} = {value!r} does not serve: {error}") from None


def _one_of(value: Any, choices: tuple[Any, ...]) -> Any:
    if value not in choices:
        raise ValueError(f"it must be one of {', '.join(map(str, choices))}")
    return value


def _whole(value: Any) -> int:
    if float(value) != int(float(value)):
        raise ValueError("it must be a whole number")
    return int(float(value))


def _check(record: Setup | Physics | Accidents) -> None:
    """Refuse what cannot be drawn."""
    for name in _POSITIVE:
        value = getattr(record, name, 1.0)
        if not (math.isnan(value) or value > 0):
            raise ConfigError(f"simulate: {name} = {value:g} does not serve: it must be above 0")
    for name in _NOT_NEGATIVE:
        value = getattr(record, name, 0.0)
        if value < 0 or math.isnan(value):
            raise ConfigError(f"simulate: {name} = {value:g} does not serve: it must be 0 or more")
    if isinstance(record, Setup):
        _check_setup(record)


def _check_setup(setup: Setup) -> None:
    if min(setup.shape_px) < 128:
        raise ConfigError(f"simulate: shape_px = {setup.shape_px} is too small; take 128 or more")
    if abs(setup.axis_deg) > 45:
        raise ConfigError(
            f"simulate: axis_deg = {setup.axis_deg:g} does not serve: take -45 to 45, "
            "and orientation for the rest"
        )
    if setup.bits not in (8, 16):
        raise ConfigError(f"simulate: bits = {setup.bits} does not serve: it must be 8 or 16")


_POSITIVE = (
    "scale_nm_per_px", "frame_interval_s", "stiffness_N_per_m", "length_nm", "diameter_nm",
    "modulus_GPa", "strength_MPa", "final_strain", "dose_e_per_px", "gamma", "ellipticity",
)  # fmt: skip
_NOT_NEGATIVE = (
    "camera_jitter_px", "camera_drift_px", "stage_drift_px", "stage_vibration_px", "flicker",
    "occluded_frames", "overexposed_frames", "duplicated_frames", "dropped_frames",
    "tip_contrast_change", "bragg_contours", "low_contrast", "psf_sigma_px", "tail", "film",
    "read_noise_e", "roughness_px", "facet", "bar_blur_px", "specimen_texture", "tip_curvature_px",
)  # fmt: skip


def _helped(record: type[Any]) -> list[tuple[str, str]]:
    """Read the attributes' help from the record's docstring."""
    found: list[tuple[str, str]] = []
    names: list[str] = []
    for line in (inspect.getdoc(record) or "").splitlines():
        if match := re.fullmatch(r"(\w+(?:, \w+)*) : (.+)", line):
            names = match[1].split(", ")
            found += [(name, match[2]) for name in names]
        elif line.startswith("    ") and names:
            for i in range(len(found) - len(names), len(found)):
                name, text = found[i]
                found[i] = (name, text + (" " if "; " in text else "; ") + line.strip())
    return found

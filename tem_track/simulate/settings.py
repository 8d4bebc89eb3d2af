"""What can be chosen of a simulated movie: its physics, its camera and its accidents."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeVar

from tem_track.errors import ConfigError

__all__ = ["CODECS", "Accidents", "Codec", "Orientation", "Physics", "Setup", "split_settings"]

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
        Share of the tip's inner contrast that becomes another pattern, from the middle of the movie on.
    tip_rotation_deg : float
        Rotation of the tip about its apex, in proportion to the deflection, at the largest deflection.
    base_rotation_deg : float
        The same for the counter electrode, over the whole movie.
    bragg_contours : float
        Depth (in units of optical depth) of dark bands that run through the specimen as it is loaded.
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

    @classmethod
    def ideal(cls, **changes: Any) -> Physics:
        """Return a camera and specimen without any of the complications, and without noise."""
        plain = cls(
            dose_e_per_px=float("inf"),
            gamma=1.0,
            fringe=0.0,
            fringe_asymmetry=0.0,
            psf_sigma_px=0.7,
            tail=0.0,
            read_noise_e=0.0,
            specimen_texture=0.0,
            film=0.0,
            ellipticity=1.0,
            facet=0.0,
            illumination=0.0,
        )
        return replace(plain, **changes)


@dataclass(frozen=True, slots=True)
class Setup:
    """The experiment that is drawn.

    Attributes
    ----------
    shape_px : (int, int)
        Height and width of the frames, as (rows, columns), before a sideways orientation swaps them.
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
        Deformation over initial length at the largest load that is aimed at; NaN: the scenario's own.
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


T = TypeVar("T", Accidents, Physics, Setup)

_SHORT = {"dose": "dose_e_per_px", "jitter": "camera_jitter_px", "scale": "scale_nm_per_px"}


def split_settings(values: dict[str, Any]) -> tuple[Setup, Physics, Accidents]:
    """Sort plain keyword arguments into the three records.

    Raises
    ------
    ConfigError
        For a name that none of them has.
    """
    named = {_SHORT.get(name, name): value for name, value in values.items()}
    records = (Setup(), Physics(), Accidents())
    known = {f.name for record in records for f in fields(record)}
    for name in named:
        if name not in known:
            raise ConfigError(f"simulate: there is no setting '{name}'; there are {_list(known)}")
    setup, physics, accidents = (_changed(record, named) for record in records)
    return setup, physics, accidents  # type: ignore[return-value]


def _changed(record: Any, named: dict[str, Any]) -> Any:
    own = {f.name: named[f.name] for f in fields(record) if f.name in named}
    for name, value in own.items():
        like = getattr(record, name)
        if isinstance(like, int) and not isinstance(like, bool) and not isinstance(value, bool):
            own[name] = int(value)
    return replace(record, **own)


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))

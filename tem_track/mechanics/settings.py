"""What the mechanics must be told: calibration, cantilever, and the choices of the evaluation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from tem_track.errors import ConfigError
from tem_track.mechanics.areas import AREA_MODELS
from tem_track.records import Mode

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that turns a measurement in pixels into mechanics.

    Attributes
    ----------
    mode : {'compression', 'tension'}
    scale_nm_per_px : float
    stiffness_N_per_m : float
    shape : str or None
        None where no specimen is outlined: only deflection and force are evaluated.
    area_model : str or None
        None for the default of the shape and mode.
    u_scale_nm_per_px, u_stiffness_N_per_m : float or None
        Standard uncertainties; None where they are not known, which is warned about.
    tilt_deg, tip_height_um, length_um : float
        Inclination of the cantilever, positive where its tip dips towards the base; height of its
        tip; its length. See `corrections.lever_factor`.
    behind_apex_um : float
        Distance from the tracked point back to the cantilever's end.
    out_of_plane_deg : float
        Angle of the loading axis against the image plane.
    off_axis_deg : float
        Angle between the load and the specimen's axis.
    base_modulus_GPa, base_poisson : float or None
        Elastic base whose sink-in is taken off the deformation; None: no such correction.
    poisson : float
        Poisson's ratio of the specimen, for contacts (Hertz, unloading).
    section_area_ratio, u_section_area_ratio : float
        True sectional area over that of the circle as wide as the specimen is seen, from a tilt
        series.
    edge_u_px : float
        Standard uncertainty of where one edge of the specimen lies, common to all frames.
    axis_deg, u_axis_deg : float
        Loading axis from straight up, clockwise.
    zero_frames : (int, int) or None
        First and last frame before contact; None: found from the curve.
    reference_frame : int
    frame_width_px : float or None
        Extent of the frame across the axis, to notice a specimen wider than it.
    """

    mode: Mode
    scale_nm_per_px: float
    stiffness_N_per_m: float
    shape: str | None = None
    area_model: str | None = None
    u_scale_nm_per_px: float | None = None
    u_stiffness_N_per_m: float | None = None
    tilt_deg: float = 0.0
    tip_height_um: float = 0.0
    length_um: float = 225.0
    behind_apex_um: float = 0.0
    out_of_plane_deg: float = 0.0
    off_axis_deg: float = 0.0
    base_modulus_GPa: float | None = None
    base_poisson: float = 0.3
    poisson: float = 0.3
    section_area_ratio: float = 1.0
    u_section_area_ratio: float = 0.0
    edge_u_px: float = 0.5
    axis_deg: float = 0.0
    u_axis_deg: float = 0.0
    zero_frames: tuple[int, int] | None = None
    reference_frame: int = 0
    frame_width_px: float | None = None

    def checked(self) -> Settings:
        """Return the settings with the area model filled in.

        Raises
        ------
        ConfigError
            Where a value cannot be used; the message names the field and how to mend it.
        """
        _check_mode(self.mode)
        _check_positive("calibration.scale_nm_per_px", self.scale_nm_per_px)
        _check_positive("cantilever.stiffness_N_per_m", self.stiffness_N_per_m)
        _check_positive("cantilever.length_um", self.length_um)
        _check_uncertainty("calibration.u_scale_nm_per_px", self.u_scale_nm_per_px)
        _check_uncertainty("cantilever.u_stiffness_N_per_m", self.u_stiffness_N_per_m)
        _check_uncertainty("u_axis_deg", self.u_axis_deg)
        _check_uncertainty("edge_u_px", self.edge_u_px)
        _check_uncertainty("u_section_area_ratio", self.u_section_area_ratio)
        _check_positive("section_area_ratio", self.section_area_ratio)
        _check_angle("cantilever.tilt_deg", self.tilt_deg)
        _check_angle("out_of_plane_deg", self.out_of_plane_deg)
        _check_angle("off_axis_deg", self.off_axis_deg)
        _check_poisson("poisson", self.poisson)
        _check_poisson("base_poisson", self.base_poisson)
        _check_lever(self)
        if self.base_modulus_GPa is not None:
            _check_positive("base_modulus_GPa", self.base_modulus_GPa)
        return replace(self, area_model=_area_model(self))


def _check_mode(mode: str) -> None:
    if mode not in ("compression", "tension"):
        raise ConfigError(f"mode: {mode!r} is no mechanical test; use 'compression' or 'tension'")


def _check_positive(name: str, value: float | None) -> None:
    if value is None or not math.isfinite(value) or value <= 0:
        raise ConfigError(f"{name}: {value} cannot be used; give a number above zero")


def _check_uncertainty(name: str, value: float | None) -> None:
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise ConfigError(
            f"{name}: {value} is not a standard uncertainty; give zero, a positive number, or "
            "leave it out"
        )


def _check_angle(name: str, value: float) -> None:
    if not (math.isfinite(value) and abs(value) < 90):
        raise ConfigError(f"{name}: {value} cannot be used; give an angle within -90 and 90")


def _check_poisson(name: str, value: float) -> None:
    if not (-1 < value <= 0.5):
        raise ConfigError(f"{name}: {value} is not a Poisson's ratio; it lies within -1 and 0.5")


def _check_lever(settings: Settings) -> None:
    for name in ("tip_height_um", "behind_apex_um"):
        value = getattr(settings, name)
        if not (math.isfinite(value) and 0 <= value < settings.length_um):
            raise ConfigError(
                f"cantilever.{name}: {value} cannot be used; give a length from zero to "
                f"length_um ({settings.length_um})"
            )


def _area_model(settings: Settings) -> str | None:
    if settings.shape is None:
        return None
    models = AREA_MODELS.get((settings.shape, settings.mode))
    if models is None:
        raise ConfigError(
            f"specimen.shape: no area is known of a {settings.shape} in {settings.mode}; use "
            + ", ".join(sorted(s for s, m in AREA_MODELS if m == settings.mode))
        )
    names = [model.name for model in models]
    if settings.area_model is None:
        return names[0]
    if settings.area_model not in names:
        raise ConfigError(
            f"specimen.area_model: {settings.area_model!r} does not apply to a {settings.shape} in "
            f"{settings.mode}; use one of {', '.join(names)}"
        )
    return settings.area_model

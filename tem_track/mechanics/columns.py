"""The columns of `points.csv`, in their order."""

from __future__ import annotations

__all__ = ["COLUMNS", "DIAMETERS", "STRESS_MODELS", "TEXT_COLUMNS", "point_columns"]

TEXT_COLUMNS = ("phase", "flags")

DIAMETERS = (
    "diameter_mid_nm",
    "diameter_max_nm",
    "diameter_min_nm",
    "diameter_tip_nm",
    "diameter_base_nm",
)

STRESS_MODELS = ("initial", "mid", "max", "min", "contact", "mook", "projected")
"""Area models with a column of their own, `stress_<name>_MPa`."""

_MEASURED = (
    "deflection_nm",
    "force_nN",
    "length_nm",
    "deformation_nm",
    *DIAMETERS,
    "shell_nm",
    "bow_nm",
    "bend_ratio",
    "volume_ratio",
    "strain_eng",
    "strain_true",
    "area_nm2",
    "stress_MPa",
    *(f"stress_{name}_MPa" for name in STRESS_MODELS),
    "contact_radius_nm",
)


def point_columns() -> tuple[str, ...]:
    """Return all columns: each measured one is followed by its `u_`."""
    names = ["frame", "time_s", *TEXT_COLUMNS]
    for target in ("bar", "tip", "base"):
        names += [f"{target}_x_px", f"{target}_y_px", f"u_{target}_px", f"{target}_score"]
    for name in _MEASURED:
        names += [name, f"u_{name}"]
    names += ["mook_equation"]
    for name in ("actuator_nm", "closure_nm"):
        names += [name, f"u_{name}"]
    return tuple(names)


COLUMNS = point_columns()

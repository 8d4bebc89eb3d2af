"""What a careful experimenter corrects: the lever, the view, the ends, the shell.

All are off with the default settings; each that is on is printed in the summary.
"""

from __future__ import annotations

import math

from tem_track.errors import ConfigError
from tem_track.records import FloatArray

__all__ = [
    "apex_ratio",
    "axial_ratio",
    "core_diameter_nm",
    "elongation_of_view",
    "lever_factor",
    "sink_in_nm",
]


def lever_factor(tilt_deg: float, tip_height_um: float = 0.0, length_um: float = 225.0) -> float:
    """Return k_eff / k of an inclined cantilever whose apex is seen in projection.

    For a lever of length L inclined by t, with a tip of height D:
    1 / (cos^2 t (1 - 3 (D/L) tan t + 3 (D/L)^2 tan^2 t)).

    Parameters
    ----------
    tilt_deg : float
        Inclination, positive where the lever's tip dips towards the base.
    tip_height_um, length_um : float

    Notes
    -----
    Euler-Bernoulli bending by a force along the loading axis at the apex, small deflections; the
    apex' motion along that axis is what is seen. It is not the factor of an optical lever, which
    reads the slope.

    Raises
    ------
    ConfigError
        Where the tilt reaches 90 degrees or the length is not positive.
    """
    if not abs(tilt_deg) < 90:
        raise ConfigError(f"cantilever.tilt_deg: {tilt_deg} must lie within -90 and 90 degrees")
    if not length_um > 0:
        raise ConfigError(f"cantilever.length_um: {length_um} must be above zero")
    tilt = math.radians(tilt_deg)
    arm = tip_height_um / length_um * math.tan(tilt)
    return 1 / (math.cos(tilt) ** 2 * (1 - 3 * arm + 3 * arm**2))


def apex_ratio(behind_apex_um: float, length_um: float = 225.0) -> float:
    """Return what a point behind the apex moves by, as a fraction of the apex' own motion.

    The bending line of an end-loaded cantilever, (3 x^2 - x^3)/2 with x the point's distance
    from the root over the length.
    """
    x = 1 - behind_apex_um / length_um
    return (3 * x**2 - x**3) / 2


def elongation_of_view(out_of_plane_deg: float) -> float:
    """Return true over seen length, 1 / cos, for an axis inclined against the image plane."""
    return 1 / math.cos(math.radians(out_of_plane_deg))


def axial_ratio(off_axis_deg: float) -> float:
    """Return the share of the force that acts along the specimen's axis, cos."""
    return math.cos(math.radians(off_axis_deg))


def sink_in_nm(
    force_nN: FloatArray, diameter_nm: FloatArray | float, modulus_GPa: float, poisson: float
) -> FloatArray:
    """Return how deep a round end sinks into an elastic half-space, F (1 - nu^2) / (E d).

    Parameters
    ----------
    force_nN : FloatArray
        Shape (n,).
    diameter_nm : FloatArray or float
        Width of the end that presses.
    modulus_GPa, poisson : float
        Of the half-space.

    Notes
    -----
    A rigid flat punch without friction (Sneddon, Int. J. Eng. Sci. 3 (1965) 47).
    """
    return force_nN * (1 - poisson**2) / (modulus_GPa * diameter_nm)


def core_diameter_nm(outer_nm: FloatArray, shell_nm: FloatArray) -> FloatArray:
    """Return the diameter inside the shell, the outer one less two thicknesses."""
    return outer_nm - 2 * shell_nm

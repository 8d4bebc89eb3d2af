"""Buckling and bowing of a slender specimen."""

from __future__ import annotations

import math

import numpy as np

from tem_track.errors import ConfigError
from tem_track.mechanics.measurement import BoolArray
from tem_track.records import FloatArray

__all__ = ["BENT_RATIO", "bend_ratio", "bow_radius_nm", "euler_load_nN", "surely_bent"]

BENT_RATIO = 0.1
"""Bending over axial stress above which a specimen counts as bent."""


def euler_load_nN(
    modulus_GPa: float, diameter_nm: float, length_nm: float, effective_length: float = 2.0
) -> float:
    """Return the load at which a round column buckles, pi^2 E I / (K L)^2.

    Parameters
    ----------
    modulus_GPa : float
        After yield the tangent modulus takes its place (Shanley).
    diameter_nm, length_nm : float
    effective_length : float
        K: 2 with one end free, 1 with hinges, 0.5 with both ends held.

    Raises
    ------
    ConfigError
        A length is not above zero.
    """
    if not (diameter_nm > 0 and length_nm > 0 and effective_length > 0):
        raise ConfigError("diameter_nm, length_nm, effective_length: each must be above zero")
    inertia = math.pi / 64 * diameter_nm**4
    return math.pi**2 * modulus_GPa * inertia / (effective_length * length_nm) ** 2


def bow_radius_nm(chord_nm: float, bow_nm: float) -> float:
    """Return the radius of the arc over a chord, (c^2/4 + h^2) / (2 h); infinite when straight."""
    if bow_nm == 0:
        return math.inf
    return (chord_nm**2 / 4 + bow_nm**2) / (2 * abs(bow_nm))


def surely_bent(bow_nm: FloatArray, u_bow_nm: FloatArray, diameter_nm: FloatArray) -> BoolArray:
    """Return the frames whose bow exceeds that of the limiting ratio by two u, shape (n,)."""
    limit = BENT_RATIO * diameter_nm / 8
    known = np.isfinite(bow_nm) & np.isfinite(limit)
    sure: BoolArray = known & (np.abs(bow_nm) - 2 * np.nan_to_num(u_bow_nm) > limit)
    return sure


def bend_ratio(bow_nm: float, diameter_nm: float) -> float:
    """Return the bending over the axial stress of a round rod bowed by e, 8 e / d."""
    return 8 * abs(bow_nm) / diameter_nm

"""Young's modulus of a loading record: which method, how sure, or why not at all."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tem_track.mechanics.contact import robust_noise
from tem_track.mechanics.e3076 import E3076, fit_e3076
from tem_track.mechanics.toe_line import SMALLEST, ElasticLine, fit_toe_line
from tem_track.mechanics.york import fit_york
from tem_track.records import FloatArray

__all__ = ["LONG_RECORD", "Modulus", "find_modulus"]

LONG_RECORD = 50
"""Points from which ASTM E3076 is tried."""

_WORST = 0.5
"""Relative uncertainty above which a slope is no modulus."""


@dataclass(frozen=True, slots=True)
class Modulus:
    """The elastic line of a record.

    Attributes
    ----------
    value, u : float
        In the ordinate's unit; NaN where refused. u is of the record alone: no stiffness, scale or
        area in it.
    method : str
    reason : str
        Why it was refused.
    zero_strain : float
        Where the line meets zero stress.
    first, last : float
        Strains between which it holds.
    n_points : int
    others : dict of str to float
        What the other method says.
    quality : dict
        Figures of ASTM E3076, where it was tried.
    """

    value: float = math.nan
    u: float = math.nan
    method: str = ""
    reason: str = ""
    zero_strain: float = math.nan
    first: float = math.nan
    last: float = math.nan
    n_points: int = 0
    others: dict[str, float] = field(default_factory=dict)
    quality: dict[str, Any] = field(default_factory=dict)


def find_modulus(
    strain: FloatArray, stress: FloatArray, u_strain: FloatArray, u_stress: FloatArray
) -> Modulus:
    """Find the elastic line of a loading record.

    ASTM E3076 where the record has 50 points or more and meets all of its quality figures;
    otherwise a continuous toe + line + line.

    Parameters
    ----------
    strain, stress, u_strain, u_stress : FloatArray
        From first load to the largest force, in time's order, shape (n,), all finite; unknown
        uncertainties may be NaN and are then taken from the record's own noise.
    """
    if strain.size < SMALLEST:
        return Modulus(reason=f"only {strain.size} points on the loading branch; four are needed")
    u_x, u_y = _typical(u_strain, strain), _typical(u_stress, stress)
    toe = fit_toe_line(strain, stress, u_x, u_y, u=_own(u_strain, u_stress, u_x, u_y))
    if toe is None:
        return Modulus(reason="no straight part of at least four points")
    long = fit_e3076(strain, stress) if strain.size >= LONG_RECORD else None
    quality = long.quality.as_dict() if long is not None else {}
    if long is not None and long.quality.data_good and long.quality.fit_good:
        return _from_e3076(strain, stress, u_x, u_y, long, toe)
    if toe.u_slope > _WORST * toe.slope:
        return Modulus(
            reason=f"the slope is known to {toe.u_slope / toe.slope:.0%} only", quality=quality
        )
    return Modulus(
        value=toe.slope,
        u=toe.u_slope,
        method="toe + line + line",
        zero_strain=toe.zero_strain,
        first=toe.first,
        last=toe.last,
        n_points=toe.n_points,
        others={"astm_e3076": long.slope} if long is not None else {},
        quality=quality,
    )


def _typical(u: FloatArray, values: FloatArray) -> float:
    known = u[np.isfinite(u) & (u > 0)]
    if known.size:
        return float(np.median(known))
    noise = robust_noise(values)
    return noise if math.isfinite(noise) and noise > 0 else 1e-6 * float(np.ptp(values))


def _own(
    u_strain: FloatArray, u_stress: FloatArray, u_x: float, u_y: float
) -> tuple[FloatArray, FloatArray]:
    """Each point's own uncertainties, the typical one where it has none."""
    return (
        np.where(np.isfinite(u_strain) & (u_strain > 0), u_strain, u_x),
        np.where(np.isfinite(u_stress) & (u_stress > 0), u_stress, u_y),
    )


def _from_e3076(
    strain: FloatArray,
    stress: FloatArray,
    u_x: float,
    u_y: float,
    long: E3076,
    toe: ElasticLine,
) -> Modulus:
    """Fit the standard's window with errors in both axes.

    Where the window begins and ends is itself a choice: the standard's line and the likeliest
    toe + line + line differ by it, so that line's u and the difference go into u.
    """
    x, y = strain[long.rows], stress[long.rows]
    line = fit_york(x, y, np.full_like(x, u_x), np.full_like(y, u_y))
    u = math.sqrt(line.u_slope**2 + toe.u_slope**2 + (line.slope - toe.slope) ** 2)
    return Modulus(
        value=line.slope,
        u=u,
        method="ASTM E3076",
        zero_strain=-line.intercept / line.slope,
        first=float(x.min()),
        last=float(x.max()),
        n_points=x.size,
        others={"toe_line_line": toe.slope, "ordinary_least_squares": long.slope},
        quality=long.quality.as_dict(),
    )

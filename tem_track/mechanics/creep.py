"""Creep: how fast a specimen flows while its load stays."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.records import FloatArray

__all__ = ["CreepRate", "creep_rate", "strain_rate", "stress_exponent"]


@dataclass(frozen=True, slots=True)
class CreepRate:
    """Rate of true strain during a hold.

    Attributes
    ----------
    rate_per_s, u_rate_per_s, stress_MPa : float
    first_row, last_row : int
    """

    rate_per_s: float
    u_rate_per_s: float
    stress_MPa: float
    first_row: int
    last_row: int


def _line(t: FloatArray, y: FloatArray, u: FloatArray) -> tuple[float, float]:
    """Weighted slope and its u, scaled by the scatter."""
    stated = np.where(np.isfinite(u) & (u > 0), u, np.nan)
    w = 1 / np.where(np.isfinite(stated), stated, 1.0) ** 2
    centre = float((w * t).sum() / w.sum())
    d = t - centre
    norm = float((w * d * d).sum())
    slope = float((w * d * y).sum() / norm)
    offset = float((w * y).sum() / w.sum())
    left = y - offset - slope * d
    scatter = float((w * left**2).sum()) / max(t.size - 2, 1)
    if np.isfinite(stated).all():
        scatter = max(scatter, 1.0)
    return slope, math.sqrt(scatter / norm)


def strain_rate(
    time_s: FloatArray, strain: FloatArray, u: FloatArray, stretch: FloatArray | None = None
) -> tuple[float, float]:
    """Return the slope of strain over time and its u; NaN below three points.

    Parameters
    ----------
    time_s, strain, u : FloatArray
        Shape (n,).
    stretch : FloatArray or None
        Number of the stretch that each point belongs to: stretches share the slope, not the start,
        so that what happened between them does not count.
    """
    known = np.isfinite(time_s) & np.isfinite(strain)
    if int(known.sum()) < 3:
        return (math.nan, math.nan)
    t, y = time_s[known], strain[known]
    group = np.zeros(t.size) if stretch is None else stretch[known]
    for number in np.unique(group):
        own = group == number
        t, y = t - own * t[own].mean(), y - own * y[own].mean()
    if not np.ptp(t) > 0:
        return (math.nan, math.nan)
    return _line(t, y, u[known])


def creep_rate(
    time_s: FloatArray,
    strain_true: FloatArray,
    u_strain: FloatArray,
    stress_MPa: FloatArray,
    hold: tuple[int, int],
) -> CreepRate:
    """Return the rate of true strain during a hold.

    Parameters
    ----------
    time_s, strain_true, u_strain, stress_MPa : FloatArray
        Shape (n,).
    hold : (int, int)
        First and last row, both inclusive.
    """
    rows = slice(hold[0], hold[1] + 1)
    rate, u = strain_rate(time_s[rows], strain_true[rows], u_strain[rows])
    stress = stress_MPa[rows]
    known = stress[np.isfinite(stress)]
    return CreepRate(rate, u, float(np.mean(known)) if known.size else math.nan, *hold)


def stress_exponent(rates: list[CreepRate]) -> float:
    """Return d ln(rate) / d ln(stress) over several holds; NaN below two."""
    good = [(r.stress_MPa, r.rate_per_s) for r in rates if r.rate_per_s > 0 and r.stress_MPa > 0]
    if len(good) < 2:
        return math.nan
    x, y = np.log(np.array(good)).T
    if np.ptp(x) < 1e-9:
        return math.nan
    return float(np.polyfit(x, y, 1)[0])

"""Modulus of a short record: a toe, a line and a second line, continuous, errors in both axes.

The record is divided by its uncertainties and turned so that its chord lies flat. There the noise
is the same in every direction, every part rises or falls gently, and ordinary least squares is
fair to both axes. Two breakpoints are searched on a grid; the slope is averaged over the grid by
likelihood, so that its uncertainty holds the doubt about where the line begins and ends.

It is meant for records too short for ASTM E3076, and assumes that toe, elastic line and hardening
are straight or bend by a power law. A specimen that flows far departs from any such shape, and its
flow would outvote the few elastic points: the record is cut where it has left the line by most of
the elastic strain, and fitted again. The steepest few points and the most significant window are
biased, the one high and the other low, and are not offered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.mechanics.parts import STATED, Fits, Turned, fit_parts, turn
from tem_track.records import FloatArray

__all__ = ["SMALLEST", "ElasticLine", "fit_toe_line"]

SMALLEST = 4
"""Points that an elastic line must hold."""

_SHARE = 0.1
"""Least share of the points that the line holds."""
_FLOWN = 0.7
"""Plastic over elastic strain from which on points are past the line."""
_NOISE = 8.0
"""The same in standard uncertainties."""
_CUTS = 3
"""Times that the line is fitted again to what is left."""
_PRIOR = 2
"""How much a longer line is preferred, as a power of its points."""


@dataclass(frozen=True, slots=True)
class ElasticLine:
    """The elastic part of a record.

    Attributes
    ----------
    slope, u_slope : float
        Modulus, in the ordinate's unit over the abscissa's.
    zero_strain : float
        Where the line meets the abscissa.
    first, last : float
        Abscissae between which it holds.
    n_points : int
        Points in between.
    """

    slope: float
    u_slope: float
    zero_strain: float
    first: float
    last: float
    n_points: int


def fit_toe_line(
    x: FloatArray,
    y: FloatArray,
    u_x: float,
    u_y: float,
    smallest: int = SMALLEST,
    u: tuple[FloatArray, FloatArray] | None = None,
) -> ElasticLine | None:
    """Fit toe + line + line.

    Parameters
    ----------
    x, y : FloatArray
        Strain and stress of the loading branch, shape (n,).
    u_x, u_y : float
        Their typical standard uncertainties; only the ratio matters.
    smallest : int
        Points that the line must hold.
    u : (FloatArray, FloatArray) or None
        The points' own uncertainties of x and y, as weights.

    Returns
    -------
    ElasticLine or None
        None where no line, steeper than what comes before and after it, holds enough points.
    """
    end, line = x.size, None
    for _ in range(_CUTS):
        own = None if u is None else (u[0][:end], u[1][:end])
        line = _fit(x[:end], y[:end], u_x, u_y, smallest, own)
        if line is None:
            return None
        sooner = max(_flows(x, y, line, u_x, u_y), min(x.size, smallest + 8))
        if sooner >= end:
            break
        end = sooner
    return line


def _flows(x: FloatArray, y: FloatArray, line: ElasticLine, u_x: float, u_y: float) -> int:
    """First row that has left the elastic line beyond doubt, by most of the elastic strain."""
    elastic = y / line.slope
    beyond = median_of_five(x - line.zero_strain - elastic)
    limit = np.maximum(_FLOWN * elastic, _NOISE * math.hypot(u_x, u_y / line.slope))
    late = elastic > 0.5 * (line.last - line.zero_strain)
    rows = np.flatnonzero((beyond > limit) & late)
    return int(rows[0]) if rows.size else x.size


def median_of_five(values: FloatArray) -> FloatArray:
    """Return the running median of five, the ends repeated."""
    padded = np.pad(values, 2, mode="edge")
    middle: FloatArray = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    return middle


def _fit(
    x: FloatArray,
    y: FloatArray,
    u_x: float,
    u_y: float,
    smallest: int,
    u: tuple[FloatArray, FloatArray] | None,
) -> ElasticLine | None:
    if x.size < smallest + 3:
        return None
    turned = turn(x, y, u_x, u_y, u)
    fits = fit_parts(turned, max(smallest, math.ceil(_SHARE * x.size)))
    return None if fits is None else _averaged(turned, fits)


def _averaged(turned: Turned, fits: Fits) -> ElasticLine:
    """Average the slope over all fits by likelihood, noise unknown."""
    likelihood = -(turned.along.size + STATED) / 2 * np.log(fits.left)
    log_weight = likelihood + fits.log_prior + _PRIOR * np.log(fits.points)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    mean = float(weight @ fits.slope)
    u = math.sqrt(float(weight @ ((fits.slope - mean) ** 2 + fits.variance)))
    best = int(np.argmax(weight))
    knots = np.array([fits.first[best], fits.last[best]])
    x, y = turned.to_record(knots, fits.height[best] + fits.slope[best] * knots)
    modulus = float(turned.modulus(np.array(mean)))
    width = turned.modulus(np.array([mean - u / 2, mean + u / 2]))
    inside = (turned.along >= knots[0]) & (turned.along <= knots[1])
    return ElasticLine(
        slope=modulus,
        u_slope=float(abs(width[1] - width[0])),
        zero_strain=float(x.mean() - y.mean() / modulus),
        first=float(x[0]),
        last=float(x[1]),
        n_points=int(inside.sum()),
    )

"""Modulus of a short record: a toe, a line and a second line, continuous, errors in both axes.

The record is divided by its uncertainties and turned so that its chord lies flat. There the noise
is the same in every direction, every part rises or falls gently, and ordinary least squares is
fair to both axes. Two breakpoints are searched on a grid; the slope is averaged over the grid by
likelihood, so that its uncertainty holds the doubt about where the line begins and ends.

It is meant for records too short for ASTM E3076, and assumes that toe, elastic line and hardening
are straight. The steepest few points and the most significant window are biased, the one high
and the other low, and are not offered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.mechanics.measurement import RowArray
from tem_track.records import FloatArray

__all__ = ["SMALLEST", "ElasticLine", "fit_toe_line"]

SMALLEST = 4
"""Points that an elastic line must hold."""

_KNOTS = 24
_CLOSE = 8.0
_ROUNDS = 7
_SHARE = 0.1
_PRIOR = 2
_TOES = (1.0, 2.0, 0.5)
_ENDS = (1.0, 2.0)


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


@dataclass(frozen=True, slots=True, eq=False)
class _Turned:
    """A record in units of its noise, its chord along `along`, sorted by it."""

    along: FloatArray
    off: FloatArray
    angle: float
    u_x: float
    u_y: float
    reach: float
    start: float

    def to_record(self, along: FloatArray, off: FloatArray) -> tuple[FloatArray, FloatArray]:
        c, s = math.cos(self.angle), math.sin(self.angle)
        along = self.start + along * self.reach
        return (along * c - off * s) * self.u_x, (along * s + off * c) * self.u_y

    def modulus(self, slope: FloatArray) -> FloatArray:
        turned = np.arctan(slope / self.reach) + self.angle
        return np.where(np.abs(turned) < math.pi / 2, np.tan(turned), np.nan) * self.u_y / self.u_x


def fit_toe_line(
    x: FloatArray, y: FloatArray, u_x: float, u_y: float, smallest: int = SMALLEST
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

    Returns
    -------
    ElasticLine or None
        None where no line, steeper than what comes before and after it, holds enough points.
    """
    if x.size < smallest + 3:
        return None
    turned = _turn(x, y, u_x, u_y)
    enough = max(smallest, math.ceil(_SHARE * x.size))
    fits = [_search(turned, enough, toe, end) for toe in _TOES for end in _ENDS]
    kept = [fit for fit in fits if fit.slope.size]
    if not kept:
        return None
    return _averaged(turned, _joined(kept))


@dataclass(frozen=True, slots=True, eq=False)
class _Fits:
    """Fits for many pairs of breakpoints; arrays of equal length."""

    first: FloatArray
    last: FloatArray
    height: FloatArray
    slope: FloatArray
    variance: FloatArray
    sse: FloatArray
    weight: FloatArray


def _joined(fits: list[_Fits]) -> _Fits:
    names = _Fits.__slots__
    return _Fits(*(np.concatenate([getattr(fit, name) for fit in fits]) for name in names))


def _turn(x: FloatArray, y: FloatArray, u_x: float, u_y: float) -> _Turned:
    u_x = max(u_x, 1e-9 * float(np.ptp(x)), 1e-300)
    u_y = max(u_y, 1e-9 * float(np.ptp(y)), 1e-300)
    xs, ys = x / u_x, y / u_y
    ends = max(1, x.size // 10)
    dx = float(xs[-ends:].mean() - xs[:ends].mean())
    dy = float(ys[-ends:].mean() - ys[:ends].mean())
    angle = math.atan2(dy, dx)
    c, s = math.cos(angle), math.sin(angle)
    along, off = xs * c + ys * s, ys * c - xs * s
    order = np.argsort(along, kind="stable")
    start, reach = float(along.min()), max(float(np.ptp(along)), 1e-300)
    return _Turned((along[order] - start) / reach, off[order], angle, u_x, u_y, reach, start)


def _search(turned: _Turned, enough: int, toe_power: float, end_power: float) -> _Fits:
    """Close in on the likely breakpoints until the grid resolves them."""
    limits = np.array([[0.0, 1.0], [0.0, 1.0]])
    for _ in range(_ROUNDS):
        first, last = (np.linspace(low, high, _KNOTS) for low, high in limits)
        fits = _fit(turned, first, last, enough, toe_power, end_power)
        if not fits.slope.size:
            return fits
        likely = fits.sse < fits.sse.min() * math.exp(2 * _CLOSE / max(turned.along.size - 4, 1))
        closer = np.array([_around(fits.first[likely], first), _around(fits.last[likely], last)])
        shrunk = np.ptp(closer, axis=1) < 0.6 * np.ptp(limits, axis=1)
        limits = closer
        if not shrunk.any():
            break
    return fits


def _around(values: FloatArray, grid: FloatArray) -> tuple[float, float]:
    step = float(grid[1] - grid[0])
    return max(float(values.min()) - step, 0.0), min(float(values.max()) + step, 1.0)


def _fit(
    turned: _Turned,
    first: FloatArray,
    last: FloatArray,
    enough: int,
    toe_power: float,
    end_power: float,
) -> _Fits:
    """Least squares of line, toe and end for every pair of breakpoints at once."""
    t, v = turned.along, turned.off - turned.off.mean()
    below, upto = np.searchsorted(t, first), np.searchsorted(t, last, side="right")
    inside = upto[None, :] - below[:, None]
    i, j = np.nonzero((inside >= enough) & (last[None, :] > first[:, None]))
    gram, right = _normal_equations(t, v, _toe(first, t, toe_power), _end(last, t, end_power), i, j)
    inverse = np.linalg.inv(gram)
    c = np.einsum("mij,mj->mi", inverse, right)
    total = float(v @ v)
    sse = np.maximum(total - np.einsum("mi,mi->m", c, right), 1e-11 * total)
    good = (turned.modulus(c[:, 1]) > 0) & (c[:, 2] >= -1e-9) & (c[:, 3] <= 1e-9)
    variance = sse / max(t.size - 6, 1) * inverse[:, 1, 1]
    height = c[:, 0] + turned.off.mean()
    every = (first[i], last[j], height, c[:, 1], variance, sse, inside[i, j].astype(float))
    return _Fits(*(values[good] for values in every))


def _normal_equations(
    t: FloatArray, v: FloatArray, toe: FloatArray, end: FloatArray, i: RowArray, j: RowArray
) -> tuple[FloatArray, FloatArray]:
    """Gram matrices and right sides of 1, t, toe i and end j for every pair."""
    plain = np.stack([np.ones_like(t), t])
    gram = np.empty((i.size, 4, 4))
    gram[:, :2, :2] = plain @ plain.T
    gram[:, 2, :2] = gram[:, :2, 2] = (toe @ plain.T)[i]
    gram[:, 3, :2] = gram[:, :2, 3] = (end @ plain.T)[j]
    gram[:, 2, 3] = gram[:, 3, 2] = (toe @ end.T)[i, j]
    gram[:, 2, 2], gram[:, 3, 3] = (toe**2).sum(axis=1)[i], (end**2).sum(axis=1)[j]
    gram[:, range(4), range(4)] += 1e-13 * t.size
    right = np.empty((i.size, 4))
    right[:, :2] = plain @ v
    right[:, 2], right[:, 3] = (toe @ v)[i], (end @ v)[j]
    return gram, right


def _end(places: FloatArray, t: FloatArray, power: float) -> FloatArray:
    end: FloatArray = np.clip(t - places[:, None], 0, None) ** power
    return end


def _toe(places: FloatArray, t: FloatArray, power: float) -> FloatArray:
    """How a toe departs from its line: straight, as a parabola, or as one lying on its side."""
    if power < 1:
        lying: FloatArray = np.clip(np.sqrt(places[:, None]) - np.sqrt(t), 0, None) ** 2
        return lying
    toe: FloatArray = np.clip(places[:, None] - t, 0, None) ** power
    return toe


def _averaged(turned: _Turned, fits: _Fits) -> ElasticLine:
    """Average the slope over all fits by likelihood, noise unknown."""
    n = turned.along.size
    weight = fits.weight**_PRIOR * np.exp(-(n - 4) / 2 * np.log(fits.sse / fits.sse.min()))
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

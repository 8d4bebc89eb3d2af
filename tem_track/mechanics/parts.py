"""Three connected parts of a record, fitted for every pair of breakpoints.

The record is divided by its uncertainties and turned so that its chord lies flat: there the noise
is the same in every direction and every part rises or falls gently. For given breakpoints the
rest is linear least squares; grids of breakpoints close in on the likely ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.mechanics.measurement import RowArray
from tem_track.records import FloatArray

__all__ = ["STATED", "Fits", "Turned", "fit_parts", "turn"]

STATED = 4
"""The stated uncertainty counts as so many points beside the record's own scatter."""

_TOES = (0.0, 1.0, 2.0, 0.5)
"""Powers of the part before the line that are tried; 0: there is none."""
_ENDS = (0.0, 1.0, 2.0, 4.0)
"""Powers of the part behind the line that are tried; 0: there is none."""
_PRICE = 0.7
"""What each further parameter costs in the logarithm of the likelihood."""
_KNOTS = 24
"""Places of each end of the line in one round of the search."""
_CLOSE = 8.0
"""Logarithm of the likelihood by which the best is left behind before a place is given up."""
_ROUNDS = 7
"""Rounds of the search, each on a finer grid."""


@dataclass(frozen=True, slots=True, eq=False)
class Turned:
    """A record in units of its noise, its chord along `along`, sorted by it.

    Attributes
    ----------
    along, off : FloatArray
        Along the chord from 0 to 1, and at right angles to it in units of the noise.
    root_weight : FloatArray
        Typical uncertainty of `off` over that of the point.
    angle : float
        Of the chord, in radians.
    u_x, u_y : float
        Units of the noise.
    reach, start : float
        Length of the chord, and where it begins.
    """

    along: FloatArray
    off: FloatArray
    root_weight: FloatArray
    angle: float
    u_x: float
    u_y: float
    reach: float
    start: float

    def to_record(self, along: FloatArray, off: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return abscissa and ordinate of turned points."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        along = self.start + along * self.reach
        return (along * c - off * s) * self.u_x, (along * s + off * c) * self.u_y

    def modulus(self, slope: FloatArray) -> FloatArray:
        """Return the record's slope for a slope in turned coordinates; NaN beyond vertical."""
        turned = np.arctan(slope / self.reach) + self.angle
        return np.where(np.abs(turned) < math.pi / 2, np.tan(turned), np.nan) * self.u_y / self.u_x


@dataclass(frozen=True, slots=True, eq=False)
class Fits:
    """Fits for many pairs of breakpoints; arrays of equal length.

    Attributes
    ----------
    first, last : FloatArray
        Breakpoints along the chord, 0 to 1.
    height, slope, variance : FloatArray
        Of the line between them; variance is of the slope.
    left : FloatArray
        Sum of squares left, in units of the noise, with the stated noise counted in.
    points : FloatArray
        Points between the breakpoints.
    log_prior : FloatArray
        Share of the breakpoints' range that the fit stands for, and the price of its parameters.
    """

    first: FloatArray
    last: FloatArray
    height: FloatArray
    slope: FloatArray
    variance: FloatArray
    left: FloatArray
    points: FloatArray
    log_prior: FloatArray


def fit_parts(turned: Turned, enough: int) -> Fits | None:
    """Fit line, toe and end in all their shapes, each of which may be missing.

    Parameters
    ----------
    turned : Turned
    enough : int
        Points that the line must hold.
    """
    every = [_search(turned, enough, toe, end) for toe in _TOES for end in _ENDS]
    kept = [fits for fits in every if fits.slope.size]
    if not kept:
        return None
    names = Fits.__slots__
    return Fits(*(np.concatenate([getattr(fits, name) for fits in kept]) for name in names))


def turn(
    x: FloatArray,
    y: FloatArray,
    u_x: float,
    u_y: float,
    u: tuple[FloatArray, FloatArray] | None = None,
) -> Turned:
    """Divide a record by its uncertainties and turn its chord flat."""
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
    root_weight = np.ones_like(along)
    if u is not None:
        own = np.hypot(u[1] / u_y * c, u[0] / u_x * s)
        # A point that claims to be perfect must not rule the fit alone.
        root_weight = 1 / np.clip(own, 0.5, 20.0)
    return Turned(
        (along[order] - start) / reach,
        off[order],
        root_weight[order],
        angle,
        u_x,
        u_y,
        reach,
        start,
    )


def _search(turned: Turned, enough: int, toe_power: float, end_power: float) -> Fits:
    """Close in on the likely breakpoints until the grid resolves them."""
    limits = np.array([[0.0, 1.0], [0.0, 1.0]])
    for _ in range(_ROUNDS):
        first = np.linspace(limits[0, 0], limits[0, 1], _KNOTS) if toe_power else np.zeros(1)
        last = np.linspace(limits[1, 0], limits[1, 1], _KNOTS) if end_power else np.ones(1)
        fits = _fit(turned, first, last, enough, toe_power, end_power)
        if not fits.slope.size:
            return fits
        likely = fits.left < fits.left.min() * math.exp(2 * _CLOSE / (turned.along.size + STATED))
        closer = np.array([_around(fits.first[likely], first), _around(fits.last[likely], last)])
        shrunk = np.ptp(closer, axis=1) < 0.6 * np.ptp(limits, axis=1)
        limits = closer
        if not (shrunk & np.array([toe_power > 0, end_power > 0])).any():
            break
    return fits


def _step(grid: FloatArray) -> float:
    return float(grid[1] - grid[0]) if grid.size > 1 else 1.0


def _around(values: FloatArray, grid: FloatArray) -> tuple[float, float]:
    if grid.size == 1:
        return (0.0, 1.0)
    step = _step(grid)
    return max(float(values.min()) - step, 0.0), min(float(values.max()) + step, 1.0)


def _fit(
    turned: Turned,
    first: FloatArray,
    last: FloatArray,
    enough: int,
    toe_power: float,
    end_power: float,
) -> Fits:
    """Least squares of line, toe and end for every pair of breakpoints at once."""
    t, v = turned.along, turned.off - turned.off.mean()
    below, upto = np.searchsorted(t, first), np.searchsorted(t, last, side="right")
    inside = upto[None, :] - below[:, None]
    i, j = np.nonzero((inside >= enough) & (last[None, :] > first[:, None]))
    w = turned.root_weight
    toe, end = _toe(first, t, toe_power) * w, _end(last, t, end_power) * w
    gram, right = _normal_equations(np.stack([w, t * w]), v * w, toe, end, i, j)
    inverse = np.linalg.inv(gram)
    c = np.einsum("mij,mj->mi", inverse, right)
    total = float((v * w) @ (v * w))
    sse = np.maximum(total - np.einsum("mi,mi->m", c, right), 1e-11 * total)
    good = (turned.modulus(c[:, 1]) > 0) & (c[:, 2] >= -1e-9) & (c[:, 3] <= 1e-9)
    k = 2 + (toe_power > 0) + (end_power > 0)
    left = sse + STATED
    variance = left / max(t.size - k - 2 + STATED, 1) * inverse[:, 1, 1]
    price = math.log(_step(first) * _step(last)) - k * _PRICE
    height = c[:, 0] + turned.off.mean()
    prior = np.full(i.size, price)
    points = inside[i, j].astype(float)
    every = (first[i], last[j], height, c[:, 1], variance, left, points, prior)
    return Fits(*(values[good] for values in every))


def _normal_equations(
    plain: FloatArray, v: FloatArray, toe: FloatArray, end: FloatArray, i: RowArray, j: RowArray
) -> tuple[FloatArray, FloatArray]:
    """Gram matrices and right sides of the line, toe i and end j for every pair, weighted."""
    gram = np.empty((i.size, 4, 4))
    gram[:, :2, :2] = plain @ plain.T
    gram[:, 2, :2] = gram[:, :2, 2] = (toe @ plain.T)[i]
    gram[:, 3, :2] = gram[:, :2, 3] = (end @ plain.T)[j]
    gram[:, 2, 3] = gram[:, 3, 2] = (toe @ end.T)[i, j]
    gram[:, 2, 2], gram[:, 3, 3] = (toe**2).sum(axis=1)[i], (end**2).sum(axis=1)[j]
    gram[:, range(4), range(4)] += 1e-13 * v.size
    right = np.empty((i.size, 4))
    right[:, :2] = plain @ v
    right[:, 2], right[:, 3] = (toe @ v)[i], (end @ v)[j]
    return gram, right


def _end(places: FloatArray, t: FloatArray, power: float) -> FloatArray:
    if not power:
        return np.zeros((places.size, t.size))
    end: FloatArray = np.clip(t - places[:, None], 0, None) ** power
    return end


def _toe(places: FloatArray, t: FloatArray, power: float) -> FloatArray:
    """How a toe departs from its line: straight, as a parabola, or as one lying on its side."""
    if not power:
        return np.zeros((places.size, t.size))
    if power < 1:
        lying: FloatArray = np.clip(np.sqrt(places[:, None]) - np.sqrt(t), 0, None) ** 2
        return lying
    toe: FloatArray = np.clip(places[:, None] - t, 0, None) ** power
    return toe

"""Which of three laws a record tells apart, by drawing records of which another law is true.

How far a layer's errors reach in time is known only roughly: noise, grain that lasts, and what is
left of both where frames are held by their common course. A law and an error model are fitted
together, and the lead of the best law over a rival is asked of records that the rival's fit draws,
each fitted in the same way: a parametric bootstrap of likelihood ratios (Cox 1962; Davison &
Hinkley 1997, ch. 4). A law is linear in its parameters but for one, which runs over a grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from tem_track.records import FloatArray

__all__ = ["NAMES", "Contest", "Contestant", "even"]

NAMES = ("linear", "parabolic", "logarithmic")
_PARAMETERS = (2, 2, 3)
_STEEPNESS = np.geomspace(0.1, 1e4, 48)  # of a parabola: (x_end / x_start)^2 - 1
_SPANS_OF_TAU = np.geomspace(1e-4, 1 / 3, 30)
_LASTING = 1 / 6
"""Length over which a thickness's lasting errors are alike, as a part of the record."""
_OWN_SHARES = (0.03, 0.15, 0.35)
"""How much a frame's own fit counts beside the course's, where the frames are held by one."""
_HELD_NOISE, _HELD_LASTING = (0.25, 0.5, 0.9, 1.5), (0.7, 0.9, 1.15)
_FREE_NOISE, _FREE_LASTING = (1.0, 1.6, 2.5), (1.0, 1.5)
_U_NOISE, _U_LASTING = 0.6, 0.15
"""Of the natural logarithms of noise and lasting part, in units of what the record states."""
_REACH, _NEAREST = 0.15, 7
_TINY = 1e-4
"""Variance, over a thickness's own, that keeps a covariance from being singular."""
DRAWN = 400
"""Records that each rival draws: a chance of a twentieth is told to 1 %."""


def even(t: FloatArray, u: FloatArray) -> FloatArray:
    """Return uncertainties without their scatter: slow, by straight lines of their logarithms.

    An uncertainty is itself an estimate. Taken at its word, its jumps are the pattern of errors
    that last, and a law is told from another by them.
    """
    if len(t) <= _NEAREST or not (u > 0).all():
        return u
    return np.asarray(np.exp(_course(t / max(float(t[-1]), 1e-9), np.ones(len(t))) @ np.log(u)))


def _course(x: FloatArray, u: FloatArray) -> FloatArray:
    """Return the matrix of straight lines about each frame, as a layer's course is drawn."""
    apart = np.abs(x[:, None] - x)
    nearest = np.sort(apart, axis=1)[:, min(_NEAREST, len(x) - 1)]
    reach = 1.01 * np.maximum(nearest, _REACH * x[-1])[:, None]
    weight = np.clip(1 - (apart / reach) ** 3, 0, None) ** 3 / u**2
    total = weight.sum(axis=1)
    at = weight @ x / total
    square = np.maximum(weight @ x**2 / total - at**2, 1e-12)
    lever = (x - at)[:, None] * (x[None, :] - at[:, None]) / square[:, None]
    return np.asarray(weight / total[:, None] * (1 + lever))


@dataclass(frozen=True, slots=True, eq=False)
class _Errors:
    """One model of the errors: root of its covariance, what holds the frames, and its cost."""

    root: FloatArray
    held: FloatArray | None
    cost: float
    bases: tuple[FloatArray, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Contestant:
    """A law's best fit.

    Attributes
    ----------
    name : str
    aicc : float
    thickness : FloatArray
    root : FloatArray
        Lower triangle whose square is the covariance of the errors that suit it best.
    held : FloatArray or None
        Matrix that draws a course to what is measured of it.
    """

    name: str
    aicc: float
    thickness: FloatArray
    root: FloatArray
    held: FloatArray | None


class Contest:
    """Fits of all laws with all models of the errors to a record, and to records that are drawn.

    Parameters
    ----------
    t, x : FloatArray
        Time from 0 and thickness, shape (n,).
    u, u_lasting : FloatArray
        Independent errors, and those that last for a sixth of the record; of the latter none
        where all are 0.
    """

    def __init__(self, t: FloatArray, x: FloatArray, u: FloatArray, u_lasting: FloatArray) -> None:
        self.x = x
        span = t / float(t[-1])
        self.designs = _designs(span)
        n = len(t)
        self.penalty = np.array([_penalty(k, n) for k in _PARAMETERS])
        self.models = [
            self._model(covariance, held, cost)
            for covariance, held, cost in _error_models(span, u, u_lasting)
        ]
        scores, where = self._scores(x[:, None])
        self.fits = [
            self._fit(j, int(where[j, 0, 0]), int(where[j, 0, 1]), float(scores[j, 0]))
            for j in range(len(NAMES))
        ]

    def chance(self, best: int, rival: int) -> float:
        """Return how often `best` leads by as much as it does where the rival is true."""
        rng = np.random.default_rng(rival)
        fit = self.fits[rival]
        noise = fit.root @ rng.standard_normal((len(self.x), DRAWN))
        scores, _ = self._scores(_seen(fit.held, fit.thickness)[:, None] + noise)
        lead = fit.aicc - self.fits[best].aicc
        return float(np.mean(scores[rival] - scores[best] >= lead))

    def _model(self, covariance: FloatArray, held: FloatArray | None, cost: float) -> _Errors:
        root: FloatArray = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
        bases = []
        for design in self.designs:
            grid, n, k = design.shape
            flat = _seen(held, design.transpose(1, 0, 2).reshape(n, grid * k))
            white = solve_triangular(root, flat, lower=True).reshape(n, grid, k)
            bases.append(np.linalg.qr(white.transpose(1, 0, 2))[0])
        log_volume = 2 * float(np.log(np.diag(root)).sum())
        return _Errors(root, held, cost + log_volume, tuple(bases))

    def _scores(self, records: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return each law's criterion for each column, and which errors and grid point give it."""
        count = records.shape[1]
        best = np.full((len(NAMES), count), math.inf)
        where = np.zeros((len(NAMES), count, 2), dtype=int)
        for number, model in enumerate(self.models):
            white = solve_triangular(model.root, records, lower=True)
            square = (white * white).sum(axis=0)
            for law, basis in enumerate(model.bases):
                grid, n, k = basis.shape
                along = basis.transpose(0, 2, 1).reshape(grid * k, n) @ white
                left = square - (along.reshape(grid, k, count) ** 2).sum(axis=1)
                at = left.argmin(axis=0)
                score = _lowest(left, at) + model.cost + self.penalty[law]
                better = score < best[law]
                best[law, better] = score[better]
                where[law, better, 0] = number
                where[law, better, 1] = at[better]
        return best, where

    def _fit(self, law: int, number: int, at: int, score: float) -> Contestant:
        model, design = self.models[number], self.designs[law][at]
        columns = solve_triangular(model.root, _seen(model.held, design), lower=True)
        record = solve_triangular(model.root, self.x, lower=True)
        weights = np.linalg.lstsq(columns, record, rcond=None)[0]
        return Contestant(NAMES[law], score, design @ weights, model.root, model.held)


def _lowest(left: FloatArray, at: NDArray[np.intp]) -> FloatArray:
    """Return each column's minimum, by the parabola through the grid's points about it."""
    columns = np.arange(left.shape[1])
    middle = left[at, columns]
    if len(left) < 3:
        return np.asarray(middle)
    inside = np.clip(at, 1, len(left) - 2)
    low, centre, high = (left[inside + k, columns] for k in (-1, 0, 1))
    bend = low - 2 * centre + high
    deeper = np.where(bend > 0, (high - low) ** 2 / (8 * np.maximum(bend, 1e-12)), 0.0)
    return np.asarray(np.where(inside == at, centre - deeper, middle))


def _seen(held: FloatArray | None, values: FloatArray) -> FloatArray:
    return values if held is None else np.asarray(held @ values)


def _designs(span: FloatArray) -> tuple[FloatArray, ...]:
    """Return each law's columns at each point of its grid, shape (grid, n, parameters)."""
    one = np.ones(len(span))
    line = np.column_stack([one, span])[None]
    parabola = np.sqrt(1 + _STEEPNESS[:, None] * span)[:, :, None]
    logarithm = np.stack([np.column_stack([one, np.log1p(span / s)]) for s in _SPANS_OF_TAU])
    return line, parabola, logarithm


def _error_models(
    span: FloatArray, u: FloatArray, u_lasting: FloatArray
) -> list[tuple[FloatArray, FloatArray | None, float]]:
    """Return covariances, what holds the frames, and what each costs beforehand."""
    alike = np.exp(-np.abs(span[:, None] - span) / _LASTING)
    lasts = bool((u_lasting > 0).any())
    out: list[tuple[FloatArray, FloatArray | None, float]] = []
    for noise in _FREE_NOISE:
        for lasting in _FREE_LASTING if lasts else (1.0,):
            covariance = np.diag((noise * u) ** 2)
            covariance = covariance + lasting**2 * np.outer(u_lasting, u_lasting) * alike
            out.append((covariance, None, _cost(noise, lasting)))
    if not lasts:
        return out
    whole = np.hypot(u, u_lasting)
    course = _course(span, whole)
    for share in _OWN_SHARES:
        held = share * np.eye(len(span)) + (1 - share) * course
        for noise in _HELD_NOISE:
            for lasting in _HELD_LASTING:
                own = np.diag((noise * whole) ** 2) + lasting**2 * np.outer(whole, whole) * alike
                covariance = held @ own @ held.T + _TINY * np.diag(whole**2)
                out.append((covariance, held, _cost(noise, lasting)))
    return out


def _cost(noise: float, lasting: float) -> float:
    return (math.log(noise) / _U_NOISE) ** 2 + (math.log(lasting) / _U_LASTING) ** 2


def _penalty(parameters: int, n: int) -> float:
    spare = n - parameters - 1
    return 2 * parameters * n / spare if spare > 0 else math.inf

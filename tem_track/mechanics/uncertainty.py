"""Uncertainty: first-order propagation on arrays, Monte Carlo, the budget, and how to print it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tem_track.records import FloatArray

__all__ = ["Budget", "monte_carlo", "propagate", "shortest_interval", "two_digits"]

Function = Callable[..., FloatArray]


def propagate(
    function: Function,
    values: Mapping[str, FloatArray | float],
    u: Mapping[str, FloatArray | float],
) -> FloatArray:
    """Propagate independent standard uncertainties to first order, element by element.

    Parameters
    ----------
    function : callable
        Takes the values by name and returns an array of shape (n,).
    values : mapping of str to array or float
    u : mapping of str to array or float
        Standard uncertainties; a name that is absent counts as exact.

    Returns
    -------
    FloatArray
        Shape (n,). Derivatives are central differences over plus and minus one u, which is exact
        for lines and parabolas and needs no formula; one-sided where the function ends between.
    """
    total: FloatArray | float = 0.0
    middle = function(**values)
    for name, spread in u.items():
        high = function(**{**values, name: values[name] + spread})
        low = function(**{**values, name: values[name] - spread})
        half = np.where(np.isnan(low), high - middle, (high - low) / 2)
        total = total + np.where(np.isnan(high), middle - low, half) ** 2
    return np.sqrt(np.asarray(total, dtype=np.float64))


def monte_carlo(
    function: Function,
    values: Mapping[str, float],
    u: Mapping[str, float],
    draws: int = 100_000,
    seed: int = 20220,
) -> FloatArray:
    """Draw the function's values where first order is not enough (JCGM 101), normal inputs.

    Parameters
    ----------
    function : callable
        Takes the inputs by name, as arrays.
    values, u : mapping of str to float
        The inputs and their standard uncertainties.
    draws, seed : int

    Returns
    -------
    FloatArray
        Shape (draws,); the seed is fixed, so the same input gives the same draws.
    """
    rng = np.random.default_rng(seed)
    drawn = {
        name: value + u.get(name, 0.0) * rng.standard_normal(draws)
        for name, value in values.items()
    }
    return np.asarray(function(**drawn), dtype=np.float64)


def shortest_interval(draws: FloatArray, coverage: float = 0.95) -> tuple[float, float]:
    """Return the shortest interval that holds the given share of the draws."""
    ordered = np.sort(draws[np.isfinite(draws)])
    if not ordered.size:
        return (math.nan, math.nan)
    inside = max(1, math.ceil(coverage * ordered.size))
    width = ordered[inside - 1 :] - ordered[: ordered.size - inside + 1]
    start = int(np.argmin(width))
    return (float(ordered[start]), float(ordered[start + inside - 1]))


@dataclass(frozen=True, slots=True)
class Budget:
    """What a result's relative standard uncertainty is made of.

    Attributes
    ----------
    parts : mapping of str to float
        Relative standard uncertainty by source; NaN where a source was not given.
    """

    parts: Mapping[str, float]

    @property
    def relative(self) -> float:
        """Combined relative standard uncertainty; sources that are not known are left out."""
        return math.sqrt(math.fsum(p * p for p in self.parts.values() if math.isfinite(p)))


def two_digits(value: float, u: float) -> str:
    """Write a value and its uncertainty with two significant digits of the latter.

    Examples
    --------
    >>> two_digits(36.371, 3.782)
    '36.4 ± 3.8'
    """
    if not (math.isfinite(value) and math.isfinite(u)):
        return f"{value:.4g}"
    if u <= 0:
        return f"{value:.6g}"
    places = 1 - math.floor(math.log10(float(f"{u:.1e}")))
    if places >= 0:
        return f"{value:.{places}f} ± {u:.{places}f}"
    unit = 10**-places
    return f"{round(value / unit) * unit:.0f} ± {round(u / unit) * unit:.0f}"

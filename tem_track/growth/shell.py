"""By which law a surface layer thickens: linear, parabolic or logarithmic, where the data can tell.

linear x = x0 + k t (the reaction limits), parabolic x^2 = x0^2 + 2 k t (diffusion through the
layer limits), logarithmic x = x0 + k ln(1 + t / tau). Compared by AICc, the Akaike criterion
corrected for few points (Hurvich & Tsai 1989).

A logarithm whose rate falls little bends like a parabola, or not at all: no measurement would tell
them apart. So only such count as logarithmic whose rate falls to a quarter or less within the
record; in the laws of Cabrera & Mott (1949) and its like the rate falls by e with every fraction
of a nanometre to a few, and does so many times over.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import least_squares

from tem_track.growth.contest import NAMES, Contest, Contestant, even
from tem_track.records import FloatArray

__all__ = ["LAWS", "ShellLaw", "shell_law"]

LEAST_POINTS = 5
LEAST_FACTOR = 2.0
_MOST_EXCESS = 1.0
_SPANS_OF_TAU = 1e-4, 1 / 3
CLEAR_AICC = 4.8
"""A rival this much worse is rejected. The one with a further number pays 2.1 for it, so that its
chi-square is worse by 2.7 at least. If it were true, that difference would be normal about -D^2
with a standard deviation of 2 D, D being the two laws' distance in units of the noise (Cox 1962):
the chance to exceed 2.7 is largest at D = 1.64, and is 5 % there. Of the others it asks more."""
MOST_CHANCE = 0.05
"""That holds where the errors are known. They are not quite, so a rival must also let the best law
lead by as much in no more than a twentieth of the records that it draws itself, with errors that
are fitted anew to each. Of two rivals one is far the nearer, so that both make little more."""


@dataclass(frozen=True, slots=True)
class ShellLaw:
    """The law and why.

    Attributes
    ----------
    name : {'linear', 'parabolic', 'logarithmic', 'undetermined'}
    reason : str
    parameters : dict
        Of the best law: x0_nm with k_nm_per_s, k_nm2_per_s, or k_nm and tau_s.
    u_parameters : dict
        Their standard uncertainties.
    delta_aicc : dict
        Each law's AICc above the best one's.
    """

    name: str
    reason: str
    parameters: dict[str, float] = field(default_factory=dict)
    u_parameters: dict[str, float] = field(default_factory=dict)
    delta_aicc: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Law:
    names: tuple[str, ...]
    thickness: Callable[[FloatArray, FloatArray], FloatArray]
    starts: Callable[[FloatArray, FloatArray], list[list[float]]]


def _linear(p: FloatArray, t: FloatArray) -> FloatArray:
    return np.asarray(p[0] + p[1] * t)


def _parabolic(p: FloatArray, t: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(np.maximum(p[0] * abs(p[0]) + 2 * p[1] * t, 1e-12)))


def _logarithmic(p: FloatArray, t: FloatArray) -> FloatArray:
    return np.asarray(p[0] + p[1] * np.log1p(t / np.exp(p[2])))


def _start_line(t: FloatArray, x: FloatArray) -> list[list[float]]:
    slope, offset = np.polyfit(t, x, 1)
    return [[float(offset), float(slope)]]


def _start_parabola(t: FloatArray, x: FloatArray) -> list[list[float]]:
    slope, offset = (float(v) for v in np.polyfit(t, x * x, 1))
    line = [math.copysign(math.sqrt(abs(offset)), offset), slope / 2]
    last = float(x[-1])
    return [line] + [
        [share * last, (1.0 - share**2) * last**2 / (2 * float(t[-1]))] for share in (0.1, 0.5)
    ]


def _start_log(t: FloatArray, x: FloatArray) -> list[list[float]]:
    rise, span = float(x[-1] - x[0]), float(t[-1])
    return [[float(x[0]), rise / math.log1p(k), math.log(span / k)] for k in (5.0, 30.0, 300.0)]


LAWS = {
    "linear": _Law(("x0_nm", "k_nm_per_s"), _linear, _start_line),
    "parabolic": _Law(("x0_nm", "k_nm2_per_s"), _parabolic, _start_parabola),
    "logarithmic": _Law(("x0_nm", "k_nm", "ln_tau"), _logarithmic, _start_log),
}


def shell_law(
    time_s: FloatArray,
    shell_nm: FloatArray,
    u_shell_nm: FloatArray,
    u_lasting_nm: FloatArray | None = None,
) -> ShellLaw:
    """Name the law by which a layer thickens.

    Parameters
    ----------
    time_s, shell_nm, u_shell_nm : FloatArray
        Shape (n,); missing points are left out. Time counts from the first one left. The errors
        of `u_shell_nm` are independent.
    u_lasting_nm : FloatArray or None
        Further errors that last for about a sixth of the record: grain that falsifies one frame is
        still there in the next, until the edges have grown past it.

    Returns
    -------
    ShellLaw
        'undetermined' below five points, where the thickness grows by less than a factor of two,
        or where a rival, were it true, would often enough let the best law lead by as much.
    """
    use = np.isfinite(time_s) & np.isfinite(shell_nm) & (u_shell_nm > 0)
    t, x = time_s[use], shell_nm[use]
    if len(t) < LEAST_POINTS:
        return ShellLaw("undetermined", f"{len(t)} points with a shell; {LEAST_POINTS} are needed")
    t = t - t[0]
    u = even(t, u_shell_nm[use])
    lasting = np.zeros(len(t)) if u_lasting_nm is None else even(t, u_lasting_nm[use])
    contest = _widened(t, x, u, lasting)
    order = sorted(range(len(NAMES)), key=lambda law: contest.fits[law].aicc)
    best, rivals = order[0], order[1:]
    name = NAMES[best]
    delta = {fit.name: fit.aicc - contest.fits[best].aicc for fit in contest.fits}
    fit = _fit(LAWS[name], t, x, contest.fits[best])
    found = _reported(LAWS[name], fit, delta)
    factor = _factor(LAWS[name], fit, t)
    if factor < LEAST_FACTOR:
        reason = f"the thickness grows by a factor of {factor:.2f} only; {LEAST_FACTOR:g} is needed"
        return found("undetermined", reason)
    close = [NAMES[r] for r in rivals if delta[NAMES[r]] < CLEAR_AICC]
    if close:
        return found("undetermined", f"{name} fits best, but {' and '.join(close)} nearly as well")
    chances = {NAMES[r]: contest.chance(best, r) for r in rivals}
    close = [rival for rival, chance in chances.items() if chance > MOST_CHANCE]
    if close:
        often = max(chances.values())
        return found(
            "undetermined",
            f"{name} fits best, but would do so as clearly in {100 * often:.0f} % of such records"
            f" if {' or '.join(close)} were true",
        )
    return found(
        name, f"every other law is worse by {min(delta[NAMES[r]] for r in rivals):.0f} AICc"
    )


def _widened(t: FloatArray, x: FloatArray, u: FloatArray, lasting: FloatArray) -> Contest:
    """Return the fits, the errors widened where even the best law scatters more than they say."""
    contest = Contest(t, x, u, lasting)
    best = min(contest.fits, key=lambda fit: fit.aicc)
    seen = best.thickness if best.held is None else best.held @ best.thickness
    rest = solve_triangular(best.root, x - seen, lower=True)
    excess = math.sqrt(float((rest**2).sum()) / max(len(t) - 2, 1))
    return contest if excess <= _MOST_EXCESS else Contest(t, x, excess * u, excess * lasting)


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    values: FloatArray
    u_values: FloatArray


def _fit(law: _Law, t: FloatArray, x: FloatArray, like: Contestant) -> _Fit:
    def rest(p: FloatArray) -> FloatArray:
        course = law.thickness(p, t)
        seen = course if like.held is None else like.held @ course
        return np.asarray(solve_triangular(like.root, seen - x, lower=True))

    low, high = np.full(len(law.names), -math.inf), np.full(len(law.names), math.inf)
    if "ln_tau" in law.names:
        low[-1], high[-1] = (math.log(span * float(t[-1])) for span in _SPANS_OF_TAU)
    tries = [
        least_squares(rest, start, bounds=(low, high), x_scale="jac", max_nfev=400)
        for start in law.starts(t, x)
    ]
    found = min(tries, key=lambda one: float(one.cost))
    n, k = len(t), len(found.x)
    scatter = max(float((found.fun**2).sum()) / max(n - k, 1), 1.0)
    covariance = np.linalg.pinv(found.jac.T @ found.jac) * scatter
    return _Fit(found.x, np.sqrt(np.diag(covariance)))


def _factor(law: _Law, fit: _Fit, t: FloatArray) -> float:
    first, last = law.thickness(fit.values, t[[0, -1]])
    return float(last / first) if first > 0 else math.inf


def _reported(law: _Law, fit: _Fit, delta: dict[str, float]) -> Callable[[str, str], ShellLaw]:
    values = dict(zip(law.names, fit.values.tolist(), strict=True))
    u_values = dict(zip(law.names, fit.u_values.tolist(), strict=True))
    if "ln_tau" in values:
        tau = math.exp(min(values.pop("ln_tau"), 700.0))
        values["tau_s"], u_values["tau_s"] = tau, tau * u_values.pop("ln_tau")
    return lambda name, reason: ShellLaw(name, reason, values, u_values, delta)

"""Where the curve begins to carry load.

A flat baseline and a power law, b + c (t - t0)^p for t > t0, is fitted around the first rise with p
either 1 or 1.5 by least squares over t0. The gap in the image is the cross-check: a frame that
shows a gap carries no load whatever the curve does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from tem_track.mechanics.measurement import BoolArray
from tem_track.records import FloatArray

__all__ = ["Contact", "Hinge", "find_contact", "fit_hinge", "open_gap", "robust_noise"]

POWERS = (1.0, 1.5)
_SIGNIFICANT = 5.0
_MIN_BASELINE = 3


@dataclass(frozen=True, slots=True)
class Hinge:
    """A flat line that bends upwards.

    Attributes
    ----------
    position, u_position : float
        Where it bends, in units of the abscissa.
    power : float
    delta_aicc : float
        By how much the other power is worse.
    baseline, u_baseline : float
    """

    position: float
    u_position: float
    power: float
    delta_aicc: float
    baseline: float
    u_baseline: float


@dataclass(frozen=True, slots=True)
class Contact:
    """First load on the curve.

    Attributes
    ----------
    row : int or None
        First row that carries load.
    time_s, u_time_s : float
        The contact itself, between frames.
    criterion : str
    power, delta_aicc : float
        Of the hinge; NaN where none was fitted.
    gap_row : int or None
        First row where the image shows the gap closed for good.
    """

    row: int | None
    criterion: str
    time_s: float = math.nan
    u_time_s: float = math.nan
    power: float = math.nan
    delta_aicc: float = math.nan
    gap_row: int | None = None


def robust_noise(values: FloatArray) -> float:
    """Return the noise of a sequence from its second differences, blind to slow changes."""
    second = np.diff(values[np.isfinite(values)], 2)
    if second.size < 2:
        return math.nan
    return float(1.4826 * np.median(np.abs(second)) / math.sqrt(6))


def open_gap(gap_px: FloatArray, u_gap_px: FloatArray) -> BoolArray:
    """Return the frames whose image shows a gap between specimen and tip, beyond doubt."""
    u = np.where(np.isfinite(u_gap_px), u_gap_px, 0.0)
    seen: BoolArray = np.isfinite(gap_px) & (gap_px > np.maximum(1.5, 3 * u))
    return seen


def find_contact(
    time_s: FloatArray,
    motion_px: FloatArray,
    u_px: FloatArray,
    gap_open: BoolArray,
    gap_known: BoolArray,
    connected: bool = False,
) -> Contact:
    """Find the first row that carries load.

    Parameters
    ----------
    time_s, motion_px, u_px : FloatArray
        The tip against the bar in the test's direction, shape (n,).
    gap_open, gap_known : BoolArray
        What the image says of the gap.
    connected : bool
        A tension test: where no gap is seen at first it begins connected.

    Returns
    -------
    Contact
        Its row is None where nothing is loaded.
    """
    gap_row = _closing_row(gap_open, gap_known)
    if gap_known.sum() >= _MIN_BASELINE and gap_row is None:
        return Contact(None, "the image shows a gap in every frame")
    if connected and (gap_row is None or gap_row == 0):
        return Contact(0, "begins connected", float(time_s[0]), 0.0, gap_row=gap_row)
    rows = np.flatnonzero(np.isfinite(motion_px))
    onset = _onset(motion_px[rows], u_px[rows], gap_open[rows])
    if onset is None:
        return Contact(None, "the tip moves no further than its noise", gap_row=gap_row)
    contact = _refined(time_s[rows], motion_px[rows], onset, gap_row)
    row = rows[min(contact.row if contact.row is not None else onset, rows.size - 1)]
    return replace(contact, row=int(row))


def _closing_row(gap_open: BoolArray, gap_known: BoolArray) -> int | None:
    """First row after which the gap is never seen open in two known frames running."""
    rows = np.flatnonzero(gap_known)
    closed = ~gap_open[rows]
    if not closed.any() or rows.size < _MIN_BASELINE:
        return None
    pairs = closed[:-1] & closed[1:]
    if not pairs.any():
        return None
    return int(rows[int(np.argmax(pairs))])


def _onset(motion: FloatArray, u: FloatArray, gap_open: BoolArray) -> int | None:
    """First row from which the tip stays beyond its noise until its farthest point."""
    if motion.size < _MIN_BASELINE + 2:
        return None
    top = int(np.argmax(_smooth3(np.where(gap_open, -np.inf, motion))))
    n_base = max(_MIN_BASELINE, int(0.1 * motion.size))
    base = motion[: max(n_base, _leading(gap_open))]
    if base.size > top:
        base = motion[:_MIN_BASELINE]
    typical = float(np.nanmedian(u)) if np.isfinite(u).any() else 0.0
    noise = max(_finite(robust_noise(motion)), float(np.std(base)), _finite(typical), 1e-9)
    level = float(np.mean(base)) + _SIGNIFICANT * noise
    if motion[top] <= level + noise:
        return None
    below = np.flatnonzero((motion[: top + 1] <= level) | gap_open[: top + 1])
    return int(below[-1]) + 1 if below.size else 0


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _leading(mask: BoolArray) -> int:
    """How many rows are true before the first false one."""
    return int(np.argmin(mask)) if not mask.all() else len(mask)


def _smooth3(values: FloatArray) -> FloatArray:
    if values.size < 3:
        return values
    padded = np.concatenate([values[:1], values, values[-1:]])
    middle: FloatArray = np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0)
    return middle


def _refined(time_s: FloatArray, motion: FloatArray, onset: int, gap_row: int | None) -> Contact:
    """Fit the hinge around the onset; keep the onset where no baseline precedes it."""
    if onset < _MIN_BASELINE:
        criterion = "fewer than three frames before the first load"
        return Contact(onset, criterion, float(time_s[onset]), math.nan, gap_row=gap_row)
    stop = _window_end(motion, onset)
    hinge = fit_hinge(time_s[:stop], motion[:stop])
    row = int(np.searchsorted(time_s, hinge.position, side="right"))
    return Contact(
        row=min(max(row, 1), onset),
        criterion=f"baseline and power law, p = {hinge.power:g}",
        time_s=hinge.position,
        u_time_s=hinge.u_position,
        power=hinge.power,
        delta_aicc=hinge.delta_aicc,
        gap_row=gap_row,
    )


def _window_end(motion: FloatArray, onset: int) -> int:
    """Enough of the rise to see its shape, little enough that a power law is its shape."""
    base = float(np.mean(motion[:onset]))
    noise = max(float(np.std(motion[:onset])), 1e-12)
    top = onset + int(np.argmax(motion[onset:]))
    far = base + np.maximum(0.15 * (motion[top] - base), 20 * noise)
    beyond = np.flatnonzero(motion[onset : top + 1] > far)
    stop = onset + int(beyond[0]) + 1 if beyond.size else top + 1
    return min(max(stop, onset + 5), motion.size)


def fit_hinge(x: FloatArray, y: FloatArray, powers: tuple[float, ...] = POWERS) -> Hinge:
    """Fit b + c (x - x0)^p for x > x0 over a grid of x0 and the given powers.

    Parameters
    ----------
    x, y : FloatArray
        Shape (n,), n >= 5, x increasing.
    powers : tuple of float

    Notes
    -----
    Variable projection: for each x0 and p the rest is linear. u of x0 is the width of the
    likelihood, averaged over the powers by their AICc weights.
    """
    grid = np.linspace(x[0], x[-2], 24 * x.size)
    sse = np.stack([_profile(x, y, grid, p) for p in powers])
    n = x.size
    floor = max(float(np.ptp(y)) ** 2 * 1e-16, 1e-300)
    aicc = n * np.log(np.maximum(sse.min(axis=1), floor) / n) + _aicc_penalty(n, 4)
    best = int(np.argmin(aicc))
    other = np.delete(aicc, best)
    position, u = _posterior(grid, sse, n, floor)
    before = y[x <= position]
    scatter = float(np.std(before, ddof=1)) if before.size > 1 else math.nan
    return Hinge(
        position=float(position),
        u_position=u,
        power=powers[best],
        delta_aicc=float(other.min() - aicc[best]) if other.size else math.inf,
        baseline=float(np.mean(before)),
        u_baseline=scatter / math.sqrt(max(before.size, 1)),
    )


def _aicc_penalty(n: int, k: int) -> float:
    return 2 * k + (2 * k * (k + 1) / (n - k - 1) if n > k + 1 else math.inf)


def _profile(x: FloatArray, y: FloatArray, grid: FloatArray, power: float) -> FloatArray:
    """Sum of squares left at every x0 of the grid, with the best b and c >= 0."""
    rise = np.clip(x[None, :] - grid[:, None], 0, None) ** power
    rise = rise - rise.mean(axis=1, keepdims=True)
    centred = y - y.mean()
    norm = np.einsum("ij,ij->i", rise, rise)
    slope = np.clip(rise @ centred / np.where(norm > 0, norm, np.inf), 0, None)
    left: FloatArray = centred @ centred - 2 * slope * (rise @ centred) + slope**2 * norm
    return np.clip(left, 0, None)


def _posterior(grid: FloatArray, sse: FloatArray, n: int, floor: float) -> tuple[float, float]:
    """Mean and standard deviation of x0 over grid and powers, flat prior, unknown noise."""
    log_weight = -(n - 3) / 2 * np.log(np.maximum(sse, floor))
    weight = np.exp(log_weight - log_weight.max())
    weight = weight.sum(axis=0) / weight.sum()
    mean = float(weight @ grid)
    spread = float(weight @ (grid - mean) ** 2)
    step = float(grid[1] - grid[0])
    return mean, math.sqrt(spread + step**2 / 12)

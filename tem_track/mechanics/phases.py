"""The phase of every frame: what the actuator does, and whether the tip carries anything.

Loading, holding and unloading are told by the travel, deflection plus deformation, which is the
actuator's own motion but for the seats. The force alone would call the flow of a soft specimen a
hold, and a neck an unloading. Where no length is known the deflection alone must do.

Free frames are told by the force: before contact and between two cycles the tip is approached,
after the last load it is past.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tem_track.mechanics.known import known_median
from tem_track.mechanics.measurement import BoolArray, RowArray
from tem_track.records import FloatArray

__all__ = ["Course", "driven_until", "find_holds", "find_phases", "unloading_after"]

_FREE = 0.01
"""Share of the largest force below which nothing is carried."""
_GAP_FREE = 0.1
"""The same where the picture shows a gap."""
_LOADED_AGAIN = 0.1
"""Share of the largest force from which on it is a load again."""
_TURN = 0.03
"""Share of the travel's range that a turning point is left by."""
_SIGNIFICANT = 6.0
"""The same in standard uncertainties of the travel."""
_STILL = 0.2
"""Share of the driven rate below which the actuator stands still."""
_SHORTEST_HOLD = 5
"""Frames."""
_HALF = 2
"""Neighbours on either side that a slope is read over."""


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What is known of a test's course, shape (n,) each.

    Attributes
    ----------
    clock : FloatArray
    force_nN, u_force_nN : FloatArray
        NaN where it is not known or not usable.
    travel_nm, u_travel_nm : FloatArray
        Deflection plus deformation; NaN where not known.
    gap_open : BoolArray
        Frames whose image shows a gap.
    """

    clock: FloatArray
    force_nN: FloatArray
    u_force_nN: FloatArray
    travel_nm: FloatArray
    u_travel_nm: FloatArray
    gap_open: BoolArray


def find_phases(
    course: Course, contact: int | None, top: int | None, fracture: int | None
) -> tuple[list[str], list[tuple[int, int]]]:
    """Name the phase of every row and list the holds.

    Parameters
    ----------
    course : Course
    contact, top, fracture : int or None
        Rows of first load, largest force, first broken row.

    Returns
    -------
    names : list of str
        'approach', 'load', 'hold', 'unload', 'after' or 'broken'.
    holds : list of (int, int)
        First and last row of each stretch in which the actuator stands still under load.
    """
    n = course.clock.size
    names = np.full(n, "approach", dtype=object)
    if contact is None:
        return list(names), []
    end = fracture if fracture is not None else n
    names[contact:end] = "load"
    holds: list[tuple[int, int]] = []
    if top is not None:
        holds = _name_loaded(names, course, contact, end, float(course.force_nN[top]))
    names[end:] = "broken"
    return list(names), holds


def _name_loaded(
    names: NDArray[np.object_], course: Course, contact: int, end: int, largest_nN: float
) -> list[tuple[int, int]]:
    """Fill in the names from contact to the end, in place, and return the holds."""
    back = _unloading(course.travel_nm, course.u_travel_nm, contact, end)
    names[contact:end][back] = "unload"
    rows = np.arange(contact, end)
    held = find_holds(course.clock[rows], course.travel_nm[rows])
    holds = [(contact + a, contact + b) for a, b in held]
    holds = [h for h in holds if _carries(course.force_nN[h[0] : h[1] + 1], 0.2 * largest_nN)]
    holds = [(first, _until_it_turns(names, last, end)) for first, last in holds]
    for first, last in holds:
        names[first : last + 1] = "hold"
    for first, last in _free_stretches(course, contact, end, largest_nN):
        names[first : last + 1] = "after" if last == end - 1 else "approach"
    kept = [(a, b) for a, b in holds if (names[a : b + 1] == "hold").all()]
    return kept


def _until_it_turns(names: NDArray[np.object_], last: int, end: int) -> int:
    """Extend a hold over what the slope of five neighbours blurs before an unloading."""
    for row in range(last + 1, min(last + _HALF + 2, end)):
        if names[row] == "unload":
            return row - 1
    return last


def _carries(force_nN: FloatArray, least_nN: float) -> bool:
    return bool(known_median(force_nN) > least_nN)


# --------------------------------------------------------------------------- up and down


def _unloading(travel_nm: FloatArray, u_nm: FloatArray, contact: int, end: int) -> BoolArray:
    """Return the rows from contact to the end in which the actuator goes back.

    Turning points are those that the travel leaves by more than noise and a few per cent of its
    range; what follows the last one counts as soon as it stands out of the noise.
    """
    back = np.zeros(end - contact, dtype=bool)
    known = np.flatnonzero(np.isfinite(travel_nm[contact:end]))
    if known.size < 3:
        return back
    values = travel_nm[contact:end][known]
    noise = _SIGNIFICANT * float(np.nan_to_num(known_median(u_nm[contact:end][known])))
    turns = _turning_points(values, max(_TURN * float(np.ptp(values)), noise), noise)
    for first, last in zip(turns[::2], turns[1::2], strict=False):
        back[known[first] + 1 : known[last] + 1] = True
    if len(turns) % 2:
        back[known[turns[-1]] + 1 :] = True
    return back


def _turning_points(values: FloatArray, turn: float, last_turn: float) -> list[int]:
    """Rows of highest and lowest points in turn, the first one high."""
    found: list[int] = []
    sign, extreme = 1.0, 0
    for row in range(1, values.size):
        if sign * (values[row] - values[extreme]) > 0:
            extreme = row
        elif sign * (values[extreme] - values[row]) > turn:
            found.append(extreme)
            sign, extreme = -sign, row
    if sign > 0 and extreme < values.size - 2 and values[extreme] - values[-1] > last_turn:
        found.append(extreme)
    return found


# --------------------------------------------------------------------------- holds


def find_holds(clock: FloatArray, travel_nm: FloatArray) -> list[tuple[int, int]]:
    """Find stretches where the actuator stands still: first and last rows of each.

    Parameters
    ----------
    clock, travel_nm : FloatArray
        Shape (n,); unknown rows are skipped.

    Notes
    -----
    Still is what moves by less than a fifth of the rate at which the test is driven elsewhere,
    over at least five frames.
    """
    rows = np.flatnonzero(np.isfinite(travel_nm) & np.isfinite(clock))
    if rows.size < 2 * _SHORTEST_HOLD:
        return []
    slope = np.abs(_local_slope(clock[rows], travel_nm[rows]))
    driven = float(np.quantile(slope, 0.9))
    return _runs(rows, slope < _STILL * driven, _SHORTEST_HOLD)


def _local_slope(x: FloatArray, y: FloatArray, half: int = _HALF) -> FloatArray:
    """Slope of a line through five neighbours; the ends repeat their neighbour's."""
    xs = np.lib.stride_tricks.sliding_window_view(x, 2 * half + 1)
    ys = np.lib.stride_tricks.sliding_window_view(y, 2 * half + 1)
    dx = xs - xs.mean(axis=1, keepdims=True)
    inner = (dx * ys).sum(axis=1) / (dx**2).sum(axis=1)
    return np.concatenate([np.full(half, inner[0]), inner, np.full(half, inner[-1])])


def _runs(rows: RowArray, mask: BoolArray, shortest: int) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(int(rows[a]), int(rows[b - 1])) for a, b in pairs if b - a >= shortest]


# --------------------------------------------------------------------------- free of load


def _free_stretches(
    course: Course, contact: int, end: int, largest_nN: float
) -> list[tuple[int, int]]:
    """First and last rows of stretches without load, once there was some.

    What comes after one is a load again only from a tenth of the largest force, over three frames.
    """
    force, u = course.force_nN[contact:end], course.u_force_nN[contact:end]
    known = np.flatnonzero(np.isfinite(force))
    if not known.size:
        return []
    force, u, gap = force[known], u[known], course.gap_open[contact:end][known]
    free = (force <= np.maximum(3 * u, _FREE * largest_nN)) | (
        gap & (force <= _GAP_FREE * largest_nN)
    )
    loaded = np.flatnonzero(force >= _LOADED_AGAIN * largest_nN)
    free[: int(loaded[0]) if loaded.size else free.size] = False
    found: list[tuple[int, int]] = []
    row = 0
    while row < free.size:
        if not (free[row] and (row + 1 == free.size or free[row + 1])):
            row += 1
            continue
        again = _loads_again(force, free, row, largest_nN)
        last = end - 1 if again is None else contact + int(known[again]) - 1
        found.append((contact + int(known[row]), last))
        if again is None:
            break
        row = again
    return found


def _loads_again(force_nN: FloatArray, free: BoolArray, row: int, largest_nN: float) -> int | None:
    """First row of the next load after a free row, None where there is none."""
    high = force_nN >= _LOADED_AGAIN * largest_nN
    for start in np.flatnonzero(high[row:]) + row:
        if high[start : start + 3].sum() == 3:
            return int(np.flatnonzero(free[: start + 1])[-1]) + 1
    return None


def driven_until(phases: list[str], top: int) -> int:
    """Return the last row before the test turns back, breaks or ends after the largest force."""
    row = top
    while row + 1 < len(phases) and phases[row + 1] in ("load", "hold"):
        row += 1
    return row


def unloading_after(phases: list[str], top: int) -> tuple[int, int]:
    """Return the last row before the unloading from the largest force, and its own last row.

    A hold at the largest force comes before it. Both are the same row where none follows.
    """
    row = end = driven_until(phases, top)
    while end + 1 < len(phases) and phases[end + 1] == "unload":
        end += 1
    return row, end

"""What happened, in the order of time: every event with its frame, its criterion and its u."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from tem_track.mechanics.bending import BENT_RATIO
from tem_track.mechanics.case import Case, frame_at, number
from tem_track.mechanics.events import DROP_FRACTION
from tem_track.records import FloatArray

__all__ = ["chronicle"]

_STRETCHES = {
    "load": ("loading", "the actuator moves in the test's direction and the force is above zero"),
    "hold": ("hold", "the actuator moves at less than a fifth of its rate, over five frames"),
    "unload": ("unloading", "the actuator has gone back by more than 3 % of its travel and noise"),
}


def chronicle(case: Case) -> list[dict[str, Any]]:
    """Return the events of a test; what did not happen is not there.

    Returns
    -------
    list of dict
        `event`, `first_frame`, `last_frame` (the same for a moment), `time_s` and `u_time_s` of
        the beginning, `criterion`. Between two frames a moment is known to their distance over
        sqrt(12); where noise makes several frames alike, to so many frames.
    """
    found = [*_zero(case), *_contact(case), *_stretches(case), *_moments(case), *_drops(case)]
    return sorted(found, key=lambda e: (e["first_frame"], e["event"]))


def _entry(
    case: Case, event: str, row: int, criterion: str, *, last: int | None = None, u_rows: float = 1
) -> dict[str, Any]:
    table = case.table
    u = u_rows * _step_s(case, row) / math.sqrt(12) if table.timed else math.nan
    return {
        "event": event,
        "first_frame": frame_at(table, row),
        "last_frame": frame_at(table, row if last is None else last),
        "time_s": number(float(table.time_s[row])),
        "u_time_s": number(u),
        "criterion": criterion,
    }


def _step_s(case: Case, row: int) -> float:
    """Time since the last frame in which the same could have been seen."""
    known = np.flatnonzero(np.isfinite(case.loading.force_nN[:row]))
    before = int(known[-1]) if known.size else max(row - 1, 0)
    return float(case.table.time_s[row] - case.table.time_s[before])


def _zero(case: Case) -> Iterator[dict[str, Any]]:
    rows, zero = case.loading.zero_rows, case.loading.zero
    if not rows.size or not zero.n_frames:
        return
    by_hand = case.settings.zero_frames is not None
    what = f"mean of {zero.n_frames} frames before contact" if zero.n_frames > 1 else ""
    what = what or "the reference frame: fewer than three frames before contact"
    entry = _entry(case, "zero", int(rows[0]), what, last=int(rows[-1]))
    entry["u_time_s"] = None
    entry["criterion"] += ", named by hand" if by_hand else ""
    yield entry | {"u_deflection_nm": number(zero.u_px * case.settings.scale_nm_per_px)}


def _contact(case: Case) -> Iterator[dict[str, Any]]:
    """Yield the contact, beside what the image says of the gap."""
    row, contact = case.events.contact, case.loading.contact
    if row is None:
        return
    entry = _entry(case, "contact", row, contact.criterion)
    if case.table.timed and math.isfinite(contact.time_s):
        entry |= {"time_s": number(contact.time_s), "u_time_s": number(contact.u_time_s)}
    yield entry | {"gap_closed_frame": frame_at(case.table, contact.gap_row)}


def _stretches(case: Case) -> Iterator[dict[str, Any]]:
    names = np.array(case.events.phases)
    edges = np.flatnonzero(names[1:] != names[:-1]) + 1
    starts = np.concatenate([[0], edges])
    ends = np.concatenate([edges, [names.size]]) - 1
    for first, last in zip(starts, ends, strict=True):
        if names[first] in _STRETCHES:
            event, criterion = _STRETCHES[names[first]]
            yield _entry(case, event, int(first), criterion, last=int(last))


def _moments(case: Case) -> Iterator[dict[str, Any]]:
    events, points, loading = case.events, case.points, case.loading
    if events.top is not None:
        u_rows = _alike(loading.force_nN, 2 * loading.u_force_nN, events.top)
        words = "largest force before fracture"
        yield _entry(case, "largest force", events.top, words, u_rows=u_rows)
    if events.release is not None:
        words = "force within 3 u or 1 % of the largest of zero, or a gap in the image"
        yield _entry(case, "loss of contact", events.release, words)
    if events.fracture is not None:
        words = "the outline is in two pieces and stays so"
        words += ", half of the force is gone" if case.settings.mode == "compression" else ""
        yield _entry(case, "fracture", events.fracture, words)
    if events.bent is not None:
        words = f"8 bow / diameter above {BENT_RATIO:g} by 2 u of the bow, in three frames running"
        u_rows = _alike(points["bend_ratio"], points["u_bend_ratio"], events.bent)
        yield _entry(case, "bending", events.bent, words, u_rows=u_rows)
    if events.neck is not None:
        words = "smallest over mid diameter 3 u below its share at first, and stays so"
        mid = points["diameter_mid_nm"]
        ratio, u = points["diameter_min_nm"] / mid, points["u_diameter_min_nm"] / mid
        yield _entry(case, "neck", events.neck, words, u_rows=_alike(ratio, u, events.neck))


def _drops(case: Case) -> Iterator[dict[str, Any]]:
    words = (
        f"force falls by {DROP_FRACTION:.0%} of the largest and 5 u from one frame to the next, "
        "and its neighbours do not"
    )
    for drop in case.events.drops:
        sizes = {"size_nN": drop.size_nN, "u_size_nN": number(drop.u_size_nN)}
        yield _entry(case, "load drop", drop.row, words) | sizes


def _alike(values: FloatArray, u: FloatArray, row: int) -> float:
    """Return how many neighbouring rows noise cannot tell from this one, itself included."""
    with np.errstate(invalid="ignore"):
        like = np.abs(values - values[row]) <= np.nan_to_num(u[row])
    if not like[row]:
        return 1.0
    before, after = ~like[:row][::-1], ~like[row + 1 :]
    first = int(np.argmax(before)) if before.any() else before.size
    last = int(np.argmax(after)) if after.any() else after.size
    return float(1 + first + last)

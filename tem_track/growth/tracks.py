"""Which body is which from frame to frame: they appear, touch and merge."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray

__all__ = ["SIZES", "Track", "drawn_in_row", "merged_into", "touch_row", "tracks_of"]

SIZES = (
    "length_px",
    "diameter_max_px",
    "diameter_mid_px",
    "diameter_mean_px",
    "projected_area_px2",
    "volume_px3",
    "shell_px",
)
_PLACES = ("root_x_px", "root_y_px", "end_x_px", "end_y_px", "place_px")
_MOST = 4
"""Bodies that a frame may hold."""
_LEAST_ROWS = 3
"""Frames in which a body has to be seen."""
_REACH_PX = 25.0
"""Way from a body's last place to its next, at least; larger bodies may go three tenths of their
width."""
_LATE, _LEAST_LINE, _STRAIGHT_PX = 25, 4, 0.7
"""Last frames of a gap that may serve; those that a line through them needs; and their scatter
about it up to which they lie on one."""
_LASTING, _LATE_ROWS, _NEAR_ZERO_PX = 3, 6, 4.0
"""Frames in which most gaps must be closed; frames before that may serve; and gaps about zero that
a line's place is told by."""
_BULGE_ROWS, _FLAT_PX = 6, 3.0
"""Frames before the smaller body was last seen that tell how fast its bulge shrinks, and the bulge
that is none."""
_CLEAR_GAP_PX, _LEAST_GAP_PX = 7.0, 2.0  # the blur of two near edges hides a part of a gap


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One body over the frames.

    Attributes
    ----------
    number : int
        From 1, in the order of appearance.
    values : dict
        Sizes, their `u_` and places by name, shape (n,); NaN where the body is not seen.
    """

    number: int
    values: dict[str, FloatArray]

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Rows with a length."""
        return np.isfinite(self.values["length_px"])

    @property
    def first(self) -> int:
        """Row in which it appears."""
        return int(np.flatnonzero(np.isfinite(self.values["place_px"]))[0])

    @property
    def last(self) -> int:
        """Last row in which something of it is seen, though a neighbour may hide its size."""
        return int(np.flatnonzero(np.isfinite(self.values["place_px"]))[-1])

    @property
    def last_seen(self) -> int | None:
        """Last row with a length."""
        rows = np.flatnonzero(self.seen)
        return int(rows[-1]) if rows.size else None


def tracks_of(measurement: Mapping[str, NDArray[Any]]) -> list[Track]:
    """Join the bodies of single frames to tracks, by their places against the electrode.

    What is seen in fewer than three frames, or only in some of the frames of its time, is no body.
    """
    n = len(measurement["frame"])
    found: list[tuple[list[tuple[int, int]], float]] = []
    for row in range(n):
        here = {k: _at(measurement, k, "place_px", row) for k in range(1, _MOST + 1)}
        here = {k: place for k, place in here.items() if math.isfinite(place)}
        joined = _joined(measurement, row, here, found)
        for k, place in here.items():
            if k in joined:
                rows = found[joined[k]][0]
                rows.append((row, k))
                found[joined[k]] = (rows, place)
            else:
                found.append(([(row, k)], place))
    lasting = [rows for rows, _ in found if _lasts(len(rows), rows[0][0], rows[-1][0])]
    lasting.sort(key=lambda rows: (rows[0][0], rows[0][1]))
    return [Track(i, _collect(measurement, rows, n)) for i, rows in enumerate(lasting, 1)]


def _joined(
    measurement: Mapping[str, NDArray[Any]],
    row: int,
    here: Mapping[int, float],
    found: list[tuple[list[tuple[int, int]], float]],
) -> dict[int, int]:
    """Return which body of a frame goes on which of the courses found so far: the nearest.

    What was seen in so few frames that it is no body by now takes nothing from a body: a speck of
    long ago may lie where a body has come to.
    """
    pairs = []
    for k, place in here.items():
        reach = max(_REACH_PX, 0.3 * _at(measurement, k, "diameter_max_px", row))
        for i, (rows, last_place) in enumerate(found):
            if abs(place - last_place) < reach:
                speck = not _lasts(len(rows) + 1, rows[0][0], row)
                pairs.append((speck, abs(place - last_place), k, i))
    joined: dict[int, int] = {}
    for _, _, k, i in sorted(pairs):
        if k not in joined and i not in joined.values():
            joined[k] = i
    return joined


def _lasts(count: int, first: int, last: int) -> bool:
    return count >= _LEAST_ROWS and count > 0.5 * (last - first + 1)


def _at(measurement: Mapping[str, NDArray[Any]], k: int, name: str, row: int) -> float:
    column = measurement.get(f"body{k}_{name}")
    return math.nan if column is None else float(column[row])


def _collect(
    measurement: Mapping[str, NDArray[Any]], rows: list[tuple[int, int]], n: int
) -> dict[str, FloatArray]:
    values: dict[str, FloatArray] = {}
    for name in (*SIZES, *_PLACES):
        for prefix in ("", "u_") if name in SIZES else ("",):
            column = np.full(n, np.nan)
            for row, k in rows:
                source = measurement.get(f"{prefix}body{k}_{name}")
                column[row] = math.nan if source is None else float(source[row])
            values[f"{prefix}{name}"] = column
    return values


def merged_into(track: Track, main: Track) -> int | None:
    """Return the first row in which a body is no longer seen beside another one."""
    after = np.flatnonzero(main.seen & (np.arange(len(main.seen)) > track.last))
    return int(after[0]) if after.size >= _LEAST_ROWS else None


def drawn_in_row(bulge_px: FloatArray, unseen: int) -> int:
    """Return the row in which nothing of a body stands out of another one any more.

    Where it stands out by some pixels only it is not told from the other's own form, so that the
    straight course of the bulge says when it comes to nothing; a body that is swallowed at once,
    after which the bulge is flat, did so then.

    Parameters
    ----------
    bulge_px : array, shape (n,)
        By how much the joint silhouette reaches farther to the right of the larger one's top.
    unseen : int
        First row in which the smaller body is not seen.
    """
    rows = np.arange(max(unseen - _BULGE_ROWS, 0), unseen)
    rows = rows[np.isfinite(bulge_px[rows])]
    if len(rows) < _LEAST_LINE:
        return unseen
    side = math.copysign(1.0, float(np.median(bulge_px[rows])))
    slope, value = np.polyfit(rows - unseen, side * bulge_px[rows], 1)
    if slope >= 0:
        return unseen
    after = side * bulge_px[unseen:]
    flat = [i for i in range(len(after)) if not np.median(after[i : i + 3]) > _FLAT_PX]
    last = unseen + (flat[0] + math.ceil(-_FLAT_PX / slope) if flat else len(after) - 1)
    zero = unseen + math.ceil(-value / slope - 1e-6)
    return int(np.clip(zero, unseen, min(last, len(bulge_px) - 1)))


def touch_row(gap_px: FloatArray, touching: NDArray[np.bool_], end: int) -> int | None:
    """Return the first row in which two outlines touch.

    Where the gap was followed through zero, it is where its straight course passes zero. Where it
    was not, the straight course before it closes tells more than the last blurred pixels of it.
    """
    known = np.flatnonzero(np.isfinite(gap_px[:end]))
    passed = _passes_zero(known, gap_px)
    if passed is not None:
        return passed
    known = known[~touching[known]]
    closed = np.flatnonzero(touching[:end])
    if not known.size:
        return int(closed[0]) if closed.size else None
    soon = closed[closed > known[-1]]
    if gap_px[known[-1]] < _LEAST_GAP_PX and soon.size:
        return int(soon[0])
    late = known[known > known[-1] - _LATE]
    wide = late[gap_px[late] > _CLEAR_GAP_PX]
    use = wide if len(wide) >= _LEAST_LINE else late[gap_px[late] > _LEAST_GAP_PX]
    zero = _closes(use, gap_px)
    if zero is not None:
        return int(np.clip(zero, use[-1] + 1, end))
    return int(closed[0]) if closed.size else None


def _passes_zero(rows: NDArray[np.intp], gap_px: FloatArray) -> int | None:
    """Return the first row at or below zero, by a line through the rows about it; None where none.

    Two bodies that overlap by more than some pixels no longer show how far.
    """
    below = gap_px[rows] <= 0
    for i in np.flatnonzero(below):
        if i == 0 or not below[i : i + _LASTING].mean() > 0.5:
            continue
        first = int(rows[i])
        part = rows[max(i - _LATE_ROWS, 0) : i + _LASTING]
        part = part[np.abs(gap_px[part]) < _NEAR_ZERO_PX]
        if len(part) < _LEAST_LINE:
            return first
        slope, value = np.polyfit(part - first, gap_px[part], 1)
        zero = first + math.ceil(-value / slope - 1e-6) if slope < 0 else first
        return int(np.clip(zero, part[0], part[-1]))
    return None


def _closes(rows: NDArray[np.intp], gap_px: FloatArray) -> int | None:
    """Return where the straight course of the last gaps comes to zero.

    As many of the last rows serve as lie on one line: bodies are drawn together ever faster.
    """
    while len(rows) > _LEAST_LINE and gap_px[rows[-1]] > gap_px[rows[-2]] + _STRAIGHT_PX:
        rows = rows[:-1]  # the last of a gap is in the shadow of both
    zero = None
    for count in range(_LEAST_LINE, len(rows) + 1):
        part = rows[-count:]
        slope, value = np.polyfit(part, gap_px[part], 1)
        rest = gap_px[part] - np.polyval([slope, value], part)
        straight = float(np.sqrt(np.mean(rest**2))) < _STRAIGHT_PX
        if slope < 0 and (straight or zero is None):
            zero = math.ceil(-value / slope - 1e-6)
        if not straight:
            break
    return zero

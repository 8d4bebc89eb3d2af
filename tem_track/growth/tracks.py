"""Which body is which from frame to frame: they appear, touch and merge."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray

__all__ = ["SIZES", "Track", "merged_into", "touch_row", "tracks_of"]

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
_LEAST_ROWS = 3
_REACH_PX = 25.0


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
        return int(np.flatnonzero(self.seen)[0])

    @property
    def last(self) -> int:
        """Last row in which it is seen by itself."""
        return int(np.flatnonzero(self.seen)[-1])


def tracks_of(measurement: Mapping[str, NDArray[Any]]) -> list[Track]:
    """Join the bodies of single frames to tracks, by their places against the electrode.

    What is seen in fewer than three frames, or only in some of the frames of its time, is no body.
    """
    n = len(measurement["frame"])
    found: list[tuple[list[tuple[int, int]], float, float]] = []
    for row in range(n):
        here = [
            k for k in range(1, _MOST + 1) if math.isfinite(_at(measurement, k, "place_px", row))
        ]
        taken: set[int] = set()
        for k in here:
            place = _at(measurement, k, "place_px", row)
            reach = max(_REACH_PX, 0.3 * _at(measurement, k, "diameter_max_px", row))
            near = [
                (abs(place - entry[1]), i)
                for i, entry in enumerate(found)
                if i not in taken and abs(place - entry[1]) < reach
            ]
            if near:
                i = min(near)[1]
                found[i] = ([*found[i][0], (row, k)], place, 0.0)
            else:
                i = len(found)
                found.append(([(row, k)], place, 0.0))
            taken.add(i)
    lasting = [rows for rows, _, _ in found if _lasts([row for row, _ in rows])]
    lasting.sort(key=lambda rows: (rows[0][0], rows[0][1]))
    return [Track(i, _collect(measurement, rows, n)) for i, rows in enumerate(lasting, 1)]


def _lasts(rows: list[int]) -> bool:
    return len(rows) >= _LEAST_ROWS and len(rows) > 0.5 * (rows[-1] - rows[0] + 1)


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


def touch_row(gap_px: FloatArray, touching: NDArray[np.bool_], end: int) -> int | None:
    """Return the first row in which two outlines touch.

    The gap's straight course before it closes tells more than the last blurred pixels of it.
    """
    known = np.flatnonzero(np.isfinite(gap_px[:end]) & ~touching[:end])
    closed = np.flatnonzero(touching[:end])
    if not known.size:
        return int(closed[0]) if closed.size else None
    last = known[-1]
    late = known[known > last - 25]
    use = late[gap_px[late] > 2.0]
    if len(use) >= 5:
        slope, value = np.polyfit(use, gap_px[use], 1)
        if slope < 0:
            zero = math.ceil(-value / slope)
            return int(np.clip(zero, use[-1] + 1, end))
    return int(closed[0]) if closed.size else None

"""Which frames tell the story of a test."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tem_track.analysis import Result
from tem_track.outputs.figures import events_of
from tem_track.outputs.panels import column, first_rows, main_panel
from tem_track.records import FloatArray

__all__ = ["story_rows"]


def story_rows(result: Result, count: int = 12) -> list[int]:
    """Return rows that show what happened: events first, the rest evenly along the curve.

    Parameters
    ----------
    result : Result
    count : int
        How many, where the movie has as many.

    Returns
    -------
    list of int
        Rising row numbers of the points.
    """
    total = len(result.points)
    rows = first_rows(result.points["frame"].tolist())
    if len(rows) <= count:
        return rows
    path = _path(result)
    chosen = {0, total - 1} | {row for row, _, _ in events_of(result)}
    chosen = {row for row in chosen if row in rows}
    bad = np.array(["BAD_FRAME" in str(f) for f in result.points["flags"]])
    bad |= ~np.isin(np.arange(total), rows)
    bad |= _pointless(result)
    while len(chosen) < count:
        farthest = _farthest(path, sorted(chosen), bad)
        if farthest is None:
            break
        chosen.add(farthest)
    return sorted(chosen)


def _pointless(result: Result) -> NDArray[np.bool_]:
    """Return which rows have no point on the curve: a frame is better spent on another."""
    panel = main_panel(result)
    missing = np.zeros(len(result.points), dtype=bool)
    for name in (panel.x, panel.ys[0]) if panel else ():
        missing |= ~np.isfinite(column(result, name))
    return missing


def _path(result: Result) -> FloatArray:
    """Return the length of the way along the curve at each row, frames counting a little too."""
    panel = main_panel(result)
    steps = np.full(len(result.points), 0.5 / len(result.points))
    for name in (panel.x, panel.ys[0]) if panel else ():
        values = _filled(column(result, name))
        span = np.ptp(values)
        if span > 0:
            smooth = np.convolve(np.pad(values, 2, mode="edge"), np.ones(5) / 5, mode="valid")
            steps[1:] += np.abs(np.diff(smooth)) / span
    path: FloatArray = np.cumsum(steps)
    return path


def _filled(values: FloatArray) -> FloatArray:
    good = np.flatnonzero(np.isfinite(values))
    filled: FloatArray = np.interp(np.arange(len(values)), good, values[good])
    return filled


def _farthest(path: FloatArray, chosen: list[int], bad: NDArray[np.bool_]) -> int | None:
    """Return the row that halves the longest stretch of the way between chosen ones."""
    for start in np.argsort(-np.diff(path[chosen]), kind="stable"):
        first, last = chosen[start], chosen[start + 1]
        rows = np.arange(first + 1, last)
        rows = rows[~bad[rows]]
        if len(rows):
            half = (path[first] + path[last]) / 2
            return int(rows[np.argmin(np.abs(path[rows] - half))])
    return None

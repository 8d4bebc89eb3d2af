"""What is to be said of a frame, in the table's own words. No row is ever dropped."""

from __future__ import annotations

import numpy as np

from tem_track.mechanics.measurement import BoolArray, Measurement
from tem_track.scores import unusually_low

__all__ = ["FLAGS", "Flags", "measured_flags", "seen"]

FLAGS = (
    "BAR_LOST",
    "TIP_LOST",
    "SPECIMEN_LOST",
    "LOW_SCORE",
    "BAD_FRAME",
    "DUPLICATE",
    "NO_CONTACT",
    "BENT",
    "NECK",
    "BROKEN",
    "CLOSURE",
    "MOOK_LIMIT",
    "BELOW_RESOLUTION",
    "OUT_OF_VIEW",
)

Flags = dict[str, BoolArray]
"""Flag to the rows that carry it."""


def seen(flags: Flags, name: str, n: int) -> BoolArray:
    """Return the rows with a flag, shape (n,)."""
    return flags.get(name, np.zeros(n, dtype=bool))


def measured_flags(measurement: Measurement, has_specimen: bool) -> Flags:
    """Return the flags that the measurement itself carries.

    Parameters
    ----------
    measurement : Measurement
    has_specimen : bool
        Whether an outline was asked for: only then can it be lost.
    """
    outline = [set(text.split(";")) for text in measurement.text("outline_flags")]
    flags = {name: np.array([name in words for words in outline]) for name in FLAGS}
    flags["BROKEN"] = flags["BROKEN"] | measurement.broken
    flags["BAR_LOST"] = measurement.bar.lost & measurement.load_sought
    flags["TIP_LOST"] = measurement.tip_missed
    flags["BAD_FRAME"] = ~measurement.ok
    flags["DUPLICATE"] = measurement.duplicate
    flags["LOW_SCORE"] = unusually_low(measurement.bar.score) | unusually_low(measurement.tip.score)
    if has_specimen:
        name = "length_px" if measurement.load_sought else "diameter_max_px"
        without = ~np.isfinite(measurement.measured(name)[0])
        flags["SPECIMEN_LOST"] = flags["SPECIMEN_LOST"] | (without & ~flags["BROKEN"])
        unseen = flags["SPECIMEN_LOST"] & measurement.tip_missed & measurement.base.lost
        flags["OUT_OF_VIEW"] = _still_out(flags["OUT_OF_VIEW"], unseen, measurement.ok)
    return flags


def _still_out(out: BoolArray, unseen: BoolArray, ok: BoolArray) -> BoolArray:
    """Lead on what left the picture over frames in which neither tip nor base is seen.

    A frame alone does not tell whether both are beyond the border or do not show. The last frame
    before and the first one after do, where they have the specimen across the border: both of
    them, or the one there is.
    """
    out, rows = out.copy(), np.flatnonzero(ok)
    edge = np.diff(np.concatenate([[0], unseen[rows].astype(int), [0]]))
    for start, stop in zip(np.flatnonzero(edge > 0), np.flatnonzero(edge < 0), strict=True):
        beside = [out[rows[i]] for i in (start - 1, stop) if 0 <= i < rows.size]
        if beside and all(beside):
            out[rows[start:stop]] = True
    return out

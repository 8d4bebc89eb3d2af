"""The door: a table of pixels becomes checked arrays, whether it was measured or read from CSV."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tem_track.errors import ConfigError
from tem_track.records import FloatArray

__all__ = ["BoolArray", "Measurement", "RowArray", "Track", "read_measurement"]

BoolArray = NDArray[np.bool_]
RowArray = NDArray[np.intp]
_FALSE = {"", "0", "0.0", "false", "nan", "none"}


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One target over the frames.

    Attributes
    ----------
    x_px, y_px, score : FloatArray
        Position and score, shape (n,); NaN where lost.
    xx_px2, xy_px2, yy_px2 : FloatArray
        Covariance of the position.
    """

    x_px: FloatArray
    y_px: FloatArray
    xx_px2: FloatArray
    xy_px2: FloatArray
    yy_px2: FloatArray
    score: FloatArray

    @property
    def lost(self) -> BoolArray:
        """Frames without a position."""
        return ~(np.isfinite(self.x_px) & np.isfinite(self.y_px))

    def bounded_by(self, other: Track) -> Track:
        """Return the track with what it leaves open bounded by another's motion.

        A straight edge fixes one direction alone. Along it the camera cannot have moved further
        than the other target, which the same camera sees.
        """
        xx = np.where(np.isinf(self.xx_px2), _spread(other.x_px), self.xx_px2)
        yy = np.where(np.isinf(self.yy_px2), _spread(other.y_px), self.yy_px2)
        xy = np.where(np.isfinite(self.xy_px2), self.xy_px2, 0.0)
        return replace(self, xx_px2=xx, xy_px2=xy, yy_px2=yy)

    def along_px(self, direction: tuple[float, float]) -> FloatArray:
        """Return the position along a unit vector (x, y), shape (n,)."""
        return self.x_px * direction[0] + self.y_px * direction[1]

    def u_along_px(self, direction: tuple[float, float]) -> FloatArray:
        """Return its standard uncertainty; a direction the target does not fix is infinite."""
        dx, dy = direction
        variance = np.zeros_like(self.x_px)
        terms = ((dx * dx, self.xx_px2), (2 * dx * dy, self.xy_px2), (dy * dy, self.yy_px2))
        for weight, term in terms:
            if abs(weight) > 1e-12:
                variance = variance + weight * term
        return np.where(self.lost, np.nan, np.sqrt(np.clip(variance, 0, None)))


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """What was measured, one row a frame.

    Attributes
    ----------
    frame : FloatArray
        Index in the movie, shape (n,).
    time_s : FloatArray
    ok, duplicate, broken : BoolArray
        Readable frame; same picture as another; specimen seen in two pieces.
    bar, tip, base : Track
    columns : Mapping
        The table as it was given.
    """

    frame: FloatArray
    time_s: FloatArray
    ok: BoolArray
    duplicate: BoolArray
    broken: BoolArray
    bar: Track
    tip: Track
    base: Track
    columns: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def load_sought(self) -> bool:
        """Whether bar and tip were followed; without, the table holds an outline alone."""
        return "tip_x_px" in self.columns

    @property
    def tip_missed(self) -> BoolArray:
        """Frames in which the tip was sought and is lost."""
        return self.tip.lost & self.load_sought

    @property
    def clock(self) -> FloatArray:
        """What orders the frames evenly: their times, or their numbers where a time is missing."""
        return self.time_s if self.timed else self.frame

    @property
    def timed(self) -> bool:
        """Whether every frame has a time."""
        return bool(np.isfinite(self.time_s).all())

    def number(self, name: str) -> FloatArray:
        """Return a column as numbers; all NaN where the table has no such column."""
        return _numbers(self.columns, name, len(self))

    def measured(self, name: str) -> tuple[FloatArray, FloatArray]:
        """Return a quantity of the outline and its u; NaN where the tip is lost or u is missing.

        A table without any u is taken as it is.
        """
        value, u = self.number(name), self.number(f"u_{name}")
        if np.isfinite(u).any():
            value = np.where(np.isfinite(u), value, np.nan)
        value = np.where(self.ok & ~self.tip_missed, value, np.nan)
        return value, np.where(np.isfinite(value), u, np.nan)

    def text(self, name: str) -> list[str]:
        """Return a column as texts; empty where the table has none."""
        return _texts(self.columns, name, len(self))


def _spread(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(np.var(known)) if known.size else math.inf


def read_measurement(columns: Mapping[str, NDArray[Any]]) -> Measurement:
    """Check a table of pixels and read what the mechanics needs of it.

    Parameters
    ----------
    columns : mapping of str to array
        Equally long columns, as in `measurement.csv`; absent ones count as not measured.

    Raises
    ------
    ConfigError
        Where the table is empty, ragged, or its times do not increase.
    """
    n = _length(columns)
    frame, time_s = _numbers(columns, "frame", n), _numbers(columns, "time_s", n)
    _check_frames(frame)
    _check_times(time_s)
    return Measurement(
        frame=frame,
        time_s=time_s,
        ok=_flags(columns, "ok", n, default=True),
        duplicate=_flags(columns, "duplicate", n),
        broken=_flags(columns, "broken", n),
        bar=_track(columns, "bar", n),
        tip=_track(columns, "tip", n),
        base=_track(columns, "base", n),
        columns=columns,
    )


def _length(columns: Mapping[str, NDArray[Any]]) -> int:
    for name in ("frame", "time_s"):
        if name not in columns:
            raise ConfigError(f"measurement: the column {name} is missing; measure the movie again")
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1:
        raise ConfigError("measurement: its columns differ in length; measure the movie again")
    n = lengths.pop()
    if n == 0:
        raise ConfigError("frames: the range holds no frame; widen frames.first and frames.last")
    return n


def _check_frames(frame: FloatArray) -> None:
    if not np.isfinite(frame).all() or np.any(np.diff(frame) <= 0):
        raise ConfigError("frame: its numbers must be known and increase; measure the movie again")


def _check_times(time_s: FloatArray) -> None:
    known = time_s[np.isfinite(time_s)]
    backwards = np.flatnonzero(np.diff(known) <= 0)
    if backwards.size:
        raise ConfigError(
            f"time_s: the movie's clock does not increase at row {int(backwards[0]) + 1}; "
            "give calibration.frame_interval_s to replace it"
        )


def _numbers(columns: Mapping[str, NDArray[Any]], name: str, n: int) -> FloatArray:
    if name not in columns:
        return np.full(n, np.nan)
    values = np.asarray(columns[name])
    if values.dtype.kind in "OUS":
        return np.array([_number(value) for value in values], dtype=np.float64)
    return values.astype(np.float64)


def _number(value: Any) -> float:
    if value is None or value == "":
        return math.nan
    return float(value)


def _texts(columns: Mapping[str, NDArray[Any]], name: str, n: int) -> list[str]:
    if name not in columns:
        return [""] * n
    return [value if isinstance(value, str) else "" for value in columns[name]]


def _flags(
    columns: Mapping[str, NDArray[Any]], name: str, n: int, default: bool = False
) -> BoolArray:
    if name not in columns:
        return np.full(n, default)
    values = np.asarray(columns[name])
    if values.dtype.kind in "biu":
        return values.astype(bool)
    return np.array([str(value).lower() not in _FALSE for value in values], dtype=bool)


def _track(columns: Mapping[str, NDArray[Any]], name: str, n: int) -> Track:
    x, y, xx, xy, yy, score = (
        _numbers(columns, f"{name}_{part}", n)
        for part in ("x_px", "y_px", "xx_px2", "xy_px2", "yy_px2", "score")
    )
    reasons = _texts(columns, f"{name}_reason", n)
    lost = np.array([bool(reason) for reason in reasons])
    x, y = np.where(lost, np.nan, x), np.where(lost, np.nan, y)
    return Track(x, y, xx, xy, yy, score)

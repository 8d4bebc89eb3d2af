"""The electrical log beside a movie: read, lined up with the frames, never invented.

Between two readings the value is interpolated linearly; in a hole of the log, and before and
after it, there is none.
"""

from __future__ import annotations

import csv
import difflib
import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from tem_track.errors import ConfigError
from tem_track.records import FloatArray

__all__ = ["CURRENT_UNITS", "POTENTIAL_UNITS", "ElectricalLog", "at_times", "read_log", "uncovered"]

POTENTIAL_UNITS = {"V": 1.0, "mV": 1e-3, "uV": 1e-6, "µV": 1e-6, "kV": 1e3}
CURRENT_UNITS = {"A": 1.0, "mA": 1e-3, "uA": 1e-6, "µA": 1e-6, "nA": 1e-9, "pA": 1e-12, "fA": 1e-15}
WIDEST_HOLE = 5.0
"""A step between readings of more than this many usual steps is a hole."""


@dataclass(frozen=True, slots=True, eq=False)
class ElectricalLog:
    """Potential and current against the movie's time.

    Attributes
    ----------
    time_s : FloatArray
        Movie time of each reading, shape (n,), increasing.
    potential_V, current_A : FloatArray
        Shape (n,); NaN where the log holds none.
    warnings : tuple of str
    """

    time_s: FloatArray
    potential_V: FloatArray
    current_A: FloatArray
    warnings: tuple[str, ...] = ()


def read_log(
    path: Path,
    *,
    time_column: str,
    potential_column: str | None = None,
    potential_unit: str = "V",
    current_column: str | None = None,
    current_unit: str = "A",
    offset_s: float = 0.0,
    movie_start: datetime | None = None,
    marker_column: str | None = None,
    marker_time_s: float = 0.0,
) -> ElectricalLog:
    """Read a log and put it on the movie's clock.

    Three ways to line it up: ``log time + offset_s = movie time``; absolute times in the time
    column with `movie_start`, the moment of the movie's time 0; or `marker_column`, whose first
    entry that is neither empty nor zero happened at the movie's `marker_time_s`.

    Parameters
    ----------
    path : Path
        Text with one header row; comma, semicolon or tab; decimal point, or decimal comma where
        the separator is another.
    time_column, potential_column, current_column, marker_column : str
        Names in the header row.
    potential_unit, current_unit : str
        Keys of `POTENTIAL_UNITS` and `CURRENT_UNITS`.
    offset_s, marker_time_s : float
    movie_start : datetime, optional

    Returns
    -------
    ElectricalLog

    Raises
    ------
    ConfigError
        The file, a column or a unit does not exist, a cell is no number, or time runs backwards.
    """
    header, rows = _read_rows(path)
    potential_factor = _factor("potential_unit", potential_unit, POTENTIAL_UNITS)
    current_factor = _factor("current_unit", current_unit, CURRENT_UNITS)
    table = _Table(path, header, rows)
    time = table.times(time_column, movie_start)
    _require_increasing(path, time)
    if marker_column is not None:
        offset_s = marker_time_s - float(time[table.first_mark(marker_column)])
    elif movie_start is not None:
        offset_s = 0.0
    nothing = np.full(len(time), math.nan)
    potential = table.numbers(potential_column) * potential_factor if potential_column else nothing
    current = table.numbers(current_column) * current_factor if current_column else nothing
    return ElectricalLog(time + offset_s, potential, current, _holes(path, time))


def at_times(log: ElectricalLog, time_s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return potential (V) and current (A) at the movie's times.

    Parameters
    ----------
    log : ElectricalLog
    time_s : FloatArray
        Movie times, shape (n,).

    Returns
    -------
    potential_V, current_A : FloatArray
        Shape (n,); NaN outside the log and in its holes.

    Raises
    ------
    ConfigError
        The log and the movie have no time in common.
    """
    known = time_s[np.isfinite(time_s)]
    if known.size and (known[-1] < log.time_s[0] or known[0] > log.time_s[-1]):
        raise ConfigError(
            f"the log covers {log.time_s[0]:g} to {log.time_s[-1]:g} s of the movie's clock, the"
            f" movie {known[0]:g} to {known[-1]:g} s: they do not overlap; mend log.offset_s"
        )
    return _interpolate(log, log.potential_V, time_s), _interpolate(log, log.current_A, time_s)


def uncovered(log: ElectricalLog, time_s: FloatArray) -> tuple[str, ...]:
    """Return a warning where some of the movie's times lie before or after the log."""
    outside = (time_s < log.time_s[0]) | (time_s > log.time_s[-1])
    if not outside.any():
        return ()
    return (
        f"the log covers {log.time_s[0]:g} to {log.time_s[-1]:g} s of the movie's clock:"
        f" {int(outside.sum())} of {len(time_s)} frames lie outside it and have no potential and"
        " current",
    )


def _interpolate(log: ElectricalLog, values: FloatArray, time_s: FloatArray) -> FloatArray:
    known = np.isfinite(values)
    if known.sum() < 2:
        return np.full(len(time_s), math.nan)
    t, v = log.time_s[known], values[known]
    result = np.interp(time_s, t, v, left=math.nan, right=math.nan)
    after = np.clip(np.searchsorted(t, time_s), 1, len(t) - 1)
    result[t[after] - t[after - 1] > _widest_step(log.time_s)] = math.nan
    return result


def _widest_step(time: FloatArray) -> float:
    return WIDEST_HOLE * float(np.median(np.diff(time)))


def _holes(path: Path, time: FloatArray) -> tuple[str, ...]:
    wide = np.flatnonzero(np.diff(time) > _widest_step(time))
    if not wide.size:
        return ()
    first = wide[0]
    return (
        f"{path}: the log has {wide.size} hole(s), the first from {time[first]:g} to"
        f" {time[first + 1]:g} s of its own clock; nothing is filled in there",
    )


# --------------------------------------------------------------------------- the text


def _read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"log.file: there is no file {path}; check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"log.file: {path} cannot be read as text ({error})") from None
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) < 3:
        raise ConfigError(f"log.file: {path} holds fewer than two readings below a header row")
    separator = max(("\t", ";", ","), key=lambda mark: (lines[0].count(mark), mark != ","))
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]
    width = len(rows[0])
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != width:
            raise ConfigError(
                f"log.file: {path}, row {number} has {len(row)} cells where the header has {width};"
                " a decimal comma needs another separator"
            )
    return rows[0], rows[1:]


def _factor(key: str, unit: str, units: dict[str, float]) -> float:
    if unit not in units:
        raise ConfigError(f"log.{key}: '{unit}' is not known; take one of {', '.join(units)}")
    return units[unit]


@dataclass(frozen=True, slots=True)
class _Table:
    path: Path
    header: list[str]
    rows: list[list[str]]

    def cells(self, name: str) -> list[str]:
        if name not in self.header:
            near = difflib.get_close_matches(name, self.header, n=1)
            mend = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(self.header)}"
            raise ConfigError(f"log: {self.path} has no column '{name}'; {mend}")
        column = self.header.index(name)
        return [row[column] for row in self.rows]

    def numbers(self, name: str) -> FloatArray:
        cells = self.cells(name)
        # Beside times of the day, whose seconds have a point, numbers may have a comma.
        if not any("." in cell for cell in cells):
            cells = [cell.replace(",", ".") for cell in cells]
        return np.array([self._number(name, n, cell) for n, cell in enumerate(cells, 2)])

    def _number(self, name: str, row: int, cell: str) -> float:
        if not cell:
            return math.nan
        try:
            return float(cell)
        except ValueError:
            raise ConfigError(
                f"log: {self.path}, column '{name}', row {row}: '{cell}' is not a number"
            ) from None

    def times(self, name: str, movie_start: datetime | None) -> FloatArray:
        if movie_start is None:
            return self.numbers(name)
        moments = [self._moment(name, n, c) for n, c in enumerate(self.cells(name), 2)]
        try:
            return np.array([(moment - movie_start).total_seconds() for moment in moments])
        except TypeError:
            raise ConfigError(
                f"log: {self.path}: of log.movie_start and the column '{name}' one names a time"
                " zone and one does not"
            ) from None

    def _moment(self, name: str, row: int, cell: str) -> datetime:
        try:
            return datetime.fromisoformat(cell)
        except ValueError:
            raise ConfigError(
                f"log: {self.path}, column '{name}', row {row}: '{cell}' is not an absolute time"
                " such as 2026-03-01T14:05:09.5"
            ) from None

    def first_mark(self, name: str) -> int:
        for row, cell in enumerate(self.cells(name)):
            if cell and cell.strip("0.,") != "":
                return row
        raise ConfigError(f"log: {self.path}: nothing is marked in the column '{name}'")


def _require_increasing(path: Path, time: FloatArray) -> None:
    if np.isnan(time).any():
        row = int(np.flatnonzero(np.isnan(time))[0]) + 2
        raise ConfigError(f"log: {path}, row {row} has no time")
    back = np.flatnonzero(np.diff(time) <= 0)
    if back.size:
        row = int(back[0]) + 3
        raise ConfigError(
            f"log: {path}: time does not increase at row {row}"
            f" ({time[back[0]]:g} s, then {time[back[0] + 1]:g} s); sort or mend the log"
        )

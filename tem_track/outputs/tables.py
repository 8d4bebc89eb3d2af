"""The tables of a results folder: the same numbers give the same bytes; and reading them back.

``points.csv`` holds ten significant digits, more than any measurement; ``measurement.csv`` holds
every digit, so that mechanics calculated again from it give the same ``points.csv``.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tem_track.analysis import Result, bodies_of
from tem_track.config import experiment_to_toml, load_experiment
from tem_track.errors import ResultsError
from tem_track.outputs.files import replacing, write_text
from tem_track.records import Axis

__all__ = [
    "as_written",
    "csv_text",
    "json_text",
    "read_json",
    "read_results",
    "read_table",
    "write_tables",
]

WHOLE_COLUMNS = frozenset({"frame"})
TRUTH_COLUMNS = frozenset({"ok", "duplicate", "broken"})
TEXT_COLUMNS = frozenset({"phase", "flags", "digest", "model", "outline_flags", "body"})

ROWS_AT_ONCE = 1024
"""Rows that are held as text at a time."""

Outlines = Mapping[int, NDArray[np.float32]]


def write_tables(result: Result, folder: str | os.PathLike[str]) -> None:
    """Write points.csv, measurement.csv, summary.json, experiment.toml and outlines.npz.

    Where several bodies grow, also bodies.csv.

    Parameters
    ----------
    result : Result
    folder : path
        Made where it does not exist.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "measurement.csv", result.measurement, number=_exact)
    write_csv(folder / "points.csv", result.points)
    write_text(folder / "summary.json", json_text(result.summary))
    write_text(folder / "experiment.toml", experiment_to_toml(result.experiment, folder))
    _write_outlines(folder / "outlines.npz", result.outlines, result.axis)
    _write_bodies(result, folder / "bodies.csv")


def _write_bodies(result: Result, path: Path) -> None:
    """Write one row a body and frame, where more than one body grows."""
    table = bodies_of(result)
    if table.empty:
        path.unlink(missing_ok=True)
    else:
        write_csv(path, table)


def read_results(folder: str | os.PathLike[str]) -> Result:
    """Read a results folder back.

    Parameters
    ----------
    folder : path

    Returns
    -------
    Result
        With the digits that the tables hold.

    Raises
    ------
    ResultsError
        The folder is missing, incomplete or not of this program.
    ConfigError
        Its ``experiment.toml`` was changed into something that cannot be used.
    """
    folder = Path(folder)
    _require(folder)
    outlines, axis = _read_outlines(folder / "outlines.npz")
    return Result(
        points=read_table(folder / "points.csv"),
        summary=read_json(folder / "summary.json"),
        measurement=read_table(folder / "measurement.csv"),
        outlines=outlines,
        experiment=load_experiment(folder / "experiment.toml"),
        axis=axis,
    )


def as_written(result: Result, folder: Path) -> Result:
    """Return a result with the digits that its tables hold, once they are written."""
    return replace(
        result,
        points=read_table(folder / "points.csv"),
        summary=read_json(folder / "summary.json"),
    )


def _require(folder: Path) -> None:
    if folder.is_file():
        raise ResultsError(f"{folder}: is a file; name a results folder, such as movie.results")
    if not folder.is_dir():
        raise ResultsError(f"{folder}: there is no such results folder; check the path")
    needed = ("points.csv", "summary.json", "measurement.csv", "experiment.toml", "outlines.npz")
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise ResultsError(
            f"{folder}: is not a complete results folder, {', '.join(missing)} is missing;"
            " run the experiment again"
        )


# --------------------------------------------------------------------------- numbers as text


def _ten_digits(value: float) -> str:
    return f"{value + 0.0:.10g}"  # + 0.0 turns -0 into 0


def _exact(value: float) -> str:
    return repr(value + 0.0)


def cell(value: Any, number: Callable[[float], str] = _ten_digits) -> str:
    """Return one value as the text of a cell; what is missing is empty."""
    if value is None:
        return ""
    if isinstance(value, bool | np.bool_):
        return "1" if value else "0"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return "" if math.isnan(value) else number(float(value))
    return str(value)


def quoted(text: str, separator: str = ",") -> str:
    """Return a cell's text, in quotes where the separator or a line end would break the row."""
    if any(mark in text for mark in (separator, '"', "\n", "\r")):
        return '"' + text.replace('"', '""') + '"'
    return text


def csv_text(table: pd.DataFrame, *, number: Callable[[float], str] = _ten_digits) -> str:
    """Return a table as CSV: one header row, comma, decimal point, empty where missing."""
    return "".join(_csv_pieces(table, number))


def write_csv(
    path: Path, table: pd.DataFrame, *, number: Callable[[float], str] = _ten_digits
) -> None:
    """Write a table as CSV, some rows at a time, so that a long one needs little memory."""
    with replacing(path) as part, part.open("wb") as file:
        for piece in _csv_pieces(table, number):
            file.write(piece.encode("utf-8"))


def _csv_pieces(table: pd.DataFrame, number: Callable[[float], str]) -> Iterator[str]:
    yield ",".join(quoted(str(name)) for name in table.columns) + "\n"
    for start in range(0, len(table), ROWS_AT_ONCE):
        piece = table.iloc[start : start + ROWS_AT_ONCE]
        columns = [_cells(piece[name], number) for name in piece.columns]
        yield "".join(",".join(row) + "\n" for row in zip(*columns, strict=True))


def _cells(column: pd.Series, number: Callable[[float], str]) -> list[str]:
    """Return the texts of a column; of numbers none needs quotes."""
    values = column.tolist()
    if column.dtype.kind == "f":
        return ["" if value != value else number(value) for value in values]
    return [quoted(cell(value, number)) for value in values]


def json_text(data: Mapping[str, Any]) -> str:
    """Return plain data as JSON; what is not a finite number becomes null."""
    return json.dumps(plain(data), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def plain(value: Any) -> Any:
    """Return a value as what JSON knows, floats with ten significant digits."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(_ten_digits(float(value))) if math.isfinite(value) else None
    return value if value is None else str(value)


# --------------------------------------------------------------------------- reading


def read_table(path: Path) -> pd.DataFrame:
    """Read ``points.csv`` or ``measurement.csv`` with the types it was written from.

    Raises
    ------
    ResultsError
        The file is not such a table.
    """
    try:
        raw = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
        return pd.DataFrame({name: _typed(str(name), raw[name].tolist()) for name in raw.columns})
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path}: cannot be read as a table ({error})") from None


def _typed(name: str, cells: list[str]) -> Any:
    if name in TEXT_COLUMNS or name.endswith("_reason"):
        return pd.Series(cells, dtype=object)
    if name in WHOLE_COLUMNS:
        return np.array([int(text) for text in cells], dtype=np.int64)
    if name in TRUTH_COLUMNS:
        return np.array([text == "1" for text in cells], dtype=bool)
    try:
        return np.array([float(text) if text else math.nan for text in cells], dtype=float)
    except ValueError:
        return pd.Series(cells, dtype=object)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises
    ------
    ResultsError
        It cannot be read, or holds something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path}: cannot be read ({error})") from None
    if not isinstance(data, dict):
        raise ResultsError(f"{path}: does not hold a JSON object; run the experiment again")
    return data


# --------------------------------------------------------------------------- outlines


def _write_outlines(path: Path, outlines: Outlines, axis: Axis) -> None:
    """Write what ``numpy.savez_compressed`` would, some frames at a time."""
    frames = sorted(outlines)
    count = np.array([len(outlines[frame]) for frame in frames], dtype=np.int64)
    pieces = (
        np.concatenate([outlines[frame] for frame in frames[start : start + ROWS_AT_ONCE]])
        for start in range(0, len(frames), ROWS_AT_ONCE)
    )
    whole: dict[str, NDArray[Any]] = {
        "frame": np.array(frames, dtype=np.int64),
        "count": count,
        "axis_deg": np.array([axis.angle_deg, axis.u_angle_deg]),
    }
    with replacing(path) as part, ZipFile(part, "w", ZIP_DEFLATED) as archive:
        for name, array in whole.items():
            _write_array(archive, name, array.dtype, array.shape, [array])
        shape = (int(count.sum()), 6)
        _write_array(archive, "outline_px", np.dtype(np.float32), shape, pieces)


def _write_array(
    archive: ZipFile,
    name: str,
    kind: np.dtype[Any],
    shape: tuple[int, ...],
    pieces: Iterable[NDArray[Any]],
) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(kind),
        "fortran_order": False,
        "shape": shape,
    }
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for piece in pieces:
            file.write(np.ascontiguousarray(piece, dtype=kind).tobytes())


def _read_outlines(path: Path) -> tuple[dict[int, NDArray[np.float32]], Axis]:
    try:
        with np.load(path, allow_pickle=False) as data:
            frames, counts = data["frame"].tolist(), data["count"]
            rows = np.split(data["outline_px"], np.cumsum(counts)[:-1])
            angle, u_angle = data["axis_deg"].tolist()
    except (OSError, ValueError, KeyError) as error:
        raise ResultsError(f"{path}: cannot be read ({error})") from None
    return dict(zip(frames, rows, strict=False)), Axis(angle, u_angle)

"""Rows become columns once: observations in, blocks of arrays out.

A block holds some frames' measurements as plain arrays, so that a long movie stays small in
memory, a journal can store it and a worker can send it. Blocks joined in the frames' order are the
same to the last digit however the frames were divided.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, fields
from sys import intern
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray, Match, Observation, Outline

__all__ = [
    "TARGETS",
    "Block",
    "Outlines",
    "block_from_bytes",
    "block_of",
    "block_to_bytes",
    "join",
    "matches_of",
    "merged",
    "replace_row",
]

TARGETS = ("bar", "tip", "base")
STATIONS = 33
"""Stations of an outline that are kept for the pictures."""

Columns = dict[str, NDArray[Any]]
Outlines = MutableMapping[int, NDArray[np.float32]]

_MATCH_FIELDS = ("x_px", "y_px", "xx_px2", "xy_px2", "yy_px2", "score", "rotation_deg")
_OUTLINE_FIELDS = tuple(
    f.name for f in fields(Outline) if f.type == "float" and f.name != "axis_deg"
)


@dataclass(frozen=True, eq=False)
class Block:
    """The measurement of some frames, as columns.

    Attributes
    ----------
    columns : dict of arrays, shape (n,)
        What ``measurement.csv`` holds; NaN or an empty text where nothing was seen.
    outlines : mapping
        By frame: array (m, 6) of midline x, y, left x, y and right x, y in pixels.
    alternatives : tuple of (int, str, Match)
        Frame, target and another place of like score.
    """

    columns: Columns
    outlines: Outlines
    alternatives: tuple[tuple[int, str, Match], ...] = ()

    def __len__(self) -> int:
        return len(self.columns["frame"])


# --------------------------------------------------------------------------- building


def block_of(
    observations: Sequence[Observation], targets: Sequence[str], has_specimen: bool
) -> Block:
    """Turn observations into a block.

    Parameters
    ----------
    observations : sequence of Observation
    targets : sequence of str
        The targets that the experiment names; they have columns even where all are lost.
    has_specimen : bool
        Whether there are columns of the specimen.
    """
    columns: Columns = {
        "frame": np.array([o.frame for o in observations], dtype=np.int64),
        "time_s": np.array([o.time_s for o in observations], dtype=float),
        "ok": np.array([o.ok for o in observations], dtype=bool),
        "digest": np.array([o.digest for o in observations], dtype=object),
    }
    for name in targets:
        columns |= _match_columns(name, [getattr(o, name) or Match.none() for o in observations])
    if has_specimen:
        columns |= _outline_columns([o.outline for o in observations])
    outlines = {
        o.frame: _compact(o.outline)
        for o in observations
        if o.outline is not None and len(o.outline.midline_px)
    }
    return Block(columns, outlines, tuple(_alternatives(observations, targets)))


def _alternatives(
    observations: Sequence[Observation], targets: Sequence[str]
) -> Iterator[tuple[int, str, Match]]:
    for observation in observations:
        for name in targets:
            match = getattr(observation, name)
            for other in match.alternatives if match is not None else ():
                yield observation.frame, name, other


def _match_columns(name: str, matches: Sequence[Match]) -> Columns:
    columns: Columns = {
        f"{name}_{key}": np.array([getattr(m, key) for m in matches], dtype=float)
        for key in _MATCH_FIELDS
    }
    reasons = [(m.reason or "lost") if m.lost else "" for m in matches]
    columns[f"{name}_reason"] = np.array(reasons, dtype=object)
    return columns


def _outline_columns(outlines: Sequence[Outline | None]) -> Columns:
    empty = Outline(axis_deg=math.nan, flags=("SPECIMEN_LOST",))
    rows = [outline if outline is not None else empty for outline in outlines]
    columns: Columns = {
        "model": np.array([o.model for o in rows], dtype=object),
        "broken": np.array([o.broken for o in rows], dtype=bool),
        "outline_flags": np.array([";".join(o.flags) for o in rows], dtype=object),
    }
    for key in _OUTLINE_FIELDS:
        columns[key] = np.array([getattr(o, key) for o in rows], dtype=float)
    for key in ("base_face", "tip_face"):
        ends: FloatArray = np.array([getattr(o, f"{key}_px") for o in rows], dtype=float)
        columns[f"{key}_x_px"], columns[f"{key}_y_px"] = ends[:, 0], ends[:, 1]
    for key in sorted({key for o in rows for key in o.extra}):
        columns[key] = np.array([o.extra.get(key, np.nan) for o in rows], dtype=float)
    return columns


def _compact(outline: Outline) -> NDArray[np.float32]:
    stack = np.column_stack([outline.midline_px, outline.left_px, outline.right_px])
    if len(stack) > STATIONS:
        stack = stack[np.linspace(0, len(stack) - 1, STATIONS).round().astype(int)]
    return stack.astype(np.float32)


# --------------------------------------------------------------------------- joining


def join(
    blocks: Sequence[Block], *, emptying: bool = False, outlines: Outlines | None = None
) -> Block:
    """Join blocks in the frames' order; adds the column `duplicate`.

    A column that only some blocks have is filled with what is missing.

    Parameters
    ----------
    blocks : sequence of Block
    emptying : bool
        Take the columns out of the blocks one by one, so that a long movie's are never there twice.
    outlines : mapping, optional
        Where the outlines go, and where some may be already.
    """
    whole = merged(blocks, emptying=emptying)
    columns = whole.columns
    columns["duplicate"] = _duplicates(columns["ok"], columns["digest"])
    if outlines is None:
        return whole
    outlines.update(whole.outlines)
    return Block(columns, outlines, whole.alternatives)


def merged(blocks: Sequence[Block], *, emptying: bool = False) -> Block:
    """Return one block of several, in the frames' order, as `join` but without duplicates."""
    ordered = sorted(blocks, key=lambda block: int(block.columns["frame"][0]))
    kinds: dict[str, np.dtype[Any]] = {}
    for block in ordered:
        kinds |= {name: column.dtype for name, column in block.columns.items()}
    common = [name for name in ordered[0].columns if all(name in b.columns for b in ordered)]
    names = common + sorted(set(kinds) - set(common))
    names = _extras_last(names)
    lengths = [len(block) for block in ordered]
    columns: Columns = {}
    for name in names:
        pieces = zip(ordered, lengths, strict=True)
        columns[name] = np.concatenate([_column(b, name, kinds[name], n) for b, n in pieces])
        for block in ordered if emptying else ():
            block.columns.pop(name, None)
    alternatives = [other for block in ordered for other in block.alternatives]
    if not (np.diff(columns["frame"]) > 0).all():  # pieces of what was measured in parts
        order = np.argsort(columns["frame"], kind="stable")
        columns = {name: column[order] for name, column in columns.items()}
        alternatives.sort(key=lambda other: other[0])
    together: Outlines = {}
    for block in ordered:
        together.update(block.outlines)
    return Block(columns, together, tuple(alternatives))


def _extras_last(names: list[str]) -> list[str]:
    """Sort what only some shapes know behind the rest, whichever block knew it first."""
    known = {"frame", "time_s", "ok", "digest", "model", "broken", "outline_flags"}
    known |= set(_OUTLINE_FIELDS)
    known |= {f"{face}_{k}_px" for face in ("base_face", "tip_face") for k in "xy"}
    known |= {f"{t}_{key}" for t in TARGETS for key in (*_MATCH_FIELDS, "reason")}
    return [n for n in names if n in known] + sorted(n for n in names if n not in known)


def _column(block: Block, name: str, kind: np.dtype[Any], length: int) -> NDArray[Any]:
    if name in block.columns:
        return block.columns[name]
    if kind.kind == "O":
        return np.full(length, "", dtype=object)
    return np.full(length, np.nan if kind.kind == "f" else 0, dtype=kind)


def _duplicates(ok: NDArray[Any], digest: NDArray[Any]) -> NDArray[np.bool_]:
    repeated = np.zeros(len(ok), dtype=bool)
    repeated[1:] = ok[1:] & (digest[1:] == digest[:-1])
    return repeated


def matches_of(block: Block, name: str) -> list[Match]:
    """Return a target's matches, one a frame, with their alternatives."""
    others: dict[int, list[Match]] = {}
    for frame, target, match in block.alternatives:
        if target == name:
            others.setdefault(frame, []).append(match)
    columns = [block.columns[f"{name}_{key}"].tolist() for key in _MATCH_FIELDS]
    reasons = block.columns[f"{name}_reason"].tolist()
    rows = zip(block.columns["frame"].tolist(), reasons, zip(*columns, strict=True), strict=True)
    return [_match(values, reason, others.get(frame, [])) for frame, reason, values in rows]


def _match(values: Sequence[float], reason: str, others: Sequence[Match] = ()) -> Match:
    x, y, xx, xy, yy, score, rotation = values
    return Match(x, y, xx, xy, yy, score, rotation, bool(reason), reason, tuple(others))


def replace_row(block: Block, row: int, one: Block) -> None:
    """Put the single row of another block in the place of a row, in place."""
    for name, column in block.columns.items():
        if name != "duplicate":
            column[row] = _column(one, name, column.dtype, 1)[0]
    frame = int(one.columns["frame"][0])
    block.outlines.pop(frame, None)
    block.outlines.update(one.outlines)


# --------------------------------------------------------------------------- as bytes


def block_to_bytes(block: Block) -> bytes:
    """Return a block as bytes without any pickled object."""
    arrays: Columns = {f"column/{name}": _plain(a) for name, a in block.columns.items()}
    frames = sorted(block.outlines)
    arrays["outline/frame"] = np.array(frames, dtype=np.int64)
    arrays["outline/count"] = np.array([len(block.outlines[f]) for f in frames], dtype=np.int64)
    points = [block.outlines[f] for f in frames]
    arrays["outline/points"] = np.concatenate(points) if points else np.empty((0, 6), np.float32)
    others = [(f, t, [getattr(m, key) for key in _MATCH_FIELDS]) for f, t, m in block.alternatives]
    arrays["alternatives"] = np.array(json.dumps(others))
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _plain(column: NDArray[Any]) -> NDArray[Any]:
    return column.astype(str) if column.dtype == object else column


def _words(texts: NDArray[Any], *, differ: bool) -> NDArray[Any]:
    """Return texts as objects; equal ones, such as flags, are one object in all blocks."""
    known = texts.tolist()
    return np.array(known if differ else [intern(text) for text in known], dtype=object)


def block_from_bytes(data: bytes) -> Block:
    """Return the block that `block_to_bytes` stored."""
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        arrays: Mapping[str, NDArray[Any]] = dict(stored)
    columns = {
        name.removeprefix("column/"): _words(a, differ=name == "column/digest")
        if a.dtype.kind == "U"
        else a
        for name, a in arrays.items()
        if name.startswith("column/")
    }
    cuts = np.cumsum(arrays["outline/count"])[:-1]
    frames = arrays["outline/frame"].tolist()
    points = np.split(arrays["outline/points"], cuts) if frames else []
    others = json.loads(str(arrays["alternatives"]))
    return Block(
        columns,
        dict(zip(frames, points, strict=True)),
        tuple((frame, target, _match(values, "")) for frame, target, values in others),
    )

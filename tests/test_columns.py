"""Blocks and journals: however the frames are divided or cut off, the same columns come out."""

from __future__ import annotations

import errno
import io
import itertools
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tem_track import journal as journal_module
from tem_track.columns import (
    Block,
    block_from_bytes,
    block_of,
    block_to_bytes,
    join,
    matches_of,
    replace_row,
)
from tem_track.errors import ResultsError
from tem_track.frames import patience
from tem_track.journal import NAME, Journal, StoredOutlines
from tem_track.records import Match, Observation, Outline

OTHER = Match(9.0, 9.5, 0.1, 0.0, 0.1, 0.8)


def observation(frame: int) -> Observation:
    if frame == 3:
        return Observation(frame, 0.1 * frame, False, "")
    tip = Match.none(0.1, "occluded") if frame == 5 else Match(
        1 / 3 + frame, math.pi, 1e-3, 0.0, math.inf, 0.9, 0.1, alternatives=(OTHER,)
    )  # fmt: skip
    line = np.column_stack([np.full(50, frame / 7), np.arange(50.0)])
    outline = Outline(
        0.0,
        "round",
        line,
        line - 1,
        line + 1,
        length_px=math.e * frame,
        flags=("BENT", "NECK") if frame % 2 else (),
        extra={"inner_px": 1.0 * frame} if frame > 6 else {},
    )
    return Observation(frame, 0.1 * frame, True, f"d{frame // 2}", Match.none(), tip, None, outline)


ROWS = [observation(frame) for frame in range(12)]


def block(rows: list[Observation]) -> Block:
    return block_of(rows, ["bar", "tip"], has_specimen=True)


def assert_same(one: Block, other: Block) -> None:
    assert list(one.columns) == list(other.columns)
    for name, column in one.columns.items():
        assert column.dtype == other.columns[name].dtype
        np.testing.assert_array_equal(column, other.columns[name], err_msg=name)
    assert one.outlines.keys() == other.outlines.keys()
    for frame, points in one.outlines.items():
        np.testing.assert_array_equal(points, other.outlines[frame])
    assert one.alternatives == other.alternatives


@pytest.mark.parametrize("cuts", [[4], [1, 2, 3], [7, 8], list(range(1, 12))])
def test_division_changes_nothing(cuts: list[int]) -> None:
    edges = [0, *cuts, 12]
    parts = [block(ROWS[a:b]) for a, b in itertools.pairwise(edges)]
    assert_same(join(parts[::-1]), join([block(ROWS)]))


def test_bytes_hold_every_digit() -> None:
    one = block(ROWS)
    assert_same(block_from_bytes(block_to_bytes(one)), one)
    assert block_to_bytes(one) == block_to_bytes(block(ROWS))


def test_what_is_missing_is_missing() -> None:
    columns = join([block(ROWS)]).columns
    assert math.isnan(columns["tip_x_px"][5])
    assert columns["tip_reason"][5] == "occluded"
    assert not columns["ok"][3]
    assert columns["duplicate"][1]
    assert not columns["duplicate"][4]  # the frame before could not be decoded
    assert np.isnan(columns["inner_px"][:7]).all()
    assert columns["inner_px"][8] == 8.0


def test_matches_come_back_with_their_alternatives() -> None:
    matches = matches_of(block(ROWS), "tip")
    assert matches[0].alternatives == (OTHER,)
    assert matches[0].x_px == 1 / 3
    assert matches[5].lost


def test_a_row_can_be_replaced() -> None:
    whole = join([block(ROWS)])
    changed = Observation(2, 0.2, True, "d1", Match.none(), OTHER, None, ROWS[4].outline)
    replace_row(whole, 2, block([changed]))
    assert whole.columns["tip_x_px"][2] == 9.0
    np.testing.assert_array_equal(whole.outlines[2], whole.outlines[4])


def test_a_journal_gives_back_what_was_appended(tmp_path: Path) -> None:
    key = {"movie": "a"}
    with Journal(tmp_path, key) as journal:
        assert journal.blocks() == []
        journal.append(block(ROWS[:4]))
        journal.append(block(ROWS[4:]))
    again = Journal(tmp_path, key).blocks()
    assert_same(join(again), join([block(ROWS)]))


def test_a_torn_end_is_cut_away_at_every_byte(tmp_path: Path) -> None:
    path, key = tmp_path / NAME, {"movie": "a"}
    with Journal(tmp_path, key) as journal:
        journal.append(block(ROWS[:4]))
        first = path.stat().st_size
        journal.append(block(ROWS[4:6]))
    data = path.read_bytes()
    for length in [0, 5, first - 1, first, first + 7, len(data) - 1]:
        path.write_bytes(data[:length])
        with Journal(tmp_path, key) as journal:
            found = journal.blocks()
            assert len(found) == (length >= first)
            journal.append(block(ROWS[6:8]))
        assert len(Journal(tmp_path, key).blocks()) == len(found) + 1


class Sipping(io.FileIO):
    """A file on a disk that is filling: it takes some bytes at a time, and says how many."""

    def write(self, data: Any) -> int:
        return super().write(memoryview(data)[:700])


class Away(io.FileIO):
    """A file on a share that is away for some attempts to write."""

    left = 0

    def write(self, data: Any) -> int:
        if Away.left:
            Away.left -= 1
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return super().write(data)


def unbuffered_as(kind: type[io.FileIO], monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Path.open

    def opened(path: Path, mode: str = "r", buffering: int = -1, **others: Any) -> Any:
        return plain(path, mode, buffering, **others) if buffering else kind(path, mode)

    monkeypatch.setattr(Path, "open", opened)


def test_a_block_that_the_disk_takes_in_parts_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbuffered_as(Sipping, monkeypatch)
    with Journal(tmp_path, {"movie": "a"}) as journal:
        journal.append(block(ROWS[:4]))
        journal.append(block(ROWS[4:]))
    assert (tmp_path / NAME).stat().st_size > 2 * 700
    assert_same(join(Journal(tmp_path, {"movie": "a"}).blocks()), join([block(ROWS)]))


def test_a_folder_that_is_away_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", pauses.append)
    unbuffered_as(Away, monkeypatch)
    with Journal(tmp_path, {"movie": "a"}, patience=patience.Patience(2.0)) as journal:
        for start in range(0, 12, 4):
            Away.left = 2
            journal.append(block(ROWS[start : start + 4]))
        assert pauses == [0.5, 1.0] * 3  # seconds in a row are what it is patient for
        Away.left = 100
        with pytest.raises(ResultsError, match=r"within 2 s.*kept"):
            journal.append(block(ROWS[:4]))
    assert_same(join(Journal(tmp_path, {"movie": "a"}).blocks()), join([block(ROWS)]))


@pytest.mark.parametrize("held", [0, 1 << 20], ids=["in a file", "in memory"])
def test_outlines_come_back_from_where_they_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    monkeypatch.setattr(journal_module, "_HELD_BYTES", held)
    with Journal(tmp_path, {"movie": "a"}) as journal:
        journal.append(block(ROWS[:5]))
        journal.append(block(ROWS[5:]))
        stored = StoredOutlines(tmp_path)
        blocks = journal.blocks(stored)
    assert not any(one.outlines for one in blocks)
    whole = join(blocks, outlines=stored)
    assert whole.outlines is stored
    assert_same(whole, join([block(ROWS)]))
    first = stored[2].copy()
    replace_row(whole, 2, block([replace(ROWS[4], frame=2)]))
    np.testing.assert_array_equal(stored[2], stored[4])
    assert not np.array_equal(stored[2], first)
    replace_row(whole, 4, block([replace(ROWS[4], outline=None)]))
    assert 4 not in stored
    assert sorted(stored) == [n for n in range(12) if n not in (3, 4)]
    assert len(stored) == 10
    assert {path.name for path in tmp_path.iterdir()} <= {NAME}  # what waits has no name


@pytest.mark.parametrize("together", [1, 2, 3, 512])
def test_blocks_that_came_out_of_order_are_joined_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    monkeypatch.setattr(journal_module, "_TOGETHER", together)
    with Journal(tmp_path, {"movie": "a"}) as journal:
        for start in (0, 6, 2, 10, 4, 8):  # as workers that share a movie leave them
            journal.append(block(ROWS[start : start + 2]))
        stored = StoredOutlines(tmp_path)
        blocks = journal.blocks(stored)
    assert len(blocks) == max(1, -(-6 // together))
    assert_same(join(blocks, emptying=True, outlines=stored), join([block(ROWS)]))


def test_a_journal_of_something_else_is_not_used(tmp_path: Path) -> None:
    with Journal(tmp_path, {"movie": "a"}) as journal:
        journal.append(block(ROWS[:4]))
    assert Journal(tmp_path, {"movie": "b"}).blocks() == []

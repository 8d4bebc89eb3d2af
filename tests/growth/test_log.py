"""The electrical log: three ways to line it up, and every mistake in it named."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tem_track.errors import ConfigError
from tem_track.growth.log import at_times, read_log, uncovered

COMMA = "t,U,I\n0,-1.0,5\n1,-1.0,6\n2,-3.5,7\n3,-3.5,8\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "potential.csv"
    path.write_text(text, encoding="utf-8")
    return path


def read(folder: Path, text: str, **options: Any) -> Any:
    given = {"time_column": "t", "potential_column": "U", "current_column": "I"} | options
    return read_log(write(folder, text), **given)


@pytest.mark.parametrize(
    "text",
    [
        COMMA,
        COMMA.replace(",", "\t"),
        COMMA.replace(",", ";"),
        COMMA.replace(",", ";").replace(".", ","),
        "﻿# made by a potentiostat\n" + COMMA,
    ],
)
def test_every_dialect_reads_the_same(tmp_path: Path, text: str) -> None:
    log = read(tmp_path, text, current_unit="nA", offset_s=12.5)
    np.testing.assert_allclose(log.time_s, [12.5, 13.5, 14.5, 15.5])
    np.testing.assert_allclose(log.potential_V, [-1, -1, -3.5, -3.5])
    np.testing.assert_allclose(log.current_A, [5e-9, 6e-9, 7e-9, 8e-9])


def test_a_decimal_comma_beside_the_time_of_day(tmp_path: Path) -> None:
    text = "t;U;clock\n0,5;-1,25;14:00:00.500\n1,5;-2,5;14:00:01.500\n"
    log = read(tmp_path, text, current_column=None)
    np.testing.assert_allclose(log.time_s, [0.5, 1.5])
    np.testing.assert_allclose(log.potential_V, [-1.25, -2.5])


def test_frames_between_readings(tmp_path: Path) -> None:
    potential, current = at_times(read(tmp_path, COMMA), np.array([-0.5, 0.5, 1.5, 3.0, 3.1]))
    np.testing.assert_allclose(potential, [np.nan, -1, -2.25, -3.5, np.nan])
    np.testing.assert_allclose(current, [np.nan, 5.5, 6.5, 8, np.nan])


def test_absolute_times(tmp_path: Path) -> None:
    text = "t,U\n2026-03-01T14:00:10,-1\n2026-03-01T14:00:11,-2\n2026-03-01T14:00:12.5,-3\n"
    start = datetime.fromisoformat("2026-03-01T14:00:00")
    log = read(tmp_path, text, current_column=None, movie_start=start)
    np.testing.assert_allclose(log.time_s, [10, 11, 12.5])
    zoned = datetime.fromisoformat("2026-03-01T14:00:00+00:00")
    with pytest.raises(ConfigError, match="time zone"):
        read(tmp_path, text, current_column=None, movie_start=zoned)


def test_a_marker(tmp_path: Path) -> None:
    text = "t,U,mark\n100,-1,0\n101,-1,\n102,-2,1\n103,-2,1\n"
    log = read(tmp_path, text, current_column=None, marker_column="mark", marker_time_s=7.0)
    np.testing.assert_allclose(log.time_s, [5, 6, 7, 8])
    with pytest.raises(ConfigError, match="nothing is marked"):
        read(tmp_path, text.replace("1\n", "0\n"), current_column=None, marker_column="mark")


def test_nothing_is_filled_into_a_hole(tmp_path: Path) -> None:
    rows = "".join(f"{t},-1,5\n" for t in [*range(10), *range(60, 70)])
    log = read(tmp_path, "t,U,I\n" + rows)
    potential, _ = at_times(log, np.array([5.5, 30.0, 65.0]))
    np.testing.assert_allclose(potential, [-1, np.nan, -1])
    assert "hole" in log.warnings[0]


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        (COMMA, {"potential_column": "u"}, ["no column 'u'"]),
        (COMMA, {"potential_unit": "volts"}, ["log.potential_unit", "'volts'", "mV"]),
        (COMMA, {"current_unit": "amps"}, ["log.current_unit", "pA"]),
        (COMMA.replace("-1.0,6", "x,6"), {}, ["column 'U'", "row 3", "'x'"]),
        (COMMA.replace("\n2,", "\n0.5,"), {}, ["does not increase", "row 4"]),
        ("t,U,I\n0,-1,5\n", {}, ["fewer than two readings"]),
        ("t,U,I\n0,1,5\n1,-1,0,6\n", {}, ["row 3", "decimal comma"]),
        (COMMA, {"movie_start": datetime(2026, 3, 1)}, ["not an absolute time"]),
    ],
)
def test_mistakes(tmp_path: Path, text: str, options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, **options)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_overlap(tmp_path: Path) -> None:
    log = read(tmp_path, COMMA, offset_s=1000.0)
    with pytest.raises(ConfigError, match=r"1000 to 1003 s.*0 to 5 s.*log.offset_s"):
        at_times(log, np.array([0.0, 5.0]))


def test_a_log_that_covers_a_part_says_so(tmp_path: Path) -> None:
    log = read(tmp_path, COMMA)
    (text,) = uncovered(log, np.array([-2.0, -1.0, 0.0, 2.0, 3.5]))
    assert "3 of 5 frames" in text
    assert uncovered(log, np.array([0.0, 3.0])) == ()


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no file"):
        read_log(tmp_path / "nothing.csv", time_column="t")

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tem_track import outputs
from tem_track.errors import ResultsError
from tem_track.outputs.files import replacing
from tem_track.outputs.tables import csv_text, json_text, read_table
from tests.outputs import made


def test_written_results_are_read_back_the_same(tmp_path: Path) -> None:
    result = made.result()
    outputs.write_tables(result, tmp_path)
    again = outputs.read_results(tmp_path)
    for name in result.measurement.columns:
        written, read = result.measurement[name].to_numpy(), again.measurement[name].to_numpy()
        if written.dtype == float:
            np.testing.assert_array_equal(written, read, err_msg=name)
        else:
            assert written.tolist() == read.tolist(), name
    for name in result.points.columns:
        if result.points[name].dtype == float:
            np.testing.assert_allclose(result.points[name], again.points[name], rtol=1e-9)
        else:
            assert result.points[name].tolist() == again.points[name].tolist(), name
    assert again.summary == json.loads(json_text(result.summary))
    assert again.axis == result.axis
    assert again.outlines.keys() == result.outlines.keys()
    np.testing.assert_array_equal(again.outlines[7], result.outlines[7])
    assert again.experiment.specimen == result.experiment.specimen


def test_the_same_result_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        outputs.write_tables(made.result(), tmp_path / name)
    first = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    second = {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()}
    assert first == second
    assert set(first) == {
        "points.csv", "measurement.csv", "summary.json", "experiment.toml", "outlines.npz",
    }  # fmt: skip


def test_reading_and_writing_again_changes_nothing(tmp_path: Path) -> None:
    outputs.write_tables(made.result(), tmp_path / "a")
    outputs.write_tables(outputs.read_results(tmp_path / "a"), tmp_path / "b")
    for name in ("points.csv", "measurement.csv", "summary.json", "outlines.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_what_is_missing_is_an_empty_cell() -> None:
    table = pd.DataFrame(
        {"a_nm": [1.5, math.nan, -0.0], "ok": [True, False, True], "flags": ["", "A;B", 'x,"y"']}
    )
    assert csv_text(table) == 'a_nm,ok,flags\n1.5,1,\n,0,A;B\n0,1,"x,""y"""\n'


def test_texts_that_look_like_numbers_stay_texts(tmp_path: Path) -> None:
    table = pd.DataFrame({"frame": [0, 1], "digest": ["12e4", "007"], "tip_reason": ["", "nan"]})
    (tmp_path / "measurement.csv").write_text(csv_text(table))
    again = read_table(tmp_path / "measurement.csv")
    assert again["digest"].tolist() == ["12e4", "007"]
    assert again["tip_reason"].tolist() == ["", "nan"]


def test_infinity_is_kept_in_tables_and_null_in_json() -> None:
    assert "inf" in csv_text(pd.DataFrame({"tip_xx_px2": [math.inf]}))
    assert json_text({"a": math.nan, "b": [math.inf, np.int64(3)]}) == (
        '{\n  "a": null,\n  "b": [\n    null,\n    3\n  ]\n}\n'
    )


def test_an_incomplete_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="no such results folder"):
        outputs.read_results(tmp_path / "none")
    outputs.write_tables(made.result(), tmp_path)
    (tmp_path / "summary.json").unlink()
    with pytest.raises(ResultsError, match=r"summary\.json is missing"):
        outputs.read_results(tmp_path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as part:
            part.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]

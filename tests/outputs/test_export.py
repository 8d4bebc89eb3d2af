from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tem_track import outputs
from tem_track.errors import ConfigError, ResultsError
from tem_track.outputs.words import value_words
from tests.outputs import made


def test_origin_has_names_units_and_comments(tmp_path: Path) -> None:
    path = outputs.export(made.result(), "origin", folder=tmp_path)
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    rows = [line.split("\t") for line in lines]
    at = rows[0].index("force_nN")
    assert rows[1][at] == "nN"
    assert rows[2][at] == "force"
    assert float(rows[3 + 20][at]) == pytest.approx(101.8, abs=0.1)
    assert {len(row) for row in rows} == {len(rows[0])}


def test_semicolons_and_decimal_commas_are_read_back(tmp_path: Path) -> None:
    result = made.result()
    path = outputs.export(result, "csv-semicolon", folder=tmp_path)
    table = pd.read_csv(path, sep=";", decimal=",", encoding="utf-8-sig", keep_default_na=True)
    assert table["force_nN"].tolist() == pytest.approx(result.points["force_nN"].tolist())
    assert table["flags"].iloc[16] == "LOW_SCORE;BENT"


def test_excel_holds_numbers_and_no_formulas(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    result = made.result()
    result.points.loc[0, "flags"] = "=cmd|' /C calc'!A0"
    path = outputs.export(result, "excel", tmp_path / "x.xlsx")
    book = openpyxl.load_workbook(path)
    sheet = book["points"]
    header = [cell.value for cell in sheet[1]]
    force = sheet.cell(row=2 + 20, column=1 + header.index("force_nN"))
    assert force.value == pytest.approx(101.8, abs=0.1)
    assert sheet.cell(row=2, column=1 + header.index("flags")).data_type == "s"
    assert book.sheetnames == ["points", "summary", "measurement"]


def test_an_unknown_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'matlab' is not one of origin, excel, csv-semicolon"):
        outputs.export(made.result(), "matlab", folder=tmp_path)


def test_the_table_has_one_row_a_specimen(tmp_path: Path) -> None:
    results = [
        (tmp_path / "one.results", made.result()),
        (tmp_path / "two.results", made.result(specimen=False)),
    ]
    outputs.write_table(results, tmp_path / "table.csv")
    table = pd.read_csv(tmp_path / "table.csv")
    assert table["specimen"].tolist() == ["one", "two"]
    assert table["material"].tolist()[0] == "Na"
    assert table["critical_stress_MPa"].iloc[0] == pytest.approx(18.32, abs=0.01)
    assert pd.isna(table["critical_stress_MPa"].iloc[1])
    outputs.write_table(results, tmp_path / "table.md")
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert text.startswith("| specimen | material |")
    u = table["u_critical_stress_MPa"].iloc[0]
    assert f"| {value_words(table['critical_stress_MPa'].iloc[0], u)} |" in text
    assert "u_critical" not in text
    with pytest.raises(ConfigError, match=r"must end in \.csv"):
        outputs.write_table(results, tmp_path / "table.doc")


def test_results_of_one_name_are_told_apart(tmp_path: Path) -> None:
    results = [(tmp_path / name / "results", made.result()) for name in ("one", "two")]
    outputs.write_table(results, tmp_path / "table.csv")
    table = pd.read_csv(tmp_path / "table.csv")
    assert table["specimen"].tolist() == ["one/results", "two/results"]


def test_curves_of_several_specimens_share_one_figure(tmp_path: Path) -> None:
    results = [(tmp_path / name, made.result()) for name in ("one.results", "two.results")]
    outputs.write_plot(results, tmp_path / "all.svg")
    text = (tmp_path / "all.svg").read_text()
    assert "engineering strain" in text
    assert "one, 112 nm" in text
    assert "two, 112 nm" in text
    with pytest.raises(ResultsError, match="no curve in common"):
        outputs.write_plot([], tmp_path / "none.svg")

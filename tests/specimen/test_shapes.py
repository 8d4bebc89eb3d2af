"""A shape of one's own: one file with one class, and one line in the table."""

from __future__ import annotations

from pathlib import Path

import pytest

import tem_track
from tem_track import shapes
from tem_track.simulate import simulate
from tem_track.specimen import SHAPES

WEDGE = """
from tem_track.specimen.shapes.rod import Rod

class Wedge(Rod):
    name = "wedge"

    def end_diameters(self, sides, low, high):
        found = super().end_diameters(sides, low, high)
        return {name: 2.0 * value for name, value in found.items()}
"""


def test_a_file_and_a_line_make_a_shape_of_an_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = simulate("rod_compression", seed=1, frames=24, output=tmp_path)
    movie, rod = tem_track.open_movie(made.movie), tem_track.load_experiment(made.experiment)
    text = made.experiment.read_text(encoding="utf-8").replace('"rod"', '"wedge"')
    mine = tmp_path / "wedge.toml"
    mine.write_text(text, encoding="utf-8")
    with pytest.raises(tem_track.ConfigError, match="must be one of 'rod' or 'particle'"):
        tem_track.load_experiment(mine)

    (tmp_path / "wedge_shape.py").write_text(WEDGE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    line = shapes.ShapeLine("wedge_shape:Wedge", stressed_as="rod")
    monkeypatch.setitem(shapes.TABLE, "wedge", line)
    assert "wedge" in SHAPES
    found = tem_track.analyse(movie, tem_track.load_experiment(mine))
    usual = tem_track.analyse(movie, rod)
    assert found.summary["area_model"] == "initial"
    assert found.points["stress_MPa"].max() == pytest.approx(usual.points["stress_MPa"].max())
    twice = found.points["diameter_tip_nm"] / usual.points["diameter_tip_nm"]
    assert twice.dropna().to_numpy() == pytest.approx(2.0)


def test_every_line_names_a_class_and_an_area() -> None:
    from tem_track.mechanics import AREA_MODELS

    for name, line in shapes.TABLE.items():
        assert SHAPES[name].name == name
        assert (line.stressed_as, "compression") in AREA_MODELS

"""The public door: a movie and an experiment in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from threadpoolctl import threadpool_info, threadpool_limits

import tem_track
from tem_track.analysis import blocks
from tests.small import EXPERIMENT, write_small


def test_the_experiments_clock_replaces_the_movies_own(tmp_path: Path) -> None:
    experiment = tem_track.load_experiment(write_small(tmp_path, 12))
    movie = tem_track.open_movie(experiment.movie_path)
    result = tem_track.analyse(movie, experiment)
    np.testing.assert_allclose(result.points["time_s"], 0.5 * np.arange(12))
    assert movie.given_interval_s is None


def test_what_the_files_tags_say_is_held_against_the_experiment(tmp_path: Path) -> None:
    experiment = tem_track.load_experiment(write_small(tmp_path, 12))
    stack = np.stack([frame.image for frame in tem_track.open_movie(experiment.movie_path)])
    tags = {"axes": "TYX", "finterval": 0.1, "unit": "nm"}
    tifffile.imwrite(
        experiment.movie_path, stack, imagej=True, resolution=(0.4, 0.4), metadata=tags
    )
    movie = tem_track.open_movie(experiment.movie_path)
    warnings = tem_track.analyse(movie, experiment).summary["warnings"]
    assert any("2.5 nm/px, the experiment 2 " in text for text in warnings)
    assert any("every 0.1 s, the experiment every 0.5 s" in text for text in warnings)


@pytest.mark.parametrize("mode", ["compression", "tension"])
def test_an_electrical_log_stands_beside_a_loaded_specimen(tmp_path: Path, mode: str) -> None:
    log = "[log]\nfile = 'u.csv'\ntime_column = 't'\npotential_column = 'U'\n"
    log += "potential_unit = 'mV'\ncurrent_column = 'I'\ncurrent_unit = 'nA'\noffset_s = 2.0\n"
    text = EXPERIMENT.replace('"compression"', f'"{mode}"') + log
    path = write_small(tmp_path, 12, text)
    (tmp_path / "u.csv").write_text("t;U;I\n-2,0;-1000;0,0\n0,0;-1000;2,0\n4,0;-3000;2,0\n")
    experiment = tem_track.load_experiment(path)
    points = tem_track.analyse(tem_track.open_movie(experiment.movie_path), experiment).points
    time = points["time_s"].to_numpy() - 2.0
    np.testing.assert_allclose(
        points["potential_V"], np.interp(time, [-2, 0, 4], [-1, -1, -3]), atol=1e-9
    )
    np.testing.assert_allclose(
        points["current_A"], 1e-9 * np.interp(time, [-2, 0, 4], [0, 2, 2]), atol=1e-18
    )


def test_linear_algebra_is_kept_to_one_thread_and_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    observe = blocks.observe

    def watched(*arguments: Any) -> Any:
        seen.append(_threads_of_linear_algebra())
        return observe(*arguments)

    monkeypatch.setattr(blocks, "observe", watched)
    experiment = tem_track.load_experiment(write_small(tmp_path, 12))
    with threadpool_limits(3, user_api="blas"):
        tem_track.analyse(tem_track.open_movie(experiment.movie_path), experiment)
        assert _threads_of_linear_algebra() == 3
    assert set(seen) == {1}


def _threads_of_linear_algebra() -> int:
    pools = threadpool_info()
    return max(pool["num_threads"] for pool in pools if pool["user_api"] == "blas")

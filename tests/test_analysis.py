"""The public door: a movie and an experiment in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

import tem_track
from tests.small import write_small


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

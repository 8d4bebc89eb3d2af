"""The public door: a movie and an experiment in."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import tem_track
from tests.small import write_small


def test_the_experiments_clock_replaces_the_movies_own(tmp_path: Path) -> None:
    experiment = tem_track.load_experiment(write_small(tmp_path, 12))
    movie = tem_track.open_movie(experiment.movie_path)
    result = tem_track.analyse(movie, experiment)
    np.testing.assert_allclose(result.points["time_s"], 0.5 * np.arange(12))
    assert not movie.has_given_clock

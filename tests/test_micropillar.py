"""A real recording: two elastic posts that a beating tissue pulls, against another tracker."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import tem_track
from tem_track.errors import TrackingError
from tests.recordings import recording

GROUND = [60, 75, 270, 90]
POSTS = {1: [10, 205, 104, 112], 2: [403, 213, 104, 108]}
DARK_BAR = [40, 36, 400, 40]


def experiment(post: int, **changes: object) -> tem_track.Experiment:
    data = {
        "movie": str(recording("micropillar") / "movie.tif"),
        "mode": "compression",
        "axis_deg": 90.0,
        "calibration": {"scale_nm_per_px": 4000.0},
        "cantilever": {"stiffness_N_per_m": 2.0},
        "bar": {"box_px": GROUND},
        "tip": {"box_px": POSTS[post]},
    }
    return tem_track.experiment_from_dict(data | changes)


def measured(post: int) -> tem_track.Result:
    chosen = experiment(post)
    return tem_track.analyse(tem_track.open_movie(chosen.movie_path), chosen)


def published(post: int) -> np.ndarray:
    table = pd.read_csv(recording("micropillar") / "published_displacement.csv")
    return table[f"pillar{post}_x_displacement_px"].to_numpy()


@pytest.mark.parametrize("post", [1, 2])
def test_both_posts_follow_the_published_displacement(post: int) -> None:
    points = measured(post).points
    motion = (points["tip_x_px"] - points["bar_x_px"]).to_numpy()
    truth = published(post)
    difference = (motion - motion.mean()) - (truth - truth.mean())
    assert np.ptp(truth) > 1.0
    assert np.sqrt(np.mean(difference**2)) < 0.05
    assert len(points) == 60
    assert points["length_nm"].isna().all()  # there is no specimen: empty, never 0


def test_a_straight_edge_along_the_motion_is_refused() -> None:
    chosen = experiment(1, bar={"box_px": DARK_BAR})
    with pytest.raises(TrackingError, match="bar"):
        tem_track.analyse(tem_track.open_movie(chosen.movie_path), chosen)

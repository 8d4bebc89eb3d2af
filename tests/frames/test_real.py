"""Recordings that nobody here made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tem_track.errors import MovieError
from tem_track.frames import inspect, open_movie
from tests.recordings import recording


@pytest.fixture
def em() -> Path:
    pytest.importorskip("rsciio", reason="needs the extra em")
    return recording("em_formats")


@pytest.mark.parametrize(
    ("name", "n", "rate"), [("100_0306.AVI", 41, 15), ("MVI_4823.AVI", 78, 30)]
)
def test_cameras(name: str, n: int, rate: float) -> None:
    frames = list(open_movie(recording("camera_avi") / name))
    assert [f.ok for f in frames] == [True] * n
    assert frames[-1].time_s == pytest.approx((n - 1) / rate, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "shape", "scale"),
    [
        ("stack_3.dm3", (3, 2, 16), 59.98),
        ("stack_66.dm3", (66, 65, 64), None),
        ("stack_66.dm4", (66, 65, 64), None),
        ("stack_3.mrc", (3, 128, 128), 0.2),
        ("64x64x5_TEM_preview_1.ser", (5, 64, 64), 6.2818),
        ("64x64x5_TEM_preview.emi", (5, 64, 64), 6.2818),
    ],
)
def test_microscope_files(em: Path, name: str, shape: tuple[int, ...], scale: float | None) -> None:
    movie = open_movie(em / name)
    assert np.stack([f.image for f in movie]).shape == shape
    assert movie.info.scale_nm_per_px == (None if scale is None else pytest.approx(scale, rel=1e-4))
    assert np.array_equal(movie[-1].image, list(movie)[-1].image)


def test_unequal_scales_are_refused(em: Path) -> None:
    with pytest.raises(MovieError, match="not square"):
        open_movie(em / "unequal_scales.dm4")


def test_a_tiff_stack_and_a_folder() -> None:
    assert len(inspect(open_movie(recording("micropillar") / "movie.tif")).bad_frames) == 0
    folder = open_movie(recording("gold_ligament") / "frames")
    assert (len(folder), folder[0].image.shape) == (11, (639, 738))

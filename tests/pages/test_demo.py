"""The whole way from a simulated movie to its film and report: each picture on its own frame."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from PIL import Image as Pictures

from tem_track.cli import _status_of
from tem_track.frames import open_movie
from tem_track.run import run
from tem_track.simulate import simulate
from tests.pages.browser import opened, wait

FRAMES = 14


def quiet(stage: str, done: int, total: int) -> None:
    """Show no progress."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = simulate(
        "rod_compression", seed=1, frames=FRAMES, output=tmp_path_factory.mktemp("demo")
    )
    return run(made.experiment, progress=quiet).folder


def likeness(results: Path, picture: np.ndarray) -> int:
    """Return the movie's frame that a picture is most like: noise makes every frame its own."""
    movie = open_movie(results.parent / "rod_compression.avi")
    small = cv2.resize(picture, (320, 384), interpolation=cv2.INTER_AREA).astype(float)
    lower_right = np.s_[200:330, 200:]  # no marks, no words

    def agreement(image: np.ndarray) -> float:
        other = cv2.resize(image, (320, 384), interpolation=cv2.INTER_AREA).astype(float)
        return float(np.corrcoef(small[lower_right].ravel(), other[lower_right].ravel())[0, 1])

    return int(np.argmax([agreement(frame.image) for frame in movie]))


def test_the_film_shows_each_frame_once(results: Path) -> None:
    with av.open(str(results / "overlay.mp4")) as container:
        pictures = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(pictures) == FRAMES
    assert [likeness(results, picture[:, :720]) for picture in pictures] == list(range(FRAMES))


def test_the_report_shows_the_frame_of_each_point(browser: Any, results: Path) -> None:
    with opened(browser, results / "report.html") as (page, complaints):
        for frame in (0, 5, 6, FRAMES - 1):
            page.evaluate(f"chooseByHand({frame})")
            wait(page, f"document.documentElement.dataset.shown === '{frame}'")
            source = page.get_attribute("#still", "src")
            data = base64.b64decode(source.split(",", 1)[1])
            picture = np.asarray(Pictures.open(io.BytesIO(data)).convert("L"))
            assert likeness(results, picture) == frame
        assert complaints == []


def test_report_draws_everything_again_from_the_stored_results(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = ("overlay.mp4", "report.html", "curves.png", "montage.png")
    before = {name: (results / name).read_bytes() for name in drawn}
    for name in drawn:
        (results / name).unlink()
    assert _status_of(["report", str(results), "--frames", "0,5,9"]) == 0
    after = {name: (results / name).read_bytes() for name in drawn}
    assert before["montage.png"] != after["montage.png"]
    assert after["curves.png"] == before["curves.png"]
    with av.open(str(results / "overlay.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == FRAMES
    assert str(results / "report.html") in capsys.readouterr().out.replace("\n", "")
    assert _status_of(["report", str(results), "--frames", "0,99"]) != 0
    assert "frame 99 was not measured" in capsys.readouterr().err.replace("\n", " ")
    assert (results / "montage.png").read_bytes() == after["montage.png"]

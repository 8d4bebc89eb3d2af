"""The whole way from a simulated movie to its film and report: each picture on its own frame."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image as Pictures

from tem_track import outputs, pages
from tem_track.cli import status_of
from tem_track.frames import open_movie
from tem_track.outputs.canvas import write_words
from tem_track.outputs.planes import Planes
from tem_track.run import run
from tem_track.simulate import simulate
from tests.pages.browser import opened, wait

FRAMES = 14
TIMES = 1.0
"""How much larger the film shows the movie."""
FRAME_WIDTH = 640


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


@pytest.fixture(scope="module")
def film(results: Path) -> list[np.ndarray]:
    with av.open(str(results / "overlay.mp4")) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_the_film_shows_each_frame_once(results: Path, film: list[np.ndarray]) -> None:
    greys = [cv2.cvtColor(picture[:, :FRAME_WIDTH], cv2.COLOR_RGB2GRAY) for picture in film]
    assert [likeness(results, grey) for grey in greys] == list(range(FRAMES))


def drawn_number(picture: np.ndarray) -> int:
    """Return the number whose words 'frame N' stand in the head of the panel."""
    head = picture[:70, FRAME_WIDTH:]

    def agreement(number: int) -> float:
        words = Planes.blank(240, 44)
        size = round(26 * 768 / 864)
        width = write_words(words, (6, 22), f"frame {number}", size, (20, 20, 20), bold=True)
        template = words.rgb()[4:40, 2 : int(width) + 16]
        return float(cv2.matchTemplate(head, template, cv2.TM_CCOEFF_NORMED).max())

    return int(np.argmax([agreement(number) for number in range(FRAMES)]))


def test_every_picture_of_the_film_names_its_frame(film: list[np.ndarray]) -> None:
    assert [drawn_number(picture) for picture in film] == list(range(FRAMES))


def test_the_tip_is_marked_where_the_points_say_in_every_frame(
    results: Path, film: list[np.ndarray]
) -> None:
    points = pd.read_csv(results / "points.csv")
    assert np.ptp(points["tip_y_px"]) > 50
    for index, picture in enumerate(film):
        x, y = (TIMES * (points[f"tip_{axis}_px"][index] + 0.5) - 0.5 for axis in "xy")
        found_x, found_y = cross_near(picture, round(x), round(y))
        assert (found_x, found_y) == pytest.approx((x, y), abs=1.0)


def cross_near(picture: np.ndarray, x: int, y: int) -> tuple[float, float]:
    """Return the middle of the tip's mark, looked for within 40 px around a place.

    The mark's arms are four bars in the tip's colour; the template is the shape, not the code
    that drew it.
    """
    colour = np.array([0x56, 0xB4, 0xE9])
    left, top = x - 40, y - 40
    patch = picture[max(top, 0) : y + 41, max(left, 0) : x + 41].astype(int)
    blue = np.clip(1.3 - np.abs(patch - colour).sum(axis=2) / 110, 0, 1).astype(np.float32)
    shape = np.zeros((37, 37), dtype=np.float32)
    arms = [slice(3, 14), slice(23, 34)]
    for width, value in ((7, -0.4), (3, 1.0)):  # nothing of the colour on either side of an arm
        side = slice(18 - width // 2, 19 + width // 2)
        for arm in arms:
            shape[arm, side] = shape[side, arm] = value
    score = cv2.matchTemplate(blue, shape, cv2.TM_CCORR)
    weight = np.clip(score - 0.93 * score.max(), 0, None)
    rows, columns = np.indices(score.shape)
    row, column = ((weight * at).sum() / weight.sum() for at in (rows, columns))
    return float(max(left, 0) + column + 18), float(max(top, 0) + row + 18)


def test_a_hovered_point_of_the_demo_shows_its_frame(browser: Any, results: Path) -> None:
    with opened(browser, results / "report.html") as (page, complaints):
        for frame in (0, 5, 6, FRAMES - 1):
            page.evaluate(f"chooseByHand({(frame + 3) % FRAMES})")
            place = page.evaluate(
                """(row) => {
                  const plot = plots.find((p) => p.panel.key === 'force_time');
                  plot.root.scrollIntoView({ block: 'center' });
                  const box = plot.root.getBoundingClientRect();
                  return [box.x + plot.toX(plot.x[row]), box.y + plot.toY(plot.series[0][row])];
                }""",
                frame,
            )
            page.mouse.move(*place)
            wait(page, f"document.documentElement.dataset.shown === '{frame}'")
            source = page.get_attribute("#still", "src")
            data = base64.b64decode(source.split(",", 1)[1])
            picture = np.asarray(Pictures.open(io.BytesIO(data)).convert("L"))
            assert likeness(results, picture) == frame
            assert page.inner_text("#frame-number") == f"frame {frame}"
        assert complaints == []


def digest(path: Path) -> str:
    """Return a file's hash: where bytes differ, their comparison would be printed for minutes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_report_alone_is_that_of_the_run(results: Path, tmp_path: Path) -> None:
    result = outputs.read_results(results)
    movie = open_movie(
        results.parent / "rod_compression.avi",
        frame_interval_s=result.experiment.calibration.frame_interval_s,
    )
    pages.write_report(result, movie, tmp_path / "report.html")
    stills = [
        (folder / "report.html").read_text().split("data:image/jpeg")[1:]
        for folder in (results, tmp_path)
    ]
    assert len(stills[0]) >= FRAMES
    assert stills[0] == stills[1]


def test_report_draws_everything_again_from_the_stored_results(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = ("overlay.mp4", "report.html", "curves.png", "montage.png")
    before = {name: digest(results / name) for name in drawn}
    for name in drawn:
        (results / name).unlink()
    assert status_of(["report", str(results), "--frames", "0,5,9"]) == 0
    after = {name: digest(results / name) for name in drawn}
    assert before["montage.png"] != after["montage.png"]
    assert after["curves.png"] == before["curves.png"]
    with av.open(str(results / "overlay.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == FRAMES
    assert str(results / "report.html") in capsys.readouterr().out.replace("\n", "")
    assert status_of(["report", str(results), "--frames", "0,99"]) != 0
    assert "frame 99 was not measured" in capsys.readouterr().err.replace("\n", " ")
    assert digest(results / "montage.png") == after["montage.png"]

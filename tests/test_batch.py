"""Many experiments: a failed one stops no other, and finished ones are skipped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import tifffile

from tem_track import batch
from tem_track.batch import Job, is_finished, run_batch
from tem_track.errors import ConfigError
from tem_track.outputs import read_results
from tem_track.pages import write_index
from tem_track.run import default_folder, run
from tests.small import EXPERIMENT, write_small

pytestmark = pytest.mark.filterwarnings("default")


def silent(stage: str, done: int, total: int) -> None:
    pass


@pytest.fixture(scope="module")
def experiments(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("batch")
    good = [write_small(folder / "a", count=140), write_small(folder / "b & <c>", count=24)]
    wrong = folder / "wrong.toml"
    wrong.write_text(EXPERIMENT.format(movie="nothing.avi"), encoding="utf-8")
    return [good[0], wrong, good[1]]


def test_two_batches_at_a_time_warn_of_nothing() -> None:
    with socket.socket() as other, warnings.catch_warnings():
        with suppress(OSError):  # another program is there: as good
            other.bind(("127.0.0.1", 8787))
            other.listen()
        warnings.simplefilter("error")
        with batch._client(1, None) as client:
            assert client.submit(abs, -5).result() == 5


def test_a_batch(experiments: list[Path], tmp_path: Path) -> None:
    states: list[list[str]] = []
    done = run_batch(
        experiments,
        jobs=2,
        draw=False,
        report=lambda jobs: states.append([j.state for j in jobs]),
        part_frames=64,
    )
    assert [job.state for job in done] == ["done", "failed", "done"]
    assert "nothing.avi" in done[1].message
    assert states[0] == ["waiting"] * 3
    assert states[-1] == ["done", "failed", "done"]
    assert any("running" in each for each in states)
    assert [job.frames for job in done] == [140, 0, 24]

    again = run_batch(experiments, jobs=1, draw=False)
    assert [job.state for job in again] == ["unchanged", "failed", "unchanged"]

    alone = tmp_path / "alone"  # measured in a process of its own, which compiles everything anew
    command = [sys.executable, "-m", "tem_track", "run", str(experiments[0]), "--no-pictures"]
    cold = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "machine_code")}
    subprocess.run([*command, "--output", str(alone)], check=True, capture_output=True, env=cold)
    together = default_folder(experiments[0])
    for name in ("measurement.csv", "points.csv", "summary.json"):
        assert (alone / name).read_bytes() == (together / name).read_bytes()

    folders = [job.folder for job in done if job.has_results]
    results = [(f, read_results(f)) for f in folders]
    write_index(results, tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "opens its report" not in page
    assert "<a href" not in page
    (folders[1] / "report.html").touch()
    write_index(results, tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "a coloured name opens its report" in page
    assert "b%20%26%20%3Cc%3E" in page
    assert "<c>" not in page
    assert page.count("<a href") == 1  # the other was run without pictures


def test_a_worker_is_killed(tmp_path: Path) -> None:
    paths = [write_small(tmp_path / name, count=140) for name in ("a", "b")]
    killed: list[int] = []

    def kill_one(jobs: Sequence[Job]) -> None:
        if not killed and any(job.measured for job in jobs):
            workers = [
                child
                for child in psutil.Process().children(recursive=True)
                if "spawn_main" in " ".join(child.cmdline())
            ]
            workers[0].send_signal(signal.SIGKILL)
            killed.append(workers[0].pid)

    done = run_batch(paths, jobs=2, draw=False, report=kill_one, part_frames=64)
    assert killed
    assert [job.state for job in done] == ["done", "done"]
    alone = run(paths[0], tmp_path / "alone", progress=silent, draw=False).folder
    for job in done:
        assert not list(job.folder.glob(".*"))
        for name in ("measurement.csv", "points.csv", "summary.json"):
            assert (alone / name).read_bytes() == (job.folder / name).read_bytes()


def test_what_changed_is_done_again(experiments: list[Path]) -> None:
    path = write_small(experiments[0].parent / "changing", count=24)
    folder = run(path, progress=silent, draw=False).folder
    assert is_finished(path, folder)
    path.write_text(path.read_text().replace("= 6.0", "= 7.0"), encoding="utf-8")
    assert not is_finished(path, folder)
    path.write_text(path.read_text().replace("= 7.0", "= 6.0"), encoding="utf-8")
    assert is_finished(path, folder)
    provenance = folder / "provenance.json"
    data = json.loads(provenance.read_text())
    provenance.write_text(json.dumps(data | {"movie_sha256": "0" * 64}))
    assert not is_finished(path, folder)


def test_a_folder_of_images_is_known_again(tmp_path: Path) -> None:
    path = write_small(tmp_path, count=12)
    images = tmp_path / "images"
    images.mkdir()
    for index, picture in enumerate(tifffile.imread(tmp_path / "small.tif")):
        tifffile.imwrite(images / f"{index:03d}.tif", picture)
    path.write_text(path.read_text().replace("small.tif", "images"), encoding="utf-8")
    folder = run(path, progress=silent, draw=False).folder
    assert is_finished(path, folder)
    (images / "005.tif").write_bytes((images / "006.tif").read_bytes())
    assert not is_finished(path, folder)


LOG = """[log]
file = 'log.csv'
time_column = 'Time/s'
potential_column = 'Ewe/V'
"""


def test_another_log_is_a_change(experiments: list[Path]) -> None:
    path = write_small(experiments[0].parent / "with a log", count=12)
    log = path.with_name("log.csv")
    log.write_text("Time/s,Ewe/V\n0,0.1\n10,0.2\n", encoding="utf-8")
    path.write_text(path.read_text() + LOG, encoding="utf-8")
    folder = run(path, progress=silent, draw=False).folder
    assert is_finished(path, folder)
    log.write_text("Time/s,Ewe/V\n0,0.1\n10,0.3\n", encoding="utf-8")
    assert not is_finished(path, folder)


def test_pictures_are_drawn_where_only_they_are_missing(tmp_path: Path) -> None:
    path = write_small(tmp_path, count=12)
    folder = run(path, progress=silent, draw=False).folder
    tables = (folder / "points.csv").stat().st_mtime_ns
    (done,) = run_batch([path], jobs=1)
    assert done.state == "done"
    assert (folder / "report.html").is_file()
    assert (folder / "points.csv").stat().st_mtime_ns == tables
    (done,) = run_batch([path], jobs=1)
    assert done.state == "unchanged"


def test_wrong_batches(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no experiment"):
        run_batch([])
    with pytest.raises(ConfigError, match="share the results folder"):
        run_batch([tmp_path / "a.toml", tmp_path / "a.toml"])

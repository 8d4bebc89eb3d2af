"""One experiment into its folder: whole or not there, resumed to the same bytes, one at a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tem_track import journal
from tem_track.analysis import blocks
from tem_track.errors import ConfigError, ResultsBusyError, TrackingError
from tem_track.holding import hold
from tem_track.outputs import files, summary_rows
from tem_track.recalculation import recalculate
from tem_track.run import default_folder, run
from tests.small import EXPERIMENT, motion_px, write_small

SAME = ("measurement.csv", "points.csv", "summary.json", "experiment.toml", "outlines.npz")


def silent(stage: str, done: int, total: int) -> None:
    pass


def run_small(path: Path, folder: Path | None = None) -> Path:
    return run(path, folder, progress=silent, draw=False).folder


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in SAME}


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_FRAMES", 6)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def finished(experiment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_small(experiment, tmp_path_factory.mktemp("done") / "results")


def test_it_measures_the_truth(finished: Path) -> None:
    points = pd.read_csv(finished / "points.csv")
    truth = 2.0 * np.array([motion_px(i) for i in range(40)])
    error = points["deflection_nm"] - truth
    assert np.sqrt((error**2).mean()) < 0.2
    assert (points["force_nN"] - 6.0 * points["deflection_nm"]).abs().max() < 1e-6
    assert points["length_nm"].isna().all()


def test_the_folder_is_complete(finished: Path) -> None:
    assert (finished / "provenance.json").exists()
    names = {path.name for path in finished.iterdir()}
    assert not {name for name in names if name.startswith(".")}
    provenance = json.loads((finished / "provenance.json").read_text())
    assert len(provenance["movie_sha256"]) == 64


def test_pictures_that_do_not_show_the_numbers_are_removed(
    experiment: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("report.html", "overlay.mp4", "notes.txt"):
        (tmp_path / name).write_text("of another time")
    run_small(experiment, tmp_path)
    assert not (tmp_path / "report.html").exists()
    assert not (tmp_path / "overlay.mp4").exists()
    assert (tmp_path / "notes.txt").exists()
    assert "overlay.mp4, report.html of an earlier run were removed" in caplog.text


def test_the_same_answer_twice_and_from_the_resolved_experiment(
    experiment: Path, finished: Path, tmp_path: Path
) -> None:
    assert bytes_of(run_small(experiment, finished.parent / "again")) == bytes_of(finished)
    repeated = run_small(finished / "experiment.toml", tmp_path / "repeated")
    assert (repeated / "points.csv").read_bytes() == (finished / "points.csv").read_bytes()


class Killed(BaseException):
    """What a kill looks like from inside: nothing after it runs but what the system does."""


def test_a_kill_in_every_write_loses_nothing(
    experiment: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = finished.parent / "killed"
    writes, survived = 0, False
    real = os.fsync
    while not survived:
        left = [writes]

        def dying(number: int, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            real(number)

        monkeypatch.setattr(journal.os, "fsync", dying)
        monkeypatch.setattr(files.os, "fsync", dying)
        try:
            run_small(experiment, folder)
            survived = True
        except Killed:
            assert not (folder / "provenance.json").exists()
        writes += 1
    assert writes > 6  # every attempt goes on where the one before it died
    assert bytes_of(folder) == bytes_of(finished)


def test_a_resumed_run_measures_only_what_is_missing(
    experiment: Path, finished: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = finished.parent / "resumed"
    real = blocks.observe
    seen: list[int] = []

    def counting(frame, plan, settled=None):  # type: ignore[no-untyped-def]
        seen.append(frame.index)
        if len(seen) == 20:
            raise KeyboardInterrupt
        return real(frame, plan, settled)

    monkeypatch.setattr(blocks, "observe", counting)
    with pytest.raises(KeyboardInterrupt):
        run_small(experiment, folder)
    first = sorted(seen)
    seen.clear()
    seen.extend([-1] * 1000)
    run_small(experiment, folder)
    assert len(seen) - 1000 <= 40 - 12
    assert len(first) >= 20
    assert bytes_of(folder) == bytes_of(finished)


def test_a_real_kill(experiment: Path, finished: Path) -> None:
    folder = finished.parent / "sigkill"
    command = [sys.executable, "-m", "tem_track", "run", str(experiment), "--no-pictures"]
    command += ["--output", str(folder)]
    for _ in range(3):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not (folder / ".measured").exists() and time.monotonic() < deadline:
            if process.poll() is not None:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert bytes_of(folder) == bytes_of(finished)


def test_a_second_run_is_refused_with_the_first_one_named(experiment: Path, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    with hold(folder), pytest.raises(ResultsBusyError, match=f"process {os.getpid()}"):
        run_small(experiment, folder)


def test_a_wrong_experiment_leaves_no_folder(tmp_path: Path) -> None:
    text = EXPERIMENT.replace("box_px = [30, 50, 80, 60]", "box_px = [150, 50, 80, 60]")
    path = write_small(tmp_path, text=text)
    with pytest.raises(ConfigError, match=r"tip.box_px = \[150, 50, 80, 60\].*200 px wide"):
        run_small(path)
    assert not default_folder(path).exists()


def test_an_empty_range_leaves_no_folder(tmp_path: Path) -> None:
    path = write_small(tmp_path, text=EXPERIMENT + "[frames]\nfirst = 99\n")
    with pytest.raises(ConfigError, match=r"frames\.first = 99"):
        run_small(path)
    assert not default_folder(path).exists()


def test_a_bar_of_nothing_is_refused(tmp_path: Path) -> None:
    text = EXPERIMENT.replace("box_px = [130, 0, 70, 60]", "box_px = [150, 2, 40, 30]")
    path = write_small(tmp_path, text=text)
    with pytest.raises(TrackingError, match="bar"):
        run_small(path)


def test_recalculate_with_another_stiffness(
    experiment: Path, finished: Path, tmp_path: Path
) -> None:
    folder = run_small(experiment, finished.parent / "recalculated")
    before = pd.read_csv(folder / "points.csv")
    assert bytes_of(folder) == bytes_of(finished)
    recalculate(folder)
    assert bytes_of(folder) == bytes_of(finished)
    other = experiment.with_name("stiffer.toml")
    other.write_text(experiment.read_text().replace("= 6.0", "= 12.0"), encoding="utf-8")
    recalculate(folder, other)
    after = pd.read_csv(folder / "points.csv")
    np.testing.assert_allclose(after["force_nN"], 2 * before["force_nN"], rtol=1e-8, atol=1e-8)
    assert (folder / "measurement.csv").read_bytes() == (finished / "measurement.csv").read_bytes()


def test_recalculate_takes_corrections_and_refuses_another_mode(
    experiment: Path, finished: Path
) -> None:
    folder = run_small(experiment, finished.parent / "corrected")
    before = pd.read_csv(folder / "points.csv")
    text = experiment.read_text(encoding="utf-8")
    other = experiment.with_name("corrected.toml")
    other.write_text(text + "\n[corrections]\nout_of_plane_deg = 60.0\n", encoding="utf-8")
    result = recalculate(folder, other)
    after = pd.read_csv(folder / "points.csv")
    np.testing.assert_allclose(after["force_nN"], 2 * before["force_nN"], rtol=1e-8, atol=1e-8)
    assert result.summary["corrections"] == {"out_of_plane_on_lengths": pytest.approx(2.0)}
    assert any(name.startswith("corrected") for name, _ in summary_rows(result))
    other.write_text(text.replace('"compression"', '"tension"'), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mode.*new measurement"):
        recalculate(folder, other)
    other.write_text(text.replace("[30, 50, 80, 60]", "[28, 50, 80, 60]"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"tip\.box_px.*new measurement"):
        recalculate(folder, other)

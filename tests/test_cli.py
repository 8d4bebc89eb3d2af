"""The command line: exit statuses, one-line errors that say the cure, and machines' answers."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import weakref
from pathlib import Path

import numpy as np
import pytest

from tem_track.cli import status_of
from tem_track.cli.progress import shown_progress
from tem_track.outputs import write_tables
from tests.outputs import made
from tests.small import EXPERIMENT, write_small


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small(tmp_path_factory.mktemp("cli"), count=24)


def call(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    status = status_of([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_run_prints_a_table_or_json(
    experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "results"
    status, out, _ = call(capsys, "run", experiment, "--output", folder, "--no-pictures")
    assert status == 0
    assert "frames" in out
    status, out, _err = call(
        capsys, "run", experiment, "--output", folder, "--no-pictures", "--json"
    )
    answer = json.loads(out)
    assert status == 0
    assert answer["n_frames"] == 24
    assert answer["results"] == str(folder)
    assert answer == {"results": str(folder)} | json.loads((folder / "summary.json").read_text())
    status, out, _ = call(capsys, "recalculate", folder, "--json")
    assert (status, json.loads(out)["n_frames"]) == (0, 24)
    status, out, _ = call(capsys, "recalculate", folder)
    assert (status, f"calculated as {folder / 'experiment.toml'} has it" in out) == (0, True)
    status, _, err = call(capsys, "recalculate", experiment)
    assert (status, "name a results folder" in err) == (4, True)


def test_a_run_draws_everything_without_a_specimen(
    experiment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = call(capsys, "run", experiment)
    assert status == 0, err
    folder = experiment.with_suffix(".results")
    assert f"look at {folder / 'report.html'}" in out
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        "points.csv",
        "summary.json",
        "measurement.csv",
        "overlay.mp4",
        "montage.png",
        "curves.png",
        "curves.pdf",
        "report.html",
        "experiment.toml",
        "provenance.json",
    }
    for command in (
        ["export", folder, "--format", "origin"],
        ["export", folder, "--format", "excel"],
        ["export", folder, "--format", "csv-semicolon"],
        ["table", folder, "--output", folder / "table.md"],
        ["plot", folder, "--output", folder / "plot.png"],
    ):
        status, out, err = call(capsys, *command)
        assert status == 0, err
        assert Path(out.strip()).is_file()
    written = folder / "again.csv"
    status, out, _ = call(capsys, "table", folder, "--output", written, "--json")
    assert (status, json.loads(out)) == (0, {"written": str(written)})


@pytest.mark.parametrize(
    ("old", "new", "status", "words"),
    [
        ("small.tif", "nothing.avi", 3, ["nothing.avi"]),
        ("= 2.0", "= 0", 4, ["calibration.scale_nm_per_px = 0", "greater than 0"]),
        ("= 6.0", "= -6.0", 4, ["cantilever.stiffness_N_per_m = -6.0"]),
        ("[tip]", "[tipp]", 4, ["unknown key tipp", "did you mean tip?"]),
        ('"compression"', '"squeeze"', 4, ["mode = 'squeeze'", "compression"]),
        ("[130, 0, 70, 60]", "[130, 0, 71, 60]", 4, ["bar.box_px", "200 px wide"]),
        ("[tip]", "[frames]\nfirst = 24\n[tip]", 4, ["frames.first = 24", "23"]),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    old: str,
    new: str,
    status: int,
    words: list[str],
    experiment: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = experiment.with_name("wrong.toml")
    path.write_text(EXPERIMENT.format(movie="small.tif").replace(old, new), encoding="utf-8")
    got, out, err = call(capsys, "run", path)
    assert got == status
    assert out == ""
    assert err == err.strip() + "\n"
    assert len(err.splitlines()) == 1
    for word in words:
        assert word in err
    assert not path.with_suffix(".results").exists()


def test_a_text_file_is_no_movie(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    movie = tmp_path / "notes.avi"
    movie.write_text("dear diary")
    status, _, err = call(capsys, "info", movie)
    assert status == 3
    assert len(err.strip().splitlines()) == 1


def test_a_failed_quality_gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_small(tmp_path, count=24)
    import numpy as np
    import tifffile

    frames = tifffile.imread(tmp_path / "small.tif")
    frames[15:20] = np.random.default_rng(0).poisson(100, frames[0].shape).astype(np.uint8)
    tifffile.imwrite(tmp_path / "small.tif", frames)
    status, _, err = call(capsys, "run", path, "--no-pictures")
    assert status == 6
    assert "max_lost_fraction" in err
    assert (tmp_path / "small.results" / "provenance.json").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "--bogus", "x"],
        ["nonsense"],
        ["simulate", "--seed", "x"],
        ["simulate", "x"],
        [],
    ],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, *arguments)[0] == 2


def test_a_batch_with_a_failure(experiment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = experiment.with_name("missing.toml")
    status, _, err = call(
        capsys, "batch", missing, "--no-pictures", "--jobs", "1", "--output", experiment.parent
    )
    assert status == 7
    lines = [line for line in err.splitlines() if "missing.toml" in line]
    assert lines
    assert all(line.count("missing.toml") == 1 for line in lines), lines


def test_calc_answers_with_units(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call(
        capsys, "calc", "rod-stress", "--force-nN", "3600", "--diameter-nm", "355", "--json"
    )
    assert status == 0
    assert json.loads(out)["stress_MPa"] == pytest.approx(36.371, abs=5e-4)
    status, _, err = call(capsys, "calc", "rod-stress", "--force-nN", "1", "--diameter-nm", "0")
    assert status == 2
    assert "diameter_nm" in err
    status, _, err = call(capsys, "calc", "rod-stress", "--force-nN", "nan", "--diameter-nm", "5")
    assert status == 2
    assert "force_nN" in err


HEAVY = frozenset(
    {"PIL", "av", "cv2", "dask", "matplotlib", "numba", "pandas", "scipy", "skimage", "tifffile"}
)


def heavy_after(*arguments: str | Path) -> set[str]:
    """Return which slow libraries a command has loaded, in a process of its own."""
    code = (
        "import sys; from tem_track.cli import status_of;"
        f"print('STATUS', status_of({[str(argument) for argument in arguments]!r}));"
        "print('LOADED', *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *_, status, loaded = done.stdout.splitlines()
    assert status == "STATUS 0", done.stderr
    return HEAVY & set(loaded.split())


def test_a_heavy_library_would_be_seen(experiment: Path) -> None:
    assert {"tifffile", "cv2"} <= heavy_after("info", experiment.with_name("small.tif"))


def test_help_needs_no_heavy_library() -> None:
    assert heavy_after("--help") == set()


def test_recalculating_needs_only_the_tables(tmp_path: Path) -> None:
    """Under a second: what measures and draws takes longer to load than all mechanics."""
    made_result = made.result()
    assert made_result.summary["critical_stress_MPa"] > 0
    write_tables(made_result, tmp_path)
    assert heavy_after("recalculate", tmp_path) == {"pandas"}


def test_an_interrupted_run_says_so(experiment: Path, tmp_path: Path) -> None:
    import signal

    folder = tmp_path / "interrupted"
    command = [sys.executable, "-m", "tem_track", "run", str(experiment), "--output", str(folder)]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + 60
    while not (folder / ".measured").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in err
    assert (folder / ".measured").exists()


def test_what_keeps_nothing_does_not_say_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tem_track.frames.open_movie", interrupted)
    status, _, err = call(capsys, "info", "movie.avi")
    assert (status, err) == (130, "tem-track: interrupted; give the same command again\n")


def test_an_interruption_that_a_library_swallows_is_raised_again() -> None:
    import signal

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    with shown_progress(quiet=True) as progress:
        progress("overlay", 1, 3)
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            progress("overlay", 2, 3)
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def test_an_interruption_while_python_cleans_up_is_given_again() -> None:
    import signal

    def lose_one() -> None:
        thing = np.zeros(1)
        gone = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
        del thing  # what the callback raises goes nowhere
        assert gone() is None
        time.sleep(5)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    try:
        with shown_progress(quiet=True), pytest.raises(KeyboardInterrupt):
            lose_one()
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interruption_after_the_end_leaves_the_status() -> None:
    script = (
        "import atexit, os, signal\n"
        "from tem_track.cli import program\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "program.status_of = lambda arguments: 6\n"
        "atexit.register(os.kill, os.getpid(), signal.SIGINT)\n"
        "program.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (6, "")


def test_an_interruption_while_it_loads_is_one_line_too() -> None:
    code = """
import sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from tem_track.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr == "tem-track: interrupted before anything was begun\n"

"""A run is killed again and again, goes on, and is compared byte for byte with one that was not.

    python -m benchmarks.interruption [--kills 50] [--seed 1] [--no-pictures]

Each run is a process of its own, ended with SIGKILL at an instant drawn at random over its whole
length, start-up and the writing of tables, pictures and report included. After every kill each
file that stands under a final name must be whole, that is equal to the uninterrupted run's.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.small import write_small

RESULTS = ("measurement.csv", "points.csv", "summary.json", "experiment.toml", "outlines.npz")
DIFFERENT = {"provenance.json", "report.html", "curves.pdf", "montage.pdf", "curves.svg"}
"""Files that name the time or the folder; they are looked at for their end alone."""
ENDS = {".html": b"</html>", ".pdf": b"%%EOF", ".svg": b"</svg>", ".json": b"}"}


def command(experiment: Path, folder: Path, pictures: bool) -> list[str]:
    """Return the command line of a run."""
    line = [sys.executable, "-m", "tem_track", "run", str(experiment), "--output", str(folder)]
    return line if pictures else [*line, "--no-pictures"]


def start(line: list[str]) -> subprocess.Popen[bytes]:
    """Start a run."""
    return subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def check_whole(folder: Path, reference: Path) -> int:
    """Compare the files that are there; return how many there are."""
    found = [f for f in folder.iterdir() if not f.name.startswith(".")] if folder.exists() else []
    for file in found:
        data = file.read_bytes()
        if file.name in DIFFERENT:
            assert data.rstrip().endswith(ENDS[file.suffix]), f"{file.name} is cut"
        else:
            assert data == (reference / file.name).read_bytes(), f"{file.name} differs"
    return len(found)


def main() -> None:
    """Kill, go on, compare, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pictures", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        experiment = write_small(base / "movie", count=400)
        reference = base / "uninterrupted"
        for _ in range(2):  # the first one compiles
            begun = time.monotonic()
            assert start(command(experiment, reference, arguments.pictures)).wait() == 0
            length_s = time.monotonic() - begun
        kills = finished = seen = with_journal = 0
        folder = base / "run0"
        while kills < arguments.kills:
            process = start(command(experiment, folder, arguments.pictures))
            try:
                status = process.wait(timeout=rng.uniform(0, length_s))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                print(f"kill {kills} of {arguments.kills}", flush=True)
                with_journal += (folder / ".measured").exists()
            else:
                assert status == 0, status
                finished += 1
            seen += check_whole(folder, reference)
            if (folder / "provenance.json").exists():
                folder = base / f"run{finished}"
        assert start(command(experiment, folder, arguments.pictures)).wait() == 0
        check_whole(folder, reference)
        for file in RESULTS:
            assert (folder / file).read_bytes() == (reference / file).read_bytes()
        print(
            f"{kills} kills over runs of {length_s:.1f} s, {with_journal} with a journal on disk;"
            f" {finished + 1} runs came to their end; {seen} files under final names seen, all"
            " whole; tables equal byte for byte"
        )


if __name__ == "__main__":
    main()

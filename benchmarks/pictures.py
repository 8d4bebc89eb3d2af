"""What overlay and report cost beside the bare decode of the same file.

``python -m benchmarks.pictures [--size 512 2048] [--frames 2000 200] [--keep DIR]``, 3 minutes on
two idle cores. A rod being compressed is written as MJPEG, as for `benchmarks.speed`. "Bare" is its
decode with PyAV's defaults. "In a run" is what film and report take in a `run`, by the clock, where
most frames have been kept from measuring; "again" is what they take in `tem-track report`, which
decodes the movie again, by the clock and in processor time. Curves and montage, which cost the same
for any movie, are not among them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import av

from benchmarks.speed import drawn, write
from tem_track import outputs, pages
from tem_track.outputs import overlay
from tem_track.run import movie_of, run

FRAMES = {512: 2000, 1024: 800, 2048: 200, 4096: 60}


class Watch:
    """Adds up what calls take, by the clock and in processor time."""

    def __init__(self) -> None:
        self.clock_s = self.cpu_s = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Add what the block takes."""
        clock, cpu = time.perf_counter(), time.process_time()
        yield
        self.clock_s += time.perf_counter() - clock
        self.cpu_s += time.process_time() - cpu

    def on(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that is timed whenever it is called."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.running():
                return call(*args, **kwargs)

        return timed


def bare(path: Path) -> Watch:
    """Decode a movie and do nothing with it."""
    watch = Watch()
    with watch.running(), av.open(str(path)) as container:
        for _ in container.decode(video=0):
            pass
    return watch


def in_a_run(experiment: Path, folder: Path) -> Watch:
    """Measure a movie with all pictures, and time film and report."""
    watch = Watch()
    with (
        mock.patch.object(overlay, "write_overlay", watch.on(overlay.write_overlay)),
        mock.patch.object(pages, "write_report", watch.on(pages.write_report)),
    ):
        run(experiment, folder, progress=lambda stage, done, total: None)
    return watch


def again(folder: Path) -> Watch:
    """Draw film and report of a results folder."""
    result = outputs.read_results(folder)
    movie, watch = movie_of(result.experiment), Watch()
    with watch.running():
        maker = pages.stills_maker(result, movie)
        overlay.write_overlay(result, movie, folder / "overlay.mp4", watcher=maker.take)
        pages.write_report(result, movie, folder / "report.html", maker=maker)
    return watch


def row(size: int, count: int, folder: Path) -> str:
    """Return the table's row of a movie of so many square frames."""
    frames, text = drawn(size, folder)
    path = folder / f"{size}.avi"
    write(path, frames, count, "mjpeg")
    experiment = path.with_suffix(".toml")
    experiment.write_text(text.replace("{movie}", path.name), "utf-8")
    results = folder / "results"
    one, inside, after = bare(path), in_a_run(experiment, results), again(results)
    cells = (
        f"{count} of {size} px",
        f"{one.clock_s:.2f} s",
        f"{inside.clock_s:.2f} s",
        f"{inside.clock_s / one.clock_s:.2f}",
        f"{after.clock_s:.2f} s",
        f"{after.clock_s / one.clock_s:.2f}",
        f"{after.cpu_s / one.cpu_s:.2f}",
        f"{(results / 'overlay.mp4').stat().st_size / 1e3 / count:.1f} kB",
    )
    return f"| {' | '.join(cells)} |"


HEAD = (
    "MJPEG",
    "bare",
    "in a run",
    "/ bare",
    "again",
    "/ bare",
    "processor / bare",
    "film, a frame",
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs="+", default=[512, 2048])
    parser.add_argument("--frames", type=int, nargs="+")
    parser.add_argument("--keep", type=Path, help="folder for the movies")
    options = parser.parse_args()
    counts = options.frames or [FRAMES[size] for size in options.size]
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    with TemporaryDirectory() as scratch:
        for size, count in zip(options.size, counts, strict=True):
            folder = (options.keep or Path(scratch)) / str(size)
            folder.mkdir(parents=True, exist_ok=True)
            print(row(size, count, folder), flush=True)


if __name__ == "__main__":
    main()

"""How large a report is, how fast it opens, and how soon a hovered point shows its frame.

``python -m benchmarks.report [--frames 60 600 2000] [--folder FOLDER]`` from the repository's root;
it needs Chromium and Playwright. The movie is drawn at 640 x 768 pixels with fresh noise in every
frame, as an electron microscope gives it: noise is what a picture's bytes are spent on.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np

from tem_track import pages
from tem_track.frames import Movie
from tem_track.frames.arrays import ArraySource
from tem_track.frames.movie import Picture
from tests.outputs import made
from tests.pages.browser import started, wait

SIZE = (640, 768)
NOISE = 16.0
HOVERS = 80
SHOWN = "document.documentElement.dataset.shown !== undefined"

HOVER = """async (rows) => {
  const plot = plots[0], box = plot.root.getBoundingClientRect(), times = [];
  const painted = () => new Promise((done) => requestAnimationFrame(() => done()));
  const soon = () => new Promise((done) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = done;
    channel.port2.postMessage(0);
  });
  const wanted = () => {
    const row = Number(document.documentElement.dataset.row);
    return String(data.stills[data.still_of[row]].frame);
  };
  for (const row of rows) {
    const clientX = box.x + plot.toX(plot.x[row]);
    const clientY = box.y + plot.toY(plot.series[0][row]);
    const start = performance.now();
    plot.root.dispatchEvent(new PointerEvent('pointermove', { clientX, clientY, bubbles: true }));
    await painted();
    while (document.documentElement.dataset.shown !== wanted()) await soon();
    times.push(performance.now() - start);
  }
  return times;
}"""


class Noisy(ArraySource):
    """The test movie's scene, enlarged, with noise that is made when a frame is read."""

    def read(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Yield the frames of the indices."""
        for index, (image, note) in zip(indices, super().read(indices), strict=True):
            assert image is not None
            large = cv2.resize(image, SIZE, interpolation=cv2.INTER_NEAREST).astype(np.float32)
            large += np.random.default_rng(index).normal(0, NOISE, large.shape)
            yield np.clip(large, 0, 255).astype(np.uint8), note


def main() -> None:
    """Print one line for each number of frames."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, nargs="+", default=[60, 600, 2000])
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    print(f"{'frames':>7} {'written in':>11} {'size':>9} {'opens in':>9} {'hover':>9} {'95 %':>9}")
    with TemporaryDirectory() as temporary, started() as browser:
        for count in given.frames:
            path = (given.folder or Path(temporary)) / f"report_{count}.html"
            written_s = write(count, path)
            opens_s, hovers_ms = timed(browser, path, count)
            print(
                f"{count:7d} {written_s:9.1f} s {path.stat().st_size / 1e6:6.1f} MB"
                f" {opens_s:7.2f} s {statistics.median(hovers_ms):6.1f} ms"
                f" {np.percentile(hovers_ms, 95):6.1f} ms"
            )


def write(count: int, path: Path) -> float:
    """Write the report of a noisy movie and return the seconds that it took."""
    movie = made.movie(count, noise=0.0)
    source = Noisy(np.stack([frame.image for frame in movie]))
    source.info = replace(source.info, width_px=SIZE[0], height_px=SIZE[1])
    start = time.perf_counter()
    pages.write_report(made.result(count), Movie(source, 0.1), path)
    return time.perf_counter() - start


def timed(browser: Any, path: Path, count: int) -> tuple[float, list[float]]:
    """Return the seconds until the first picture stands, and the milliseconds of each hover."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    start = time.perf_counter()
    page.goto(path.resolve().as_uri())
    wait(page, SHOWN)
    opens_s = time.perf_counter() - start
    rows = [(37 * i) % count for i in range(HOVERS)]
    hovers_ms = page.evaluate(HOVER, rows)
    page.close()
    return opens_s, hovers_ms


if __name__ == "__main__":
    main()

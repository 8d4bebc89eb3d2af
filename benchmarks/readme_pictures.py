"""Make the README's two pictures again: a frame of the film and the report of the bundled sample.

``python -m benchmarks.readme_pictures [--folder docs/images]`` from the repository's root; the
report needs Chromium and Playwright.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from tem_track.frames import open_movie
from tem_track.outputs.overlay import film_of
from tem_track.run import Outcome, run
from tests.pages.browser import opened, started

EXPERIMENT = Path("configs/nanorod_compression.toml")
FRAME = 40
WINDOW = (1440, 900)
GREYS = 64


def main() -> None:
    """Write overlay.png and report.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("docs/images"))
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as temporary:
        outcome = run(EXPERIMENT, Path(temporary) / "results", progress=quiet)
        picture_of_film(outcome, folder / "overlay.png")
        picture_of_report(outcome, folder / "report.png")


def quiet(stage: str, done: int, total: int) -> None:
    """Show no progress."""


def picture_of_film(outcome: Outcome, path: Path) -> None:
    """Save one frame of the film."""
    movie = open_movie(outcome.result.experiment.movie_path)
    row = int(np.flatnonzero(outcome.result.points["frame"] == FRAME)[0])
    save(Image.fromarray(film_of(outcome.result, movie).paint(row, movie[FRAME])), path)


def picture_of_report(outcome: Outcome, path: Path) -> None:
    """Save what a reader sees on opening the report."""
    width, height = WINDOW
    with (
        started() as browser,
        opened(browser, outcome.folder / "report.html", width=width, height=height) as (page, _),
    ):
        page.wait_for_timeout(300)
        page.screenshot(path=str(path))
    save(Image.open(path).convert("RGB"), path)


def save(picture: Image.Image, path: Path) -> None:
    """Save with a palette of greys, for the frame, and of the colours that the marks have."""
    pixels = np.asarray(picture).astype(int)
    coloured = np.ptp(pixels, axis=2) > 10
    few = Image.fromarray(pixels[coloured][None].astype(np.uint8)).quantize(
        256 - GREYS, dither=Image.Dither.NONE
    )
    indices = np.rint(pixels[..., 1] * (GREYS - 1) / 255).astype(np.uint8)
    indices[coloured] = GREYS + np.asarray(few)[0]
    small = Image.frombytes("P", picture.size, indices.tobytes())
    greys = np.repeat(np.linspace(0, 255, GREYS).round().astype(int), 3).tolist()
    small.putpalette(greys + (few.getpalette() or [])[: 3 * (256 - GREYS)])
    small.save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()

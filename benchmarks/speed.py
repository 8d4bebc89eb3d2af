"""The whole run beside the bare decode of the same file, and beside a naive OpenCV script.

    python -m benchmarks.speed [--size 512] [--codec mjpeg] [--scale 1.0] [--page docs/speed.md]

A rod being compressed is drawn at each size and shown forth and back until the movie is long
enough. "Bare" demuxes and decodes with PyAV's defaults and does nothing with the pictures. "Run"
is ``tem-track run --no-pictures`` as a process of its own: start-up, opening, templates, measuring,
tables, hash. "Naive" finds bar and tip by `matchTemplate` in the full frame and outlines the
specimen's box by Otsu's threshold; it writes nothing. Each file is read once beforehand. Processor
seconds stand beside the clock's, because on a machine that does other things only they can be
compared from day to day.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

import tem_track
from benchmarks.reading import CODECS
from tem_track.simulate import simulate

FRAMES = {
    512: {"raw": 4000, "mjpeg": 4000, "ffv1": 2000, "mpeg4": 4000, "h264": 2000},
    1024: {"raw": 1500, "mjpeg": 1500, "ffv1": 800, "mpeg4": 1500, "h264": 800},
    2048: {"raw": 800, "mjpeg": 800, "ffv1": 300, "mpeg4": 800, "h264": 300},
}
DRAWN = 24
NAIVE_FRAMES = {512: 400, 1024: 100, 2048: 40}


@dataclass(frozen=True)
class Cost:
    """What a process took."""

    wall_s: float
    cpu_s: float
    memory_mb: float
    answer: str = ""


# --------------------------------------------------------------------------- movies


def drawn(size: int, folder: Path) -> tuple[list[np.ndarray], str]:
    """Return some frames of a compression at a size, and the text of the experiment file."""
    kept = folder / "drawn.npy"
    if kept.exists():
        return list(np.load(kept)), (folder / "drawn.toml").read_text("utf-8")
    made = simulate(
        "rod_compression",
        seed=1,
        frames=DRAWN,
        codec="raw",
        output=folder,
        shape_px=(size, size),
        scale_nm_per_px=2.0 * 640 / size,
    )
    frames = [frame.image.copy() for frame in tem_track.open_movie(made.movie)]
    assert made.experiment is not None
    text = made.experiment.read_text(encoding="utf-8").replace(made.movie.name, "{movie}")
    made.movie.unlink()
    np.save(kept, np.stack(frames))
    (folder / "drawn.toml").write_text(text, "utf-8")
    return frames, text


def write(path: Path, frames: Sequence[np.ndarray], count: int, codec: str) -> None:
    """Write the frames forth and back until there are enough."""
    name, pixels, _, options = CODECS[codec]
    there = len(frames) - 1
    with av.open(str(path), "w") as container:
        stream = container.add_stream(name, rate=25, options=options)
        stream.height, stream.width = frames[0].shape
        stream.pix_fmt = pixels
        for index in range(count):
            step = index % (2 * there)
            picture = frames[step if step <= there else 2 * there - step]
            frame = av.VideoFrame.from_ndarray(picture, format="gray")
            container.mux(stream.encode(frame.reformat(format=pixels)))
        container.mux(stream.encode())


def make(size: int, codec: str, count: int, movie: Path) -> None:
    """Write a movie and its experiment file."""
    frames, text = drawn(size, movie.parent)
    write(movie, frames, count, codec)
    movie.with_suffix(".toml").write_text(text.replace("{movie}", movie.name), "utf-8")


# --------------------------------------------------------------------------- the three sides


def bare(path: str) -> int:
    """Decode with PyAV and count."""
    with av.open(path) as container:
        return sum(1 for _ in container.decode(video=0))


def naive(experiment: str, most: int) -> int:
    """Find bar and tip in every full frame and outline the specimen's box."""
    data = tomllib.loads(Path(experiment).read_text(encoding="utf-8"))
    capture = cv2.VideoCapture(str(Path(experiment).parent / data["movie"]))
    templates: list[np.ndarray] = []
    x, y, w, h = data["specimen"]["box_px"]
    count = 0
    while count < most:
        good, colour = capture.read()
        if not good:
            break
        grey = cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY)
        if not templates:
            templates = [_cut(grey, data[name]["box_px"]) for name in ("bar", "tip")]
        for template in templates:
            score = cv2.matchTemplate(grey, template, cv2.TM_CCOEFF_NORMED)
            cv2.minMaxLoc(score)
        blurred = cv2.GaussianBlur(grey[y : y + h, x : x + w], (5, 5), 0)
        _, mask = cv2.threshold(blurred, 0, 255, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.minAreaRect(max(contours, key=cv2.contourArea))
        count += 1
    return count


def _cut(grey: np.ndarray, box: Sequence[float]) -> np.ndarray:
    x, y, w, h = (round(v) for v in box)
    return grey[y : y + h, x : x + w].copy()


def cost(command: Sequence[str]) -> Cost:
    """Run a process and return what it took and the last line that it printed."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    said = process.stdout.read().decode().strip()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - begun
    if process.returncode not in (0, 6):
        raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}")
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(wall, cpu, usage.ru_maxrss / 1024, said.splitlines()[-1] if said else "")


def inner(side: str, *arguments: str) -> Cost:
    """Return the cost of one of the sides above, without the start of its process."""
    whole = cost([sys.executable, "-m", "benchmarks.speed", side, *arguments])
    inside = json.loads(whole.answer)
    return Cost(inside["wall_s"], inside["cpu_s"], whole.memory_mb, str(inside["frames"]))


def _timed(side: str, arguments: Sequence[str]) -> None:
    begun, cpu = time.perf_counter(), time.process_time()
    count = bare(*arguments) if side == "bare" else naive(arguments[0], int(arguments[1]))
    print(
        json.dumps(
            {
                "wall_s": time.perf_counter() - begun,
                "cpu_s": time.process_time() - cpu,
                "frames": count,
            }
        )
    )


# --------------------------------------------------------------------------- the table

HEAD = (
    "| codec | px | frames | bare /s | run /s | run / bare | the same in processor time | MB |"
    " naive /s | naive MB | run / naive |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


def row(codec: str, size: int, count: int, experiment: Path, movie: Path) -> str:
    """Return one row of the table."""
    inner("bare", str(movie))
    plain = inner("bare", str(movie))
    folder = experiment.with_suffix(".out")
    line = [sys.executable, "-m", "tem_track", "run", str(experiment), "--no-pictures"]
    whole = cost([*line, "--output", str(folder)])
    crude = inner("naive", str(experiment), str(NAIVE_FRAMES[size]))
    crude_rate = int(crude.answer) / crude.wall_s
    rate = count / whole.wall_s
    return (
        f"| {codec} | {size} | {count} | {count / plain.wall_s:.0f} | {rate:.0f} |"
        f" {whole.wall_s / plain.wall_s:.2f} | {whole.cpu_s / plain.cpu_s:.2f} |"
        f" {whole.memory_mb:.0f} | {crude_rate:.1f} | {crude.memory_mb:.0f} |"
        f" {rate / crude_rate:.1f} |"
    )


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] in (["bare"], ["naive"]):
        _timed(sys.argv[1], sys.argv[2:])
        return
    if sys.argv[1:2] == ["draw"]:
        make(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), Path(sys.argv[5]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, choices=sorted(FRAMES), action="append")
    parser.add_argument("--codec", choices=sorted(CODECS), action="append")
    parser.add_argument("--scale", type=float, default=1.0, help="Of the movies' lengths.")
    parser.add_argument("--keep", type=Path, help="A folder for the movies, used again.")
    arguments = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n\n{HEAD}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        base = arguments.keep or Path(name)
        for size in arguments.size or sorted(FRAMES):
            folder = base / str(size)
            for codec in arguments.codec or CODECS:
                count = max(round(FRAMES[size][codec] * arguments.scale), 2 * DRAWN)
                movie = folder / f"{codec}{count}{CODECS[codec][2]}"
                experiment = movie.with_suffix(".toml")
                if (
                    not experiment.exists()
                ):  # in a process of its own, whose memory does not count here
                    drawing = ["draw", str(size), codec, str(count), str(movie)]
                    cost([sys.executable, "-m", "benchmarks.speed", *drawing])
                print(row(codec, size, count, experiment, movie), flush=True)
                if arguments.keep is None:
                    movie.unlink()


if __name__ == "__main__":
    main()

"""The whole run beside the bare decode of the same file, and beside a naive OpenCV script.

    python -m benchmarks.speed [--size 512] [--codec h264] [--scale 1.0] [--keep DIR] [--page PAGE]
    python -m benchmarks.speed --long [--page PAGE]

The first is fifteen rows, about 11 minutes on two idle cores, and 4 GB of disk; the second is a few
rows of movies so long that the preparation is a small part: some 15 minutes and 10 GB. A rod being
compressed is drawn at each size and shown forth and back until the movie is long enough; after six
times its encoded pictures are written again. "Bare" demuxes and decodes with PyAV's defaults and
does nothing with the pictures. "Run" is ``tem-track run --no-pictures`` in a process of its own:
start-up, opening, templates, measuring, tables, hash; "begin" is its part before the first frame is
measured and after the last, "measuring / bare" the time between the two; a part of the frames has
been decoded by then. "To keep" is the size of all frames in grey: where they are too many to be
kept, and pictures rest on those before them, they are decoded twice, for the sample and to be
measured. "Where" parts the processor time of all processes into the beginning and what comes after
it, says what a bare decode would be of it, and how busy the cores were. "Naive" finds bar and tip
by `matchTemplate` in the full frame and outlines the specimen's box by Otsu's threshold, in the
first few frames (``--naive-frames``), each of which takes as long as any other; it writes nothing.
"At most" is what a program that decodes as the bare side does, and does nothing else, could be
faster than it. Each file is read, not decoded, once beforehand.
Processor seconds stand beside the clock's, because on a machine that does other things only they
can be compared from day to day. A movie that fails has a row that says why, and the next is tried.
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
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

import tem_track
from benchmarks.pages import by_hand
from benchmarks.reading import CODECS
from tem_track.frames.kept import MOST_WHOLE_BYTES
from tem_track.simulate import simulate

FRAMES = {
    512: {"raw": 4000, "mjpeg": 4000, "ffv1": 2000, "mpeg4": 4000, "h264": 2000},
    1024: {"raw": 1500, "mjpeg": 1500, "ffv1": 800, "mpeg4": 1500, "h264": 800},
    2048: {"raw": 400, "mjpeg": 800, "ffv1": 300, "mpeg4": 600, "h264": 300},
    4096: {"raw": 100, "mjpeg": 200, "ffv1": 100, "mpeg4": 200, "h264": 100},
}
USUAL = (512, 1024, 2048)
DRAWN = 24
NAIVE_FRAMES = {512: 200, 1024: 50, 2048: 12, 4096: 2}
LONG = (
    (512, "mjpeg", 16000),
    (2048, "mjpeg", 3000),
    (2048, "mpeg4", 3000),
    (2048, "ffv1", 1500),
    (2048, "h264", 1500),
)
ALONE = {"raw", "mjpeg"}
"""Codecs whose pictures stand for themselves: those of one way forth and back are written again."""
WAYS = 6
"""Ways forth and back that are encoded of the others: more than the 250 pictures of a group."""


class FailedError(Exception):
    """A process that ended otherwise than it should."""


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
    way = [*frames, *frames[-2:0:-1]]
    period = len(way) * (1 if codec in ALONE else WAYS)
    known: list[_Picture] = []
    with av.open(str(path), "w") as container:
        stream = container.add_stream(name, rate=25, options=options)
        stream.height, stream.width = frames[0].shape
        stream.pix_fmt = pixels
        for index in range(min(count, period)):
            frame = av.VideoFrame.from_ndarray(way[index % len(way)], format="gray")
            known += _muxed(container, stream.encode(frame.reformat(format=pixels)))
        known += _muxed(container, stream.encode())
        for index in range(period, count):
            container.mux(known[index % period].after(index - index % period, stream))


@dataclass(frozen=True)
class _Picture:
    """An encoded picture, and when it is shown and decoded, in frames."""

    data: bytes
    shown: int
    decoded: int
    is_key: bool

    def after(self, frames: int, stream: av.VideoStream) -> av.Packet:
        """Return it to be shown later."""
        packet = av.Packet(self.data)
        packet.stream, packet.time_base = stream, Fraction(1, 25)
        packet.pts, packet.dts = self.shown + frames, self.decoded + frames
        packet.is_keyframe = self.is_key
        return packet


def _muxed(container: av.container.OutputContainer, packets: list[av.Packet]) -> list[_Picture]:
    """Write encoded pictures and return them."""
    pictures = []
    for packet in packets:
        assert packet.time_base == Fraction(1, 25)
        pictures.append(_Picture(bytes(packet), packet.pts, packet.dts, packet.is_keyframe))
        container.mux(packet)
    return pictures


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


def whole_run(experiment: str, folder: str) -> dict[str, float]:
    """Run without pictures; return when its first frame was measured and when the last."""
    from tem_track.run import run

    seen: list[tuple[float, float]] = []

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "measure" and done in (1, total):
            seen.append((time.perf_counter(), time.process_time()))

    run(Path(experiment), Path(folder), progress=progress, draw=False)
    (first, begun_cpu), (last, _) = seen
    return {"measure_s": last - first, "begin_cpu_s": begun_cpu}


def cost(command: Sequence[str]) -> Cost:
    """Run a process and return what it took and the last line that it printed.

    Raises
    ------
    FailedError
    """
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints)
        assert process.stdout is not None
        said = process.stdout.read().decode().strip()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - begun
        if process.returncode:
            complaints.seek(0)
            lines = complaints.read().decode(errors="replace").strip().splitlines()
            last = lines[-1] if lines else "nothing was said"
            raise FailedError(f"{command[3]}: status {process.returncode}: {last}")
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(wall, cpu, usage.ru_maxrss / 1024, said.splitlines()[-1] if said else "")


def side(name: str, *arguments: str) -> tuple[Cost, dict[str, float]]:
    """Return the cost of one of the sides above as a process, and what it says of itself."""
    whole = cost([sys.executable, "-m", "benchmarks.speed", name, *arguments])
    return whole, json.loads(whole.answer)


def _timed(name: str, arguments: Sequence[str]) -> None:
    begun, cpu = time.perf_counter(), time.process_time()
    answer: dict[str, float] = {}
    if name == "run":
        answer = whole_run(*arguments)
    elif name == "bare":
        answer["frames"] = bare(*arguments)
    else:
        cv2.setNumThreads(os.cpu_count() or 1)
        answer["frames"] = naive(arguments[0], int(arguments[1]))
    answer["wall_s"] = time.perf_counter() - begun
    answer["cpu_s"] = time.process_time() - cpu
    print(json.dumps(answer))


# --------------------------------------------------------------------------- the table

HEAD = (
    "| codec | px | frames | to keep, GB | bare /s | run /s | run / bare | in processor time |"
    " begin, s | measuring / bare | MB | naive /s | naive MB | run / naive | at most | where |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)
PAGE = """# Performance

## Whole runs

{said}
`tem-track run --no-pictures` with start-up, beside the bare decode of the same file and a script
that matches both templates over the whole frame with OpenCV and outlines by Otsu's threshold.

{table}

"Begin" is start-up, preparation and writing the results, which a movie of any length needs once;
"measuring / bare" is the time from the first measured frame to the last. While it prepares, `run`
decodes ahead, so that a part of a short movie's decoding lies in the beginning. "At most" is the
bare decode over the naive script: who waits for such a decoder cannot beat the script by more.
"Where" parts the processor time into the
beginning and what comes after it (measuring and writing), says how much of it all one decode would
be, which may lie in either, and how busy the cores were. What is largest there bounds the row;
where the cores were not busy, one thing waited for another. The script's speed is that of its first
frames, which are as good as any.
"""
LONG_PAGE = """{mark}
## Long movies, whole runs

{said}
The same for movies so long that the preparation is a small part.

{table}
"""
LONG_MARK = "<!-- long -->"


def row(codec: str, size: int, count: int, movie: Path, naive_frames: int) -> str:
    """Return one row of the table.

    Raises
    ------
    FailedError
    """
    experiment = movie.with_suffix(".toml")
    _read(movie)
    _, plain = side("bare", str(movie))
    if plain["frames"] != count:
        raise FailedError(f"{movie.name} holds {plain['frames']} frames, not {count}")
    whole, own = side("run", str(experiment), str(movie.with_suffix(".out")))
    naive_cost, crude = side("naive", str(experiment), str(naive_frames))
    crude_rate = crude["frames"] / crude["wall_s"]
    rate = count / whole.wall_s
    begin, decode = own["begin_cpu_s"] / whole.cpu_s, plain["cpu_s"] / whole.cpu_s
    busy = whole.cpu_s / (whole.wall_s * (os.cpu_count() or 1))
    parts = f"begin {begin:.0%}, after it {1 - begin:.0%}; a decode is {decode:.0%}"
    where = f"{parts}; cores {busy:.0%}"
    cells = (
        codec,
        size,
        count,
        _to_keep(codec, size, count),
        f"{count / plain['wall_s']:.0f}",
        f"{rate:.0f}",
        f"{whole.wall_s / plain['wall_s']:.2f}",
        f"{whole.cpu_s / plain['cpu_s']:.2f}",
        f"{whole.wall_s - own['measure_s']:.1f}",
        f"{own['measure_s'] / plain['wall_s']:.2f}",
        f"{whole.memory_mb:.0f}",
        f"{crude_rate:.1f}",
        f"{naive_cost.memory_mb:.0f}",
        f"{rate / crude_rate:.1f}",
        f"{count / plain['wall_s'] / crude_rate:.1f}",
        where,
    )
    return f"| {' | '.join(map(str, cells))} |"


def _read(path: Path) -> None:
    """Read a file once, so that nobody waits for the disk."""
    with path.open("rb") as file:
        while file.read(1 << 24):
            pass


def _to_keep(codec: str, size: int, count: int) -> str:
    """Return the size of all frames in grey, and whether that is too much to be kept."""
    whole = count * size**2
    is_too_much = whole > MOST_WHOLE_BYTES and codec not in ALONE
    return f"{whole / 1e9:.1f}" + ", too much" * is_too_much


def _path(folder: Path, codec: str, count: int) -> Path:
    return folder / f"{codec}{count}{CODECS[codec][2]}"


def _draw(movie: Path, codec: str, size: int, count: int) -> None:
    """Draw a movie in a process of its own, whose memory does not count here."""
    if not movie.with_suffix(".toml").exists():
        drawing = ["draw", str(size), codec, str(count), str(movie)]
        cost([sys.executable, "-m", "benchmarks.speed", *drawing])


def _said(load: float, option: str, target: str) -> str:
    """Return how and with what the table was made."""
    idle = "an idle machine" if load < 1 else f"a machine with a load of {load:.0f}"
    return (
        f"`python -m benchmarks.speed {option}--page docs/performance.md` (`make {target}`) on"
        f" {idle} with {os.cpu_count()} cores; PyAV {av.__version__}, NumPy {np.__version__},"
        f" OpenCV {cv2.__version__}."
    )


def _written(page: Path, load: float, table: str, is_long: bool) -> str:
    """Return a page with one of its two tables made anew."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    short, mark, rest = text.removesuffix(by_hand(page).lstrip("\n")).partition(LONG_MARK)
    long = mark + rest.rstrip("\n") + "\n" * bool(mark)
    if is_long:
        said = _said(load, "--long ", "bench-long")
        long = LONG_PAGE.format(mark=LONG_MARK, said=said, table=table)
    else:
        short = PAGE.format(said=_said(load, "", "bench"), table=table) + "\n" * bool(long)
    return short + long + by_hand(page)


def _wanted(arguments: argparse.Namespace) -> list[tuple[int, str, int]]:
    """Return size, codec and length of each row."""
    sizes, codecs = arguments.size or sorted(FRAMES), arguments.codec or list(CODECS)
    if arguments.long:
        rows = list(LONG)
    else:
        rows = [
            (size, codec, FRAMES[size][codec])
            for size in arguments.size or USUAL
            for codec in codecs
        ]
    return [
        (size, codec, max(round(count * arguments.scale), 2 * DRAWN))
        for size, codec, count in rows
        if size in sizes and codec in codecs
    ]


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] in (["bare"], ["naive"], ["run"]):
        _timed(sys.argv[1], sys.argv[2:])
        return
    if sys.argv[1:2] == ["draw"]:
        make(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), Path(sys.argv[5]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, choices=sorted(FRAMES), action="append")
    parser.add_argument("--codec", choices=sorted(CODECS), action="append")
    parser.add_argument("--scale", type=float, default=1.0, help="Of the movies' lengths.")
    parser.add_argument("--long", action="store_true", help="The table of long movies.")
    parser.add_argument("--naive-frames", type=int, help="How many the script is timed on.")
    parser.add_argument("--keep", type=Path, help="A folder for the movies, used again.")
    parser.add_argument("--page", type=Path, help="Write its table into the page.")
    arguments = parser.parse_args()
    failed, begun = 0, time.perf_counter()
    lines = [HEAD]
    load = os.getloadavg()[0]
    print(f"load {load:.1f} on {os.cpu_count()} cores\n\n{HEAD}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        base = arguments.keep or Path(name)
        for size, codec, count in _wanted(arguments):
            (base / str(size)).mkdir(parents=True, exist_ok=True)
            movie = _path(base / str(size), codec, count)
            try:
                _draw(movie, codec, size, count)
                tried = arguments.naive_frames or NAIVE_FRAMES[size]
                lines.append(row(codec, size, count, movie, tried))
            except FailedError as error:
                lines.append(f"| {codec} | {size} | {count} | failed: {error} |")
                failed += 1
            print(lines[-1], flush=True)
            if arguments.keep is None:
                movie.unlink(missing_ok=True)
    if arguments.page:
        text = _written(arguments.page, load, "\n".join(lines), arguments.long)
        arguments.page.write_text(text, encoding="utf-8")
    print(f"\n{time.perf_counter() - begun:.0f} s, load {os.getloadavg()[0]:.1f} at the end")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

"""A movie of 100,000 frames from end to end: frames a second, and memory while it is measured.

    python -m benchmarks.long_movie [--frames 100000] [--pictures]

Four hundred frames of 160 x 200 px are drawn and shown forth and back as MJPEG. The run is a
process of its own; its memory, that of what it begins, and its journal are looked at every second.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av

from tests.small import EXPERIMENT, movie_frames

DRAWN = 400


def write(path: Path, count: int) -> None:
    """Encode some frames once, and write their packets forth and back."""
    packets = []
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25, options={"qmin": "3", "qmax": "3"})
        frames = movie_frames(DRAWN)
        stream.height, stream.width = frames[0].shape
        stream.pix_fmt = "yuvj420p"
        for picture in frames:
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuvj420p")
            packets += [bytes(packet) for packet in stream.encode(frame)]
        packets += [bytes(packet) for packet in stream.encode()]
        for index in range(count):
            step = index % (2 * DRAWN - 2)
            packet = av.Packet(packets[step if step < DRAWN else 2 * DRAWN - 2 - step])
            packet.stream, packet.pts, packet.dts = stream, index, index
            packet.time_base, packet.is_keyframe = Fraction(1, 25), True
            container.mux(packet)


def family(pid: int) -> list[int]:
    """Return a process and all that it has begun."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        own = [int(child) for at in threads for child in (at / "children").read_text().split()]
    except OSError:
        return [pid]
    return [pid, *(each for child in own for each in family(child))]


def memory_mb(pid: int) -> tuple[float, float]:
    """Return a process's resident memory, and the part of it that is its own; 0 once it ended.

    What several processes share is parted among them in the second.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    found = {line.split(":")[0]: float(line.split()[1]) / 1024 for line in lines[1:]}
    return found.get("Rss", 0.0), found.get("Pss", 0.0)


def main() -> None:
    """Write the movie, run, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--pictures", action=argparse.BooleanOptionalAction, default=False)
    parser.add_argument("--every", type=float, default=1.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        write(base / "long.avi", arguments.frames)
        experiment = base / "long.toml"
        experiment.write_text(EXPERIMENT.format(movie="long.avi"), encoding="utf-8")
        line = [sys.executable, "-m", "tem_track", "run", str(experiment)]
        line += [] if arguments.pictures else ["--no-pictures"]
        begun, peak, peak_all = time.monotonic(), 0.0, 0.0
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        journal = base / "long.results" / ".measured"
        print(f"load {os.getloadavg()[0]:.1f}; resident MB of each process, together, journal MB")
        while process.poll() is None:
            time.sleep(arguments.every)
            size = journal.stat().st_size / 1e6 if journal.exists() else 0.0
            each = [memory_mb(pid) for pid in family(process.pid)]
            together = sum(own for _, own in each)
            peak, peak_all = max(peak, *(r for r, _ in each)), max(peak_all, together)
            resident = " ".join(f"{r:.0f}" for r, _ in each)
            print(
                f"{time.monotonic() - begun:4.0f} s: {resident:20} {together:6.0f} {size:8.1f}",
                flush=True,
            )
        took = time.monotonic() - begun
        used = os.times()
        rows = sum(1 for _ in (base / "long.results" / "points.csv").open()) - 1
        print(
            f"status {process.returncode}, {rows} rows, {took:.0f} s,"
            f" {used.children_user + used.children_system:.0f} s of processor,"
            f" {rows / took:.0f} frames/s, peak {peak:.0f} MB a process, {peak_all:.0f} together"
        )


if __name__ == "__main__":
    main()

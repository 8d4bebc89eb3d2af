"""A movie of 100,000 frames from end to end: frames a second, and memory while it is measured.

    python -m benchmarks.long_movie [--frames 100000] [--pictures]

Four hundred frames of 160 x 200 px are drawn and shown forth and back as MJPEG. The run is a
process of its own; its memory and its journal are looked at every few seconds.
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


def memory_mb(pid: int, key: str) -> float:
    """Return what the system says of a process's memory; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) / 1024 for line in lines if line.startswith(key)), 0.0)


def main() -> None:
    """Write the movie, run, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--pictures", action=argparse.BooleanOptionalAction, default=False)
    parser.add_argument("--every", type=float, default=10.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        write(base / "long.avi", arguments.frames)
        experiment = base / "long.toml"
        experiment.write_text(EXPERIMENT.format(movie="long.avi"), encoding="utf-8")
        line = [sys.executable, "-m", "tem_track", "run", str(experiment)]
        line += [] if arguments.pictures else ["--no-pictures"]
        begun, peak = time.monotonic(), 0.0
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        journal = base / "long.results" / ".measured"
        print(f"load {os.getloadavg()[0]:.1f}\n   s   resident MB   journal MB", flush=True)
        while process.poll() is None:
            time.sleep(arguments.every)
            size = journal.stat().st_size / 1e6 if journal.exists() else 0.0
            peak = max(peak, memory_mb(process.pid, "VmHWM"))
            now = memory_mb(process.pid, "VmRSS")
            print(f"{time.monotonic() - begun:4.0f} {now:13.0f} {size:12.1f}", flush=True)
        took = time.monotonic() - begun
        used = os.times()
        rows = sum(1 for _ in (base / "long.results" / "points.csv").open()) - 1
        print(
            f"status {process.returncode}, {rows} rows, {took:.0f} s,"
            f" {used.children_user + used.children_system:.0f} s of processor,"
            f" {rows / took:.0f} frames/s, peak {peak:.0f} MB"
        )


if __name__ == "__main__":
    main()

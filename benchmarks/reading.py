"""Reading a movie against the bare decode of the same file by PyAV, side by side.

    python -m benchmarks.reading [--size 512] [--codec mpeg4] [--repeats 5]

Both sides use PyAV's default threads. "Bare" demuxes and decodes and does nothing with the
pictures; "ours" opens the movie and iterates over its frames, counting included. Every file is
read once beforehand, so that the disk is not measured. `ratio` is of the times by the clock, `cpu`
of the processors' times, which other programs on the machine disturb less.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from tem_track.frames import open_movie

CODECS = {
    "raw": ("rawvideo", "gray", ".avi", {}),
    "mjpeg": ("mjpeg", "yuvj420p", ".avi", {"qmin": "3", "qmax": "3"}),
    "ffv1": ("ffv1", "gray", ".avi", {}),
    "mpeg4": ("mpeg4", "yuv420p", ".avi", {"b": "8M"}),
    "h264": ("libx264", "yuv420p", ".mp4", {"crf": "18", "preset": "veryfast"}),
}
FRAMES = {512: 240, 2048: 72}


def picture(index: int, size: int) -> np.ndarray:
    """Return a noisy picture with a moving dark disk."""
    rng = np.random.default_rng(index)
    y, x = np.mgrid[:size, :size]
    disk = np.hypot(x - size / 2 - index, y - size / 2) < size / 5
    return np.clip(rng.normal(150 - 90 * disk, 8), 0, 255).astype(np.uint8)


def write(path: Path, codec: str, pixels: str, size: int, options: dict[str, str]) -> None:
    """Write the benchmark's movie."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width = stream.height = size
        stream.pix_fmt = pixels
        for index in range(FRAMES[size]):
            frame = av.VideoFrame.from_ndarray(picture(index % 24, size), format="gray")
            container.mux(stream.encode(frame.reformat(format=pixels)))
        container.mux(stream.encode())


def bare(path: Path) -> int:
    """Decode with PyAV and count."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def ours(path: Path) -> int:
    """Read with tem_track and count."""
    return sum(1 for _ in open_movie(path))


def seconds(read: Callable[[Path], int], path: Path) -> tuple[float, float]:
    """Return the time of one reading by the clock, and that of the processors."""
    wall, processors = time.perf_counter(), time.process_time()
    read(path)
    return time.perf_counter() - wall, time.process_time() - processors


def compare(path: Path, repeats: int) -> NDArray[np.float64]:
    """Return the best times, shape (2, 2): bare and ours; by the clock and of the processors."""
    pairs = [(seconds(bare, path), seconds(ours, path)) for _ in range(repeats)]
    return np.min(np.array(pairs), axis=0)


def main() -> None:
    """Print a table of frames per second and the ratio of the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, choices=sorted(FRAMES), action="append")
    parser.add_argument("--codec", choices=CODECS, action="append")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{'codec':8}{'px':>6}{'bare /s':>10}{'ours /s':>10}{'ratio':>8}{'cpu':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for size in arguments.size or sorted(FRAMES):
            for name in arguments.codec or CODECS:
                codec, pixels, suffix, options = CODECS[name]
                path = Path(folder) / f"{name}{size}{suffix}"
                write(path, codec, pixels, size, options)
                (bare_s, bare_cpu_s), (ours_s, ours_cpu_s) = compare(path, arguments.repeats)
                count = FRAMES[size]
                rates = f"{count / bare_s:10.0f}{count / ours_s:10.0f}{ours_s / bare_s:8.2f}"
                print(f"{name:8}{size:6}{rates}{ours_cpu_s / bare_cpu_s:8.2f}", flush=True)


if __name__ == "__main__":
    main()

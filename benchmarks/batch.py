"""A batch of twenty movies: one worker, two, two that are lost in between, two on a cluster.

    python -m benchmarks.batch [--movies 20] [--frames 300]

Every worker has one core. The movies' results must be the same byte for byte in every way of
running them; movies of more than 256 frames are measured in parts. For the cluster, a scheduler and
two workers are started as processes of their own. For the loss, a worker is killed whenever a
quarter of the movies has been finished.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
from distributed import Client

from tem_track.batch import Job, run_batch
from tests.small import write_small

RESULTS = ("measurement.csv", "points.csv", "summary.json")
PART_FRAMES = 128


def bytes_of(folders: Sequence[Path]) -> list[bytes]:
    """Return the results of all folders."""
    return [(folder / name).read_bytes() for folder in folders for name in RESULTS]


def clear(folders: Sequence[Path]) -> None:
    """Take results away, so that the next way of running begins anew."""
    for folder in folders:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def killer(movies: int) -> Callable[[Sequence[Job]], None]:
    """Return a report that kills a worker after each quarter of the movies."""
    marks = [movies // 4, movies // 2, 3 * movies // 4]

    def report(jobs: Sequence[Job]) -> None:
        if marks and sum(job.state == "done" for job in jobs) >= marks[0]:
            marks.pop(0)
            children = psutil.Process().children(recursive=True)
            workers = [c for c in children if "spawn_main" in " ".join(c.cmdline())]
            workers[0].send_signal(signal.SIGKILL)
            print(f"killed worker {workers[0].pid}", flush=True)

    return report


@contextmanager
def cluster(base: Path) -> Iterator[str]:
    """Start a scheduler and two workers of one thread; yield the address."""
    log = (base / "cluster.log").open("w")
    address = "tcp://127.0.0.1:18786"
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", "18786", "--no-dashboard"]
    worker = ["worker", address, "--nthreads", "1", "--no-dashboard"]
    dask = [sys.executable, "-m", "distributed.cli.dask_"]
    lines = [[dask[0], "-m", f"distributed.cli.dask_{each[0]}", *each[1:]] for each in
             (scheduler, worker, worker)]  # fmt: skip
    processes = [subprocess.Popen(line, stdout=log, stderr=log, cwd=base) for line in lines]
    try:
        with Client(address, timeout=120) as client:  # on a busy machine they start slowly
            client.wait_for_workers(2, timeout=120)
        yield address
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()
        log.close()


def main() -> None:
    """Run the batches and print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--movies", type=int, default=20)
    parser.add_argument("--frames", type=int, default=300)
    arguments = parser.parse_args()
    count = arguments.movies
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        paths = [write_small(base / f"m{n:02}", count=arguments.frames) for n in range(count)]
        folders = [path.with_suffix(".results") for path in paths]
        run_batch(paths[:1], jobs=1, draw=False)
        clear(folders[:1])
        times: dict[str, float] = {}
        first: list[bytes] = []

        def batch(way: str, **options: object) -> None:
            begun = time.perf_counter()
            done = run_batch(paths, draw=False, part_frames=PART_FRAMES, **options)  # type: ignore[arg-type]
            times[way] = time.perf_counter() - begun
            assert all(job.state == "done" for job in done), [job.message for job in done]
            assert not [f for folder in folders for f in folder.glob(".*")]
            found = bytes_of(folders)
            first[:] = first or found
            assert found == first, f"{way}: results differ"
            print(f"{way}: {times[way]:.1f} s, same bytes", flush=True)
            clear(folders)

        batch("one worker", jobs=1)
        batch("two workers", jobs=2)
        print(f"two over one: {times['two workers'] / times['one worker']:.2f}", flush=True)
        with cluster(base) as address:
            batch("two workers of a cluster", scheduler=address)
        batch("two workers, some lost", jobs=2, report=killer(count))


if __name__ == "__main__":
    main()

"""All benchmarks, one after the other: ``make bench``, or ``python -m benchmarks NAME...``."""

from __future__ import annotations

import runpy
import sys

NAMES = (
    "speed",
    "end_to_end",
    "propose",
    "tracking",
    "outline",
    "growth",
    "mechanics_coverage",
    "reading",
    "report",
)
LONG = ("batch", "interruption", "long_movie")
"""Run by name alone."""


def main() -> None:
    """Run the benchmarks that are named, by default all."""
    chosen = sys.argv[1:] or list(NAMES)
    unknown = [name for name in chosen if name not in NAMES + LONG]
    if unknown:
        sys.exit(f"there is no benchmark {unknown[0]}; there are {', '.join(NAMES + LONG)}")
    for name in chosen:
        print(f"\n== {name}", flush=True)
        sys.argv = [name]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")


if __name__ == "__main__":
    main()

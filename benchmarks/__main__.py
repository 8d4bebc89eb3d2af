"""All benchmarks but that of speed: ``make accuracy``, or ``python -m benchmarks NAME...``.

Each is a process of its own; one that fails is named at the end, and does not stop the others.
"""

from __future__ import annotations

import subprocess
import sys
import time

MINUTES = {
    "reading": 2,
    "report": 2,
    "mechanics_coverage": 3,
    "tracking": 15,
    "outline": 10,
    "end_to_end": 10,
    "propose": 15,
    "growth": 15,
}
"""About how long each takes on two idle cores."""

LONG = {"speed": 20, "pictures": 3, "batch": 15, "interruption": 10, "long_movie": 10}
"""Run by name alone."""


def main() -> None:
    """Run the benchmarks that are named, by default all."""
    known = MINUTES | LONG
    chosen = sys.argv[1:] or list(MINUTES)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        sys.exit(f"there is no benchmark {unknown[0]}; there are {', '.join(known)}")
    print(f"about {sum(known[name] for name in chosen)} minutes on two idle cores")
    failed = []
    for name in chosen:
        print(f"\n== {name}, about {known[name]} minutes", flush=True)
        begun = time.perf_counter()
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
        print(f"== {name}: {time.perf_counter() - begun:.0f} s", flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()

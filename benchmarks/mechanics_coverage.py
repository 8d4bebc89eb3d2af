"""Coverage of the mechanics' 95 % intervals, and the detector of drops.

python -m benchmarks.mechanics_coverage [--measurements 500] [--page docs/accuracy_mechanics.md]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from tem_track.mechanics import Settings, evaluate
from tem_track.mechanics.events import find_drops
from tests.mechanics.coverage import SCENARIOS, study
from tests.mechanics.curves import loading_curve
from tests.mechanics.tables import make

HEAD = """# Accuracy of the mechanics

Written by `python -m benchmarks.mechanics_coverage --page docs/accuracy_mechanics.md`. How exact
the movies' measurement is in itself is on [its own page](accuracy.md); here the pixels are drawn
with a known noise, and what is judged is what the mechanics make of them.
"""
INTERVALS = """
## Do the 95 % intervals hold the truth?

{n} simulated measurements a scenario: a bilinear rod is compressed by a cantilever; stiffness
(10 %, calibrated 2 %), scale (1.5 %, 0.5 %) and the place of the outline's edges (0.5 px) are drawn
once a measurement, tracking and outline noise in every frame. Given is the share of 95 % intervals
(1.96 u) that hold the truth: 0.92 to 0.98 is asked for. *Its record* is the modulus before
stiffness, scale and area are added, *u(record)* its relative uncertainty, *bias / u* its mean error
over it.

"""
DROPS = """
## Are load drops found, and only these?

1000 curves a row with and without a drop of 10 to 50 % of the largest force, loading or unloading,
normal noise up to the given share of the largest force.

"""


def intervals(n: int) -> str:
    """Return the table of coverage."""
    lines = [
        "| scenario | stress | modulus | its record | contact | bias / u | u(record) | refused |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, scenario in SCENARIOS.items():
        s = study(scenario, n)
        lines.append(
            f"| {name} | {s.stress:.3f} | {s.modulus:.3f} | {s.modulus_record:.3f} "
            f"| {s.contact:.3f} | {s.bias_over_u:+.2f} | {s.u_record:.3f} | {s.refused} |"
        )
        print(lines[-1], flush=True)
    return "\n".join(lines) + "\n"


def drops() -> str:
    """Return the table of false and missed drops."""
    lines = ["| frames | noise up to | false | missed |", "|---|---|---|---|"]
    for n in (14, 24, 60, 200):
        for noise in (0.002, 0.005, 0.01):
            found = np.array([_false_and_missed(n, noise, seed) for seed in range(1000)])
            false, missed = found.sum(axis=0)
            lines.append(f"| {n} | {noise:.1%} | {false} | {missed} |")
    return "\n".join(lines) + "\n"


def _false_and_missed(n: int, most: float, seed: int) -> tuple[bool, bool]:
    rng = np.random.default_rng(10_000 + seed)
    force = loading_curve(rng, n)
    largest, top = float(force.max()), int(np.argmax(force))
    noise = rng.uniform(0, most) * largest
    noisy, u = force + noise * rng.standard_normal(n), np.full(n, noise)
    row = int(rng.integers(max(3, n // 5), max(top, n // 5 + 4)))
    size = rng.uniform(0.10, 0.5) * largest + force[row] - force[row - 1]
    dropped = noisy - np.where(np.arange(n) >= row, size, 0.0)
    seen = [drop.row for drop in find_drops(dropped, u)]
    return bool(find_drops(noisy, u)), row not in seen


def seconds() -> float:
    """Return how long one evaluation of 600 frames takes, the median of nine."""
    table, _ = make(n=600, approach=60, load=400)
    settings = Settings(mode="compression", shape="rod", scale_nm_per_px=2, stiffness_N_per_m=6)
    times = []
    for _ in range(9):
        start = time.perf_counter()
        evaluate(table, settings)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def main() -> None:
    """Measure, and print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measurements", type=int, default=500)
    parser.add_argument("--page", type=Path)
    chosen = parser.parse_args()
    page = HEAD + INTERVALS.format(n=chosen.measurements) + intervals(chosen.measurements)
    page += DROPS + drops()
    print(page)
    print(f"evaluate() on 600 frames: {seconds():.3f} s (median of 9)")
    if chosen.page is not None:
        chosen.page.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()

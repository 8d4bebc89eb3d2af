"""Coverage of the mechanics' 95 % intervals: `python -m benchmarks.mechanics_coverage [N]`."""

from __future__ import annotations

import sys
import time

import numpy as np

from tem_track.mechanics import Settings, evaluate
from tests.mechanics.coverage import SCENARIOS, study
from tests.mechanics.tables import make


def main(n: int = 500) -> None:
    print(f"{n} simulated measurements a scenario; shares of 95 % intervals that hold the truth\n")
    print("| scenario | stress | modulus | its record | contact | bias / u | u(record) | refused |")
    print("|---|---|---|---|---|---|---|---|")
    for name, scenario in SCENARIOS.items():
        s = study(scenario, n)
        print(
            f"| {name} | {s.stress:.3f} | {s.modulus:.3f} | {s.modulus_record:.3f} "
            f"| {s.contact:.3f} | {s.bias_over_u:+.2f} | {s.u_record:.3f} | {s.refused} |"
        )
    print(f"\nevaluate() on 600 frames: {_seconds():.3f} s (median of 9)")


def _seconds() -> float:
    table, _ = make(n=600, approach=60, load=400)
    settings = Settings(mode="compression", shape="rod", scale_nm_per_px=2, stiffness_N_per_m=6)
    times = []
    for _ in range(9):
        start = time.perf_counter()
        evaluate(table, settings)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))

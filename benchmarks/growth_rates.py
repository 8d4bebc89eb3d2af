"""How often a step's rate lies within its uncertainty: courses of length that are drawn.

``python -m benchmarks.growth_rates [--count 200]`` prints a table of docs/accuracy_growth.md: two
steps of potential with 2 and 0.2 nm/s, or 0.2 and 0.1; the log lined up exactly or by a marker,
which is off by up to half a frame; errors that are independent, or that last. The standard
deviation of error / u, and the share within 2 u.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.growth import table
from tem_track.growth.rates import rates_by_step, steps_of
from tem_track.records import FloatArray

INTERVAL_S = 6.25
U_NM = 0.7
COURSES = {
    "30 frames": (30, 2.0, 0.2),
    "12 frames, slow": (12, 0.2, 0.1),
    "5 frames": (5, 2.0, 0.2),
}
"""Frames in each step, and the rates before and after (nm/s)."""
ERRORS = {
    "independent": (1.0, 0.0, 1.0),
    "a frame's u off by a third": (1.0, 0.0, 1.0),
    "half of it lasts for 3 frames": (0.7, 0.7, 3.0),
    "half of it lasts for 30 frames": (0.7, 0.7, 30.0),
}
"""Independent and lasting part, in units of u, and for how many frames the latter lasts."""


def errors(kind: str, n: int, rng: np.random.Generator) -> FloatArray:
    """Return errors of lengths (nm)."""
    single, lasting, frames = ERRORS[kind]
    apart = np.abs(np.subtract.outer(np.arange(n), np.arange(n))) / frames
    root = np.linalg.cholesky(np.exp(-apart) + 1e-9 * np.eye(n))
    noise = single * rng.normal(size=n) + lasting * root @ rng.normal(size=n)
    return np.asarray(U_NM * noise, dtype=np.float64)


def pulls(course: str, kind: str, marked: bool, count: int) -> FloatArray:
    """Return error / u of the rates of both steps."""
    frames, fast, slow = COURSES[course]
    rng = np.random.default_rng(7)
    t = np.arange(2 * frames) * INTERVAL_S
    found = []
    for _ in range(count):
        change = (frames - rng.random()) * INTERVAL_S
        off = (rng.random() - 0.5) * INTERVAL_S if marked else 0.0
        length = 140 + fast * np.minimum(t, change) + slow * np.maximum(t - change, 0)
        u = np.full(len(t), U_NM)
        if kind.startswith("a frame"):
            u = u * np.exp(0.33 * rng.normal(size=len(t)))
        steps = steps_of(np.where(t < change + off, -5.0, -1.0))
        value = length + errors(kind, len(t), rng)
        u_log = INTERVAL_S / np.sqrt(12) if marked else 0.0
        for rate, true in zip(rates_by_step(steps, t, value, u, u_log), (fast, slow), strict=True):
            found.append((rate.value_per_s - true) / rate.u_value_per_s)
    return np.array(found)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    chosen = parser.parse_args()
    rows = []
    for kind in ERRORS:
        row = {"errors": kind}
        for course in COURSES:
            for way, marked in (("", False), (", marker", True)):
                z = pulls(course, kind, marked, chosen.count)
                row[course + way] = f"{np.std(z):.2f}, {100 * np.mean(np.abs(z) < 2):.0f} %"
        rows.append(row)
    print(table(rows))


if __name__ == "__main__":
    main()

"""How often a layer's law is named, and how often wrongly: series with noise and lasting errors.

``python -m benchmarks.growth_laws [--count 100]`` prints a table of docs/accuracy_growth.md: layers
from 5 to 14 nm, named rightly / wrongly in percent. "log 4" is a logarithm whose rate falls to a
quarter within the record, the weakest that is called one; "log 11" and "log 26" fall further.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.growth import table
from tem_track.growth.shell import shell_law
from tem_track.records import FloatArray

SPAN_S = 665.0
LAWS = ("linear", "parabolic", "log 4", "log 11", "log 26")
NOISES = (
    (0.05, 0.05, 1 / 6),
    (0.2, 0.2, 1 / 6),
    (0.4, 0.4, 1 / 6),
    (0.8, 0.8, 1 / 6),
    (0.3, 0.0, 1 / 6),
    (0.8, 0.0, 1 / 6),
    (0.2, 0.6, 1 / 6),
    (0.3, 0.6, 1 / 20),
    (0.3, 0.6, 1 / 3),
)
"""Standard deviations (nm) of independent and of lasting errors; how long these last (spans)."""


def layer(law: str, t: FloatArray) -> FloatArray:
    """Return a layer that grows from 5 to 14 nm."""
    if law == "linear":
        return np.asarray(5 + 9 * t / SPAN_S)
    if law == "parabolic":
        return np.asarray(np.sqrt(25 + 171 * t / SPAN_S))
    falls = float(law.split()[1]) - 1
    return np.asarray(5 + 9 * np.log1p(falls * t / SPAN_S) / np.log1p(falls))


def named(law: str, noise: tuple[float, float, float], points: int, count: int) -> str:
    """Return how many percent of drawn series are named rightly / wrongly."""
    single, lasting, lasts = noise
    rng = np.random.default_rng(4)
    t = np.linspace(0, SPAN_S, points)
    apart = np.abs(t[:, None] - t) / (lasts * SPAN_S)
    root = np.linalg.cholesky(np.exp(-apart) + 1e-9 * np.eye(points))
    names = []
    for _ in range(count):
        error = single * rng.normal(size=points) + lasting * root @ rng.normal(size=points)
        u = np.full(points, single), np.full(points, lasting)
        names.append(shell_law(t, layer(law, t) + error, *u).name)
    true = {"log": "logarithmic"}.get(law.split()[0], law)
    right = names.count(true)
    wrong = count - right - names.count("undetermined")
    return f"{100 * right / count:.0f} / {100 * wrong / count:.0f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--points", type=int, default=60)
    chosen = parser.parse_args()
    rows = [
        {"noise, lasting (nm), for": f"{noise[0]}, {noise[1]}, {noise[2]:.2f} spans"}
        | {law: named(law, noise, chosen.points, chosen.count) for law in LAWS}
        for noise in NOISES
    ]
    print(table(rows))


if __name__ == "__main__":
    main()

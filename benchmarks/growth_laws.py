"""How often a layer's law is named, and how often wrongly: series with noise and lasting errors.

``python -m benchmarks.growth_laws [--count 100]`` prints a table of docs/accuracy_growth.md: layers
from 5 to 14 nm, named rightly / wrongly in percent. "log 4" is a logarithm whose rate falls to a
quarter within the record, the weakest that is called one; "log 11" and "log 26" fall further. The
second table is of records as a movie gives them: layers from 8 to 24 nm in 100 frames, larger
errors at first, uncertainties that scatter by a tenth, frames that are held by their course.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.growth import table
from tem_track.growth.shell import shell_law
from tem_track.growth.summary import split_errors
from tem_track.records import FloatArray
from tem_track.specimen.growing_course import layer_course

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


HELD = ((0.3, 0.3), (0.5, 0.5), (0.2, 0.6))
"""Noise and grain of a single frame late in the movie (px); 2 nm/px."""


def held(law: str, noise: tuple[float, float], count: int, frames: int = 100) -> str:
    """Return the same of series whose frames are held by their course."""
    rng = np.random.default_rng(5)
    x = np.linspace(0, 1, frames)
    rises = {"linear": x, "logarithmic": np.log1p(40 * x) / np.log1p(40)}
    true = np.sqrt(16 + 128 * x) if law == "parabolic" else 4 + 8 * rises[law]
    alike = np.exp(-np.abs(x[:, None] - x) / (1 / 6))
    root = np.linalg.cholesky(alike + 1e-9 * np.eye(frames))
    names = []
    for _ in range(count):
        single, lasting = ((1 + 2 * np.exp(-x / 0.15)) * part for part in noise)
        own = true + single * rng.normal(size=frames) + lasting * root @ rng.normal(size=frames)
        u = np.hypot(single, lasting) * (1 + 0.1 * rng.normal(size=frames))
        _, course, scatter = layer_course(np.column_stack([600 * x, own, u])).T
        pull = (0.7 * scatter) ** -2
        value = (own / u**2 + course * pull) / (u**-2 + pull)
        rest = np.sqrt(np.maximum(u**2 - scatter**2, 0))
        u_value = np.sqrt(1 / (u**-2 + pull) + rest**2 + (0.03 * value) ** 2)
        parts = split_errors(value, u_value)
        names.append(shell_law(600 * x, 2 * value, 2 * parts[0], 2 * parts[1]).name)
    right = names.count(law)
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
    rows = [
        {"noise, grain (px)": f"{noise[0]}, {noise[1]}"}
        | {law: held(law, noise, chosen.count) for law in ("linear", "parabolic", "logarithmic")}
        for noise in HELD
    ]
    print(table(rows))


if __name__ == "__main__":
    main()

"""What an outline costs a frame, by shape and by state.

``python -m benchmarks.outline_cost [--write docs/accuracy_outline.md]`` prints the table, and puts
it in its place on a page. Only the strip about the specimen is read, so that the size of the frame
does not matter but the specimen's.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks.outline import OutlineInput, prepared, triples
from tem_track.records import Axis, FloatArray
from tem_track.simulate import build_scene
from tem_track.specimen import SpecimenModel, prepare_specimen
from tests.specimen.scenes import Scene, specimen_box, triple

SIMULATED = {
    "rod": "rod_compression",
    "bent rod": "rod_bending",
    "pillar": "pillar_compression",
    "crystal": "particle_compression",
    "ball": "sphere_compression",
    "hollow ball": "hollow_sphere_compression",
    "pulled rod": "rod_tension",
}
NECKS = ((30.0, 14.0), (12.0, 14.0), (6.0, 14.0), (6.0, 9.0))
"""Widths, and half widths of the hollow along the axis, in px."""
LENGTH_PX, RADIUS_PX, MU_PER_PX = 220.0, 27.0, 0.018
BEGIN, END = "<!-- cost -->", "<!-- end of cost -->"


def necked(width_px: float, half_px: float, seed: int) -> Scene:
    """Draw a pulled rod whose neck is that wide."""
    depth = RADIUS_PX - width_px / 2

    def radius(s: FloatArray) -> FloatArray:
        return RADIUS_PX - depth * np.exp(-(((s - LENGTH_PX / 2 - 0.9 * seed) / half_px) ** 2))

    return Scene(length_px=LENGTH_PX, radius_px=radius, mu=MU_PER_PX, seed=seed)


def neck_model(half_px: float) -> SpecimenModel:
    """Prepare on a rod that necks down to 6 px."""
    scenes = [necked(54.0 - 4.0 * k, half_px, k) for k in range(13)]
    sample = [triple(scene, k) for k, scene in enumerate(scenes)]
    box = specimen_box(scenes[0])
    return prepare_specimen(
        sample[0], iter(sample), box, shape="rod", mode="tension", axis=Axis(0.0)
    )


def cost_ms(
    model: SpecimenModel, inputs: list[OutlineInput], rounds: int = 15
) -> tuple[float, float, float]:
    """Return a frame's processor time in ms: least and median of the rounds, and the worst frame's.

    The least is the nearest to an idle machine's; the worst frame's is the largest of all leasts.
    """
    for item in inputs:
        model.outline(*item)
    spent = np.empty((rounds, len(inputs)))
    for row in spent:
        for k, item in enumerate(inputs):
            start = time.thread_time()
            model.outline(*item)
            row[k] = time.thread_time() - start
    means = spent.mean(axis=1)
    return 1e3 * means.min(), 1e3 * float(np.median(means)), 1e3 * spent.min(axis=0).max()


def simulated(scenario: str, seed: int = 1) -> dict[str, tuple[float, float, float]]:
    """Measure a simulated movie's whole frames, and its broken ones where there are some."""
    scene = build_scene(scenario, seed=seed, bragg_contours=0.25)
    frames = list(triples(scene, 8))
    model, inputs = prepared(scene, frames)
    broken = [bool(scene.truth(i)["broken"]) for i, *_ in frames]
    found = {}
    for name, state in (("", False), ("broken", True)):
        chosen = [item for item, is_so in zip(inputs, broken, strict=True) if is_so == state]
        if chosen:
            found[name] = cost_ms(model, chosen)
    return found


def lines() -> list[tuple[str, tuple[float, float, float]]]:
    """Measure all cases."""
    out = []
    for name, scenario in SIMULATED.items():
        out += [(state or name, cost) for state, cost in simulated(scenario).items()]
    models: dict[float, SpecimenModel] = {}
    for width, half in NECKS:
        model = models.get(half) or models.setdefault(half, neck_model(half))
        out.append((_neck_name(width, half), cost_ms(model, _inputs(width, half, lambda s: s))))
    model = models[14.0]
    parted = _inputs(6.0, 14.0, lambda s: replace(s, hole_px=(LENGTH_PX / 2, 14.0)))
    out.append(("broken at a neck of 6 px", cost_ms(model, parted)))
    return out


def _neck_name(width_px: float, half_px: float) -> str:
    return f"neck of {width_px:.0f} px, half as deep {0.83 * half_px:.0f} px beside its bottom"


def _inputs(
    width_px: float, half_px: float, change: Callable[[Scene], Scene]
) -> list[OutlineInput]:
    triples_of = [triple(change(necked(width_px, half_px, 50 + k))) for k in range(5)]
    return [(frame.image, tip, base, None) for frame, tip, base in triples_of]


def cost_table() -> str:
    """Return the table as Markdown, between the marks by which a page's is found again."""
    head = (
        "Processor time of an outline on one core, ms a frame, on a machine shared with other jobs"
        " (`python -m benchmarks.outline_cost`; the least of 15 rounds is the nearest to an idle"
        " one):"
    )
    rows = [
        "| frames | least | median | worst frame |",
        "|---|---|---|---|",
        *(f"| {name} | {a:.1f} | {b:.1f} | {c:.1f} |" for name, (a, b, c) in lines()),
    ]
    return "\n".join([BEGIN, head, "", *rows, END])


def renewed(page: str, table: str) -> str:
    """Return a page with the table in the place of the one that it has, or at its end."""
    before, begin, rest = page.partition(BEGIN)
    if not begin:
        return f"{page.rstrip()}\n\n{table}\n"
    return before + table + rest.partition(END)[2]


def main() -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    table = cost_table()
    print(table)
    if chosen.write:
        page = chosen.write.read_text(encoding="utf-8")
        chosen.write.write_text(renewed(page, table), encoding="utf-8")


if __name__ == "__main__":
    main()

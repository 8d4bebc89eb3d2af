"""How well the specimen is outlined on simulated movies, and how fast.

``python benchmarks/outline.py [--seeds 1 2 3] [--every 6] [--write docs/accuracy_outline.md]``
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from tem_track.records import Axis, Frame, Match, Outline
from tem_track.simulate import build_scene
from tem_track.specimen import SpecimenModel, prepare_specimen
from tem_track.specimen.edges import coarse_edges, steady
from tem_track.specimen.model import average_bands
from tem_track.specimen.profile import Profile, tabulate

SCENARIOS = (
    "rod_compression",
    "rod_bending",
    "rod_tension",
    "pillar_compression",
    "particle_compression",
    "sphere_compression",
    "hollow_sphere_compression",
)
QUANTITIES = (
    "length",
    "diameter_mid",
    "diameter_max",
    "diameter_min",
    "diameter_tip",
    "diameter_base",
    "bow",
    "shell",
)
U_MATCH_PX = 0.03


@dataclass(frozen=True)
class Run:
    """One movie: errors and uncertainties by quantity, one column a frame."""

    error: dict[str, np.ndarray]
    u: dict[str, np.ndarray]
    half_level: np.ndarray
    step: np.ndarray
    cpu_ms: float
    broken_right: bool
    model: str


def triples(scene: object, every: int) -> Iterator[tuple[int, Frame, Match, Match]]:
    """Frames through a camera's JPEG, with the true places blurred by a tracker's noise."""
    rng = np.random.default_rng(7)
    v = U_MATCH_PX**2
    for i in range(0, len(scene), every):  # type: ignore[arg-type]
        grey, truth = scene.frame(i), scene.truth(i)  # type: ignore[attr-defined]
        coded = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
        noise = rng.normal(size=4) * U_MATCH_PX
        tip = Match(truth["tip_x_px"] + noise[0], truth["tip_y_px"] + noise[1], v, 0.0, v, 1.0)
        base = Match(truth["base_x_px"] + noise[2], truth["base_y_px"] + noise[3], v, 0.0, v, 1.0)
        frame = Frame(i, float(truth["time_s"]), cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE))
        yield i, frame, tip, base


def half_level(model: SpecimenModel, frame: Frame, tip: Match, base: Match) -> float:
    """Width at half length by the half level, for comparison."""
    place = model.place(frame.image, tip, base)
    if place is None:
        return float("nan")
    strip = model.strip(frame.image, place)
    middle = (place.base_face_px + place.tip_face_px) / 2
    bands, _ = average_bands(strip, middle - 20, middle + 20)
    centre = sum(model.box_t_px) / 2 + place.shift_t_px
    edges = steady(coarse_edges(bands, strip.grid.t_px, centre))
    return float(np.median(edges[:, 1] - edges[:, 0]))


def measure(name: str, seed: int, every: int) -> Run:
    """Outline one movie and compare it with its truth."""
    scene = build_scene(name, seed=seed, bragg_contours=0.25)
    frames = list(triples(scene, every))
    sample = [(f, t, b) for _, f, t, b in frames]
    known = scene.constants
    model = prepare_specimen(
        sample[0],
        iter(sample),
        scene.boxes["specimen"],
        shape=known["shape"],
        mode=known["mode"],
        axis=Axis(known["axis_deg"]),
    )
    radius = 0.5 * model.outline(*_args(sample[len(sample) // 2])).diameter_max_px
    blur = model.table.profile.blur_px
    opaque = Profile("opaque", 0.6, blur)
    erf = replace(model, table=tabulate(opaque, 2.0, 2 * max(radius, 4.0)))
    start = time.process_time()
    outlines = [model.outline(*_args(item)) for item in sample]
    cpu_ms = 1e3 * (time.process_time() - start) / len(outlines)
    truth = [scene.truth(i) for i, *_ in frames]
    scale = float(known["scale_nm_per_px"])
    true = {q: np.array([t.get(f"{q}_nm", np.nan) for t in truth]) / scale for q in QUANTITIES}
    error = {q: _column(outlines, f"{q}_px") - true[q] for q in QUANTITIES}
    u = {q: _column(outlines, f"u_{q}_px") for q in QUANTITIES}
    mid = true["diameter_mid"]
    plain = np.array([half_level(model, *item) for item in sample]) - mid
    step = _column([erf.outline(*_args(item)) for item in sample], "diameter_mid_px") - mid
    right = all(o.broken == bool(t["broken"]) for o, t in zip(outlines, truth, strict=True))
    names = [o.model for o in outlines if o.model]
    return Run(error, u, plain, step, cpu_ms, right, max(set(names), key=names.count))


def _args(item: tuple[Frame, Match, Match]) -> tuple[np.ndarray, Match, Match]:
    return item[0].image, item[1], item[2]


def _column(outlines: list[Outline], name: str) -> np.ndarray:
    return np.array([getattr(o, name) for o in outlines])


def rms(values: np.ndarray) -> float:
    """Root mean square of what is there."""
    seen = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(seen**2))) if len(seen) else float("nan")


def table(results: dict[str, list[Run]]) -> str:
    """Lay the results out as Markdown."""
    head = [*(q.replace("diameter_", "d ") for q in QUANTITIES), "change of length"]
    lines = [
        "| scenario | model | "
        + " | ".join(head)
        + " | err/u length | err/u d mid | broken | ms |",
        "|" + "---|" * (len(head) + 6),
    ]
    for name, runs in results.items():
        cells = [_cell(np.concatenate([r.error[q] for r in runs])) for q in QUANTITIES]
        change = [r.error["length"] - np.nanmean(r.error["length"]) for r in runs]
        cells.append(_cell(np.concatenate(change)))
        for q in ("length", "diameter_mid"):
            ratio = np.concatenate([r.error[q] / r.u[q] for r in runs])
            cells.append(f"{np.nanstd(ratio):.2f}")
        cells.append("right" if all(r.broken_right for r in runs) else "WRONG")
        cells.append(f"{np.median([r.cpu_ms for r in runs]):.1f}")
        models = "/".join(sorted({r.model for r in runs}))
        lines.append(f"| {name} | {models} | " + " | ".join(cells) + " |")
    lines += ["", "| d mid by | half level | step (erf) | this program |", "|---|---|---|---|"]
    for name, runs in results.items():
        three = [
            np.concatenate([r.half_level for r in runs]),
            np.concatenate([r.step for r in runs]),
            np.concatenate([r.error["diameter_mid"] for r in runs]),
        ]
        lines.append(f"| {name} | " + " | ".join(_cell(v) for v in three) + " |")
    return "\n".join(lines)


def _cell(values: np.ndarray) -> str:
    value = rms(values)
    return f"{value:.2f}" if np.isfinite(value) else ""


def main() -> None:
    """Run the scenarios and print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--every", type=int, default=6)
    parser.add_argument("--scenarios", nargs="+", default=list(SCENARIOS))
    parser.add_argument("--write", type=Path)
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    results: dict[str, list[Run]] = {}
    for name in chosen.scenarios:
        results[name] = [measure(name, seed, chosen.every) for seed in chosen.seeds]
        print(table({name: results[name]}), flush=True)
    command = (
        f"python benchmarks/outline.py --seeds {' '.join(map(str, chosen.seeds))} "
        f"--every {chosen.every}"
    )
    text = (
        "# Accuracy of outlines\n\n"
        "Errors of the outline against the simulator's truth, rms in px over "
        f"{len(chosen.seeds)} seeds, every {chosen.every}th frame of 120; 150 e/px, JPEG, texture, "
        "film, Bragg contours and shell on; tip and base known to "
        f"{U_MATCH_PX} px.\nWritten by `{command}`.\n\n{table(results)}\n\n"
        "The end diameters are extrapolated from the outer tenth of the length.\n"
    )
    if chosen.write:
        chosen.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

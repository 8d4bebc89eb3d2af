"""The whole chain on simulated movies of every scenario, against their truth.

python -m benchmarks.end_to_end [--seeds 1 2 3] [--frames 120] [--page docs/accuracy.md]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import tem_track
from benchmarks.scenarios import LOADED
from tem_track.simulate import simulate

SCENARIOS = (*LOADED, "approach", "drift")
COLUMNS = {
    "deflection_nm": "tip − bar",
    "length_nm": "length",
    "deformation_nm": "change of length",
    "diameter_mid_nm": "mid diameter",
    "diameter_max_nm": "largest",
    "diameter_min_nm": "smallest",
    "bow_nm": "bow",
}
HEAD = """# Accuracy

Measured with `python -m benchmarks.end_to_end --page docs/accuracy.md` on movies of the program's
own simulator, which draws physics that the measuring code does not share (gamma, an asymmetric
fringe, texture, a film behind, slightly non-round sections, a detector's tail), stored as MJPEG at
150 e/px with 0.6 px of camera jitter, 2 nm/px, boxes as a hand draws them. Root mean square of the
error against the truth in pixels, over all frames in which the quantity was measured; in brackets
the standard deviation of error / u. A row's u holds what changes from frame to frame.

Of a length it is what changes among the open frames, and among those in contact: the bracket is
of the errors less the mean of each. What all of them share (the base's face, the place where the
faces touch, a free end's look) is stated once, as `u_common_length_px` of measurement.csv for each
frame and as `u_initial_length_nm` of summary.json for those before contact: behind the semicolon
stands the mean error before contact over that. A change of length is counted from the frames before
contact, so that its u holds the step to contact as well: its bracket is the root mean square of
error / u in contact, mean error and all, of which a movie gives one, not a hundred.

What is left, and why: a rod that stands still on the film behind it (approach, drift) shows the
film's grain as its own form in all frames, 0.2 to 0.7 px of its mid diameter, which u holds; the
largest diameter of a pulled rod lies at one of its faces, where grain is fixed in it (1.1 px in one
of three). [Outlines](accuracy_outline.md) has the bounds.

The parts have pages of their own: [tracking](accuracy_tracking.md) beside other programs and the
Cramér-Rao bound, [outlines](accuracy_outline.md) beside other edge models, [forces, stresses and
moduli](accuracy_movies.md), and how honest the [mechanics' intervals](accuracy_mechanics.md) are.

"""


METHODS = """
## The outline beside other methods

Root mean square of the error in px on single frames of the same scenarios: half level and a blurred
step (erf) beside this program, and the bounds that noise sets. The page on
[outlines](accuracy_outline.md) says what they are.

"""


def methods(page: Path) -> str:
    """Return the table of methods of the outline's page, which `benchmarks.outline` writes."""
    tables = [part for part in page.read_text(encoding="utf-8").split("\n\n") if part[:1] == "|"]
    found = [part for part in tables if "half level" in part.splitlines()[0]]
    return METHODS + found[0] + "\n" if found else ""


def case(scenario: str, seed: int, frames: int, folder: Path) -> dict[str, Any]:
    """Simulate, measure, and compare one movie."""
    made = simulate(scenario, seed=seed, frames=frames, output=folder)
    experiment = tem_track.load_experiment(made.experiment)
    result = tem_track.analyse(tem_track.open_movie(experiment.movie_path), experiment)
    truth = pd.read_csv(made.truth_csv)
    constants = json.loads(made.truth_json.read_text(encoding="utf-8"))["constants"]
    row: dict[str, Any] = {"scenario": scenario, "seed": seed}
    scale = experiment.calibration.scale_nm_per_px
    for name in COLUMNS:
        row[name] = _compared(result.points, truth, name, scale)
    row["length_nm"], row["shared"] = _length(result.points, truth, result.summary, scale)
    row["deformation_nm"] = _change(result.points, truth, scale)
    row["lost"] = result.summary["n_lost"]
    row["force"] = _relative(result.summary["max_force_nN"], truth["force_nN"].max())
    for event in ("contact_frame", "fracture_frame"):
        row[event] = (result.summary[event], constants.get(event))
    modulus = result.summary["youngs_modulus_GPa"], result.summary["u_youngs_modulus_GPa"]
    row["modulus"] = (*modulus, constants.get("modulus_GPa"))
    return row


def _compared(
    points: pd.DataFrame, truth: pd.DataFrame, name: str, scale: float
) -> tuple[float, float]:
    if name not in truth:
        return np.nan, np.nan
    error = (points[name] - truth[name]).to_numpy(dtype=float)
    pull = error / points[f"u_{name}"].to_numpy(dtype=float)
    known = np.isfinite(error)
    if known.sum() < 5:
        return np.nan, np.nan
    return float(np.sqrt(np.mean(error[known] ** 2))) / scale, float(np.nanstd(pull[known]))


def _length(
    points: pd.DataFrame, truth: pd.DataFrame, summary: dict[str, Any], scale: float
) -> tuple[tuple[float, float], float]:
    """Return rms and scatter over u of lengths, and the error that all share over its u."""
    if "length_nm" not in truth:
        return (np.nan, np.nan), np.nan
    error = (points["length_nm"] - truth["length_nm"]).to_numpy(dtype=float)
    u, known = points["u_length_nm"].to_numpy(dtype=float), np.isfinite(error)
    held = truth["contact"].to_numpy(dtype=bool)
    parts = [rows for rows in (known & held, known & ~held) if rows.sum() >= 5]
    pulls = [(error[rows] - error[rows].mean()) / u[rows] for rows in parts]
    first = parts[-1] if parts else known
    shared = float(error[first].mean()) / (summary["u_initial_length_nm"] or np.nan)
    rms = float(np.sqrt(np.mean(error[known] ** 2))) / scale
    return (rms, float(np.std(np.concatenate(pulls)))), shared


def _change(points: pd.DataFrame, truth: pd.DataFrame, scale: float) -> tuple[float, float]:
    """Return rms of the change of length, and the rms of its error over u in contact."""
    if "deformation_nm" not in truth:
        return np.nan, np.nan
    error = (points["deformation_nm"] - truth["deformation_nm"]).to_numpy(dtype=float)
    pull = error / points["u_deformation_nm"].to_numpy(dtype=float)
    known, held = np.isfinite(error), truth["contact"].to_numpy(dtype=bool)
    rows = known & held if (known & held).any() else known
    rms = float(np.sqrt(np.mean(error[known] ** 2))) / scale
    return rms, float(np.sqrt(np.mean(pull[rows] ** 2)))


def _relative(found: float | None, true: float) -> float:
    return np.nan if found is None or not true > 0 else found / true - 1


def table(rows: list[dict[str, Any]]) -> str:
    """Return the comparison as a Markdown table."""
    head = ["scenario, seed", *COLUMNS.values(), "largest force", "contact", "fracture", "E (GPa)"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [f"{row['scenario']} {row['seed']}", *(_pair(row[name]) for name in COLUMNS)]
        if np.isfinite(row["shared"]):
            cells[2] = cells[2].replace(")", f"; {row['shared']:+.1f})")
        cells.append("–" if np.isnan(row["force"]) else f"{100 * row['force']:+.2f} %")
        cells += [_event(row["contact_frame"]), _event(row["fracture_frame"])]
        cells.append(_modulus(*row["modulus"]))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _pair(values: tuple[float, float]) -> str:
    rms, pull = values
    return "–" if np.isnan(rms) else f"{rms:.3f} ({pull:.2f})"


def _event(found_and_true: tuple[int | None, int | None]) -> str:
    found, true = found_and_true
    return f"{'none' if found is None else found} / {'none' if true is None else true}"


def _modulus(found: float | None, u_found: float | None, true: float | None) -> str:
    if found is None:
        return "–"
    spread = "" if u_found is None else f" ± {u_found:.2g}"
    return f"{found:.3g}{spread} / {'–' if true is None else f'{true:.3g}'}"


def main() -> None:
    """Run the benchmark and print, or write, its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--scenarios", nargs="+", default=list(SCENARIOS))
    parser.add_argument("--page", type=Path)
    chosen = parser.parse_args()
    rows = []
    for scenario in chosen.scenarios:
        for seed in chosen.seeds:
            with tempfile.TemporaryDirectory() as folder:
                rows.append(case(scenario, seed, chosen.frames, Path(folder)))
            print(table(rows[-1:]).splitlines()[-1], flush=True)
    if chosen.page is not None:
        legend = (
            "\nRms error in px (standard deviation of error / u); events: found / true; modulus:"
            " found ± u, stiffness and scale included / true.\n"
        )
        compared = methods(chosen.page.with_name("accuracy_outline.md"))
        chosen.page.write_text(HEAD + table(rows) + legend + compared, encoding="utf-8")


if __name__ == "__main__":
    main()

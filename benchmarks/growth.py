"""Growth from movie to summary against its truth: length, width, layer, events, rates.

``python -m benchmarks.growth [--seeds 1 2 3] [--frames 120] [--page docs/accuracy_growth.md]``
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import tem_track
from tem_track.records import FloatArray
from tem_track.simulate import simulate

ACCIDENTS = {"camera_jitter_px": 0.6, "camera_drift_px": 8.0, "stage_drift_px": 6.0}
LEAST_SHELL_PX = 4.0
HEAD = """# Accuracy of growth

Measured with `{command}`: whole runs, from an MJPEG movie to the summary, of movies whose truth is
known: 2 nm/px, 150 e/px, 0.6 px of jitter, a camera that drifts by 8 px and a stage by 6 px, with
texture and film. Errors are root mean squares in pixels over the frames after the nucleation in
which the quantity was measured; in brackets the standard deviation of error / u. Events and rates:
found / true.

"""


@dataclass(frozen=True, eq=False)
class Run:
    """One measured movie beside its truth."""

    points: pd.DataFrame
    summary: dict[str, Any]
    truth: pd.DataFrame
    known: dict[str, Any]
    scale_nm_per_px: float

    def error_px(self, name: str) -> FloatArray:
        """Return a column's error in pixels."""
        return self._column(name) / self.scale_nm_per_px

    def pull(self, name: str) -> FloatArray:
        """Return a column's error over its uncertainty."""
        return self._column(name) / self.points[f"u_{name}"].to_numpy(dtype=float)

    def _column(self, name: str) -> FloatArray:
        return np.asarray((self.points[name] - self.truth[name]).to_numpy(dtype=float))


def measured(name: str, seed: int, frames: int, edit: str = "", **settings: Any) -> Run:
    """Simulate, run, and read both."""
    with tempfile.TemporaryDirectory() as folder:
        made = simulate(name, seed=seed, frames=frames, output=folder, **(ACCIDENTS | settings))
        assert made.experiment is not None
        text = made.experiment.read_text(encoding="utf-8")
        known = json.loads(made.truth_json.read_text(encoding="utf-8"))["constants"]
        if edit:
            made.experiment.write_text(_lined_up(text, edit, known), encoding="utf-8")
        experiment = tem_track.load_experiment(made.experiment)
        result = tem_track.analyse(tem_track.open_movie(experiment.movie_path), experiment)
        truth = pd.read_csv(made.truth_csv)
    return Run(result.points, result.summary, truth, known, experiment.calibration.scale_nm_per_px)


def _lined_up(text: str, way: str, known: dict[str, Any]) -> str:
    """Line the log up in another way than by its offset."""
    offset = f"offset_s = {known['log']['offset_s']}"
    assert offset in text
    if way == "clock":
        text = text.replace('time_column = "t"', 'time_column = "clock"')
        return text.replace(offset, f"movie_start = {known['movie_start_clock']}")
    marker = known["marker_frame"]
    return text.replace(offset, f'marker_column = "mark"\nmarker_frame = {marker}')


# --------------------------------------------------------------------------- what is compared


def rms(values: FloatArray) -> float:
    """Root mean square of what is there."""
    seen = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(seen**2))) if seen.size else float("nan")


def rod(run: Run) -> dict[str, str]:
    """One ball that becomes a rod."""
    s, scale = run.summary, run.scale_nm_per_px
    row = {}
    for name, title in (
        ("length_nm", "length"),
        ("diameter_max_nm", "largest d"),
        ("diameter_mean_nm", "mean d"),
        ("diameter_mid_nm", "mid d"),
    ):
        row[title] = f"{rms(run.error_px(name)):.2f} ({np.nanstd(run.pull(name)):.1f})"
    thick = (run.truth["shell_nm"] >= LEAST_SHELL_PX * scale).to_numpy()
    row["layer ≥ 4 px"] = f"{rms(run.error_px('shell_nm')[thick]):.2f}"
    row["nucleation"] = f"{s['nucleation_frame']} / {run.known['nucleation_frame']}"
    found, true = s["mean_growth_rate_nm_per_s"], run.known["mean_length_rate_nm_per_s"]
    row["mean rate"] = "–" if found is None else f"{100 * (found / true - 1):+.2f} %"
    line = _true_line(run)
    row["line's rate"] = f"{100 * (s['growth_rate_nm_per_s'] / line - 1):+.2f} %"
    last = float(run.truth["aspect_ratio"].iloc[-1])
    row["aspect ratio"] = f"{s['aspect_ratio']:.3f} ± {s['u_aspect_ratio']:.3f} / {last:.3f}"
    row["layer's law"] = f"{s['shell_law']} / {run.known['shell_law']}"
    row["grows at"] = f"{s['grows_at']} / {run.known['grows_at']}"
    return row


def _true_line(run: Run) -> float:
    growing = (run.points["phase"] == "growth") & run.points["length_nm"].notna()
    t, length = run.truth["time_s"][growing], run.truth["length_nm"][growing]
    return float(np.polyfit(t, length, 1)[0])


def two(run: Run) -> dict[str, str]:
    """Two bodies that touch and merge."""
    s = run.summary
    merge = s["merges"][0] if s["merges"] else {"touch_frame": None, "merge_frame": None}
    born = [body["nucleation_frame"] for body in s["bodies"]]
    true_born = [round(t / _interval(run)) for t in run.known["nucleations_s"]]
    return {
        "bodies": f"{len(s['bodies'])} / 2",
        "nucleations": f"{born} / {true_born}",
        "touch": f"{merge['touch_frame']} / {run.known['touch_frame']}",
        "merge": f"{merge['merge_frame']} / {run.known['merge_frame']}",
        "length": f"{rms(run.error_px('length_nm')):.2f}",
        "largest d": f"{rms(run.error_px('diameter_max_nm')):.2f}",
    }


def _interval(run: Run) -> float:
    return float(run.truth["time_s"][1] - run.truth["time_s"][0])


def tube(run: Run) -> dict[str, str]:
    """A nanotube that swells before the nucleation."""
    s = run.summary
    before = (run.points["phase"] == "before").to_numpy()
    row = {
        "first frame (nm)": f"{s['nanotube_start_nm']:.1f} / "
        f"{run.truth['nanotube_nm'].iloc[0]:.1f}",
        "before nucleation (nm)": f"{s['nanotube_end_nm']:.1f} / "
        f"{run.truth['nanotube_nm'][before].iloc[-1]:.1f}",
        "tube": f"{rms(run.error_px('nanotube_nm')[before]):.2f}",
        "nucleation": f"{s['nucleation_frame']} / {run.known['nucleation_frame']}",
        "length": f"{rms(run.error_px('length_nm')):.2f}",
        "largest d": f"{rms(run.error_px('diameter_max_nm')):.2f}",
    }
    return row


def steps(run: Run) -> dict[str, str]:
    """Steps of potential: each step's rates, without the scale's part of u, and how it grows."""
    true = [s for s in run.known["potential_steps"] if s["length_nm_per_s"] > 0]
    row = {}
    for step in true:
        near = [
            s
            for s in run.summary["rates_by_potential"]
            if abs(s["potential_V"] - step["potential_V"]) < 0.1
        ]
        volt = f"{step['potential_V']:g} V"
        if len(near) != 1:
            row[volt] = f"{len(near)} steps found"
            continue
        found, u = near[0]["length_nm_per_s"], near[0]["u_own_length_nm_per_s"]
        row[volt] = (
            f"{found:.3f} ± {u:.3f} / {step['length_nm_per_s']:.3f} nm/s,"
            f" {near[0]['growth_mode']} / {step['growth_mode']}"
        )
    return row


Case = tuple[str, str, dict[str, Any], Callable[[Run], dict[str, str]]]
CASES: tuple[tuple[str, tuple[Case, ...]], ...] = (
    (
        "A ball of 136 nm becomes a rod of 825 nm x 260 nm in 665 s",
        (
            ("growth", "", {"grows_at": "root"}, rod),
            ("growth", "", {"grows_at": "tip"}, rod),
        ),
    ),
    (
        "The same with layers of other laws and of 24 nm",
        (
            ("growth", "", {"shell_law": "linear"}, rod),
            ("growth", "", {"shell_law": "logarithmic"}, rod),
            ("growth", "", {"shell_nm": 24.0}, rod),
        ),
    ),
    ("Two bodies that appear apart, touch and merge", (("growth_two_bodies", "", {}, two),)),
    (
        "A nanotube swells from 20 to 28 nm, then a ball nucleates",
        (("growth_nanotube", "", {}, tube),),
    ),
    (
        "Steps of potential, the log lined up in three ways",
        (
            ("growth_potential", "", {}, steps),
            ("growth_potential", "clock", {}, steps),
            ("growth_potential", "marker", {"marker_frame": 12}, steps),
        ),
    ),
)


def table(rows: list[dict[str, str]]) -> str:
    """Return rows of equal keys as a Markdown table."""
    head = list(rows[0])
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row.get(name, "") for name in head) + " |" for row in rows]
    return "\n".join(lines)


def main() -> None:
    """Run the cases and print, or write, their tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--only", type=int, help="number of one table, from 0")
    parser.add_argument("--page", type=Path)
    chosen = parser.parse_args()
    parts = []
    for number, (title, cases) in enumerate(CASES):
        if chosen.only not in (None, number):
            continue
        rows = []
        for name, way, settings, compare in cases:
            for seed in chosen.seeds:
                what = ", ".join([*([way] if way else []), *map(str, settings.values())])
                run = measured(name, seed, chosen.frames, way, **settings)
                rows.append({"movie, seed": f"{what} {seed}".strip()} | compare(run))
                print(rows[-1], flush=True)
        parts.append(f"## {title}\n\n{table(rows)}\n")
        print(table(rows), flush=True)
    if chosen.page is not None:
        seeds = " ".join(map(str, chosen.seeds))
        command = f"python -m benchmarks.growth --seeds {seeds} --frames {chosen.frames}"
        chosen.page.write_text(HEAD.format(command=command) + "\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()

"""What `tem-track init` finds, on simulated movies of every scenario, against what was drawn.

python -m benchmarks.propose [--seeds 10] [--frames 24] [--force] [--page docs/accuracy_init.md]

What stands in the page behind the line `<!-- by hand -->` stays there.
"""

from __future__ import annotations

import argparse
import json
import math
import tomllib
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import tem_track
from benchmarks.pages import by_hand
from tem_track.config import experiment_from_dict
from tem_track.frames import Movie, open_movie
from tem_track.propose import Given, Proposal, propose
from tem_track.propose.writing import experiment_text
from tem_track.records import Box
from tem_track.simulate import SCENARIOS, build_scene
from tem_track.simulate.scene import Scene

NAMES = ("bar", "tip", "specimen", "base")
HEAD = """# What `init` finds

Measured with `python -m benchmarks.propose --force --page docs/accuracy_init.md`: {seeds} movies of
every scenario of the program's own simulator, {frames} frames of 768 x 640 px, with camera jitter
(0.6 px rms), camera drift (up to 8 px), stage drift (up to 12 px), the loading axis up to 30
degrees from upright, burnt-in scale bar and time stamp; in every fourth movie the tip comes from
another side.

A box counts as found where it overlaps the one that the simulator's hand draws by an intersection
over union of 0.5 or more and is written into the file as found, not as a guess. The bar counts
where the two edges of its box that lie inside the picture are within 10 px of the bar's own. Where
the base or the tip passes over much of the bar's edge, `init` leaves that part out of the box, and
says so: what is passed would be lost or take the bar along. Such a box misses an edge of the whole
bar, and the column "bar" counts it as missed; "bar or free part" counts it as found where it lies
within the bar and ends at one of the two edges, both to 10 px ({cut}).

The force is the largest of `run` on the file as `init` wrote it, against that of the simulator's
boxes, in all scenarios with load ({forced}). Where the base passes over the bar and
the drawn box loses it in a tenth of the frames or more ({drawn} movies), it is compared with the
force of the tip's way from the bar as drawn. A movie that `init` or `run` fails on is a miss in its
columns.

"""


@dataclass
class Score:
    """How one movie was understood."""

    found: dict[str, bool] = field(default_factory=dict)
    overlap: dict[str, float] = field(default_factory=dict)
    shape: bool = False
    axis_off_deg: float = math.nan
    bar_off_px: float = math.nan
    force: float = math.nan
    is_free_part: bool = False
    words: str = ""


def settings_of(seed: int) -> dict[str, Any]:
    """Return drift, tilt and side that a seed chooses."""
    rng = np.random.default_rng([seed, 8])
    side = ("up", "left", "down", "right")[seed // 4 % 4] if seed % 4 == 3 else "up"
    return {
        "axis_deg": float(rng.uniform(-30, 30)),
        "camera_jitter_px": 0.6,
        "camera_drift_px": float(rng.uniform(0, 8)),
        "stage_drift_px": float(rng.uniform(0, 12)),
        "orientation": side,
    }


def overlap(one: Box | None, other: Box) -> float:
    """Return intersection over union."""
    if one is None:
        return 0.0
    wide = min(one.x_px + one.width_px, other.x_px + other.width_px) - max(one.x_px, other.x_px)
    high = min(one.y_px + one.height_px, other.y_px + other.height_px) - max(one.y_px, other.y_px)
    common = max(wide, 0.0) * max(high, 0.0)
    return common / (one.width_px * one.height_px + other.width_px * other.height_px - common)


def bar_off_px(found: Box | None, scene: Scene) -> float:
    """Return how far the inner edges of the bar's box are from the bar's own in the first frame."""
    if found is None:
        return math.inf
    layout, (dx, dy) = scene.layout, scene.shots.camera_px[0]
    rows, columns = layout.shape_px
    x = (columns - 1 - layout.bar_px[0] if layout.bar_right else layout.bar_px[0]) + dx
    y = (layout.bar_px[1] if layout.bar_top else rows - 1 - layout.bar_px[1]) + dy
    own_x = found.x_px if layout.bar_right else found.x_px + found.width_px - 1
    own_y = found.y_px + found.height_px - 1 if layout.bar_top else found.y_px
    return float(max(abs(own_x - x), abs(own_y - y)))


def _is_part(found: Box | None, scene: Scene) -> bool:
    """Whether a box lies within the bar, but for 10 px, and ends at one of its inner edges."""
    if found is None:
        return False
    layout, (dx, dy) = scene.layout, scene.shots.camera_px[0]
    rows, columns = layout.shape_px
    wide, high = layout.bar_px
    x0 = (columns - wide if layout.bar_right else 0) + dx
    y0 = (0 if layout.bar_top else rows - high) + dy
    own = (found.x_px, found.y_px, found.x_px + found.width_px, found.y_px + found.height_px)
    bar = (x0, y0, x0 + wide, y0 + high)
    within = all(s * (o - b) >= -10 for s, o, b in zip((1, 1, -1, -1), own, bar, strict=True))
    inner = own[0] - bar[0] if layout.bar_right else own[2] - bar[2]
    lower = own[3] - bar[3] if layout.bar_top else own[1] - bar[1]
    return within and min(abs(inner), abs(lower)) <= 10


def judged(scene: Scene, proposal: Proposal) -> Score:
    """Compare a proposal with the scene."""
    score, truth = Score(), scene.constants
    for name in NAMES:
        part = proposal.part(name)
        score.overlap[name] = overlap(part.box, scene.boxes[name])
        score.found[name] = part.found and score.overlap[name] >= 0.5
    off = bar_off_px(proposal.part("bar").box, scene)
    score.found["bar"] = proposal.part("bar").found and off <= 10
    bar = proposal.part("bar")
    if not score.found["bar"] and bar.found and "neither tip nor base" in bar.note:
        score.is_free_part = _is_part(bar.box, scene)
    score.shape = proposal.shape.shape == truth["shape"]
    if proposal.axis.axis is not None:
        turn = proposal.axis.axis.angle_deg - truth["axis_deg"]
        score.axis_off_deg = (turn + 180) % 360 - 180
    if proposal.scale_bar is not None:
        score.bar_off_px = proposal.scale_bar.length_px - 200 / truth["scale_nm_per_px"]
    score.words = _words(proposal, score, off)
    return score


def _words(proposal: Proposal, score: Score, off: float) -> str:
    parts = [
        f"{name[0]} {score.overlap[name]:.2f}"
        + ("" if score.found[name] else f"!({proposal.part(name).confidence:.2f})")
        for name in NAMES
    ]
    shape = proposal.shape.shape or "none"
    parts.append(f"bar {off:.0f} px")
    parts.append(shape if score.shape else f"{shape}!")
    parts.append(f"axis {score.axis_off_deg:+.1f}" + ("" if abs(score.axis_off_deg) <= 2 else "!"))
    parts.append(f"scale bar {score.bar_off_px:+.2f}")
    return "  ".join(parts)


def force_off(scene: Scene, movie: Movie, proposal: Proposal) -> tuple[float, str]:
    """Return the largest force with the proposed boxes over that with the drawn ones, minus 1.

    Where the drawn boxes lose the bar, it is compared with the way of the tip against the bar as
    it was drawn, stage drift and all; the second value says so. The first is infinite where `run`
    on the proposal fails.
    """
    truth = scene.constants
    given = Given(
        scale_nm_per_px=truth["scale_nm_per_px"], stiffness_N_per_m=truth["stiffness_N_per_m"]
    )
    data = tomllib.loads(experiment_text(proposal, "movie.avi", given))
    hand = {"movie": "movie.avi", "mode": truth["mode"], "axis_deg": truth["axis_deg"]}
    hand |= {key: data[key] for key in ("calibration", "cantilever")}
    hand |= {name: {"box_px": list(box.as_tuple())} for name, box in scene.boxes.items()}
    hand["specimen"]["shape"] = truth["shape"]
    right, against = _largest(movie, hand), "hand"
    if math.isnan(right):
        right, against = _largest_drawn(scene, len(movie)), "what was drawn"
    try:
        result = tem_track.analyse(movie, experiment_from_dict(data))
    except tem_track.TemTrackError as error:
        return math.inf, f"against {against}; run: {error}"
    found = result.summary["max_force_nN"]
    return (math.inf if found is None else float(found) / right - 1), f"against {against}"


def _largest(movie: Movie, data: dict[str, Any]) -> float:
    """Return the largest force; NaN where the bar is lost for a tenth of the movie or more."""
    try:
        result = tem_track.analyse(movie, experiment_from_dict(data))
    except tem_track.TemTrackError:
        return math.nan
    lost = result.points["flags"].fillna("").str.contains("BAR_LOST").mean()
    found = result.summary["max_force_nN"]
    return math.nan if found is None or lost >= 0.1 else float(found)


def _largest_drawn(scene: Scene, frames: int) -> float:
    """Return the force by the tip's drawn way from the bar, zero before contact."""
    truth = [scene.truth(i) for i in range(frames)]
    way = np.array([row["tip_minus_bar_px"] for row in truth])
    touched = next(i for i, row in enumerate(truth) if row["force_nN"] > 0)
    zero = way[:touched].mean() if touched >= 3 else way[0]
    nm_per_px = float(scene.constants["scale_nm_per_px"])
    return float((way - zero).max()) * nm_per_px * float(scene.constants["stiffness_N_per_m"])


def one(scenario: str, seed: int, frames: int, with_force: bool, **more: Any) -> Score:
    """Simulate a movie, propose, and compare; whatever fails is a miss."""
    scene = build_scene(scenario, seed=seed, frames=frames, **(settings_of(seed) | more))
    movie = open_movie(np.stack([scene.frame(i) for i in range(frames)]), frame_interval_s=0.1)
    truth = scene.constants
    loaded = with_force and SCENARIOS[scenario].loaded and truth["mode"] != "growth"
    try:
        proposal = propose(movie, mode=truth["mode"], polarity=truth["polarity"])
        score = judged(scene, proposal)
        if loaded:
            score.force, words = force_off(scene, movie, proposal)
            score.words += f"  force {100 * score.force:+.2f} % {words}"
    except Exception as error:
        score = Score(found=dict.fromkeys(NAMES, False), force=math.inf if loaded else math.nan)
        score.words = f"failed: {type(error).__name__}: {error}"
    return score


def head(scores: dict[str, list[Score]], seeds: int, frames: int) -> str:
    """Return the page's words, with what only the scores tell."""
    every = [score for own in scores.values() for score in own]
    parts = sum(score.is_free_part for score in every)
    forces = [score for score in every if not math.isnan(score.force)]
    largest = max((abs(s.force) for s in forces if math.isfinite(s.force)), default=0.0)
    return HEAD.format(
        seeds=seeds,
        frames=frames,
        cut=f"{parts} movies",
        forced=f"{len(forces)} movies, largest difference {100 * largest:.2f} %",
        drawn=sum("what was drawn" in score.words for score in forces),
    )


def table(scores: dict[str, list[Score]]) -> str:
    """Return the table: how many of the movies were understood."""
    head = [
        "scenario",
        "bar",
        "bar or free part",
        *NAMES[1:],
        "shape",
        "axis to 2°",
        "scale bar to 1 px",
        "force to 1 %",
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    every = [score for own in scores.values() for score in own]
    for name, own in [*scores.items(), ("**all**", every)]:
        cells = [_share([s.found[part] for s in own]) for part in NAMES]
        cells.insert(1, _share([s.found["bar"] or s.is_free_part for s in own]))
        cells.append(_share([s.shape for s in own]))
        cells.append(_share([abs(s.axis_off_deg) <= 2 for s in own]))
        cells.append(_share([abs(s.bar_off_px) <= 1 for s in own]))
        cells.append(_share([abs(s.force) <= 0.01 for s in own if not math.isnan(s.force)]))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _share(each: list[bool]) -> str:
    return f"{sum(each)} / {len(each)}" if each else "–"


def _known(path: Path | None) -> dict[tuple[str, int], Score]:
    """Return the scores that an interrupted benchmark has left."""
    if path is None or not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {(scenario, seed): Score(**score) for scenario, seed, score in rows}


def main() -> None:
    """Run the benchmark and print, or write, its table; the page is written after every seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--scenarios", nargs="+", default=list(SCENARIOS))
    parser.add_argument("--force", action="store_true", help="run both files too")
    parser.add_argument("--force-seeds", type=int, help="... of the first so many seeds alone")
    parser.add_argument("--page", type=Path)
    parser.add_argument("--scores", type=Path, help="file of scores that are there already")
    chosen = parser.parse_args()
    scores: dict[str, list[Score]] = defaultdict(list)
    known = _known(chosen.scores)
    for k, seed in enumerate(range(chosen.first, chosen.first + chosen.seeds)):
        force = chosen.force and (chosen.force_seeds is None or k < chosen.force_seeds)
        for scenario in chosen.scenarios:
            score = known.get((scenario, seed)) or one(scenario, seed, chosen.frames, force)
            scores[scenario].append(score)
            if chosen.scores is not None and (scenario, seed) not in known:
                with chosen.scores.open("a", encoding="utf-8") as file:
                    file.write(
                        json.dumps([scenario, seed, asdict(score)], default=lambda v: v.item())
                        + "\n"
                    )
            print(f"{scenario} {seed}: {score.words}", flush=True)
        if chosen.page is not None:
            page = head(scores, k + 1, chosen.frames) + table(scores)
            chosen.page.write_text(page + by_hand(chosen.page), encoding="utf-8")
    print(table(scores))


if __name__ == "__main__":
    main()

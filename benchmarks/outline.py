"""How well the specimen is outlined on simulated movies, and how fast.

``python benchmarks/outline.py [--seeds 1 2 3] [--more-seeds 4 5 6 7 8 9 10 11 12] [--every 6]
[--write docs/accuracy_outline.md]``
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from scipy.special import ndtr

from benchmarks.scenarios import LOADED
from tem_track.records import Axis, Frame, Match, Outline
from tem_track.simulate import build_scene
from tem_track.specimen import SpecimenModel, prepare_specimen
from tem_track.specimen.faces import find_step, half_level
from tem_track.specimen.filters import build_bank
from tem_track.specimen.model import BAND_PX, average_bands, end_profile
from tem_track.specimen.noise import Noise
from tem_track.specimen.profile import U_LOW_PX, U_STEP_PX, Profile, tabulate

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
OutlineInput = tuple[np.ndarray, Match, Match | None, Match | None]
U_MATCH_PX = 0.03
BLUR_PX = 1.2
REMARKS = """The end diameters are extrapolated from the outer tenth of the length. "err/u length"
is the scatter of the length's error, less each movie's median, over `u_length`: a row's u holds
what changes from frame to frame, and a change of length has the same. What all frames share, the
place of the base's face, is stated once (`u_common_length_px`, `u_initial_length_nm`): "length,
shared" is the whole error over a u that holds both. It is the same in all of a movie's frames, so
that three movies give three numbers, whose scatter over a true u lies between 0.2 and 1.9 in
nineteen of twenty cases.

What bounds them:

- The mid diameter: the textured film behind it (3 % of the brightness) doubles the bound that shot
  noise sets for 40 rows. It stands still with the bar. Where a ball or a crystal uncovers it in
  other frames it is learnt and divided out, so that they lie below the bound with the film. A
  straight rod always hides the film at its own edges; rods and pillars lie within a third to a half
  of their bound.
- With the film a rod's mid diameter is bound to 0.31 to 0.35 px over 40 rows of one frame, and the
  form of its profile, the same in all frames, to 0.24. Rods and pillars pass over 200 px of film,
  so that the unevenness of their width, the mean over all frames, is known better than one frame
  tells it, and the curve through a frame may be stiffer for it: squeezed rods lie at 0.31 px where
  they were at 0.40. What is left is a frame's own 0.22 to 0.28, near the bound by shot noise over
  all rows, and 0.11 to 0.24 px that are the same in all frames: profile and grain. Grain that is
  fixed in a rod cannot be told from its form: the mean over all frames departs from the true width
  by 0.2 to 0.3 px, over some 15 px along the rod alike, and by 0.15 to 0.18 over 40 px. One of the
  three first pulled rods lies 0.6 px thin at its middle by that, its layer (2.5 px) being right to
  0.1; its u is 0.35. Filters made for the mean over frames, in which grain counts for more, leave
  0.24 px of 0.28. Were the film known all around the specimen up to its edges, the bound would be
  6 % less only: behind the edge is where it counts.
- Error over u of a diameter: grain and the learnt profile are the same in all frames of a movie
  (0.11 to 0.24 px of the mid diameter), so that a movie counts about once, and the figure of three
  movies lies anywhere between 0.6 and 1.4. Over twelve it is 0.9 to 1.1 for all four. Grain widens
  the u of what the frames share by what the texture in the specimen says of it. How far the
  classes of radius depart from the profile together is measured; they do not count as one. On
  movies drawn by another program a pillar's mid diameter was off by 0.5 u, largest and smallest by
  1.0.
- Error over u of a rod's length, with what all frames share, is 0.4 to 0.6 here: the base's face is
  known to 0.2 to 0.3 px by what one movie shows, and drawn more plainly here than elsewhere.
  Movies drawn by another program were off by 0.6 of that u in rms, a rod of 8 px radius on a lumpy
  base by 2.8.
  A narrow body with a rounded end is read 0.35 px short: its end is the mean over its columns.
- The bow of a midline that is a parabola is bound to 0.19 to 0.24 px by film and shot noise (the
  edges of all bands, 0.5 px each on the midline). A curve through one frame's bands, led on to the
  faces by straight lines, gave a bow of 25 px 0.2 px too much. In which form a specimen bends is
  now learnt from all frames, and what is left of a frame is nearly straight: 0.34 px of bent rods
  became 0.27 over twelve movies, 0.24 of it a frame's own and 0.13 grain that bends with the rod.
- The largest diameter of a pulled or tapered rod lies at one of its faces, to which its last rows
  are led on: with 0.75 px an edge and band, 0.4 px from a straight line through 30 bands, 0.6 from
  a parabola. What a load does to a pulled rod's width is level but for the neck, so that its form
  holds all that its frames share, the faces too, and a frame's own curve is not free to lean at its
  ends: 0.65 px over twelve movies became 0.52, a frame's own part 0.47 px became 0.32. Left are
  0.41 px that are the same in all frames: grain at that face (0.25 to 0.3 px in the mean over the
  frames), the profile (0.13), and that the widest of places nearly alike is picked, which its u
  holds. Taking the expected excess off, or a stiffer or softer form, gave 0.49 to 0.54.
- A ball's mid diameter is read on the bands about its equator, whose squares are as smooth as the
  data ask for. Shot noise would allow 0.1 to 0.2 px if they were known to be one parabola over
  nearly the whole ball (that is the bound printed for balls); what is left over that is the grain,
  the film where it is not known, and the freedom that a form that is no parabola needs.
- A faceted particle: lines with corners, the mean over all that are likely.
- A hollow ball's wall, once squeezed, is thicker off the equator, as drawn here; it is read at the
  equator, with a slope, and so is a thinner layer. One frame tells a layer to 0.3 to 0.7 px; it
  does not change, so that all frames tell it together, and what is left (0.2 to 0.5 px, the same
  in all frames of a movie) is the learnt profile's: layer and core trade off against each other.
  A wall thinner than the blur is told by its darkness alone, and u is then as large as the blur.
- The edge of a hole in the film, a step of a tenth, beside the end of a rod with a pale layer looks
  like more of that layer: on a movie drawn by another program the diameter at the tip was 4 to 9 px
  too large in front of contact (u 1.5), the bow up to 1.3 px off (u 0.3), and ten of 56 frames were
  `BENT`. The light on both sides does not tell it: it departs from the other bands' by 5 to 7 %
  there, and by 4 to 7 % on two movies whose outlines are right.
- Balls and crystals drawn by other programs (eleven movies): mid diameter off by -0.4 to 0.3 px, u
  0.1 to 0.4; polyhedra by -2.7 to 0.6, u 0.9 to 1.9. A polyhedron's edge begins with a wedge that
  hardly absorbs, and 1 to 1.4 px of it drown in the film's texture; a pale layer explains it as
  well. A ball's smallest diameter lies where its sides are steep: 1.6 px too wide of a full one, u
  1.1, and 4.3 of a hollow one whose wall is as thick there as at the equator, u 1.4. Length: a
  ball's base and tip touch it in one place, whose roughness is in the length and shared by all
  frames (0.0 to 1.0 px; 2.4 and 3.5 px, u 1.5 and 1.7, on rough bases that reach 2 px above where
  the truth counts from).
- Length: the base's face, learnt once. Where its darkness begins with a small step and goes on as
  a root of the depth, the columns' differences show it to 0.05 to 0.4 px (ten movies drawn by
  another program, among them bases as dark as the rod: initial length off by -0.2 to 0.4 px, 0.6 of
  its u in rms; the mean's step 0.3 to 3.4 px). In contact the tip's roughness over the specimen's
  width counts: 0.15 to 0.35 px there, none here. The specimen's columns hold a line of light half a
  sub-pixel wide between base and specimen, as they are drawn here, which moves the face 0.1 px;
  let free, it could not be told from the step's own place. `u_common_length_px` is 0.1 to 0.3 px
  for that. Under balls and crystals the 3 px about the step count: blotches of the base are not
  much wider, and moved it by up to 0.3 px.
- A ball across an open gap: shot noise alone leaves 0.15 to 0.3 px to its pole in one frame, over
  the 20 columns in which a pole is flat (the bound printed for balls). Before contact, and again
  after it, nothing presses on it, so that the frames of that time tell one length together; grain
  and look at the pole are the same in all of them, 0.1 to 0.5 px, and no mean takes that away. It
  is all of the hollow ball's change of length here: in contact frames scatter by 0.04 px. These
  tables have three or four open frames and one frame in six. In a whole movie contact bounds the
  length before it (not longer than tip and base were apart in the last open frame, not shorter than
  in the first frames under load): 0.06 to 0.10 px of change in six movies of all frames, 0.14
  without it in the worst.
- The ends of balls: their diameters at the faces are not to be used.
- A neck from 34 to 6 px wide: 0.1 to 0.7 px rms (0.1 too wide in the mean of 50; without noise 0.05
  where it is 30 px wide to 0.16 where it is 6, with the blur as drawn as well) on the tests'
  scenes, which are drawn apart, contours or not, and 0.2 to 0.6 along 28 px about its bottom;
  kinked ones 0.2 to 1.4. A bottom as sharp as a knife is read 0.7 to 1.8 px too wide, behind the
  blur. On its flanks a soft fit follows the grain: 1.2 px too wide 10 px beside the bottom of one
  movie drawn by another program, in single frames 2.8; u holds half of what fit and curve differ
  by.
- A break is a band without a body, or a slit that light crosses from one side to the other along
  any path. Two pieces of a real gold ligament that lie 5 px apart across a width of 50 are seen as
  two along their own axis (48 degrees) and along axes that are given 13 degrees less to 4 more, and
  no frame before; 8 to 14 degrees more, the box holds too little of the lower piece: the rupture is
  missed there or whole frames called broken, and an axis 48 degrees off (upright) measures nothing.
  Where enough of a body is seen and bars every path, a frame is not called broken, whatever its
  bands show.
- A fillet that widens to twice the pillar within a tenth of its length is steeper than the smooth
  curve. Where its outermost six bands are clearly curved a parabola leads to the face: of a drawn
  pillar 46.5 px of 46.7 (42.3 before, and its u 0.4), u 2.2. Where they may be, what the parabola
  adds is in u: 5 px short, u 2.3 to 3.4.
- A picture that is smeared as a whole is told by its places: where neither tip nor base is found
  to 0.3 px, diameters and bow are as unsure. A rod slanted by 15 degrees was outlined 20 px off in
  single frames; what is far thinner than the specimen is `SPECIMEN_LOST`.

The time is CPU time on a machine shared with other jobs; an idle one is faster. A neck below 48 px
is fitted in the picture, which costs more the sharper it is; a broken specimen's strip is long.
"""


@dataclass(frozen=True)
class Run:
    """One movie: errors and uncertainties by quantity, one column a frame."""

    error: dict[str, np.ndarray]
    u: dict[str, np.ndarray]
    other: dict[str, np.ndarray]
    bound: dict[str, float]
    cpu_ms: float
    broken_right: bool
    model: str


def triples(scene: object, every: int) -> Iterator[tuple[int, Frame, Match, Match, Match]]:
    """Frames through a camera's JPEG, with the true places blurred by a tracker's noise."""
    rng = np.random.default_rng(7)
    v = U_MATCH_PX**2
    for i in range(0, len(scene), every):  # type: ignore[arg-type]
        grey, truth = scene.frame(i), scene.truth(i)  # type: ignore[attr-defined]
        coded = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
        noise = rng.normal(size=6) * U_MATCH_PX
        tip = Match(truth["tip_x_px"] + noise[0], truth["tip_y_px"] + noise[1], v, 0.0, v, 1.0)
        base = Match(truth["base_x_px"] + noise[2], truth["base_y_px"] + noise[3], v, 0.0, v, 1.0)
        bar = Match(truth["bar_x_px"] + noise[4], truth["bar_y_px"] + noise[5], v, 0.0, v, 1.0)
        frame = Frame(i, float(truth["time_s"]), cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE))
        yield i, frame, tip, base, bar


def prepared(
    scene: object, frames: list[tuple[int, Frame, Match, Match, Match]]
) -> tuple[SpecimenModel, list[OutlineInput]]:
    """Prepare the specimen on some frames, and return what its outlines are made of."""
    sample = [(f, t, b, r) for _, f, t, b, r in frames]
    known = scene.constants  # type: ignore[attr-defined]
    model = prepare_specimen(
        sample[0],
        iter(sample),
        scene.boxes["specimen"],  # type: ignore[attr-defined]
        shape=known["shape"],
        mode=known["mode"],
        axis=Axis(known["axis_deg"]),
    )
    return model, [_args(item) for item in sample]


def plain_width(model: SpecimenModel, frame: Frame, tip: Match, base: Match) -> float:
    """Width at half length by the half level, for comparison."""
    place = model.place(frame.image, tip, base)
    if place is None:
        return float("nan")
    strip = model.strip(frame.image, place)
    middle = (place.base_face_px + place.tip_face_px) / 2
    bands, _ = average_bands(strip, middle - 20, middle + 20)
    t = strip.grid.t_px
    profile = bands.mean(axis=0)
    inside = np.abs(t - sum(model.box_t_px) / 2 - place.shift_t_px) < 6
    level = (np.median(profile[inside]) + np.percentile(profile, 90)) / 2
    dark = np.flatnonzero(profile < level)
    if len(dark) < 2 or dark[0] == 0 or dark[-1] == len(t) - 1:
        return float("nan")
    ends = [
        np.interp(level, profile[[i, k]], t[[i, k]])
        for i, k in ((dark[0], dark[0] - 1), (dark[-1], dark[-1] + 1))
    ]
    return float(ends[1] - ends[0])


def plain_lengths(
    model: SpecimenModel, frame: Frame, tip: Match, base: Match, gap_px: float
) -> tuple[float, float]:
    """Length by half level and by a blurred step (erf), each face sought near where it is."""
    place = model.place(frame.image, tip, base)
    if place is None or not np.isfinite(gap_px):
        return float("nan"), float("nan")
    strip = model.strip(frame.image, place)
    profile = end_profile(strip, sum(model.box_t_px) / 2 + place.shift_t_px, 6.0)
    s = strip.grid.s_px
    near = (place.base_face_px, place.tip_face_px - gap_px)
    steps = [find_step(profile, s, at, 4.0, BLUR_PX) for at in near]
    levels = [half_level(profile, s, step, BLUR_PX) for step in steps]
    return levels[1] - levels[0], steps[1].s_px - steps[0].s_px


def noise_bounds(model: SpecimenModel, width_px: float) -> dict[str, float]:
    """Cramer-Rao bounds over 40 rows (mid diameter) and 12 columns (a free flat end).

    With shot noise alone, and with the background's texture, which is not averaged as fast. Of a
    ball: all its bands as one parabola, and its pole over the columns in which it is flat.
    """
    table, measured = model.table, model.table.noise
    rows = 40 / BAND_PX
    film_px = 2 * np.sqrt(np.pi) * measured.film_px  # over which the texture is one
    film = measured.film * np.sqrt(max(film_px, BAND_PX) / 40)
    shot = Noise(measured.shot / rows, 1e-6, 2.0, 1e-6, 2.0)
    both = Noise(measured.shot / rows, film, measured.film_px, 1e-6, 2.0)
    row = int(table.rung(np.array([width_px / 2]))[0])
    depth = U_LOW_PX + U_STEP_PX * np.arange(table.value.shape[1])
    one = slice(row, row + 1)
    radius = np.exp(table.log_radius[one])
    parts = radius, depth, table.value[one], table.slope[one], None
    u = {k: float(build_bank(*parts, n).u_px.mean()) for k, n in (("shot", shot), ("both", both))}
    x = np.arange(-14.0, 15.0)
    dark = float(table.value[row].max())
    z = x / table.profile.blur_px
    slope = dark * np.exp(-0.5 * z * z) / (np.sqrt(2 * np.pi) * table.profile.blur_px)
    lit = 1 - dark * ndtr(z)
    face = ((slope**2 / lit).sum() * 12 / (measured.shot * BAND_PX)) ** -0.5
    bounds = {
        "mid shot": np.sqrt(2) * u["shot"],
        "mid both": np.sqrt(2) * u["both"],
        "face": float(face),
    }
    if model.end.is_round:
        bounds |= {"mid shot": ball_bound(model, width_px), "face": pole_bound(model, width_px)}
    return bounds


def ball_bound(model: SpecimenModel, width_px: float) -> float:
    """Cramer-Rao bound, shot noise alone, of a ball's width if its square is a parabola."""
    table = model.table
    s = np.arange(-0.45 * width_px, 0.45 * width_px, BAND_PX)
    width = np.sqrt(width_px**2 - 4 * s**2)
    depth = U_LOW_PX + U_STEP_PX * np.arange(table.value.shape[1])
    rungs = table.rung(width / 2)
    rows = np.unique(rungs)
    parts = np.exp(table.log_radius[rows]), depth, table.value[rows], table.slope[rows], None
    bank = build_bank(*parts, Noise(table.noise.shot, 1e-6, 2.0, 1e-6, 2.0))
    u = np.sqrt(2) * bank.u_px.mean(axis=1)[np.searchsorted(rows, rungs)]
    design = np.stack([np.ones_like(s), s, s**2], axis=1) / (2 * width * u)[:, None]
    return float(np.sqrt(np.linalg.inv(design.T @ design)[0, 0]) / (2 * width_px))


def pole_bound(model: SpecimenModel, width_px: float) -> float:
    """Cramer-Rao bound, shot noise alone, of a ball's pole in one frame, its darkness unknown."""
    table = model.table
    row = int(table.rung(np.array([width_px / 2]))[0])
    depth = U_LOW_PX + U_STEP_PX * np.arange(table.value.shape[1])
    at = np.arange(-14.0, 15.0)
    dark, slope = (np.interp(at, depth, part[row]) for part in (table.value, table.slope))
    sigma = np.sqrt((1 - dark) * table.noise.shot * BAND_PX / (2 * model.end.half_px))
    design = np.stack([slope, dark, np.ones_like(at)], axis=1) / sigma[:, None]
    return float(np.sqrt(np.linalg.inv(design.T @ design)[0, 0]))


def measure(name: str, seed: int, every: int, *, others: bool = True) -> Run:
    """Outline one movie and compare it with its truth, and `others` methods with it too."""
    scene = build_scene(name, seed=seed, bragg_contours=0.25)
    frames = list(triples(scene, every))
    sample = [(f, t, b, r) for _, f, t, b, r in frames]
    known = scene.constants
    model, _ = prepared(scene, frames)
    model.outline(*_args(sample[len(sample) // 2]))
    start = time.process_time()
    outlines = [model.outline(*_args(item)) for item in sample]
    cpu_ms = 1e3 * (time.process_time() - start) / len(outlines)
    truth = [scene.truth(i) for i, *_ in frames]
    scale = float(known["scale_nm_per_px"])
    true = {q: np.array([t.get(f"{q}_nm", np.nan) for t in truth]) / scale for q in QUANTITIES}
    error = {q: _column(outlines, f"{q}_px") - true[q] for q in QUANTITIES}
    u = {q: _column(outlines, f"u_{q}_px") for q in QUANTITIES}
    common = [o.extra.get("u_common_length_px", np.nan) for o in outlines]
    u["length in all"] = np.hypot(u["length"], np.array(common, dtype=float))
    width = float(np.nanmedian(true["diameter_mid"]))
    other = other_methods(model, sample, outlines, true) if others else {}
    bound = noise_bounds(model, width) if others else {}
    right = all(o.broken == bool(t["broken"]) for o, t in zip(outlines, truth, strict=True))
    names = [o.model for o in outlines if o.model]
    return Run(error, u, other, bound, cpu_ms, right, max(set(names), key=names.count))


def other_methods(
    model: SpecimenModel,
    sample: list[tuple[Frame, Match, Match, Match]],
    outlines: list[Outline],
    true: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Return the errors of half level and of a blurred step on the same frames."""
    radius = 0.5 * outlines[len(outlines) // 2].diameter_max_px
    radius = radius if np.isfinite(radius) else 0.5 * float(np.nanmedian(true["diameter_max"]))
    opaque = Profile("opaque", 0.6, model.table.profile.blur_px)
    erf = replace(model, table=tabulate(opaque, 2.0, 2 * max(radius, 4.0)))
    mid, length = true["diameter_mid"], true["length"]
    lengths = np.array(
        [
            plain_lengths(model, *item[:3], o.gap_px)
            for item, o in zip(sample, outlines, strict=True)
        ]
    )
    return {
        "mid half": np.array([plain_width(model, *item[:3]) for item in sample]) - mid,
        "mid erf": _column([erf.outline(*_args(item)) for item in sample], "diameter_mid_px") - mid,
        "length half": lengths[:, 0] - length,
        "length erf": lengths[:, 1] - length,
    }


def _args(item: tuple[Frame, Match, Match, Match]) -> tuple[np.ndarray, Match, Match, Match]:
    return item[0].image, item[1], item[2], item[3]


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
        lengths = [r.error["length"] for r in runs]
        moved = [(e - np.nanmedian(e)) / r.u["length"] for e, r in zip(lengths, runs, strict=True)]
        wide = [r.error["diameter_mid"] / r.u["diameter_mid"] for r in runs]
        cells += [f"{np.nanstd(np.concatenate(ratio)):.2f}" for ratio in (moved, wide)]
        cells.append("right" if all(r.broken_right for r in runs) else "WRONG")
        cells.append(f"{np.median([r.cpu_ms for r in runs]):.1f}")
        models = "/".join(sorted({r.model for r in runs}))
        lines.append(f"| {name} | {models} | " + " | ".join(cells) + " |")
    heads = (
        "length by half level",
        "step (erf)",
        "this program",
        "noise bound, one free face or pole",
        "d mid by half level",
        "step (erf)",
        "this program",
        "bound, shot noise",
        "bound, with the film",
    )
    lines += ["", f"| scenario | {' | '.join(heads)} |", "|" + "---|" * (len(heads) + 1)]
    for name, runs in results.items():
        cells = []
        for q, full in (("length", "length"), ("mid", "diameter_mid")):
            cells += [
                _cell(np.concatenate([r.other[f"{q} {how}"] for r in runs]))
                for how in ("half", "erf")
            ]
            cells.append(_cell(np.concatenate([r.error[full] for r in runs])))
            bounds = ("face",) if q == "length" else ("mid shot", "mid both")
            cells += [f"{np.mean([r.bound[k] for r in runs]):.2f}" for k in bounds]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


RATIOS = {
    "length": "length in all",
    "diameter_mid": "diameter_mid",
    "diameter_max": "diameter_max",
    "diameter_min": "diameter_min",
    "bow": "bow",
}


def honesty(results: dict[str, list[Run]], few: int) -> str:
    """Lay out how errors compare with what the uncertainties say, over many movies.

    What all frames of a movie share counts once a movie, so that a few movies tell little: the
    last column shows how far the mid diameter's figure scatters by chance.
    """
    names = [q.replace("diameter_", "d ") for q in RATIOS]
    heads = [
        "length",
        "length, shared",
        *names[1:],
        "rms of d mid, px",
        f"err/u d mid, each {few} movies",
    ]
    lines = [
        "| scenario | movies | " + " | ".join(heads) + " |",
        "|" + "---|" * (len(heads) + 2),
    ]
    for name, runs in results.items():
        change = [
            (r.error["length"] - np.nanmedian(r.error["length"])) / r.u["length"] for r in runs
        ]
        cells = [_spread(change)]
        ratio = {q: [r.error[q] / r.u[u] for r in runs] for q, u in RATIOS.items()}
        cells += [_spread(ratio[q]) for q in RATIOS]
        cells.append(_cell(np.concatenate([r.error["diameter_mid"] for r in runs])))
        parts = [ratio["diameter_mid"][k : k + few] for k in range(0, len(runs), few)]
        cells.append(", ".join(_spread(part) for part in parts))
        lines.append(f"| {name} | {len(runs)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _spread(ratios: list[np.ndarray]) -> str:
    value = float(np.nanstd(np.concatenate(ratios)))
    return f"{value:.2f}" if np.isfinite(value) else ""


def _cell(values: np.ndarray) -> str:
    value = rms(values)
    return f"{value:.2f}" if np.isfinite(value) else ""


def main() -> None:
    """Run the scenarios and print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--more-seeds", type=int, nargs="+", default=[])
    parser.add_argument("--every", type=int, default=6)
    parser.add_argument("--scenarios", nargs="+", default=list(LOADED))
    parser.add_argument("--write", type=Path)
    chosen = parser.parse_args()
    from benchmarks.outline_cost import cost_table  # which takes its movies from here

    cv2.setNumThreads(1)
    results: dict[str, list[Run]] = {}
    more: dict[str, list[Run]] = {}
    for name in chosen.scenarios:
        results[name] = [measure(name, seed, chosen.every) for seed in chosen.seeds]
        print(table({name: results[name]}), flush=True)
        others = [measure(name, n, chosen.every, others=False) for n in chosen.more_seeds]
        more[name] = results[name] + others
        print(honesty({name: more[name]}, len(chosen.seeds)), flush=True)
    command = (
        f"python benchmarks/outline.py --seeds {' '.join(map(str, chosen.seeds))} "
        f"--every {chosen.every}"
    )
    if chosen.more_seeds:
        command += f" --more-seeds {' '.join(map(str, chosen.more_seeds))}"
    text = (
        "# Accuracy of outlines\n\n"
        "Errors of the outline against the simulator's truth, rms in px over "
        f"{len(chosen.seeds)} seeds, every {chosen.every}th frame of 120; 150 e/px, JPEG, texture, "
        "film, Bragg contours and shell on; tip, base and bar known to "
        f"{U_MATCH_PX} px.\nWritten by `{command}`.\n\n{table(results)}\n\n"
        f"Standard deviation of error / u over more movies:\n\n"
        f"{honesty(more, len(chosen.seeds))}\n\n{REMARKS}\n{cost_table()}\n"
    )
    if chosen.write:
        chosen.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

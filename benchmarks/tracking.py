"""The trackers beside other programs on the same frames: `python -m benchmarks.tracking [FILE]`.

Without a file the tables are printed; `docs/accuracy_tracking.md` is their printed form.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from skimage.registration import phase_cross_correlation

from benchmarks.pages import by_hand
from tem_track.records import Axis, Box, Frame, Reference, Target
from tem_track.simulate import build_scene
from tem_track.tracking import Tracker, build_trackers, require_axis
from tem_track.tracking.coarse import Reduced, search
from tem_track.tracking.tracker import locate_all
from tests.tracking import scenes

BOX = Box(96, 118, 64, 64)
REACH = 6
N = 120
FAR = 300.0
Shift = tuple[float, float]


def tip_scene(dose: float) -> scenes.Scene:
    return scenes.Scene(dose=dose, grey_per_dose=140 if dose > 50 else 100, film=0.0)


def tip_motions(n: int, seed: int, reach: float = 2.5) -> list[scenes.Motion]:
    shifts = np.random.default_rng(seed).uniform(-reach, reach, (n, 2))
    shifts[0] = 0
    return [scenes.Motion(tip=(float(x), float(y)), rod=FAR) for x, y in shifts]


def shifts_of(path: list[scenes.Motion]) -> np.ndarray:
    return np.array([m.tip for m in path])


def tip_target() -> Target:
    return Target("tip", (Reference(0, BOX),), BOX.centre_px)


def prepare(images: list[np.ndarray], target: Target | None = None) -> Tracker:
    target = target or tip_target()
    return build_trackers({0: images[0]}, scenes.sample(images), [target])[target.name]


def measured(tracker: Tracker, images: list[np.ndarray]) -> np.ndarray:
    found = [tracker.locate(image) for image in images]
    return np.array([(m.x_px, m.y_px) for m in found]) - tracker.point_px


def bound(scene: scenes.Scene, box: Box = BOX) -> np.ndarray:
    """Return the Cramer-Rao bound (x, y) of a shift of the tip, by finite differences."""
    x, y, w, h = (int(v) for v in box.as_tuple())

    def mean(dx: float, dy: float) -> np.ndarray:
        drawn = scene.transmission(scenes.Motion(tip=(dx, dy), rod=FAR))
        return drawn[y : y + h, x : x + w] * scene.dose

    step = 0.25
    slopes = [
        (mean(step, 0) - mean(-step, 0)) / (2 * step),
        (mean(0, step) - mean(0, -step)) / (2 * step),
    ]
    variance = mean(0, 0) + (scene.dose / scene.grey_per_dose) ** 2 / 12
    information = np.array([[np.sum(a * b / variance) for a in slopes] for b in slopes])
    return np.sqrt(np.diag(np.linalg.inv(information)))


# --- the others; each gets the reference frame's box and the frame's, a few pixels larger -------


def _cut(image: np.ndarray, reach: int = 0) -> np.ndarray:
    x, y, w, h = (int(v) for v in BOX.as_tuple())
    return image[y - reach : y + h + reach, x - reach : x + w + reach]


def parabola(reference: np.ndarray, image: np.ndarray) -> Shift:
    """matchTemplate and a three-point parabola on each axis, as Fiji's template matching does."""
    answer = cv2.matchTemplate(_cut(image, REACH), _cut(reference), cv2.TM_CCOEFF_NORMED)
    _, _, _, (u, v) = cv2.minMaxLoc(answer)

    def fine(values: np.ndarray, k: int) -> float:
        if not 0 < k < len(values) - 1:
            return float(k)
        a, b, c = np.log(np.maximum(values[k - 1 : k + 2].astype(float), 1e-3))
        return k + (a - c) / (2 * (a - 2 * b + c)) if a - 2 * b + c else float(k)

    return fine(answer[v], u) - REACH, fine(answer[:, u], v) - REACH


def ecc(reference: np.ndarray, image: np.ndarray) -> Shift:
    warp = np.eye(2, 3, dtype=np.float32)
    warp[:, 2] = REACH
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 200, 1e-6)
    try:
        _, warp = cv2.findTransformECC(
            _cut(reference), _cut(image, REACH), warp, cv2.MOTION_TRANSLATION, stop, None, 5
        )
    except cv2.error:
        return float("nan"), float("nan")
    return float(warp[0, 2]) - REACH, float(warp[1, 2]) - REACH


def phase(reference: np.ndarray, image: np.ndarray) -> Shift:
    shift, _, _ = phase_cross_correlation(_cut(reference), _cut(image), upsample_factor=100)
    return -float(shift[1]), -float(shift[0])


def stackreg(reference: np.ndarray, image: np.ndarray) -> Shift:
    from pystackreg import StackReg

    matrix = StackReg(StackReg.TRANSLATION).register(
        _cut(reference).astype(float), _cut(image).astype(float)
    )
    return float(matrix[0, 2]), float(matrix[1, 2])


def aldic(images: list[np.ndarray]) -> np.ndarray:
    """al-dic on the whole movie against its first frame: the mean over the nodes in the box."""
    from al_dic import dicpara_default, run_aldic
    from al_dic.core.data_structures import GridxyROIRange

    around = 24
    cut = [_cut(image, around).astype(float) for image in images]
    x, y = ((around, around + int(side) - 1) for side in (BOX.width_px, BOX.height_px))
    settings = dicpara_default(
        winsize=32, winstepsize=16, gridxy_roi_range=GridxyROIRange(gridx=x, gridy=y),
        reference_mode="accumulative", show_plots=False,
    )  # fmt: skip
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        result = run_aldic(settings, cut, [np.ones_like(i) for i in cut], compute_strain=False)
    found = [(0.0, 0.0)]
    for one in result.result_disp:
        moved = one.U if one.U_accum is None else one.U_accum
        found.append((float(np.nanmean(moved[::2])), float(np.nanmean(moved[1::2]))))
    return np.array(found)


def one_by_one(
    method: Callable[[np.ndarray, np.ndarray], Shift],
) -> Callable[[list[np.ndarray]], np.ndarray]:
    return lambda images: np.array([method(images[0], image) for image in images])


def others() -> dict[str, Callable[[list[np.ndarray]], np.ndarray]]:
    found = {
        "matchTemplate + parabola": one_by_one(parabola),
        "OpenCV ECC": one_by_one(ecc),
        "scikit-image phase correlation": one_by_one(phase),
    }
    for module, name, method in (
        ("pystackreg", "pystackreg", one_by_one(stackreg)),
        ("al_dic", "al-dic", aldic),
    ):
        if importlib.util.find_spec(module):
            found[name] = method
        else:
            print(f"{name} is not installed: left out", file=sys.stderr)
    return found


# --- tables ------------------------------------------------------------------------------------


def jitter(error: np.ndarray) -> float:
    """Return the 2-D rms of the error without its constant part."""
    kept = error[np.isfinite(error).all(axis=1)]
    return float(np.sqrt(((kept - kept.mean(axis=0)) ** 2).sum(axis=1).mean()))


def noise_table() -> list[str]:
    doses = (20, 100, 1000)
    rows: dict[str, list[str]] = {}
    for dose in doses:
        scene, path = tip_scene(dose), tip_motions(N, dose)
        images = scenes.render(scene, path, seed=dose)
        limit = float(np.hypot(*bound(scene)))
        rows.setdefault("Cramer-Rao bound", []).append(f"{limit:.4f}")
        ours = jitter(measured(prepare(images), images) - shifts_of(path))
        rows.setdefault("tem_track", []).append(f"{ours:.4f} ({ours / limit:.2f})")
        for name, method in others().items():
            value = jitter(method(images) - shifts_of(path))
            rows.setdefault(name, []).append(f"{value:.4f} ({value / limit:.2f})")
    head = [
        "| method | " + " | ".join(f"{d} e/px" for d in doses) + " |",
        "|---" * (len(doses) + 1) + "|",
    ]
    return head + [f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items()]


def single_table() -> list[str]:
    checks = (
        ("bias that moves with the dose, 20 against 1000 e/px, in bounds", dose_bias),
        ("peak locking without noise, px rms", peak_locking),
        ("jitter with +-30 % brightness, in bounds at 100 e/px", flicker),
        ("frames lost of 200 with jumps of +-60 px", jumps),
        ("drift over 10,000 frames, px", drift),
        ("error at the named point with turns up to 3 degrees, 100 e/px, px rms", turning),
    )
    return ["| | |", "|---|---|", *(f"| {name} | {check()} |" for name, check in checks)]


def dose_bias() -> str:
    clear = tip_scene(1000)
    dim = scenes.Scene(dose=20, grey_per_dose=clear.grey_per_dose, film=0.0)
    path = tip_motions(400, 7)
    tracker = prepare(scenes.render(clear, path[:N], seed=3))
    bright = scenes.render(clear, path[:N], seed=4)
    dark = scenes.render(dim, path, seed=5)
    bias = np.mean(measured(_any_noise(tracker), dark) - shifts_of(path), axis=0)
    bias -= np.mean(measured(tracker, bright) - shifts_of(path[:N]), axis=0)
    return f"{np.hypot(*bias) / np.hypot(*bound(dim)):.2f}"


def _any_noise(tracker: Tracker) -> Tracker:
    """Return the tracker with limits that let noisier frames than it has seen pass."""
    from dataclasses import replace

    look = tracker.looks[0]
    limits = replace(look.limits, chi2_most=np.inf, misfit_most=np.inf, at_peak=1.1, detail=-9)
    return replace(tracker, looks=(replace(look, limits=limits),))


def peak_locking() -> str:
    scene = scenes.Scene(dose=1000, grey_per_dose=200, film=0.0)
    path = [scenes.Motion(tip=(k / 40, 0.7 * k / 40), rod=FAR) for k in range(41)]
    images = [scene.transmission(m).astype(np.float32) * 200 for m in path]
    error = measured(prepare(images), images) - shifts_of(path)
    return f"{jitter(error) / np.sqrt(2):.4f}"


def flicker() -> str:
    scene, path = tip_scene(100), tip_motions(N, 11)
    gains = np.random.default_rng(1).uniform(0.7, 1.3, N)
    gains[0] = 1
    images = [
        scene.frame(m, 900 + k, gain=float(g))
        for k, (m, g) in enumerate(zip(path, gains, strict=True))
    ]
    found = measured(prepare(images), images)
    lost = int(np.isnan(found[:, 0]).sum())
    return f"{jitter(found - shifts_of(path)) / np.hypot(*bound(scene)):.2f} ({lost} lost)"


def jumps() -> str:
    scene, path = tip_scene(100), tip_motions(200, 13, reach=60)
    images = scenes.render(scene, path, seed=13)
    error = measured(prepare(images[:N]), images) - shifts_of(path)
    return f"{int(np.isnan(error[:, 0]).sum())} (jitter {jitter(error):.3f} px)"


def drift() -> str:
    scene, path = tip_scene(100), tip_motions(50, 17)
    window = (slice(90, 214), slice(60, 200))
    means = [scene.transmission(m)[window] * scene.dose for m in path]
    rng = np.random.default_rng(17)
    grey = scene.grey_per_dose / scene.dose

    def draw(k: int) -> np.ndarray:
        return np.clip(rng.poisson(means[k % 50]) * grey, 0, 255).astype(np.uint8)

    box = BOX.shifted(-60, -90)
    first = [draw(k) for k in range(100)]
    tracker = prepare(first, Target("tip", (Reference(0, box),), box.centre_px))
    error = measured(tracker, [draw(k) for k in range(10_000)]) - shifts_of(path * 200)
    slope = [np.polyfit(np.arange(10_000), error[:, a], 1)[0] * 10_000 for a in (0, 1)]
    return f"{np.hypot(*slope):.4f} (statistical {np.sqrt(12 / 10_000) * jitter(error):.4f})"


def turning() -> str:
    turns = 3 * np.clip(np.sin(np.linspace(-0.5, np.pi, N)), 0, None)
    path = [scenes.Motion(tip=(0, -4 * t), rod=FAR, turn_deg=float(t)) for t in turns]
    images = scenes.render(tip_scene(100), path, seed=19)
    target = Target("tip", (Reference(0, scenes.TIP_BOX),), scenes.TIP_POINT)
    tracker = prepare(images, target)
    error = measured(tracker, images) - shifts_of(path)
    return f"{np.sqrt(np.nanmean((error**2).sum(axis=1))):.3f}"


SCENES = range(1, 6)
"""Seeds of the standard scene: the errors of one scene's film and texture are few draws."""


def scene_table() -> list[str]:
    rows = [
        "| dose, e/px | stored as | tip minus bar, px rms | std(error / u) | within 2 u "
        "| rms of each scene |",
        "|---|---|---|---|---|---|",
    ]
    for dose in (20, 150, 1000):
        found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
        for seed in SCENES:
            scene = build_scene("rod_compression", seed=seed, frames=100, dose=dose, jitter=0.6)
            raw = [scene.frame(k) for k in range(100)]
            found.setdefault("lossless", []).append(_errors(scene, raw))
            packed = [scenes.jpeg(image, 85) for image in raw]
            found.setdefault("JPEG 85", []).append(_errors(scene, packed))
        for name, pairs in found.items():
            error, ratio = (np.concatenate(part) for part in zip(*pairs, strict=True))
            each = ", ".join(f"{np.std(e):.3f}" for e, _ in pairs)
            rows.append(
                f"| {dose} | {name} | {np.std(error):.4f} | {np.std(ratio):.2f} "
                f"| {np.mean(np.abs(ratio) < 2):.1%} | {each} |"
            )
    return rows


def _errors(scene: object, images: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the errors along the axis without their mean, and the same over u."""
    error, u = _tip_minus_bar(scene, images)
    good = np.isfinite(error)
    error = error - error[good].mean()
    return error[good], (error / u)[good]


def _tip_minus_bar(scene: object, images: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return error and uncertainty along the vertical axis of the standard scene."""
    points = scene.constants["points_px"]  # type: ignore[attr-defined]
    boxes = scene.boxes  # type: ignore[attr-defined]
    targets = [Target(n, (Reference(0, boxes[n]),), tuple(points[n])) for n in ("bar", "tip")]
    trackers = build_trackers({0: images[0]}, scenes.sample(images), targets)
    truth = [scene.truth(k) for k in range(len(images))]  # type: ignore[attr-defined]
    rows = []
    for k, image in enumerate(images):
        bar, tip = trackers["bar"].locate(image), trackers["tip"].locate(image)
        right = truth[k]["tip_y_px"] - truth[k]["bar_y_px"]
        rows.append((tip.y_px - bar.y_px - right, np.sqrt(tip.yy_px2 + bar.yy_px2)))
    error, u = np.array(rows).T
    return error, u


def lost_table() -> list[str]:
    path = scenes.motions(100, 23)
    images = scenes.render(scenes.Scene(dose=150), path, seed=23)
    trackers = build_trackers({0: images[0]}, scenes.sample(images), scenes.targets())
    rng = np.random.default_rng(29)
    hidden = [trackers["tip"].locate(_occluded(images[k % 100], rng)).lost for k in range(500)]
    burnt = [trackers["tip"].locate(_overexposed(images[k % 100], rng)).lost for k in range(500)]
    fresh = scenes.render(scenes.Scene(dose=150), scenes.motions(400, 31), seed=31)
    good = [trackers[n].locate(image).lost for image in fresh for n in ("bar", "tip")]
    return [
        "| | flagged |",
        "|---|---|",
        f"| 500 occluded frames | {np.mean(hidden):.1%} |",
        f"| 500 over-exposed frames | {np.mean(burnt):.1%} |",
        f"| {len(good)} good ones | {np.mean(good):.2%} |",
    ]


def _occluded(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lay a dark or bright sheet over half of the tip's box or more."""
    out = image.copy()
    cover = int(rng.uniform(0.5, 1.0) * scenes.TIP_BOX.height_px) + 20
    edge = int(scenes.TIP_BOX.y_px + scenes.TIP_BOX.height_px)
    top = slice(0, edge - 90 + cover) if rng.random() < 0.5 else slice(edge - cover, None)
    out[top] = np.clip(rng.normal(rng.choice([15, 190]), 8, out[top].shape), 0, 255)
    return out


def _overexposed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(image * rng.uniform(2.5, 6), 0, 255).astype(np.uint8)


def pillar_table() -> list[str]:
    folder = Path(__file__).parents[2] / "shared" / "data" / "micropillar"
    if not folder.is_dir():
        return ["The recording of the pillars is not here: left out."]
    import pandas as pd
    import tifffile

    movie = tifffile.imread(folder / "movie.tif")
    table = pd.read_csv(folder / "published_displacement.csv")
    ground = Box(60, 75, 270, 90)
    posts = {1: Box(10, 205, 104, 112), 2: Box(403, 213, 104, 108)}
    rows = ["| depth | post | difference along x, px rms |", "|---|---|---|"]
    for depth, images in ((16, movie), (8, (movie // 256).astype(np.uint8))):
        frames = [Frame(k, k / 30, image) for k, image in enumerate(images)]
        for post, box in posts.items():
            targets = [
                Target("bar", (Reference(0, ground),), ground.centre_px),
                Target("tip", (Reference(0, box),), box.centre_px),
            ]
            found = build_trackers({0: images[0]}, frames, targets)
            motion = [found[n].locate(i).x_px for i in images for n in ("bar", "tip")]
            apart = np.diff(np.reshape(motion, (-1, 2)), axis=1)[:, 0]
            other = table[f"pillar{post}_x_displacement_px"].to_numpy()
            rows.append(f"| {depth} | {post} | {np.std(apart - other):.4f} |")
    edge = Box(60, 40, 270, 40)
    tracker = build_trackers(
        {0: movie[0]},
        [Frame(k, k / 30, image) for k, image in enumerate(movie)],
        [Target("bar", (Reference(0, edge),), edge.centre_px)],
    )["bar"]
    for angle, name in ((90.0, "x"), (0.0, "y")):
        try:
            require_axis(tracker, Axis(angle), "bar")
            rows.append(f"\nA dark bar as the reference serves for {name}.")
        except Exception as error:
            rows.append(f"\nA dark bar as the reference is refused for {name}: {error}.")
    return rows


def speed_table() -> list[str]:
    scene = scenes.Scene(dose=150)
    path = scenes.motions(40, 37)
    full = [
        cv2.copyMakeBorder(i, 0, 128, 192, 0, cv2.BORDER_REPLICATE)
        for i in scenes.render(scene, path, seed=37)
    ]
    template = full[0][118:182, 288:352]
    single = _milliseconds(lambda k: cv2.matchTemplate(full[k], template, cv2.TM_CCOEFF_NORMED))
    rows = ["| at 512x512, processor time on one core, median | |", "|---|---|"]
    for tip, bar in (
        (Box(262, 90, 120, 90), Box(422, 0, 90, 80)),
        (Box(212, 40, 220, 160), Box(362, 0, 150, 140)),
    ):
        point = (scenes.TIP_POINT[0] + 192, scenes.TIP_POINT[1])
        targets = [
            Target("bar", (Reference(0, bar),), bar.centre_px),
            Target("tip", (Reference(0, tip),), point),
        ]
        trackers = build_trackers({0: full[0]}, scenes.sample(full), targets)
        both = _milliseconds(_locating(trackers, full))
        coarse = _milliseconds(_searching(trackers["tip"], full))
        size = f"{tip.width_px}x{tip.height_px} and {bar.width_px}x{bar.height_px} px"
        rows += [
            f"| bar and tip together, boxes of {size}, ms a frame | {both:.2f} |",
            f"| the tip's coarse search over a full-frame matchTemplate | {coarse / single:.3f} |",
        ]
    return [*rows, f"| one full-frame matchTemplate with 64x64 px, ms | {single:.2f} |"]


def _locating(trackers: dict[str, Tracker], images: list[np.ndarray]) -> Callable[[int], object]:
    return lambda k: locate_all(trackers, images[k])


def _searching(tracker: Tracker, images: list[np.ndarray]) -> Callable[[int], object]:
    return lambda k: search(Reduced(images[k]), tracker.looks[0].coarse)


def _milliseconds(run: Callable[[int], object]) -> float:
    """Return the median time of the processor; other work on the machine does not count."""
    run(0)
    times = []
    for k in range(40):
        start = time.thread_time()
        run(k)
        times.append(time.thread_time() - start)
    return 1e3 * float(np.median(times))


TABLES = (
    ("Noise", "2-D rms error in px without its constant part, in brackets over the bound; a dark "
     "textured tip, 64x64 px box, 120 frames.", noise_table),
    ("Robustness", "The same tip.", single_table),
    ("Whole scenes", "The simulator's rod compression, five seeds of 100 frames, hand-drawn "
     "boxes, camera jitter 0.6 px.", scene_table),
    ("Lost targets", "A drawn scene with film, bar, rod and tip at 150 e/px.", lost_table),
    ("A real recording", "Two elastic posts (HibaKob/MicroBundlePillarTrack, MIT) against the "
     "published displacement; the other tracker's markers sit elsewhere.", pillar_table),
    ("Cost", "A drawn scene.", speed_table),
)  # fmt: skip


def main(file: str = "") -> None:
    cv2.setNumThreads(1)
    lines = ["# Accuracy of the tracking", "", "Made by `python -m benchmarks.tracking FILE`.", ""]
    lines += [
        "pystackreg and al-dic are measured where installed (`pip install -e .[compare]`).",
        "",
    ]
    for title, text, table in TABLES:
        start = time.perf_counter()
        lines += [f"## {title}", "", text, "", *table(), ""]
        print(f"{title}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    page = "\n".join(lines)
    if file:
        Path(file).write_text(page + by_hand(Path(file)), encoding="utf-8")
    else:
        print(page)


if __name__ == "__main__":
    main(*sys.argv[1:])

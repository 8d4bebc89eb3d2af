"""The only composition: a movie and an experiment in, a table of points out.

``prepare`` looks at a sample of the movie once and builds what every frame is measured with;
``observe`` measures one frame with that and nothing else; ``analyse`` walks the frames and
``evaluate`` turns the rows into mechanics.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tem_track import mechanics, tracking
from tem_track.config import Experiment
from tem_track.errors import ConfigError
from tem_track.records import Axis, Box, FloatArray, Frame, Match, Observation, Outline

if TYPE_CHECKING:
    import pandas as pd

    from tem_track.frames import Movie
    from tem_track.specimen import SpecimenModel

__all__ = [
    "Plan",
    "Result",
    "analyse",
    "calculate",
    "evaluate",
    "observe",
    "prepare",
    "tabulate",
]

Measurement = Mapping[str, NDArray[Any]]
Progress = Callable[[str, int, int], None]

SAMPLE_FRAMES = 100
SAMPLE_BYTES = 128_000_000
OUTLINE_STATIONS = 65
WORKERS = 2
TARGETS = ("bar", "tip", "base")
_MATCH_FIELDS = ("x_px", "y_px", "xx_px2", "xy_px2", "yy_px2", "score", "rotation_deg")
_OUTLINE_FIELDS = tuple(
    f.name for f in fields(Outline) if f.type == "float" and f.name != "axis_deg"
)


@dataclass(frozen=True, eq=False)
class Plan:
    """All that one frame is measured with. It pickles, so that a worker can be handed it.

    Attributes
    ----------
    experiment : Experiment
    frame_range : range
        The frames that are measured.
    trackers : dict
        One tracker a target, by name.
    specimen : SpecimenModel or None
    axis : Axis
        The loading axis, given or found.
    warnings : tuple of str
    """

    experiment: Experiment
    frame_range: range
    trackers: dict[str, tracking.Tracker]
    specimen: SpecimenModel | None
    axis: Axis
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Result:
    """What a run found.

    Attributes
    ----------
    points : pandas.DataFrame
        One row a frame, the columns of ``points.csv``.
    summary : dict
        What ``summary.json`` holds.
    measurement : pandas.DataFrame
        The pixels that the points were calculated from.
    outlines : dict
        By frame: array (n, 6) of midline x, y, left x, y and right x, y in pixels.
    experiment : Experiment
    axis : Axis
    """

    points: pd.DataFrame
    summary: dict[str, Any]
    measurement: pd.DataFrame
    outlines: dict[int, NDArray[np.float32]]
    experiment: Experiment
    axis: Axis
    details: dict[str, Any] = field(default_factory=dict)


def analyse(movie: Movie, experiment: Experiment, *, progress: Progress | None = None) -> Result:
    """Measure every frame of a movie and calculate the mechanics.

    Parameters
    ----------
    movie : Movie
        From `open_movie`.
    experiment : Experiment
        From `load_experiment`.
    progress : callable, optional
        Called as ``progress(stage, done, total)``.

    Returns
    -------
    Result

    Raises
    ------
    ConfigError
        A box or a frame number of the experiment does not fit the movie.
    MovieError
        The movie cannot be read.
    TrackingError
        A box cannot give the position that is asked of it.
    """
    report = progress or _silent
    plan = prepare(movie, experiment, progress=report)
    observations = list(observe_all(movie, plan, progress=report))
    observations = settle(movie, plan, observations)
    return result_of(observations, plan)


def _silent(stage: str, done: int, total: int) -> None:
    """Show no progress."""


# --------------------------------------------------------------------------- once a movie


def prepare(movie: Movie, experiment: Experiment, *, progress: Progress = _silent) -> Plan:
    """Look at a sample of the movie and build what every frame is measured with.

    Raises
    ------
    ConfigError, MovieError, TrackingError
        As `analyse` does.
    """
    frame_range = frames_of(movie, experiment)
    targets = experiment.targets()
    _check_boxes(experiment, movie)
    references = _reference_frames(movie, experiment)
    sample = _Sample(movie, frame_range, progress)
    trackers = tracking.build_trackers(
        {index: frame.image for index, frame in references.items()}, sample, targets
    )
    reference = references[experiment.frames.reference]
    specimen = _prepare_specimen(experiment, reference, sample, trackers)
    axis, warnings = _loading_axis(experiment, specimen, sample, trackers)
    for name in ("bar", "tip"):
        if name in trackers:
            tracking.require_axis(trackers[name], axis, name)
    return Plan(experiment, frame_range, trackers, specimen, axis, warnings)


def frames_of(movie: Movie, experiment: Experiment) -> range:
    """Return the numbers of the frames that are measured.

    Raises
    ------
    ConfigError
        The experiment names a frame that the movie does not have.
    """
    count, chosen = len(movie), experiment.frames
    last = count - 1 if chosen.last == -1 else chosen.last
    zero = chosen.zero[1] if chosen.zero is not None else 0
    further = [
        r.frame for t in (experiment.bar, experiment.tip, experiment.base) if t for r in t.reference
    ]
    for key, index in (
        ("frames.first", chosen.first),
        ("frames.last", last),
        ("frames.reference", chosen.reference),
        ("frames.zero", zero),
        *(("reference.frame", index) for index in further),
    ):
        if index >= count:
            raise ConfigError(
                f"{experiment.source}: {key} = {index} is beyond the movie's last frame,"
                f" {count - 1} ({movie.path}); frames are counted from 0"
            )
    if last < chosen.first:
        raise ConfigError(
            f"{experiment.source}: frames.first = {chosen.first} is after the last frame, {last}:"
            " no frame is left to measure"
        )
    return range(chosen.first, last + 1)


def _check_boxes(experiment: Experiment, movie: Movie) -> None:
    width, height = movie.info.width_px, movie.info.height_px
    for key, box in _boxes(experiment):
        right, bottom = box.x_px + box.width_px, box.y_px + box.height_px
        if box.x_px < 0 or box.y_px < 0 or right > width or bottom > height:
            raise ConfigError(
                f"{experiment.source}: {key} = {[_short(v) for v in box.as_tuple()]} reaches"
                f" outside the frame, which is {width} px wide and {height} px high; boxes are"
                " [x, y, width, height] from the top left corner"
            )
        if min(box.width_px, box.height_px) < 4:
            raise ConfigError(
                f"{experiment.source}: {key} = {[_short(v) for v in box.as_tuple()]} is too small"
                " to hold anything; draw it at least 4 px wide and high"
            )


def _short(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value


def _boxes(experiment: Experiment) -> Iterator[tuple[str, Box]]:
    for name in TARGETS:
        tracked = getattr(experiment, name)
        if tracked is None:
            continue
        yield f"{name}.box_px", tracked.box
        for reference in tracked.reference:
            yield f"{name}.reference.box_px", Box(*reference.box_px)
    if experiment.specimen is not None:
        yield "specimen.box_px", experiment.specimen.box


def _reference_frames(movie: Movie, experiment: Experiment) -> dict[int, Frame]:
    tracked = [t for t in (experiment.bar, experiment.tip, experiment.base) if t is not None]
    indices = {experiment.frames.reference} | {r.frame for t in tracked for r in t.reference}
    references = {frame.index: frame for frame in movie.select(sorted(indices))}
    for index, frame in references.items():
        if not frame.ok:
            raise ConfigError(
                f"{experiment.source}: reference frame {index} cannot be decoded ({frame.note});"
                " draw the boxes in another frame and name it with frames.reference"
            )
    return references


class _Sample:
    """About a hundred frames spread over the movie; small ones are kept, large ones read again."""

    def __init__(self, movie: Movie, frame_range: range, progress: Progress) -> None:
        count = min(SAMPLE_FRAMES, len(frame_range))
        spread = np.linspace(frame_range[0], frame_range[-1], count)
        self._indices = sorted({round(float(i)) for i in spread})
        self._movie = movie
        self._progress = progress
        self._kept: list[Frame] | None = None

    def __iter__(self) -> Iterator[Frame]:
        if self._kept is not None:
            return iter(self._kept)
        return self._read()

    def _read(self) -> Iterator[Frame]:
        kept: list[Frame] = []
        total = len(self._indices)
        for done, frame in enumerate(self._movie.select(self._indices), start=1):
            if frame.image.nbytes * total <= SAMPLE_BYTES:
                kept.append(frame)
            if frame.ok:
                yield frame
            self._progress("template", done, total)
        if len(kept) == total:
            self._kept = [frame for frame in kept if frame.ok]


def _locate(trackers: Mapping[str, tracking.Tracker], frame: Frame) -> dict[str, Match]:
    return {name: tracker.locate(frame.image) for name, tracker in trackers.items()}


def _prepare_specimen(
    experiment: Experiment,
    reference: Frame,
    sample: Iterable[Frame],
    trackers: Mapping[str, tracking.Tracker],
) -> SpecimenModel | None:
    if experiment.specimen is None:
        return None
    from tem_track.specimen import prepare_specimen

    def located(frame: Frame) -> tuple[Frame, Match, Match | None]:
        found = _locate({k: t for k, t in trackers.items() if k != "bar"}, frame)
        return frame, found.get("tip", Match.none()), found.get("base")

    return prepare_specimen(
        located(reference),
        map(located, sample),
        experiment.specimen.box,
        shape=experiment.specimen.shape,
        mode=experiment.mode,
        axis=experiment.axis,
        polarity=experiment.polarity,
        tip_box=experiment.tip.box if experiment.tip else None,
        base_box=experiment.base.box if experiment.base else None,
    )


def _loading_axis(
    experiment: Experiment,
    specimen: SpecimenModel | None,
    sample: Iterable[Frame],
    trackers: Mapping[str, tracking.Tracker],
) -> tuple[Axis, tuple[str, ...]]:
    if experiment.axis is not None:
        return experiment.axis, ()
    if specimen is not None:
        return specimen.axis, ()
    rough = experiment.rough_axis
    found = _axis_of_motion(sample, trackers, rough)
    if found is not None:
        return found, ()
    return rough, (
        f"the loading axis was not given and nothing moves enough to find it: {rough.angle_deg:g}"
        " degrees from straight up was taken; give axis_deg",
    )


def _axis_of_motion(
    sample: Iterable[Frame], trackers: Mapping[str, tracking.Tracker], rough: Axis
) -> Axis | None:
    """Return the direction that the tip moves in against the bar, none where it hardly moves."""
    pair = {name: trackers[name] for name in ("bar", "tip") if name in trackers}
    if len(pair) < 2:
        return None
    found = [_locate(pair, frame) for frame in sample]
    good = [f for f in found if not f["bar"].lost and not f["tip"].lost]
    if len(good) < 5:
        return None
    motion = np.array(
        [(f["tip"].x_px - f["bar"].x_px, f["tip"].y_px - f["bar"].y_px) for f in good]
    )
    values, vectors = np.linalg.eigh(np.cov(motion.T))
    if values[1] < 4.0 or values[1] < 25 * values[0]:
        return None
    dx, dy = vectors[:, 1] * (1.0 if vectors[:, 1] @ rough.along >= 0 else -1.0)
    angle = float(np.degrees(np.arctan2(dx, -dy)))
    spread = float(np.degrees(np.sqrt(values[0] / values[1] / len(good))))
    return Axis(angle, spread)


# --------------------------------------------------------------------------- once a frame


def observe(frame: Frame, plan: Plan) -> Observation:
    """Measure one frame. The answer depends on the frame and the plan alone."""
    if not frame.ok:
        return Observation(frame.index, frame.time_s, False, "")
    matches = _locate(plan.trackers, frame)
    return Observation(
        frame.index,
        frame.time_s,
        True,
        _digest(frame),
        bar=matches.get("bar"),
        tip=matches.get("tip"),
        base=matches.get("base"),
        outline=_outline(frame, plan, matches.get("tip"), matches.get("base")),
    )


def _outline(frame: Frame, plan: Plan, tip: Match | None, base: Match | None) -> Outline | None:
    if plan.specimen is None:
        return None
    return plan.specimen.outline(frame.image, tip if tip is not None else Match.none(), base)


def _digest(frame: Frame) -> str:
    """Return a fingerprint: noise makes every eighth row enough to tell two frames apart."""
    return hashlib.blake2b(frame.image[::8].tobytes(), digest_size=8).hexdigest()


def observe_all(movie: Movie, plan: Plan, *, progress: Progress = _silent) -> Iterator[Observation]:
    """Measure the plan's frames in order, a few at a time in threads."""
    total = len(plan.frame_range)
    frames = movie.frames(plan.frame_range[0], plan.frame_range[-1])
    with ThreadPoolExecutor(WORKERS) as pool:
        waiting: list[Future[Observation]] = []
        done = 0
        for frame in frames:
            waiting.append(pool.submit(observe, frame, plan))
            if len(waiting) > 2 * WORKERS:
                yield waiting.pop(0).result()
                done += 1
                progress("measure", done, total)
        for future in waiting:
            yield future.result()
            done += 1
            progress("measure", done, total)


def settle(movie: Movie, plan: Plan, observations: Sequence[Observation]) -> list[Observation]:
    """Decide between places of like score on the whole sequence, and outline again where it did."""
    settled = list(observations)
    changed: set[int] = set()
    for name in plan.trackers:
        matches = [getattr(o, name) or Match.none() for o in settled]
        for row, match in enumerate(tracking.choose(matches)):
            if match is not matches[row]:
                settled[row] = _with_match(settled[row], name, match)
                changed.add(row)
    if plan.specimen is None:
        return settled
    for row in sorted(changed):
        old = settled[row]
        outline = _outline(movie[old.frame], plan, old.tip, old.base)
        settled[row] = replace(old, outline=outline)
    return settled


def _with_match(observation: Observation, name: str, match: Match) -> Observation:
    changed: dict[str, Any] = {name: match}
    return replace(observation, **changed)


# --------------------------------------------------------------------------- rows and columns


def tabulate(observations: Sequence[Observation]) -> dict[str, NDArray[Any]]:
    """Turn rows into columns: the table of pixels that ``measurement.csv`` holds.

    Returns
    -------
    dict of arrays, shape (n,)
        What was not seen is NaN or an empty text.
    """
    table: dict[str, NDArray[Any]] = {
        "frame": np.array([o.frame for o in observations], dtype=np.int64),
        "time_s": np.array([o.time_s for o in observations], dtype=float),
        "ok": np.array([o.ok for o in observations], dtype=bool),
        "digest": np.array([o.digest for o in observations], dtype=object),
        "duplicate": _duplicates(observations),
    }
    for name in TARGETS:
        matches = [getattr(o, name) for o in observations]
        if any(match is not None for match in matches):
            table |= _match_columns(name, [m or Match.none() for m in matches])
    if any(o.outline is not None for o in observations):
        table |= _outline_columns([o.outline for o in observations])
    return table


def _duplicates(observations: Sequence[Observation]) -> NDArray[np.bool_]:
    repeated = [False] + [a.ok and a.digest == b.digest for a, b in pairwise(observations)]
    return np.array(repeated, dtype=bool)


def _match_columns(name: str, matches: Sequence[Match]) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {
        f"{name}_{key}": np.array([getattr(m, key) for m in matches], dtype=float)
        for key in _MATCH_FIELDS
    }
    reasons = [(m.reason or "lost") if m.lost else "" for m in matches]
    columns[f"{name}_reason"] = np.array(reasons, dtype=object)
    return columns


def _outline_columns(outlines: Sequence[Outline | None]) -> dict[str, NDArray[Any]]:
    empty = Outline(axis_deg=float("nan"), flags=("SPECIMEN_LOST",))
    rows = [outline if outline is not None else empty for outline in outlines]
    columns: dict[str, NDArray[Any]] = {
        "model": np.array([o.model for o in rows], dtype=object),
        "broken": np.array([o.broken for o in rows], dtype=bool),
        "outline_flags": np.array([";".join(o.flags) for o in rows], dtype=object),
    }
    for key in _OUTLINE_FIELDS:
        columns[key] = np.array([getattr(o, key) for o in rows], dtype=float)
    for key in ("base_face", "tip_face"):
        ends: FloatArray = np.array([getattr(o, f"{key}_px") for o in rows], dtype=float)
        columns[f"{key}_x_px"], columns[f"{key}_y_px"] = ends[:, 0], ends[:, 1]
    for key in sorted({key for o in rows for key in o.extra}):
        columns[key] = np.array([o.extra.get(key, np.nan) for o in rows], dtype=float)
    return columns


def _compact(outline: Outline) -> NDArray[np.float32]:
    stack = np.column_stack([outline.midline_px, outline.left_px, outline.right_px])
    if len(stack) > OUTLINE_STATIONS:
        stack = stack[np.linspace(0, len(stack) - 1, OUTLINE_STATIONS).round().astype(int)]
    return stack.astype(np.float32)


def result_of(observations: Sequence[Observation], plan: Plan) -> Result:
    """Turn the settled observations into a result."""
    import pandas as pd

    table = tabulate(observations)
    outlines = {
        o.frame: _compact(o.outline)
        for o in observations
        if o.outline is not None and len(o.outline.midline_px)
    }
    points, summary = calculate(table, plan.experiment, plan.axis, plan.warnings)
    return Result(points, summary, pd.DataFrame(table), outlines, plan.experiment, plan.axis)


def calculate(
    measurement: Measurement, experiment: Experiment, axis: Axis, warnings: Sequence[str] = ()
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Calculate points and summary from a table of pixels, without the movie.

    Parameters
    ----------
    measurement : mapping of arrays
        What `tabulate` returns or ``measurement.csv`` holds.
    experiment : Experiment
    axis : Axis
    warnings : sequence of str
        What the measuring itself warned of; kept apart in the summary, so that it survives.
    """
    import pandas as pd

    evaluation = evaluate(measurement, experiment, axis)
    summary = dict(evaluation.summary)
    summary["warnings"] = [*warnings, *summary.get("warnings", [])]
    summary["measurement_warnings"] = list(warnings)
    return pd.DataFrame(evaluation.points), summary


def evaluate(measurement: Measurement, experiment: Experiment, axis: Axis) -> mechanics.Evaluation:
    """Calculate the mechanics from a table of pixels, without the movie."""
    return mechanics.evaluate(measurement, settings_of(experiment, axis))


def settings_of(experiment: Experiment, axis: Axis) -> mechanics.Settings:
    """Return what the mechanics need of an experiment, as plain numbers."""
    specimen, lever = experiment.specimen, experiment.cantilever
    if lever is None:
        raise ConfigError(f"{experiment.source}: cantilever is missing")
    return mechanics.Settings(
        mode=experiment.mode,
        shape=specimen.shape if specimen else None,
        area_model=specimen.area_model if specimen else None,
        scale_nm_per_px=experiment.calibration.scale_nm_per_px,
        u_scale_nm_per_px=experiment.calibration.u_scale_nm_per_px,
        stiffness_N_per_m=lever.stiffness_N_per_m,
        u_stiffness_N_per_m=lever.u_stiffness_N_per_m,
        tilt_deg=lever.tilt_deg,
        tip_height_um=lever.tip_height_um,
        length_um=lever.length_um,
        behind_apex_um=lever.behind_apex_um,
        axis_deg=axis.angle_deg,
        u_axis_deg=axis.u_angle_deg,
        zero_frames=experiment.frames.zero,
        reference_frame=experiment.frames.reference,
    )

"""The only composition: a movie and an experiment in, a table of points out.

``prepare`` looks at a sample of the movie once and builds what every frame is measured with;
``observe`` measures one frame with that and nothing else; ``measure`` walks the frames in blocks,
``assemble`` joins them and decides what needs the whole sequence, and ``calculate`` turns the
columns into mechanics.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tem_track import __version__, mechanics
from tem_track.apart import Apart
from tem_track.columns import TARGETS, Block, block_of, join, matches_of, replace_row
from tem_track.config import Cantilever, Experiment
from tem_track.cores import cores, in_turn, one_thread_a_routine
from tem_track.errors import ConfigError, TrackingError
from tem_track.fingerprint import fingerprint
from tem_track.records import Axis, Box, Frame, Image, Match, Observation, Outline, Target
from tem_track.sample import Sample
from tem_track.shapes import stressed_as

if TYPE_CHECKING:
    import pandas as pd

    from tem_track import tracking
    from tem_track.frames import Movie
    from tem_track.growth import ElectricalLog
    from tem_track.growth import Settings as GrowthSettings
    from tem_track.specimen import GrowthModel, SpecimenModel

__all__ = [
    "Findings",
    "Plan",
    "Progress",
    "Result",
    "analyse",
    "assemble",
    "bodies_of",
    "calculate",
    "conclude",
    "evaluate",
    "measure",
    "observe",
    "observe_again",
    "prepare",
    "settle",
]

Measurement = Mapping[str, NDArray[Any]]
Progress = Callable[[str, int, int], None]

BLOCK_FRAMES = 64
_SLID_PX = 10.0
_ENOUGH = 0.75
"""Share of the sample that first looks have to find, of what all find, to be learnt from alone."""


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
    specimen : SpecimenModel, GrowthModel or None
    axis : Axis
        The loading axis, given or found.
    warnings : tuple of str
    """

    experiment: Experiment
    frame_range: range
    trackers: dict[str, tracking.Tracker]
    specimen: SpecimenModel | GrowthModel | None
    axis: Axis
    warnings: tuple[str, ...] = ()

    @property
    def learnt(self) -> str:
        """A fingerprint of the specimen as it was learnt, and of the program.

        With the same one a frame is outlined alike where its bar, tip and base are found alike.
        """
        return fingerprint((__version__, self.specimen))


@dataclass(frozen=True, eq=False)
class Findings:
    """What is left of a plan when all is measured.

    Attributes
    ----------
    axis : Axis
    warnings : tuple of str
    learnt : str
    """

    axis: Axis
    warnings: tuple[str, ...]
    learnt: str

    @classmethod
    def of(cls, plan: Plan) -> Findings:
        """Return what is left of a plan."""
        return cls(plan.axis, plan.warnings, plan.learnt)


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
    outlines : mapping
        By frame: array (n, 6) of midline x, y, left x, y and right x, y in pixels.
    experiment : Experiment
    axis : Axis
    """

    points: pd.DataFrame
    summary: dict[str, Any]
    measurement: pd.DataFrame
    outlines: Mapping[int, NDArray[np.float32]]
    experiment: Experiment
    axis: Axis
    details: dict[str, Any] = field(default_factory=dict)


def analyse(movie: Movie, experiment: Experiment, *, progress: Progress | None = None) -> Result:
    """Measure every frame of a movie and calculate the mechanics.

    Parameters
    ----------
    movie : Movie
        From `open_movie`; the experiment's `frame_interval_s` replaces its clock.
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
    with movie.with_frame_interval(experiment.calibration.frame_interval_s).keeping() as movie:
        plan = prepare(movie, experiment, progress=report)
        blocks = list(measure(movie, plan, progress=report))
        return assemble(movie, plan, blocks)


def _silent(stage: str, done: int, total: int) -> None:
    """Show no progress."""


# --------------------------------------------------------------------------- once a movie


@one_thread_a_routine()
def prepare(movie: Movie, experiment: Experiment, *, progress: Progress = _silent) -> Plan:
    """Look at a sample of the movie and build what every frame is measured with.

    Raises
    ------
    ConfigError, MovieError, TrackingError
        As `analyse` does.
    """
    frame_range = frames_of(movie, experiment)
    _check_boxes(experiment, movie)
    _check_other_files(experiment, frame_range)
    references = _reference_frames(movie, experiment)
    with movie.keeping() as movie:
        sample = Sample(movie, frame_range, progress)
        return _learnt(movie, experiment, references, sample, frame_range)


def _learnt(
    movie: Movie,
    experiment: Experiment,
    references: Mapping[int, Frame],
    sample: Sample,
    frame_range: range,
) -> Plan:
    from tem_track.frames import doubts
    from tem_track.tracking import require_axis

    targets = experiment.targets()
    images = {index: frame.image for index, frame in references.items()}
    trackers, without = _begin_trackers(experiment, images, sample, targets)
    reference = references[experiment.frames.reference]
    walk = _Walk(experiment, trackers, sample, by_first=True)
    try:
        places = walk.looking_further(images, targets)
        specimen = _prepare_specimen(experiment, walk, reference, places)
    except _LooksChangedError as changed:
        trackers = changed.trackers
        walk = _Walk(experiment, trackers, sample)
        specimen = _prepare_specimen(experiment, walk, reference, walk)
    axis, warnings = _loading_axis(experiment, specimen, walk)
    for name in ("bar", "tip"):
        if name in trackers:
            require_axis(trackers[name], axis, name)
            trackers[name] = replace(trackers[name], along=axis.along)
    scale = experiment.calibration
    said: tuple[str, ...] = doubts(
        movie, scale_nm_per_px=scale.scale_nm_per_px, u_scale_nm_per_px=scale.u_scale_nm_per_px
    )
    said = (*said, *without, *_carried_over(trackers), *warnings)
    return Plan(experiment, frame_range, trackers, specimen, axis, said)


def _carried_over(trackers: Mapping[str, tracking.Tracker]) -> tuple[str, ...]:
    """Return a warning for every target whose look was carried over by frames that were found."""
    said = []
    for name, tracker in trackers.items():
        found = tracker.found_frames
        later = tracker.looks[len(tracker.looks) - len(found) :]
        for frame, look in zip(found, later, strict=True):
            u_px = float(np.sqrt(look.apart_px2.max()))
            said.append(
                f"the {name}'s look changes for good: from frame {frame} it was learnt anew and"
                f" laid over the first by its outline, to {u_px:.2f} px; check it in the overlay,"
                f" and name the frame in a [[{name}.reference]] with a box of its own if it is off"
            )
    return tuple(said)


def _begin_trackers(
    experiment: Experiment,
    images: Mapping[int, Image],
    sample: Iterable[Frame],
    targets: Sequence[Target],
) -> tuple[dict[str, tracking.Tracker], tuple[str, ...]]:
    """Return the trackers; the base is a check of the others, and the run goes on without it."""
    from tem_track.tracking import begin_trackers

    try:
        return begin_trackers(images, sample, targets), ()
    except TrackingError as error:
        others = [target for target in targets if target.name != "base"]
        if experiment.base is None or not others:
            raise
        trackers = begin_trackers(images, sample, others)
        return trackers, (f"the base is not followed: {error}",)


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
        point = _point_of(experiment, key)
        if point is not None and not (0 <= point[0] < width and 0 <= point[1] < height):
            raise ConfigError(
                f"{experiment.source}: {key.removesuffix('box_px')}point_px = {list(point)} lies"
                f" outside the frame, which is {width} px wide and {height} px high"
            )
        if min(box.width_px, box.height_px) < 4:
            raise ConfigError(
                f"{experiment.source}: {key} = {[_short(v) for v in box.as_tuple()]} is too small"
                " to hold anything; draw it at least 4 px wide and high"
            )


def _point_of(experiment: Experiment, key: str) -> tuple[float, float] | None:
    name, _, rest = key.partition(".")
    return getattr(experiment, name).point_px if rest == "box_px" and name in TARGETS else None


def _check_other_files(experiment: Experiment, frame_range: range) -> None:
    """Find a wrong log or section before hours of measuring, not after."""
    if experiment.log is not None:
        from tem_track.growth import at_times

        log = _read_log(experiment, 0.0)
        interval_s = experiment.calibration.frame_interval_s
        if interval_s is not None and experiment.log.marker_column is None:
            at_times(log, interval_s * np.array([frame_range[0], frame_range[-1]]))
    if experiment.specimen is not None and experiment.specimen.section is not None:
        from tem_track.tilt_series import read_area_ratio

        read_area_ratio(experiment.resolve(experiment.specimen.section))


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


def _locate(trackers: Mapping[str, tracking.Tracker], frame: Frame) -> dict[str, Match]:
    from tem_track.tracking import locate_all

    return locate_all(trackers, frame.image)


def _levelled(
    trackers: Mapping[str, tracking.Tracker],
    frame: Frame,
    found: Mapping[str, Match],
    level: Axis | None,
) -> dict[str, Match]:
    """Return what was found; `level` is given where the base does not travel across the axis."""
    known = dict(found)
    if level is not None and "base" in found:
        known["base"] = _not_along_its_edge(trackers, frame, found, level)
    return known


def _level(experiment: Experiment) -> Axis | None:
    """Return the axis across which the base does not travel: in growth it stays where it is."""
    return experiment.rough_axis if experiment.mode == "growth" else None


def _not_along_its_edge(
    trackers: Mapping[str, tracking.Tracker], frame: Frame, found: Mapping[str, Match], axis: Axis
) -> Match:
    """Return the base, sought again where the others expect it, if it slid along its own edge.

    A counter electrode may show but one straight edge with hardly a pattern behind it. What grows
    on it then makes any other stretch of the edge look more like it than its own.
    """
    tracker, base = trackers["base"], found["base"]
    others = [name for name in ("tip", "bar") if name in found and not found[name].lost]
    moved = (0.0, 0.0)
    if others:
        x, y = trackers[others[0]].point_px
        moved = (found[others[0]].x_px - x, found[others[0]].y_px - y)
    x, y = tracker.point_px[0] + moved[0], tracker.point_px[1] + moved[1]
    if not base.lost:
        slid = (base.x_px - x) * axis.across[0] + (base.y_px - y) * axis.across[1]
        if abs(slid) <= _SLID_PX:
            return base
        x, y = base.x_px - slid * axis.across[0], base.y_px - slid * axis.across[1]
    again = tracker.locate(frame.image, (x, y))
    if again.lost and not others:
        return base
    return again


Place = tuple[Frame, Match, Match | None, Match | None]
"""A frame, where the tip is, and what the specimen stands on."""


class _Walk:
    """The sample once more, with every target found in it; what was found is remembered."""

    def __init__(
        self,
        experiment: Experiment,
        trackers: Mapping[str, tracking.Tracker],
        sample: Iterable[Frame],
        *,
        by_first: bool = False,
    ) -> None:
        self.trackers = trackers
        self.found: dict[int, dict[str, Match]] = {}
        self._sample = sample
        self._level = _level(experiment)
        self._first = {
            name: tracker.first
            for name, tracker in trackers.items()
            if by_first and len(tracker.looks) > 1
        }
        self._by_first_alone = 0

    def __iter__(self) -> Iterator[Place]:
        for frame, found, first in in_turn(self._located, self._sample):
            self.found[frame.index] = found
            self._by_first_alone += all(
                not match.lost or found[name].lost for name, match in first.items()
            )
            yield self._place(frame, found | first)

    def place(self, frame: Frame) -> Place:
        """Return a frame of which nothing is remembered."""
        frame, found, first = self._located(frame)
        return self._place(frame, found | first)

    def _located(self, frame: Frame) -> tuple[Frame, dict[str, Match], dict[str, Match]]:
        return frame, _locate(self.trackers, frame), _locate(self._first, frame)

    def _place(self, frame: Frame, found: Mapping[str, Match]) -> Place:
        known = _levelled(self.trackers, frame, found, self._level)
        return frame, known.get("tip", Match.none()), _stand(known), known.get("bar")

    def looking_further(
        self, images: Mapping[int, Image], targets: Sequence[Target]
    ) -> Iterator[Place]:
        """Walk, and see at the end whether a target's look has changed for good.

        The places are those that the first looks find, where they find most: what is learnt there
        does not depend on references that serve for a few frames.

        Raises
        ------
        _LooksChangedError
            It has, and what was walked with the first looks is to be walked again.
        """
        from tem_track.tracking import carry_on

        yield from self
        own = [target for target in targets if target.name in self.trackers]
        trackers = carry_on(self.trackers, self.found, images, self._sample, own)
        changed = any(trackers[name] is not self.trackers[name] for name in trackers)
        if changed or self._by_first_alone < _ENOUGH * len(self.found):
            raise _LooksChangedError(trackers)


class _LooksChangedError(Exception):
    """Says with which trackers to begin again."""

    def __init__(self, trackers: dict[str, tracking.Tracker]) -> None:
        super().__init__()
        self.trackers = trackers


def _prepare_specimen(
    experiment: Experiment, walk: _Walk, reference: Frame, places: Iterable[Place]
) -> SpecimenModel | GrowthModel | None:
    if experiment.specimen is None:
        deque(places, maxlen=0)
        return None
    from tem_track.specimen import prepare_growth, prepare_specimen

    boxes: dict[str, Any] = {
        "axis": experiment.axis,
        "polarity": experiment.polarity,
        "tip_box": experiment.tip.box if experiment.tip else None,
        "base_box": experiment.base.box if experiment.base else None,
    }
    begin, box = walk.place(reference), experiment.specimen.box
    if experiment.mode == "growth":
        return prepare_growth(begin[:3], (place[:3] for place in places), box, **boxes)
    shape, mode = experiment.specimen.shape, experiment.mode
    return prepare_specimen(begin, places, box, shape=shape, mode=mode, **boxes)


def _loading_axis(
    experiment: Experiment, specimen: SpecimenModel | GrowthModel | None, walk: _Walk
) -> tuple[Axis, tuple[str, ...]]:
    if experiment.axis is not None:
        return experiment.axis, ()
    if specimen is not None:
        return specimen.axis, ()
    rough = experiment.rough_axis
    found = _axis_of_motion(walk, rough)
    if found is not None:
        return found, ()
    return rough, (
        f"the loading axis was not given and nothing moves enough to find it: {rough.angle_deg:g}"
        " degrees from straight up was taken; give axis_deg",
    )


def _axis_of_motion(walk: _Walk, rough: Axis) -> Axis | None:
    """Return the direction that the tip moves in against the bar, none where it hardly moves."""
    if not {"bar", "tip"} <= set(walk.trackers):
        return None
    good = [f for f in walk.found.values() if not f["bar"].lost and not f["tip"].lost]
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


def observe(frame: Frame, plan: Plan, settled: Mapping[str, Match] | None = None) -> Observation:
    """Measure one frame. The answer depends on the frame and the plan alone.

    Parameters
    ----------
    frame : Frame
    plan : Plan
    settled : mapping, optional
        Targets whose place is known already.
    """
    if not frame.ok:
        return Observation(frame.index, frame.time_s, False, "")
    found = _locate(plan.trackers, frame)
    matches = _levelled(plan.trackers, frame, found, _level(plan.experiment)) | dict(settled or {})
    return Observation(
        frame.index,
        frame.time_s,
        True,
        _digest(frame),
        bar=matches.get("bar"),
        tip=matches.get("tip"),
        base=matches.get("base"),
        outline=_outline(frame, plan, matches),
    )


def _outline(frame: Frame, plan: Plan, matches: Mapping[str, Match]) -> Outline | None:
    if plan.specimen is None:
        return None
    base = _stand(matches) if plan.experiment.mode == "growth" else matches.get("base")
    from tem_track.specimen import GrowthModel

    tip = matches.get("tip", Match.none())
    if isinstance(plan.specimen, GrowthModel):
        return plan.specimen.outline(frame.image, tip, base, frame.time_s)
    return plan.specimen.outline(frame.image, tip, base, matches.get("bar"))


def _stand(matches: Mapping[str, Match]) -> Match | None:
    """Return what a growing body stands still against: the base, or the bar where it is alone."""
    if "base" in matches or "tip" in matches:
        return matches.get("base")
    return matches.get("bar")


def _digest(frame: Frame) -> str:
    """Return a fingerprint: noise makes every eighth row enough to tell two frames apart."""
    return hashlib.blake2b(frame.image[::8].tobytes(), digest_size=8).hexdigest()


def measure(
    movie: Movie,
    plan: Plan,
    *,
    done: Iterable[int] = (),
    progress: Progress = _silent,
    workers: int | None = None,
) -> Iterator[Block]:
    """Measure the plan's frames in order, in blocks; where it takes long, in several processes.

    Parameters
    ----------
    movie, plan
    done : iterable of int
        Frames that are measured already.
    progress : callable
    workers : int, optional
        Processes that measure; by default one a core. Their number changes no result.
    """
    finished, total = set(done), len(plan.frame_range)
    count = len(finished)
    apart: Apart[Observation] = Apart(
        observe, plan, workers or cores(), total - count, lambda: movie.decoding_s
    )
    with one_thread_a_routine(), apart:
        for stretch in _stretches(plan.frame_range, finished):
            frames = movie.frames(stretch[0][0], stretch[-1][-1])
            observed = apart.answers(frames)
            for chunk in stretch:
                observations = []
                for observation in islice(observed, len(chunk)):
                    observations.append(observation)
                    count += 1
                    progress("measure", count, total)
                yield _block(observations, plan)


def _stretches(frames: range, done: set[int]) -> Iterator[list[range]]:
    """Cut the frames into blocks at fixed places, and group those to be done that adjoin.

    One stretch is read in one go: decoder and measurement never wait for a block to end.
    """
    stretch: list[range] = []
    for start in range(frames[0], frames[-1] + 1, BLOCK_FRAMES):
        chunk = range(start, min(start + BLOCK_FRAMES, frames[-1] + 1))
        for left in _left(chunk, done):
            if stretch and stretch[-1][-1] + 1 != left[0]:
                yield stretch
                stretch = []
            stretch.append(left)
    if stretch:
        yield stretch


def _left(chunk: range, done: set[int]) -> Iterator[range]:
    """Return the runs of frames of a chunk that are not done."""
    start: int | None = None
    for frame in chunk:
        if frame not in done:
            start = frame if start is None else start
        elif start is not None:
            yield range(start, frame)
            start = None
    if start is not None:
        yield range(start, chunk[-1] + 1)


def _block(observations: Sequence[Observation], plan: Plan) -> Block:
    names = [name for name in TARGETS if name in plan.trackers]
    return block_of(observations, names, plan.specimen is not None)


# --------------------------------------------------------------------------- all frames together


@one_thread_a_routine()
def assemble(movie: Movie, plan: Plan, blocks: Sequence[Block]) -> Result:
    """Join the blocks, settle what needs the whole sequence, and calculate.

    The blocks are empty afterwards.
    """
    block = join(blocks, emptying=True)
    settle(block, partial(observe_again, movie, plan))
    return conclude(block, plan.experiment, plan.axis, plan.warnings)


def settle(block: Block, again: Callable[[int, Mapping[str, Match]], Block]) -> None:
    """Decide between places of like score on the whole sequence, in place.

    Parameters
    ----------
    block : Block
        All frames.
    again : callable
        `observe_again` of a frame's number and the places chosen in it; asked for the few frames
        in which the sequence chose otherwise.
    """
    if not block.alternatives:
        return
    from tem_track.tracking import choose

    changed: dict[int, dict[str, Match]] = {}
    for name in sorted({target for _, target, _ in block.alternatives}):
        matches = matches_of(block, name)
        for row, match in enumerate(choose(matches)):
            if not match.lost and match.x_px != matches[row].x_px:
                changed.setdefault(row, {})[name] = match
    for row in sorted(changed):
        replace_row(block, row, again(int(block.columns["frame"][row]), changed[row]))


def observe_again(movie: Movie, plan: Plan, frame: int, settled: Mapping[str, Match]) -> Block:
    """Return the block of one frame in which some targets' places are known."""
    return _block([observe(movie[frame], plan, settled)], plan)


def conclude(
    block: Block, experiment: Experiment, axis: Axis, warnings: Sequence[str] = ()
) -> Result:
    """Calculate what the pixels of all frames say."""
    import pandas as pd

    points, summary = calculate(block.columns, experiment, axis, warnings)
    measurement = pd.DataFrame(block.columns, copy=False)
    return Result(points, summary, measurement, block.outlines, experiment, axis)


@one_thread_a_routine(scipy_too=False)
def calculate(
    measurement: Measurement, experiment: Experiment, axis: Axis, warnings: Sequence[str] = ()
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Calculate points and summary from a table of pixels, without the movie.

    Parameters
    ----------
    measurement : mapping of arrays
        What the joined blocks hold or ``measurement.csv`` holds.
    experiment : Experiment
    axis : Axis
    warnings : sequence of str
        What the measuring itself warned of; kept apart in the summary, so that it survives.
    """
    import pandas as pd

    electrical, of_the_log = _electrical(experiment, measurement)
    if experiment.mode == "growth":
        points, found = _grown({**measurement, **electrical}, experiment, axis)
    else:
        evaluation = evaluate(measurement, experiment, axis)
        points, found = evaluation.points, evaluation.summary
    summary = dict(found)
    summary["warnings"] = [*warnings, *of_the_log, *summary.get("warnings", [])]
    summary["measurement_warnings"] = list(warnings)
    return pd.DataFrame(points | electrical, copy=False), summary


@one_thread_a_routine()
def _grown(
    measurement: Measurement, experiment: Experiment, axis: Axis
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return points and summary of growth; the potential serves for the rates of its steps."""
    from tem_track import growth

    return growth.evaluate(measurement, growth_settings_of(experiment, axis))


def _electrical(
    experiment: Experiment, measurement: Measurement
) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    """Return the log's potential and current at every frame, where the experiment names a log."""
    if experiment.log is None:
        return {}, ()
    from tem_track.growth import at_times, uncovered

    log = _read_log(experiment, _time_of(measurement, experiment.log.marker_frame))
    potential, current = at_times(log, measurement["time_s"])
    warnings = (*log.warnings, *uncovered(log, measurement["time_s"]))
    return {"potential_V": potential, "current_A": current}, warnings


def _read_log(experiment: Experiment, marker_time_s: float) -> ElectricalLog:
    from tem_track.growth import read_log

    chosen = experiment.log
    assert chosen is not None
    return read_log(
        experiment.resolve(chosen.file),
        time_column=chosen.time_column,
        potential_column=chosen.potential_column,
        potential_unit=chosen.potential_unit,
        current_column=chosen.current_column,
        current_unit=chosen.current_unit,
        offset_s=chosen.offset_s or 0.0,
        movie_start=chosen.movie_start,
        marker_column=chosen.marker_column,
        marker_time_s=marker_time_s,
    )


def _time_of(measurement: Measurement, frame: int | None) -> float:
    if frame is None:
        return 0.0
    at = np.flatnonzero(measurement["frame"] == frame)
    if not at.size:
        raise ConfigError(f"log.marker_frame = {frame} is not among the frames that are measured")
    return float(measurement["time_s"][at[0]])


def evaluate(measurement: Measurement, experiment: Experiment, axis: Axis) -> mechanics.Evaluation:
    """Calculate the mechanics from a table of pixels, without the movie."""
    return mechanics.evaluate(measurement, settings_of(experiment, axis))


def bodies_of(result: Result) -> pd.DataFrame:
    """Return one row a body and frame where several bodies grow, an empty table otherwise."""
    import pandas as pd

    if result.experiment.mode != "growth":
        return pd.DataFrame()
    from tem_track.growth import bodies_table

    measurement = {str(name): result.measurement[name].to_numpy() for name in result.measurement}
    settings = growth_settings_of(result.experiment, result.axis)
    return pd.DataFrame(bodies_table(measurement, settings))


def growth_settings_of(experiment: Experiment, axis: Axis) -> GrowthSettings:
    """Return what growth needs of an experiment, as plain numbers."""
    from tem_track.growth import Settings

    return Settings(
        scale_nm_per_px=experiment.calibration.scale_nm_per_px,
        u_scale_nm_per_px=experiment.calibration.u_scale_nm_per_px,
        axis_deg=axis.angle_deg,
        material=experiment.specimen.material if experiment.specimen else "",
    )


def settings_of(experiment: Experiment, axis: Axis) -> mechanics.Settings:
    """Return what the mechanics need of an experiment, as plain numbers."""
    specimen, lever = experiment.specimen, experiment.cantilever
    if lever is None and experiment.outline_alone:
        lever = Cantilever(stiffness_N_per_m=1.0)  # there is no deflection that it would multiply
    if lever is None:
        raise ConfigError(f"{experiment.source}: cantilever is missing")
    ratio, u_ratio = 1.0, 0.0
    if specimen is not None and specimen.section is not None:
        from tem_track.tilt_series import read_area_ratio

        ratio, u_ratio = read_area_ratio(experiment.resolve(specimen.section))
    return mechanics.Settings(
        mode=experiment.mode,
        shape=stressed_as(specimen.shape) if specimen else None,
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
        section_area_ratio=ratio,
        u_section_area_ratio=u_ratio,
        **experiment.corrections.model_dump(exclude_none=True),
    )

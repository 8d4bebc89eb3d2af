"""Once a movie: trackers, specimen and loading axis from a sample of its frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tem_track.analysis.checks import (
    check_boxes,
    check_other_files,
    frames_of,
    reference_frames,
)
from tem_track.analysis.nouns import Plan, Progress, silent
from tem_track.analysis.walk import LooksChangedError, Place, Walk
from tem_track.apart import Standby
from tem_track.config import Experiment
from tem_track.cores import one_thread_a_routine
from tem_track.errors import TrackingError
from tem_track.records import Axis, Frame, Image, Target
from tem_track.sample import Sample

if TYPE_CHECKING:
    from tem_track import tracking
    from tem_track.frames import Movie
    from tem_track.specimen import GrowthModel, SpecimenModel

__all__ = ["carried_over", "prepare"]

_WITH_OUTLINE = 1.5
"""Time to measure a frame over that to find its targets."""
_GUESSED_S, _GUESSED_S_PER_PX = 2e-3, 2e-9
"""Processor time to measure a frame, before anything is known: an idle desktop computer's."""
_READING_S_PER_PX = {"mjpeg": 4e-9, "mpeg4": 0.6e-9, "rawvideo": 0.1e-9}
"""Time to decode a frame; of other codecs it is not guessed."""
_MEASURES = ("tem_track.analysis.observing", "tem_track.tracking", "tem_track.specimen")


@one_thread_a_routine()
def prepare(
    movie: Movie,
    experiment: Experiment,
    *,
    progress: Progress = silent,
    standby: Standby | None = None,
) -> Plan:
    """Look at a sample of the movie and build what every frame is measured with.

    Parameters
    ----------
    movie, experiment
    progress : callable
    standby : Standby, optional
        Where processes load beside the preparation if they will save time in measuring.

    Returns
    -------
    Plan

    Raises
    ------
    ConfigError, MovieError, TrackingError
        As `analyse` does.
    """
    frame_range = frames_of(movie, experiment)
    standby = standby or Standby()
    _begin_early(standby, movie, len(frame_range))
    check_boxes(experiment, movie)
    check_other_files(experiment, frame_range)
    references = reference_frames(movie, experiment)
    with movie.keeping() as movie:
        sample = Sample(movie, frame_range, progress)
        return _learnt(movie, experiment, references, sample, frame_range, standby)


def _begin_early(standby: Standby, movie: Movie, frames: int) -> None:
    """Begin processes while this one still loads, alone, where the guess says so clearly.

    Where it does not, it is known better when the sample has been walked.
    """
    reading = _READING_S_PER_PX.get(movie.info.codec)
    if reading is not None:
        size = movie.info.width_px * movie.info.height_px
        guess_s = _GUESSED_S + _GUESSED_S_PER_PX * size
        standby.begin_where_worth_while(guess_s, reading * size, frames, _MEASURES)


def _learnt(
    movie: Movie,
    experiment: Experiment,
    references: Mapping[int, Frame],
    sample: Sample,
    frame_range: range,
    standby: Standby,
) -> Plan:
    from tem_track.frames import doubts
    from tem_track.tracking import require_axis

    targets = experiment.targets()
    images = {index: frame.image for index, frame in references.items()}
    trackers, without = _begin_trackers(experiment, images, sample, targets)
    reference = references[experiment.frames.reference]
    walk = Walk(experiment, trackers, sample, by_first=True)

    def walked(places: Iterable[Place]) -> Iterator[Place]:
        yield from places  # what comes now, learning the specimen, leaves a core to others
        outlined = _WITH_OUTLINE if experiment.specimen is not None else 1.0
        standby.begin_where_worth_while(
            outlined * walk.a_frame_s(), movie.decoding_s or 0.0, len(frame_range), _MEASURES
        )

    try:
        places = walked(walk.looking_further(images, targets))
        specimen = _prepare_specimen(experiment, walk, reference, places)
    except LooksChangedError as changed:
        trackers = changed.trackers
        walk = Walk(experiment, trackers, sample)
        specimen = _prepare_specimen(experiment, walk, reference, walked(walk))
    axis, warnings = _loading_axis(experiment, specimen, walk)
    for name in ("bar", "tip"):
        if name in trackers:
            require_axis(trackers[name], axis, name)
            trackers[name] = replace(trackers[name], along=axis.along)
    scale = experiment.calibration
    said: tuple[str, ...] = doubts(
        movie, scale_nm_per_px=scale.scale_nm_per_px, u_scale_nm_per_px=scale.u_scale_nm_per_px
    )
    said = (*said, *without, *carried_over(trackers), *warnings)
    return Plan(experiment, frame_range, trackers, specimen, axis, said)


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


def carried_over(trackers: Mapping[str, tracking.Tracker]) -> tuple[str, ...]:
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
        if tracker.change is not None:
            u_px = float(np.sqrt(np.max(tracker.change.doubt_px2)))
            said.append(
                f"the {name}'s look changes for good at frame {tracker.change.frame}, and what of"
                f" it looks like a motion is known to {u_px:.2f} px only; name a later frame in a"
                f" [[{name}.reference]] with a box of its own"
            )
    return tuple(said)


def _prepare_specimen(
    experiment: Experiment, walk: Walk, reference: Frame, places: Iterable[Place]
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
    experiment: Experiment, specimen: SpecimenModel | GrowthModel | None, walk: Walk
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


def _axis_of_motion(walk: Walk, rough: Axis) -> Axis | None:
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

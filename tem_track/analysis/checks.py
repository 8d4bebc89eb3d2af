"""What can be known to be wrong before hours of measuring: frames, boxes, other files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tem_track.analysis.electrical import read_log_of
from tem_track.columns import TARGETS
from tem_track.config import Experiment
from tem_track.errors import ConfigError
from tem_track.records import Box, Frame

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = ["check_boxes", "check_other_files", "frames_of", "reference_frames"]


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


def reference_frames(movie: Movie, experiment: Experiment) -> dict[int, Frame]:
    """Return the frames that boxes are drawn in, by their number.

    Raises
    ------
    ConfigError
        One of them cannot be decoded.
    """
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


def check_boxes(experiment: Experiment, movie: Movie) -> None:
    """Find boxes and points that the frame does not hold.

    Raises
    ------
    ConfigError
    """
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


def _point_of(experiment: Experiment, key: str) -> tuple[float, float] | None:
    name, _, rest = key.partition(".")
    return getattr(experiment, name).point_px if rest == "box_px" and name in TARGETS else None


def _short(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value


def check_other_files(experiment: Experiment, frame_range: range) -> None:
    """Find a log or a section that cannot be read, or a log that does not cover the frames.

    Raises
    ------
    ConfigError
    """
    if experiment.log is not None:
        from tem_track.growth import at_times

        log = read_log_of(experiment, 0.0)
        interval_s = experiment.calibration.frame_interval_s
        if interval_s is not None and experiment.log.marker_column is None:
            at_times(log, interval_s * np.array([frame_range[0], frame_range[-1]]))
    if experiment.specimen is not None and experiment.specimen.section is not None:
        from tem_track.tilt_series import read_area_ratio

        read_area_ratio(experiment.resolve(experiment.specimen.section))

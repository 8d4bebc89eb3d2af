"""The sections of an experiment, checked as they are built."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tem_track.config.messages import HINTS, explain
from tem_track.errors import ConfigError
from tem_track.records import Axis, Box, Mode, Polarity, Reference, Target
from tem_track.shapes import TABLE, stressed_as

__all__ = [
    "Calibration",
    "Cantilever",
    "Corrections",
    "Experiment",
    "FrameRange",
    "Log",
    "Quality",
    "ReferenceFrame",
    "Specimen",
    "Tracked",
    "experiment_from_dict",
    "facing_point_px",
]


def _number(value: object) -> object:
    """Refuse what pydantic would quietly turn into a number: booleans and strings."""
    if isinstance(value, bool | str):
        raise ValueError("must be a number")
    return value


def _shape(value: object) -> object:
    """Refuse a shape that is not in the table."""
    if not isinstance(value, str) or value not in TABLE:
        names = " or ".join(f"'{name}'" for name in TABLE)
        raise PydanticCustomError(
            "literal_error", "Input should be {expected}", {"expected": names}
        )
    return value


Shape = Annotated[str, BeforeValidator(_shape)]
Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Positive = Annotated[float, BeforeValidator(_number), Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, BeforeValidator(_number), Field(ge=0, allow_inf_nan=False)]
Whole = Annotated[int, BeforeValidator(_number)]
BoxPx = tuple[Number, Number, Positive, Positive]
PointPx = tuple[Number, Number]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=False)


class Calibration(_Section):
    """Pixel size and clock."""

    scale_nm_per_px: Positive
    u_scale_nm_per_px: NotNegative | None = None
    frame_interval_s: Positive | None = None


class Cantilever(_Section):
    """The lever's stiffness, and the corrections that are off by default."""

    stiffness_N_per_m: Positive
    u_stiffness_N_per_m: NotNegative | None = None
    tilt_deg: Annotated[Number, Field(gt=-90, lt=90)] = 0.0
    tip_height_um: NotNegative = 0.0
    length_um: Positive = 225.0
    behind_apex_um: NotNegative = 0.0


class ReferenceFrame(_Section):
    """A further frame in which a target's box is known."""

    frame: Annotated[Whole, Field(ge=0)]
    box_px: BoxPx


class Tracked(_Section):
    """A target: its box in the reference frame, the point that is read, its later looks."""

    box_px: BoxPx
    point_px: PointPx | None = None
    reference: tuple[ReferenceFrame, ...] = ()

    @property
    def box(self) -> Box:
        """The box in the reference frame."""
        return Box(*self.box_px)


class Corrections(_Section):
    """What a careful experimenter corrects for; all of it is off by default."""

    out_of_plane_deg: Annotated[Number, Field(gt=-90, lt=90)] = 0.0
    off_axis_deg: Annotated[Number, Field(gt=-90, lt=90)] = 0.0
    base_modulus_GPa: Positive | None = None
    base_poisson: Annotated[Number, Field(gt=-1, le=0.5)] | None = None
    poisson: Annotated[Number, Field(gt=-1, le=0.5)] | None = None


class Specimen(_Section):
    """What is loaded."""

    box_px: BoxPx
    shape: Shape
    area_model: str | None = None
    material: str = ""
    growth_direction: str = ""
    section: Path | None = None

    @property
    def box(self) -> Box:
        """The box in the reference frame."""
        return Box(*self.box_px)


class Log(_Section):
    """The electrical log beside the movie."""

    file: Path
    time_column: str
    potential_column: str | None = None
    potential_unit: str = "V"
    current_column: str | None = None
    current_unit: str = "A"
    offset_s: Number | None = None
    movie_start: datetime | None = None
    marker_column: str | None = None
    marker_frame: Annotated[Whole, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _one_way_to_line_up(self) -> Log:
        if (self.marker_column is None) != (self.marker_frame is None):
            raise ValueError(
                "needs marker_column and marker_frame together: the column that marks a moment,"
                " and the frame that shows it"
            )
        ways = [self.offset_s, self.movie_start, self.marker_frame]
        if sum(way is not None for way in ways) > 1:
            raise ValueError(
                "is lined up in one way: give one of offset_s, movie_start, or marker_column with"
                " marker_frame"
            )
        if self.potential_column is None and self.current_column is None:
            raise ValueError("needs potential_column or current_column, or both")
        return self


class FrameRange(_Section):
    """Which frames are measured, and which one the boxes are drawn in."""

    first: Annotated[Whole, Field(ge=0)] = 0
    last: Annotated[Whole, Field(ge=-1)] = -1
    reference: Annotated[Whole, Field(ge=0)] = 0
    zero: tuple[Whole, Whole] | None = None

    @model_validator(mode="after")
    def _in_order(self) -> FrameRange:
        if self.last != -1 and self.last < self.first:
            raise ValueError(
                f"frames.last = {self.last} is before frames.first = {self.first}: no frame is"
                " left; give last = -1 for the movie's last frame"
            )
        if self.zero is not None and not 0 <= self.zero[0] <= self.zero[1]:
            raise ValueError(
                f"frames.zero = {list(self.zero)} must be [first, last] with 0 <= first <= last"
            )
        return self


class Quality(_Section):
    """When a run counts as failed."""

    max_lost_fraction: Annotated[Number, Field(ge=0, le=1)] = 0.05


class Experiment(_Section):
    """One movie, what is in it, and its calibration."""

    movie: Path
    mode: Mode
    polarity: Polarity = "dark"
    axis_deg: Annotated[Number, Field(ge=-180, le=180)] | None = None
    calibration: Calibration
    cantilever: Cantilever | None = None
    bar: Tracked | None = None
    tip: Tracked | None = None
    specimen: Specimen | None = None
    base: Tracked | None = None
    log: Log | None = None
    corrections: Corrections = Corrections()
    frames: FrameRange = FrameRange()
    quality: Quality = Quality()

    _folder: Path = PrivateAttr(default=Path())
    _source: str = PrivateAttr(default="experiment")

    @field_validator("movie")
    @classmethod
    def _movie_named(cls, value: Path) -> Path:
        if str(value) in ("", "."):
            raise ValueError("names no file; give the movie's path")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Experiment:
        if self.mode == "growth":
            if self.specimen is None:
                raise ValueError("specimen is missing: growth needs [specimen] with its box_px")
            return self
        if self.outline_alone:
            return self
        for name in ("cantilever", "bar", "tip"):
            if getattr(self, name) is None:
                raise ValueError(f"{name} is missing: {HINTS[name]}")
        self._check_area_model()
        return self

    @property
    def outline_alone(self) -> bool:
        """Whether a loaded specimen is outlined without its load: no lever, bar or tip is named."""
        named = (self.cantilever, self.bar, self.tip)
        return self.mode != "growth" and self.specimen is not None and not any(named)

    def _check_area_model(self) -> None:
        if self.specimen is None or self.specimen.area_model is None:
            return
        from tem_track.mechanics import area_model_names

        names = area_model_names(stressed_as(self.specimen.shape), self.mode)
        if self.specimen.area_model not in names:
            raise ValueError(
                f"specimen.area_model = '{self.specimen.area_model}' is not an area model of a"
                f" {self.specimen.shape} in {self.mode}: choose one of {', '.join(names)}"
            )

    @property
    def source(self) -> str:
        """Name for messages: the experiment file, where there is one."""
        return self._source

    @property
    def folder(self) -> Path:
        """The folder that paths in the experiment are relative to."""
        return self._folder

    @property
    def movie_path(self) -> Path:
        """The movie's path, relative ones resolved against the experiment's folder."""
        return self.resolve(self.movie)

    @property
    def axis(self) -> Axis | None:
        """The loading axis where the experiment gives it."""
        return None if self.axis_deg is None else Axis(self.axis_deg)

    def resolve(self, path: Path) -> Path:
        """Return a path of the experiment file as one that can be opened."""
        path = path.expanduser()
        return path if path.is_absolute() else self._folder / path

    @property
    def other_files(self) -> tuple[Path, ...]:
        """What is read beside the movie: the electrical log and the tilt series' cross-section."""
        named = (self.log and self.log.file, self.specimen and self.specimen.section)
        return tuple(self.resolve(path) for path in named if path)

    @property
    def rough_axis(self) -> Axis:
        """The loading axis as given, or else as the boxes lie: up, right, down or left."""
        if self.axis_deg is not None:
            return Axis(self.axis_deg)
        below = self.specimen or self.base
        if self.tip is None or below is None:
            return Axis(0.0)
        (tx, ty), (bx, by) = self.tip.box.centre_px, below.box.centre_px
        angle = math.degrees(math.atan2(tx - bx, by - ty))
        return Axis(90.0 * round(angle / 90.0))

    def targets(self) -> tuple[Target, ...]:
        """Return bar, tip and base, as far as they are named, with the points that are read."""
        named: tuple[tuple[Literal["bar", "tip", "base"], Tracked | None], ...] = (
            ("bar", self.bar),
            ("tip", self.tip),
            ("base", self.base),
        )
        return tuple(
            _target(name, tracked, self.frames.reference, self.rough_axis, self.polarity)
            for name, tracked in named
            if tracked is not None
        )

    def with_values(self, **values: Any) -> Experiment:
        """Return a copy with some of the top-level values replaced, checked again."""
        data = self.model_dump(exclude_none=True) | values
        return experiment_from_dict(data, folder=self._folder, source=self._source)


def _target(
    name: Literal["bar", "tip", "base"],
    tracked: Tracked,
    reference: int,
    axis: Axis,
    polarity: Polarity,
) -> Target:
    first = Reference(reference, tracked.box)
    further = tuple(Reference(r.frame, Box(*r.box_px)) for r in tracked.reference)
    if tracked.point_px is not None:
        point = tracked.point_px
    elif name == "tip":
        point = facing_point_px(tracked.box, axis)
    else:
        point = tracked.box.centre_px
    return Target(name, (first, *further), point, polarity)


def facing_point_px(box: Box, axis: Axis) -> tuple[float, float]:
    """Return the middle (x, y) of the side of the tip's box that faces the specimen.

    It is the side that the loading axis enters, the one that the axis is most normal to.
    """
    cx, cy = box.centre_px
    dx, dy = axis.along
    if abs(dy) >= abs(dx):
        return (cx, cy - math.copysign((box.height_px - 1) / 2, dy))
    return (cx - math.copysign((box.width_px - 1) / 2, dx), cy)


def experiment_from_dict(
    data: Mapping[str, Any], *, folder: Path | None = None, source: str = "experiment"
) -> Experiment:
    """Build an experiment from the same keys as the file's, as plain data.

    Parameters
    ----------
    data : mapping
        The file's tables and keys.
    folder : Path, optional
        Where relative paths begin; by default the working directory.
    source : str
        What errors call it.

    Returns
    -------
    Experiment

    Raises
    ------
    ConfigError
        As `load_experiment` does.
    """
    try:
        experiment = Experiment.model_validate(dict(data))
    except ValidationError as error:
        lines = list(dict.fromkeys(explain(item, Experiment) for item in error.errors()))
        raise ConfigError(f"{source}: {'; '.join(lines)}") from None
    experiment._folder = folder if folder is not None else Path()
    experiment._source = source
    return experiment

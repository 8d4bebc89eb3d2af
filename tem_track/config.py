"""The experiment's TOML as typed models, and every error in it as one line.

The file's keys, units and meanings are listed in the documentation; this module holds what may be
checked without opening the movie.
"""

from __future__ import annotations

import codecs
import difflib
import math
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tomlkit
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
    "Specimen",
    "Tracked",
    "experiment_from_dict",
    "experiment_to_toml",
    "load_experiment",
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
                raise ValueError(f"{name} is missing: {_HINTS[name]}")
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


# --------------------------------------------------------------------------- reading


def load_experiment(path: str | Path) -> Experiment:
    """Read an experiment file.

    Parameters
    ----------
    path : path
        A TOML file; paths in it are relative to it.

    Returns
    -------
    Experiment

    Raises
    ------
    ConfigError
        In one line: the file, the key, what is wrong and how to mend it.
    """
    path = Path(path)
    data = _parse(path)
    _refuse_control_characters(path, data)
    return experiment_from_dict(data, folder=path.parent, source=str(path))


def experiment_from_dict(
    data: Mapping[str, Any], *, folder: Path | None = None, source: str = "experiment"
) -> Experiment:
    """Build an experiment from the same keys as the file's, as plain data.

    Raises
    ------
    ConfigError
        As `load_experiment` does.
    """
    try:
        experiment = Experiment.model_validate(dict(data))
    except ValidationError as error:
        lines = list(dict.fromkeys(_explain(item) for item in error.errors()))
        raise ConfigError(f"{source}: {'; '.join(lines)}") from None
    experiment._folder = folder if folder is not None else Path()
    experiment._source = source
    return experiment


def _parse(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            start = file.read(65536)
        if b"\0" in start and not start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise ConfigError(
                f"{path}: is no experiment file; for a movie, tem-track init writes one"
            )
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such experiment file; check the path") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder; name the experiment file in it") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        hint = ""
        if re.search(r'"[^"\n]*\\[^"\n]*"', text):
            hint = "; a Windows path needs single quotes: movie = 'C:\\data\\movie.avi'"
        elif "Invalid value" in str(error):
            hint = "; after the equals sign stands a number or a text in quotes"
        raise ConfigError(f"{path}: is not valid TOML: {error}{hint}") from None


def _refuse_control_characters(path: Path, data: Mapping[str, Any]) -> None:
    r"""Catch "C:\temp": TOML turns the backslash and the t of a double-quoted path into a tab."""
    for key, value in _strings(data):
        if any(ord(character) < 32 for character in value):
            raise ConfigError(
                f"{path}: {key} = {value!r} holds a control character: in double quotes a"
                " backslash starts an escape; write a Windows path in single quotes"
            )


def _strings(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in data.items():
        if isinstance(value, str):
            yield prefix + key, value
        elif isinstance(value, Mapping):
            yield from _strings(value, f"{prefix}{key}.")


# --------------------------------------------------------------------------- one-line errors

_HINTS = {
    "movie": "name the movie file, e.g. movie = 'nanorod.avi'",
    "mode": 'say mode = "compression", "tension" or "growth"',
    "calibration": "add [calibration] with scale_nm_per_px",
    "calibration.scale_nm_per_px": "give the size of a pixel in nm, e.g. scale_nm_per_px = 1.25",
    "cantilever": "add [cantilever] with stiffness_N_per_m",
    "cantilever.stiffness_N_per_m": "give the lever's stiffness, e.g. stiffness_N_per_m = 6.0",
    "bar": "add [bar] with box_px = [x, y, width, height] of the beam-blocking bar",
    "tip": "add [tip] with box_px = [x, y, width, height] of the cantilever tip",
    "box_px": "four numbers in pixels, box_px = [x, y, width, height]",
    "point_px": "two numbers in pixels, point_px = [x, y]",
    "zero": "two frame numbers, zero = [first, last]",
}


def _hint(key: str) -> str:
    return _HINTS.get(key) or _HINTS.get(key.rsplit(".", 1)[-1], "")


def _key(location: tuple[int | str, ...]) -> str:
    """Return 'tip.reference.0.box_px' without the branch names that pydantic adds."""
    return ".".join(str(part) for part in location)


def _explain(error: Any) -> str:
    key, kind = _key(error["loc"]), error["type"]
    parent = key.rsplit(".", 1)[0]
    if kind == "extra_forbidden":
        return f"unknown key {key}{_nearest(error['loc'])}"
    if kind == "missing":
        if str(error["loc"][-1]).isdigit():
            return f"{parent} has too few numbers: {_hint(parent)}"
        hint = _hint(key)
        return f"{key} is missing" + (f": {hint}" if hint else "")
    if kind == "value_error":
        message = str(error["ctx"]["error"])
        return f"{key} {message}" if key and "." not in message.split(" ")[0] else message
    if kind == "too_long":
        return f"{key} has too many numbers: {_hint(key)}"
    return _explain_value(key, error)


def _explain_value(key: str, error: Any) -> str:
    message, value = str(error["msg"]), error["input"]
    message = message[0].lower() + message[1:].replace("Input should", "must")
    message = message.replace("input should", "must")
    near = ""
    if error["type"] == "literal_error":
        message = f"must be one of {error['ctx']['expected']}"
        names = [
            name.strip("' ") for name in error["ctx"]["expected"].replace(" or ", ",").split(",")
        ]
        match = difflib.get_close_matches(str(value), names, n=1)
        near = f" (did you mean '{match[0]}'?)" if match else ""
    hint = _hint(key)
    mend = f"; {hint}" if hint and error["type"] != "literal_error" else ""
    return f"{key} = {value!r} {message}{near}{mend}"


def _nearest(location: tuple[int | str, ...]) -> str:
    known = _known_keys(location[:-1])
    match = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    if match:
        return f": did you mean {'.'.join([*map(str, location[:-1]), match[0]])}?"
    return f": known here are {', '.join(known)}"


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Experiment
    for part in location:
        if isinstance(part, int):
            continue
        model = _model_of(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _model_of(argument)
        if found is not None:
            return found
    return None


# --------------------------------------------------------------------------- writing


def experiment_to_toml(experiment: Experiment, folder: Path | None = None) -> str:
    """Return the experiment as TOML text that gives the same experiment when read from `folder`.

    Parameters
    ----------
    experiment : Experiment
    folder : path, optional
        Where the text will be stored; relative paths are rewritten for it. Default: unchanged.
    """
    data = experiment.model_dump(exclude_none=True, exclude_defaults=False)
    document = tomlkit.document()
    for key, value in data.items():
        document[key] = _plain(value, experiment, folder)
    text = tomlkit.dumps(document)
    return text


def _plain(value: Any, experiment: Experiment, folder: Path | None) -> Any:
    if isinstance(value, Path):
        text = _relative(value, experiment, folder)
        return tomlkit.string(text, literal="'" not in text)
    if isinstance(value, Mapping):
        table = tomlkit.table()
        for key, item in value.items():
            if item is None or item in ((), []):
                continue
            table[key] = _plain(item, experiment, folder)
        return table
    if isinstance(value, tuple | list):
        if value and isinstance(value[0], Mapping):
            tables = tomlkit.aot()
            for item in value:
                tables.append(_plain(item, experiment, folder))
            return tables
        return [_plain(item, experiment, folder) for item in value]
    return value


def _relative(path: Path, experiment: Experiment, folder: Path | None) -> str:
    if folder is None:
        return path.as_posix()
    target = experiment.resolve(path).resolve()
    try:
        relative = Path(os.path.relpath(target, folder.resolve()))
    except ValueError:  # another drive
        return str(target)
    text = relative.as_posix()
    return str(target) if text.count("../") > 3 else text

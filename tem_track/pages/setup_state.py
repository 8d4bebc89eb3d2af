"""What the set-up page edits: an experiment as plain values, with its movie and its file."""

from __future__ import annotations

import copy
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tem_track.analysis import analyse
from tem_track.config import Experiment, experiment_from_dict
from tem_track.errors import ConfigError, TemTrackError
from tem_track.frames import Movie, open_movie
from tem_track.pages.finished import Finished, read_finished
from tem_track.propose import NAMES, Given, Proposal, propose
from tem_track.propose.writing import experiment_text, merged
from tem_track.records import Image, Mode, Polarity

__all__ = ["FIELDS", "SetupState", "open_setup"]

PREVIEW_FRAMES = 20
"""Frames measured for the preview: some seconds' work."""

FIELDS = (
    "mode",
    "polarity",
    "axis_deg",
    "calibration.scale_nm_per_px",
    "calibration.u_scale_nm_per_px",
    "calibration.frame_interval_s",
    "cantilever.stiffness_N_per_m",
    "cantilever.u_stiffness_N_per_m",
    "bar.box_px",
    "tip.box_px",
    "specimen.box_px",
    "specimen.shape",
    "specimen.material",
    "base.box_px",
    "frames.reference",
    "bar.reference",
    "tip.reference",
    "base.reference",
)
"""Keys of the experiment file that the page edits; all others stay as they are."""

Values = dict[str, Any]


@dataclass
class SetupState:
    """An experiment under construction.

    Attributes
    ----------
    path : Path
        The experiment file; it need not be there yet.
    movie : Movie
    text : str
        The file's text as it was read or proposed; its comments survive.
    proposal : Proposal or None
        Where the boxes were proposed.
    finished : Finished or None
        What a finished run of this experiment found.
    """

    path: Path
    movie: Movie
    text: str
    proposal: Proposal | None = None
    finished: Finished | None = None

    def values(self) -> Values:
        """Return the edited keys with their values; None where one is not given."""
        data = tomllib.loads(self.text)
        return {key: _get(data, key) for key in FIELDS}

    def reference(self) -> int:
        """Return the frame that the boxes are in."""
        return int(_get(tomllib.loads(self.text), "frames.reference") or 0)

    def propose(self, mode: Mode, polarity: Polarity) -> Values:
        """Look for the boxes again, and return what the page shows of them.

        Raises
        ------
        MovieError
        """
        self.proposal = propose(self.movie, mode=mode, polarity=polarity)
        text = experiment_text(self.proposal, "movie", Given())
        data = tomllib.loads(text)
        found = ("axis_deg", "specimen.shape", *(f"{name}.box_px" for name in NAMES))
        values = {key: _get(data, key) for key in found}
        return {"values": values, "reference": self.proposal.reference, **self.findings()}

    def findings(self) -> dict[str, Any]:
        """Return how sure the proposal is, what comes next, and what to do about the rest."""
        if self.proposal is None:
            return {"confidence": {}, "notes": {}, "axis_deg": None, "warnings": []}
        parts = self.proposal.parts
        axis = self.proposal.axis.axis
        return {
            "confidence": {part.name: part.confidence for part in parts},
            "notes": {part.name: part.words for part in parts if part.words},
            "axis_deg": None if axis is None else round(axis.angle_deg, 1) + 0.0,
            "warnings": list(self.proposal.warnings),
        }

    def experiment(self, values: Mapping[str, Any]) -> Experiment:
        """Return the experiment that the file would hold.

        Raises
        ------
        ConfigError
        """
        data = tomllib.loads(merged(self.text, _whole(values)))
        outside = _outside(data, self.movie)
        if outside:
            raise ConfigError("; ".join(outside.values()))
        return experiment_from_dict(data, folder=self.path.parent, source=self.path.name)

    def problems(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Return what is wrong, by the key it concerns; '' holds what concerns the whole."""
        data = tomllib.loads(merged(self.text, _whole(values)))
        outside = _outside(data, self.movie)
        try:
            experiment_from_dict(data, folder=self.path.parent, source=self.path.name)
        except ConfigError as error:
            return outside | _by_key(str(error).removeprefix(f"{self.path.name}: "))
        return outside

    def save(self, values: Mapping[str, Any]) -> None:
        """Write the experiment file; comments survive.

        Raises
        ------
        ConfigError
            Nothing is written then.
        """
        self.experiment(values)
        self.text = merged(self.text, _whole(values))
        part = self.path.with_name(self.path.name + ".part")
        part.write_text(self.text, encoding="utf-8")
        part.replace(self.path)

    def preview(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Measure about twenty frames spread over the movie.

        Raises
        ------
        TemTrackError
        """
        experiment = self.experiment(values)
        reference = min(experiment.frames.reference, len(self.movie) - 1)
        spread = np.linspace(0, len(self.movie) - 1, min(PREVIEW_FRAMES, len(self.movie)))
        numbers = sorted({reference, *(round(float(i)) for i in spread)})
        frames = [frame for frame in self.movie.select(numbers) if frame.ok]
        few = open_movie(np.stack([frame.image for frame in frames]), frame_interval_s=1.0)
        place = [frame.index for frame in frames].index(reference)
        result = analyse(few, _for_few(experiment, place))
        return {
            "frames": [frame.index for frame in frames],
            "outlines": {
                frames[k].index: [[_tenth(v) for v in row] for row in outline]
                for k, outline in result.outlines.items()
            },
            "force_nN": _finite(result.points, "force_nN"),
            "deformation_nm": _finite(result.points, "deformation_nm"),
            "length_nm": _finite(result.points, "length_nm"),
            "lost": _lost(result.points),
        }

    def picture(self, index: int) -> bytes:
        """Return a frame as JPEG, its grey values spread over the range."""
        frame = self.movie[index]
        done, data = cv2.imencode(".jpg", _spread(frame.image), [cv2.IMWRITE_JPEG_QUALITY, 85])
        assert done
        return bytes(data.tobytes())


def open_setup(path: str | Path) -> SetupState:
    """Open a movie, an experiment file or a results folder for setting up.

    Raises
    ------
    ConfigError, MovieError
    """
    path = Path(path)
    if path.is_dir():
        path = _experiment_of(path)
    if path.suffix.lower() == ".toml":
        return _from_file(path)
    target = path.with_suffix(".toml")
    if target.exists():
        return _from_file(target)
    movie = open_movie(path)
    proposal = propose(movie, mode="compression")
    name = path.name if path.parent == target.parent else str(path)
    return SetupState(target, movie, experiment_text(proposal, name, Given()), proposal)


def _experiment_of(folder: Path) -> Path:
    """Return the experiment file that a results folder belongs to."""
    beside = folder.with_suffix(".toml")
    if folder.suffix == ".results" and beside.exists():
        return beside
    if (folder / "experiment.toml").exists():
        return folder / "experiment.toml"
    raise ConfigError(f"{folder}: is a folder without results; name a movie or an experiment file")


def _from_file(path: Path) -> SetupState:
    try:
        text = path.read_text(encoding="utf-8-sig")
        data = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from None
    if not isinstance(data.get("movie"), str):
        raise ConfigError(f"{path}: movie is missing: name the movie file, e.g. movie = 'rod.avi'")
    name = Path(data["movie"]).expanduser()
    movie = open_movie(name if name.is_absolute() else path.parent / name)
    return SetupState(path, movie, text, finished=read_finished(path))


def _get(data: Mapping[str, Any], key: str) -> Any:
    value: Any = data
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _whole(values: Mapping[str, Any]) -> Values:
    """Return the values of known keys; an empty text or None takes a key out of the file."""
    unknown = set(values) - set(FIELDS)
    if unknown:
        raise ConfigError(f"unknown key {sorted(unknown)[0]}")
    kept: Values = {}
    for key, value in values.items():
        kept[key] = None if value in ("", None, []) else value
    without = {key.split(".")[0] for key in kept if key.endswith(".box_px") and kept[key] is None}
    there = {key: v for key, v in kept.items() if key.split(".")[0] not in without}
    return there | dict.fromkeys(without)


def _outside(data: Mapping[str, Any], movie: Movie) -> dict[str, str]:
    """Return what to say of boxes outside the frame and a frame outside the movie, by key."""
    width, height = movie.info.width_px, movie.info.height_px
    said = {}
    reference = _get(data, "frames.reference")
    if _is_number(reference) and reference >= len(movie):
        said["frames.reference"] = (
            f"frames.reference = {reference} is beyond the movie's last frame, {len(movie) - 1}"
        )
    for name in ("bar", "tip", "specimen", "base"):
        box = _get(data, f"{name}.box_px")
        if not (isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))):
            continue
        x, y, w, h = box
        if x < 0 or y < 0 or x + w > width or y + h > height:
            said[f"{name}.box_px"] = (
                f"{name}.box_px = {box} reaches outside the frame, which is {width} px wide and"
                f" {height} px high"
            )
    return said


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _by_key(message: str) -> dict[str, str]:
    """Split a message that names several keys into one for each."""
    parts = re.split(r"; (?=(?:mode|polarity|axis_deg|[a-z]+(?:\.[A-Za-z_0-9]+)+) )", message)
    out: dict[str, str] = {}
    for part in parts:
        found = [key for key in (*FIELDS, "cantilever", "bar", "tip", "specimen") if key in part]
        key = min(found, key=lambda name: (part.index(name), -len(name)), default="")
        key = {"cantilever": "cantilever.stiffness_N_per_m"}.get(key, key)
        key = f"{key}.box_px" if key in ("bar", "tip", "specimen") else key
        out[key] = f"{out[key]}; {part}" if key in out else part
    return out


def _for_few(experiment: Experiment, reference: int) -> Experiment:
    data = copy.deepcopy(experiment.model_dump(exclude_none=True))
    data["frames"] = {"reference": reference}
    data.pop("log", None)
    for name in ("bar", "tip", "base"):
        data.get(name, {}).pop("reference", None)
    return experiment_from_dict(data, folder=experiment.folder, source=experiment.source)


def _finite(points: Any, column: str) -> list[float | None]:
    if column not in points:
        return [None] * len(points)
    return [float(v) if math.isfinite(v) else None for v in points[column].to_numpy(dtype=float)]


def _tenth(value: float) -> float | None:
    return round(float(value), 1) if math.isfinite(value) else None


def _lost(points: Any) -> list[str]:
    return [str(flags) if isinstance(flags, str) else "" for flags in points["flags"]]


def _spread(image: Image) -> Any:
    low, high = (float(v) for v in np.percentile(image, (0.2, 99.8)))
    share = (image.astype(np.float32) - low) / max(high - low, 1e-6)
    return (np.clip(share, 0, 1) * 255).astype(np.uint8)


def as_problem(error: TemTrackError) -> dict[str, str]:
    """Return an error of a measurement as a problem of the whole."""
    return {"": str(error)}

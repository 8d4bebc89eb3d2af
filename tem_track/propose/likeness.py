"""An earlier experiment's boxes, found again in another movie of the same setup."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from tem_track.config import (
    Experiment,
    Tracked,
    experiment_from_dict,
    experiment_to_toml,
    load_experiment,
)
from tem_track.errors import ConfigError, MovieError
from tem_track.frames import open_movie
from tem_track.propose.compose import propose
from tem_track.propose.glance import WORKING_PX, Picture, reduced
from tem_track.propose.proposal import SURE, Proposal
from tem_track.records import Box, Frame, Image

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = ["complete_like", "like"]

ALIKE = 0.7
"""Correlation from which something is taken to be the same thing."""

AXES_ALIKE_DEG = 3.0
"""Difference of two axes that may be an error of the proposal."""

TARGETS = ("bar", "tip", "base")

Shift = tuple[float, float]


def like(movie: Movie, other: Experiment, own: Mapping[str, Any] | None = None) -> Experiment:
    """Return an experiment for a movie with the things of an earlier one found again in it.

    Bar, tip and base are looked for by their picture in the earlier movie; the specimen, which is
    another one, lies between tip and base. What is not recognised is proposed from the movie, and
    so is the loading axis where it is another one.

    Parameters
    ----------
    movie : Movie
    other : Experiment
        The earlier experiment; its movie is read where it is there.
    own : mapping, optional
        What is already said of the new experiment, as in its file; it goes before `other`.

    Raises
    ------
    ConfigError
        Something is neither recognised nor found; the message names it.
    """
    return _like(movie, other, own or {})[0]


def _like(
    movie: Movie, other: Experiment, own: Mapping[str, Any]
) -> tuple[Experiment, tuple[str, ...]]:
    """Return the experiment, and what a person should look at."""
    first = _first_frame(movie)
    proposal = propose(movie, mode=other.mode, polarity=other.polarity)
    shifts = _confirmed(_recognised(first.image, other), other, proposal)
    data = _inherited(other) | {"movie": str(movie.path or other.movie)}
    for name in (*TARGETS, "specimen"):
        if getattr(other, name) is None:
            continue
        box = _moved_box(other, name, shifts, movie)
        if box is None:
            box = _proposed(proposal, name)
        data[name] = _section(other, name, box, shifts.get(name))
    if not _same_axis(other, shifts, proposal):
        data.pop("axis_deg", None)  # `run` finds it where the proposal is not sure
        if proposal.axis.axis is not None and proposal.axis.confidence >= SURE:
            data["axis_deg"] = round(proposal.axis.axis.angle_deg, 1)
    frames = dict(data.get("frames", {})) | {"reference": first.index}
    data = _over(data | {"frames": frames}, own)
    made = experiment_from_dict(data, folder=Path(), source=f"like {other.source}")
    return made, _doubts(made, proposal, own)


def _doubts(made: Experiment, proposal: Proposal, own: Mapping[str, Any]) -> tuple[str, ...]:
    """Say where what was taken over does not look like the new movie."""
    found = proposal.shape
    is_said = "shape" in own.get("specimen", {})
    if is_said or made.specimen is None or found.shape in (None, made.specimen.shape):
        return ()
    if found.confidence < SURE or not proposal.part("specimen").found:
        return ()
    return (
        f"the specimen looks like a {found.shape}, and the earlier experiment has "
        f'shape = "{made.specimen.shape}", which is kept: set shape in [specimen] if it is wrong',
    )


def complete_like(path: str | Path, other: str | Path) -> tuple[Path, tuple[str, ...]]:
    """Complete an experiment file that may hold no more than ``movie``, and write it.

    Returns
    -------
    path : Path
        ``NAME.like.toml`` beside the file: a whole experiment that can be run again.
    warnings : tuple of str
        What was taken over and does not look like the new movie.

    Parameters
    ----------
    path : path
        The file to complete.
    other : path
        An experiment of the same setup, whose targets are found again.

    Raises
    ------
    ConfigError, MovieError
    """
    path = Path(path)
    own = _table(path)
    if not isinstance(own.get("movie"), str):
        raise ConfigError(
            f"{path}: movie is missing: name the movie file, e.g. movie = 'nanorod.avi'"
        )
    earlier = load_experiment(other)
    name = Path(own["movie"]).expanduser()
    movie = open_movie(name if name.is_absolute() else path.parent / name)
    experiment, warnings = _like(movie, earlier, {k: v for k, v in own.items() if k != "movie"})
    written = path.with_name(path.stem + ".like.toml")
    part = written.with_name(written.name + ".part")
    part.write_text(experiment_to_toml(experiment, path.parent), encoding="utf-8")
    part.replace(written)
    return written, warnings


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such experiment file; check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None


def _first_frame(movie: Movie) -> Frame:
    for frame in movie:
        if frame.ok:
            return frame
    raise MovieError(f"{movie.path}: no frame can be decoded")


def _inherited(other: Experiment) -> dict[str, Any]:
    """Return what holds for another movie too: not its log, its frames, its sections."""
    data = other.model_dump(exclude_none=True)
    for name in ("log", "frames", *TARGETS):
        data.pop(name, None)
    data.get("specimen", {}).pop("section", None)
    return data


def _over(data: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data with the own values put over them, table by table."""
    out = dict(data)
    for key, value in own.items():
        both = isinstance(value, Mapping) and isinstance(out.get(key), Mapping)
        out[key] = {**out[key], **value} if both else value
    return out


# --------------------------------------------------------------------------- recognising


def _recognised(image: Image, other: Experiment) -> dict[str, Shift]:
    """Return by how much (x, y) each target that is seen has moved since the earlier movie."""
    try:
        earlier = open_movie(other.movie_path)[other.frames.reference].image
    except MovieError:
        return {}
    step = max(1, round(max(image.shape) / WORKING_PX))
    scene = _smooth(image, step)
    found = {}
    for name in TARGETS:
        tracked = getattr(other, name)
        if tracked is not None:
            shift = _place(scene, _smooth(earlier, step), tracked.box, step)
            if shift is not None:
                found[name] = shift
    return found


def _smooth(image: Image, step: int) -> Picture:
    return np.asarray(cv2.GaussianBlur(reduced(image.astype(np.float32), step), (0, 0), 1.0))


def _place(scene: Picture, earlier: Picture, box: Box, step: int) -> Shift | None:
    x0, y0 = round(box.x_px / step), round(box.y_px / step)
    x1, y1 = round((box.x_px + box.width_px) / step), round((box.y_px + box.height_px) / step)
    template = earlier[y0:y1, x0:x1]
    if min(template.shape) < 4 or any(
        t > s for t, s in zip(template.shape, scene.shape, strict=True)
    ):
        return None
    match = cv2.matchTemplate(scene, template, cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(match)
    return ((x - x0) * float(step), (y - y0) * float(step)) if best >= ALIKE else None


# --------------------------------------------------------------------------- boxes


def _confirmed(
    shifts: Mapping[str, Shift], other: Experiment, proposal: Proposal
) -> dict[str, Shift]:
    """Return the shifts that the movie's own proposal does not contradict."""
    kept = {}
    for name, shift in shifts.items():
        part = proposal.part(name)
        moved: Box = getattr(other, name).box.shifted(*shift)
        if part.box is None or not part.found or _overlap(moved, part.box) >= 0.3:
            kept[name] = shift
    return kept


def _same_axis(other: Experiment, shifts: Mapping[str, Shift], proposal: Proposal) -> bool:
    """Whether the earlier axis holds: all was recognised, and the new movie does not say otherwise.

    What has another direction is not recognised by its picture, or is it only just.
    """
    if other.axis_deg is None or any(
        getattr(other, name) is not None and name not in shifts for name in ("tip", "base")
    ):
        return False
    found = proposal.axis
    if found.axis is None or found.confidence < SURE:
        return True
    off = (found.axis.angle_deg - other.axis_deg + 180.0) % 360.0 - 180.0
    return abs(off) <= AXES_ALIKE_DEG


def _overlap(one: Box, other: Box) -> float:
    """Return the common area over that of both together."""
    wide = min(one.x_px + one.width_px, other.x_px + other.width_px) - max(one.x_px, other.x_px)
    high = min(one.y_px + one.height_px, other.y_px + other.height_px) - max(one.y_px, other.y_px)
    common = max(wide, 0.0) * max(high, 0.0)
    areas = one.width_px * one.height_px + other.width_px * other.height_px
    return common / (areas - common)


def _moved_box(
    other: Experiment, name: str, shifts: Mapping[str, Shift], movie: Movie
) -> Box | None:
    box: Box = getattr(other, name).box
    if name != "specimen":
        moved = box.shifted(*shifts[name]) if name in shifts else None
    elif "tip" in shifts and ("base" in shifts or other.base is None):
        moved = _between(box, shifts["tip"], shifts.get("base", shifts["tip"]), other)
    else:
        return None
    return None if moved is None else _inside(moved, movie)


def _between(box: Box, tip: Shift, base: Shift, other: Experiment) -> Box | None:
    """Return the specimen's box, its one end moved as the tip and its other as the base."""
    dx, dy = other.rough_axis.along
    x0, y0, x1, y1 = box.x_px, box.y_px, box.x_px + box.width_px, box.y_px + box.height_px
    mean = ((tip[0] + base[0]) / 2, (tip[1] + base[1]) / 2)
    if abs(dy) >= abs(dx):
        upper, lower = (tip, base) if dy < 0 else (base, tip)
        x0, x1, y0, y1 = x0 + mean[0], x1 + mean[0], y0 + upper[1], y1 + lower[1]
    else:
        left, right = (tip, base) if dx < 0 else (base, tip)
        x0, x1, y0, y1 = x0 + left[0], x1 + right[0], y0 + mean[1], y1 + mean[1]
    return Box(x0, y0, x1 - x0, y1 - y0) if x1 - x0 >= 8 and y1 - y0 >= 8 else None


def _inside(box: Box, movie: Movie) -> Box | None:
    x0, y0 = max(box.x_px, 0.0), max(box.y_px, 0.0)
    x1 = min(box.x_px + box.width_px, float(movie.info.width_px))
    y1 = min(box.y_px + box.height_px, float(movie.info.height_px))
    cut = Box(math.floor(x0), math.floor(y0), math.floor(x1 - x0), math.floor(y1 - y0))
    whole = 0.6 * box.width_px * box.height_px
    return cut if cut.width_px * cut.height_px >= whole else None


def _proposed(proposal: Proposal, name: str) -> Box:
    part = proposal.part(name)
    if part.box is None or not part.found:
        raise ConfigError(
            f"{name}: not recognised from the earlier movie, and not found in the new one;"
            f" give [{name}] box_px in the new experiment file, or draw it with tem-track setup"
        )
    return part.box


def _section(other: Experiment, name: str, box: Box, shift: Shift | None) -> dict[str, Any]:
    earlier = getattr(other, name)
    section: dict[str, Any] = {"box_px": list(box.as_tuple())}
    if isinstance(earlier, Tracked):
        if earlier.point_px is not None and shift is not None:
            section["point_px"] = [p + s for p, s in zip(earlier.point_px, shift, strict=True)]
        return section
    kept: dict[str, Any] = earlier.model_dump(exclude_none=True, exclude={"box_px", "section"})
    return section | kept

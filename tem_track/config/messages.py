"""What is wrong with an experiment file, in one line that says how to mend it."""

from __future__ import annotations

import difflib
from typing import Any, get_args

from pydantic import BaseModel

__all__ = ["HINTS", "explain"]


HINTS = {
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


def explain(error: Any, model: type[BaseModel]) -> str:
    """Return one of pydantic's errors as a line that names the key.

    Parameters
    ----------
    error : dict
        One of `ValidationError.errors()`.
    model : type
        What was validated: its keys are the known ones.
    """
    key, kind = _key(error["loc"]), error["type"]
    parent = key.rsplit(".", 1)[0]
    if kind == "extra_forbidden":
        return f"unknown key {key}{_nearest(error['loc'], model)}"
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


def _hint(key: str) -> str:
    return HINTS.get(key) or HINTS.get(key.rsplit(".", 1)[-1], "")


def _key(location: tuple[int | str, ...]) -> str:
    """Return 'tip.reference.0.box_px' without the branch names that pydantic adds."""
    return ".".join(str(part) for part in location)


def _nearest(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    known = _known_keys(location[:-1], model)
    match = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    if match:
        return f": did you mean {'.'.join([*map(str, location[:-1]), match[0]])}?"
    return f": known here are {', '.join(known)}"


def _known_keys(location: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
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

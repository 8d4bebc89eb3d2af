"""An experiment file read."""

from __future__ import annotations

import codecs
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tem_track.config.models import Experiment, experiment_from_dict
from tem_track.errors import ConfigError

__all__ = ["load_experiment"]


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

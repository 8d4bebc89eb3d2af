"""An experiment written as a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit

from tem_track.config.models import Experiment

__all__ = ["experiment_to_toml"]


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
    return tomlkit.dumps(document)


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

"""The microscopes' own formats (DM3, DM4, SER, EMI, MRC, TVIPS) through the extra `em`.

RosettaSciIO is imported only when such a file is opened.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tem_track.errors import MovieError
from tem_track.frames.arrays import as_image, depth_of
from tem_track.frames.info import MovieInfo
from tem_track.frames.movie import Picture
from tem_track.frames.units import common_scale_nm_per_px, length_nm, time_interval_s
from tem_track.records import FloatArray

__all__ = ["EM_SUFFIXES", "MicroscopeSource"]

EM_SUFFIXES = {
    ".dm3": "digitalmicrograph",
    ".dm4": "digitalmicrograph",
    ".ser": "tia",
    ".emi": "tia",
    ".mrc": "mrc",
    ".mrcs": "mrc",
    ".tvips": "tvips",
}


def _reader(path: Path) -> Any:
    module = EM_SUFFIXES[path.suffix.lower()]
    try:
        return importlib.import_module(f"rsciio.{module}")
    except ImportError as error:
        raise MovieError(
            f"{path.name}: {path.suffix.lower()} files need an extra; "
            "install it with: pip install 'tem-track[em]'"
        ) from error


def _datasets(path: Path) -> list[dict[str, Any]]:
    reader = _reader(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: list[dict[str, Any]] = reader.file_reader(str(path), lazy=True)
    except Exception as error:  # the readers raise whatever their parsing meets
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise MovieError(
            f"{path.name}: cannot be read as {path.suffix.lower()} ({reason}); export it as TIFF"
        ) from error
    return found


class MicroscopeSource:
    """Frames of a microscope's own file."""

    path: Path | None

    def __init__(self, path: Path) -> None:
        self.path = self._file = path
        axes, self._stack = self._open()
        y, x = axes[-2], axes[-1]
        scale, notes = common_scale_nm_per_px(
            path.name,
            length_nm(float(x["scale"]), x.get("units")),
            length_nm(float(y["scale"]), y.get("units")),
        )
        self.info = MovieInfo(
            format=path.suffix.lower().lstrip("."),
            codec="",
            width_px=int(self._stack.shape[2]),
            height_px=int(self._stack.shape[1]),
            bit_depth=depth_of(self._stack.dtype),
            grey="grey as stored",
            header_frames=int(self._stack.shape[0]),
            frame_interval_s=_interval(axes),
            scale_nm_per_px=scale,
            warnings=notes,
        )

    def _open(self) -> tuple[list[dict[str, Any]], Any]:
        """Return the axes and the stack, shape (frames, height, width), still on disk."""
        images = [d for d in _datasets(self._file) if getattr(d["data"], "ndim", 0) in (2, 3)]
        if len(images) != 1:
            raise MovieError(
                f"{self._file.name}: holds {len(images)} image stacks instead of one; "
                "export the movie as a TIFF stack"
            )
        data = images[0]["data"]
        return images[0]["axes"], data if data.ndim == 3 else data[np.newaxis]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_stack": None}

    def count(self) -> int:
        """Return the number of frames."""
        return self.info.header_frames or 0

    def times_s(self) -> FloatArray:
        """Return the times by the file's frame time; NaN where it has none."""
        interval_s = self.info.frame_interval_s
        return np.arange(self.count(), dtype=np.float64) * (
            math.nan if interval_s is None else interval_s
        )

    def read(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Yield the pictures of rising frame numbers."""
        if self._stack is None:
            self._stack = self._open()[1]
        for index in indices:
            try:
                values = self._stack[index].compute(scheduler="synchronous")
            except (OSError, ValueError, TypeError, IndexError) as error:
                yield None, f"cannot be read ({error})"
            else:
                yield as_image(np.asarray(values)), ""


def _interval(axes: list[dict[str, Any]]) -> float | None:
    if len(axes) < 3:
        return None
    return time_interval_s(float(axes[0]["scale"]), axes[0].get("units"))

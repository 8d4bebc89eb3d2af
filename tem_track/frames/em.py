"""The microscopes' own formats (DM3, DM4, SER, EMI, MRC, TVIPS) with the extra `em`.

RosettaSciIO, imported only when such a file is opened, reads the tags of DM and MRC files. Its
readers fetch a SER file whole and DM and MRC files in pieces of a hundred megabytes, and refuse a
cut one; so pixels are read from where they lie, frame by frame.
"""

from __future__ import annotations

import contextlib
import glob
import importlib
import logging
import math
import re
import struct
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tem_track.errors import MovieError
from tem_track.frames.arrays import as_image, depth_of
from tem_track.frames.em_layout import Layout, in_one_run, ser_layout, tvips_layout, tvips_parts
from tem_track.frames.info import MovieInfo
from tem_track.frames.movie import Picture
from tem_track.frames.units import common_scale_nm_per_px, length_nm, time_interval_s
from tem_track.records import FloatArray

__all__ = ["EM_SUFFIXES", "MicroscopeSource", "files_of"]

_DIFFRACTION = re.compile(rb"<Label>Mode</Label>\s*<Value>[^<]*Diffraction")
_MRC_HEADER_BYTES = 1024
_MOST_MISSING = 1000
"""A header that promises so many times what the file holds is damaged, not of a cut file."""


@dataclass(frozen=True, slots=True, eq=False)
class _Tagged:
    """A layout and what the tags say: scale along x and y, frame interval."""

    layout: Layout
    x_nm: float | None = None
    y_nm: float | None = None
    interval_s: float | None = None


def _reader(path: Path, module: str) -> Any:
    try:
        return importlib.import_module(f"rsciio.{module}")
    except ImportError as error:
        raise MovieError(
            f"{path.name}: {path.suffix.lower()} files need an extra; "
            "install it with: pip install rosettasciio"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the readers' words to themselves: what matters of them becomes an error of ours."""
    log = logging.getLogger("rsciio")
    before = log.disabled, log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.disabled, log.level = before


def _only_stack(path: Path, module: str) -> dict[str, Any]:
    """Return RosettaSciIO's word on the only stack of images in a file."""
    reader = _reader(path, module)
    try:
        with _quiet():
            found: list[dict[str, Any]] = reader.file_reader(str(path), lazy=True)
    except Exception as error:  # the readers raise whatever their parsing meets
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise MovieError(
            f"{path.name}: cannot be read as {path.suffix.lower()} ({reason}); export it as TIFF"
        ) from error
    images = [d for d in found if getattr(d["data"], "ndim", 0) in (2, 3)]
    if len(images) != 1:
        raise MovieError(
            f"{path.name}: holds {len(images)} image stacks instead of one; "
            "export the movie as a TIFF stack"
        )
    return images[0]


def _tagged(path: Path, stack: dict[str, Any], offset: int) -> _Tagged:
    axes, data = stack["axes"], stack["data"]
    frames = int(data.shape[0]) if data.ndim == 3 else 1
    height, width = (int(n) for n in data.shape[-2:])
    y, x = axes[-2], axes[-1]
    return _Tagged(
        in_one_run(path, np.dtype(data.dtype), (frames, height, width), offset),
        length_nm(_number(x), x.get("units")),
        length_nm(_number(y), y.get("units")),
        time_interval_s(_number(axes[0]), axes[0].get("units")) if len(axes) > 2 else None,
    )


def _number(axis: dict[str, Any]) -> float:
    """Return an axis' step without the tail that 32-bit numbers grow when they are widened."""
    return float(f"{float(axis['scale']):.7g}")


def _check_whole_dm(path: Path) -> None:
    """Refuse a cut DM file: the tags behind its pixels tell the size of the images.

    Raises
    ------
    MovieError
    """
    with path.open("rb") as file:
        head = file.read(12)
    version = int.from_bytes(head[:4], "big")
    promised = int.from_bytes(head[4:8] if version == 3 else head[4:12], "big")
    held = path.stat().st_size
    if version in (3, 4) and held < promised < _MOST_MISSING * held:
        raise MovieError(
            f"{path.name}: is cut ({held} of {promised} bytes); the tags behind its pixels, which "
            "tell their size, are not whole, so that none can be read; copy it again"
        )


def _dm(path: Path) -> _Tagged:
    _check_whole_dm(path)
    stack = _only_stack(path, "digitalmicrograph")
    image = stack["original_metadata"]["ImageList"]["TagGroup0"]["ImageData"]
    if image["Data"].get("endian", "little") != "little":
        raise MovieError(f"{path.name}: stores its pixels big-endian; export it as TIFF")
    data = stack["data"]
    if int(image["Data"]["size_bytes"]) != data.size * data.dtype.itemsize:
        raise MovieError(f"{path.name}: its tags contradict each other; export it again")
    return _tagged(path, stack, int(image["Data"]["offset"]))


def _mrc(path: Path) -> _Tagged:
    with path.open("rb") as file:
        sizes = np.fromfile(file, "<i4", 3).astype(float)
    if sizes.size < 3 or np.any(sizes < 1) or np.prod(sizes) > _MOST_MISSING * path.stat().st_size:
        raise MovieError(f"{path.name}: its header is damaged, or it is no MRC file")
    stack = _only_stack(path, "mrc")
    header = stack["original_metadata"]["std_header"]
    return _tagged(path, stack, _MRC_HEADER_BYTES + int(header["NEXT"]))


def _ser(path: Path) -> _Tagged:
    _reader(path, "tia")
    layout = ser_layout(path)
    x_m, y_m = layout.scale_nm_per_px or (0.0, 0.0)
    return _Tagged(layout, length_nm(x_m, "nm"), length_nm(y_m, "nm"))


def _emi(path: Path) -> _Tagged:
    """Read the series beside an EMI file, whose own text says whether it is of images."""
    series = files_of(path)[1:]
    if len(series) != 1:
        raise MovieError(
            f"{path.name}: has {len(series)} series beside it ({path.stem}_1.ser, ...) "
            "instead of one; name the .ser file of the movie"
        )
    tagged = _ser(series[0])
    if _DIFFRACTION.search(path.read_bytes()):
        return _Tagged(tagged.layout)
    return tagged


def _tvips(path: Path) -> _Tagged:
    _reader(path, "tvips")
    layout = tvips_layout(path)
    x_nm, y_nm = layout.scale_nm_per_px or (None, None)
    return _Tagged(layout, x_nm, y_nm)


EM_SUFFIXES: dict[str, Callable[[Path], _Tagged]] = {
    ".dm3": _dm,
    ".dm4": _dm,
    ".ser": _ser,
    ".emi": _emi,
    ".mrc": _mrc,
    ".mrcs": _mrc,
    ".tvips": _tvips,
}


def files_of(path: Path) -> tuple[Path, ...]:
    """Return the files that hold a movie's frames and tags, the named one first.

    Raises
    ------
    MovieError
        If it is a later part of a recording.
    """
    if path.suffix.lower() == ".emi":
        return path, *sorted(path.parent.glob(f"{glob.escape(path.stem)}_[0-9]*.ser"))
    return tvips_parts(path) if path.suffix.lower() == ".tvips" else (path,)


class MicroscopeSource:
    """Frames of a microscope's own file."""

    path: Path | None

    def __init__(self, path: Path) -> None:
        self.path = path
        kind = path.suffix.lower()
        try:
            tagged = EM_SUFFIXES[kind](path)
        except (OSError, ValueError, KeyError, IndexError, OverflowError, struct.error) as error:
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            raise MovieError(
                f"{path.name}: cannot be read as {kind} ({reason}); export it as TIFF"
            ) from error
        self._layout = layout = tagged.layout.held()
        scale, notes = common_scale_nm_per_px(path.name, tagged.x_nm, tagged.y_nm)
        self._times_s, interval_s, clock_notes = _clock(layout, tagged.interval_s)
        self.info = MovieInfo(
            format=kind.lstrip("."),
            codec="",
            width_px=layout.width_px,
            height_px=layout.height_px,
            bit_depth=depth_of(layout.dtype),
            grey="grey as stored",
            header_frames=layout.promised,
            frame_interval_s=interval_s,
            scale_nm_per_px=scale,
            warnings=(*layout.warnings, *notes, *clock_notes),
        )

    def count(self) -> int:
        """Return the number of frames that the file really holds."""
        return len(self._layout.offset)

    def times_s(self) -> FloatArray:
        """Return the times by the file's tags; NaN where it has none."""
        return self._times_s

    def read(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Yield the pictures of rising frame numbers."""
        layout, pixels = self._layout, self._layout.height_px * self._layout.width_px
        with contextlib.ExitStack() as files:
            opened = [files.enter_context(f.open("rb", buffering=0)) for f in layout.files]
            for index in indices:
                if layout.offset[index] < 0:
                    yield None, "its header is damaged"
                    continue
                file = opened[layout.part[index]]
                file.seek(int(layout.offset[index]))
                values = np.fromfile(file, layout.dtype, pixels)
                if values.size < pixels:
                    yield None, "the file has become shorter"
                    continue
                rows = values.reshape(layout.height_px, layout.width_px)
                yield as_image(rows[::-1] if layout.from_below else rows), ""


def _clock(
    layout: Layout, interval_s: float | None
) -> tuple[FloatArray, float | None, tuple[str, ...]]:
    """Return the times of the frames, their interval where the tags give one, and warnings.

    Some programs stamp frames to the whole second. Where several then share a stamp, the frames
    are taken as regular between the first stamp and the last.
    """
    n = len(layout.offset)
    numbers = np.arange(n, dtype=np.float64)
    if interval_s is not None:
        return numbers * interval_s, interval_s, ()
    stamp_s = layout.stamp_s
    if stamp_s is None or n < 2 or np.any(np.diff(stamp_s) < 0) or stamp_s[-1] == stamp_s[0]:
        return numbers * math.nan, None, ()
    if np.all(np.diff(stamp_s) > 0):
        steps = np.diff(stamp_s)
        return stamp_s - stamp_s[0], float(np.median(steps)), ()
    mean_s = float(stamp_s[-1] - stamp_s[0]) / (n - 1)
    note = (
        "the tags tell time only to the second; the frames are taken as regular, "
        f"one every {mean_s:.3g} s"
    )
    return numbers * mean_s, mean_s, (note,)

"""Where the frames of SER, TVIPS, MRC and DM files lie, so that one is read without the others.

Formats: SER as described by C. Boothroyd, "The FEI/Emispec .ser file format" (2006); TVIPS by the
header that EM-Menu writes before every frame; MRC2014 (A. Cheng et al., J. Struct. Biol. 192,
146, 2015). All numbers are little-endian.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tem_track.errors import MovieError
from tem_track.records import FloatArray

__all__ = ["Layout", "in_one_run", "ser_layout", "tvips_layout", "tvips_parts"]

_SER_TYPES = {1: "u1", 2: "<u2", 3: "<u4", 4: "i1", 5: "<i2", 6: "<i4", 7: "<f4", 8: "<f8"}
_SER_IMAGES = 0x4122
_SER_LONG_OFFSETS = 0x220
"""SER files (TIA): the kinds of pixel, the word for images, and the version from which on offsets
have 8 bytes."""
_SER_HEAD = struct.Struct("<ddiddiHii")
_TVIPS_HEAD = struct.Struct("<13I")
_TVIPS_FRAME = struct.Struct("<4If2I")
_DIFFRACTION = 2
"""The mode of a TVIPS frame in which its scale is an angle's."""
_LONGEST_PAUSE_S = 86_400.0
"""A day: stamps further apart are of two recordings, or damaged."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The frames of a file whose pixels are stored as they are.

    Attributes
    ----------
    dtype : numpy.dtype
        Type of a stored pixel.
    height_px, width_px : int
    offset : NDArray, shape (n,)
        Where each frame's pixels begin, in bytes; -1 for a frame that is lost.
    files : tuple of Path
        The file, or the parts into which the recording program has split it.
    part : NDArray, shape (n,)
        In which of the files each frame lies.
    promised : int
        Number of frames that the header states.
    from_below : bool
        Whether the rows are stored from the lowest one up.
    stamp_s : FloatArray or None
        When each frame was taken, in seconds, where the file says so for every frame.
    scale_nm_per_px : tuple of float or None
        Scale along x and along y, where the layout's own header states it.
    warnings : tuple of str
    """

    dtype: np.dtype[Any]
    height_px: int
    width_px: int
    offset: NDArray[np.int64]
    files: tuple[Path, ...]
    part: NDArray[np.int64]
    promised: int
    from_below: bool = False
    stamp_s: FloatArray | None = None
    scale_nm_per_px: tuple[float, float] | None = None
    warnings: tuple[str, ...] = ()

    @property
    def frame_bytes(self) -> int:
        """Size of the pixels of one frame."""
        return self.height_px * self.width_px * self.dtype.itemsize

    def held(self) -> Layout:
        """Return the layout without the frames that lie beyond the end of a cut file.

        Raises
        ------
        MovieError
            If not even the first frame is there.
        """
        sizes = np.array([file.stat().st_size for file in self.files], np.int64)
        whole = self.offset + self.frame_bytes <= sizes[self.part]
        n = len(whole) if whole.all() else int(np.argmin(whole))
        name = self.files[0].name
        if n < 1:
            raise MovieError(f"{name}: is cut before its first image ends; copy it again")
        cut = (f"the file is cut: {n} of {self.promised} frames are there",)
        return replace(
            self,
            offset=self.offset[:n],
            part=self.part[:n],
            stamp_s=None if self.stamp_s is None else self.stamp_s[:n],
            warnings=self.warnings + (cut if n < self.promised else ()),
        )


def in_one_run(
    path: Path, dtype: np.dtype[Any], shape: tuple[int, int, int], offset: int
) -> Layout:
    """Return the layout of frames that follow one another without anything between them.

    Parameters
    ----------
    path : Path
    dtype : numpy.dtype
    shape : tuple of int
        Frames, height, width.
    offset : int
        Where the first frame begins, in bytes.

    Raises
    ------
    MovieError
        The images have no pixels.
    """
    promised, height, width = shape
    step = height * width * dtype.itemsize
    if step < 1:
        raise MovieError(f"{path.name}: its images have no pixels; export it again")
    frames = min(promised, path.stat().st_size // step + 1)
    return Layout(
        dtype=dtype,
        height_px=height,
        width_px=width,
        offset=offset + step * np.arange(frames, dtype=np.int64),
        files=(path,),
        part=np.zeros(frames, np.int64),
        promised=promised,
    )


def ser_layout(path: Path) -> Layout:
    """Return the layout of a SER file, the series of images of FEI's TIA.

    Raises
    ------
    MovieError
        If it holds no images, or images of different sizes.
    """
    with path.open("rb") as file:
        head = file.read(34)
        if len(head) < 34 or head[:4] != b"II\x97\x01":
            raise MovieError(f"{path.name}: is no SER file; export the series again from TIA")
        version, kind, _, total, valid = struct.unpack_from("<H4I", head, 4)
        wide = version >= _SER_LONG_OFFSETS
        table = struct.unpack_from("<Q" if wide else "<I", head, 22)[0]
        if kind != _SER_IMAGES:
            raise MovieError(f"{path.name}: holds spectra, not images; name the images' file")
        end_of_table = table + 2 * total * (8 if wide else 4)
        if not 0 < valid <= total or end_of_table > path.stat().st_size:
            raise MovieError(f"{path.name}: holds no images; the recording was never finished")
        file.seek(table)
        places = np.fromfile(file, "<u8" if wide else "<u4", 2 * total).astype(np.int64)
        heads = [_ser_head(file, int(at)) for at in places[:valid]]
        stamps = [_ser_stamp(file, int(at)) for at in places[total : total + valid]]
    usual, agreeing = Counter(h for h in heads if h is not None).most_common(1)[0]
    if 2 * agreeing <= len(heads):
        raise MovieError(f"{path.name}: holds images of different sizes; export them apart")
    delta_x_m, delta_y_m, (code, width, height) = usual[1], usual[4], usual[6:]
    if code not in _SER_TYPES or min(width, height) < 1:
        raise MovieError(f"{path.name}: its pixels are of type {code}, which is no grey value")
    return Layout(
        dtype=np.dtype(_SER_TYPES[code]),
        height_px=height,
        width_px=width,
        offset=np.where(
            [_same(h, usual) for h in heads], places[: len(heads)] + _SER_HEAD.size, -1
        ),
        files=(path,),
        part=np.zeros(len(heads), np.int64),
        promised=int(valid),
        from_below=True,
        stamp_s=None if None in stamps or len(stamps) < valid else np.array(stamps, np.float64),
        scale_nm_per_px=(1e9 * delta_x_m, 1e9 * delta_y_m),
    )


def _same(head: tuple[Any, ...] | None, usual: tuple[Any, ...]) -> bool:
    """Return whether an image is of the size and type of the others; one beyond a cut is."""
    return head is None or head == usual


def _ser_head(file: Any, place: int) -> tuple[Any, ...] | None:
    file.seek(place)
    data = file.read(_SER_HEAD.size)
    return _SER_HEAD.unpack(data) if len(data) == _SER_HEAD.size else None


def _ser_stamp(file: Any, place: int) -> int | None:
    file.seek(place)
    data = file.read(8)
    return int(struct.unpack("<4xI", data)[0]) if len(data) == 8 else None


def tvips_layout(path: Path) -> Layout:
    """Return the layout of a TVIPS recording and of the parts that continue it.

    Raises
    ------
    MovieError
        If it is no TVIPS file, or one of the later parts.
    """
    files = tvips_parts(path)
    with path.open("rb") as file:
        data = file.read(_TVIPS_HEAD.size)
    if len(data) < _TVIPS_HEAD.size:
        raise MovieError(f"{path.name}: is cut inside its header; copy it again")
    size, version, width, height, bits = _TVIPS_HEAD.unpack(data)[:5]
    pixel_nm, extra = _TVIPS_HEAD.unpack(data)[9], _TVIPS_HEAD.unpack(data)[12]
    if version not in (1, 2) or bits not in (8, 16, 32) or not 0 < width * height < 1 << 28:
        raise MovieError(f"{path.name}: is no TVIPS file of a known version; export it as TIFF")
    dtype = np.dtype(f"<u{bits // 8}")
    before = 12 if version == 1 else extra
    step = before + width * height * dtype.itemsize
    starts = [size] + [0] * (len(files) - 1)
    frames = [-(-(f.stat().st_size - at) // step) for f, at in zip(files, starts, strict=True)]
    begin = [at + step * np.arange(n) for at, n in zip(starts, frames, strict=True)]
    stamps, mode = _tvips_stamps(files, begin)
    scale, warnings = _tvips_scale(float(pixel_nm), mode if version > 1 else 0)
    layout = Layout(
        dtype=dtype,
        height_px=height,
        width_px=width,
        offset=np.concatenate(begin).astype(np.int64) + before,
        files=files,
        part=np.repeat(np.arange(len(files)), frames),
        promised=sum(frames),
        stamp_s=stamps,
        scale_nm_per_px=scale,
        warnings=warnings,
    )
    return _up_to_the_damage(layout)


def _up_to_the_damage(layout: Layout) -> Layout:
    """Return the layout up to where the stamps are no longer those of one recording, in order.

    The last frame before it is lost: the missing or added bytes are in it.
    """
    if layout.stamp_s is None:
        return layout
    steps = np.diff(layout.stamp_s)
    broken = np.flatnonzero((steps < 0) | (steps > _LONGEST_PAUSE_S))
    if not len(broken):
        return layout
    last = int(broken[0])
    offset = layout.offset[: last + 1].copy()
    offset[last] = -1
    note = f"the file is damaged in frame {last}: none begins behind it where one should"
    return replace(
        layout,
        offset=offset,
        part=layout.part[: last + 1],
        stamp_s=layout.stamp_s[: last + 1],
        promised=last + 1,
        warnings=(note, *layout.warnings),
    )


_DETECTOR_NM = 1000.0
"""A pixel of the camera itself is larger than this, one of a movie of a specimen smaller."""


def _tvips_scale(pixel_nm: float, mode: int) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """Return the scale; EM-Menu also writes the size of the camera's own pixel in its place."""
    if mode == _DIFFRACTION or pixel_nm <= 0:
        return None, ()
    if pixel_nm > _DETECTOR_NM:
        note = f"the tags give the camera's pixel ({pixel_nm:g} nm), not the scale of the specimen"
        return None, (note,)
    return (pixel_nm, pixel_nm), ()


def tvips_parts(path: Path) -> tuple[Path, ...]:
    """Return the file and those that continue it: `name_000`, `name_001`, ..."""
    stem, _, digits = path.stem.rpartition("_")
    if not (stem and len(digits) == 3 and digits.isdigit()):
        return (path,)
    if int(digits):
        raise MovieError(
            f"{path.name}: is a later part of a recording; name its first, {stem}_000{path.suffix}"
        )
    parts = [path]
    while (after := path.with_name(f"{stem}_{len(parts):03d}{path.suffix}")).is_file():
        parts.append(after)
    return tuple(parts)


def _tvips_stamps(
    files: Iterable[Path], begin: Iterable[NDArray[Any]]
) -> tuple[FloatArray | None, int]:
    """Return the time of every whole frame in seconds, and the mode of the first."""
    found = []
    for path, places in zip(files, begin, strict=True):
        with path.open("rb") as file:
            for place in places.tolist():
                file.seek(place)
                data = file.read(_TVIPS_FRAME.size)
                if len(data) == _TVIPS_FRAME.size:
                    found.append(_TVIPS_FRAME.unpack(data))
    if not found:
        return None, 0
    second, millisecond = np.array(found, np.float64)[:, 1:3].T
    return second - second[0] + millisecond / 1000, int(found[0][6])

"""TIFF stacks: plain, ImageJ hyperstacks, BigTIFF; 8, 16 and 32 bit."""

from __future__ import annotations

import contextlib
import logging
import math
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image as Pillow

from tem_track.errors import MovieError
from tem_track.frames.arrays import as_image, depth_of
from tem_track.frames.info import MovieInfo
from tem_track.frames.movie import Picture
from tem_track.frames.pixels import grey_of_rgb
from tem_track.frames.units import common_scale_nm_per_px, length_nm, time_interval_s
from tem_track.records import FloatArray, Image

__all__ = ["TiffSource", "read_tiff_image"]

_DAMAGE = (
    tifffile.TiffFileError,
    OSError,
    SyntaxError,  # Pillow's word for a header that it does not understand
    EOFError,
    AssertionError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    RuntimeError,
    MemoryError,
    NotImplementedError,
    OverflowError,
    ZeroDivisionError,
    struct.error,
    zlib.error,
)
_LARGEST_PX = 2**28
"""Pixels of the largest image that is read: 16 384 squared, beyond every camera's; a damaged header
may ask for any amount of memory."""


@contextlib.contextmanager
def opened_tiff(path: Path) -> Iterator[Any]:
    """Open a TIFF without letting tifffile write to the log; its complaints become ours."""
    _check_chain(path)
    log = logging.getLogger("tifffile")
    before = log.disabled
    log.disabled = True
    try:
        with tifffile.TiffFile(path) as tiff:
            yield tiff
    except MovieError:
        raise
    except _DAMAGE as error:
        raise MovieError(
            f"{path.name}: cannot be read as TIFF ({_one_line(error)}); save it again with ImageJ"
        ) from error
    finally:
        log.disabled = before


def _check_chain(path: Path) -> None:
    """Refuse a file whose chain of directories comes back to itself, or leads where none is."""
    with path.open("rb") as file:
        head = file.read(16)
        order = "<" if head[:2] == b"II" else ">"
        big = head[2:4] in (b"\x2b\0", b"\0\x2b")
        start, count, entry, link = (8, "Q", 20, "Q") if big else (4, "H", 12, "I")
        seen: set[int] = set()
        place = _number(head[start:], order + link)
        size = path.stat().st_size
        while 0 < place < size:
            if place in seen:
                raise MovieError(f"{path.name}: its list of images runs in a circle; save it again")
            seen.add(place)
            file.seek(place)
            entries = _number(file.read(struct.calcsize(count)), order + count)
            tags = file.read(entry * entries) if entry * entries <= size else b""
            if seen != {place} and not _is_directory(tags, entry, order):
                raise MovieError(
                    f"{path.name}: its list of images leads to no image, so bytes are missing or "
                    "too many somewhere; copy it again"
                )
            if not tags:
                return
            place = _number(file.read(struct.calcsize(link)), order + link)


def _is_directory(tags: bytes, entry: int, order: str) -> bool:
    """Return whether the entries of a directory name an image's size, in rising order."""
    names = [_number(tags[at:], order + "H") for at in range(0, len(tags), entry)]
    return {256, 257} <= set(names) and all(a <= b for a, b in pairwise(names))


def _number(data: bytes, kind: str) -> int:
    """Return the number at the beginning of some bytes; 0 where they end too early."""
    size = struct.calcsize(kind)
    return int(struct.unpack(kind, data[:size])[0]) if len(data) >= size else 0


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


class TiffSource:
    """Frames of a TIFF stack."""

    path: Path | None

    def __init__(self, path: Path) -> None:
        self.path = self._file = path
        with opened_tiff(path) as tiff:
            series = _only_series(path, tiff)
            self._shape, promised = _frame_shape(path, series)
            self._stored = np.dtype(tiff.byteorder + series.dtype.char)
            self._offset = _contiguous_offset(series)
            cut_stack = _images_of_cut_stack(path, tiff, series)
            if cut_stack:
                promised, self._offset = cut_stack, int(series.keyframe.dataoffsets[0])
            self._count = min(promised, self._held(series))
            if self._count < 1:
                raise MovieError(f"{path.name}: is cut before its first image ends; copy it again")
            self._lookup = _lookup(series.keyframe)
            self._by_pillow = self._offset is None and _needs_pillow(path, series.keyframe)
            self.info = _info(path, tiff, series, promised, self._count)

    def _held(self, series: Any) -> int:
        """Return how many images the file has the bytes for."""
        size = self._file.stat().st_size
        if self._offset is not None:
            return int((size - self._offset) // (math.prod(self._shape) * self._stored.itemsize))
        ends = [_end(page) for page in series.pages]
        while ends and ends[-1] > size:
            ends.pop()
        return len(ends)

    def count(self) -> int:
        """Return the number of images that the file really holds."""
        return self._count

    def times_s(self) -> FloatArray:
        """Return the times by ImageJ's frame interval; NaN where there is none."""
        interval_s = self.info.frame_interval_s
        return np.arange(self._count, dtype=np.float64) * (
            math.nan if interval_s is None else interval_s
        )

    def read(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Yield the pictures of rising frame numbers."""
        if self._offset is not None:
            yield from self._read_run(indices, self._offset)
            return
        with opened_tiff(self._file) as tiff:
            pages = tiff.series[0].pages
            for index in indices:
                picture: Picture
                try:
                    if self._by_pillow:
                        picture = _pillow_page(self._file, pages[index].index), ""
                    else:
                        picture = self._picture(pages[index].asarray())
                except _DAMAGE as error:
                    picture = None, f"cannot be decoded ({_one_line(error)})"
                yield picture

    def _read_run(self, indices: Sequence[int], offset: int) -> Iterator[Picture]:
        pixels = math.prod(self._shape)
        with self._file.open("rb", buffering=0) as file:
            for index in indices:
                file.seek(offset + index * pixels * self._stored.itemsize)
                yield self._picture(np.fromfile(file, self._stored, pixels))

    def _picture(self, values: NDArray[Any]) -> Picture:
        return grey_of_page(values, self._shape, self._lookup), ""


def _needs_pillow(path: Path, page: Any) -> bool:
    """Return whether tifffile alone cannot decode a page's compression (LZW, JPEG); Pillow can.

    Raises
    ------
    MovieError
        If neither can.
    """
    try:
        page.asarray()
    except ValueError as error:
        if "imagecodecs" not in str(error):
            return False
        try:
            _pillow_page(path, page.index)
        except _DAMAGE:
            kind = page.compression.name.lower()
            raise MovieError(
                f"{path.name}: is compressed with {kind}; save it uncompressed with ImageJ"
            ) from None
        return True
    except _DAMAGE:
        return False  # one damaged image; the others may be sound
    return False


def _pillow_page(path: Path, index: int) -> Image:
    with Pillow.open(path) as picture:
        picture.seek(index)
        if picture.mode in {"L", "I;16", "I;16B", "I", "F", "RGB", "RGBA"}:
            return as_image(np.asarray(picture))
        return as_image(np.asarray(picture.convert("RGB")))


def read_tiff_image(path: Path) -> Image:
    """Return the only image of a TIFF file."""
    source = TiffSource(path)
    if source.count() != 1:
        raise MovieError(f"{path.name}: holds {source.count()} images; a folder takes one a file")
    image, note = next(iter(source.read([0])))
    if image is None:
        raise MovieError(f"{path.name}: {note}")
    return image


def grey_of_page(
    values: NDArray[Any], shape: tuple[int, ...], lookup: NDArray[Any] | None
) -> Image:
    """Return the grey values of a page's stored pixels, by its palette where it has one."""
    values = values.reshape(shape)
    if lookup is not None:
        return np.asarray(lookup[values])
    if values.ndim == 3 and shape[0] in (3, 4) and shape[2] not in (3, 4):
        values = np.moveaxis(values, 0, -1)
    return as_image(values)


def _only_series(path: Path, tiff: Any) -> Any:
    series = [s for s in tiff.series if not s.keyframe.is_reduced]
    shapes = {s.keyframe.shape for s in series}
    if len(shapes) > 1:
        sizes = ", ".join(sorted("x".join(map(str, shape[1::-1])) for shape in shapes))
        raise MovieError(f"{path.name}: holds images of different sizes ({sizes} px); crop them")
    if len(series) != 1:
        raise MovieError(
            f"{path.name}: holds {len(series)} series of images; save one as a stack of its own"
        )
    return series[0]


def _frame_shape(path: Path, series: Any) -> tuple[tuple[int, ...], int]:
    """Return the stored shape of one frame, and the number of frames."""
    frame_axes = len(series.keyframe.shape)
    shape = tuple(int(n) for n in series.keyframe.shape)
    if frame_axes == 3 and not {3, 4} & {shape[0], shape[2]}:
        raise MovieError(f"{path.name}: {min(shape)} channels are no grey or colour; split them")
    leading = dict(zip(series.axes, series.shape, strict=False))
    stacks = {a: n for a, n in leading.items() if a not in "YXS" and n > 1}
    if len(stacks) > 1:
        found = " and ".join(f"{n} along {axis}" for axis, n in stacks.items())
        raise MovieError(f"{path.name}: holds {found}; keep one of them, the frames")
    if 0 in shape:
        raise MovieError(f"{path.name}: its images have no pixels; save it again with ImageJ")
    if math.prod(shape) > _LARGEST_PX:
        raise MovieError(f"{path.name}: images of {shape} pixels are too large; crop them")
    return shape, math.prod(stacks.values())


def _contiguous_offset(series: Any) -> int | None:
    """Return where uncompressed pixels of all frames begin, if they lie in one run."""
    offset = series.dataoffset
    return None if offset is None else int(offset)


def _images_of_cut_stack(path: Path, tiff: Any, series: Any) -> int:
    """Return how many images an ImageJ stack promises that is too short for them; 0 otherwise.

    ImageJ describes the first image alone and says how many follow it without anything between.
    """
    meta = tiff.imagej_metadata or {}
    images = int(meta.get("images", 1))
    if (
        images <= 1
        or len(tiff.pages) > 1
        or math.prod(series.shape) > math.prod(series.keyframe.shape)
    ):
        return 0
    if series.keyframe.compression != 1 or len(series.keyframe.dataoffsets) != 1:
        return 0
    axes = {name: int(meta.get(name, 1)) for name in ("channels", "slices", "frames")}
    if sum(n > 1 for n in axes.values()) > 1:
        found = " and ".join(f"{n} {name}" for name, n in axes.items() if n > 1)
        raise MovieError(f"{path.name}: holds {found}; keep one of them, the frames")
    return images


def _end(page: Any) -> int:
    """Return the place in the file where a page's last pixels end."""
    if page is None:
        return 0
    pairs = zip(page.dataoffsets, page.databytecounts, strict=False)
    return max((int(offset + count) for offset, count in pairs), default=2**63 - 1)


def _lookup(page: Any) -> NDArray[Any] | None:
    """Return the grey value of each stored value, where the page has a palette or is inverted."""
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None:
        colours = (page.colormap.T[np.newaxis] >> 8).astype(np.uint8)
        return np.asarray(grey_of_rgb(colours)[0])
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and page.dtype in (np.uint8, np.uint16):
        return np.arange(np.iinfo(page.dtype).max + 1, dtype=page.dtype)[::-1].copy()
    return None


def _grey(page: Any) -> str:
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
        return "palette"
    if len(page.shape) == 3:
        return "0.299 R + 0.587 G + 0.114 B"
    return "grey as stored"


def _info(path: Path, tiff: Any, series: Any, promised: int, count: int) -> MovieInfo:
    page = series.keyframe
    scale, warnings = _scale(path, tiff, page)
    if count < promised:
        warnings += (f"the file is cut: {count} of {promised} images are there",)
    palette = page.photometric == tifffile.PHOTOMETRIC.PALETTE
    return MovieInfo(
        format="bigtiff" if tiff.is_bigtiff else "tiff",
        codec="" if page.compression == 1 else page.compression.name.lower(),
        width_px=int(page.imagewidth),
        height_px=int(page.imagelength),
        bit_depth=8 if palette else depth_of(series.dtype),
        grey=_grey(page),
        header_frames=promised,
        frame_interval_s=_interval(tiff),
        scale_nm_per_px=scale,
        warnings=warnings,
    )


def _scale(path: Path, tiff: Any, page: Any) -> tuple[float | None, tuple[str, ...]]:
    """Return the scale that ImageJ has written; other programs' resolution is for printing."""
    meta = tiff.imagej_metadata or {}
    if tiff.is_ome:
        x_nm, y_nm = (_ome_length_nm(tiff.ome_metadata, axis) for axis in "XY")
        return common_scale_nm_per_px(path.name, x_nm, y_nm)
    sizes = []
    for name in ("XResolution", "YResolution"):
        tag = page.tags.get(name)
        above, below = tag.value if tag is not None else (0, 1)
        sizes.append(length_nm(below / above, str(meta.get("unit", ""))) if above else None)
    return common_scale_nm_per_px(path.name, sizes[0], sizes[1])


def _ome_attribute(text: str, name: str) -> str | None:
    """Return an attribute of the first image's pixels in OME's XML."""
    found = re.search(rf'<Pixels\b[^>]*\s{name}="([^"]*)"', text)
    return found.group(1) if found else None


def _ome_length_nm(text: str, axis: str) -> float | None:
    size = _ome_attribute(text, f"PhysicalSize{axis}")
    with contextlib.suppress(ValueError):
        unit = _ome_attribute(text, f"PhysicalSize{axis}Unit") or "um"
        return length_nm(float(size), unit) if size else None
    return None


def _interval(tiff: Any) -> float | None:
    if tiff.is_ome:
        step = _ome_attribute(tiff.ome_metadata, "TimeIncrement")
        with contextlib.suppress(ValueError):
            unit = _ome_attribute(tiff.ome_metadata, "TimeIncrementUnit") or "s"
            return time_interval_s(float(step), unit) if step else None
        return None
    meta = tiff.imagej_metadata or {}
    unit = str(meta.get("tunit", "s"))
    with contextlib.suppress(TypeError, ValueError, ZeroDivisionError):
        if "finterval" in meta:
            return time_interval_s(float(meta["finterval"]), unit)
        if "fps" in meta:
            return time_interval_s(1 / float(meta["fps"]), "s")
    return None

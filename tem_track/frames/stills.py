"""Single images: a folder of numbered ones, and animated GIF and PNG."""

from __future__ import annotations

import contextlib
import math
import re
import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from tem_track.errors import MovieError
from tem_track.frames.arrays import as_image, depth_of
from tem_track.frames.info import MovieInfo
from tem_track.frames.movie import Picture
from tem_track.frames.tiff import TiffSource, read_tiff_image
from tem_track.records import FloatArray, Image

__all__ = ["STILL_SUFFIXES", "AnimationSource", "FolderSource", "natural_key"]

STILL_SUFFIXES = {".png", ".apng", ".gif", ".bmp", ".jpg", ".jpeg", ".pgm", ".ppm"}
_TIFF_SUFFIXES = {".tif", ".tiff"}
_GREY_MODES = {"1", "L", "LA", "I;16", "I;16L", "I;16B", "I", "F"}
_SAME_KIND = {".tiff": ".tif", ".jpeg": ".jpg"}
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    EOFError,
    MemoryError,
    OverflowError,
    NotImplementedError,
    AssertionError,
    struct.error,
    zlib.error,
    Pillow.DecompressionBombError,
    Pillow.DecompressionBombWarning,
)


def natural_key(path: Path) -> tuple[tuple[int, int, str], ...]:
    """Return a key that sorts img2 before img10."""
    parts = re.split(r"(\d+)", path.name.casefold())
    return tuple((0, int(p), p) if p.isdigit() else (1, 0, p) for p in parts if p)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Pillow.open(path) as picture:
            yield picture


def _grey(picture: Any) -> Image:
    """Return the grey values of Pillow's present picture."""
    if picture.mode in {"L", "I;16", "I;16L", "I;16B", "I", "F", "RGB", "RGBA"}:
        return as_image(np.asarray(picture))
    if picture.mode == "LA":
        return as_image(np.asarray(picture)[..., 0])
    if picture.mode == "1":
        return as_image(np.asarray(picture.convert("L")))
    return as_image(np.asarray(picture.convert("RGB")))


def _read_still(path: Path) -> Image:
    if path.suffix.lower() in _TIFF_SUFFIXES:
        return read_tiff_image(path)
    with _opened(path) as picture:
        if picture.format == "JPEG":
            picture.draft("L", picture.size)  # the luma itself instead of colour made from it
        return _grey(picture)


def _grey_of_still(path: Path) -> str:
    if path.suffix.lower() in _TIFF_SUFFIXES:
        return TiffSource(path).info.grey
    with _opened(path) as picture:
        return _grey_of(picture)


def _grey_of(picture: Any) -> str:
    """Return in words where the grey values of Pillow's present picture come from."""
    if picture.mode in _GREY_MODES:
        return "grey as stored"
    if picture.mode == "P":
        return "palette"
    return "luma as stored" if picture.format == "JPEG" else "0.299 R + 0.587 G + 0.114 B"


def _left_out(files: Sequence[Path]) -> tuple[str, ...]:
    """Warn where the numbers in the files' names leave some out: then times are not regular."""
    split = [re.split(r"(\d+)", file.stem) for file in files]
    columns = {len(parts) for parts in split}
    if len(columns) != 1 or len(files) < 2:
        return ()
    varying = [n for n in range(columns.pop()) if len({parts[n] for parts in split}) > 1]
    if len(varying) != 1 or varying[0] % 2 == 0:
        return ()
    numbers = [int(parts[varying[0]]) for parts in split]
    steps = Counter(b - a for a, b in pairwise(numbers))
    if len(steps) == 1:
        return ()
    return (
        f"the numbers in the names, {numbers[0]} to {numbers[-1]}, are not evenly spaced: images"
        " may be missing; frames are counted from 0 without gaps",
    )


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


class FolderSource:
    """Frames from the images of a folder, in the order of the numbers in their names."""

    path: Path | None

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files = _images(path)
        first, grey = self._first_image()
        height, width = first.shape
        self.info = MovieInfo(
            format="folder",
            codec=self._files[0].suffix.lower().lstrip("."),
            width_px=width,
            height_px=height,
            bit_depth=depth_of(first.dtype),
            grey=grey,
            warnings=_left_out(self._files),
        )
        self._check_sizes()

    def _first_image(self) -> tuple[Image, str]:
        """Return the first image that can be read, and where its grey values come from."""
        error: Exception | None = None
        for file in self._files:
            try:
                return _read_still(file), _grey_of_still(file)
            except (*_DAMAGE, MovieError) as caught:
                error = caught
        assert self.path is not None
        if len(self._files) == 1:
            raise MovieError(f"{self.path}: is a folder; name the movie in it, {self._files[0]}")
        raise MovieError(
            f"{self.path}: none of its images can be read ({error}); name a folder of single images"
        )

    def _check_sizes(self) -> None:
        size = (self.info.width_px, self.info.height_px)
        for file in self._files:
            with contextlib.suppress(*_DAMAGE), _opened(file) as picture:
                if picture.size != size:
                    raise MovieError(
                        f"{file}: is {picture.size[0]}x{picture.size[1]} px, the others "
                        f"{size[0]}x{size[1]}; a movie needs images of one size"
                    )

    def count(self) -> int:
        """Return the number of image files."""
        return len(self._files)

    def times_s(self) -> FloatArray:
        """Return NaN: a folder has no clock."""
        return np.full(self.count(), math.nan)

    def read(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Yield the pictures of rising frame numbers."""
        for index in indices:
            file = self._files[index]
            try:
                yield _read_still(file), ""
            except (*_DAMAGE, MovieError) as error:
                yield None, f"{file.name} cannot be read ({_reason(error)})"


def _images(folder: Path) -> list[Path]:
    known = STILL_SUFFIXES | _TIFF_SUFFIXES
    files = [
        f
        for f in folder.iterdir()
        if f.suffix.lower() in known and not f.name.startswith(".") and f.is_file()
    ]
    if not files:
        raise MovieError(f"{folder}: holds no images; name a movie file or a folder of images")
    kinds = Counter(_SAME_KIND.get(f.suffix.lower(), f.suffix.lower()) for f in files)
    if len(kinds) > 1:
        found = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
        raise MovieError(f"{folder}: holds images of several kinds ({found}); keep one kind in it")
    return sorted(files, key=natural_key)


class AnimationSource:
    """Frames of an animated GIF or PNG; a plain image is a movie of one frame."""

    path: Path | None

    def __init__(self, path: Path) -> None:
        self.path = self._file = path
        try:
            with _opened(path) as picture:
                promised = int(getattr(picture, "n_frames", 1))
                first = _grey(picture)
                kind, grey = str(picture.format or "").lower(), _grey_of(picture)
                self._ends_s = _ends_s(picture)
        except _DAMAGE as error:
            raise MovieError(
                f"{path.name}: cannot be read as an image ({_reason(error)}); export it again"
            ) from error
        held = len(self._ends_s)
        self.info = MovieInfo(
            format=kind,
            codec=kind,
            width_px=first.shape[1],
            height_px=first.shape[0],
            bit_depth=depth_of(first.dtype),
            grey=grey,
            header_frames=promised,
            warnings=(f"the file is cut: {held} of {promised} frames are there",)
            if held < promised
            else (),
        )

    def count(self) -> int:
        """Return the number of frames that can be reached."""
        return len(self._ends_s)

    def times_s(self) -> FloatArray:
        """Return when each frame begins to be shown; NaN where the file does not say."""
        if len(self._ends_s) > 1 and self._ends_s[-1] == 0:
            return np.full(self.count(), math.nan)
        return np.concatenate([[0.0], self._ends_s[:-1]])

    def read(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Yield the pictures of rising frame numbers."""
        with _opened(self._file) as picture:
            for index in indices:
                try:
                    picture.seek(index)
                    yield _grey(picture), ""
                except _DAMAGE as error:
                    yield None, f"cannot be decoded ({_reason(error)})"


def _ends_s(picture: Any) -> FloatArray:
    """Return when each frame ceases to be shown, over the frames that can be reached."""
    ends: list[float] = []
    total_s = 0.0
    with contextlib.suppress(*_DAMAGE):
        for index in range(int(getattr(picture, "n_frames", 1))):
            picture.seek(index)
            picture.load()
            total_s += float(picture.info.get("duration", 0)) / 1000
            ends.append(total_s)
    return np.array(ends)

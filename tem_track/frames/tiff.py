"""TIFF stacks: plain, ImageJ hyperstacks, BigTIFF."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tifffile

from tem_track.errors import MovieError
from tem_track.frames.arrays import as_image, depth_of
from tem_track.frames.info import MovieInfo
from tem_track.frames.movie import Picture
from tem_track.records import FloatArray

__all__ = ["TiffSource"]


class TiffSource:
    """Frames of a TIFF stack."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with tifffile.TiffFile(path) as tiff:
                series = tiff.series[0]
                self._count = len(series.pages)
                page = series.pages[0]
                self.info = MovieInfo(
                    format="tiff",
                    codec=page.compression.name.lower(),
                    width_px=page.imagewidth,
                    height_px=page.imagelength,
                    bit_depth=depth_of(series.dtype),
                    grey="grey as stored",
                )
        except (tifffile.TiffFileError, OSError, ValueError) as error:
            raise MovieError(f"{path.name}: cannot be read as TIFF ({error})") from error

    def count(self) -> int:
        """Return the number of pages."""
        return self._count

    def times_s(self) -> FloatArray:
        """Return NaN: no clock."""
        return np.full(self._count, np.nan)

    def read(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Yield the pictures of rising frame numbers."""
        with tifffile.TiffFile(self.path) as tiff:
            for index in indices:
                yield as_image(tiff.series[0].asarray(key=index)), ""

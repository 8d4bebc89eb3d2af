"""Uncompressed grey video, taken from the file itself instead of through a decoder.

The file is read, not mapped: a mapped page of a share that is away ends the process.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tem_track.frames.container import Video
from tem_track.frames.packets import PacketTable
from tem_track.records import Image

__all__ = ["RawFrames", "is_plain"]

_TYPES: dict[str, np.dtype[Any]] = {"gray": np.dtype("u1"), "gray16le": np.dtype("<u2")}


def is_plain(video: Video, table: PacketTable) -> bool:
    """Return whether every packet is exactly one grey picture, row after row from the top.

    A bitmap in an AVI file (no codec tag) is stored bottom-up and its rows are padded.
    """
    dtype = _TYPES.get(video.pixel_format)
    if video.codec != "rawvideo" or dtype is None or not video.has_tag:
        return False
    whole = video.width_px * video.height_px * dtype.itemsize
    held = table.offset >= 0
    size = video.path.stat().st_size
    ends = table.offset[held] + whole
    return bool(np.all(table.size[held] == whole) and np.all(ends <= size)) and not table.prefix


class RawFrames:
    """Pictures as they stand in the file."""

    def __init__(self, video: Video, table: PacketTable) -> None:
        self._dtype = _TYPES[video.pixel_format]
        self._shape = (video.height_px, video.width_px)
        self._offsets = table.offset[table.order]
        self._video = video

    def picture(self, index: int) -> tuple[Image | None, str]:
        """Return the picture of one frame."""
        offset = int(self._offsets[index])
        if offset < 0:
            return None, "no picture can be decoded here"
        size = self._shape[0] * self._shape[1] * self._dtype.itemsize
        data = self._video.read(offset, size)
        if len(data) < size:
            return None, "the file ends within this frame"
        flat = np.frombuffer(data, self._dtype)
        native: Image = flat.astype(self._dtype.newbyteorder("="), copy=False)
        return native.reshape(self._shape), ""

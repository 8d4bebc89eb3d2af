"""The bytes of packets, each whole and with all that its decoder would else take from another."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from tem_track.frames.container import Video
from tem_track.frames.jpeg import TableCheck
from tem_track.frames.packets import PacketTable

__all__ = ["IntactPackets"]

_PICTURES_ASKED = 7
"""Pictures, spread over the movie, that tell which tables its pictures bring along."""


class IntactPackets:
    """What a decoder is fed with.

    Parameters
    ----------
    video : Video
        From which they are read.
    table : PacketTable
        Where they lie.
    """

    def __init__(self, video: Video, table: PacketTable) -> None:
        self._video, self._table = video, table

    def read(self, ordinal: int) -> bytes:
        """Return the bytes of one packet.

        Raises
        ------
        ValueError
            It is lost, cut, or lacks a table that the movie's others bring along.
        """
        offset, size = int(self._table.offset[ordinal]), int(self._table.size[ordinal])
        if offset < 0:
            raise ValueError("lost")
        data = self._table.prefix + self._video.read(offset, size)
        if len(data) < size:
            raise ValueError("cut")
        if self._video.codec == "mjpeg" and self._jpeg_check.lacks_one(data):
            raise ValueError("lacks a table")
        return data

    @cached_property
    def _jpeg_check(self) -> TableCheck:
        """What the movie's JPEG pictures bring along, by the word of a few."""
        whole = np.flatnonzero(self._table.offset >= 0)
        few = whole[:: max(len(whole) // _PICTURES_ASKED, 1)]
        places = zip(self._table.offset[few].tolist(), self._table.size[few].tolist(), strict=True)
        return TableCheck(self._table.prefix + self._video.read(at, size) for at, size in places)

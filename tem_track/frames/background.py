"""Decode in frame threads for as long as nothing whatever is wrong.

Decoders that work on several frames at a time are as fast as the processor's cores are many, but
what one complains about cannot be told from what the others do. So the first thing that is not as
it should be (a complaint, a picture that is missing, marked, of another size or out of turn) ends
this way of reading, and the strict decoder goes on from the key frame before. What has been given
by then is what the strict one gives: it too would have met no damage before those pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tem_track.frames.complaints import complaints_in_background
from tem_track.frames.container import IN_FRAME_THREADS, READ_ERRORS, Video
from tem_track.frames.packets import PacketTable, stretches, trusted_keys
from tem_track.frames.pixels import grey_values
from tem_track.records import Image

__all__ = ["is_worth_it", "sound_pictures"]

_INTRA = 1
_FEWEST_FRAMES = 16
_WIDEST_STEP = 4
_LEAST_IN_A_ROW = 24
"""Pictures decoded in a row, on the average, from which on the threads have enough to do."""


def is_worth_it(codec: str, table: PacketTable, indices: Sequence[int]) -> bool:
    """Return whether frames are asked for so that many pictures in a row are decoded for them."""
    if codec not in IN_FRAME_THREADS or table.doubtful or len(indices) < _FEWEST_FRAMES:
        return False
    if indices[-1] - indices[0] < _WIDEST_STEP * len(indices):
        return True
    rows = stretches(table, indices)
    return sum(rows) >= _LEAST_IN_A_ROW * len(rows)


def sound_pictures(video: Video, table: PacketTable, indices: Sequence[int]) -> Iterator[Image]:
    """Yield the pictures of rising frame numbers; ends at the first sign of damage."""
    video.work_in_background(True)
    try:
        with complaints_in_background(video.codec) as heard:
            way = _Way(video, table)
            for index in indices:
                frame = way.picture_of(index)
                if frame is None or heard():
                    return
                yield grey_values(frame)
    finally:
        video.forget()  # leaves no thread at work


class _Way:
    """A way through a video on which every picture comes in turn."""

    def __init__(self, video: Video, table: PacketTable) -> None:
        self._video, self._table = video, table
        self._keys = trusted_keys(table)
        self._fed = 0
        self._outputs = self._from(0)

    def picture_of(self, index: int) -> Any:
        """Return the decoded picture of a frame, later than the last one; None where it fails."""
        start = self._start_for(index)
        if start > self._fed:
            self._video.forget()
            self._fed = start
            self._outputs = self._from(start)
        return next((frame for rank, frame in self._outputs if rank == index), None)

    def _start_for(self, index: int) -> int:
        """Return the packet from which decoding gives this frame."""
        place = int(np.searchsorted(self._keys, self._table.order[index], side="right"))
        for key in self._keys[:place][::-1].tolist():
            if self._table.rank[key] <= index:
                return int(key)
        return 0

    def _from(self, start: int) -> Iterator[tuple[int, Any]]:
        """Yield rank and picture from a packet on; ends where a picture is not as it should be."""
        rank = max(int(self._table.rank[start]), 0) if start else 0
        is_beginning = start > 0
        for frame in self._frames():
            if not self._is_as_it_should_be(frame, is_beginning):
                return
            is_beginning = False
            own = int(self._table.rank[frame.pts])
            if own < 0:
                continue  # decoded but not shown
            if own != rank:
                return
            yield rank, frame
            rank += 1

    def _is_as_it_should_be(self, frame: Any, is_beginning: bool) -> bool:
        video = self._video
        return (
            frame.pts is not None
            and not frame.is_corrupt
            and (frame.width, frame.height) == (video.width_px, video.height_px)
            and frame.format.name == video.pixel_format
            and (not is_beginning or (bool(frame.key_frame) and frame.pict_type == _INTRA))
        )

    def _frames(self) -> Iterator[Any]:
        table, video = self._table, self._video
        try:
            while self._fed < len(table.rank):
                ordinal = self._fed
                offset, size = int(table.offset[ordinal]), int(table.size[ordinal])
                if offset < 0:
                    return
                data = table.prefix + video.read(offset, size)
                if len(data) < size:
                    return
                self._fed += 1
                yield from video.decode_in_background(data, ordinal)
            yield from video.drain()
        except READ_ERRORS:
            return

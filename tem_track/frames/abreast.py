"""Decode large pictures that stand for themselves by several decoders abreast.

A decoder without threads of its own keeps one core busy while the others wait for it. Where no
picture rests on another, each of several decoders can be given the next packet, and the pictures
are taken in their order. The packets are read by one thread alone, which waits where a share is
away. As with frame threads, the first thing that is not as it should be ends this way of reading,
and the strict decoder goes on from that very picture: what has been given by then is what the
strict one gives.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from queue import SimpleQueue

from tem_track.cores import cores, in_turn
from tem_track.frames.container import READ_ERRORS, Video
from tem_track.frames.info import MovieInfo
from tem_track.frames.intact import IntactPackets
from tem_track.frames.packets import PacketTable
from tem_track.frames.patience import wait_until_there
from tem_track.frames.pixels import grey_values
from tem_track.records import Image

__all__ = ["decoders_for", "pictures_abreast"]

_WITHOUT_THREADS = {"mjpeg"}
"""Decoders of pictures that stand for themselves, which have no threads of their own.

They are not listened to: what is wrong with a packet they refuse.
"""
_LEAST_PX = 1_500_000
"""Pictures as large as this keep a decoder busy for longer than threads need to share them."""
_FEWEST_FRAMES = 8
"""For fewer it is not worth while to open the file again."""
_MOST = 4
"""So many decode faster than anybody measures."""


def decoders_for(info: MovieInfo) -> int:
    """Return how many decoders are to work on the pictures of a movie."""
    is_large = info.width_px * info.height_px >= _LEAST_PX
    return min(cores(), _MOST) if info.codec in _WITHOUT_THREADS and is_large else 1


def pictures_abreast(
    video: Video, table: PacketTable, indices: Sequence[int], decoders: int
) -> Iterator[tuple[Image, float]]:
    """Yield the pictures of rising frame numbers; ends before the first that is not sound.

    For a few pictures it yields none.

    Parameters
    ----------
    video : Video
        From which the packets are read.
    table : PacketTable
    indices : sequence of int
    decoders : int
        How many work at a time.

    Yields
    ------
    image : Image
    spent_s : float
        Processor time that it took a thread to decode it.
    """
    if len(indices) < _FEWEST_FRAMES:
        return
    with ExitStack() as stack:
        idle: SimpleQueue[Video] = SimpleQueue()
        for _ in range(decoders):
            wait_until_there(video.path)
            idle.put(stack.enter_context(closing(Video(video.path))))

        def picture(packet: tuple[int, bytes]) -> tuple[Image | None, float]:
            decoder, begun = idle.get(), time.thread_time()
            try:
                return _sound(decoder, *packet), time.thread_time() - begun
            finally:
                idle.put(decoder)

        packets = _packets(video, table, indices)
        pictures = in_turn(picture, packets, threads=decoders, ahead=decoders)
        with closing(pictures):
            for image, spent_s in pictures:
                if image is None:
                    return
                yield image, spent_s


def _packets(
    video: Video, table: PacketTable, indices: Sequence[int]
) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of the frames' packets up to the first that is not intact."""
    intact = IntactPackets(video, table)
    for index in indices:
        ordinal = int(table.order[index])
        try:
            data = intact.read(ordinal)
        except READ_ERRORS:
            return
        yield ordinal, data


def _sound(video: Video, ordinal: int, data: bytes) -> Image | None:
    """Return the picture of one packet; None where anything is not as it should be."""
    try:
        frames, clean = video.decode(data, ordinal)
    except READ_ERRORS:
        return None
    if not clean or len(frames) != 1 or not video.shows(frames[0], ordinal):
        return None
    return grey_values(frames[0])

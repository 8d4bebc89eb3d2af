"""AVI, MP4, MOV and MKV through FFmpeg (PyAV)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from av import VideoFormat

from tem_track.errors import MovieError
from tem_track.frames.abreast import decoders_for, pictures_abreast
from tem_track.frames.background import is_worth_it, sound_pictures
from tem_track.frames.container import IN_FRAME_THREADS, Video
from tem_track.frames.decoding import Decoder, in_order_of_output
from tem_track.frames.info import MovieInfo
from tem_track.frames.movie import Picture
from tem_track.frames.packets import PacketTable, read_table, stretches
from tem_track.frames.patience import wait_until_there
from tem_track.frames.pixels import bit_depth, grey_kind
from tem_track.frames.raw import RawFrames, is_plain
from tem_track.frames.riff import stated_size
from tem_track.records import FloatArray, Image

__all__ = ["VideoSource"]

_SLOW = {"ffv1", "hevc", "vp9", "av1"}
"""Codecs whose pictures take many times as long to decode as to be written down."""
_STATE_THEIR_SIZE = {
    *("mjpeg", "mpeg4", "h264", "hevc", "png", "jpeg2000", "cinepak", "mpeg1video", "mpeg2video"),
    *("h263", "flv", "vp8", "vp9", "libdav1d", "prores", "dvvideo", "indeo3", "indeo4", "indeo5"),
}
"""Codecs whose frames say how large they are; others take the word of a header."""


class VideoSource:
    """Frames of a video file."""

    path: Path | None

    def __init__(self, path: Path) -> None:
        self.path = self._file = path
        self._table: PacketTable | None = None
        self._idle: Decoder | RawFrames | None = None
        self._is_plain = self._is_intra_only = False
        self._elsewhere_s = 0.0
        self._open: Video | None = Video(path)
        try:
            self.info = _info(self._open)
        except MovieError:
            self._open.close()
            raise

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_idle": None, "_open": None}

    @property
    def table(self) -> PacketTable:
        """The list of packets, read once when it is first needed."""
        while self._table is None:
            with self._video() as video:
                table = read_table(video)
                if not table.ordered:
                    table = in_order_of_output(Decoder(video, table), table)
                self._is_plain = is_plain(video, table)
                self._is_intra_only = video.intra_only
            if not wait_until_there(self._file):
                self._table = table
            else:  # what was read last may be cut
                self._open = None
        return self._table

    @contextlib.contextmanager
    def _video(self) -> Iterator[Video]:
        """Lend the open file; it stays open for whoever comes next."""
        video, self._open = self._open or Video(self._file), None
        try:
            yield video
        finally:
            self._open = video

    def _new_decoder(self) -> Decoder | RawFrames:
        table = self.table
        video, self._open = self._open or Video(self._file), None
        return RawFrames(video, table) if self._is_plain else Decoder(video, table)

    def count(self) -> int:
        """Return the number of packets that are frames."""
        return len(self.table.order)

    def decoded_for(self, indices: Sequence[int]) -> int:
        """Return how many pictures have to be decoded for those of some rising frame numbers."""
        table = self.table
        return len(indices) if self._is_intra_only else sum(stretches(table, indices))

    @property
    def is_compressed(self) -> bool:
        """Whether reading a frame is more than to copy it."""
        return self.table is not None and not self._is_plain

    @property
    def is_threaded(self) -> bool:
        """Whether several threads may decode."""
        return self.info.codec in IN_FRAME_THREADS

    @property
    def elsewhere_s(self) -> float:
        """Processor time spent on decoding by other threads than those that read."""
        return self._elsewhere_s

    @property
    def is_slow(self) -> bool:
        """Whether to decode a frame takes many times as long as to write it down."""
        return self.is_threaded or self.info.codec in _SLOW

    @property
    def end_note(self) -> str:
        """Why the movie ends early; empty where it does not."""
        return self.table.end_note

    def times_s(self) -> FloatArray:
        """Return the times by the container's time stamps."""
        return self.table.time_s

    def read(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Yield the pictures of rising frame numbers."""
        decoders, given = decoders_for(self.info), 0
        quickly = (
            self._read_abreast(indices, decoders)
            if decoders > 1
            else self._read_in_background(indices)
        )
        for image in quickly:
            yield image, ""
            given += 1
        if given < len(indices):
            yield from self._read_strictly(indices[given:])

    def _read_in_background(self, indices: Sequence[int]) -> Iterator[Image]:
        """Yield the pictures up to the first sign of damage, where that is worth while."""
        if is_worth_it(self.info.codec, self.table, indices):
            with self._video() as video:
                yield from sound_pictures(video, self.table, indices)

    def _read_abreast(self, indices: Sequence[int], decoders: int) -> Iterator[Image]:
        """Yield the pictures up to the first that is not sound, where there are enough."""
        with self._video() as video:
            for image, spent_s in pictures_abreast(video, self.table, indices, decoders):
                self._elsewhere_s += spent_s
                yield image

    def _read_strictly(self, indices: Sequence[int]) -> Iterator[Picture]:
        decoder, self._idle = self._idle, None
        if decoder is None:
            decoder = self._new_decoder()
        try:
            for index in indices:
                yield decoder.picture(index)
        finally:
            self._idle = decoder


def _check_size(video: Video) -> None:
    """Refuse a file whose headers and frames contradict each other about the frames' size.

    Raises
    ------
    MovieError
    """
    said = ""
    if video.codec == "rawvideo":
        packet = video.first_packet()
        if packet is not None and not _holds_one(video, int(packet.size)):
            said = f"its frames hold {packet.size} bytes"
    elif video.format == "avi" and video.codec not in _STATE_THEIR_SIZE:
        size = stated_size(video.path)
        if size is not None and size != (video.width_px, video.height_px):
            said = f"another header says {size[0]}x{size[1]}"
    if said:
        raise MovieError(
            f"{video.path.name}: its headers contradict each other: one says "
            f"{video.width_px}x{video.height_px} px, but {said}; copy it again or remux it"
        )


def _holds_one(video: Video, size: int) -> bool:
    """Return whether a packet is as long as an uncompressed picture with its rows padded."""
    form = VideoFormat(video.pixel_format)
    bits = form.padded_bits_per_pixel
    if video.pixel_format == "pal8":
        bits = min(bits, video.bits_stored or bits)
    row = (video.width_px * bits + 7) // 8
    if len({component.plane for component in form.components}) > 1:
        return size * 8 >= video.width_px * video.height_px * bits
    padded = {-(-row // step) * step for step in (1, 2, 4, 8, 16, 32, 64)}
    return any(0 <= size - one * video.height_px < one for one in padded)


def _info(video: Video) -> MovieInfo:
    name, pixel_format = video.path.name, video.pixel_format
    if not pixel_format and video.first_packet() is None:
        raise MovieError(f"{name}: holds no frames; the recording was never finished")
    if not pixel_format or video.width_px < 1 or video.height_px < 1:
        raise MovieError(
            f"{name}: no picture could be decoded; convert it to AVI (MJPEG) or a TIFF stack"
        )
    if video.codec == "rawvideo" and pixel_format.startswith(("rgb555", "bgr555")):
        raise MovieError(
            f"{name}: raw 16-bit pixels may be 16-bit grey or 15-bit colour, and the file does "
            "not say which; save it as a 16-bit TIFF stack"
        )
    _check_size(video)
    rate = video.stream.average_rate or video.stream.base_rate
    return MovieInfo(
        format=video.format,
        codec=video.codec,
        width_px=video.width_px,
        height_px=video.height_px,
        bit_depth=bit_depth(pixel_format),
        grey="grey as stored" if video.lacks_palette else grey_kind(pixel_format),
        header_frames=video.stream.frames or None,
        header_interval_s=float(1 / rate) if rate else None,
        warnings=("holds no palette; the pixels are taken as grey values",)
        if video.lacks_palette
        else (),
    )

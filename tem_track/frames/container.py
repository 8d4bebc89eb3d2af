"""An open video file: what its header says, its decoder, and the bytes of its packets."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
from av.packet import PacketSideData

from tem_track.cores import cores
from tem_track.errors import MovieError
from tem_track.frames.complaints import QUIBBLING, complaints, count_silently
from tem_track.frames.patience import PatientFile, wait_until_there

__all__ = ["IN_FRAME_THREADS", "READ_ERRORS", "Video"]

READ_ERRORS = (av.error.FFmpegError, OSError, ValueError)
"""What PyAV raises over damaged data."""

_OPTIONS = {
    "format_whitelist": "avi,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm",
    "protocol_whitelist": "file",
    "max_pixels": str(2**26),
    # Every frame of the file has its place, whatever part of it a player is told to show.
    "ignore_editlist": "1",
}
_STRICT = "crccheck+bitstream+buffer+explode"
_FORGIVING = "crccheck+bitstream+buffer"
_ATTACHED_PICTURE = 0x400
_ISO_BEGINNINGS = {b"ftyp", b"mdat", b"wide", b"free", b"skip"}
_ASF = b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"
_MOST_BOXES = 100
_PADDING = bytes(64)
"""Decoders look a little past the end of a packet; what stands there must always be the same."""

_INTRA_ONLY, _REORDERS = 1, 8
"""FFmpeg's flags of a codec (AV_CODEC_PROP_): pictures all rest on none, and may be stored in
another order than they are shown."""


_CHOOSY = {"tiff"}
"""Decoders that, set to refuse what is damaged, also refuse every tag that they do not use."""

IN_FRAME_THREADS = {"h264"}
"""Decoders that can work on several frames at a time in threads of their own.

In threads on the slices of a picture, which are the default, H.264 is not searched for holes.
"""

_PICTURES_ALONE = {"png"}
"""Decoders that add a picture to the one before unless its packet is called a key frame."""

_CLEAN_WHEN_FLUSHED = {"h264", "hevc", "mpeg2video", "mpeg1video", "vp8", "vp9", "av1"}


class Video:
    """One video stream, its decoder set to refuse what is damaged.

    Raises
    ------
    MovieError
        If FFmpeg cannot read the file, it has no video, or no decoder knows its codec.
    """

    def __init__(self, path: Path, options: dict[str, str] | None = None) -> None:
        self.path = path
        self._options = _OPTIONS | (options or {})
        self._file = PatientFile(path)
        self._in_background = False
        self._container = _opened(path, self._options)
        try:
            self.stream = self._video_stream()
        except MovieError:
            self.close()
            raise
        context = self._context = self._strict_context()
        self.codec: str = context.name
        self.has_tag = _has_tag(context)
        self.bits_stored = int(context.bits_per_coded_sample or 0)
        self.extradata = bytes(context.extradata or b"")
        self.pixel_format: str = context.pix_fmt or ""
        self.width_px, self.height_px = int(context.width), int(context.height)
        self.intra_only = self.codec in _PICTURES_ALONE or bool(
            context.codec.properties & _INTRA_ONLY
        )
        self.reorders = bool(context.codec.properties & _REORDERS)
        self.format: str = self._container.format.name
        self._demuxed = (p for p in self._container.demux(self.stream) if p.size > 0)
        self._first: Any = None
        self._palette = self._palette_of_file()

    def _video_stream(self) -> Any:
        for stream in self._container.streams.video:
            disposition = stream.disposition
            # a flag of an enumeration in older versions of PyAV, a number in newer ones
            if int(getattr(disposition, "value", disposition)) & _ATTACHED_PICTURE:
                continue
            if stream.codec_context is None:
                raise MovieError(
                    f"{self.path.name}: no decoder for its codec; "
                    "convert it to AVI (MJPEG) or a TIFF stack"
                )
            return stream
        raise MovieError(
            f"{self.path.name}: has no video stream; name the file that holds the pictures"
        )

    def packets(self) -> Iterator[Any]:
        """Yield FFmpeg's own packets that hold data; raises its error where reading fails."""
        if self._first is not None:
            yield self._first
        yield from self._demuxed

    def first_packet(self) -> Any:
        """Return FFmpeg's first packet; None where it finds none."""
        if self._first is None:
            with contextlib.suppress(*READ_ERRORS):
                self._first = next(self._demuxed, None)
        return self._first

    def _palette_of_file(self) -> Any:
        first = self.first_packet() if self.pixel_format == "pal8" else None
        if first is None or not first.has_sidedata("palette"):
            return None
        return PacketSideData.from_packet(first, "palette")

    @property
    def lacks_palette(self) -> bool:
        """Whether the pixels are indices into a palette that the file does not hold."""
        return self.codec == "rawvideo" and self.pixel_format == "pal8" and self._palette is None

    def ends_with_its_table(self) -> bool:
        """Return whether the table of an MP4 or MOV file stands behind the frames it lists.

        Such a file is not cut: it would have lost the table first.
        """
        names: list[bytes] = []
        with contextlib.suppress(OSError), self.path.open("rb") as file:
            names = _top_level_boxes(file)
        return b"moov" in names and b"mdat" in names[: names.index(b"moov")]

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes of the file; while its share is away, wait."""
        return self._file.read(offset, size)

    def mapped(self) -> mmap.mmap:
        """Return the whole file as mapped memory."""
        return mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)

    def decode(self, data: bytes, ordinal: int) -> tuple[list[Any], bool]:
        """Decode one packet; the pictures it releases carry their own packet's number.

        Returns
        -------
        frames : list
        clean : bool
            False where the decoder complained but went on, as most old codecs' do.
        """
        packet = self._padded(data)
        # PyAV keeps the tag by its identity, so it must be an object of its own: equal small
        # integers are one object, and two packets would share it.
        packet.opaque = [ordinal]
        packet.is_keyframe = self.codec in _PICTURES_ALONE
        if self._palette is not None:
            self._palette.to_packet(packet, move=False)
        frames: list[Any]
        if self.codec in QUIBBLING:
            frames = self._context.decode(packet)
            return frames, True
        with complaints(self.codec) as heard:
            frames = self._context.decode(packet)
        return frames, not heard()

    def decode_in_background(self, data: bytes, ordinal: int) -> list[Any]:
        """Decode one packet in frame threads; the pictures released have its number as `pts`.

        They are those of earlier packets. What was wrong with a packet is raised or complained
        about by the time its own picture would be released.
        """
        packet = self._padded(data)
        packet.pts = ordinal
        frames: list[Any] = self._context.decode(packet)
        return frames

    @staticmethod
    def _padded(data: bytes) -> Any:
        padded: Any = memoryview(data + _PADDING)
        return av.Packet(padded[: len(data)])

    def work_in_background(self, in_background: bool) -> None:
        """Let the decoder work in frame threads, or in this one; it forgets what it has seen."""
        self.forget()
        if in_background != self._in_background:
            self._in_background = in_background
            if self._context.is_open:
                self.renew()
            else:
                self._set_threads(self._context)

    @staticmethod
    def ordinal(frame: Any) -> int:
        """Return the number of the packet that a picture came from; -1 where it has none."""
        tag = frame.opaque
        return -1 if tag is None else int(tag[0])

    def shows(self, frame: Any, ordinal: int) -> bool:
        """Return whether a picture is a packet's own, sound, and of the size that the file says."""
        return (
            self.ordinal(frame) == ordinal
            and not frame.is_corrupt
            and (frame.width, frame.height) == (self.width_px, self.height_px)
            and frame.format.name == self.pixel_format
        )

    def drain(self) -> list[Any]:
        """Return the pictures that the decoder still holds."""
        frames: list[Any] = self._context.decode(None)
        return frames

    def forget(self) -> None:
        """Begin with a decoder that has seen nothing.

        Flushing leaves the last picture in some decoders, and they fill damaged parts from it.
        """
        if not self._context.is_open:
            return
        if self.codec in _CLEAN_WHEN_FLUSHED or self.intra_only:
            self._context.flush_buffers()
        else:
            self.renew()

    def renew(self) -> None:
        """Take a new decoder: damage may have left wrong settings in the old one."""
        self._wait_for_threads()
        self._container.close()
        wait_until_there(self.path)
        self._container = _opened(self.path, self._options)
        self.stream = self._video_stream()
        self._context = self._strict_context()

    def _strict_context(self) -> Any:
        context = self.stream.codec_context
        context.options = {"err_detect": _FORGIVING if context.name in _CHOOSY else _STRICT}
        context.copy_opaque = True
        self._set_threads(context)
        return context

    def _set_threads(self, context: Any) -> None:
        if context.name not in IN_FRAME_THREADS:
            return
        if self._in_background:
            # twice the cores: a picture waits for the rows of the one it rests on
            context.thread_type, context.thread_count = "FRAME", 2 * cores()
        else:
            context.thread_type, context.thread_count = "SLICE", 1

    def _wait_for_threads(self) -> None:
        """Wait until no thread of the decoder works.

        It must not be freed before: a thread that complains would wait for the interpreter,
        which would wait for the thread.
        """
        if self._in_background and self._context.is_open:
            self._context.flush_buffers()

    def close(self) -> None:
        """Close the file."""
        self._wait_for_threads()
        self._file.close()
        self._container.close()

    def __del__(self) -> None:
        # A reading that is dropped half-way leaves nobody else to close the file.
        if hasattr(self, "_context"):
            self._wait_for_threads()
        if hasattr(self, "_file"):
            self._file.close()


def _has_tag(context: Any) -> bool:
    try:
        return bool(str(context.codec_tag).strip("\0"))
    except UnicodeDecodeError:
        return True


def _opened(path: Path, options: dict[str, str]) -> Any:
    count_silently()
    try:
        return av.open(str(path), options=options, metadata_errors="replace")
    except READ_ERRORS as error:
        raise MovieError(f"{path.name}: {_why_unreadable(path, error)}") from error


def _why_unreadable(path: Path, error: Exception) -> str:
    """Return what is wrong with a file that FFmpeg does not open, and how to mend it."""
    with path.open("rb") as file:
        head = file.read(16)
        if head[4:8] in _ISO_BEGINNINGS and b"moov" not in _top_level_boxes(file):
            return (
                "the table of its frames (moov) is missing, because the recording was cut or "
                "never finished; copy it again, or let a repair program rebuild the table"
            )
    if head.startswith(_ASF) or head[:4] == b"\0\0\1\xba":
        return "is no AVI, MP4, MOV or MKV file; convert it to one of them or to a TIFF stack"
    if head and not any(byte < 9 or 13 < byte < 32 for byte in head):
        return "is text, not a movie; name the movie's file"
    reason = getattr(error, "strerror", None) or str(error)
    return (
        f"cannot be read as a movie ({reason}); "
        "check that it plays, or export it again as AVI or a TIFF stack"
    )


def _top_level_boxes(file: Any) -> list[bytes]:
    """Return the names of the outermost boxes of an MP4 or MOV file, in their order."""
    names: list[bytes] = []
    place, end = 0, file.seek(0, 2)
    for _ in range(_MOST_BOXES):
        if place >= end:
            break
        file.seek(place)
        head = file.read(16)
        if len(head) < 8:
            break
        names.append(head[4:8])
        size = int.from_bytes(head[:4], "big")
        size = int.from_bytes(head[8:], "big") if size == 1 else size
        if size < 8:
            break
        place += size
    return names

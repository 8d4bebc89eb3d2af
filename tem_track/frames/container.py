"""An open video file: its packets in order, its decoder, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av

from tem_track.errors import MovieError

__all__ = ["Video"]

_OPTIONS = {
    "format_whitelist": "avi,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,asf",
    "protocol_whitelist": "file",
    "fflags": "+ignidx",
    "max_pixels": str(2**26),
}
_STRICT = "crccheck+bitstream+buffer+explode"
_ATTACHED_PICTURE = 0x400
_INTRA_ONLY, _REORDERS = 1, 8


class Video:
    """One video stream, opened for reading and set to decode strictly.

    Raises
    ------
    MovieError
        If FFmpeg cannot read the file, it has no video, or no decoder knows its codec.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open()
        context = self.stream.codec_context
        self.codec: str = context.name
        self.pixel_format: str = context.pix_fmt or ""
        self.width_px, self.height_px = int(context.width), int(context.height)
        self.intra_only = bool(context.codec.properties & _INTRA_ONLY)
        self.reorders = bool(context.codec.properties & _REORDERS)

    def _open(self) -> None:
        name = self.path.name
        try:
            self.container = av.open(str(self.path), options=_OPTIONS, metadata_errors="replace")
        except (av.error.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise MovieError(
                f"{name}: cannot be read as a movie ({reason}); "
                "check that it plays, or export it again as AVI or a TIFF stack"
            ) from error
        self.stream = self._video_stream()
        context = self.stream.codec_context
        context.options = {"err_detect": _STRICT}
        context.copy_opaque = True
        self._packets = self._real_packets()

    def _video_stream(self) -> Any:
        for stream in self.container.streams.video:
            if not stream.disposition & _ATTACHED_PICTURE:
                if stream.codec_context is None:
                    raise MovieError(
                        f"{self.path.name}: no decoder for its codec; "
                        "convert it to AVI (MJPEG) or a TIFF stack"
                    )
                return stream
        raise MovieError(
            f"{self.path.name}: has no video stream; name the file that holds the pictures"
        )

    def _real_packets(self) -> Iterator[Any]:
        for packet in self.container.demux(self.stream):
            if packet.size > 0:
                yield packet

    def next_packet(self) -> Any:
        """Return the next packet that holds data; None at the end or where reading fails."""
        try:
            return next(self._packets, None)
        except (av.error.FFmpegError, OSError):
            return None

    def packets(self) -> Iterator[Any]:
        """Yield the packets from here on; raises FFmpeg's error where reading fails."""
        return self._packets

    def decode(self, packet: Any, ordinal: int) -> list[Any]:
        """Decode one packet; the pictures it releases carry their own packet's number."""
        # PyAV keeps the tag by its identity, so it must be an object of its own: equal small
        # integers are one object, and two packets would share it.
        packet.opaque = [ordinal]
        frames: list[Any] = self.stream.codec_context.decode(packet)
        return frames

    @staticmethod
    def ordinal(frame: Any) -> int:
        """Return the number of the packet that a picture came from."""
        return int(frame.opaque[0])

    def drain(self) -> list[Any]:
        """Return the pictures that the decoder still holds."""
        frames: list[Any] = self.stream.codec_context.decode(None)
        return frames

    def flush(self) -> None:
        """Make the decoder forget the frames before."""
        if self.stream.codec_context.is_open:
            self.stream.codec_context.flush_buffers()

    def seek(self, stamp: int) -> tuple[int, int] | None:
        """Seek backward to a time stamp; return place and stamp of the packet found there."""
        self.container.seek(stamp, stream=self.stream, backward=True)
        self._packets = self._real_packets()
        packet = self.next_packet()
        if packet is None:
            return None
        stamps = packet.dts if packet.dts is not None else packet.pts
        found = (packet.pos, stamps)
        self._packets = _chain(packet, self._packets)
        return found

    def rewind(self) -> None:
        """Go back to the first packet, by opening the file again."""
        self.close()
        self._open()

    def close(self) -> None:
        """Close the file."""
        self.container.close()


def _chain(packet: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield packet
    yield from rest

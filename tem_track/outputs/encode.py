"""Pictures into a film that every browser and slide program plays: H.264 in an MP4."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

from tem_track.outputs.canvas import Picture

__all__ = ["encode"]

CRF = "23"


def encode(pictures: Iterator[Picture], path: Path, fps: int) -> Iterator[int]:
    """Encode pictures and yield how many are done; one thread, so that the bytes stay the same."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = None
        for done, picture in enumerate(pictures, start=1):
            if stream is None:
                stream = _stream(container, picture, fps)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace="ITU709")))
            yield done
        if stream is not None:
            container.mux(stream.encode())


def _stream(container: av.container.OutputContainer, picture: Picture, fps: int) -> av.VideoStream:
    stream = container.add_stream("libx264", rate=Fraction(fps))
    stream.height, stream.width = picture.shape[:2]
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = 1
    stream.codec_context.gop_size = fps
    # x264's fastest code for some processors gives other bytes from run to run without this.
    same = "cpu-independent=1"
    stream.options = {"crf": CRF, "preset": "veryfast", "profile": "high", "x264-params": same}
    return stream

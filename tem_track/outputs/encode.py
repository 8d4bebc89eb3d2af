"""Pictures into a film that every browser and slide program plays: H.264 in an MP4."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av

from tem_track.outputs.canvas import Picture

__all__ = ["ahead", "encode"]

CRF = "28"
PARAMETERS = (
    "cpu-independent=1:subme=1:me=dia:weightp=0:bframes=0:rc-lookahead=4:scenecut=0"
    ":colorprim=bt709:transfer=bt709:colormatrix=bt709:fullrange=off"
)
"""The first keeps the bytes the same from run to run; the next three save a fifth of the time,
since a finer search for motion finds none in noise; pictures that are predicted from one side alone
and soon save another third and 50 MB; the rest tells players the colours' standard, which they
guess from the height otherwise."""


def ahead(pictures: Iterator[Picture]) -> Iterator[Picture]:
    """Yield pictures; the next one is painted in a thread while the last one is encoded."""
    with ThreadPoolExecutor(1) as painter:
        coming = painter.submit(next, pictures, None)
        while (picture := coming.result()) is not None:
            coming = painter.submit(next, pictures, None)
            yield picture


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
    stream.options = {
        "crf": CRF,
        "preset": "veryfast",
        "profile": "high",
        "x264-params": PARAMETERS,
    }
    return stream

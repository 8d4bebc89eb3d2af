"""Pictures into a film that every browser and slide program plays: H.264 in an MP4."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av

from tem_track.outputs.planes import Planes

__all__ = ["ahead", "encode", "frame_of"]

Item = TypeVar("Item")

QUANTISER = "31"
PRESET = "ultrafast"
PARAMETERS = (
    "cpu-independent=1:deblock=1,0,0:aq-mode=0:chroma-qp-offset=-12:rc-lookahead=0:mbtree=0:scenecut=0"
    ":colorprim=bt709:transfer=bt709:colormatrix=bt709:fullrange=off"
)
"""The first keeps the bytes the same from run to run; the second smooths the edges of blocks, which
the fastest preset leaves out for a tenth of the time. What else a slower preset does is a search
for motion, which there is none of in noise. Colour is finer than brightness: only marks have any,
and what is left of a coarse one trails behind the point on the curve. The colours' standard is
guessed from the height by players that are not told. The quantiser is the same for all pictures:
to choose it anew for each, as by default, the encoder looks at each twice, a seventh to
a third of its time."""


def frame_of(picture: Planes) -> av.VideoFrame:
    """Return a whole picture as the encoder takes it: the same memory, not a copy."""
    assert picture.whole is not None
    return av.VideoFrame.from_numpy_buffer(picture.whole, format="yuv420p")


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield items; the next one is made in a thread while the last one is used."""
    with ThreadPoolExecutor(1) as maker:
        coming = maker.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = maker.submit(next, items, None)
            yield item


def encode(pictures: Iterator[av.VideoFrame], path: Path, fps: int) -> Iterator[int]:
    """Encode pictures and yield how many are done; one thread, so that the bytes stay the same."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = None
        for done, picture in enumerate(pictures, start=1):
            if stream is None:
                stream = _stream(container, picture, fps)
            container.mux(stream.encode(picture))
            yield done
        if stream is not None:
            container.mux(stream.encode())


def _stream(
    container: av.container.OutputContainer, picture: av.VideoFrame, fps: int
) -> av.VideoStream:
    stream = container.add_stream("libx264", rate=Fraction(fps))
    stream.height, stream.width = picture.height, picture.width
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = 1
    stream.codec_context.gop_size = fps
    stream.options = {
        "qp": QUANTISER,
        "preset": PRESET,
        "profile": "high",
        "x264-params": PARAMETERS,
    }
    return stream

"""Decode ahead of the measurement, in a thread, with a bounded amount of memory."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator

from tem_track.records import Frame

__all__ = ["ahead"]

_CHUNK_BYTES = 600_000
_CHUNK_FRAMES = 32
_CHUNKS = 2
"""Bytes or frames of a chunk, and chunks that wait: together what a core's cache holds."""
_POLL_S = 0.1
"""Seconds after which a full queue is looked at again, so that a thread whose frames nobody wants
ends."""

_Message = tuple[list[Frame], BaseException | None, bool]


class _Producer(threading.Thread):
    """Reads frames and hands them over in chunks, so that small frames cost no switch each."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        super().__init__(name="decode-ahead", daemon=True)
        self._frames = frames
        self._stop_asked = threading.Event()
        self.messages: queue.Queue[_Message] = queue.Queue(_CHUNKS)

    def run(self) -> None:
        """Fill the queue until the frames end, fail, or nobody wants them any more."""
        chunk: list[Frame] = []
        size = 0
        try:
            for frame in self._frames:
                chunk.append(frame)
                size += frame.image.nbytes
                if size >= _CHUNK_BYTES or len(chunk) >= _CHUNK_FRAMES:
                    if not self._put((chunk, None, False)):
                        return
                    chunk, size = [], 0
        except BaseException as error:  # handed to the consumer, who raises it
            self._put((chunk, error, True))
        else:
            self._put((chunk, None, True))

    def _put(self, message: _Message) -> bool:
        while not self._stop_asked.is_set():
            try:
                self.messages.put(message, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False

    def stop(self) -> None:
        """Ask the thread to end, and wait for it."""
        self._stop_asked.set()
        self.join()


def ahead(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Yield the frames in order while a thread decodes the next ones.

    At most about two megabytes or, of larger frames, four frames wait: more would push the
    decoder's own pictures out of the processor's cache. An error of the reader is raised where
    it happened, after the frames before it.
    """
    producer = _Producer(frames)
    producer.start()
    try:
        while True:
            chunk, error, last = producer.messages.get()
            chunk.reverse()
            while chunk:
                yield chunk.pop()  # a frame's memory is free for the decoder once it is used
            if error is not None:
                raise error
            if last:
                return
    finally:
        producer.stop()

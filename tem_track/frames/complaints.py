"""What FFmpeg complains about while it decodes. It has one log for the whole process.

A decoder that works in the calling thread is heard by itself. One that lets several threads work
while the caller is elsewhere is listened to all the time, and told from others by its name alone:
a complaint may then be about another file, so it is a reason to look again, never a verdict.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import av

__all__ = ["QUIBBLING", "complaints", "complaints_in_background", "count_silently"]

QUIBBLING = {"mjpeg"}
"""Decoders that complain about harmless oddities of cameras; what is wrong they refuse.

Nobody listens to them, and several may work at a time.
"""

_lock = threading.Lock()
_NAMES = {"h264": {"h264", "H264 Decoder"}}
"""Codecs that may be decoded in the background, and the names that their lines bear."""
_OF_BACKGROUND = frozenset[str]().union(*_NAMES.values())
_OF_OTHERS = _OF_BACKGROUND | QUIBBLING


def count_silently() -> None:
    """Let FFmpeg print nothing, unless somebody has already set what it prints."""
    log = av.logging
    if log.get_level() is None:
        log.set_level(log.PANIC)
    log.set_skip_repeated(False)


def _is_complaint(line: Any) -> bool:
    """Return whether a line of the log (level, name, text) tells of damage.

    Besides errors, a decoder's word that it has filled in what it could not decode counts,
    which it says in the tone of an information.
    """
    return bool(line[0] <= av.logging.ERROR or line[2].startswith("concealing"))


@contextlib.contextmanager
def complaints(codec: str) -> Iterator[Callable[[], bool]]:
    """Listen to a decoder that works while the caller waits.

    Yields a function that says whether there were complaints. A decoder of a codec that may also
    be decoded in the background must work in the calling thread alone.
    """
    log = av.logging
    own_thread = codec in _NAMES
    with _lock:
        level = log.get_level()
        log.set_level(log.INFO)
        lines: list[Any] = []
        try:
            with log.Capture(local=own_thread) as lines:
                yield lambda: any(
                    _is_complaint(line) for line in lines if own_thread or line[1] not in _OF_OTHERS
                )
        finally:
            log.set_level(level)
            if not own_thread:
                _background.take(lines)


class _Background:
    """What all decoders in the background have said, while there is one."""

    def __init__(self) -> None:
        self._listeners = 0
        self._level: Any = None
        self._capture: Any = None
        self.lines: list[Any] = []

    def join(self) -> None:
        with _lock:
            if self._listeners == 0:
                self._level = av.logging.get_level()
                av.logging.set_level(av.logging.INFO)
                self._capture = av.logging.Capture(local=False)
                self.lines = self._capture.__enter__()
            self._listeners += 1

    def leave(self) -> None:
        with _lock:
            self._listeners -= 1
            if self._listeners == 0:
                self._capture.__exit__(None, None, None)
                av.logging.set_level(self._level)
                self.lines = []

    def take(self, lines: list[Any]) -> None:
        """Take what was heard in the background by somebody else who listened."""
        if self._listeners:
            self.lines.extend(line for line in lines if line[1] in _OF_BACKGROUND)


_background = _Background()


@contextlib.contextmanager
def complaints_in_background(codec: str) -> Iterator[Callable[[], bool]]:
    """Listen to a decoder whose threads work while the caller is elsewhere.

    Yields a function that says whether a decoder of this codec has complained meanwhile, be it
    this one or another.
    """
    _background.join()
    try:
        lines, names = _background.lines, _NAMES[codec]
        begin = len(lines)

        def heard() -> bool:
            new = lines[begin:] if len(lines) > begin else ()
            return any(_is_complaint(line) for line in new if line[1] in names)

        yield heard
    finally:
        _background.leave()

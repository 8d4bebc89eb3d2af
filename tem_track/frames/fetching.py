"""A thread that goes through pictures before anyone asks for them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import suppress
from threading import Condition, Thread

from tem_track.records import Image

__all__ = ["Fetching"]

_PATIENCE_S = 5.0
"""Seconds that a thread which reads ahead is given to end."""

Fetched = tuple[int, Image | None, str]
"""A frame's number, its picture, and why there is none."""


class Fetching:
    """A thread that walks a generator, which keeps each picture as it yields it.

    Parameters
    ----------
    pictures : generator of Fetched
    awaited : sequence of int
        The frames that come first, in rising order: who asks for one waits for it. For what comes
        after them nobody waits.
    """

    def __init__(self, pictures: Generator[Fetched], awaited: Sequence[int]) -> None:
        self._pictures = pictures
        self._awaited, self._last = frozenset(awaited), awaited[-1]
        self._notes: dict[int, str] = {}
        self._passed = -1
        self._asked_to_end = False
        self._changed = Condition()
        self._thread = Thread(target=self._run, name="fetch", daemon=True)
        self._thread.start()

    def __contains__(self, number: int) -> bool:
        return number in self._awaited

    def _run(self) -> None:
        try:
            with suppress(Exception):  # it is met again by whoever asks for the picture
                for number, image, note in self._pictures:
                    self._pass(number, note if image is None else "")
                    if self._asked_to_end:
                        return
        finally:
            self._pictures.close()
            self._pass(self._last, "")

    def _pass(self, number: int, note: str) -> None:
        with self._changed:
            if note and number in self._awaited:
                self._notes[number] = note
            self._passed = max(self._passed, number)
            self._changed.notify_all()

    def has_passed(self, number: int) -> bool:
        """Wait until an awaited picture has been gone through; False where it is none of them."""
        if number not in self._awaited:
            return False
        with self._changed:
            self._changed.wait_for(lambda: self._passed >= number or self._asked_to_end)
        return True

    def why_not(self, number: int) -> str:
        """Return once what was wrong with a picture; who asks again has it read again."""
        return self._notes.pop(number, "")

    def is_to_end(self) -> bool:
        """Tell whether it was asked to end."""
        return self._asked_to_end

    def end(self) -> bool:
        """Ask the thread to end, and return whether it has.

        It may wait for a file that is away, and is then left alone.
        """
        with self._changed:
            self._asked_to_end = True
            self._changed.notify_all()
        self._thread.join(_PATIENCE_S)
        return not self._thread.is_alive()

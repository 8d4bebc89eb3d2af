"""How far a command is, on standard error, and an interruption that no library swallows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tem_track.analysis import Progress

__all__ = ["STAGES", "shown_progress"]


STAGES = {
    "look": "looking at the movie",
    "template": "building templates",
    "measure": "measuring",
    "overlay": "drawing overlay",
    "report": "writing report",
    "simulate": "simulating",
}
"""What the stages of a job are called."""
_AGAIN_S = 0.02


@contextmanager
def shown_progress(quiet: bool) -> Iterator[Progress]:
    """Show a bar with frames a second and the time left, on standard error."""
    with _interruptible() as check, _bars(quiet) as show:

        def checked(stage: str, done: int, total: int) -> None:
            check()
            show(stage, done, total)

        yield checked


@contextmanager
def _bars(quiet: bool) -> Iterator[Progress]:
    if quiet:
        yield lambda stage, done, total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    bars = Progress(*columns, console=Console(stderr=True))
    tasks: dict[str, Any] = {}

    def show(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            bars.start()
            tasks[stage] = bars.add_task(STAGES.get(stage, stage), total=total, rate="")
        bars.update(tasks[stage], completed=done, total=total)
        speed = bars.tasks[tasks[stage]].finished_speed or bars.tasks[tasks[stage]].speed
        bars.update(tasks[stage], rate=f"{speed:.0f} frames/s" if speed else "")

    try:
        yield show
    finally:
        if tasks:  # bars that never began would still end with an empty line
            bars.stop()


@contextmanager
def _interruptible() -> Iterator[Callable[[], None]]:
    """Give a check that raises an interruption again which a library's callback has swallowed.

    One that comes while Python itself cleans up, where nothing can be raised, is given once more a
    moment later.
    """
    import signal
    import sys
    import threading
    from _thread import interrupt_main

    main = threading.main_thread()
    pressed: list[int] = []

    def note(number: int, frame: Any) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

    def check() -> None:
        if pressed and threading.current_thread() is main:
            raise KeyboardInterrupt

    def swallowed(lost: Any) -> None:
        if lost.exc_type is KeyboardInterrupt:
            again = threading.Timer(_AGAIN_S, interrupt_main)
            again.daemon = True
            again.start()
        else:
            usual_hook(lost)

    usual, usual_hook = signal.getsignal(signal.SIGINT), sys.unraisablehook
    if threading.current_thread() is not main or usual is not signal.default_int_handler:
        yield check
        return
    signal.signal(signal.SIGINT, note)
    sys.unraisablehook = swallowed
    try:
        yield check
    finally:
        sys.unraisablehook = usual_hook
        signal.signal(signal.SIGINT, usual)

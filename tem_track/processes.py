"""A part of this program as a process of its own, and the line to it.

At the end of the parent, however that ends, the line closes, and the process is to end as well.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from multiprocessing.connection import Pipe
from pathlib import Path

__all__ = ["OwnProcess", "can_start"]

_PATIENCE_S = 5.0
"""Seconds that a process is given to end, and to say how it ended."""


def can_start() -> bool:
    """Tell whether this system and this interpreter can start such processes."""
    return os.name == "posix" and bool(sys.executable)


class OwnProcess:
    """A module of this program that runs in a process of its own.

    It is called with the number of its end of the line.

    Parameters
    ----------
    module : str
        Run as ``python -m``.

    Attributes
    ----------
    line : Connection
        Both can say and hear something at either end.
    pid : int
    """

    def __init__(self, module: str) -> None:
        self.line, theirs = Pipe()
        with theirs:
            root = str(Path(__file__).parents[1])
            path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=os.environ | {"PYTHONPATH": path},
                process_group=0,  # Ctrl-C is for the parent
            )
        self.pid = self._process.pid

    def how_it_ended(self) -> str:
        """Say in words how it has ended; it is given a moment for it."""
        try:
            status = self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            return "without a word"
        if status < 0:
            return f"from outside by {signal.Signals(-status).name}"
        return f"with status {status}"

    def end(self, *, at_once: bool = False) -> None:
        """Close the line, at which it ends, and wait; `at_once` does not let it finish its step."""
        self.line.close()
        if at_once:
            self._process.kill()
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

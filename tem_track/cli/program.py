"""The program ``tem-track``: its commands in the order of the help, and its exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer

from tem_track import __version__
from tem_track.cli.batch import batch
from tem_track.cli.calc import calc
from tem_track.cli.exit_status import INTERRUPTED, WRONG_USAGE
from tem_track.cli.experiment import info, init, setup
from tem_track.cli.measure import demo, recalculate, report, run
from tem_track.cli.printing import fail
from tem_track.cli.results import export, plot, table
from tem_track.cli.simulation import simulate
from tem_track.cli.tilt import bow, cross_section
from tem_track.errors import ConfigError, TemTrackError

__all__ = ["app", "main", "status_of"]


_WITHOUT_A_FILE = ("calc", "cross-section", "simulate")
"""Commands without an experiment file: what is wrong there is an argument."""

_RESUMED = ("run", "demo", "batch", "setup")
"""Commands that measure."""

_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
"""Typer's own usage error; some releases carry a click of their own, so it is taken from Typer."""


def _version(wanted: bool) -> None:
    if wanted:
        print(f"tem-track {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that come before a command."""


_COMMANDS: tuple[tuple[str, Callable[..., Any]], ...] = (
    ("run", run),
    ("demo", demo),
    ("info", info),
    ("recalculate", recalculate),
    ("report", report),
    ("export", export),
    ("table", table),
    ("plot", plot),
    ("batch", batch),
    ("init", init),
    ("setup", setup),
    ("cross-section", cross_section),
    ("bow", bow),
    ("simulate", simulate),
)
"""In the order of the help."""


def _program() -> typer.Typer:
    program = typer.Typer(
        name="tem-track",
        help="From an in-situ TEM movie to force, strain and stress: every point with its picture.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    program.callback()(_root)
    for name, command in _COMMANDS:
        program.command(name)(command)
    program.add_typer(calc, name="calc")
    return program


app = _program()


def main() -> NoReturn:
    """Run the command line and leave with the exit status that the documentation lists."""
    _one_thread_a_routine()
    status = status_of(sys.argv[1:])
    _too_late_to_interrupt()
    sys.exit(status)


def _too_late_to_interrupt() -> None:
    """Keep the exit status of what is done from an interruption while the interpreter ends."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _one_thread_a_routine() -> None:
    """Keep the linear algebra from starting threads of its own beside those that measure."""
    import os

    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def status_of(arguments: list[str]) -> int:
    """Run one command and return its exit status; what went wrong is said in one line.

    Parameters
    ----------
    arguments : list of str
        What follows ``tem-track``.
    """
    try:
        status = app(args=arguments, prog_name="tem-track", standalone_mode=False)
    except typer.Exit as stop:
        return stop.exit_code
    except _USAGE_ERROR as error:
        return _wrong_usage(error)
    except TemTrackError as error:
        alone = isinstance(error, ConfigError) and arguments[0] in _WITHOUT_A_FILE
        return fail(str(error), WRONG_USAGE if alone else error.exit_status)
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted(arguments)
    except BrokenPipeError:
        return 1
    except Exception as error:
        return _unexpected(error)
    if status == INTERRUPTED:
        return _interrupted(arguments)
    return status if isinstance(status, int) else 0


def _interrupted(arguments: list[str]) -> int:
    then = "give the same command again"
    if arguments[:1] and arguments[0] in _RESUMED:
        then = "what is measured is kept, the same command goes on from there"
    return fail(f"interrupted; {then}", INTERRUPTED)


def _wrong_usage(error: Any) -> int:
    command = error.ctx.command_path if error.ctx is not None else "tem-track"
    message = error.format_message()
    if not message:  # no command at all: the help is the answer
        print(error.ctx.get_help())
        return WRONG_USAGE
    return fail(f"{message.rstrip('.')}; see {command} --help", WRONG_USAGE)


def _unexpected(error: Exception) -> int:
    import os
    import traceback

    if os.environ.get("TEM_TRACK_DEBUG"):
        traceback.print_exc()
    return fail(
        f"unexpected {type(error).__name__}: {error}"
        " (set TEM_TRACK_DEBUG=1 to see where, and report it)",
        1,
    )

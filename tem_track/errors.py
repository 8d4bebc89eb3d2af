"""The errors that a caller is expected to meet.

::

    TemTrackError            exit status 1
    ├── MovieError           3: the movie cannot be read
    ├── ConfigError          4: the experiment file is wrong
    ├── TrackingError        4: a box cannot serve, e.g. a bar that does not fix the loading axis
    ├── ResultsError         4: a results folder is incomplete or of another kind
    └── ResultsBusyError     5: another run holds the results folder

A message is one line that says what is wrong, where, and how to mend it.
"""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "MovieError",
    "ResultsBusyError",
    "ResultsError",
    "TemTrackError",
    "TrackingError",
]


class TemTrackError(Exception):
    """Any error that the program explains in one line."""

    exit_status = 1


class MovieError(TemTrackError):
    """The movie cannot be read, or cannot be read exactly."""

    exit_status = 3


class ConfigError(TemTrackError):
    """The experiment file, or an argument that stands for one, is wrong."""

    exit_status = 4


class TrackingError(TemTrackError):
    """A target's box cannot give the position that is asked of it."""

    exit_status = 4


class ResultsError(TemTrackError):
    """A results folder is missing, incomplete or of another kind."""

    exit_status = 4


class ResultsBusyError(TemTrackError):
    """Another run holds the results folder."""

    exit_status = 5

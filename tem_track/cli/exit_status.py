"""The command's exit status where no error of `tem_track.errors` brings its own."""

__all__ = ["INTERRUPTED", "LOST_TOO_MANY", "SOME_FAILED", "WRONG_USAGE"]

WRONG_USAGE = 2
LOST_TOO_MANY = 6
SOME_FAILED = 7
INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""

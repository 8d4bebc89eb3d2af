"""The command line: arguments in, one library call, an answer printed. No arithmetic here.

Heavy imports wait inside the commands, so that ``tem-track --help`` answers at once.
"""

from tem_track.cli.program import app, main, status_of

__all__ = ["app", "main", "status_of"]

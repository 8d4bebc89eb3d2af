"""``python -m tem_track``: the same as the command ``tem-track``."""

import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line; an interruption while it still loads is answered like a later one."""
    try:
        from tem_track.cli import main as command
    except KeyboardInterrupt:
        print("tem-track: interrupted before anything was begun", file=sys.stderr)
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()

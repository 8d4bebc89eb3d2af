"""``python -m tem_track``: the same as the command ``tem-track``."""

from tem_track.cli import main

if __name__ == "__main__":
    main()

"""Pictures of an earlier run, which do not belong to new numbers."""

from __future__ import annotations

from pathlib import Path

__all__ = ["remove_pictures"]

_PICTURES = (
    "overlay.mp4",
    "curves.png",
    "curves.pdf",
    "curves.svg",
    "montage.png",
    "montage.pdf",
    "report.html",
)


def remove_pictures(folder: Path) -> list[str]:
    """Remove pictures and report from a results folder, and return the names of those there were.

    Parameters
    ----------
    folder : Path
        What a user has put there under other names stays.
    """
    there = [name for name in _PICTURES if (folder / name).is_file()]
    for name in there:
        (folder / name).unlink()
    return there

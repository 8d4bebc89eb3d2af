"""Pages that a benchmark writes and a person adds to."""

from __future__ import annotations

from pathlib import Path

__all__ = ["by_hand"]

BY_HAND = "<!-- by hand -->\n"


def by_hand(page: Path) -> str:
    """Return the words of a page that were written by hand, with the line before them."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    _, mark, words = text.partition(BY_HAND)
    return f"\n{mark}{words}" if mark else ""

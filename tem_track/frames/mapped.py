"""Mapped files whose pages are given back while a walk goes over them."""

from __future__ import annotations

import mmap

__all__ = ["PAGES_HELD", "let_go"]

PAGES_HELD = 128
"""Steps of a walk after which the pages it has touched are given back."""


def let_go(data: mmap.mmap) -> None:
    """Give back the memory of pages read so far, where the system can; they can be read again."""
    advice = getattr(mmap, "MADV_DONTNEED", None)
    if advice is not None:
        data.madvise(advice)

"""What opens in a browser."""

from __future__ import annotations

from tem_track.pages.index import write_index
from tem_track.pages.report import write_report

__all__ = ["write_index", "write_report"]

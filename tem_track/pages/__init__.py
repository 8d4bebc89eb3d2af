"""What opens in a browser."""

from __future__ import annotations

from tem_track.pages.index import write_index
from tem_track.pages.report import stills_maker, write_report

__all__ = ["stills_maker", "write_index", "write_report"]

"""Flagged frames as a list to look through, worst first, like neighbours together."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from tem_track.analysis import Result
from tem_track.outputs.panels import column
from tem_track.outputs.style import PROBLEMS, flag_words

__all__ = ["problem_rows", "worst_first"]

SEVERITY = {
    "BAD_FRAME": 9,
    "BAR_LOST": 8,
    "TIP_LOST": 8,
    "SPECIMEN_LOST": 7,
    "OUT_OF_VIEW": 6,
    "LOW_SCORE": 5,
    "CLOSURE": 5,
    "DUPLICATE": 4,
    "BENT": 3,
    "MOOK_LIMIT": 2,
    "BELOW_RESOLUTION": 2,
    "NECK": 1,
    "BROKEN": 1,
    "NO_CONTACT": 0,
}


def worst_first(result: Result) -> list[dict[str, Any]]:
    """Return runs of equally flagged frames: row to show, frames and words."""
    flags = [str(text) for text in result.points["flags"]]
    frames = result.points["frame"].tolist()
    score = column(result, "tip_score")
    found = []
    for text, run in groupby(range(len(flags)), key=flags.__getitem__):
        rows = list(run)
        if not text:
            continue
        worst = min(rows, key=lambda row: (score[row] if score[row] == score[row] else 2.0, row))
        found.append((_weight(text), -worst, worst, rows, text))
    found.sort(key=lambda item: (item[0], item[1]), reverse=True)
    return [
        {"row": worst, "frames": _span(frames, rows), "words": ", ".join(flag_words(text))}
        for _, _, worst, rows, text in found
    ]


def problem_rows(result: Result) -> list[int]:
    """Return the rows whose flags cast doubt on the point."""
    return [
        row
        for row, text in enumerate(result.points["flags"])
        if PROBLEMS & set(str(text).split(";"))
    ]


def _weight(text: str) -> int:
    return max(SEVERITY.get(flag, 5) for flag in text.split(";"))


def _span(frames: list[int], rows: list[int]) -> str:
    first, last = frames[rows[0]], frames[rows[-1]]
    return f"frame {first}" if first == last else f"frames {first} to {last}"

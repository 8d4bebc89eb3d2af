"""The paper's figures beside the program's: the page is the program's, and its verdicts hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tem_track.mechanics.paper import COMPARISONS, Comparison, paper_comparison

PAGE = Path(__file__).parents[2] / "docs" / "paper.md"


def test_the_page_is_what_the_command_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == paper_comparison()


@pytest.mark.parametrize("item", COMPARISONS, ids=lambda item: f"{item.where}: {item.what}")
def test_a_verdict_is_what_the_numbers_say(item: Comparison) -> None:
    printed = re.search(r"[\d.]+", item.printed)
    if printed is None:
        assert item.verdict not in ("agrees", "contradicts")
        return
    ratio = item.ours() / float(printed.group())
    if item.printed.startswith(">"):
        assert ratio > 1
    elif item.verdict == "agrees":
        assert ratio == pytest.approx(1, abs=0.025)
    elif item.verdict == "contradicts":
        assert abs(ratio - 1) > 0.009

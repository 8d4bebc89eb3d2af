"""Numbers in words: two digits of the uncertainty, the budget, every correction that is on."""

from __future__ import annotations

import pytest

from tem_track.outputs.words import value_words


@pytest.mark.parametrize(
    ("value", "u", "words"),
    [
        (36.371, 3.782, "36.4 ± 3.8"),
        (36.371, 0.0996, "36.37 ± 0.10"),
        (1234.5678, 12.3, "1235 ± 12"),
        (1234.5678, 123.0, "1230 ± 120"),
        (1250.0, 99.6, "1250 ± 100"),
        (0.0123456, 0.00098, "0.01235 ± 0.00098"),
        (-4.0, 0.25, "-4.00 ± 0.25"),
    ],
)
def test_an_uncertainty_has_two_digits(value: float, u: float, words: str) -> None:
    assert value_words(value, u) == words
    assert value_words(value, u, "nN") == f"{words} nN"


def test_what_is_not_known_is_a_dash() -> None:
    assert value_words(None, 1.0) == value_words(float("nan")) == "–"

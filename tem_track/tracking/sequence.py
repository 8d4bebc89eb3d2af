"""Decisions that need the whole sequence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from tem_track.records import Match

__all__ = ["choose"]


def choose(matches: Sequence[Match]) -> list[Match]:
    """Decide between candidates of like score on the whole sequence.

    The path that moves least wins, the best candidate of a frame being preferred slightly; it is
    found by dynamic programming, so the result does not depend on where one starts.

    Parameters
    ----------
    matches : sequence of Match
        One a frame, in the movie's order.

    Returns
    -------
    list of Match
        One a frame, without alternatives.
    """
    known = [k for k, match in enumerate(matches) if not match.lost]
    chosen = list(matches)
    costs: list[list[float]] = []
    back: list[list[int]] = []
    for n, k in enumerate(known):
        options = _options(matches[k])
        own = [0.0 if i == 0 else 1.0 for i in range(len(options))]
        if n == 0:
            costs.append(own)
            back.append([0] * len(options))
            continue
        before = _options(matches[known[n - 1]])
        steps = [[costs[-1][j] + _step(b, o) for j, b in enumerate(before)] for o in options]
        back.append([row.index(min(row)) for row in steps])
        costs.append([mine + min(row) for mine, row in zip(own, steps, strict=True)])
    if known:
        which = costs[-1].index(min(costs[-1]))
        for n in range(len(known) - 1, -1, -1):
            chosen[known[n]] = replace(_options(matches[known[n]])[which], alternatives=())
            which = back[n][which]
    return chosen


def _options(match: Match) -> tuple[Match, ...]:
    return (match, *match.alternatives)


def _step(one: Match, other: Match) -> float:
    """Return the price of a motion; it grows slowly, so that a real jump is affordable."""
    return math.log1p((one.x_px - other.x_px) ** 2 + (one.y_px - other.y_px) ** 2)

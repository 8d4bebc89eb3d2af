"""Choose bodies, potential steps and layout of a growth scenario from a seed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tem_track.simulate.growing import (
    MOVIE_START,
    Growing,
    PotentialStep,
    Sprout,
    Tube,
    thickness_law,
)
from tem_track.simulate.layout import Layout, arrange
from tem_track.simulate.loaded import Looks
from tem_track.simulate.scenarios import Scenario
from tem_track.simulate.settings import Physics, Setup
from tem_track.simulate.textures import Floats

__all__ = ["GROWTH_SPAN_S", "growth_interval_s", "plan_growing"]

GROWTH_SPAN_S = 665.0
_MOVIE_S = 750.0
_BALL_NM = 136.0
_LOG_OFFSET_S = -30.0
"""Seconds of growth and of the whole movie as in the paper's Fig. 1; diameter (nm) of the ball that
it begins with; and seconds from the log's time to the movie's."""


def growth_interval_s(frames: int) -> float:
    """Return the time between frames that lets the whole growth fit."""
    return round(_MOVIE_S / frames, 4)


def plan_growing(
    scenario: Scenario, setup: Setup, physics: Physics, rng: np.random.Generator, moments: int
) -> tuple[Layout, Growing]:
    """Return the layout and the story of a growth scenario."""
    zoom = setup.shape_px[0] / 768
    free = (430 + rng.uniform(0, 12)) * zoom * setup.scale_nm_per_px
    layout = arrange(setup, (768 - 84) * zoom - free / setup.scale_nm_per_px, rng)
    interval = setup.frame_interval_s
    times: Floats = np.arange(float(moments)) * interval
    start_share = 0.4 if scenario.name == "growth_nanotube" else 0.07
    first = round((start_share + rng.uniform(0, 0.03)) * moments) * interval
    span = min(GROWTH_SPAN_S, float(times[-1]) - first - 2 * interval)
    largest = (setup.length_nm, setup.diameter_nm)
    length = 825.0 if math.isnan(largest[0]) else largest[0]
    diameter = 260.0 if math.isnan(largest[1]) else largest[1]
    sprouts, steps = _PLANS.get(scenario.name, _one)(first, span, length, diameter, interval)
    shell_to = 14.0 if math.isnan(setup.shell_nm) else setup.shell_nm
    core = 0.95 / max(diameter, 180.0)
    tube = Tube(20.0, 28.0, first) if scenario.name == "growth_nanotube" else None
    story = Growing(
        tuple(sprouts), tuple(steps), tube,
        thickness_law(setup.shell_law, 5.0 * shell_to / 14.0, shell_to, span),
        Looks(core, 0.75 * core, physics.ellipticity, 0.4),
        setup.grows_at, free, times, setup.scale_nm_per_px, 23.7, _LOG_OFFSET_S, setup.marker_frame,
        _constants(setup, sprouts, steps, first, span, length, shell_to),
    )  # fmt: skip
    return layout, _with_events(story)


def _one(
    first: float, span: float, length: float, diameter: float, interval: float
) -> tuple[list[Sprout], list[PotentialStep]]:
    """One body under one potential: most of its width comes early."""
    emerge = 2 * interval
    grow = span - emerge
    early = first + emerge + 0.3 * grow
    rate = (length - _BALL_NM) / grow
    wide = diameter - _BALL_NM
    steps = [
        PotentialStep(0.0, 0.0, 0.0, 0.0),
        PotentialStep(first - 0.5 * interval, -3.0, rate, 0.7 * wide / (0.3 * grow)),
        PotentialStep(early, -3.0, rate, 0.3 * wide / (0.7 * grow)),
        PotentialStep(first + span, 0.0, 0.0, 0.0),
    ]
    return [Sprout(first, _BALL_NM, emerge)], steps


def _potential(
    first: float, span: float, length: float, diameter: float, interval: float
) -> tuple[list[Sprout], list[PotentialStep]]:
    """Fast and one way at a high potential, slow and all ways at a low one, and again."""
    emerge = 2 * interval
    grow = span - emerge
    long, wide = (length - _BALL_NM) / grow, (diameter - _BALL_NM) / grow
    marks = [first + emerge + share * grow for share in (0.3, 0.5, 0.7)]
    slow = 0.9 * wide
    fast = (long - 0.4 * slow * 0.75) / 0.6
    steps = [
        PotentialStep(0.0, 0.0, 0.0, 0.0),
        PotentialStep(first - 0.5 * interval, -5.0, 1.15 * fast, 0.7 * wide),
        PotentialStep(marks[0], -1.0, slow, 1.2 * wide),
        PotentialStep(marks[1], -0.5, 0.5 * slow, 0.6 * wide),
        PotentialStep(marks[2], -3.5, 0.85 * fast, 0.5 * wide),
        PotentialStep(first + span, 0.0, 0.0, 0.0),
    ]
    return [Sprout(first, _BALL_NM, emerge)], steps


def _two(
    first: float, span: float, length: float, diameter: float, interval: float
) -> tuple[list[Sprout], list[PotentialStep]]:
    """Two faceted balls grow until they touch; the smaller is drawn into the larger."""
    rate = 340.0 / span
    touch = first + 0.55 * span
    steps = [
        PotentialStep(0.0, 0.0, 0.0, 0.0),
        PotentialStep(first - 0.5 * interval, -1.5, rate, rate),
        PotentialStep(first + span, 0.0, 0.0, 0.0),
    ]
    sprouts = [
        Sprout(first, 120.0, 2 * interval, offset_nm=85.0),
        Sprout(
            first + 3 * interval, 110.0, 2 * interval, offset_nm=-165.0,
            drawn_nm_per_s=200.0 / (0.4 * span), drawn_from_s=touch, shares=(0.36, 0.36),
        ),
    ]  # fmt: skip
    return sprouts, steps


_PLANS = {"growth_two_bodies": _two, "growth_potential": _potential}


def _constants(
    setup: Setup,
    sprouts: list[Sprout],
    steps: list[PotentialStep],
    first: float,
    span: float,
    length: float,
    shell_to: float,
) -> dict[str, Any]:
    return {
        "nucleation_s": first,
        "growth_ends_s": first + span,
        "mean_length_rate_nm_per_s": length / span,
        "potential_steps": [
            {
                "start_s": step.start_s,
                "potential_V": step.potential_V,
                "length_nm_per_s": step.length_nm_per_s,
                "diameter_nm_per_s": step.diameter_nm_per_s,
                "growth_mode": step.mode,
            }
            for step in steps
        ],
        "shell_law": setup.shell_law,
        "shell_start_nm": 5.0 * shell_to / 14.0,
        "shell_end_nm": shell_to,
        "grows_at": setup.grows_at,
        "nucleations_s": [sprout.nucleation_s for sprout in sprouts],
        "movie_start_clock": MOVIE_START.isoformat(),
        "marker_moment": setup.marker_frame or None,
        "log": {
            "time_column": "t",
            "potential_column": "U",
            "potential_unit": "V",
            "current_column": "I",
            "current_unit": "pA",
            "offset_s": _LOG_OFFSET_S,
        },
    }


def _with_events(story: Growing) -> Growing:
    """Add the moments of nucleation, touch and merger."""
    rows = [story.moment(k).truth for k in range(story.times_s.size)]

    def first(name: str) -> int | None:
        return next((k for k, row in enumerate(rows) if row.get(name)), None)

    events = {
        "nucleation_moment": first("bodies"),
        "touch_moment": first("touching"),
        "merge_moment": first("merged"),
    }
    story.constants.update(events)
    return story

"""The size of a pixel from what is at hand: given, the scale bar, the file's tags."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from tem_track.errors import ConfigError
from tem_track.propose.proposal import Proposal
from tem_track.propose.writing import Given

__all__ = ["Scale", "settle_scale", "with_scale"]

AGREE = 0.01
"""Relative difference of two sources that is still agreement."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A size of a pixel and where it is from."""

    nm_per_px: float
    u_nm_per_px: float | None
    source: str


def with_scale(proposal: Proposal, given: Given) -> tuple[Given, tuple[str, ...]]:
    """Return the given values completed by the scale found in the movie, and warnings.

    Raises
    ------
    ConfigError
        A value is not a positive number, or a bar's length is given and there is no bar.
    """
    for name in ("scale_nm_per_px", "scale_bar_nm", "stiffness_N_per_m", "frame_interval_s"):
        value = getattr(given, name)
        if value is not None and not (math.isfinite(value) and value > 0):
            option = name.replace("_", "-")
            raise ConfigError(
                f"--{option} {value:g} is not a positive number; give one in that unit"
            )
    if given.scale_bar_nm is not None and proposal.scale_bar is None:
        raise ConfigError(
            "--scale-bar-nm was given, and no burnt-in scale bar was found in the movie;"
            " give --scale-nm-per-px instead"
        )
    scale, warnings = settle_scale(proposal, given)
    if scale is None:
        return given, warnings
    u_given = given.u_scale_nm_per_px
    return (
        replace(
            given,
            scale_nm_per_px=scale.nm_per_px,
            u_scale_nm_per_px=u_given if u_given is not None else scale.u_nm_per_px,
        ),
        warnings,
    )


def settle_scale(proposal: Proposal, given: Given) -> tuple[Scale | None, tuple[str, ...]]:
    """Return the scale of the first source there is, and a warning for each that disagrees."""
    sources = _sources(proposal, given)
    if not sources:
        return None, ()
    first, *others = sources
    return first, tuple(
        f"the scale differs: {first.source} says {first.nm_per_px:.5g} nm/px,"
        f" {other.source} {other.nm_per_px:.5g} nm/px; the first was taken"
        for other in others
        if abs(other.nm_per_px / first.nm_per_px - 1) > AGREE
    )


def _sources(proposal: Proposal, given: Given) -> list[Scale]:
    """Return what tells the scale, most trusted first."""
    found = []
    if given.scale_nm_per_px is not None:
        found.append(Scale(given.scale_nm_per_px, None, "--scale-nm-per-px"))
    bar = proposal.scale_bar
    if bar is not None:
        for length_nm, source in (
            (given.scale_bar_nm, "the scale bar with --scale-bar-nm"),
            (bar.length_nm if given.scale_bar_nm is None else None, f"the scale bar '{bar.label}'"),
        ):
            if length_nm is not None:
                scale = length_nm / bar.length_px
                found.append(Scale(scale, scale * bar.u_length_px / bar.length_px, source))
    if proposal.tag_scale_nm_per_px is not None:
        found.append(Scale(proposal.tag_scale_nm_per_px, None, "the file's tags"))
    return found

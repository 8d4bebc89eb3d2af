"""A movie alone to a proposed experiment: bar, tip, specimen, base, shape, axis, scale bar."""

from __future__ import annotations

from tem_track.propose.compose import propose
from tem_track.propose.likeness import complete_like, like
from tem_track.propose.picture import preview
from tem_track.propose.proposal import NAMES, AxisFound, Part, Proposal, ScaleBar, ShapeFound
from tem_track.propose.start import Started, init_experiment
from tem_track.propose.writing import Given, write_experiment

__all__ = [
    "NAMES",
    "AxisFound",
    "Given",
    "Part",
    "Proposal",
    "ScaleBar",
    "ShapeFound",
    "Started",
    "complete_like",
    "init_experiment",
    "like",
    "preview",
    "propose",
    "write_experiment",
]

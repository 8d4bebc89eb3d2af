"""A movie alone to a proposed experiment: bar, tip, specimen, base, shape, axis, scale bar."""

from __future__ import annotations

from tem_track.propose.compose import propose
from tem_track.propose.proposal import AxisFound, Part, Proposal, ScaleBar, ShapeFound

__all__ = ["AxisFound", "Part", "Proposal", "ScaleBar", "ShapeFound", "propose"]

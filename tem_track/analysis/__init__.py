"""The only composition: a movie and an experiment in, a table of points out.

``prepare`` looks at a sample of the movie once and builds what every frame is measured with;
``observe`` measures one frame with that and nothing else; ``measure`` walks the frames in blocks,
``assemble`` joins them and decides what needs the whole sequence, and ``calculate`` turns the
columns into mechanics.
"""

from tem_track.analysis.blocks import BLOCK_FRAMES, measure, observe_again
from tem_track.analysis.calculation import (
    bodies_of,
    calculate,
    evaluate,
    growth_settings_of,
    settings_of,
)
from tem_track.analysis.checks import frames_of
from tem_track.analysis.composition import analyse, assemble, conclude, settle
from tem_track.analysis.learning import prepare
from tem_track.analysis.nouns import Findings, Measurement, Plan, Progress, Result
from tem_track.analysis.observing import observe

__all__ = [
    "BLOCK_FRAMES",
    "Findings",
    "Measurement",
    "Plan",
    "Progress",
    "Result",
    "analyse",
    "assemble",
    "bodies_of",
    "calculate",
    "conclude",
    "evaluate",
    "frames_of",
    "growth_settings_of",
    "measure",
    "observe",
    "observe_again",
    "prepare",
    "settings_of",
    "settle",
]

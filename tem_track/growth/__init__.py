"""Growth: length, diameter and shell against time, and the electrical log beside them."""

from __future__ import annotations

from tem_track.growth.evaluate import Settings, bodies_table, evaluate
from tem_track.growth.log import ElectricalLog, at_times, read_log, uncovered
from tem_track.growth.rates import (
    Rate,
    Step,
    current_A,
    local_rate,
    mean_rate,
    rates_by_step,
    steps_of,
)
from tem_track.growth.shell import ShellLaw, shell_law

__all__ = [
    "ElectricalLog",
    "Rate",
    "Settings",
    "ShellLaw",
    "Step",
    "at_times",
    "bodies_table",
    "current_A",
    "evaluate",
    "local_rate",
    "mean_rate",
    "rates_by_step",
    "read_log",
    "shell_law",
    "steps_of",
    "uncovered",
]

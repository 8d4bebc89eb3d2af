"""What one step hands the next: the plan, what is left of it, and what a run found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tem_track import __version__
from tem_track.config import Experiment
from tem_track.fingerprint import fingerprint
from tem_track.records import Axis

if TYPE_CHECKING:
    import pandas as pd

    from tem_track import tracking
    from tem_track.specimen import GrowthModel, SpecimenModel

__all__ = ["Findings", "Measurement", "Plan", "Progress", "Result", "silent"]


Measurement = Mapping[str, NDArray[Any]]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Plan:
    """All that one frame is measured with. It pickles, so that a worker can be handed it.

    Attributes
    ----------
    experiment : Experiment
    frame_range : range
        The frames that are measured.
    trackers : dict
        One tracker a target, by name.
    specimen : SpecimenModel, GrowthModel or None
    axis : Axis
        The loading axis, given or found.
    warnings : tuple of str
    """

    experiment: Experiment
    frame_range: range
    trackers: dict[str, tracking.Tracker]
    specimen: SpecimenModel | GrowthModel | None
    axis: Axis
    warnings: tuple[str, ...] = ()

    @property
    def learnt(self) -> str:
        """A fingerprint of the specimen as it was learnt, and of the program.

        With the same one a frame is outlined alike where its bar, tip and base are found alike.
        """
        return fingerprint((__version__, self.specimen))


@dataclass(frozen=True, eq=False)
class Findings:
    """What is left of a plan when all is measured.

    Attributes
    ----------
    axis : Axis
    warnings : tuple of str
    learnt : str
    """

    axis: Axis
    warnings: tuple[str, ...]
    learnt: str

    @classmethod
    def of(cls, plan: Plan) -> Findings:
        """Return what is left of a plan."""
        return cls(plan.axis, plan.warnings, plan.learnt)


@dataclass(frozen=True, eq=False)
class Result:
    """What a run found.

    Attributes
    ----------
    points : pandas.DataFrame
        One row a frame, the columns of ``points.csv``.
    summary : dict
        What ``summary.json`` holds.
    measurement : pandas.DataFrame
        The pixels that the points were calculated from.
    outlines : mapping
        By frame: array (n, 6) of midline x, y, left x, y and right x, y in pixels.
    experiment : Experiment
    axis : Axis
    """

    points: pd.DataFrame
    summary: dict[str, Any]
    measurement: pd.DataFrame
    outlines: Mapping[int, NDArray[np.float32]]
    experiment: Experiment
    axis: Axis


def silent(stage: str, done: int, total: int) -> None:
    """Show no progress."""

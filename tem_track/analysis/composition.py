"""All frames together: measured, joined, settled on the whole sequence, calculated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tem_track.analysis.blocks import measure, observe_again
from tem_track.analysis.calculation import calculate
from tem_track.analysis.learning import prepare
from tem_track.analysis.nouns import Plan, Progress, Result, silent
from tem_track.columns import Block, join, matches_of, replace_row
from tem_track.config import Experiment
from tem_track.cores import one_thread_a_routine
from tem_track.records import Axis, Match

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = ["analyse", "assemble", "conclude", "settle"]


def analyse(movie: Movie, experiment: Experiment, *, progress: Progress | None = None) -> Result:
    """Measure every frame of a movie and calculate the mechanics.

    Parameters
    ----------
    movie : Movie
        From `open_movie`; the experiment's `frame_interval_s` replaces its clock.
    experiment : Experiment
        From `load_experiment`.
    progress : callable, optional
        Called as ``progress(stage, done, total)``.

    Returns
    -------
    Result

    Raises
    ------
    ConfigError
        A box or a frame number of the experiment does not fit the movie.
    MovieError
        The movie cannot be read.
    TrackingError
        A box cannot give the position that is asked of it.
    """
    report = progress or silent
    with movie.with_frame_interval(experiment.calibration.frame_interval_s).keeping() as movie:
        plan = prepare(movie, experiment, progress=report)
        blocks = list(measure(movie, plan, progress=report))
        return assemble(movie, plan, blocks)


@one_thread_a_routine()
def assemble(movie: Movie, plan: Plan, blocks: Sequence[Block]) -> Result:
    """Join the blocks, settle what needs the whole sequence, and calculate.

    The blocks are empty afterwards.

    Parameters
    ----------
    movie : Movie
        Read again only where a target's place is settled otherwise than its frame alone said.
    plan : Plan
    blocks : sequence of Block
        All frames, in order.

    Returns
    -------
    Result
    """
    block = join(blocks, emptying=True)
    settle(block, partial(observe_again, movie, plan))
    return conclude(block, plan.experiment, plan.axis, plan.warnings)


def settle(block: Block, again: Callable[[int, Mapping[str, Match]], Block]) -> None:
    """Decide between places of like score on the whole sequence, in place.

    Parameters
    ----------
    block : Block
        All frames.
    again : callable
        `observe_again` of a frame's number and the places chosen in it; asked for the few frames
        in which the sequence chose otherwise.
    """
    if not block.alternatives:
        return
    from tem_track.tracking import choose

    changed: dict[int, dict[str, Match]] = {}
    for name in sorted({target for _, target, _ in block.alternatives}):
        matches = matches_of(block, name)
        for row, match in enumerate(choose(matches)):
            if not match.lost and match.x_px != matches[row].x_px:
                changed.setdefault(row, {})[name] = match
    for row in sorted(changed):
        replace_row(block, row, again(int(block.columns["frame"][row]), changed[row]))


def conclude(
    block: Block, experiment: Experiment, axis: Axis, warnings: Sequence[str] = ()
) -> Result:
    """Calculate what the pixels of all frames say.

    Parameters
    ----------
    block : Block
        All frames, settled.
    experiment : Experiment
    axis : Axis
    warnings : sequence of str
        What the measuring itself warned of.

    Returns
    -------
    Result
    """
    import pandas as pd

    points, summary = calculate(block.columns, experiment, axis, warnings)
    measurement = pd.DataFrame(block.columns, copy=False)
    return Result(points, summary, measurement, block.outlines, experiment, axis)

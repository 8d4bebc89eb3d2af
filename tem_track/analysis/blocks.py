"""All frames in blocks of rows; where it takes long, by several processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from tem_track.analysis.nouns import Plan, Progress, silent
from tem_track.analysis.observing import observe
from tem_track.apart import Apart, Standby
from tem_track.columns import TARGETS, Block, block_of
from tem_track.cores import cores, one_thread_a_routine
from tem_track.records import Match, Observation

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = ["BLOCK_FRAMES", "measure", "observe_again"]


BLOCK_FRAMES = 64
"""Frames measured and written to the journal together: what a killed run loses at most, some
seconds' work."""


def measure(
    movie: Movie,
    plan: Plan,
    *,
    done: Iterable[int] = (),
    progress: Progress = silent,
    workers: int | None = None,
    standby: Standby | None = None,
) -> Iterator[Block]:
    """Measure the plan's frames in order, in blocks; where it takes long, in several processes.

    Parameters
    ----------
    movie, plan
    done : iterable of int
        Frames that are measured already.
    progress : callable
    workers : int, optional
        Processes that measure; by default one a core. Their number changes no result.
    standby : Standby, optional
        Processes that `prepare` has begun.

    Yields
    ------
    Block
        The next frames' rows, in order.
    """
    finished, total = set(done), len(plan.frame_range)
    count = len(finished)
    apart: Apart[Observation] = Apart(
        observe, plan, workers or cores(), total - count, lambda: movie.decoding_s, standby
    )
    with one_thread_a_routine(), apart:
        for stretch in _stretches(plan.frame_range, finished):
            frames = movie.frames(stretch[0][0], stretch[-1][-1])
            observed = apart.answers(frames)
            for chunk in stretch:
                observations = []
                for observation in islice(observed, len(chunk)):
                    observations.append(observation)
                    count += 1
                    progress("measure", count, total)
                yield _block(observations, plan)


def observe_again(movie: Movie, plan: Plan, frame: int, settled: Mapping[str, Match]) -> Block:
    """Return the block of one frame in which some targets' places are known.

    Parameters
    ----------
    movie : Movie
    plan : Plan
    frame : int
        Its index in the movie.
    settled : mapping of str to Match
        The places, by target.
    """
    return _block([observe(movie[frame], plan, settled)], plan)


def _stretches(frames: range, done: set[int]) -> Iterator[list[range]]:
    """Cut the frames into blocks at fixed places, and group those to be done that adjoin.

    One stretch is read in one go: decoder and measurement never wait for a block to end.
    """
    stretch: list[range] = []
    for start in range(frames[0], frames[-1] + 1, BLOCK_FRAMES):
        chunk = range(start, min(start + BLOCK_FRAMES, frames[-1] + 1))
        for left in _left(chunk, done):
            if stretch and stretch[-1][-1] + 1 != left[0]:
                yield stretch
                stretch = []
            stretch.append(left)
    if stretch:
        yield stretch


def _left(chunk: range, done: set[int]) -> Iterator[range]:
    """Return the runs of frames of a chunk that are not done."""
    start: int | None = None
    for frame in chunk:
        if frame not in done:
            start = frame if start is None else start
        elif start is not None:
            yield range(start, frame)
            start = None
    if start is not None:
        yield range(start, chunk[-1] + 1)


def _block(observations: Sequence[Observation], plan: Plan) -> Block:
    names = [name for name in TARGETS if name in plan.trackers]
    return block_of(observations, names, plan.specimen is not None)

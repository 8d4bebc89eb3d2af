"""When and how the camera looks: shifts, brightness, and which frames are spoilt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tem_track.simulate.settings import Accidents
from tem_track.simulate.textures import Floats, wander

__all__ = ["Shots", "take_shots"]


@dataclass(frozen=True, slots=True, eq=False)
class Shots:
    """Every moment that could be recorded, and which of them each frame of the movie shows.

    Attributes
    ----------
    source : NDArray
        For each frame of the movie the moment it shows; a duplicate shows the one before again,
        a dropped moment is skipped.
    camera_px, stage_px : Floats
        Shift (x, y) of the whole picture, and of everything but the bar, shape (moments, 2).
    gain : Floats
        Brightness.
    occluded, overexposed : NDArray of bool
    changed : Floats
        How far the tip's look has changed, 0 to 1.
    progress : Floats
        0 at the first moment, 1 at the last.
    """

    source: NDArray[Any]
    camera_px: Floats
    stage_px: Floats
    gain: Floats
    occluded: NDArray[Any]
    overexposed: NDArray[Any]
    changed: Floats
    progress: Floats

    def frame_of(self, moment: int | None) -> int | None:
        """Return the first frame that shows that moment or a later one."""
        if moment is None:
            return None
        later = np.flatnonzero(self.source >= moment)
        return int(later[0]) if later.size else None


def take_shots(rng: np.random.Generator, accidents: Accidents, frames: int) -> Shots:
    """Draw all that happens to the camera and the stage."""
    moments = frames + accidents.dropped_frames
    progress = np.linspace(0, 1, moments)
    camera = accidents.camera_jitter_px * rng.standard_normal((moments, 2))
    camera = camera + _walk(rng, moments, accidents.camera_drift_px)
    stage = _walk(rng, moments, accidents.stage_drift_px)
    stage = stage + _vibration(rng, moments, accidents.stage_vibration_px)
    bad, over = _pick(rng, moments, accidents.occluded_frames, accidents.overexposed_frames)
    slow = accidents.slow_brightness * (progress - 0.5)
    gain = 1 + slow + accidents.flicker * rng.standard_normal(moments)
    gain = np.clip(gain, 0.2, None) * np.where(over, 5.0, 1.0)
    changed = np.clip((progress - 0.45) / 0.1, 0, 1)
    source = _source(rng, frames, moments, accidents)
    return Shots(source, camera, stage, gain, bad, over, changed, progress)


def _walk(rng: np.random.Generator, count: int, distance_px: float) -> Floats:
    """Return a drift that ends `distance_px` from where it began, not quite straight."""
    angle = rng.uniform(0, 2 * np.pi)
    progress = np.linspace(0, 1, count)[:, None]
    straight = progress * np.array([np.cos(angle), np.sin(angle)])
    side = np.column_stack([wander(rng, count, 0.15, count / 6 + 1) for _ in range(2)])
    side = side - side[0] - progress * (side[-1] - side[0])
    return np.asarray(distance_px * (straight + side), dtype=np.float64)


def _vibration(rng: np.random.Generator, count: int, amplitude_px: float) -> Floats:
    phase, other = rng.uniform(0, 2 * np.pi, 2)
    k = np.arange(count)
    x = np.sin(2 * np.pi * 0.237 * k + phase)
    y = np.sin(2 * np.pi * 0.291 * k + other)
    return np.asarray(amplitude_px * np.column_stack([x, y]), dtype=np.float64)


def _pick(
    rng: np.random.Generator, moments: int, occluded: int, overexposed: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Choose spoilt moments after the first tenth of the movie."""
    start = moments // 10 + 1
    order = start + rng.permutation(max(moments - start, 0))
    bad, over = np.zeros(moments, bool), np.zeros(moments, bool)
    bad[order[:occluded]] = True
    over[order[occluded : occluded + overexposed]] = True
    return bad, over


def _source(
    rng: np.random.Generator, frames: int, moments: int, accidents: Accidents
) -> NDArray[Any]:
    start = moments // 10 + 1
    order = start + rng.permutation(max(moments - start, 0))
    source = np.delete(np.arange(moments), order[: accidents.dropped_frames])
    again = np.sort(start + rng.permutation(max(frames - start, 0))[: accidents.duplicated_frames])
    for i in again:
        source[i] = source[i - 1]
    return source

"""What does not change from frame to frame: all frames say together where each lies.

A ball's pole is faint and flat, and one frame tells it to a few tenths of a pixel. Until contact,
and again after it, nothing presses on the specimen, so that the frames of such a time look at the
same end. A surface layer is as thick in all frames. Their mean serves each of them, weighed
against what the frame says itself; frames that differ by more than their noise keep their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.records import FloatArray

__all__ = ["Rest", "at_rest", "weighed"]

_FAR = 4.0  # of its uncertainties: such a value is another one
_SURE = 2.0  # how far a scatter must lie above the noise, of its own uncertainty


@dataclass(frozen=True, slots=True)
class Rest:
    """What some frames show alike.

    Attributes
    ----------
    value_px, u_px : float
        The mean and its uncertainty.
    noise_px : float
        Standard uncertainty of what a single frame shows, by the frames' own scatter.
    spread_px : float
        By how much more than their stated noise the frames differ.
    u_alike_px : float
        How far they may all be off together.
    """

    value_px: float
    u_px: float
    noise_px: float
    spread_px: float = 0.0
    u_alike_px: float = 0.0

    @property
    def u_frame_px(self) -> float:
        """Standard uncertainty with which it tells a single frame's value."""
        return math.hypot(self.u_px, self.spread_px)


def at_rest(value_px: FloatArray, u_px: FloatArray, alike: float = 0.0) -> Rest:
    """Return what some frames say together of something that stays.

    Parameters
    ----------
    value_px, u_px : array, shape (n,)
        As each frame shows it, and the uncertainty by the frame alone; strays are left out.
    alike : float
        Share of a frame's variance that all frames have in common and no mean takes away.
    """
    middle = float(np.median(value_px))
    away = np.abs(value_px - middle)
    usual = max(1.4826 * float(np.median(away)), float(np.median(u_px)))
    kept = away <= 3.5 * usual
    value, u = value_px[kept], np.maximum(u_px[kept], 1e-3)
    n = len(value)
    noise = float(np.mean(u**2))
    scatter = float(np.var(value, ddof=1)) if n > 1 else noise
    chance = _SURE * noise * math.sqrt(2 / max(n - 1, 1))
    spread = math.sqrt(scatter - noise) if scatter - noise > chance else 0.0
    single = math.sqrt(max(scatter, noise))
    return Rest(
        float(value.mean()), single / math.sqrt(n), single, spread, single * math.sqrt(alike)
    )


def weighed(
    value_px: float, u_px: float, rest: Rest, u_place_px: float = 0.0
) -> tuple[float, float]:
    """Return what a frame and its like show together, and its uncertainty.

    Parameters
    ----------
    value_px, u_px : float
        As the frame shows it.
    rest : Rest
    u_place_px : float
        Uncertainty in this frame of where the mean is counted from.
    """
    u = math.hypot(rest.u_frame_px, 0.0 if math.isnan(u_place_px) else u_place_px)
    own = max(u_px, rest.noise_px)
    if not abs(value_px - rest.value_px) < _FAR * math.hypot(own, u):
        return value_px, u_px
    weight = own**-2 / (own**-2 + u**-2)
    value = weight * value_px + (1 - weight) * rest.value_px
    return value, math.hypot(1 / math.sqrt(own**-2 + u**-2), rest.u_alike_px)

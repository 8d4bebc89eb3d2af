"""An unloaded specimen does not change its length: what all frames across a gap say together.

A ball's pole is faint and flat, and one frame tells it to a few tenths of a pixel. Until contact,
and again after it, nothing presses on the specimen, so that the frames of such a time look at the
same end. Their mean serves each of them, weighed against what the frame says itself; frames that
differ by more than their noise keep their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from tem_track.records import FloatArray
from tem_track.specimen.faces import Step

__all__ = ["Rest", "at_rest", "leaning"]

_FAR = 4.0  # of its uncertainties: such an end is another one
_SURE = 2.0  # how far a scatter must lie above the noise, of its own uncertainty


@dataclass(frozen=True, slots=True)
class Rest:
    """The end of an unloaded specimen.

    Attributes
    ----------
    height_px, u_px : float
        Of the end above the base's face, and its uncertainty.
    noise_px : float
        Standard uncertainty of what a single frame shows, by the frames' own scatter.
    spread_px : float
        By how much more than their stated noise the frames differ.
    """

    height_px: float
    u_px: float
    noise_px: float
    spread_px: float = 0.0

    @property
    def u_frame_px(self) -> float:
        """Standard uncertainty with which it tells the end in one frame."""
        return math.hypot(self.u_px, self.spread_px)


def at_rest(height_px: FloatArray, u_px: FloatArray) -> Rest:
    """Return what some frames of an unloaded specimen say together.

    Parameters
    ----------
    height_px, u_px : array, shape (n,)
        Of the end above the base's face, as each frame shows it; strays are left out.
    """
    middle = float(np.median(height_px))
    away = np.abs(height_px - middle)
    usual = max(1.4826 * float(np.median(away)), float(np.median(u_px)))
    kept = away <= 3.5 * usual
    height, u = height_px[kept], np.maximum(u_px[kept], 1e-3)
    n = len(height)
    noise = float(np.mean(u**2))
    scatter = float(np.var(height, ddof=1)) if n > 1 else noise
    chance = _SURE * noise * math.sqrt(2 / max(n - 1, 1))
    spread = math.sqrt(scatter - noise) if scatter - noise > chance else 0.0
    single = math.sqrt(max(scatter, noise))
    return Rest(float(height.mean()), single / math.sqrt(n), single, spread)


def leaning(step: Step, rest: Rest, base_px: float, u_base_px: float) -> Step:
    """Return an end as a frame and its like show it together.

    Parameters
    ----------
    step : Step
        The end as the frame shows it.
    rest : Rest
    base_px, u_base_px : float
        The base's face in the frame.
    """
    expected = base_px + rest.height_px
    u = math.hypot(rest.u_frame_px, 0.0 if math.isnan(u_base_px) else u_base_px)
    own = max(step.u_px, rest.noise_px)
    if not abs(step.s_px - expected) < _FAR * math.hypot(own, u):
        return step
    weight = own**-2 / (own**-2 + u**-2)
    place = weight * step.s_px + (1 - weight) * expected
    return replace(step, s_px=place, u_px=1 / math.sqrt(own**-2 + u**-2))

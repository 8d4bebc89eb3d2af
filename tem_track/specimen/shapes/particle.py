"""A particle: a sphere or a crystal, wide in the middle and narrow or flat at both ends."""

from __future__ import annotations

import numpy as np

from tem_track.records import FloatArray
from tem_track.specimen.body import Body
from tem_track.specimen.smooth import Curve, Mask, smooth_curve

__all__ = ["Particle"]


class Particle(Body):
    """A sphere, flattened or not, or a faceted particle."""

    name = "particle"
    u_facet = 0.5
    may_be_round = True
    is_long = False

    def smooth_width(self, width_px: FloatArray, good: Mask, softest: float) -> Curve:
        """Smooth the square of the width, which for a ball is a parabola."""
        square = smooth_curve(width_px**2, good, softest)
        width = np.sqrt(np.maximum(square.value, 1.0))
        return Curve(width, square.hat / (2 * width[:, None]), square.scatter)

"""A particle: a sphere or a crystal, wide in the middle and narrow or flat at both ends."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tem_track.records import FloatArray
from tem_track.specimen.body import Body, Sides
from tem_track.specimen.model import Faces
from tem_track.specimen.smooth import Curve, Mask, cornered, smooth_curve

__all__ = ["Particle"]

_EQUATOR_SHARE = 0.35  # of the length, to both sides of the middle
_LEAST_BANDS = 8
"""Bands about the equator from which on they tell widths better than a smooth curve."""


class Particle(Body):
    """A sphere, flattened or not, or a faceted particle."""

    name = "particle"
    u_facet = 0.5
    may_be_round = True
    is_long = False

    def smooth_width(
        self,
        width_px: FloatArray,
        good: Mask,
        softest: float,
        caution: float,
        level: float = 0.0,
        *,
        corners: bool = False,
    ) -> Curve:
        """Smooth the square of the width, a ball's parabola, or find a crystal's corners."""
        square = smooth_curve(width_px**2, good, softest, caution, level)
        width = np.sqrt(np.maximum(square.value, 1.0))
        smooth = replace(square, value=width, scale=0.5 / width)
        return cornered(width_px, good, smooth, caution) if corners else smooth

    def scalars(self, sides: Sides, faces: Faces) -> dict[str, float]:
        """Return the scalars; a ball's diameter is read on the bands about its equator alone.

        Its poles are steep, and what goes astray there would make the whole curve softer.
        """
        out = super().scalars(sides, faces)
        low, high = faces.base.s_px, faces.tip.s_px
        half = (low + high) / 2
        near = np.abs(sides.s_px - half) <= _EQUATOR_SHARE * (high - low)
        is_smooth = np.ndim(sides.width.scale) > 0
        if not is_smooth or (sides.good & near).sum() < _LEAST_BANDS:
            return out
        square = smooth_curve(sides.raw_px[near] ** 2, sides.good[near], caution=sides.caution)
        width = np.sqrt(np.maximum(square.value, 1.0))
        u = np.hypot(square.u * 0.5 / width, sides.u_common_px)
        mid, u_mid = (float(np.interp(half, sides.s_px[near], line)) for line in (width, u))
        most = int(np.argmax(width))
        out |= {"diameter_mid_px": mid, "u_diameter_mid_px": u_mid}
        if 0 < most < len(width) - 1:
            largest = {"diameter_max_px": float(width[most]), "u_diameter_max_px": float(u[most])}
            out |= largest
        return out

    def end_diameters(self, sides: Sides, low: float, high: float) -> dict[str, float]:
        """Extrapolate the square of the width, a parabola of a ball's, to both faces."""
        out: dict[str, float] = {}
        reach = max(0.3 * (high - low), 24.0)
        for name, at in (("base", low), ("tip", high)):
            near = (np.abs(sides.s_px - at) <= reach) & np.isfinite(sides.raw_px)
            if near.sum() < 6:
                continue
            x, square = sides.s_px[near] - at, sides.raw_px[near] ** 2
            design = np.column_stack([np.ones_like(x), x, x**2])
            solution, *_ = np.linalg.lstsq(design, square, rcond=None)
            rest = square - design @ solution
            variance = float(rest @ rest) / (len(x) - 3) * np.linalg.inv(design.T @ design)[0, 0]
            u_square = math.hypot(2 * math.sqrt(variance), 0.3 * abs(float(solution[1])))
            value = math.sqrt(max(float(solution[0]), 0.0))
            u = math.sqrt(value**2 + u_square) - value
            out |= {f"diameter_{name}_px": value, f"u_diameter_{name}_px": u}
        return out

"""One appearance of a target, and what good frames of it look like: plain data that pickles."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tem_track.records import FloatArray
from tem_track.tracking.changed import Usual
from tem_track.tracking.coarse import Coarse
from tem_track.tracking.covered import Cover
from tem_track.tracking.fit import Pattern
from tem_track.tracking.focus import Detail
from tem_track.tracking.outward import Outward
from tem_track.tracking.phase import Phase

__all__ = ["Chance", "Limits", "Look"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What good frames look like; a fit outside is a lost target.

    Attributes
    ----------
    chi2 : float
        Typical mean square of the residuals over their variance.
    chi2_most : float
        Largest that is still believed.
    likeness : float
        Typical squared correlation with the template.
    misfit_most : float
        Share of the template's energy that may differ, whatever the noise.
    gain : (float, float)
        Smallest and largest contrast against the template.
    seen : float
        Least share of the template inside the frame.
    at_peak : float
        Largest part of the pixels at the brightest grey.
    chi2_least : float
        Least mean square of the residuals, over the typical: less is a saturated frame.
    detail : float
        Least contrast of the fine detail, over that of the whole: less is a blurred frame.
    detail_usual : float
        Contrast below which it is asked whether a blurred template fits better.
    blur_most_px : float
        Blur beside the template's own, from which on a frame is given up.
    """

    chi2: float
    chi2_most: float
    likeness: float
    misfit_most: float = 0.2
    gain: tuple[float, float] = (0.3, 3.0)
    seen: float = 0.5
    at_peak: float = 1.1
    chi2_least: float = 0.3
    detail: float = 0.4
    detail_usual: float = 0.0
    blur_most_px: float = 6.0


_FAR = 3.0
"""From how many of the usual wanderings on a place along an edge is not believed."""


@dataclass(frozen=True, slots=True, eq=False)
class Chance:
    """Where a target usually is along a direction that little but chance fixes.

    Attributes
    ----------
    direction : float64 (2,)
        Unit vector (x, y).
    place_px : float
        Median of the box's place along it, over the sampled frames.
    wander_px : float
        Standard deviation of that place.
    is_still : bool
        Whether the target is known not to go along it: then no place that chance has chosen
        there is believed.
    """

    direction: FloatArray
    place_px: float
    wander_px: float
    is_still: bool = False

    def correction(self, x_px: float, y_px: float) -> FloatArray:
        """Return the way (x, y) back from a place that only chance can have chosen; else zero."""
        off = float(self.direction @ (x_px, y_px)) - self.place_px
        far = self.is_still or abs(off) > _FAR * self.wander_px
        return -off * self.direction if far else np.zeros(2)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One appearance of a target.

    Attributes
    ----------
    pattern, rough : Pattern
        The template at full size, and reduced for the second step of the search.
    detail : Detail or None
        What reads the contrast of the fine detail.
    coarse : Coarse
        The template of the global search.
    point_px : (float, float)
        The point (x, y) that is read, counted from the box's top-left pixel.
    pivot_px : (float, float)
        The point about which the template turns, likewise.
    turn_rad : float
        Turn of the template against the reference frame.
    turns : bool
        Whether a turn is fitted.
    information, covariance : float64 (n, n)
        Normal matrix of a whole view, and the covariance of the box's position, for a gain of one
        and typical residuals.
    free : float64 (2,) or None
        Unit vector (x, y) along which the target says nothing.
    u_free_px : float
        What is assumed of the position along it.
    limits : Limits
    apart_px2 : float64 (2, 2)
        Covariance of the look's place against that of the target's first look, and of what chance
        alone fixes.
    outward : Outward or None
        What undoes the pull of an outline that moves outwards, where it does.
    phase : Phase or None
        How the place within a pixel pulls the fit, as far as that is known.
    is_tied : bool
        Whether that place was measured on the outline, not drawn.
    chance : Chance or None
        A direction along which chance has the larger part in a fit, where there is one.
    usual : Usual
        What the residuals are of frames that look as the template does.
    cover : Cover or None
        What tells what is left of the target where a part is covered.
    """

    pattern: Pattern
    detail: Detail | None
    rough: Pattern
    coarse: Coarse
    point_px: tuple[float, float]
    pivot_px: tuple[float, float]
    turn_rad: float
    turns: bool
    information: FloatArray
    covariance: FloatArray
    free: FloatArray | None
    u_free_px: float
    limits: Limits
    apart_px2: FloatArray = field(default_factory=lambda: np.zeros((2, 2)))
    outward: Outward | None = None
    phase: Phase | None = None
    is_tied: bool = False
    chance: Chance | None = None
    usual: Usual = field(default_factory=Usual)
    cover: Cover | None = None

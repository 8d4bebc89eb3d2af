"""A template as it grows, and the look that it gives a tracker."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray
from tem_track.tracking.coarse import make_coarse, reduce_image
from tem_track.tracking.crops import SLACK
from tem_track.tracking.fit import Pattern
from tem_track.tracking.focus import detail_of
from tem_track.tracking.information import covariance_of, free_direction, information_of
from tem_track.tracking.look import Limits, Look
from tem_track.tracking.noise import variance
from tem_track.tracking.splines import MARGIN, coefficients, moved

__all__ = ["EARLY_ROUNDS", "SLOPE_NOISE", "Template"]

EARLY_ROUNDS = 2
"""Rounds in which most regions decide, whatever is known of their own motion."""
U_FREE_PX = 1.0
"""What is assumed of a place along a direction that the target does not tell, until it is known."""
SLOPE_NOISE = 1.4
"""Mean square of the slope, at its knots, of a cubic spline through white noise of variance 1: 6
sqrt(3) - 9 = 1.39."""


@dataclass(slots=True)
class Template:
    """The template as it grows: what averaging, fits and choice of pixels write by turns.

    Attributes
    ----------
    point_px : (float, float)
        The point (x, y) that is read, counted from the box's top-left pixel.
    shape : (int, int)
        Height and width of the box.
    turn_rad : float
        Turn against the reference frame.
    template : float64 (h + 2 SLACK, w + 2 SLACK)
        Grey values.
    noise : float64 (4,)
        Variance of a single frame's pixel; see `noise_of_grey`.
    mask, usable : bool (h, w)
        The pixels that move with the target, and those that are asked.
    trust : float64 (h, w) or float
        How far each pixel's slope counts.
    base : float
        Grey value that noise and pattern count from.
    support : float64 (h, w)
        Frames that show each pixel.
    n_frames : float
        Frames that the template is the mean of.
    early : bool
        Whether what a first vote has agreed on still decides which pixels are fitted.
    rounds, early_rounds : int
        Averages made, and those in which most regions decide.
    turns : bool
        Whether a turn is fitted.
    meat : float64 (n, n) or None
        Covariance of the fit's scores as the frames show it; the information where none is known.
    """

    point_px: tuple[float, float]
    shape: tuple[int, int]
    turn_rad: float = 0.0
    template: FloatArray = field(init=False)
    noise: FloatArray = field(init=False)
    mask: NDArray[np.bool_] = field(init=False)
    usable: NDArray[np.bool_] = field(init=False)
    trust: FloatArray | float = 1.0
    base: float = 0.0
    support: FloatArray = field(init=False)
    n_frames: float = 1
    early: bool = True
    rounds: int = 0
    early_rounds: int = EARLY_ROUNDS
    turns: bool = False
    meat: FloatArray | None = None

    def pattern(self) -> Pattern:
        """Return the pattern of the present template."""
        trim = SLACK - MARGIN
        coef = coefficients(self.template - self.base, 3)
        return Pattern(
            np.ascontiguousarray(coef[trim:-trim, trim:-trim]),
            np.asarray(self.mask, np.float32),
            np.asarray(self.mask * self.trust * self._sure_slopes(coef), np.float32),
            np.asarray(self.noise, np.float32),
            self.base,
        )

    @property
    def pivot_px(self) -> tuple[float, float]:
        """The middle of the box, about which the template turns."""
        return ((self.shape[1] - 1) / 2, (self.shape[0] - 1) / 2)

    def variance(self) -> FloatArray:
        """Return the variance of the box's pixels."""
        return variance(self.noise, self.template[SLACK:-SLACK, SLACK:-SLACK] - self.base)

    def _sure_slopes(self, coef: NDArray[np.float32]) -> FloatArray:
        """Return how far each slope is told from the template's own noise, 0 to 1."""
        inner = (slice(SLACK, -SLACK), slice(SLACK, -SLACK))
        square = sum(moved(coef, 0, 0, 3, s)[inner].astype(float) ** 2 for s in "xy")
        strength = cv2.GaussianBlur(np.asarray(square), (0, 0), 1.5)
        noise = 2 * SLOPE_NOISE * self.variance() / self.n_frames
        return np.clip(1 - noise / np.maximum(strength, 1e-12), 0.02, 1)

    def _noise_information(self, pattern: Pattern) -> float:
        """Return what the noise of the template's slopes adds to the information."""
        return float(pattern.slope_share.sum()) * SLOPE_NOISE / self.n_frames

    def look(self, limits: Limits) -> Look:
        """Return the look that the present template gives."""
        pattern = self.pattern()
        inner = self.template[SLACK:-SLACK, SLACK:-SLACK]
        coarse = make_coarse(inner - pattern.level, self.mask)
        rough = _rough_pattern(self.template - pattern.level, self.mask, coarse.factor)
        information = information_of(pattern, self.pivot_px, self.turns)
        free = free_direction(information)
        blurred = information[:2, :2] - self._noise_information(pattern) * np.eye(2)
        true = information.copy()
        true[:2, :2] = blurred if np.linalg.eigvalsh(blurred)[0] > 0 else information[:2, :2]
        covariance = covariance_of(true, free, information if self.meat is None else self.meat)
        detail = detail_of(pattern)
        return Look(
            pattern, detail, rough, coarse, self.point_px, self.pivot_px, self.turn_rad,
            self.turns, information, covariance, free, U_FREE_PX, limits,
        )  # fmt: skip


def _rough_pattern(template: FloatArray, mask: NDArray[np.bool_], factor: int) -> Pattern:
    """Reduce a template with its surroundings.

    A ring of one reduced pixel around the box is real, so that an edge at the side of a tightly
    drawn box still tells where the box is.
    """
    h, w = mask.shape[0] // factor, mask.shape[1] // factor
    weight = reduce_image(mask.astype(np.float32), factor)
    start = SLACK - factor
    ring = template[start : SLACK + (h + 1) * factor, start : SLACK + (w + 1) * factor]
    low = reduce_image(ring.astype(np.float32), factor)
    padded = np.pad(low.astype(float), MARGIN - 1, mode="edge")
    flat = np.array([1, 0, 0, 1], np.float32)
    share = np.asarray(weight, np.float32)
    return Pattern(coefficients(padded, 3), share, share, flat, 0.0)

"""A target that looks otherwise than it did in the frames its template was made of.

A layer that grows on it or a texture that changes leaves residuals that are smooth over a few
pixels, which noise is not. How much of the change looks like a motion, the fit has taken for one,
and nothing in the frame says how much that was. What is left tells how strong the change is, and
a strong one stands in the uncertainty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray, Image
from tem_track.tracking.fit import Fit, Pattern
from tem_track.tracking.information import squares
from tem_track.tracking.noise import variance
from tem_track.tracking.splines import MARGIN, moved

__all__ = [
    "BLOCK_PX",
    "SIDES",
    "Change",
    "Usual",
    "doubt_of_change",
    "rest_at",
    "structure",
    "usual",
]

SURE = 4.0
"""Deviations of the usual frames' structure that a changed look exceeds."""
ASKED = 2.0
"""Deviations of the usual frames' chi2 from which on a frame's structure is looked at."""
BLOCK_PX = 4
SIDES = 4
"""Independent parts in which a change shows: as many sides as a target has."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What the residuals of frames are that look as the template does.

    Attributes
    ----------
    chi2 : float
        Mean square over the variance up to which nothing more is asked.
    typical, most : float
        Structured part of the squares' sum, and the largest that is no change.
    """

    chi2: float = math.inf
    typical: float = 0.0
    most: float = math.inf


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A look that changes for good.

    Attributes
    ----------
    frame : int
        The first sampled frame that shows the other look.
    doubt_px2 : float64 (2, 2)
        Covariance (x, y) of what of it looks like a motion.
    """

    frame: int
    doubt_px2: FloatArray


def structure(rest: NDArray[np.floating], value: FloatArray, pattern: Pattern) -> float:
    """Return the part of the residuals' squares, over their variance, that is smooth over pixels.

    Parameters
    ----------
    rest, value : FloatArray (h, w)
        Residuals, and the template's grey less its level.
    pattern : Pattern
    """
    relative = pattern.share * rest / np.sqrt(variance(pattern.noise.astype(float), value))
    blocks = float((squares(relative[None], BLOCK_PX) ** 2).sum()) / BLOCK_PX**2
    white = float((relative**2).sum()) / BLOCK_PX**2
    return (blocks - white) / (1 - 1 / BLOCK_PX**2)


def usual(chi2: FloatArray, structures: FloatArray) -> Usual:
    """Return what is usual in the frames (n,) that a template was made of."""
    typical, spread = _middle(structures)
    return Usual(_middle(chi2)[0] + ASKED * _middle(chi2)[1], typical, typical + SURE * spread)


def _middle(values: FloatArray) -> tuple[float, float]:
    middle = float(np.median(values))
    return middle, 1.4826 * float(np.median(np.abs(values - middle)))


def doubt_of_change(image: Image, fit: Fit, pattern: Pattern, known: Usual) -> float:
    """Return the variance of a position in multiples of the inverse information.

    Parameters
    ----------
    image : Image
    fit : Fit
        In that image.
    pattern : Pattern
    known : Usual

    Returns
    -------
    float
        The structure that is more than usual in what is in view, a side of the target each; 0
        where it is usual.
    """
    if fit.chi2 / max(fit.gain, 1.0) <= known.chi2:
        return 0.0
    found = structure(*rest_at(image, fit, pattern), pattern) - known.typical * fit.seen
    return found / SIDES if found > known.most - known.typical else 0.0


def rest_at(image: Image, fit: Fit, pattern: Pattern) -> tuple[FloatArray, FloatArray]:
    """Return what a fit without a turn leaves, and the template's grey less its level, both (h, w).

    Beyond the frame's border nothing is left.
    """
    x, y = round(fit.x_px), round(fit.y_px)
    h, w = pattern.shape
    part = image[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)].astype(np.float32)
    top, left = max(-y, 0), max(-x, 0)
    held = (slice(top, top + part.shape[0]), slice(left, left + part.shape[1]))
    inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    value = moved(pattern.coef, x - fit.x_px, y - fit.y_px, 3)[inner].astype(float)
    rest = np.zeros((h, w))
    rest[held] = (part - np.float32(pattern.level + fit.offset)) / np.float32(fit.gain)
    rest[held] -= value[held]
    return rest, value

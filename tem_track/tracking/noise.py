"""How much a pixel varies by itself: the variance as a function of grey, learnt from the movie.

Nothing is assumed of gain, gamma or compression: the residuals of the registered frames are
gathered by the template's grey value, and their median in each class is the variance there.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray

__all__ = ["noise_of_grey", "single_frame_variance", "variance"]

N_CLASSES = 12
"""Classes of grey in which the variance is read; a parabola has three unknowns."""

LEAST_OF_TYPICAL, LEAST_OF_LEAST = 0.02, 0.2
"""Least variance, over the median of the classes' and over the smallest of them: a parabola that
dips below zero between classes would weigh its pixels without bound."""


def noise_of_grey(
    template: FloatArray, mean_square: FloatArray, usable: NDArray[np.bool_], n_frames: float
) -> FloatArray:
    """Return the variance that a grey value leads to, as a parabola with a least value.

    Parameters
    ----------
    template, mean_square : FloatArray (h, w)
        Mean grey value, and mean over the frames of the squared residual.
    usable : bool (h, w)
        Pixels to learn from.
    n_frames : float
        Number of frames in the mean; the residuals' deficit and the median's are corrected.

    Returns
    -------
    FloatArray (4,)
        Constant, linear and quadratic coefficient of the grey, and the least variance.
    """
    grey, square = template[usable], mean_square[usable]
    if not len(grey):
        return np.array([1.0, 0.0, 0.0, 1e-6])
    free = max(n_frames - 1, 1)
    scale = n_frames / free / (1 - 2 / (9 * free)) ** 3
    centres, levels, counts = _classes(grey, square)
    values = levels * scale
    typical, smallest = float(np.median(values)), float(values.min())
    least = max(LEAST_OF_TYPICAL * typical, LEAST_OF_LEAST * smallest, 1e-9)
    values = np.maximum(values, least)
    degree = min(2, len(values) - 1)
    fitted = np.polynomial.polynomial.polyfit(centres, values, degree, w=np.sqrt(counts) / values)
    return np.array([*fitted, *np.zeros(2 - degree), least])


def _classes(grey: FloatArray, square: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the middle grey, the median square and the size of classes of equal width."""
    low, high = (float(v) for v in np.quantile(grey, [0.002, 0.998]))
    edges = np.linspace(low, high, N_CLASSES + 1)
    which = np.clip(np.searchsorted(edges, grey, side="right") - 1, 0, N_CLASSES - 1)
    sizes = np.bincount(which, minlength=N_CLASSES)
    kept = [k for k in range(N_CLASSES) if sizes[k] >= min(20, sizes.max())]
    centres = np.array([np.median(grey[which == k]) for k in kept])
    levels = np.array([np.median(square[which == k]) for k in kept])
    return centres, levels, sizes[kept].astype(float)


def variance(noise: FloatArray, grey: FloatArray) -> FloatArray:
    """Evaluate the parabola of `noise_of_grey`."""
    return np.asarray(np.maximum(noise[3], noise[0] + grey * (noise[1] + grey * noise[2])))


def single_frame_variance(image: FloatArray) -> float:
    """Estimate the noise's variance from one frame, blind to slopes and curvature.

    The mask is that of J. Immerkaer, Computer Vision and Image Understanding 64 (1996) 300; the
    median keeps edges out.
    """
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], float)
    answer = cv2.filter2D(image, cv2.CV_64F, mask)[1:-1, 1:-1]
    sigma = float(np.median(np.abs(answer))) / 0.6745 / 6
    return max(sigma**2, 1 / 12 if float(np.ptp(image)) > 4 else math.ulp(1.0), 1e-9)

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

__all__ = ["single_frame_variance", "variance_of_grey"]

N_CLASSES = 12


def variance_of_grey(
    template: FloatArray, mean_square: FloatArray, usable: NDArray[np.bool_], n_frames: float
) -> FloatArray:
    """Return the variance that each grey value of the template leads to.

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
    FloatArray (h, w)
        Variance of one frame's pixel.
    """
    grey, square = template[usable], mean_square[usable]
    edges = np.quantile(grey, np.linspace(0, 1, N_CLASSES + 1))
    which = np.clip(np.searchsorted(edges, grey, side="right") - 1, 0, N_CLASSES - 1)
    centres, levels = [], []
    for number in range(N_CLASSES):
        chosen = which == number
        if chosen.sum() >= 20:
            centres.append(float(np.median(grey[chosen])))
            levels.append(float(np.median(square[chosen])))
    if not levels:
        return np.full(template.shape, max(float(square.mean()), 1e-6))
    free = max(n_frames - 1, 1)
    scale = n_frames / free / (1 - 2 / (9 * free)) ** 3
    values = np.array(levels) * scale
    floor = max(0.05 * float(np.median(values)), 1e-3 * float(np.ptp(edges)) ** 2 * 1e-3, 1e-9)
    order = np.argsort(centres)
    return np.interp(template, np.array(centres)[order], np.maximum(values, floor)[order])


def single_frame_variance(image: FloatArray) -> float:
    """Estimate the noise's variance from one frame, blind to slopes and curvature.

    The mask is that of J. Immerkaer, Computer Vision and Image Understanding 64 (1996) 300; the
    median keeps edges out.
    """
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], float)
    answer = cv2.filter2D(image, cv2.CV_64F, mask)[1:-1, 1:-1]
    sigma = float(np.median(np.abs(answer))) / 0.6745 / 6
    return max(sigma**2, 1 / 12 if float(np.ptp(image)) > 4 else math.ulp(1.0), 1e-9)

"""A frame whose even and odd rows were taken at different times.

A recorder that joins two fields into a frame, or a grabber that was late, mixes two moments row by
row. Where the target has moved in between, it stands in two places, and the fit finds one that is
neither. Nothing in nature alternates from row to row: what is left of the fit does so then, and as
strongly as the two places lie apart.
"""

from __future__ import annotations

import math

import numpy as np

from tem_track.records import Image
from tem_track.tracking.changed import BLOCK_PX, rest_at, structure
from tem_track.tracking.fit import Fit, Pattern
from tem_track.tracking.noise import variance

__all__ = ["APART_PX", "fields_apart_px"]

APART_PX = 1.0
"""Distance of the two fields from which on a place between them is not believed."""
SURE = 10.0
"""Deviations of white noise that what alternates must exceed."""


def fields_apart_px(image: Image, fit: Fit, pattern: Pattern) -> float:
    """Return how far apart the even and the odd rows show the target, in pixels.

    A small distance alternates as the template's slopes do; of a large one the strength tells, and
    it is that at least.

    Parameters
    ----------
    image : Image
    fit : Fit
        In that image.
    pattern : Pattern

    Returns
    -------
    float
        0 where nothing alternates but noise.
    """
    rest, value = rest_at(image, fit, pattern)
    alternating = np.where(np.arange(rest.shape[0]) % 2, -1.0, 1.0)[:, None] * rest
    weight = pattern.share / variance(pattern.noise.astype(float), value)
    noise = fit.chi2 / max(fit.gain, 1e-3) ** 2
    slopes = np.array(np.gradient(value)[::-1])
    normal = np.einsum("nyx,myx,yx->nm", slopes, slopes, weight)
    score = np.einsum("nyx,yx->n", slopes, weight * alternating)
    half = np.linalg.pinv(normal, hermitian=True) @ score
    near = float(np.hypot(*half)) if half @ score > SURE**2 * noise else 0.0
    squares = structure(alternating, value, pattern)
    white = noise * math.sqrt(2 * max(float((pattern.share > 0).sum()), 1.0)) / BLOCK_PX
    steepest = max(float(np.linalg.eigvalsh(normal)[-1]), 1e-12)
    far = math.sqrt(squares / steepest) if squares > SURE * white else 0.0
    return 2 * max(near, far)

"""Statistics of what is known: NaN where nothing is, never a warning."""

from __future__ import annotations

import math

import numpy as np

from tem_track.records import FloatArray

__all__ = ["known_median", "known_rms"]


def known_median(values: FloatArray) -> float:
    """Return the median of the finite values, NaN where there is none."""
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else math.nan


def known_rms(values: FloatArray) -> float:
    """Return the root mean square of the finite values, NaN where there is none."""
    finite = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(finite**2))) if finite.size else math.nan

"""Force curves without a drop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["loading_curve"]


def loading_curve(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Load, yield, sometimes unload, in nN."""
    t = np.linspace(0, 1, n)
    force = np.minimum(t / 0.4, 1 + 0.5 * (t - 0.4)) * 3000
    if rng.uniform() < 0.5:
        start = rng.uniform(0.6, 0.8)
        back = np.clip(force * (1 - (t - start) / (1 - start)), 0, None)
        force = np.where(t > start, back, force)
    return force

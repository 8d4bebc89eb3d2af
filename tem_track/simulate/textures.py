"""Random patterns that move with their object by any fraction of a pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.ndimage import gaussian_filter1d

__all__ = ["PER_PX", "Floats", "blotches", "grain", "wander"]

Floats = NDArray[np.float64]
Generator = np.random.Generator

PER_PX = 2.0
"""Lattice points per pixel: fine enough that interpolation leaves no step of a lattice point."""


def grain(
    rng: Generator, height_px: float, width_px: float, sigma_px: float
) -> NDArray[np.float32]:
    """Return a periodic Gaussian noise pattern of unit rms, PER_PX samples a pixel."""
    rows, columns = (next_fast_len(int(n * PER_PX) + 8, real=True) for n in (height_px, width_px))
    down = np.exp(-2 * (np.pi * sigma_px * PER_PX * np.fft.fftfreq(rows)) ** 2)
    across = np.exp(-2 * (np.pi * sigma_px * PER_PX * np.fft.rfftfreq(columns)) ** 2)
    waves = np.fft.rfft2(rng.standard_normal((rows, columns)))
    noise = np.fft.irfft2(waves * down[:, None] * across, s=(rows, columns))
    unit: NDArray[Any] = (noise - noise.mean()) / noise.std()
    return unit.astype(np.float32)


def blotches(
    rng: Generator, height_px: float, width_px: float, zoom: float = 1.0
) -> NDArray[np.float32]:
    """Return a pattern of coarse patches, fine grain and dark particles, as thick objects show."""
    coarse = grain(rng, height_px, width_px, 9.0 * zoom)
    fine = grain(rng, height_px, width_px, 1.6)
    spots = grain(rng, height_px, width_px, max(2.5 * zoom, 1.6))
    particles = np.clip(spots - 1.3, 0, 1.2)
    mixed = 0.55 * coarse + 0.45 * fine + 1.1 * (particles - particles.mean())
    return np.asarray(mixed / mixed.std(), dtype=np.float32)


def wander(rng: Generator, count: int, rms: float, sigma: float) -> Floats:
    """Return a smooth random line of `count` points: contours and slow variations."""
    line = gaussian_filter1d(rng.standard_normal(count), sigma, mode="wrap")
    return np.asarray(rms * line / max(float(line.std()), 1e-12), dtype=np.float64)

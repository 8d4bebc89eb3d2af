"""From the beam that arrives to grey values: fringe, blur, shot noise, gamma, label, rounding."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.simulate.settings import Physics

__all__ = ["beam", "burn_label", "expose", "to_grey"]

Picture = NDArray[np.float32]


def beam(shape: tuple[int, int], fall: float) -> Picture:
    """Return the illumination of the empty picture, 1 near its middle, brighter to one side."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    down = (y - 0.45 * shape[0]) / shape[0]
    right = (x - 0.55 * shape[1]) / shape[1]
    return np.asarray(1 - fall * (2 * (down**2 + right**2) + 0.3 * right), dtype=np.float32)


def fringed(picture: Picture, physics: Physics) -> Picture:
    """Add the Fresnel fringe: bright outside an edge, stronger towards one side."""
    if physics.fringe == 0:
        return picture
    near = _blur(picture, 1.0)
    far = _blur(picture, 2.6)
    shifted = np.pad(far, ((1, 0), (1, 0)), mode="edge")[:-1, :-1]
    far = far + np.float32(physics.fringe_asymmetry) * (shifted - far)
    added = picture + np.float32(2.5 * physics.fringe) * (near - far)
    return np.maximum(added, np.float32(0))


def expose(picture: Picture, physics: Physics, gain: float, rng: np.random.Generator) -> Picture:
    """Return what the detector counts, over the counts of vacuum."""
    picture = fringed(picture, physics) * np.float32(gain)
    if not physics.correlated_noise:
        picture = _detector(picture, physics)
    if np.isfinite(physics.dose_e_per_px):
        electrons = shot(picture * np.float32(physics.dose_e_per_px), rng)
        if physics.read_noise_e:
            read = rng.standard_normal(picture.shape, dtype=np.float32)
            electrons += np.float32(physics.read_noise_e) * read
        picture = electrons / np.float32(physics.dose_e_per_px)
    return _detector(picture, physics) if physics.correlated_noise else picture


def shot(expected: Picture, rng: np.random.Generator) -> Picture:
    """Return Poisson counts: exact where few, by the Cornish-Fisher expansion where many."""
    z = rng.standard_normal(expected.shape, dtype=np.float32)
    counts = np.rint(expected + np.sqrt(expected) * z + (z * z - 1) / 6)
    few = expected < 12
    counts[few] = rng.poisson(expected[few])
    return np.maximum(counts, 0).astype(np.float32)


def _detector(picture: Picture, physics: Physics) -> Picture:
    core = _blur(picture, physics.psf_sigma_px)
    if physics.tail == 0:
        return core
    tail = _blur(picture, physics.tail_sigma_px)
    return core + np.float32(physics.tail) * (tail - core)


def _blur(picture: Picture, sigma: float) -> Picture:
    if sigma <= 0:
        return picture
    size = 2 * int(np.ceil(4 * sigma)) + 1
    kernel = cv2.getGaussianKernel(size, sigma, cv2.CV_32F)
    blurred = cv2.sepFilter2D(picture, cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, dtype=np.float32)


def to_grey(
    picture: Picture, physics: Physics, *, bits: int, bright: bool, levels: float
) -> NDArray[Any]:
    """Apply gamma and contrast and round to the file's depth; vacuum lies at 80 % of the range."""
    top = 255 if bits == 8 else 65535
    value = np.clip(picture, 0, None) * np.float32(0.8)
    if physics.gamma != 1:
        value = np.float32(0.8) * np.power(value / np.float32(0.8), np.float32(physics.gamma))
    if bright:
        value = np.float32(0.92) - value
    if levels > 0:
        value = np.float32(0.45) + (value - np.float32(0.4)) * np.float32(levels / (0.8 * 255))
    kind = np.uint8 if bits == 8 else np.uint16
    return np.asarray(np.clip(np.rint(value * top), 0, top), dtype=kind)


def burn_label(
    grey: NDArray[Any], time_s: float, scale_nm_per_px: float, corner: tuple[bool, bool]
) -> None:
    """Write a scale bar with its length and a time stamp into the corner (right, top)."""
    rows, columns = grey.shape
    size = rows / 768
    top = np.iinfo(grey.dtype).max
    length_nm = _round_length(0.17 * columns * scale_nm_per_px)
    length = round(length_nm / scale_nm_per_px)
    right, upper = corner
    x = columns - length - round(14 * size) if right else round(14 * size)
    y = round(46 * size) if upper else rows - round(14 * size)
    thick = max(round(6 * size), 2)
    grey[y - thick : y, x : x + length] = top
    _text(grey, f"{length_nm:g} nm", (x, y - round(12 * size)), size)
    stamp_y = round(68 * size) if upper else rows - round(50 * size)
    _text(grey, f"{time_s:.1f} s", (x, stamp_y), size)


def _text(grey: NDArray[Any], text: str, at: tuple[int, int], size: float) -> None:
    mask = np.zeros(grey.shape, dtype=np.uint8)
    weight = max(round(2 * size), 1)
    cv2.putText(mask, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.72 * size, 255, weight, cv2.LINE_AA)
    grey[mask > 96] = np.iinfo(grey.dtype).max


def _round_length(nm: float) -> float:
    power = 10 ** np.floor(np.log10(nm))
    return float(max(step for step in (1, 2, 5) if step * power <= nm) * power)

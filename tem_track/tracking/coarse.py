"""The global search: where is the target, to a whole pixel, anywhere in the frame.

Normalised cross-correlation on a reduced frame finds the place whatever the brightness. It is
biased on a dark tip, so nothing finer is asked of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray, Image
from tem_track.tracking.fit import part_at_peak

__all__ = ["Coarse", "Place", "Reduced", "make_coarse", "search", "search_partly"]

Float32 = NDArray[np.float32]


ALL_MOVES = 0.99
"""Least part of a reduced pixel that moves with the target, for a template without a mask."""
LEAST_ENERGY = 0.3
"""Least part of the template's energy that the part in view must hold."""
LEAST_LIKENESS = 0.05
"""Correlation below which a peak is noise's."""
NO_CONTRAST = 1e-4
"""Least variance under the template over that of the frame: less is called uniform."""


@dataclass(frozen=True, slots=True, eq=False)
class Coarse:
    """The reduced template.

    Attributes
    ----------
    factor : int
        Frame pixels per reduced pixel.
    template : float32 (h, w)
        Reduced grey values.
    moving : float32 (h, w) or empty
        How much of each moves with the target; empty where all does.
    pad : int
        Reduced pixels by which the frame is continued beyond its border.
    spectra : dict of (int, int) to _Kernels
        What was worked out of the two for frames of a (reduced) shape.
    """

    factor: int
    template: Float32
    moving: Float32
    pad: int
    spectra: dict[tuple[int, ...], _Kernels] = field(default_factory=dict, repr=False)

    def kernels(self, shape: tuple[int, ...]) -> _Kernels:
        """Return what is the same for every reduced frame of one shape, kept once made."""
        known = self.spectra.get(shape)
        if known is None:
            weight = self.moving if self.moving.size else np.ones_like(self.template)
            known = self.spectra[shape] = _Kernels.of(self.template, weight, shape)
        return known


@dataclass(frozen=True, slots=True, eq=False)
class _Kernels:
    """The weighted template and the weights as spectra of one size, and their sums."""

    size: tuple[int, int]
    template: Float32
    weight: Float32
    total: float
    energy: float

    @classmethod
    def of(cls, template: Float32, weight: Float32, shape: tuple[int, ...]) -> _Kernels:
        """Make them for frames of a shape."""
        size = (cv2.getOptimalDFTSize(shape[0]), cv2.getOptimalDFTSize(shape[1]))
        total = float(weight.sum())
        weighted = weight * (template - float((weight * template).sum()) / total)
        energy = float((weighted * template).sum())
        return cls(size, _spectrum(weighted, size), _spectrum(weight, size), total, energy)


@dataclass(frozen=True, slots=True)
class Place:
    """A candidate: the box's top-left pixel and its correlation."""

    x_px: float
    y_px: float
    likeness: float


class Reduced:
    """A frame, and what it is when reduced: worked out once for all targets that are sought in it.

    Parameters
    ----------
    image : Image
    """

    def __init__(self, image: Image) -> None:
        self.image = image
        self._known: dict[int, Float32] = {}
        self._half: Image | None = None
        self._at_peak: float | None = None

    @property
    def at_peak(self) -> float:
        """The part of the frame's pixels at the brightest grey."""
        if self._at_peak is None:
            self._at_peak = part_at_peak(self.image)
        return self._at_peak

    def by(self, factor: int) -> Float32:
        """Return the frame with squares of `factor` pixels averaged."""
        if factor not in self._known:
            self._known[factor] = self._averaged(factor)
        return self._known[factor]

    def _averaged(self, factor: int) -> Float32:
        if factor <= 2 or factor & (factor - 1):
            return reduce_image(self.image, factor)
        from tem_track.reducing import WHOLE, mean_blocks

        if self.image.dtype.name not in WHOLE:
            return reduce_image(self.by(factor // 2), 2)
        if self._half is None:
            h, w = self.image.shape
            self._half = _halved(np.ascontiguousarray(self.image[: h // 2 * 2, : w // 2 * 2]))
        return np.asarray(mean_blocks(self._half, factor // 2), np.float32)


def make_coarse(template: FloatArray, moving: NDArray[np.bool_]) -> Coarse:
    """Reduce a template of shape (h, w), so that its shorter side keeps 12 pixels or more."""
    h, w = template.shape
    factor = int(np.clip(2 ** int(np.log2(max(1.0, min(h, w) / 12))), 1, 8))
    low = np.ascontiguousarray(reduce_image(template.astype(np.float32), factor))
    pad = int(np.ceil(0.25 * min(low.shape)))
    part = reduce_image(moving.astype(np.float32), factor)
    whole = part.min() > ALL_MOVES or not part.any()
    return Coarse(factor, low, np.empty((0, 0), np.float32) if whole else part, pad)


def reduce_image(image: Image, factor: int) -> Float32:
    """Average squares of `factor` pixels; a rest at the right and the bottom is left off."""
    h, w = image.shape[0] // factor, image.shape[1] // factor
    if factor == 1:
        return image.astype(np.float32)
    part = np.ascontiguousarray(image[: h * factor, : w * factor])
    if part.dtype.name not in ("uint8", "uint16", "float32"):
        part = part.astype(np.float32)
    if factor % 2 == 0:
        # halves are made many times faster than any other part, even by going over them twice
        part = _halved(part).astype(np.float32)
        factor //= 2
        while factor % 2 == 0:
            part, factor = _halved(part), factor // 2
    if factor > 1:
        part = cv2.resize(part, (w, h), interpolation=cv2.INTER_AREA)
    return np.asarray(part, np.float32)


def _halved(image: Image) -> Image:
    h, w = image.shape
    return np.asarray(cv2.resize(image, (w // 2, h // 2), interpolation=cv2.INTER_AREA))


def search(
    frame: Reduced,
    coarse: Coarse,
    *,
    most: int = 3,
    within: float = 0.1,
    apart: int | None = None,
) -> list[Place]:
    """Find the best places, best first.

    Parameters
    ----------
    frame : Reduced
    coarse : Coarse
    most : int
        How many places at most.
    within : float
        How far the correlation of a further place may stay behind that of the best.
    apart : int, optional
        Reduced pixels, in x and y, within which places count as one; a third of the box by default.
    """
    low = frame.by(coarse.factor)
    pad = coarse.pad
    low = np.asarray(cv2.copyMakeBorder(low, pad, pad, pad, pad, cv2.BORDER_REPLICATE), np.float32)
    if low.shape[0] < coarse.template.shape[0] or low.shape[1] < coarse.template.shape[1]:
        return []
    return _peaks(_correlation(low, coarse), coarse, most, within, (pad, pad), apart)


def search_partly(
    frame: Reduced, coarse: Coarse, *, most: int = 3, within: float = 0.1
) -> list[Place]:
    """Find the best places of a target of which up to half has left the frame, best first.

    Only what lies in the frame is compared. It costs several times what `search` does.

    Parameters
    ----------
    frame, coarse, most, within
        As for `search`.
    """
    low = frame.by(coarse.factor)
    h, w = coarse.template.shape
    tall, wide = h // 2, w // 2
    low = low - float(low.mean())
    around = (tall, tall, wide, wide, cv2.BORDER_CONSTANT)
    grey = np.asarray(cv2.copyMakeBorder(low, *around, value=0.0), np.float32)
    held = np.asarray(cv2.copyMakeBorder(np.ones_like(low), *around, value=0.0), np.float32)
    if grey.shape[0] < h or grey.shape[1] < w:
        return []
    weight = coarse.moving if coarse.moving.size else np.ones_like(coarse.template)
    template = coarse.template - float((weight * coarse.template).sum() / weight.sum())
    n, of_t, of_tt, of_i, of_ti, of_ii = (
        cv2.matchTemplate(picture, kernel, cv2.TM_CCORR)
        for picture, kernel in (
            (held, weight), (held, weight * template), (held, weight * template**2),
            (grey, weight), (grey, weight * template), (grey * grey, weight),
        )
    )  # fmt: skip
    count = np.maximum(n, 1e-6)
    spread = of_ii - of_i**2 / count
    energy = of_tt - of_t**2 / count
    sure = (n > 0.5 * float(weight.sum())) & (spread > NO_CONTRAST * count * float(low.var()))
    sure &= energy > LEAST_ENERGY * float((weight * template**2).sum())
    product = np.maximum(spread, 1e-9) * np.maximum(energy, 1e-9)
    map_ = np.where(sure, (of_ti - of_t * of_i / count) / np.sqrt(product), -1)
    return _peaks(np.asarray(map_, np.float32), coarse, most, within, (wide, tall))


def _correlation(low: Float32, coarse: Coarse) -> Float32:
    """Return the normalised cross-correlation of the pixels that move with the target.

    Pixels that do not are no part of any sum: filled with a grey of their own they would outweigh
    the target where a box is generous.
    """
    from tem_track.tracking import likening

    shape = coarse.template.shape
    kernels = coarse.kernels(low.shape)
    mean, deviation = (float(found[0, 0]) for found in cv2.meanStdDev(low))
    low = low - np.float32(mean)
    grey = _spectrum(low, kernels.size)
    cross = _correlated(grey, kernels.template)
    least = max(NO_CONTRAST * kernels.total * deviation**2, 1e-9)
    energy = max(kernels.energy, 1e-12)
    inside = (low.shape[0] - shape[0] + 1, low.shape[1] - shape[1] + 1)
    found = np.empty(inside, np.float32)
    if coarse.moving.size:
        square = _spectrum(low * low, kernels.size)
        sum_, squares = (_correlated(each, kernels.weight) for each in (grey, square))
        likening.liken(cross, sum_, squares, kernels.total, least, energy, found)
    else:
        sums, all_squares = cv2.integral2(low)
        likening.liken_whole(cross, sums, all_squares, *shape, least, energy, found)
    return found


_BACK = cv2.DFT_INVERSE | cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT


def _spectrum(image: Float32, size: tuple[int, int]) -> Float32:
    """Return the packed spectrum of an image that zeros continue to `size`."""
    padded = np.zeros(size, np.float32)
    padded[: image.shape[0], : image.shape[1]] = image
    return np.asarray(cv2.dft(padded), np.float32)


def _correlated(image: Float32, kernel: Float32) -> Float32:
    """Return the correlation of two spectra; it counts where the box lies inside the frame."""
    whole = cv2.dft(cv2.mulSpectrums(image, kernel, 0, conjB=True), flags=_BACK)
    return np.asarray(whole, np.float32)


def _peaks(
    map_: Float32,
    coarse: Coarse,
    most: int,
    within: float,
    pad: tuple[int, int],
    apart: int | None = None,
) -> list[Place]:
    """Return the highest peaks of a map that begins `pad` reduced pixels (x, y) left and above."""
    h, w = coarse.template.shape
    tall, wide = (h // 3, w // 3) if apart is None else (apart, apart)
    found: list[Place] = []
    while len(found) < most:
        _, value, _, (u, v) = cv2.minMaxLoc(map_)
        if value <= LEAST_LIKENESS or (found and value < found[0].likeness - within):
            break
        place = Place((u - pad[0]) * coarse.factor, (v - pad[1]) * coarse.factor, float(value))
        found.append(place)
        map_[max(0, v - tall) : v + tall + 1, max(0, u - wide) : u + wide + 1] = -1
    return found

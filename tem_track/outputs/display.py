"""Grey values as a screen shows them: eight bits, the same levels for the whole movie."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import Box, Frame, Image

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = [
    "Corner",
    "Grey",
    "Levels",
    "Survey",
    "resized",
    "shown",
    "shown_size",
    "smoothed",
    "survey",
]

SAMPLES = 8
FLAT_RANGE = 64.0
EXTREMES = (0.5, 99.5)
"""Percentiles; a burnt-in label, hot pixels and dead ones lie beyond them."""

BAD_FRAME_GREY = 96
NOISY = 5.0
SMOOTHED_PX = 0.6
LITTLE = 1.5
"""Grey of a frame that cannot be read; and reduction from which on pixels are averaged, as
interpolation would leave some out."""

MOST_PX, LEAST_PX = (960, 864), (640, 512)
"""The largest width and height at which a frame is shown, and those to which a small one is
enlarged: it holds no more than its pixels, and every further one has to be encoded."""

Grey = NDArray[np.uint8]
Corner = tuple[bool, bool]
Pixel = TypeVar("Pixel", np.uint8, np.uint16, np.float32)


@dataclass(frozen=True, slots=True)
class Levels:
    """The grey values that are shown as black and as white."""

    black: float
    white: float

    def apply(self, image: Image) -> Grey:
        """Return an image in eight bits."""
        if image.dtype == np.uint8 and (self.black, self.white) == (0.0, 255.0):
            return np.asarray(image, dtype=np.uint8)
        if image.dtype == np.uint8:
            table = self.apply(np.arange(256, dtype=np.float32))
            return np.asarray(cv2.LUT(image, table), dtype=np.uint8)
        gain = 255.0 / max(self.white - self.black, 1e-12)
        scaled = (np.nan_to_num(image.astype(np.float32)) - self.black) * gain
        grey: Grey = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
        return grey


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What a few frames spread over the movie say about how to show it.

    Attributes
    ----------
    levels : Levels
    mean : array
        Their mean in eight bits; what is burnt into the picture stands out in it.
    samples : tuple of arrays
        The frames as they are shown.
    """

    levels: Levels
    mean: Grey
    samples: tuple[Grey, ...] = ()

    @property
    def noisy(self) -> bool:
        """Whether the frames as they are shown are so noisy that a film smooths them a little."""
        noise = [_noise(grey) for grey in self.samples]
        return bool(noise) and float(np.median(noise)) > NOISY

    def corner(
        self, avoid: Iterable[Box] = (), window: tuple[int, int, int, int] | None = None
    ) -> Corner:
        """Return the corner where a scale bar covers least: (to the right, at the bottom).

        Parameters
        ----------
        avoid : iterable of Box
            What must stay visible, in pixels of the frame.
        window : (int, int, int, int), optional
            Left, top, right, bottom of the part that is shown.
        """
        height, width = self.mean.shape
        left, top, right, bottom = window or (0, 0, width, height)
        wide, high = round(0.32 * (right - left)), round(0.13 * (bottom - top))
        unrest = _unrest(self.mean)
        for box in avoid:
            x, y, w, h = (max(0, round(value)) for value in box.as_tuple())
            unrest[y : y + h, x : x + w] += 1000.0
        best: tuple[float, Corner] | None = None
        for corner in ((False, True), (True, True), (True, False), (False, False)):
            x = right - wide if corner[0] else left
            y = bottom - high if corner[1] else top
            patch = unrest[y : y + high, x : x + wide]
            score = float(np.percentile(patch, 97) + patch.mean()) if patch.size else 0.0
            if best is None or score < 0.8 * best[0]:
                best = (score, corner)
        return best[1] if best else (False, True)


def survey(movie: Movie, frames: Iterable[int] | None = None) -> Survey:
    """Look at a few frames spread over the movie, once for all pictures that are drawn of it.

    Eight-bit movies with some contrast are shown as they are.
    """
    chosen = list(frames) if frames is not None else list(range(len(movie)))
    picked = sorted({chosen[round(i)] for i in np.linspace(0, len(chosen) - 1, SAMPLES)})
    known = _surveys.setdefault(movie, {})
    key = tuple(picked)
    if key not in known:
        known[key] = _survey(movie, picked)
    return known[key]


_surveys: WeakKeyDictionary[Movie, dict[tuple[int, ...], Survey]] = WeakKeyDictionary()


def _survey(movie: Movie, picked: Sequence[int]) -> Survey:
    frames = [frame for frame in movie.select(picked) if frame.ok]
    images = [frame.image for frame in frames]
    if not images:
        blank = np.zeros((movie.info.height_px, movie.info.width_px), dtype=np.uint8)
        return Survey(Levels(0.0, 255.0), blank)
    levels = _levels(images)
    mean = np.zeros(images[0].shape, dtype=np.float32)
    for image in images:
        cv2.accumulate(levels.apply(image), mean)
    samples = tuple(shown(frame, levels) for frame in frames)
    return Survey(levels, np.rint(mean / len(images)).astype(np.uint8), samples)


def _levels(images: Sequence[Image]) -> Levels:
    values = np.concatenate([image[::4, ::4].ravel() for image in images])
    low, high = (float(v) for v in np.nanpercentile(values, EXTREMES))
    if images[0].dtype == np.uint8 and high - low >= FLAT_RANGE:
        return Levels(0.0, 255.0)
    margin = 0.08 * (high - low) or 1.0
    return Levels(low - margin, high + margin)


def _noise(grey: Grey) -> float:
    """Return the standard deviation of the noise: of what no plane or ridge through 3 x 3 px holds.

    After Immerkaer (1996), Computer Vision and Image Understanding 64, 300.
    """
    rest = cv2.filter2D(grey, cv2.CV_16S, np.outer((1, -2, 1), (1, -2, 1)).astype(np.float32))
    return float(np.median(np.abs(rest)) / (6 * 0.6745))


def smoothed(grey: Grey) -> Grey:
    """Return a noisy picture averaged over neighbours, by a Gaussian of `SMOOTHED_PX`."""
    return np.asarray(cv2.GaussianBlur(grey, (3, 3), SMOOTHED_PX), dtype=np.uint8)


def _unrest(grey: Grey) -> NDArray[np.float32]:
    calm = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.5)
    across, down = np.gradient(calm)
    unrest: NDArray[np.float32] = np.hypot(across, down).astype(np.float32)
    return unrest


def shown_size(width: int, height: int) -> tuple[int, int]:
    """Return the even width and height at which a frame of a size is shown."""
    most = min(MOST_PX[0] / width, MOST_PX[1] / height)
    least = min(LEAST_PX[0] / width, LEAST_PX[1] / height)
    scale = min(most, max(1.0, least))
    return round(width * scale) // 2 * 2, round(height * scale) // 2 * 2


def shown(frame: Frame, levels: Levels) -> Grey:
    """Return a frame as film and report show it; a bad one is grey all over."""
    height, width = frame.image.shape
    size = shown_size(width, height)
    if not frame.ok:
        return np.full(size[::-1], BAD_FRAME_GREY, dtype=np.uint8)
    if frame.image.dtype == np.uint8 or size[0] > width:
        return resized(levels.apply(frame.image), *size)
    return levels.apply(resized(np.nan_to_num(frame.image), *size))


def resized(image: NDArray[Pixel], width: int, height: int) -> NDArray[Pixel]:
    """Return an image of another size: averaged when smaller, interpolated when larger.

    To interpolate for a little smaller size takes a fifth of the time of averaging.
    """
    if image.shape == (height, width):
        return image
    while image.shape[1] >= 2 * width and image.shape[0] >= 2 * height:
        half = (image.shape[1] // 2, image.shape[0] // 2)  # a third of the time of one odd step
        image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), dtype=image.dtype)
    how = cv2.INTER_CUBIC if width > image.shape[1] else cv2.INTER_LINEAR
    if image.shape[1] > LITTLE * width:
        how = cv2.INTER_AREA
    made = np.asarray(cv2.resize(image, (width, height), interpolation=how), dtype=image.dtype)
    return made

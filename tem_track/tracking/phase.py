"""The pull of an undersampled target towards whole pixels, learnt from the movie and undone.

Where an edge is sharper than the pixels can hold, every frame shows it beside an alias, which goes
once around while the target moves by a pixel. The template is an average over many places and holds
none of it, so a fit is pulled to and fro with the place within the pixel. Of what the residuals
have in step with that place, the alias is the fine part: averaged over a pixel or blurred by a
lens, it fades towards low frequencies, and what looks there like a motion is the fit's own. So the
motion is read from the residuals beside the target's curvature and its slope, which stand for the
alias, and its part in step with the pixels is the pull.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tem_track.records import FloatArray
from tem_track.tracking.fit import Pattern
from tem_track.tracking.information import slopes_at_rest
from tem_track.tracking.noise import variance
from tem_track.tracking.splines import MARGIN, coefficients, moved

__all__ = ["Phase", "PhaseReader", "learn_phase"]

USUAL_PX = 0.01
"""How much a target is usually pulled, before anything is known: a standard deviation."""
DOUBT = 0.3
"""Part of the pull that is not believed: the alias is no exact sum of curvature and its slope."""
FEWEST_FRAMES = 12
"""Frames from which on a pull is told from noise."""
ORDER = 3
"""Highest power of the place that counts as smooth."""


@dataclass(frozen=True, slots=True, eq=False)
class Phase:
    """How a target is pulled, by its place within the pixel.

    Attributes
    ----------
    pull_px : float64 (2, 2)
        What multiplies cosine and sine of the phase, for x and for y.
    mean : float64 (2, 2)
        Mean cosine and sine over the frames: what is the same everywhere is no matter.
    covariance : float64 (2, 2, 2)
        Of `pull_px`, for x and for y.
    """

    pull_px: FloatArray
    mean: FloatArray
    covariance: FloatArray

    def at(self, x_px: float, y_px: float) -> tuple[FloatArray, FloatArray]:
        """Return the pull (x, y) in a place of the box's top-left pixel, and its variances."""
        pulls, unsure = [], []
        known = (self.mean.tolist(), self.pull_px.tolist(), self.covariance.tolist())
        for place, mean, pull, u in zip((x_px, y_px), *known, strict=True):  # sooner than arrays
            angle = 2 * math.pi * place
            c, s = math.cos(angle) - mean[0], math.sin(angle) - mean[1]
            pulls.append(c * pull[0] + s * pull[1])
            own = c * (c * u[0][0] + 2 * s * u[0][1]) + s * s * u[1][1]
            unsure.append(own + (DOUBT * pulls[-1]) ** 2)
        return np.array(pulls), np.array(unsure)


@dataclass(frozen=True, slots=True, eq=False)
class PhaseReader:
    """What reads the fit's own error from a frame's residuals, beside an alias.

    Attributes
    ----------
    weights : tuple of float32 (h, w)
        Spline coefficients of the weights of the residuals, for x and for y.
    """

    weights: tuple[NDArray[np.float32], ...]

    @classmethod
    def of(cls, pattern: Pattern) -> PhaseReader | None:
        """Make it for a pattern; None where it does not fix both directions."""
        value, slopes = slopes_at_rest(pattern, (0.0, 0.0), False)
        weight = pattern.share * pattern.slope_share / variance(pattern.noise.astype(float), value)
        found = []
        for axis, (name, own) in enumerate(zip("xy", slopes, strict=True)):
            finer = _finer(pattern, name, 1 - axis)
            known = np.array([own, np.ones_like(value), value, slopes[1 - axis], *finer])
            known /= np.sqrt(np.einsum("ayx,ayx,yx->a", known, known, weight))[:, None, None]
            normal = np.einsum("ayx,byx,yx->ab", known, known, weight)
            if not np.linalg.eigvalsh(normal)[0] > 1e-6:
                return None
            row = np.einsum("a,ayx->yx", np.linalg.inv(normal)[0], known) * weight
            scale = float((row * own).sum())
            found.append(coefficients(row / scale, 3))
        return cls(tuple(found))

    def read(self, rest: NDArray[np.float32], x_px: float, y_px: float) -> FloatArray:
        """Return the fit's error (x, y) by the residuals (h, w) of a box that the fit moves so."""
        return np.array([float(np.vdot(moved(w, -x_px, -y_px, 3), rest)) for w in self.weights])


def learn_phase(readings: Sequence[FloatArray], places: Sequence[FloatArray]) -> Phase | None:
    """Return the pull that the sampled frames show; None from too few.

    Parameters
    ----------
    readings : sequence of float64 (2,)
        Of `PhaseReader.read`, a frame each.
    places : sequence of float64 (2,)
        Of the box's top-left pixel.
    """
    if len(readings) < FEWEST_FRAMES:
        return None
    read, wave = np.array(readings), np.array([_wave(place) for place in places])
    mean = wave.mean(axis=0)
    pulls, covariances = [], []
    for axis in (0, 1):
        smooth = _smooth(np.array(places)[:, axis])
        known, own = (each - smooth @ (smooth.T @ each) for each in (wave[:, axis], read[:, axis]))
        spread = np.linalg.lstsq(known, own, rcond=None)[0]
        noise = float(((own - known @ spread) ** 2).sum()) / (len(own) - 2 - smooth.shape[1])
        told = known.T @ known / max(noise, 1e-12)
        covariance = np.linalg.inv(told + np.eye(2) / USUAL_PX**2)
        pulls.append(covariance @ (known.T @ own) / max(noise, 1e-12))
        covariances.append(covariance)
    return Phase(np.array(pulls), mean, np.array(covariances))


def _smooth(places: FloatArray) -> FloatArray:
    """Return an orthonormal basis (n, ORDER + 1) of what changes smoothly with the place.

    A post bends and a film lies behind: what goes with the way as a whole is no matter of pixels.
    """
    way = places - places.mean()
    way = way / max(float(np.abs(way).max()), 1e-9)
    return np.linalg.qr(np.vander(way, ORDER + 1))[0]


def _wave(place: FloatArray) -> FloatArray:
    """Return cosine and sine (2, 2) of the phases of a place (x, y)."""
    angle = 2 * math.pi * place
    return np.column_stack([np.cos(angle), np.sin(angle)])


def _finer(pattern: Pattern, name: str, axis: int) -> list[FloatArray]:
    """Return what the alias of an edge is made of, an odd and an even part, (h, w) each.

    A sharp edge, averaged over the pixels, has at the frequency f + 1 (in 1 over pixel) what it
    has at f, times -f / (1 + f)^2.
    """
    slope = moved(pattern.coef, 0, 0, 3, name).astype(float)
    turned = np.moveaxis(slope, axis, -1)
    length = turned.shape[-1]
    mirrored = np.concatenate([turned, turned[..., ::-1]], axis=-1)
    f = np.fft.rfftfreq(2 * length)
    inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    found = []
    for part in (1j * f * (1 + f**2), f**2):
        filtered = np.fft.irfft(np.fft.rfft(mirrored) * part / (1 - f**2) ** 2, 2 * length)
        found.append(np.moveaxis(filtered[..., :length], -1, axis)[inner])
    return found

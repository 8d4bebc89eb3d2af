"""What the picture looks like across the specimen's edge: the profile models.

Inside a body of revolution the beam passes a chord ``h(u) = 2 sqrt(u (2 r - u))`` at the depth u
behind the edge and is weakened by ``exp(-mu h)``; an opaque edge is a step; a shell of another
density adds its own chord. All are blurred, and carry a bright fringe outside the edge.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from scipy.ndimage import convolve1d

from tem_track.records import FloatArray
from tem_track.specimen.filters import OUTSIDE_PX, PHASES, Bank, build_bank
from tem_track.specimen.finding import LEVEL
from tem_track.specimen.noise import Noise

__all__ = ["EDGE_MODELS", "EdgeTable", "Profile", "darkness", "tabulate"]

EdgeModel = Literal["opaque", "round", "shell", "hollow"]
EDGE_MODELS: tuple[EdgeModel, ...] = ("opaque", "round", "shell")

U_LOW_PX, U_HIGH_PX, U_STEP_PX = -24.0, 72.0, 0.1
"""Depths of the table."""
_PAD_PX = 8.0
"""Beyond the table, so that the blur finds something there."""
_WHITE_PX = 0.1
"""Length of a texture without correlation."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What all frames share: the profile across an edge.

    Attributes
    ----------
    model : {'opaque', 'round', 'shell', 'hollow'}
    mu_per_px : float
        Absorption of the body per pixel of path; of an opaque edge, its optical depth.
    blur_px : float
        Standard deviation of the edge's blur.
    shell_px, shell_ratio : float
        Thickness of the surface layer, and its absorption over the body's.
    fringe : float
        Brightness of the fringe outside the edge over the background's.
    fringe_px : float
        Distance of the fringe's middle from the edge; its width is half of that.
    facet : float
        Share of a hexagonal section, whose edges are wedges, in the round one.
    bevel : float
        How deep behind its edge such a section is as thick as in its middle, over the radius: 0.5
        of a regular hexagon seen on a corner, less where a facet lies nearly along the beam.
    filling : float
        Absorption of a hollow body's core over its wall's: it need not be quite empty.
    equator_px : float
        Largest outer radius of a ball, 0 of other bodies. Away from its equator a section cuts
        wall or layer askew: with the core's radius there,
        ``r_core^2 = r^2 - shell (2 equator - shell)``; a crystal's layer is even.
    u_edge_px: float
        How far the edge may lie off, its form being uncertain; the same in all frames.
    u_shell_px : float
        The same of the layer's thickness.
    """

    model: EdgeModel = "round"
    mu_per_px: float = 0.01
    blur_px: float = 1.2
    shell_px: float = 0.0
    shell_ratio: float = 1.0
    fringe: float = 0.0
    fringe_px: float = 2.5
    facet: float = 0.0
    bevel: float = 0.5
    filling: float = 0.0
    equator_px: float = 0.0
    u_edge_px: float = 0.0
    u_shell_px: float = 0.0

    @property
    def ball(self) -> float:
        """Share of a ball in how the layer lies under the surface; the rest is even across."""
        if self.equator_px <= 0:
            return 0.0
        return 1.0 if self.model == "hollow" else max(1.0 - 2.0 * self.facet, 0.0)


def darkness(u_px: FloatArray, radius_px: float | FloatArray, profile: Profile) -> FloatArray:
    """Return the missing part of the background's brightness at a depth behind the edge.

    Parameters
    ----------
    u_px : array, shape (n,)
        Depth behind the edge, on an even grid; negative outside.
    radius_px : float or array, shape (k, 1)
        Half the outer width of the body, or of several.
    profile : Profile
        The shared parameters.

    Returns
    -------
    array, shape (n,) or (k, n)
        0 far outside, ``1 - exp(-mu h)`` inside.
    """
    step = float(u_px[1] - u_px[0])
    clean: FloatArray = 1.0 - np.exp(-_optical_depth(u_px, radius_px, profile))
    blurred = convolve1d(clean, _gauss(profile.blur_px / step), mode="nearest")
    if profile.fringe == 0.0:
        return np.asarray(blurred, dtype=np.float64)
    fringe = np.zeros_like(blurred)
    for edge in (u_px, 2 * radius_px - u_px):
        z = (edge + profile.fringe_px) / (0.5 * profile.fringe_px)
        fringe += profile.fringe * np.exp(-0.5 * z * z)
    return np.asarray(blurred - fringe, dtype=np.float64)


def _optical_depth(u: FloatArray, radius: float | FloatArray, profile: Profile) -> FloatArray:
    if profile.model == "opaque":
        return np.where((u > 0) & (u < 2 * radius), profile.mu_per_px, 0.0)
    outer = _thickness(u, radius, profile)
    if profile.model == "round":
        return profile.mu_per_px * outer
    if profile.model == "hollow":
        inner = _core_radius(radius, profile)
        core = _thickness(u - (radius - inner), inner, profile)
        return profile.mu_per_px * (outer - (1.0 - profile.filling) * core)
    core_radius = radius - profile.shell_px
    if profile.equator_px > 0:
        core_radius = core_radius + profile.ball * (_core_radius(radius, profile) - core_radius)
    core = _thickness(u - (radius - core_radius), core_radius, profile)
    return profile.mu_per_px * (core + profile.shell_ratio * (outer - core))


def _core_radius(radius: float | FloatArray, profile: Profile) -> FloatArray:
    wall = profile.shell_px
    missing = wall * (2.0 * np.maximum(profile.equator_px, radius) - wall)
    return np.asarray(np.sqrt(np.maximum(radius**2 - missing, 0.0)))


def _thickness(u: FloatArray, radius: float | FloatArray, profile: Profile) -> FloatArray:
    chord = _chord(u, radius)
    if profile.facet == 0.0:
        return chord
    deep = profile.bevel * np.maximum(radius, 0.0)
    wedge = 2.0 / profile.bevel * np.clip(np.minimum(u, 2 * radius - u), 0.0, deep)
    return (1.0 - profile.facet) * chord + profile.facet * wedge


def _chord(u: FloatArray, radius: float | FloatArray) -> FloatArray:
    square = u * (2.0 * np.maximum(radius, 0.0) - u)
    return np.asarray(2.0 * np.sqrt(np.maximum(square, 0.0, out=square)))


@lru_cache(maxsize=64)
def _gauss(sigma: float) -> FloatArray:
    half = max(1, int(np.ceil(4 * sigma)))
    k: FloatArray = np.exp(-0.5 * (np.arange(-half, half + 1) / max(sigma, 1e-3)) ** 2)
    return np.asarray(k / k.sum())


@dataclass(frozen=True, eq=False)
class EdgeTable:
    """Darkness, its slope and its change with the shell against depth, for a ladder of radii."""

    profile: Profile
    log_radius: FloatArray
    value: FloatArray
    slope: FloatArray
    by_shell: FloatArray | None = None
    noise: Noise = field(default_factory=Noise)
    noise_alone: Noise | None = None

    @cached_property
    def bank_alone(self) -> Bank:
        """The filters of bands that were divided by the film behind them."""
        return self._bank(self.noise_alone or self.noise)

    @cached_property
    def bank(self) -> Bank:
        """The filters that find an edge, worked out when they are first needed."""
        return self._bank(self.noise)

    @cached_property
    def rough_bank(self) -> Bank:
        """The filters that come to an edge from afar: they look at the whole of its darkness."""
        noise = self.noise
        white = noise.shot + noise.film**2
        return self._bank(replace(noise, shot=white, film=0.0, texture_px=_WHITE_PX, texture=0.3))

    def _bank(self, noise: Noise) -> Bank:
        depth = U_LOW_PX + U_STEP_PX * np.arange(self.value.shape[1], dtype=np.float64)
        radius = np.exp(self.log_radius)
        return build_bank(radius, depth, self.value, self.slope, self.by_shell, noise)

    def u_grain_px(self, radius_px: float) -> float:
        """Return how far an edge lies off by the body's grain, which is the same in all frames."""
        row, bank, noise = int(self.rung(np.array([radius_px]))[0]), self.bank, self.noise
        count, phase = int(bank.count[row]), PHASES // 2
        depth = U_LOW_PX + U_STEP_PX * np.arange(self.value.shape[1], dtype=np.float64)
        at = np.arange(count) - OUTSIDE_PX + (phase + 0.5) / PHASES
        brightness = 1.0 - np.interp(at, depth, self.value[row])
        grain = replace(noise, shot=0.0, film=0.0).covariance(brightness)
        gain = bank.gain[row, phase, 0, :count]
        return float(np.sqrt(gain @ grain @ gain))

    @cached_property
    def cell_of_level(self) -> FloatArray:
        """For every radius the first depth's index at which coarse edges see the body begin."""
        most = self.value.max(axis=1)[:, None]
        return np.asarray(np.argmax(self.value > LEVEL * most, axis=1), dtype=np.float64)

    @cached_property
    def absorbed(self) -> FloatArray:
        """For every radius the optical depth summed across the whole body, in pixels."""
        depth = U_LOW_PX + U_STEP_PX * np.arange(self.value.shape[1])
        each = -np.log(np.clip(1.0 - self.value, 0.02, None))
        before_middle = depth < np.exp(self.log_radius)[:, None]
        return np.asarray(2.0 * U_STEP_PX * np.where(before_middle, each, 0.0).sum(axis=1))

    def rung(self, radius_px: FloatArray) -> FloatArray:
        """Return the index of the nearest tabulated radius."""
        step = self.log_radius[1] - self.log_radius[0]
        radius_px = np.nan_to_num(radius_px, nan=1.0)
        index = np.rint((np.log(np.maximum(radius_px, 0.1)) - self.log_radius[0]) / step)
        return np.asarray(np.clip(index, 0, len(self.log_radius) - 1).astype(np.intp))


def tabulate(
    profile: Profile, radius_low_px: float, radius_high_px: float, noise: Noise | None = None
) -> EdgeTable:
    """Tabulate a profile for radii between two bounds, 8 % apart."""
    low, high = np.log(max(radius_low_px, 0.6)), np.log(max(radius_high_px, radius_low_px + 1, 2.0))
    ladder = np.linspace(low, high, max(2, int(np.ceil((high - low) / 0.08)) + 1))
    padded = np.arange(U_LOW_PX - _PAD_PX, U_HIGH_PX + _PAD_PX + U_STEP_PX / 2, U_STEP_PX)
    pad = round(_PAD_PX / U_STEP_PX)
    value = darkness(padded, np.exp(ladder)[:, None], profile)
    slope = np.gradient(value, U_STEP_PX, axis=1)
    by_shell = (
        _by_shell(padded, ladder, profile)[:, pad:-pad]
        if profile.model in ("shell", "hollow")
        else None
    )
    return EdgeTable(
        profile,
        ladder,
        value[:, pad:-pad].copy(),
        slope[:, pad:-pad].copy(),
        by_shell,
        noise or Noise(),
    )


def _by_shell(u_px: FloatArray, ladder: FloatArray, profile: Profile) -> FloatArray:
    """Return the change of darkness with the shell's thickness."""
    thin = replace(profile, shell_px=max(profile.shell_px - 0.5, 0.0))
    thick = replace(profile, shell_px=profile.shell_px + 0.5)
    span = thick.shell_px - thin.shell_px
    radii = np.exp(ladder)[:, None]
    return (darkness(u_px, radii, thick) - darkness(u_px, radii, thin)) / span

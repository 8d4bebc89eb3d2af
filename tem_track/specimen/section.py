"""The cross-section from a tilt series: an ellipse or a rectangle from widths at several tilts.

The projected width of an ellipse with semi-axes a, b at tilt phi obeys
``w^2 = A + B cos(2 phi) + C sin(2 phi)`` with area ``pi / 4 sqrt(A^2 - B^2 - C^2)``; a rectangle's
is ``w = a |cos(phi - phi0)| + b |sin(phi - phi0)|``. A short range of tilts hardly fixes the area,
and then the uncertainty says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import least_squares

from tem_track.errors import ConfigError
from tem_track.records import Axis, Box, FloatArray, Image
from tem_track.specimen.edges import Edges, coarse_edges, fit_edges, steady
from tem_track.specimen.model import average_bands, fill_outside, grid_for
from tem_track.specimen.profile import Profile, tabulate
from tem_track.specimen.smooth import Mask, smooth_curve
from tem_track.specimen.strip import project_box, straighten
from tem_track.specimen.widths import weights_at

__all__ = [
    "Bow",
    "CrossSection",
    "cross_section",
    "measure_bow",
    "measure_width",
    "out_of_plane_bow",
]

_ENOUGH = 0.05
"""Relative uncertainty of the area that is warned of."""
_PARTS, _FINE_PX = 6, 0.25
"""Parts along the prism that are fitted one by one, and the grid of the model."""
_BLUR_PX, _U_LOG_BLUR = 1.0, 0.3
"""Prior of the blur."""
_NO_WEDGE = 3.0  # by how much a fit with wedges must be better than one without
_LEAST_BANDS = 3
"""Bands that must show both edges, for a width with an uncertainty."""
_NO_ROD = "no rod is seen in the box; draw it around the specimen"
UPRIGHT = Axis(0.0)


@dataclass(frozen=True, slots=True)
class CrossSection:
    """A section fitted to a tilt series, in the unit of the widths that were given.

    Attributes
    ----------
    model : {'ellipse', 'rectangle'}
    major, minor : float
        The two full widths.
    angle_deg : float
        Tilt at which the major width is seen.
    area, u_area : float
    rms : float
        What the fit leaves over.
    warnings : tuple of str
    """

    model: str
    major: float
    minor: float
    angle_deg: float
    area: float
    u_area: float
    rms: float
    warnings: tuple[str, ...] = ()


def cross_section(
    widths: Sequence[float],
    u_widths: Sequence[float],
    angles_deg: Sequence[float],
    model: Literal["ellipse", "rectangle"] = "ellipse",
) -> CrossSection:
    """Fit a section to widths measured at several tilts about the specimen's axis.

    Parameters
    ----------
    widths, u_widths : sequence of float
        Projected widths and their standard uncertainties, in any unit of length.
    angles_deg : sequence of float
        Tilts about the long axis.
    model : {'ellipse', 'rectangle'}

    Returns
    -------
    CrossSection

    Raises
    ------
    ConfigError
        If there are fewer than three different tilts, or a width is not positive.
    """
    w, u, phi = (np.asarray(x, dtype=np.float64) for x in (widths, u_widths, angles_deg))
    if not len(w) == len(u) == len(phi):
        raise ConfigError("cross-section: give one width, one uncertainty and one angle an image")
    if len(np.unique(phi)) < 3:
        raise ConfigError("cross-section: a section takes three different tilts; give more images")
    if not (np.all(w > 0) and np.all(u > 0)):
        raise ConfigError("cross-section: widths and their uncertainties must be positive")
    fit = _ellipse if model == "ellipse" else _rectangle
    return _with_warnings(fit(w, u, np.radians(phi)))


def _ellipse(w: FloatArray, u: FloatArray, phi: FloatArray) -> CrossSection:
    design = np.column_stack([np.ones_like(phi), np.cos(2 * phi), np.sin(2 * phi)])
    weight = 1.0 / (2 * w * u)
    covariance = np.linalg.pinv((design * weight[:, None]).T @ (design * weight[:, None]))
    a, b, c = covariance @ ((design * weight[:, None]).T @ (w**2 * weight))
    swing = math.hypot(b, c)
    inside = a * a - swing * swing
    if not (a > 0 and inside > 0):
        return CrossSection("ellipse", math.nan, math.nan, math.nan, math.nan, math.nan, math.nan)
    area = math.pi / 4 * math.sqrt(inside)
    gradient = (math.pi / 4) ** 2 / area * np.array([a, -b, -c])
    rest = w - np.sqrt(np.maximum(design @ [a, b, c], 0))
    rms = float(np.sqrt(np.mean(rest**2)))
    wider = _wider(rest / u, 3)
    return CrossSection(
        "ellipse",
        math.sqrt(a + swing),
        math.sqrt(a - swing),
        math.degrees(math.atan2(c, b)) / 2,
        area,
        wider * math.sqrt(float(gradient @ covariance @ gradient)),
        rms,
    )


def _wider(rest: FloatArray, parameters: int) -> float:
    """Return by how much widths that fit worse than stated widen an uncertainty (Birge)."""
    freedom = len(rest) - parameters
    return max(1.0, math.sqrt(float(rest @ rest) / freedom)) if freedom > 0 else 1.0


def _rectangle(w: FloatArray, u: FloatArray, phi: FloatArray) -> CrossSection:
    def residual(x: FloatArray) -> FloatArray:
        turn = phi - x[2]
        return np.asarray((x[0] * np.abs(np.cos(turn)) + x[1] * np.abs(np.sin(turn)) - w) / u)

    size = float(w.mean()) * 0.8
    starts = [(size, size * q, p) for q in (0.6, 1.0) for p in np.radians([-60, -30, 0, 30, 60])]
    low, high = (1e-9, 1e-9, -math.pi / 2), (np.inf, np.inf, math.pi / 2)
    fits = [least_squares(residual, x, bounds=(low, high)) for x in starts]
    best = min(fits, key=lambda fit: float(fit.cost))
    a, b, turn = (float(v) for v in best.x)
    covariance = np.linalg.pinv(best.jac.T @ best.jac)
    gradient = np.array([b, a, 0.0])
    if b > a:
        a, b, turn = b, a, turn + math.pi / 2
    rms = float(np.sqrt(np.mean((residual(best.x) * u) ** 2)))
    u_area = math.sqrt(max(float(gradient @ covariance @ gradient), 0.0))
    u_area *= _wider(residual(best.x), 3)
    angle = (math.degrees(turn) + 90) % 180 - 90
    return CrossSection("rectangle", a, b, angle, a * b, u_area, rms)


def _with_warnings(section: CrossSection) -> CrossSection:
    if not math.isfinite(section.area):
        text = "the widths fit no ellipse within this range of tilts; add tilts further apart"
    elif section.u_area / section.area > _ENOUGH:
        share = 100 * section.u_area / section.area
        text = f"this range of tilts fixes the area to {share:.0f} % only; add tilts further apart"
    else:
        return section
    return replace(section, warnings=(text,))


def measure_width(
    image: Image,
    box: Box,
    axis: Axis = UPRIGHT,
    *,
    polarity: str = "dark",
    section: Literal["ellipse", "rectangle"] = "ellipse",
) -> tuple[float, float]:
    """Measure the width of a rod in one picture, across an axis, as the median over a box.

    Parameters
    ----------
    image : Image
    box : Box
        Around a piece of the rod, with vacuum on both sides; the rod must leave it at both ends.
    axis : Axis
        The rod's long axis.
    polarity : {'dark', 'bright'}
    section : {'ellipse', 'rectangle'}
        Of what form the rod's section is: a tilted prism's edges are wedges, not round.

    Returns
    -------
    (width_px, u_width_px)

    Raises
    ------
    ConfigError
        If no rod is seen in the box.
    """
    rod = _rod(image, box, axis, polarity)
    if section == "rectangle":
        return _prism_width(rod.bands, rod.t_px, rod.start)
    edges = _round_edges(rod)
    good = edges.good.all(axis=1)
    found = (edges.t_px[:, 1] - edges.t_px[:, 0])[good]
    scatter = 1.4826 * float(np.median(np.abs(found - np.median(found))))
    return float(np.median(found)), 1.25 * max(scatter, 0.05) / math.sqrt(len(found))


def measure_bow(
    image: Image, box: Box, axis: Axis = UPRIGHT, *, polarity: str = "dark"
) -> tuple[float, float]:
    """Measure how far a rod's midline at half length lies off the line between its ends.

    Parameters
    ----------
    image : Image
    box : Box
        Around the rod from end to end, with vacuum on both sides.
    axis : Axis
        The rod's long axis.
    polarity : {'dark', 'bright'}

    Returns
    -------
    (bow_px, u_bow_px)
        Positive to the right of the axis as it points away from the base.

    Raises
    ------
    ConfigError
        If no rod is seen in the box.
    """
    edges = _round_edges(_rod(image, box, axis, polarity))
    (low, high), _ = project_box(box, axis, box.centre_px)
    s = edges.s_px
    good: Mask = np.asarray(edges.good.all(axis=1))
    middle = smooth_curve(edges.t_px.mean(axis=1), good)
    ends = (weights_at(s, float(low)) + weights_at(s, float(high))) / 2
    functional = weights_at(s, float(low + high) / 2) - ends
    return float(functional @ middle.value), middle.u_of(functional)


@dataclass(frozen=True, slots=True, eq=False)
class _Rod:
    """A rod in a picture: rows averaged in bands, and its edges to some pixels."""

    bands: FloatArray
    s_px: FloatArray
    t_px: FloatArray
    start: FloatArray


def _rod(image: Image, box: Box, axis: Axis, polarity: str) -> _Rod:
    (s0, s1), (t0, t1) = project_box(box, axis, box.centre_px)
    strip = straighten(image, grid_for(axis, box.centre_px, (s0, s1), (t0, t1), exact=True))
    bands, s = average_bands(strip, s0, s1)
    bands = fill_outside(bands)
    if polarity == "bright":
        bands = 2.2 * float(np.max(bands)) - bands
    start = steady(coarse_edges(bands, strip.grid.t_px, 0.0))
    if not np.isfinite(start).any() or not np.nanmedian(start[:, 1] - start[:, 0]) > 2:
        raise ConfigError(_NO_ROD)
    return _Rod(bands, s, strip.grid.t_px, start)


def _round_edges(rod: _Rod) -> Edges:
    width = float(np.nanmedian(rod.start[:, 1] - rod.start[:, 0]))
    middle = rod.start.mean(axis=1)[:, None]
    inner = np.median(rod.bands[np.abs(rod.t_px - middle) < 0.15 * width])
    mu = -math.log(max(float(inner / np.percentile(rod.bands, 90)), 0.02)) / (1.05 * width)
    table = tabulate(Profile(mu_per_px=max(mu, 1e-4)), width / 4, width)
    edges = fit_edges(rod.bands, rod.s_px, float(rod.t_px[0]), rod.start, table)
    if edges.good.all(axis=1).sum() < _LEAST_BANDS:
        raise ConfigError(_NO_ROD)
    return edges


def _prism_width(bands: FloatArray, t_px: FloatArray, start: FloatArray) -> tuple[float, float]:
    """Return the width of a prism: its thickness rises evenly to both sides of a flat part."""
    seen = np.isfinite(start).all(axis=1)
    parts = [p for p in np.array_split(np.flatnonzero(seen), _PARTS) if len(p)]
    if seen.sum() < 3 or len(parts) < 3:
        raise ConfigError(_NO_ROD)
    found = np.array(
        [_trapezium(bands[part].mean(axis=0), t_px, start[part].mean(axis=0)) for part in parts]
    )
    scatter = 1.4826 * float(np.median(np.abs(found - np.median(found))))
    return float(np.median(found)), 1.25 * max(scatter, 0.05) / math.sqrt(len(found))


def _trapezium(profile: FloatArray, t_px: FloatArray, edges: FloatArray) -> float:
    """Fit the light behind a trapezium of material: edges, wedges, depth, blur, background."""
    t = t_px - float(edges.mean())
    half, level = float(edges[1] - edges[0]) / 2, float(np.percentile(profile, 90))
    inner = float(np.median(profile[np.abs(t) < 0.3 * half]))
    depth = -math.log(max(inner / level, 0.02))
    fine = np.arange(t[0] - 8, t[-1] + 8, _FINE_PX)

    noise = max(float(np.std(np.diff(profile))) / level / math.sqrt(2), 1e-4)

    def residual(x: FloatArray) -> FloatArray:
        left, right, wedge, tau, blur, bright, slope = x
        rise = np.minimum(fine - left, right - fine) / max(wedge, 1e-3)
        lit = gaussian_filter1d(np.exp(-tau * np.clip(rise, 0.0, 1.0)), blur / _FINE_PX)
        expected = np.interp(t, fine, lit) * (bright + slope * t / len(t))
        held = math.log(blur / _BLUR_PX) / _U_LOG_BLUR  # a blur and a narrow wedge look alike
        return np.append((profile / level - expected) / noise, held)

    low = (-3 * half, 0.0, 2 * _FINE_PX, 0.01, 0.3, 0.3, -2.0)
    high = (0.0, 3 * half, 1.5 * half, 5.0, 5.0, 3.0, 2.0)
    starts = [(-half, half, share * half, depth, 1.0, 1.0, 0.0) for share in (0.0, 0.3, 0.9)]
    starts = [(x[0] - x[2] / 3, x[1] + x[2] / 3, max(x[2], 2.1 * _FINE_PX), *x[3:]) for x in starts]
    fits = [least_squares(residual, x, bounds=(low, high), x_scale="jac") for x in starts]
    best = min(fits, key=lambda fit: float(fit.cost))
    sharp = least_squares(
        residual, starts[0], bounds=(low, (*high[:2], 1.1 * low[2], *high[3:])), x_scale="jac"
    )
    if sharp.cost - best.cost < _NO_WEDGE:
        return float(sharp.x[1] - sharp.x[0] - sharp.x[2])
    return float(best.x[1] - best.x[0])


@dataclass(frozen=True, slots=True)
class Bow:
    """A bow's components in and out of the untilted picture's plane, in the unit that was given.

    Attributes
    ----------
    in_plane, u_in_plane : float
        Across the axis in the untilted picture.
    out_of_plane, u_out_of_plane : float
        Along the beam.
    """

    in_plane: float
    u_in_plane: float
    out_of_plane: float
    u_out_of_plane: float


def out_of_plane_bow(
    change: tuple[float, float], u_change: tuple[float, float], angles_deg: tuple[float, float]
) -> Bow:
    """Return the bow's two components from what two tilts show of it.

    A bow of components (x, z) in and out of the untilted picture's plane shows as
    ``x cos(phi) + z sin(phi)`` at the tilt phi about the specimen's long axis.

    Parameters
    ----------
    change, u_change : (float, float)
        Change of bow from before the test to after, as it is seen at each tilt.
    angles_deg : (float, float)
        The two tilts.

    Returns
    -------
    Bow

    Raises
    ------
    ConfigError
        If the two tilts lie within 5 degrees.
    """
    first, second = np.radians(angles_deg)
    if abs(math.sin(second - first)) < math.sin(math.radians(5.0)):
        raise ConfigError("two tilts within 5 degrees do not tell a bow out of the plane")
    matrix = np.array([[math.cos(first), math.sin(first)], [math.cos(second), math.sin(second)]])
    inverse = np.linalg.inv(matrix)
    x, z = inverse @ change
    u_x, u_z = np.sqrt(inverse**2 @ np.square(u_change))
    return Bow(float(x), float(u_x), float(z), float(u_z))

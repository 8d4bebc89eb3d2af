"""Matched filters of an edge: what each pixel about it says of position, brightness and depth.

Generalised least squares in four unknowns: where the edge lies, the background beside it, the
body's darkness over the expected one, and how that changes inwards. The last two are held near 1
and 0 as loosely as contours and grain make them vary. The weights depend on the body's radius
and on where the pixels fall, so they are worked out once and tabulated; a pass over a picture is
then but sums of products.

Source: the best linear unbiased estimator for correlated noise (A. C. Aitken, 1936).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tem_track.records import FloatArray
from tem_track.specimen.noise import Noise

__all__ = ["INSIDE_PX", "OUTSIDE_PX", "PHASES", "Bank", "build_bank"]

OUTSIDE_PX, INSIDE_PX = 14, 56
"""Pixels before and behind an edge that a filter reads at most."""
PHASES = 4
"""Places within a pixel that have a filter of their own."""
_U_CONTRAST, _U_SLOPE = 0.2, 0.15
"""Priors of an edge's contrast and slope of light, relative to the mean look's."""
SLOPE_PX = 20.0
"""Depth over which the darkness may change by its slope."""
_U_SHELL_PX = 6.0
"""Prior of the layer's thickness."""


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """Filters by radius and by where the pixels fall.

    Attributes
    ----------
    gain : array, shape (radii, PHASES, 4, n)
        Change of position, background, darkness and its slope per change of a pixel.
    pull : array, shape (radii, PHASES, 4, 2)
        The same per departure of darkness and slope from what is expected of them.
    shell : array, shape (radii, PHASES, n)
        Change of the surface layer's thickness per residual; 0 where the model has none.
    sigma : array, shape (radii, PHASES, n)
        Standard deviation of the pixels.
    u_px, u_shell_px : array, shape (radii, PHASES)
        Standard uncertainty of the position, and of the layer's thickness.
    count : array of int, shape (radii,)
        Number of pixels used, from `OUTSIDE_PX` outside the edge to the midline.
    """

    gain: FloatArray
    pull: FloatArray
    shell: FloatArray
    sigma: FloatArray
    u_px: FloatArray
    u_shell_px: FloatArray
    count: np.ndarray


def build_bank(
    radius_px: FloatArray,
    depth_px: FloatArray,
    value: FloatArray,
    slope: FloatArray,
    by_shell: FloatArray | None,
    noise: Noise,
) -> Bank:
    """Tabulate the filters.

    Parameters
    ----------
    radius_px : array, shape (k,)
    depth_px : array, shape (m,)
        Even depths behind the edge.
    value, slope, by_shell : array, shape (k, m)
        Darkness, and its change with depth and with the layer's thickness.
    noise : Noise
    """
    k, n = len(radius_px), OUTSIDE_PX + INSIDE_PX + 1
    gain, pull = np.zeros((k, PHASES, 4, n)), np.zeros((k, PHASES, 4, 2))
    shell, sigma = np.zeros((k, PHASES, n)), np.ones((k, PHASES, n))
    u, u_shell = np.full((k, PHASES), np.inf), np.full((k, PHASES), np.inf)
    count = np.clip(OUTSIDE_PX + np.ceil(radius_px), OUTSIDE_PX + 2, n).astype(np.intp)
    for row in range(k):
        for phase in range(PHASES):
            x: FloatArray = np.arange(count[row]) - OUTSIDE_PX + (phase + 0.5) / PHASES
            looks = [np.interp(x, depth_px, part[row]) for part in (value, slope)]
            thicker = None if by_shell is None else np.interp(x, depth_px, by_shell[row])
            used = slice(0, int(count[row]))
            (
                gain[row, phase, :, used],
                pull[row, phase],
                shell[row, phase, used],
                sigma[row, phase, used],
                u[row, phase],
                u_shell[row, phase],
            ) = _filters(x, looks[0], looks[1], thicker, noise)
    return Bank(gain, pull, shell, sigma, u, u_shell, count)


def _filters(
    x: FloatArray, value: FloatArray, slope: FloatArray, thicker: FloatArray | None, noise: Noise
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, float, float]:
    covariance = noise.covariance(1.0 - value)
    columns = [slope, 1.0 - value, -value, -value * np.clip(x, 0.0, None) / SLOPE_PX]
    columns += [-thicker] if thicker is not None else []
    design = np.column_stack(columns)
    weighted = np.linalg.solve(covariance, design)
    held = np.diag([1e-9, 1e-9, _U_CONTRAST**-2, _U_SLOPE**-2, _U_SHELL_PX**-2][: len(columns)])
    information = weighted.T @ design + held
    inverse = np.linalg.inv(information[:4, :4])
    sigma = np.sqrt(np.diag(covariance))
    layer: FloatArray = np.zeros(len(x))
    u_layer = float("inf")
    if thicker is not None:
        variance = float(np.linalg.inv(information)[4, 4])
        layer = np.asarray(variance * weighted[:, 4])
        u_layer = float(np.sqrt(variance))
    pull = inverse[:, 2:] @ held[2:4, 2:4]
    gain = inverse @ weighted[:, :4].T
    return gain, pull, layer, sigma, float(np.sqrt(inverse[0, 0])), u_layer

"""What a vote asks of the pixels, compiled: sums over blocks, and which blocks agree."""

from __future__ import annotations

from typing import Any

import numpy as np

from tem_track.compiled import compiled

__all__ = ["block_sums", "weigh"]

_PLAIN: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
_LEAST_GAIN = 0.05
_TURNS = 3
"""Contrast against the template below which it is gone; and turns of gain and choice, after which
the choice stands in all but a few frames."""


@compiled(**_PLAIN)
def block_sums(
    value: Any, grey: Any, steepness: Any, top: int, left: int, size: int, out: Any
) -> None:
    """Sum 1, T, I, T^2, T I, I^2 and the steepness over squares of a box.

    Parameters
    ----------
    value, grey, steepness : float32 (h, w)
        Template, frame, and the template's squared slope, for the part of the box in view.
    top, left : int
        Where that part begins in the box.
    size : int
        Pixels along a side of a square.
    out : float64 (7, rows, columns)
        Zeros to begin with.
    """
    h, w = value.shape
    for i in range(h):
        r = (i + top) // size
        j = 0
        while j < w:
            c = (j + left) // size
            end = min(w, (c + 1) * size - left)
            one = v = g = vv = vg = gg = steep = 0.0
            while j < end:
                a, b = value[i, j], grey[i, j]
                one += 1.0
                v += a
                g += b
                vv += a * a
                vg += a * b
                gg += b * b
                steep += steepness[i, j]
                j += 1
            out[0, r, c] += one
            out[1, r, c] += v
            out[2, r, c] += g
            out[3, r, c] += vv
            out[4, r, c] += vg
            out[5, r, c] += gg
            out[6, r, c] += steep


@compiled(**_PLAIN)
def weigh(sums: Any, noise: float, tolerance_px: float, outlier: float, good: Any) -> Any:
    """Find the blocks that agree with a template, by a truncated sum of squares.

    Parameters
    ----------
    sums : float64 (7, rows, columns)
        From `block_sums`.
    noise : float
        Variance that a pixel is allowed.
    tolerance_px : float
        Motion that a block is allowed.
    outlier : float
        Squares over what is allowed, from which on a block does not agree.
    good : bool (rows, columns)
        Result: which do.

    Returns
    -------
    cost, agreed : float
        The cost, and the share of the structure that agrees; that is negative where the contrast is
        gone.
    """
    rows, columns = good.shape
    squares = np.zeros((rows, columns))
    for r in range(rows):
        for c in range(columns):
            good[r, c] = sums[0, r, c] > 0
    for _ in range(_TURNS):
        one = v = g = vv = vg = 0.0
        for r in range(rows):
            for c in range(columns):
                if good[r, c]:
                    one += sums[0, r, c]
                    v += sums[1, r, c]
                    g += sums[2, r, c]
                    vv += sums[3, r, c]
                    vg += sums[4, r, c]
        gain = (vg - v * g / one) / max(vv - v * v / one, 1e-9)
        offset = (g - gain * v) / one
        slope = max(gain, _LEAST_GAIN)
        left = False
        for r in range(rows):
            for c in range(columns):
                n = sums[0, r, c]
                allowed = n * noise + tolerance_px**2 * sums[6, r, c] + 1e-9
                square = sums[3, r, c] - 2 * (sums[4, r, c] - offset * sums[1, r, c]) / slope
                square += (sums[5, r, c] - 2 * offset * sums[2, r, c] + offset**2 * n) / slope**2
                squares[r, c] = square / allowed
                good[r, c] = squares[r, c] < outlier and n > 0
                left |= good[r, c]
        if not left or not gain > _LEAST_GAIN:
            return -1.0, -1.0
    one = steep = 0.0
    for r in range(rows):
        for c in range(columns):
            one += sums[0, r, c]
            steep += sums[6, r, c]
    whole = agreed = cost = 0.0
    for r in range(rows):
        for c in range(columns):
            structure = sums[6, r, c] + 1e-3 * sums[0, r, c] * steep / one
            whole += structure
            cost += structure * min(squares[r, c], outlier)
            if good[r, c]:
                agreed += structure
    return cost, agreed / max(whole, 1e-9)

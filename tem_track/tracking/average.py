"""Averaging registered crops into a template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tem_track.cores import hands, in_turn
from tem_track.records import FloatArray
from tem_track.tracking.crops import SLACK, Crop
from tem_track.tracking.fit import Fit
from tem_track.tracking.registration import good_fits, turned_by
from tem_track.tracking.splines import moved
from tem_track.tracking.template import Template

__all__ = ["average"]


def average(
    state: Template,
    stack: list[Crop],
    splines: list[NDArray[np.float32]],
    fits: list[Fit | None],
    level: float,
) -> None:
    """Replace the template by the mean of the good crops, each moved to the template's place."""
    good = good_fits(fits)
    if not good:
        good = [0]
    total = np.zeros(stack[0].image.shape)
    seen = np.full(stack[0].image.shape, 1e-9)
    gains = [f.gain for k in good if (f := fits[k])] or [1.0]
    offsets = [f.offset for k in good if (f := fits[k])] or [0.0]
    gain0, offset0 = float(np.median(gains)), float(np.median(offsets))

    def registered(k: int) -> tuple[NDArray[np.float32], Any]:
        fit = fits[k]
        x, y, turn = (fit.x_px, fit.y_px, fit.turn_rad) if fit else (0.0, 0.0, 0.0)
        gain, offset = (fit.gain, fit.offset) if fit else (gain0, offset0)
        grey = _registered(splines[k], x, y, turn, state)
        grey *= np.float32(gain0 / gain)
        grey += np.float32(offset0 - (level + offset) / gain * gain0)
        visible = np.float32(1.0) if stack[k].is_whole else _visible(stack[k], x, y)
        if state.early and (agreed := stack[k].agreed) is not None:
            share = np.where(agreed, np.float32(1.0), np.float32(0.01))
            visible = visible * np.pad(share, SLACK, mode="edge")
        if np.ndim(visible):
            grey *= visible
        return grey, visible

    def summed(some: Sequence[int]) -> tuple[FloatArray, Any]:
        greys, count = np.zeros(total.shape), 0.0
        for k in some:
            grey, visible = registered(k)
            greys += grey
            count = count + visible
        return greys, count

    for grey, visible in in_turn(summed, hands(good)):
        total += grey
        seen += visible
    state.template = total / seen + level
    state.n_frames = len(good)
    state.support = seen[SLACK:-SLACK, SLACK:-SLACK]


def _visible(crop: Crop, x: float, y: float) -> NDArray[np.float32]:
    """Return 1 where the frame holds what the template's pixel shows, else next to 0."""
    whole = moved(crop.visible().astype(np.float32), x, y, 1)
    return np.where(whole > 0.999, np.float32(1.0), np.float32(1e-6))


def _registered(
    spline: NDArray[np.float32], x: float, y: float, turn: float, state: Template
) -> NDArray[np.float32]:
    """Return a frame's crop as it would look with the target in the template's place."""
    if not state.turns:
        return moved(spline, x, y, 5)
    px, py = state.pivot_px[0] + SLACK, state.pivot_px[1] + SLACK
    return turned_by(spline, turn, (px, py), (px + x, py + y))

"""The specimen's own form: the unevenness of its width, which it carries along wherever it goes.

One frame tells a width over some dozens of rows, and a curve through a single frame's bands has to
be stiffer than the specimen is uneven. The film behind stands still while the specimen passes over
it, and shot noise is new in each frame, so that the mean over all frames shows the unevenness
itself. It is laid down against the share of the volume below, which matter keeps when the body is
squeezed, barrelled or drawn out. What is left of a frame without it is smooth.

What a load does to the width of a pulled specimen is even but for a neck. Its form then holds all
that the frames share, its taper as well, and what is left of a frame is level but for the neck: the
frames' curves are no longer free to lean at their ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tem_track.records import FloatArray
from tem_track.specimen.smooth import Mask, smooth_curve

__all__ = ["Form", "Widths", "learn_form"]

_LEAST_FRAMES = 8
"""Frames from which on what they share is told from what single ones show."""
_LEAST_SHARE = 1 / 3  # of the frames, in which a place has to be seen
_LEAST_PLACES = 12
"""Bands along the specimen that are seen often enough, at least."""
_TURNS = 6
_OUTLIER = 3.0
_SOFTEST = 10.0
"""Turns of a frame's curve and the mean of what it leaves over; spreads beyond which a width is
left out; least penalty of the mean's own curve, which is as rough as the specimen's sides may
be."""
_CAUTION = 3.0  # grain reaches over bands, and what lies between two bands of a frame is both's


@dataclass(frozen=True, slots=True, eq=False)
class Widths:
    """One frame's widths, band by band, and between which faces they were seen."""

    s_px: FloatArray
    width_px: FloatArray
    good: Mask
    faces_px: tuple[float, float]
    caution: float

    @property
    def share(self) -> FloatArray:
        """The share of the volume of revolution that lies below each band."""
        s = self.s_px
        area = np.interp(s, s[self.good], self.width_px[self.good]) ** 2
        pieces = (area[1:] + area[:-1]) / 2 * np.diff(s)
        below = (s[0] - self.faces_px[0]) * area[0] + np.concatenate([[0.0], np.cumsum(pieces)])
        whole = below[-1] + (self.faces_px[1] - s[-1]) * area[-1]
        return np.asarray(below / whole)


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """How much wider the specimen is than a smooth curve, from base to tip.

    Attributes
    ----------
    share : array, shape (n,)
        Share of the volume below.
    value_px, u_px : array, shape (n,)
        The unevenness of the width and its uncertainty, the same in all frames.
    level : float
        What a slope of what is left costs, over what a change of its curvature does.
    """

    share: FloatArray
    value_px: FloatArray
    u_px: FloatArray
    level: float = 0.0

    def at(self, share: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return both at some places."""
        value, u = (np.interp(share, self.share, part) for part in (self.value_px, self.u_px))
        return value, u


def learn_form(
    frames: Sequence[Widths], softest: float, level: float = 0.0, u_grain_px: float = 0.0
) -> Form | None:
    """Return the unevenness that the frames share; None where they are too few.

    Parameters
    ----------
    frames : sequence of Widths
    softest : float
        Smallest penalty of a frame's own smooth curve.
    level : float
        What its slope costs besides, where a load changes the width evenly.
    u_grain_px : float
        How far a band's width lies off by the specimen's grain, the same in all frames. A curve
        through the mean follows it, and its own scatter tells too little.
    """
    if len(frames) < _LEAST_FRAMES:
        return None
    n = round(float(np.median([len(frame.s_px) for frame in frames])))
    at = (np.arange(n) + 0.5) / n
    shares = [frame.share for frame in frames]
    start = _shared(frames, shares, at) if level > 0 else np.zeros(n)
    form = Form(at, start, np.zeros(n), level)
    for _ in range(_TURNS):
        parts = zip(frames, shares, strict=True)
        found = [_left_over(frame, share, form, softest) for frame, share in parts]
        left = np.array([values for values, _ in found])
        often: Mask = np.isfinite(left).sum(axis=0) >= _LEAST_SHARE * len(frames)
        if often.sum() < _LEAST_PLACES:
            return None
        mean = np.zeros(n)
        mean[often] = _usual(left[:, often])
        curve = smooth_curve(mean, often, _SOFTEST, _CAUTION)
        new = float(np.median([scatter for _, scatter in found])) / np.sqrt(len(frames))
        expected = float(np.hypot(new, u_grain_px))
        value, u = curve.value, curve.u * max(expected / curve.scatter, 1.0)
        if level > 0:
            value, u = (np.interp(at, at[often], part[often]) for part in (value, u))
        else:
            value, u = (np.where(often, part, 0.0) for part in (value, u))
        form = Form(at, value, u, level)
    return form


def _shared(frames: Sequence[Widths], shares: Sequence[FloatArray], at: FloatArray) -> FloatArray:
    """Return how the usual frame's width departs from its own median."""
    each = [
        np.interp(at, share[frame.good], frame.width_px[frame.good])
        for frame, share in zip(frames, shares, strict=True)
    ]
    return np.asarray(np.median([width - np.median(width) for width in each], axis=0))


def _usual(left: FloatArray) -> FloatArray:
    """Return the mean over the frames, without those in which a place was an exception: a neck."""
    middle = np.nanmedian(left, axis=0)
    away = np.abs(left - middle)
    near = away <= _OUTLIER * 1.4826 * np.nanmedian(away, axis=0)
    return np.asarray(np.where(near, left, 0.0).sum(axis=0) / near.sum(axis=0))


def _left_over(
    frame: Widths, share: FloatArray, form: Form, softest: float
) -> tuple[FloatArray, float]:
    """Return a frame's widths less its own smooth curve, at the form's places, and their scatter.

    NaN where they were not seen.
    """
    known, _ = form.at(share)
    curve = smooth_curve(frame.width_px - known, frame.good, softest, frame.caution, form.level)
    left = frame.width_px - curve.value
    near = frame.good & (np.abs(left - known) < _OUTLIER * curve.scatter)
    if near.sum() < 2:
        return np.full(len(form.share), np.nan), curve.scatter
    placed = np.interp(form.share, share[near], left[near], left=np.nan, right=np.nan)
    return placed, curve.scatter

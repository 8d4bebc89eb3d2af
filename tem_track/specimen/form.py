"""The specimen's own form: the unevenness of its width, which it carries along wherever it goes.

One frame tells a width over some dozens of rows, and a curve through a single frame's bands has to
be stiffer than the specimen is uneven. The film behind stands still while the specimen passes over
it, and shot noise is new in each frame, so that the mean over all frames shows the unevenness
itself. It is laid down against the share of the volume below, which matter keeps when the body is
squeezed, barrelled or drawn out. What is left of a frame without it is smooth.
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
    """

    share: FloatArray
    value_px: FloatArray
    u_px: FloatArray

    def at(self, share: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return both at some places."""
        value, u = (np.interp(share, self.share, part) for part in (self.value_px, self.u_px))
        return value, u


def learn_form(frames: Sequence[Widths], softest: float) -> Form | None:
    """Return the unevenness that the frames share; None where they are too few.

    Parameters
    ----------
    frames : sequence of Widths
    softest : float
        Smallest penalty of a frame's own smooth curve.
    """
    if len(frames) < _LEAST_FRAMES:
        return None
    n = round(float(np.median([len(frame.s_px) for frame in frames])))
    at = (np.arange(n) + 0.5) / n
    shares = [frame.share for frame in frames]
    form = Form(at, np.zeros(n), np.zeros(n))
    for _ in range(_TURNS):
        parts = zip(frames, shares, strict=True)
        left = np.array([_left_over(frame, share, form, softest) for frame, share in parts])
        often: Mask = np.isfinite(left).sum(axis=0) >= _LEAST_SHARE * len(frames)
        if often.sum() < _LEAST_PLACES:
            return None
        mean = np.zeros(n)
        mean[often] = _usual(left[:, often])
        curve = smooth_curve(mean, often, _SOFTEST, _CAUTION)
        form = Form(at, np.where(often, curve.value, 0.0), np.where(often, curve.u, 0.0))
    return form


def _usual(left: FloatArray) -> FloatArray:
    """Return the mean over the frames, without those in which a place was an exception: a neck."""
    middle = np.nanmedian(left, axis=0)
    away = np.abs(left - middle)
    near = away <= _OUTLIER * 1.4826 * np.nanmedian(away, axis=0)
    return np.asarray(np.where(near, left, 0.0).sum(axis=0) / near.sum(axis=0))


def _left_over(frame: Widths, share: FloatArray, form: Form, softest: float) -> FloatArray:
    """Return a frame's widths less its own smooth curve, at the form's places; NaN if not seen."""
    known, _ = form.at(share)
    curve = smooth_curve(frame.width_px - known, frame.good, softest, frame.caution)
    left = frame.width_px - curve.value
    near = frame.good & (np.abs(left - known) < _OUTLIER * curve.scatter)
    if near.sum() < 2:
        return np.full(len(form.share), np.nan)
    return np.interp(form.share, share[near], left[near], left=np.nan, right=np.nan)

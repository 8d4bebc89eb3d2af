"""How a specimen bends: the form of its midline's change, the same in all frames but for its size.

The bow is what the midline does at half length against the line between its two ends, and the ends
lie beyond the outermost bands: a curve through a single frame has to be led on to them, and one
that is smooth enough for the noise cuts what is bent. The frames of a movie tell together in which
form the specimen bends. What is left of a frame without it is nearly straight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tem_track.records import FloatArray
from tem_track.specimen.smooth import Mask, smooth_curve
from tem_track.specimen.widths import weights_at

__all__ = ["Bend", "Midline", "bow_weights", "learn_bend"]

_LEAST_FRAMES = 8
_LEAST_PLACES = 12
_TURNS = 3
_LEAST_POWER = 40.0
"""Root of the sum of squares of the bows, over a band's scatter, from which on they show a form."""
_OUTER = 8  # bands through which a parabola leads on to a face
_CAUTION = 2.0


def bow_weights(s_px: FloatArray, low_px: float, high_px: float) -> FloatArray:
    """Return the weights by which a midline gives the bow between two faces."""
    ends = (weights_at(s_px, low_px) + weights_at(s_px, high_px)) / 2
    return np.asarray(weights_at(s_px, (low_px + high_px) / 2) - ends)


@dataclass(frozen=True, slots=True, eq=False)
class Midline:
    """One frame's midline, band by band, and between which faces it was seen."""

    s_px: FloatArray
    middle_px: FloatArray
    good: Mask
    faces_px: tuple[float, float]
    caution: float

    @property
    def share(self) -> FloatArray:
        """The share of the length that lies below each band."""
        low, high = self.faces_px
        return (self.s_px - low) / (high - low)


@dataclass(frozen=True, slots=True, eq=False)
class Bend:
    """The midline of a specimen that is bent by a bow of one pixel.

    Attributes
    ----------
    share : array, shape (n,)
        Share of the length below.
    middle : array, shape (n,)
        Offset of the midline there, per bow.
    """

    share: FloatArray
    middle: FloatArray

    def of(self, midline: Midline) -> tuple[float, FloatArray]:
        """Return the bow that a frame has of this form, and its offset on the frame's bands."""
        share, good = midline.share, midline.good
        form = np.interp(share, self.share, self.middle)
        if good.sum() < _LEAST_PLACES:
            return 0.0, np.zeros(len(share))
        bow = _sizes(form[good], share[good], midline.middle_px[good])
        return float(bow), float(bow) * form


def learn_bend(frames: Sequence[Midline]) -> Bend | None:
    """Return the form in which a specimen bends; None where it hardly does, or too few show it."""
    if len(frames) < _LEAST_FRAMES:
        return None
    n = round(float(np.median([len(frame.s_px) for frame in frames])))
    if n < _LEAST_PLACES:
        return None
    at = (np.arange(n) + 0.5) / n
    curves = [smooth_curve(f.middle_px, f.good, caution=f.caution) for f in frames]
    pairs = list(zip(frames, curves, strict=True))
    bows = np.array([bow_weights(f.s_px, *f.faces_px) @ curve.value for f, curve in pairs])
    placed = [np.interp(at, f.share[f.good], f.middle_px[f.good]) for f in frames]
    each = np.array([line - np.polyval(np.polyfit(at, line, 1), at) for line in placed])
    each -= each.mean(axis=0)
    scatter = float(np.median([curve.scatter for curve in curves]))
    form = np.zeros(n)
    for _ in range(_TURNS):
        away = bows - bows.mean()
        power = float(away @ away)
        if not power > (_LEAST_POWER * scatter) ** 2:
            return None
        form = smooth_curve(away @ each / power, np.ones(n, dtype=bool), caution=_CAUTION).value
        ends = (_at_face(at, form, 0.0) + _at_face(at, form, 1.0)) / 2
        form = form / (float(np.interp(0.5, at, form)) - ends)
        bows = np.asarray(_sizes(form, at, each.T))
    return Bend(at, form)


def _sizes(form: FloatArray, at: FloatArray, lines: FloatArray) -> FloatArray:
    """Return how much of a form is in lines that may be shifted and leaned."""
    design = np.column_stack([form, np.ones(len(at)), at])
    solution, *_ = np.linalg.lstsq(design, lines, rcond=None)
    return np.asarray(solution[0])


def _at_face(at: FloatArray, form: FloatArray, face: float) -> float:
    outer = np.argsort(np.abs(at - face), kind="stable")[:_OUTER]
    return float(np.polyfit(at[outer] - face, form[outer], 2)[2])

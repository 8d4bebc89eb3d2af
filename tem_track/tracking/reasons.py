"""Why a fit is not believed: the words that stand beside a lost target."""

from __future__ import annotations

from dataclasses import replace

from tem_track.records import Image
from tem_track.tracking.combed import APART_PX, fields_apart_px
from tem_track.tracking.fit import Fit
from tem_track.tracking.focus import Refocused
from tem_track.tracking.look import Look

__all__ = [
    "BLURRED",
    "CHANGED",
    "COMBED",
    "NO_FIT",
    "OVER_EXPOSED",
    "UNLIKE",
    "why_lost",
    "why_unusual",
]

NO_FIT = "no fit"


BLURRED = "blurred"
UNLIKE = "does not look like the template"
CHANGED = "too much of it is covered or looks otherwise"
OVER_EXPOSED = "over-exposed"
COMBED = "its even and odd rows show it in two places"


def why_lost(fit: Fit | None, look: Look) -> str:
    """Return why a fit is not believed; empty where it is."""
    if fit is None:
        return NO_FIT
    limits = look.limits
    if fit.seen < limits.seen:
        return "out of view"
    if not limits.gain[0] < fit.gain < limits.gain[1]:
        return "contrast is gone"
    if fit.at_peak > limits.at_peak:
        return OVER_EXPOSED
    if fit.chi2 < limits.chi2_least * limits.chi2 * min(fit.gain, 1.0):
        return "without noise: over-exposed or blurred"
    misfit = fit.misfit(limits.chi2)
    if not (fit.chi2 / max(fit.gain, 1.0) <= limits.chi2_most or misfit <= limits.misfit_most):
        return UNLIKE
    return ""


def why_unusual(image: Image, refined: Refocused | None, look: Look, *, clipped: bool) -> str:
    """Return why a place that leaves more than usual is not believed; empty where it is.

    `clipped`: the frame is over-exposed as a whole.
    """
    if refined is None or look.cover is None:
        return ""
    if clipped:
        faint = min(refined.fit.gain, 1.0) ** 2  # as `Found` compares places
        as_bright = replace(refined.fit, chi2=refined.fit.chi2 / faint)
        return "" if look.cover.is_usual(as_bright) else OVER_EXPOSED
    if look.cover.is_usual(refined.fit):
        return ""
    apart = 0.0 if look.turns else fields_apart_px(image, refined.fit, look.pattern)
    return COMBED if apart > APART_PX else ""

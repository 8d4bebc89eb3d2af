"""The base's face under a specimen: where the specimen's own look across its columns ends.

A thick base shows no clean step: its darkness begins with one and goes on as the square root of the
depth. Where the step is small against that root, straight lines joined by a step put the face
wherever the two happen to be alike: 2 to 3 px off. But what the base's darkness does with depth it
does in all columns, while the specimen is dark in its middle and light at its edges: what columns
differ by ends at the face in a step, whatever the base's law.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr

from tem_track.records import FloatArray
from tem_track.specimen.faces import Step
from tem_track.specimen.step_fit import WINDOW_PX
from tem_track.specimen.strip import Strip

__all__ = ["contrast_step", "root_doubt"]

_HALF_WIDTH, _EDGE_PX = 0.45, 3.0  # of the width: what is seen beside it is another face
_GROUPS, _LEAST_GROUPS = 16, 5
"""Groups of columns under the body, and how many have to be there."""
_TRIAL_PX, _TRIALS = 0.1, 15
"""Grid of places that are tried, and how many to either side."""
_PASSES = 8
"""Times that the grid is moved to its best."""
_ROOT_PX = 60.0
"""Height of the root that the model reaches to."""
_UNSEEN_LAG = 0.2  # of the rest's correlation, which the fit takes with it


def contrast_step(
    strip: Strip, middle_px: float, width_px: float, near_px: float, reach_px: float, blur_px: float
) -> Step:
    """Find where the columns of a specimen cease to differ as they do above its foot.

    Parameters
    ----------
    strip : Strip
        About the base's face, averaged over registered frames.
    middle_px, width_px : float
        Of the specimen at its foot.
    near_px, reach_px : float
        Middle and half width of the search.
    blur_px : float

    Returns
    -------
    Step
        Its height is the root mean square over the columns, in units of brightness. NaN where too
        few columns or rows are seen.
    """
    s, grey = _grouped(strip, middle_px, width_px, near_px, reach_px)
    if len(s) < 20 or grey.shape[1] < _LEAST_GROUPS:
        return Step(math.nan, math.nan, math.nan)
    differing = grey - grey.mean(axis=1, keepdims=True)
    places = np.arange(near_px - reach_px, near_px + reach_px + 0.1, 0.5)
    gain = [
        float((_rest(_kink(s, at), differing) ** 2).sum())
        - float((_rest(_step(s, at, at, blur_px), differing) ** 2).sum())
        for at in places
    ]
    return _nearest(s, differing, float(places[int(np.argmax(gain))]), blur_px)


def root_doubt(
    strip: Strip, middle_px: float, width_px: float, near_px: float, blur_px: float
) -> float:
    """Return how far the mean profile's step moves where a root of the depth goes on behind it."""
    s, grey = _grouped(strip, middle_px, width_px, near_px, 8.0)
    if len(s) < 20 or not grey.shape[1]:
        return 0.0
    mean = grey.mean(axis=1, keepdims=True)
    plain = _nearest(s, mean, near_px, blur_px)
    rooted = _nearest(s, mean, near_px, blur_px, rooted=True)
    return abs(rooted.s_px - plain.s_px)


def _grouped(
    strip: Strip, middle_px: float, width_px: float, near_px: float, reach_px: float
) -> tuple[FloatArray, FloatArray]:
    """Return rows and the brightness of groups of columns in them."""
    half = min(_HALF_WIDTH * width_px, 0.5 * width_px - _EDGE_PX)
    columns = strip.columns(middle_px - half, middle_px + half)
    wide = max(1, round(width_px / _GROUPS))
    count = max((columns.stop - columns.start) // wide, 0)
    grey = strip.grey[:, columns.start : columns.start + count * wide].astype(np.float64)
    grey = grey.reshape(len(grey), count, wide).mean(axis=2)
    s = strip.grid.s_px
    use = np.isfinite(grey).all(axis=1) & (np.abs(s - near_px) < reach_px + 3 * WINDOW_PX)
    return s[use], grey[use]


def _step(
    s: FloatArray, at: float, centre: float, blur: float, rooted: bool = False
) -> tuple[FloatArray, FloatArray]:
    """Return the weights of the rows, and the span of two lines joined by a step."""
    weight = np.exp(-0.5 * ((s - centre) / WINDOW_PX) ** 2)
    x = s - at
    gate = ndtr(x / blur)
    parts = [np.ones_like(x), x, gate, gate * x]
    if rooted:
        parts.append(_blurred_root(-x, blur))
    return weight, np.linalg.qr(np.stack(parts, axis=1) * weight[:, None])[0]


def _kink(s: FloatArray, at: float) -> tuple[FloatArray, FloatArray]:
    weight = np.exp(-0.5 * ((s - at) / WINDOW_PX) ** 2)
    x = s - at
    parts = np.stack([np.ones_like(x), x, np.maximum(x, 0.0)], axis=1)
    return weight, np.linalg.qr(parts * weight[:, None])[0]


def _blurred_root(depth: FloatArray, blur: float) -> FloatArray:
    fine = np.arange(-20.0, _ROOT_PX, 0.05)
    near = np.arange(-5 * blur, 5 * blur + 0.01, 0.05)
    kernel = np.exp(-0.5 * (near / blur) ** 2)
    root = np.convolve(np.sqrt(np.maximum(fine, 0.0)), kernel / kernel.sum(), "same")
    return np.asarray(np.interp(depth, fine, root))


def _rest(model: tuple[FloatArray, FloatArray], grey: FloatArray) -> FloatArray:
    weight, span = model
    seen = grey * weight[:, None]
    return np.asarray(seen - span @ (span.T @ seen))


def _nearest(
    s: FloatArray, grey: FloatArray, start: float, blur: float, *, rooted: bool = False
) -> Step:
    """Move to the least rest of all groups together; correlated rests count for fewer."""
    trial = start + _TRIAL_PX * np.arange(-_TRIALS, _TRIALS + 1)
    for _ in range(_PASSES):
        centre = float(trial[_TRIALS])
        costs = [
            float((_rest(_step(s, at, centre, blur, rooted), grey) ** 2).sum()) for at in trial
        ]
        best = int(np.argmin(costs))
        if abs(best - _TRIALS) < 5:
            break
        trial = trial + _TRIAL_PX * (best - _TRIALS)
    best = min(max(best, 1), 2 * _TRIALS - 1)
    a, b, c = costs[best - 1 : best + 2]
    bend = max(a - 2 * b + c, 1e-12)
    at = float(trial[best]) + _TRIAL_PX * min(max(0.5 * (a - c) / bend, -1.0), 1.0)
    weight, span = _step(s, at, centre, blur, rooted)
    rest = _rest((weight, span), grey)
    power = max(float((rest**2).sum()), 1e-12)
    freedom = max(float((weight**2).sum()) - span.shape[1], 1.0) * grey.shape[1]
    wider = _fewer(float((rest[1:] * rest[:-1]).sum()) / power + _UNSEEN_LAG)
    wider *= _fewer(float((rest[:, 1:] * rest[:, :-1]).sum()) / power)
    u = math.sqrt(2 * power / freedom / (bend / _TRIAL_PX**2) * wider)
    return Step(at, u, _height(s, grey, at, centre, blur))


def _fewer(lag: float) -> float:
    """Return by how much a variance grows where neighbours are so much alike."""
    alike = min(max(lag, 0.0), 0.8)
    return (1 + alike) / (1 - alike)


def _height(s: FloatArray, grey: FloatArray, at: float, centre: float, blur: float) -> float:
    weight = np.exp(-0.5 * ((s - centre) / WINDOW_PX) ** 2)[:, None]
    x = s - at
    gate = ndtr(x / blur)
    parts = np.stack([np.ones_like(x), x, gate, gate * x], axis=1)
    heights = np.linalg.lstsq(parts * weight, grey * weight, rcond=None)[0][2]
    return float(np.sqrt(np.mean(heights**2)))

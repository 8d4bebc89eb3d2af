"""Trackers from a sample of frames: register, average, find the pixels that move, repeat."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.errors import TrackingError
from tem_track.records import Box, FloatArray, Frame, Image, Reference, Target
from tem_track.tracking.coarse import make_coarse, search
from tem_track.tracking.crops import SLACK, Crop, cut
from tem_track.tracking.fit import Fit, Pattern, fit_pattern
from tem_track.tracking.noise import noise_of_grey, single_frame_variance, variance
from tem_track.tracking.overlay import Still
from tem_track.tracking.splines import MARGIN, coefficients, moved
from tem_track.tracking.tracker import Limits, Look, Tracker, rough_place
from tem_track.tracking.voting import BLUR_PX, Vote, vote

__all__ = ["build_trackers"]

ROUNDS = 4
TURNS_RAD = (0.0, math.radians(2.5), math.radians(-2.5))
"""Turns from which the registration begins, where a turn is fitted."""
DRAFT_FRAMES = 12
"""A blur by one pixel takes as much noise off a single frame as averaging this many."""
FEWEST_AGREED = 0.3
BLOCK_PX = 16
POOL_PX = 3.0
DETAIL_PX = 2.0
SURE_DETAIL = 15.0
OWN_MOTION_PX = 0.4
TURN_MATTERS_PX = 0.1
ODD_EXCESS = 0.25
SLOPE_NOISE = 1.4
NO_NOISE = 1e-3
"""Mean square below which the frames are copies of each other."""
CLIPPED = 0.5
"""Part of the bright pixels that must be at the brightest grey in an over-exposed frame."""
WEAK_INFORMATION = 1.0
"""Below this many px^-2 a direction counts as not fixed by the target."""


def build_trackers(
    references: Mapping[int, Image], sample: Iterable[Frame], targets: Sequence[Target]
) -> dict[str, Tracker]:
    """Prepare one tracker a target.

    Parameters
    ----------
    references : mapping of int to Image
        The frames that the targets' references name.
    sample : iterable of Frame
        Frames spread over the movie, about a hundred; read once, only crops are kept.
    targets : sequence of Target

    Returns
    -------
    dict of str to Tracker
        By the target's name.

    Raises
    ------
    TrackingError
        A box lies outside its frame, is too small, or holds nothing that could be followed.
    """
    drafts = {target.name: _drafts(references, target) for target in targets}
    crops: dict[str, list[list[Crop]]] = {
        target.name: [[] for _ in target.references] for target in targets
    }
    stills = {target.name: _stills(references, target) for target in targets}
    for frame in sample:
        if frame.ok:
            for target in targets:
                if frame.index not in {ref.frame for ref in target.references}:
                    _collect(frame.image, drafts[target.name], crops[target.name])
                for still in stills[target.name]:
                    still.add(frame.image)
    return {
        target.name: _finish(
            references, target, drafts[target.name], crops[target.name], stills[target.name]
        )
        for target in targets
    }


def _stills(references: Mapping[int, Image], target: Target) -> list[Still]:
    found = []
    for ref in target.references:
        crop, shape = _reference_crop(references[ref.frame], ref, target)
        found.append(Still.begin(references[ref.frame], crop.x, crop.y, shape))
    return found


def _whole(box: Box, shape: tuple[int, ...], name: str) -> tuple[int, int, int, int]:
    x, y = round(box.x_px), round(box.y_px)
    w, h = round(box.width_px), round(box.height_px)
    x1, y1 = min(x + w, shape[1]), min(y + h, shape[0])
    x, y = max(x, 0), max(y, 0)
    if x1 - x < 8 or y1 - y < 8:
        raise TrackingError(
            f"the {name}'s box {[x, y, w, h]} leaves less than 8 pixels inside the frame of "
            f"{shape[1]}x{shape[0]} px: draw it larger and inside the frame"
        )
    return x, y, x1 - x, y1 - y


def _drafts(references: Mapping[int, Image], target: Target) -> list[Look]:
    return [_draft(references[ref.frame], ref, target) for ref in target.references]


def _reference_crop(image: Image, ref: Reference, target: Target) -> tuple[Crop, tuple[int, int]]:
    x, y, w, h = _whole(ref.box, image.shape, target.name)
    crop = cut(image, x, y, (h, w))
    assert crop is not None
    return crop, (h, w)


def _point_in_box(target: Target, ref: Reference, crop: Crop) -> tuple[float, float]:
    """Return the point (x, y), counted from the crop's box; it keeps its place in the box."""
    first = target.references[0].box
    x = target.point_px[0] - first.x_px + ref.box.x_px - crop.x
    y = target.point_px[1] - first.y_px + ref.box.y_px - crop.y
    return (x, y)


def _draft(image: Image, ref: Reference, target: Target) -> Look:
    """Make a look from the reference frame alone, good enough to register others."""
    crop, (h, w) = _reference_crop(image, ref, target)
    grey = crop.image.astype(float)
    if not np.isfinite(grey).all() or float(np.ptp(grey[SLACK:-SLACK, SLACK:-SLACK])) <= 0:
        raise TrackingError(
            f"the {target.name}'s box in frame {ref.frame} is uniform: nothing in it can be "
            "followed; draw it over an edge or a texture"
        )
    state = _State(_point_in_box(target, ref, crop), (h, w))
    state.template = np.asarray(cv2.GaussianBlur(grey, (0, 0), BLUR_PX), float)
    state.base = float(grey[SLACK:-SLACK, SLACK:-SLACK].mean())
    state.noise = _flat_noise(single_frame_variance(grey))
    state.mask = np.ones((h, w), bool)
    state.n_frames = DRAFT_FRAMES
    return state.look(Limits(1.0, math.inf, 1.0, gain=(0.05, 20.0), seen=0.3))


def _flat_noise(level: float) -> FloatArray:
    return np.array([level, 0.0, 0.0, level])


def _collect(image: Image, looks: list[Look], crops: list[list[Crop]]) -> None:
    """Keep the surroundings of the target, with the look that most of the box agrees with."""
    best: tuple[float, int, Crop] | None = None
    for number, look in enumerate(looks):
        found = _first_place(image, look)
        if found is None or found.agreed < FEWEST_AGREED:
            continue
        crop = cut(image, round(found.x_px), round(found.y_px), look.pattern.shape)
        if crop is not None and (best is None or found.agreed > best[0]):
            crop.agreed = found.mask
            crop.start = (found.x_px - crop.x, found.y_px - crop.y)
            best = (found.agreed, number, crop)
    if best is not None:
        crops[best[1]].append(best[2])


def _first_place(image: Image, look: Look) -> Vote | None:
    """Find the target before it is known which of the box's pixels belong to it."""
    found = []
    for place in search(image, look.coarse):
        x, y, _ = rough_place(image, look, place)
        votes = vote(image, look.pattern, [(place.x_px, place.y_px), (x, y)])
        if votes is not None:
            found.append(votes)
    return max(found, key=lambda votes: votes.agreed, default=None)


@dataclass(slots=True)
class _State:
    """The template as it grows."""

    point_px: tuple[float, float]
    shape: tuple[int, int]
    turn_rad: float = 0.0
    template: FloatArray = None  # type: ignore[assignment]
    noise: FloatArray = None  # type: ignore[assignment]
    mask: NDArray[np.bool_] = None  # type: ignore[assignment]
    base: float = 0.0
    usable: NDArray[np.bool_] = None  # type: ignore[assignment]
    support: FloatArray = None  # type: ignore[assignment]
    n_frames: float = 1
    free: FloatArray | None = None
    early: bool = True
    turns: bool = False
    meat: FloatArray | None = None
    wander_px: float = 1.0

    def pattern(self) -> Pattern:
        """Return the pattern of the present template."""
        trim = SLACK - MARGIN
        level = self.level()
        coef = coefficients(self.template - level, 3)
        return Pattern(
            np.ascontiguousarray(coef[trim:-trim, trim:-trim]),
            np.asarray(self.mask, np.float32),
            np.asarray(self.mask * self._sure_slopes(coef), np.float32),
            np.asarray(self.noise, np.float32),
            level,
        )

    @property
    def pivot_px(self) -> tuple[float, float]:
        """The middle of the box, about which the template turns."""
        return ((self.shape[1] - 1) / 2, (self.shape[0] - 1) / 2)

    def level(self) -> float:
        """Return the grey value that the noise and the pattern count from."""
        return self.base

    def variance(self) -> FloatArray:
        """Return the variance of the box's pixels."""
        return variance(self.noise, self.template[SLACK:-SLACK, SLACK:-SLACK] - self.base)

    def _sure_slopes(self, coef: NDArray[np.float32]) -> FloatArray:
        """Return how far each slope is told from the template's own noise, 0 to 1."""
        inner = (slice(SLACK, -SLACK), slice(SLACK, -SLACK))
        square = sum(moved(coef, 0, 0, 3, s)[inner].astype(float) ** 2 for s in "xy")
        strength = cv2.GaussianBlur(np.asarray(square), (0, 0), 1.5)
        noise = 2 * SLOPE_NOISE * self.variance() / self.n_frames
        return np.clip(1 - noise / np.maximum(strength, 1e-12), 0.02, 1)

    def _noise_information(self, pattern: Pattern) -> float:
        """Return what the noise of the template's slopes adds to the information."""
        return float(pattern.slope_share.sum()) * SLOPE_NOISE / self.n_frames

    def look(self, limits: Limits) -> Look:
        """Return the look that the present template gives."""
        pattern = self.pattern()
        inner = self.template[SLACK:-SLACK, SLACK:-SLACK]
        coarse = make_coarse(inner - pattern.level, self.mask)
        rough = _rough_pattern(coarse.template, self.mask, coarse.factor)
        information = _information(pattern, self.pivot_px, self.turns)
        free = _free_direction(information)
        blurred = information[:2, :2] - self._noise_information(pattern) * np.eye(2)
        true = information.copy()
        true[:2, :2] = blurred if np.linalg.eigvalsh(blurred)[0] > 0 else information[:2, :2]
        covariance = _covariance(true, free, information if self.meat is None else self.meat)
        detail = _detail(pattern)
        return Look(
            pattern, detail, rough, coarse, self.point_px, self.pivot_px, self.turn_rad,
            self.turns, information, covariance, free, self.wander_px, limits,
        )  # fmt: skip


def _detail(pattern: Pattern) -> NDArray[np.float32]:
    """Return what a blur would take away, scaled so that the template itself gives one.

    Empty where it would not be told from noise.
    """
    value = moved(pattern.coef, 0, 0, 3)
    fine = value - cv2.GaussianBlur(value, (0, 0), DETAIL_PX)
    inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    fine, value = fine[inner] * pattern.share, value[inner]
    fine -= pattern.share * (fine.sum() / max(float(pattern.share.sum()), 1.0))
    own = float((fine * value).sum())
    noise = math.sqrt(
        float((fine**2 * variance(pattern.noise.astype(float), value.astype(float))).sum())
    )
    if not own > SURE_DETAIL * noise:
        return np.empty((0, 0), np.float32)
    return np.asarray(fine / own, np.float32)


def _rough_pattern(low: NDArray[np.float32], mask: NDArray[np.bool_], factor: int) -> Pattern:
    h, w = low.shape
    weight = cv2.resize(
        mask[: h * factor, : w * factor].astype(np.float32), (w, h), interpolation=cv2.INTER_AREA
    )
    padded = np.pad(low.astype(float), MARGIN, mode="edge")
    flat = np.array([1, 0, 0, 1], np.float32)
    share = np.asarray(weight, np.float32)
    return Pattern(coefficients(padded, 3), share, share, flat, 0.0)


def _slopes(
    pattern: Pattern, point_px: tuple[float, float], turns: bool
) -> tuple[FloatArray, FloatArray]:
    """Return the values (h, w) and the slopes (n, h, w) of a pattern at rest."""
    inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    value = moved(pattern.coef, 0, 0, 3)[inner].astype(float)
    slopes = [moved(pattern.coef, 0, 0, 3, s)[inner].astype(float) for s in "xy"]
    if turns:
        y, x = np.indices(value.shape)
        slopes.append(-slopes[0] * (y - point_px[1]) + slopes[1] * (x - point_px[0]))
    return value, np.array(slopes)


def _weights(pattern: Pattern, value: FloatArray) -> FloatArray:
    return np.asarray(pattern.share / variance(pattern.noise.astype(float), value))


def _sharpened(pattern: Pattern, value: FloatArray, slopes: FloatArray) -> FloatArray:
    """Return the slopes' weighted scores with gain and offset taken out, (n, h, w)."""
    w = _weights(pattern, value)
    plain = np.array([np.ones_like(value), value])
    normal = np.einsum("ayx,byx,yx->ab", plain, plain, w)
    q = pattern.slope_share * w * slopes
    cross = np.einsum("nyx,ayx->na", q, plain)
    return np.asarray(q - np.einsum("na,ayx->nyx", np.linalg.solve(normal, cross.T).T, plain) * w)


def _information(pattern: Pattern, point_px: tuple[float, float], turns: bool) -> FloatArray:
    value, slopes = _slopes(pattern, point_px, turns)
    scores = _sharpened(pattern, value, slopes)
    found = np.einsum("nyx,myx->nm", scores, slopes)
    return np.asarray((found + found.T) / 2)


def _free_direction(information: FloatArray) -> FloatArray | None:
    """Return the unit vector along which a target says nothing, or None."""
    values, vectors = np.linalg.eigh(information[:2, :2])
    if values[0] > max(WEAK_INFORMATION, 1e-4 * values[1]):
        return None
    return np.asarray(vectors[:, 0])


def _covariance(information: FloatArray, free: FloatArray | None, meat: FloatArray) -> FloatArray:
    if free is not None:
        fixed = np.array([-free[1], free[0]])
        variance = float(fixed @ meat[:2, :2] @ fixed) / (
            float(fixed @ information[:2, :2] @ fixed) ** 2 + 1e-300
        )
        return variance * np.outer(fixed, fixed)
    inverse = np.linalg.pinv(information)
    return np.asarray(inverse @ meat @ inverse.T)


def _finish(
    references: Mapping[int, Image],
    target: Target,
    drafts: list[Look],
    crops: list[list[Crop]],
    stills: list[Still],
) -> Tracker:
    looks, masks = [], []
    for ref, draft, own, still in zip(target.references, drafts, crops, stills, strict=True):
        crop, shape = _reference_crop(references[ref.frame], ref, target)
        look, mask = _grow(crop, shape, draft, own, still.mask())
        looks.append(look)
        masks.append(mask)
    first = target.references[0].box
    return Tracker(target.name, first, target.point_px, tuple(looks), masks[0])


def _grow(
    reference: Crop,
    shape: tuple[int, int],
    draft: Look,
    crops: list[Crop],
    overlay: NDArray[np.bool_],
) -> tuple[Look, NDArray[np.bool_]]:
    """Average the registered crops, and let the average register them again."""
    stack = [reference, *crops]
    state = _State(draft.point_px, shape)
    inner = draft.pattern
    state.usable = ~overlay
    state.mask = state.usable
    inner = replace(
        inner, share=inner.share * state.mask, slope_share=inner.slope_share * state.mask
    )
    state.noise, state.base = inner.noise.astype(float), inner.level
    fits = _fit_all(stack, inner, state)
    splines = [coefficients(crop.image.astype(float), 5) for crop in stack]
    for number in range(ROUNDS):
        _average(state, stack, splines, fits, inner.level)
        inner = state.pattern()
        fits = _fit_all(stack, inner, state, fits)
        if number == 0 and _asks_for_turn(state, stack, inner):
            state.turns = True
            splines = [coefficients(crop.image.astype(float), 3) for crop in stack]
            fits = _fit_all(stack, inner, state)
        _learn(state, stack, fits, inner)
        state.early = False
    return _settle(state, stack, fits), state.mask


def _fit_all(
    stack: list[Crop], pattern: Pattern, state: _State, before: list[Fit | None] | None = None
) -> list[Fit | None]:
    """Fit every crop, beginning with the turns of the fits before."""
    starts = [(fit.turn_rad,) if fit else TURNS_RAD for fit in before or [None] * len(stack)]
    return [
        _fit_crop(crop, pattern, state, turns) for crop, turns in zip(stack, starts, strict=True)
    ]


def _fit_crop(
    crop: Crop, pattern: Pattern, state: _State, turns: tuple[float, ...] = TURNS_RAD
) -> Fit | None:
    """Fit within a crop; the result's position counts from the crop's box."""
    top, bottom, left, right = crop.inside
    part = crop.image[top:bottom, left:right]
    if crop.agreed is not None and state.early:
        share = pattern.share * crop.agreed
        pattern = replace(pattern, share=share, slope_share=pattern.slope_share * crop.agreed)
    fits = [
        fit_pattern(
            part, pattern, (SLACK - left + crop.start[0], SLACK - top + crop.start[1]),
            turns=state.turns, pivot_px=state.pivot_px, turn_rad=turn, free=state.free,
        )
        for turn in (turns if state.turns else (0.0,))
    ]  # fmt: skip
    known = [fit for fit in fits if fit is not None]
    best = min(known, key=lambda fit: fit.chi2 / fit.gain**2, default=None)
    return _shifted(best, left - SLACK, top - SLACK)


def _asks_for_turn(state: _State, stack: list[Crop], pattern: Pattern) -> bool:
    """Tell whether the target turns: by more than its uncertainty, and so far that it matters."""
    if len(stack) < 3 or _free_direction(_information(pattern, state.pivot_px, False)) is not None:
        return False
    state.turns = True
    few = [_fit_crop(crop, pattern, state) for crop in stack[:: max(1, len(stack) // 24)]]
    state.turns = False
    known = [fit for fit in few if fit is not None]
    if len(known) < 3:
        return False
    turns = np.array([fit.turn_rad for fit in known])
    u = np.median([math.sqrt(fit.chi2 * np.linalg.inv(fit.information)[2, 2]) for fit in known])
    spread = float(np.sqrt(np.mean((turns - np.median(turns)) ** 2)))
    return spread > 4 * u and spread * 0.5 * min(state.shape) > TURN_MATTERS_PX


def _shifted(fit: Fit | None, dx: float, dy: float) -> Fit | None:
    return None if fit is None else replace(fit, x_px=fit.x_px + dx, y_px=fit.y_px + dy)


def _good(fits: list[Fit | None]) -> list[int]:
    """Return the numbers of the frames that show the target as most do."""
    known = [k for k, f in enumerate(fits) if f and max(abs(f.x_px), abs(f.y_px)) < 2.5]
    peak = np.median([fits[k].at_peak for k in known]) if known else 0  # type: ignore[union-attr]
    known = [k for k in known if fits[k].at_peak < peak + 0.15]  # type: ignore[union-attr]
    if not known:
        return []
    chi2 = np.array([fits[k].chi2 / fits[k].gain for k in known])  # type: ignore[union-attr]
    centre = float(np.median(chi2))
    spread = 1.4826 * float(np.median(np.abs(chi2 - centre)))
    most = centre + max(5 * spread, 0.3 * centre)
    return [
        k
        for k, value in zip(known, chi2, strict=True)
        if value <= most or fits[k].misfit(centre) < 0.1  # type: ignore[union-attr]
    ]


def _average(
    state: _State,
    stack: list[Crop],
    splines: list[NDArray[np.float32]],
    fits: list[Fit | None],
    level: float,
) -> None:
    good = _good(fits)
    if not good:
        good = [0]
    total = np.zeros(stack[0].image.shape)
    seen = np.full(stack[0].image.shape, 1e-9)
    gains = [f.gain for k in good if (f := fits[k])] or [1.0]
    offsets = [f.offset for k in good if (f := fits[k])] or [0.0]
    gain0, offset0 = float(np.median(gains)), float(np.median(offsets))
    for k in good:
        fit = fits[k]
        x, y, turn = (fit.x_px, fit.y_px, fit.turn_rad) if fit else (0.0, 0.0, 0.0)
        gain, offset = (fit.gain, fit.offset) if fit else (gain0, offset0)
        grey = _registered(splines[k], x, y, turn, state) - level
        visible = np.maximum(_visible(stack[k], x, y), 1e-6)
        if state.early and (agreed := stack[k].agreed) is not None:
            visible *= np.pad(np.where(agreed, 1.0, 0.01), SLACK, mode="edge")
        total += visible * ((grey - offset) / gain * gain0 + offset0)
        seen += visible
    state.template = total / seen + level
    state.n_frames = len(good)
    state.support = seen[SLACK:-SLACK, SLACK:-SLACK]


def _visible(crop: Crop, x: float, y: float) -> FloatArray:
    """Return 1 where the frame holds what the template's pixel shows, else 0."""
    whole = moved(crop.visible().astype(np.float32), x, y, 1)
    return np.asarray(whole > 0.999, float)


def _registered(
    spline: NDArray[np.float32], x: float, y: float, turn: float, state: _State
) -> FloatArray:
    """Return a frame's crop as it would look with the target in the template's place."""
    if not state.turns:
        return moved(spline, x, y, 5).astype(float)
    px, py = state.pivot_px[0] + SLACK, state.pivot_px[1] + SLACK
    return _turned(spline, turn, (px, py), (px + x, py + y))


def _turned(
    coef: NDArray[np.float32], turn: float, here: tuple[float, float], there: tuple[float, float]
) -> FloatArray:
    """Turn a cubic spline image by `turn`, so that its point `there` comes to `here`."""
    from tem_track.tracking import kernels

    cos, sin = math.cos(turn), math.sin(turn)
    out = np.empty(coef.shape, np.float32)
    x0 = there[0] - cos * here[0] + sin * here[1]
    y0 = there[1] - sin * here[0] - cos * here[1]
    kernels.turned(coef, cos, sin, x0, y0, out)
    return out.astype(float)


def _residuals(crop: Crop, fit: Fit, pattern: Pattern, state: _State) -> FloatArray:
    """Return the residuals of the box's pixels in template grey; NaN outside the frame."""
    inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    box = (slice(SLACK, -SLACK), slice(SLACK, -SLACK))
    if not state.turns:
        value = moved(pattern.coef, -fit.x_px, -fit.y_px, 3)[inner].astype(float)
    else:
        px, py = state.pivot_px[0] + MARGIN, state.pivot_px[1] + MARGIN
        there, here = (px, py), (px + fit.x_px, py + fit.y_px)
        value = _turned(pattern.coef, -fit.turn_rad, here, there)[inner]
    grey = crop.image[box].astype(float) - pattern.level
    rest = (grey - fit.offset) / fit.gain - value
    return np.where(crop.visible()[box] > 0, rest, np.nan)


def _learn(state: _State, stack: list[Crop], fits: list[Fit | None], pattern: Pattern) -> None:
    """Learn the variance of every pixel, and which pixels move with the target."""
    good = _good(fits)
    if len(good) < 2:
        return
    total = np.zeros(state.shape)
    count = np.zeros(state.shape)
    for k in good:
        fit = fits[k]
        assert fit is not None
        rest = _residuals(stack[k], fit, pattern, state)
        count += np.isfinite(rest)
        total += np.nan_to_num(rest) ** 2
    mean_square = total / np.maximum(count, 1)
    box = (slice(SLACK, -SLACK), slice(SLACK, -SLACK))
    seen = np.minimum(count, state.support) >= max(1.5, len(good) / 4)
    seen &= state.usable
    grey = state.template[box] - state.base
    state.noise = noise_of_grey(grey, mean_square, seen & state.mask, len(good))
    by_grey = variance(state.noise, grey)
    excess = mean_square * len(good) / (len(good) - 1) / by_grey - 1
    state.mask = seen & ~_moves_otherwise(excess, seen, by_grey, len(good), pattern, state)


def _moves_otherwise(
    excess: FloatArray,
    seen: NDArray[np.bool_],
    noise: FloatArray,
    n_frames: int,
    pattern: Pattern,
    state: _State,
) -> NDArray[np.bool_]:
    """Tell the pixels whose residuals mean a motion of their own.

    The excess over noise is put in terms of a displacement: the same excess is harmless on a
    steep edge, where compression or the fit's own error makes it, and fatal where the template
    is flat and something else has passed by.
    """
    _, slopes = _slopes(pattern, state.pivot_px, False)
    steepness = _smooth((slopes**2).sum(axis=0) / noise, seen)
    ripple = _smooth(2 * SLOPE_NOISE * np.ones_like(noise) / n_frames, seen)
    size = _smooth(excess, seen)
    pooled = 4 * math.pi * POOL_PX**2
    sure = size > ODD_EXCESS + 5 * math.sqrt(2 / (n_frames - 1) / pooled)
    motion2 = size / np.maximum(steepness - ripple, 1e-9)
    return sure & (motion2 > OWN_MOTION_PX**2)


def _smooth(values: FloatArray, seen: NDArray[np.bool_]) -> FloatArray:
    known = seen.astype(float)
    top = cv2.GaussianBlur(values * known, (0, 0), POOL_PX, borderType=cv2.BORDER_REFLECT)
    low = cv2.GaussianBlur(known, (0, 0), POOL_PX, borderType=cv2.BORDER_REFLECT)
    return np.asarray(top / np.maximum(low, 1e-6))


def _settle(state: _State, stack: list[Crop], fits: list[Fit | None]) -> Look:
    """Anchor the template to the reference frame and learn what good frames look like."""
    pattern = state.pattern()
    good = _good(fits)
    if len(good) >= 2:
        state.meat = _meat(state, stack, fits, good, pattern)
    values = [f for k in good if (f := fits[k])]
    if len(values) < 2:
        return state.look(Limits(2.0, math.inf, 1.0, chi2_least=0.0))
    chi2 = np.array([f.chi2 / max(f.gain, 1.0) for f in values])
    typical = float(np.median(chi2))
    if not typical > NO_NOISE:
        return state.look(Limits(1.0, math.inf, 1.0, chi2_least=0.0))
    spread = 1.4826 * float(np.median(np.abs(chi2 - typical)))
    most = typical + max(12 * spread, 1.0 * typical)
    likeness = float(np.median([f.likeness for f in values]))
    peak = float(np.median([f.at_peak for f in values])) + CLIPPED * _bright_part(state)
    anchor = fits[0]
    if anchor is not None:
        _anchor(state, anchor)
    return state.look(Limits(typical, most, likeness, at_peak=peak))


def _bright_part(state: _State) -> float:
    """Return the part of the pixels in the brighter half of the template's range."""
    grey = state.template[SLACK:-SLACK, SLACK:-SLACK]
    low, high = np.quantile(grey, [0.01, 0.99])
    return float((grey > (low + high) / 2).mean())


def _anchor(state: _State, fit: Fit) -> None:
    """Move the point on the template to where the reference frame has it."""
    cos, sin = math.cos(fit.turn_rad), math.sin(fit.turn_rad)
    x = state.point_px[0] - state.pivot_px[0] - fit.x_px
    y = state.point_px[1] - state.pivot_px[1] - fit.y_px
    state.point_px = (
        state.pivot_px[0] + cos * x + sin * y,
        state.pivot_px[1] - sin * x + cos * y,
    )
    state.turn_rad = fit.turn_rad


def _meat(
    state: _State, stack: list[Crop], fits: list[Fit | None], good: list[int], pattern: Pattern
) -> FloatArray:
    """Return the scores' covariance as the residuals have it, with their spatial correlation.

    The pixels' scores are summed over squares before they are squared, so that correlation
    within a square counts; a square's own pull on the fit is undone as by a jackknife.
    """
    value, slopes = _slopes(pattern, state.pivot_px, state.turns)
    scores = _sharpened(pattern, value, slopes)
    share = _squares(np.einsum("nyx,nyx->yx", scores, slopes)[None])[0]
    share = np.clip(share / share.sum(), 0, 0.5)
    meat = np.zeros((len(slopes), len(slopes)))
    for k in good:
        fit = fits[k]
        assert fit is not None
        rest = np.nan_to_num(_residuals(stack[k], fit, pattern, state))
        sums = _squares(scores * rest) / (1 - share)
        meat += np.einsum("nyx,myx->nm", sums, sums)
    return meat / (len(good) - 1)


def _squares(field: FloatArray) -> FloatArray:
    """Sum the last two axes over squares of BLOCK_PX."""
    n, h, w = field.shape
    rows = -(-h // BLOCK_PX)
    columns = -(-w // BLOCK_PX)
    padded = np.zeros((n, rows * BLOCK_PX, columns * BLOCK_PX))
    padded[:, :h, :w] = field
    return np.asarray(padded.reshape(n, rows, BLOCK_PX, columns, BLOCK_PX).sum(axis=(2, 4)))

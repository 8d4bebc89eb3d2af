"""The prepared specimen: what a frame needs besides itself to be outlined."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import uniform_filter1d

from tem_track.records import Axis, FloatArray, Image, Match, Outline
from tem_track.specimen.basepatch import BasePatch
from tem_track.specimen.bend import Bend
from tem_track.specimen.edges import Edges, coarse_edges, fit_edges, steady
from tem_track.specimen.faces import Gate, Step, fit_end, flat_end
from tem_track.specimen.film import Behind, Film
from tem_track.specimen.finding import darkness_begins, jumps_at_tip, median_beside
from tem_track.specimen.form import Form
from tem_track.specimen.profile import U_LOW_PX, U_STEP_PX, EdgeTable
from tem_track.specimen.reduction import enlarged, reduced_match
from tem_track.specimen.resting import Rest, weighed
from tem_track.specimen.smooth import Mask
from tem_track.specimen.strip import Crop, Grid, Strip, straighten

__all__ = ["Faces", "Place", "SpecimenModel", "average_bands", "grid_for", "strip_margin_px"]

BAND_PX = 4
"""Rows of a band."""
MARGIN_T_PX = 16.0
"""Columns beside the box that are read too."""
_MARGIN_SHARE = 0.15
"""The same as a share of its width."""
CLEAR_PX = 2.5
ROUND_AHEAD_PX = 34.0  # a pole is faint: its darkness begins far ahead of where it is clear
_FOOT_SHARE, _FOOT_PX, _FOOT_MARGIN_PX = 0.25, 24.0, 5.0
"""The foot: its share of the length, its least height, and how far beside the box it may reach."""
FRONT_PX = np.arange(-29.0, 12.01, 0.25)  # where the picture about the tip's face is kept
_AS_GOOD = 1.2
"""Rest over the least, up to which a step is as good as the best."""
_ALIKE = 3.0  # what a second explanation of an end may leave over against the best
_SUPPOSED = 0.4  # what a look that no frame showed may leave over against one that was learnt
_LIT = 0.8  # share of the light that must come through an open gap


@dataclass(frozen=True, slots=True)
class Place:
    """The specimen's surroundings in one frame, in strip coordinates about the anchor.

    Attributes
    ----------
    anchor_px : (float, float)
        Picture position of s = t = 0: the tip's point, or where it would be.
    base_face_px, u_base_face_px : float
        The base's face.
    tip_face_px, u_tip_face_px : float
        The tip's face.
    shift_t_px : float
        How far the specimen's foot has moved across the axis against the reference.
    bar_px : (float, float) or None
        Where what stands still is, along and across.
    """

    anchor_px: tuple[float, float]
    base_face_px: float
    u_base_face_px: float
    tip_face_px: float
    u_tip_face_px: float
    shift_t_px: float = 0.0
    bar_px: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Faces:
    """Where the specimen begins and ends, and what lies between it and the tip.

    `u_touch_px` is how far the end may lie off in all frames in contact together.
    """

    base: Step
    tip: Step
    gap_px: float
    u_gap_px: float
    u_touch_px: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class TabledEnd:
    """Darkness of an end and its slope, tabulated against the depth behind it."""

    depth_px: FloatArray
    darkness: FloatArray
    slope: FloatArray

    @classmethod
    def of(cls, depth_px: FloatArray, darkness: FloatArray) -> TabledEnd:
        """Return the table with its slope."""
        return cls(depth_px, darkness, np.gradient(darkness, depth_px))

    def __call__(self, depth_px: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Look both up."""
        value = np.interp(depth_px, self.depth_px, self.darkness)
        return value, np.interp(depth_px, self.depth_px, self.slope)


@dataclass(frozen=True, slots=True, eq=False)
class EndLook:
    """What the whole movie knows of the specimen's free end at the tip.

    Attributes
    ----------
    half_px : float
        Half width of the columns about the midline in which the end is sought.
    is_round : bool
        Whether it is a ball's pole or a flat face.
    gates : tuple of TabledEnd
        Its looks, averaged over frames with an open gap, before and after contact; empty where
        too few show one.
    rests : tuple of Rest
        How high above the base's face the unloaded end with the look of the same number lies;
        empty where it is not known.
    touch_px, u_touch_px : float
        The mean gap that is left where specimen and tip touch: rough faces meet at their highest
        points, the mean face lies behind them. NaN where no frame shows it.
    spread_px : float
        How the gap that is measured in contact scatters from frame to frame.
    """

    half_px: float = 6.0
    is_round: bool = False
    gates: tuple[TabledEnd, ...] = ()
    rests: tuple[Rest, ...] = ()
    touch_px: float = math.nan
    u_touch_px: float = math.nan
    spread_px: float = math.nan


@dataclass(frozen=True, slots=True, eq=False)
class SpecimenModel:
    """A specimen as it was learnt from a sample of frames; `outline` measures one frame.

    Attributes
    ----------
    axis : Axis
        The loading axis, with its uncertainty where it was found and not given.
    shape, mode : str
    warnings : tuple of str
        What the user should know about this preparation.
    invert_at : float or None
        Grey value that bright objects are taken from, so that they are dark.
    tip_point_px, base_point_px : (float, float)
        The targets' points (x, y) in the reference frame; without a base None.
    box_s_px, box_t_px : (float, float)
        The box's limits along and across the axis, from the tip's point.
    span_s_px : (float, float)
        Where the base's face is looked for, likewise.
    tip_face_px, base_face_px : float
        The faces along the axis, from the tip's point and the base's.
    patch : BasePatch or None
        What finds the base's face where no base is tracked.
    tip_front : array or None
        The tip's darkness before its face, by the depths `FRONT_PX`.
    table : EdgeTable
        How the specimen's edges look, by radius.
    neck_ratio : float
        Smallest over largest diameter before the test: what is no neck yet.
    end : EndLook
        What the whole movie knows of the free end.
    slender : bool
        Whether it is long enough to bend.
    vacuum : float
        Grey value of the vacuum.
    u_tip_face_px : float
        How far the tip's face may lie off in all frames together.
    fixed : bool
        Whether there is no tip to follow: then the box stands still.
    blocks : int
        Side of the blocks of pixels that are averaged first. All that was learnt is in pixels of
        the reduced picture.
    film : Film or None
        What stands still behind the specimen, where one was found.
    u_base_face_px : float
        How far all lengths may be off together: the place of the base's face under the foot.
    u_common_tip_px : float
        The same by the place of the tip's face, where it is seen in the specimen's own columns.
    u_facing_px : float
        How far the tip's mean face may lie off where it meets the specimen: it is rough.
    vague_line_px : float
        How far the step at the foot seems to move with the law by which the base darkens.
    layer : Rest or None
        The surface layer's thickness, where it was learnt.
    form : Form or None
        The unevenness of a long specimen's width, where it was learnt.
    bend : Bend or None
        The form in which a long specimen bends, where it does.
    """

    axis: Axis
    shape: str
    mode: str
    warnings: tuple[str, ...]
    invert_at: float | None
    tip_point_px: tuple[float, float]
    base_point_px: tuple[float, float] | None
    box_s_px: tuple[float, float]
    box_t_px: tuple[float, float]
    span_s_px: tuple[float, float]
    tip_face_px: float
    base_face_px: float
    patch: BasePatch | None
    tip_front: FloatArray | None
    table: EdgeTable
    neck_ratio: float = -math.inf
    end: EndLook = EndLook()
    slender: bool = True
    vacuum: float = math.nan
    u_tip_face_px: float = 0.0
    fixed: bool = False
    blocks: int = 1
    film: Film | None = None
    u_base_face_px: float = 0.0
    vague_line_px: float = 0.0
    u_facing_px: float = 0.0
    u_common_tip_px: float = 0.0
    layer: Rest | None = None
    faceted: bool = False
    form: Form | None = None
    bend: Bend | None = None

    @property
    def u_common_length_px(self) -> float:
        """How far all lengths may be off together."""
        return math.hypot(self.u_base_face_px, self.u_common_tip_px)

    def outline(
        self,
        image: Image | Crop,
        tip: Match,
        base: Match | None = None,
        bar: Match | None = None,
    ) -> Outline:
        """Outline the specimen in one frame.

        Parameters
        ----------
        image : Image or Crop
            The frame's grey values.
        tip, base : Match
            Where the tip and, if it is tracked, the base are in this frame.
        bar : Match or None
            Where what stands still is, with which a film behind the specimen does.

        Returns
        -------
        Outline
            In pixels of the frame; flagged `SPECIMEN_LOST` and empty where nothing was seen.
        """
        from tem_track.specimen.shapes import SHAPES

        shape, k = SHAPES[self.shape](), self.blocks
        if k == 1 or isinstance(image, Crop):
            return shape.outline(self, image, tip, base, bar)
        others = [None if each is None else reduced_match(each, k) for each in (base, bar)]
        small = Crop(image, 0, 0, blocks=k)
        return enlarged(shape.outline(self, small, reduced_match(tip, k), *others), k)

    def place(
        self, source: Image | Crop, tip: Match, base: Match | None, bar: Match | None = None
    ) -> Place | None:
        """Return where tip and base are, or None where neither can be seen."""
        point, u_tip = self._tip_point(tip, base)
        anchor = (float(round(point[0])), float(round(point[1])))
        tip_s, tip_t = _relative(self.axis, anchor, point)
        if base is not None and not base.lost and self.base_point_px is not None:
            base_s, base_t = _relative(self.axis, anchor, (base.x_px, base.y_px))
            u_base, shift = base.u_along_px(self.axis.along), base_t - self.base_reference()[1]
        elif self.patch is not None:
            found = self.patch.locate(self._strip(source, anchor, self.span_s_px, 0.0))
            if found is None:
                return None
            base_s, shift, u_base = found
        elif tip.lost and not self.fixed:
            return None
        else:
            base_s, u_base, shift = self.base_reference()[0] + tip_s, math.nan, tip_t
        tip_face = tip_s + self.tip_face_px
        still = None
        if bar is not None and not bar.lost:
            still = _relative(self.axis, anchor, (bar.x_px, bar.y_px))
        return Place(anchor, base_s + self.base_face_px, u_base, tip_face, u_tip, shift, still)

    def behind(self, place: Place) -> Behind | None:
        """Return the film behind the specimen in a frame, None where none is known."""
        if self.film is None or place.bar_px is None:
            return None
        return Behind(self.film, place.bar_px)

    def grey(self, source: Image | Crop, grid: Grid) -> Strip:
        """Return a strip in which objects are dark, whatever the polarity."""
        strip = straighten(source, grid)
        return strip if self.invert_at is None else replace(strip, grey=self.invert_at - strip.grey)

    def _tip_point(self, tip: Match, base: Match | None) -> tuple[tuple[float, float], float]:
        if not tip.lost:
            return (tip.x_px, tip.y_px), tip.u_along_px(self.axis.along)
        if base is not None and not base.lost and self.base_point_px is not None:
            dx = base.x_px - self.base_point_px[0]
            dy = base.y_px - self.base_point_px[1]
            return (self.tip_point_px[0] + dx, self.tip_point_px[1] + dy), math.nan
        return self.tip_point_px, math.nan

    def base_reference(self) -> tuple[float, float]:
        """Return the base's point from the tip's in the reference frame, along and across."""
        if self.base_point_px is None:
            return self.box_s_px[0] - self.base_face_px, 0.0
        return _relative(self.axis, self.tip_point_px, self.base_point_px)

    def _strip(
        self,
        source: Image | Crop,
        anchor: tuple[float, float],
        span: tuple[float, float],
        shift: float,
    ) -> Strip:
        low, high = self.box_t_px
        margin = strip_margin_px(high - low)
        span_t = (low + shift - margin, high + shift + margin)
        return self.grey(source, grid_for(self.axis, anchor, span, span_t))

    def foot_t_px(self, place: Place) -> tuple[float, float]:
        """Return between which columns the specimen stands on the base, as the box was drawn.

        A ligament in tension widens into its base, and has no such bounds.
        """
        if self.mode == "tension":
            return -math.inf, math.inf
        low, high = self.box_t_px
        margin = _FOOT_MARGIN_PX + 0.05 * (high - low)
        return low + place.shift_t_px - margin, high + place.shift_t_px + margin

    def strip(self, source: Image | Crop, place: Place) -> Strip:
        """Return the strip that holds the specimen between its two faces."""
        span = (place.base_face_px - 12.0, place.tip_face_px + 12.0)
        return self._strip(source, place.anchor_px, span, place.shift_t_px)


def strip_margin_px(width_px: float) -> float:
    """Return how far beside a box of some width the strip reaches."""
    return MARGIN_T_PX + _MARGIN_SHARE * width_px


def grid_for(
    axis: Axis,
    anchor_px: tuple[float, float],
    span_s: tuple[float, float],
    span_t: tuple[float, float],
    *,
    exact: bool = False,
) -> Grid:
    """Return the grid over two spans around an anchor, on whole pixels unless `exact`."""
    origin = anchor_px if exact else (float(round(anchor_px[0])), float(round(anchor_px[1])))
    s0, t0 = math.floor(span_s[0]), math.floor(span_t[0])
    n_s = max(math.ceil(span_s[1]) - s0 + 1, 1)
    n_t = max(math.ceil(span_t[1]) - t0 + 1, 1)
    return Grid(axis, origin, s0, t0, n_s, n_t)


def _relative(
    axis: Axis, anchor: tuple[float, float], point: tuple[float, float]
) -> tuple[float, float]:
    return Grid(axis, anchor, 0, 0, 1, 1).to_strip(*point)


def average_bands(strip: Strip, s_low: float, s_high: float) -> tuple[FloatArray, FloatArray]:
    """Average rows between two positions in bands of about `BAND_PX`.

    Returns
    -------
    bands : array, shape (n, m)
    s_px : array, shape (n,)
        The middle of every band.
    """
    rows = strip.rows(s_low, s_high)
    count = max((rows.stop - rows.start) // BAND_PX, 1)
    used = count * BAND_PX
    first = rows.start + (rows.stop - rows.start - used) // 2
    block = strip.grey[max(first, 0) : max(first, 0) + used]
    if len(block) < used or used == 0:
        return np.empty((0, strip.grey.shape[1])), np.empty(0)
    bands = block.reshape(count, BAND_PX, -1).mean(axis=1, dtype=np.float64)
    middle = strip.grid.s_first + max(first, 0) + (BAND_PX - 1) / 2 + BAND_PX * np.arange(count)
    return bands, middle.astype(np.float64)


def fill_outside(bands: FloatArray) -> FloatArray:
    """Give what lies outside the picture the brightness of vacuum, which shows no edge."""
    if not np.isnan(bands).any():
        return bands
    return np.where(np.isfinite(bands), bands, float(np.nanpercentile(bands, 90)))


def measure_edges(
    strip: Strip,
    s_low: float,
    s_high: float,
    middle_t: float,
    table: EdgeTable,
    calm: int = 7,
    foot_t_px: tuple[float, float] = (-math.inf, math.inf),
    *,
    beside_tip: bool = False,
    behind: Behind | None = None,
) -> tuple[Edges, FloatArray]:
    """Find and fit the edges of every band between two positions; return the bands too.

    Near the base they lie within `foot_t_px`: what stands on the base beside is another body. With
    `beside_tip`, bands near the tip whose edges jump outwards show an asperity of the tip; they are
    not used, nor are such bands of a ball near the base. The bands returned hold the film that is
    `behind`.
    """
    bands, s = average_bands(strip, s_low, s_high)
    if len(bands) < 4:
        empty = np.empty((0, 2))
        return Edges(s[:0], empty, empty, empty, empty, empty.astype(bool)), bands
    bands = fill_outside(bands)
    found = coarse_edges(bands, strip.grid.t_px, middle_t)
    foot = s < s_low + max(_FOOT_SHARE * (s_high - s_low), _FOOT_PX)
    found[foot] = _within(bands[foot], strip.grid.t_px, middle_t, found[foot], foot_t_px)
    hidden: Mask = np.zeros(len(s), dtype=bool)
    if beside_tip:
        hidden = jumps_at_tip(found, s, float(s_low), float(s_high))
    if table.profile.equator_px > 0:  # a ball; a rod may widen into its base
        turned = np.ascontiguousarray(found[::-1])
        hidden |= jumps_at_tip(turned, -s[::-1], -float(s_high), -float(s_low))[::-1]
    found[hidden] = np.nan
    start = steady(found, calm)
    start[hidden] = np.nan
    first = float(strip.grid.t_first)
    edges = fit_edges(bands, s, first, start, table, free_end=beside_tip, behind=behind)
    if hidden.any():
        edges = replace(edges, good=edges.good & ~hidden[:, None])
    return edges, bands


def _within(
    bands: FloatArray,
    t_px: FloatArray,
    middle_t: float,
    found: FloatArray,
    bounds: tuple[float, float],
) -> FloatArray:
    """Seek edges again that lie outside their bounds, without what lies there."""
    outside = (found[:, 0] < bounds[0]) | (found[:, 1] > bounds[1])
    columns = (t_px >= bounds[0]) & (t_px <= bounds[1])
    if not outside.any() or columns.sum() < 24:
        return found
    again = found.copy()
    again[outside] = coarse_edges(bands[:, columns], t_px[columns], middle_t)[outside]
    return again


def end_profile(strip: Strip, middle_t: float, half_width: float, smooth: int = 1) -> FloatArray:
    """Return the brightness along the axis, averaged over the specimen's middle columns."""
    columns = strip.columns(middle_t - half_width, middle_t + half_width)
    if columns.stop <= columns.start:
        return np.full(strip.grid.n_s, np.nan)
    profile = np.asarray(strip.grey[:, columns].mean(axis=1), dtype=np.float64)
    return np.asarray(uniform_filter1d(profile, smooth)) if smooth > 1 else profile


def find_tip_end(
    model: SpecimenModel, strip: Strip, place: Place, middle_t: float, radius: float
) -> Step:
    """Return the specimen's end at the tip: in front of the gap, or at the tip's face.

    The look of the free end is the whole movie's. The profile is explained once from where its
    darkness begins and once from contact, so that no start decides about the answer.
    """
    contact = Step(place.tip_face_px, place.u_tip_face_px, math.nan)
    if model.tip_front is None or not math.isfinite(place.tip_face_px):
        return contact
    profile = end_profile(strip, middle_t, model.end.half_px)
    s, limit = strip.grid.s_px, place.tip_face_px
    without = without_specimen(model, strip, place)
    start = first_dark(profile, without, s, place, model.end.is_round)
    ahead = ROUND_AHEAD_PX if model.end.is_round else 16.0
    near = np.isfinite(profile) & (s > start - 18) & (s < min(start + ahead, limit + 10))
    near &= s > place.base_face_px + 4
    if near.sum() < 9:
        return contact
    gates: tuple[Gate, ...] = model.end.gates or (free_end(model, radius),)
    known = bool(model.end.gates) or model.end.is_round
    slopes = not model.end.is_round
    parts = profile[near], s[near], without[near]
    begins = (start, limit) if start > limit - 12 else (start,)
    fits = []
    for k, gate in enumerate(gates):
        unloaded = model.end.rests[k] if k < len(model.end.rests) else None
        expected = () if unloaded is None else (place.base_face_px + unloaded.value_px,)
        share = _SUPPOSED if model.end.rests and unloaded is None else 1.0
        for at in (*begins, *expected):
            step, left = fit_end(*parts, at, limit, gate, known=known, slopes=slopes)
            if unloaded is not None:
                step = _with_others(step, unloaded, place)
            fits.append((step, left / share))
    least = min(rest for _, rest in fits)
    bound = _ALIKE * least
    # Of explanations that are as good as another, the one without a gap asks for less.
    for step, rest in sorted(fits, key=lambda fit: (fit[1] > _AS_GOOD * least, -fit[0].s_px)):
        lit = (s > step.s_px + 2.0) & (s < limit - 2.0)
        dark = lit.sum() >= 2 and float(np.mean(profile[lit] / without[lit])) < _LIT
        if rest <= bound and not dark:
            return step
    return contact


def _with_others(step: Step, unloaded: Rest, place: Place) -> Step:
    """Return an end as a frame and all others of an unloaded specimen show it together."""
    base, u_base = place.base_face_px, place.u_base_face_px
    height, u = weighed(step.s_px - base, step.u_px, unloaded, u_base)
    return replace(step, s_px=base + height, u_px=u)


def without_specimen(model: SpecimenModel, strip: Strip, place: Place) -> FloatArray:
    """Return the brightness along the axis as it would be without a specimen."""
    assert model.tip_front is not None
    gain = vacuum_level(strip, place) / model.vacuum
    level = gain if 0.2 < gain < 1e4 else 1.0
    depth = strip.grid.s_px - place.tip_face_px
    return np.asarray(np.interp(depth, FRONT_PX, model.tip_front) * level)


def vacuum_level(strip: Strip, place: Place) -> float:
    """Return the brightness of the vacuum on both sides of the specimen."""
    rows = strip.rows(place.base_face_px + 4.0, place.tip_face_px - 4.0)
    return float(median_beside(strip.grey, rows.start, rows.stop))


def free_end(model: SpecimenModel, radius: float) -> Gate:
    """Return the look of a free end by its form alone: a ball's pole or a flat face."""
    if model.end.is_round:
        return round_end(model.table, radius, model.end.half_px)
    return flat_end(model.table.profile.blur_px)


def round_end(table: EdgeTable, radius: float, half_px: float = 0.0) -> Gate:
    """Return the look of a ball's pole along the axis, averaged over the columns about it."""
    row = int(table.rung(np.array([radius]))[0])
    u = U_LOW_PX + U_STEP_PX * np.arange(table.value.shape[1])
    t = np.linspace(0.0, min(half_px, 0.5 * radius), 7)
    sag = radius - np.sqrt(radius**2 - t**2)
    looks: FloatArray = np.stack([np.interp(u - d, u, table.value[row]) for d in sag])
    return TabledEnd.of(u.astype(np.float64), looks.mean(axis=0))


def cut_end(table: EdgeTable, radius: float, cut_px: float) -> TabledEnd:
    """Return the look of a ball's pole that was squeezed flat: a cap of that height is cut off."""
    row = int(table.rung(np.array([radius]))[0])
    u = U_LOW_PX + U_STEP_PX * np.arange(table.value.shape[1], dtype=np.float64)
    rise = flat_end(table.profile.blur_px)(u)[0]
    return TabledEnd.of(u, rise * np.interp(np.maximum(u, 0.0) + cut_px, u, table.value[row]))


def first_dark(
    profile: FloatArray, without: FloatArray, s: FloatArray, place: Place, is_round: bool
) -> float:
    """Coming from the tip, return where the specimen's darkness reaches a share of its level."""
    at: float = darkness_begins(
        np.ascontiguousarray(profile, dtype=np.float64),
        np.ascontiguousarray(without, dtype=np.float64),
        s,
        (float(place.base_face_px), float(place.tip_face_px)),
        0.3 if is_round else 0.5,
    )
    return at

"""One growing body: its sides, its free end, and what follows from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from tem_track.records import FloatArray
from tem_track.specimen.edges import Edges
from tem_track.specimen.growing_end import ANY_END, Cap, EndShape, cap_radius, fit_cap
from tem_track.specimen.growing_find import Darkness, Patch
from tem_track.specimen.growing_sides import Sides, SidesPrior, measure_sides
from tem_track.specimen.growing_tube import shown_through, without_tube
from tem_track.specimen.profile import EdgeTable
from tem_track.specimen.smooth import Curve, Mask, smooth_curve
from tem_track.specimen.strip import Strip

__all__ = ["Grown", "measure_body"]

_MARGIN_PX = 20.0
"""Vacuum beside a body in which its background is read."""
_SOFTEST, _SOFT, _STIFFER, _LONG = 3.0, 30.0, 1e3, 20
"""Penalties of the curve through the widths, the softest for bodies shorter than so many bands; the
stiffest for the largest width, which a soft one would read from noise."""
_LEAST_BANDS = 3
"""Bands in which both edges are seen: a parabola's width asks for three."""
_SHAFT, _LEAST_SHAFT = 0.8, 12
"""Cap's lengths below the end where the shaft begins, and bands that it must have."""
_JOIN = 0.45  # share of the cap from which on its own shape is taken
_CENTRAL = 0.4
"""Part of the length, either way of its middle, within which the smallest width is sought."""
_LEAST_CURVE = 6
"""Bands from which on a curve is laid through widths."""
_ALIKE_PX = 0.2
"""Widths less than this below the largest are the largest's equals."""
_END_SHARE, _FAR = 0.35, 0.75
"""Part of the radius, either way of the midline, from which the end is read, and to which that may
grow where a tube hides the middle."""
_CLEAR_PX, _LEAST_CLEAR = 8.0, 4
"""Pixels beyond what is hidden that are asked then, and columns that must be clear."""
_TURNS = 0.9  # share of the radius


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """A body in strip coordinates.

    Attributes
    ----------
    s_px, middle_px, width_px : array, shape (n,)
        Stations from the root to the end.
    u_end_px : float
    scalars : dict
        Sizes by their column names, each with its `u_`.
    edges : Edges
    cap : Cap
    sides : Sides or None
        What the sides show.
    """

    s_px: FloatArray
    middle_px: FloatArray
    width_px: FloatArray
    scalars: dict[str, float]
    edges: Edges
    cap: Cap
    sides: Sides | None = None

    @property
    def root_px(self) -> tuple[float, float]:
        """Where the midline meets the base, (s, t)."""
        return float(self.s_px[0]), float(self.middle_px[0])

    @property
    def end_px(self) -> tuple[float, float]:
        """Where it ends, (s, t)."""
        return float(self.s_px[-1]), float(self.middle_px[-1])


def measure_body(
    strip: Strip,
    dark: Darkness,
    patch: Patch,
    face_px: FloatArray,
    tables: tuple[EdgeTable, ...],
    tube: tuple[float, float],
    limit_px: float,
    flat: float | None = 0.0,
    shape: EndShape = ANY_END,
    prior: SidesPrior | None = None,
) -> Grown | None:
    """Measure one body; None where it is too small to have sides, or mostly hidden.

    Parameters
    ----------
    strip : Strip
    dark : Darkness
    patch : Patch
        Where it is.
    face_px : array, shape (n_t,)
        The base's face in every column.
    tables : tuple of EdgeTable
        Profiles of surface layers of rising thickness; the frame's own data choose.
    tube : (float, float)
        Middle and width of a nanotube that shows through; width 0 without.
    limit_px : float
        The tip's face.
    flat : float or None
        Share of the free end that is a facet across the axis; None leaves it to the frame.
    shape : EndShape
        What is known of the end's shape.
    prior : SidesPrior or None
        What is known of the sides.
    """
    half = (patch.t_high_px - patch.t_low_px) / 2
    foot = np.abs(strip.grid.t_px - (patch.t_low_px + half)) <= max(0.5 * half, 3.0)
    root = float(np.median(face_px[foot])) if foot.any() else float(np.median(face_px))
    own = _beside(without_tube(strip, dark, tube, (patch.t_low_px, patch.t_high_px)), patch)
    sides = measure_sides(
        own, root + 1.0, patch.top_px, (patch.t_low_px + patch.t_high_px) / 2, tables, prior,
        shown_through(tube, own.grid.t_px), max(patch.cut_low_px, patch.cut_high_px),
    )  # fmt: skip
    edges, table = sides.edges, sides.table
    if len(edges.s_px) < _LEAST_BANDS:
        return None
    mirrored = _mirrored(edges, patch)
    if mirrored is None:
        return None
    t, good = mirrored
    good &= edges.s_px < patch.top_px
    if good.sum() < _LEAST_BANDS:
        return None
    width, middle = t[:, 1] - t[:, 0], t.mean(axis=1)
    high = patch.top_px - 0.25 * min(patch.top_px - root, patch.t_high_px - patch.t_low_px)
    low = root + 0.1 * (patch.top_px - root)
    radius = _largest(edges.s_px, width, good, low, high) / 2
    cap = _cap(
        strip, dark, patch, (root, limit_px), radius, (edges.s_px, middle, width, good), table,
        tube, flat, shape,
    )  # fmt: skip
    grown = _compose(edges, width, middle, good, root, cap, radius)
    if grown is None:
        return None
    grown.scalars.update(shell_px=sides.shell_px, u_shell_px=sides.u_shell_px)
    return replace(grown, sides=sides)


def _beside(strip: Strip, patch: Patch) -> Strip:
    """Return the columns of one body, with vacuum beside it where there is some."""
    low = patch.t_low_px - (_MARGIN_PX if patch.cut_low_px == -math.inf else 0)
    high = patch.t_high_px + (_MARGIN_PX if patch.cut_high_px == -math.inf else 0)
    columns = strip.columns(low, high)
    first = strip.grid.t_first + columns.start
    grid = replace(strip.grid, t_first=first, n_t=columns.stop - columns.start)
    return Strip(grid, strip.grey[:, columns])


def _mirrored(edges: Edges, patch: Patch) -> tuple[FloatArray, Mask] | None:
    """Return the edges; what a neighbour hides is the mirror image of the other side.

    None where so little stands free that its axis would be a guess.
    """
    t, good = edges.t_px.copy(), edges.good.copy()
    hidden = np.column_stack(
        [edges.s_px < patch.cut_low_px + 4.0, edges.s_px < patch.cut_high_px + 4.0]
    )
    whole = good.all(axis=1) & ~hidden.any(axis=1)
    if hidden.any() and whole.sum() < 2:
        return None
    axis = float(np.median(t[whole].mean(axis=1))) if whole.any() else patch.middle_px
    for k in (0, 1):
        other = hidden[:, k] & ~hidden[:, 1 - k]
        t[other, k] = 2 * axis - t[other, 1 - k]
        good[other, k] = good[other, 1 - k]
    return t, np.asarray(good.all(axis=1) & ~hidden.all(axis=1))


def _largest(s: FloatArray, width: FloatArray, good: Mask, low: float, high: float) -> float:
    """Return the largest width between two heights: the mean over where it cannot be told from it.

    The largest of many noisy bands would be the noise's, and that of a curve through them would
    still be the noise's where the body is a cylinder.
    """
    use = good & (s > low) & (s < high)
    use = use if use.sum() >= _LEAST_CURVE else good
    if use.sum() < _LEAST_CURVE:
        return float(np.median(width[use]))
    curve = smooth_curve(width[use], np.ones(int(use.sum()), dtype=bool), _STIFFER)
    at = int(np.argmax(curve.value))
    u = 2.0 * curve.scatter * curve.correlation * np.sqrt((curve.hat[at] ** 2).sum())
    alike = curve.value >= curve.value[at] - max(u, _ALIKE_PX)
    lower = np.flatnonzero(~alike)
    first = int(lower[lower < at].max(initial=-1)) + 1
    last = int(lower[lower > at].min(initial=len(alike)))
    return float(curve.value[first:last].mean())


def _cap(
    strip: Strip,
    dark: Darkness,
    patch: Patch,
    between: tuple[float, float],
    radius: float,
    sides: tuple[FloatArray, FloatArray, FloatArray, Mask],
    table: EdgeTable,
    tube: tuple[float, float],
    flat: float | None,
    shape: EndShape,
) -> Cap:
    """Fit the free end on the columns about the midline."""
    s, middle, _, good = sides
    upper = good & (s > patch.top_px - 2.0 * radius)
    at = float(np.median(middle[upper if upper.any() else good]))
    offset = strip.grid.t_px - at
    use = np.abs(offset) <= max(_END_SHARE * radius, 2.5)
    if tube[1]:
        hidden = shown_through(tube, strip.grid.t_px)
        far = float(np.abs(offset[hidden]).max(initial=0.0)) + _CLEAR_PX
        clear = ~hidden & (np.abs(offset) <= max(_END_SHARE * radius, min(far, _FAR * radius)))
        use = clear if clear.sum() >= _LEAST_CLEAR else use
    root, limit = between
    low = max(root + 0.25 * (patch.top_px - root), patch.top_px - 1.2 * radius - 6.0)
    rows = strip.rows(low, min(limit - 3.0, patch.top_px + 14.0))
    block = dark.raw[rows][:, use]
    noise = float(np.std(block - block.mean(axis=1, keepdims=True))) / math.sqrt(use.sum())
    return fit_cap(
        block.mean(axis=1), strip.grid.s_px[rows], patch.top_px, radius, offset[use],
        table.profile, noise, _silhouette(sides, patch.top_px, radius), flat,
        shape,
    )  # fmt: skip


def _silhouette(
    sides: tuple[FloatArray, FloatArray, FloatArray, Mask], top: float, radius: float
) -> tuple[FloatArray, FloatArray]:
    """Return heights and half widths from the shaft's end up to where the sides turn inwards.

    Beyond, a side is not seen at right angles, and comes out some pixels too far out.
    """
    s, _, width, good = sides
    use = good & (s > top - 1.2 * radius) & (s < top - 2.0) & (width > 2 * _TURNS * radius)
    return s[use], width[use] / 2


def _compose(
    edges: Edges,
    width: FloatArray,
    middle: FloatArray,
    good: Mask,
    root: float,
    cap: Cap,
    radius: float,
) -> Grown | None:
    """Join sides and end to one outline."""
    length = cap.end_px - root
    inside = edges.s_px < cap.end_px - _SHAFT * cap.depth_px
    if inside.sum() < _LEAST_SHAFT:
        inside = edges.s_px < cap.end_px - 1.0
    if inside.sum() < _LEAST_BANDS or length < 4:
        return None
    s, good = edges.s_px[inside], good[inside]
    wide = smooth_curve(width[inside], good, _SOFTEST if len(s) < _LONG else _SOFT)
    line = smooth_curve(middle[inside], good, 1e3)
    stations = np.linspace(root, cap.end_px, max(round(length), 24))
    join = min(cap.end_px - _JOIN * min(cap.depth_px, radius), float(s[-1]))
    outer = np.interp(stations, s, wide.value)
    behind = cap_radius(cap.end_px - stations, radius, cap.depth_px, cap.power, cap.flat)
    at_join = float(np.interp(join, stations, behind))
    scale = float(np.interp(join, s, wide.value)) / max(2 * at_join, 1e-6)
    profile = np.where(stations > join, 2 * behind * scale, outer)
    along = np.interp(stations, s, line.value)
    scalars = _sizes(stations, profile, _spread(wide), root, cap)
    scalars |= _inner(s, wide, root, cap) | _bow(s, line, root, cap.end_px)
    scalars["diameter_max_px"] = 2 * radius
    return Grown(stations, along, profile, scalars, edges, cap)


def _spread(curve: Curve) -> float:
    """Return the usual standard uncertainty of a point of a smooth curve."""
    if not math.isfinite(curve.scatter):
        return 1.0
    return float(np.median(curve.scatter * np.sqrt((curve.hat**2).sum(axis=1))))


def _sizes(
    s: FloatArray, width: FloatArray, u_width: float, root: float, cap: Cap
) -> dict[str, float]:
    length, u_length = cap.end_px - root, math.hypot(cap.u_end_px, 0.1)
    area = float(np.trapezoid(width, s))
    volume = float(np.trapezoid(np.pi / 4 * width**2, s))
    mean = area / length
    share = math.hypot(u_width / mean, 0.5 * u_length / length)
    return {
        "length_px": length,
        "u_length_px": u_length,
        "diameter_mean_px": mean,
        "u_diameter_mean_px": u_width,
        "diameter_mid_px": float(np.interp(root + length / 2, s, width)),
        "u_diameter_mid_px": 1.5 * u_width,
        "projected_area_px2": area,
        "u_projected_area_px2": area * share,
        "volume_px3": volume,
        "u_volume_px3": volume * math.hypot(2 * u_width / mean, 0.5 * u_length / length),
    }


def _inner(s: FloatArray, wide: Curve, root: float, cap: Cap) -> dict[str, float]:
    """Return the widths that are read from the sides: largest, smallest, at both ends."""
    u = _spread(wide)
    half, length = (root + cap.end_px) / 2, cap.end_px - root
    central = np.abs(s - half) <= _CENTRAL * length
    central = central if central.any() else np.ones_like(central)
    shaft = s < cap.end_px - cap.depth_px
    out = {
        "diameter_max_px": float(wide.value.max()),
        "diameter_min_px": float(wide.value[central].min()),
    }
    tenth = max(0.1 * length, 8.0)
    for name, near in (("base", s < root + tenth), ("tip", shaft & (s > s[shaft].max() - tenth))
                       if shaft.any() else ("tip", shaft)):  # fmt: skip
        at = root if name == "base" else cap.end_px
        if near.sum() >= 2:
            _slope, value = np.polyfit(s[near] - at, wide.value[near], 1)
            out[f"diameter_{name}_px"] = float(value)
    return out | {f"u_{name}": 1.5 * u for name in out}


def _bow(s: FloatArray, line: Curve, root: float, end: float) -> dict[str, float]:
    at = np.interp([root, (root + end) / 2, end], s, line.value)
    return {"bow_px": float(at[1] - (at[0] + at[2]) / 2), "u_bow_px": 1.3 * _spread(line)}

"""The prepared model of what grows: bodies on the base, seen in one frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from tem_track.records import Axis, FloatArray, Image, Match, Outline
from tem_track.specimen.faces import find_step
from tem_track.specimen.growing_body import Grown, measure_body
from tem_track.specimen.growing_end import ANY_END, EndShape
from tem_track.specimen.growing_film import without_film
from tem_track.specimen.growing_find import Darkness, Patch, darkness_map, find_patches
from tem_track.specimen.growing_gap import fit_gap
from tem_track.specimen.growing_look import Grain
from tem_track.specimen.growing_sides import SidesPrior
from tem_track.specimen.growing_tube import measure_tube
from tem_track.specimen.model import grid_for
from tem_track.specimen.profile import EdgeTable
from tem_track.specimen.smooth import Mask
from tem_track.specimen.strip import Crop, Grid, Strip, straighten

__all__ = ["MOST_BODIES", "GrowthModel", "Scene"]

MOST_BODIES = 4
"""Bodies that are measured in a frame, the largest first."""
MARGIN_PX = 30.0
"""Pixels beside the specimen's box that are looked at: bodies lean, and the stage shakes."""
_ABOVE_BASE_PX = 2.5
_BELOW_TIP_PX = 3.0
"""Pixels above the base's face and below the tip's that are left to their blur."""
_STATIONS = 33
"""Points of a side of an outline that is kept, over all bodies of the frame."""
_AT_TIP_PX, _BEYOND_PX = 8.0, 14.0
"""Distance from the tip's face within which nothing is read of a body's sides, and from the highest
place that is seen within which its top may be out of view."""
_NEAR_GAP_PX = 16.0  # a side's own fit looks so far beyond it
_FACE_COLUMNS, _BESIDE_PX, _FACE_REACH_PX = 13, 10.0, 1.8
"""Columns of which a step of the base's face is read; pixels beside a body that are left out; and
how far the face may have moved in a frame against the base's track."""
_LEAST_FACES, _U_FACE_PX = 4, 0.06
"""Columns that must show it, and the uncertainty below which the move is believed."""
_SCALARS = (
    "length_px", "diameter_max_px", "diameter_mid_px", "diameter_mean_px",
    "projected_area_px2", "volume_px3", "shell_px",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One frame, cut out: the space between the electrodes and what stands in it."""

    strip: Strip
    shift_px: tuple[float, float]
    face_px: FloatArray
    limit_px: float
    inside: Mask
    dark: Darkness
    patches: list[Patch]
    tube: tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class GrowthModel:
    """What a frame needs besides itself; positions are relative to the anchor's point.

    Attributes
    ----------
    axis : Axis
        From the base to the tip.
    warnings : tuple of str
    anchor_px : (float, float)
        The anchor's point in the reference frame: the base's, or else the tip's.
    anchored_to : {'base', 'tip', ''}
    others_px : dict
        Where the other target lies from the anchor, in the reference frame.
    span_s_px, span_t_px : (float, float)
        What is looked at.
    face_t_px, face_s_px : array
        The base's face.
    tip_face_px : float
    tables : tuple of EdgeTable
    tube : (float, float)
        Middle and width of a nanotube; width 0 without.
    several : bool
        Whether the sample shows bodies that stand apart.
    has_tip : bool
        Whether a tip's face ends the space; otherwise the box does.
    flat : float
        Share of the free end that is a facet across the axis.
    forms : array, shape (n, 7)
        Height of a body and what it then looks like: the fields of an `EndShape`, and the facet of
        its sides with its uncertainty. In rising order of height; empty where no movie told it.
    grain : Grain
        What falsifies the mean look of a body's edges.
    film : array or None
        Brightness of what lies behind over the vacuum's, relative to the anchor.
    film_at : (int, int)
        Its first row and column.
    extra : dict
        What the whole sample told, repeated with every frame.
    layer : array, shape (n, 3)
        Time, the layer's thickness by the frames about it, and the scatter of single ones. In
        rising order of time; empty where no movie told it.
    steps_px : array, shape (n, 2)
        Where groups of columns showed the base's face while it was empty, across and along.
    """

    axis: Axis
    warnings: tuple[str, ...]
    invert_at: float | None
    anchor_px: tuple[float, float]
    anchored_to: str
    others_px: dict[str, tuple[float, float]]
    span_s_px: tuple[float, float]
    span_t_px: tuple[float, float]
    face_t_px: FloatArray
    face_s_px: FloatArray
    tip_face_px: float
    tables: tuple[EdgeTable, ...]
    tube: tuple[float, float] = (0.0, 0.0)
    several: bool = False
    has_tip: bool = True
    flat: float = 0.0
    forms: FloatArray = field(default_factory=lambda: np.empty((0, 7)))
    grain: Grain = field(default_factory=Grain)
    film: FloatArray | None = None
    film_at: tuple[int, int] = (0, 0)
    extra: dict[str, float] = field(default_factory=dict)
    layer: FloatArray = field(default_factory=lambda: np.empty((0, 3)))
    steps_px: FloatArray = field(default_factory=lambda: np.empty((0, 2)))

    def outline(
        self, image: Image, tip: Match, base: Match | None = None, time_s: float = math.nan
    ) -> Outline:
        """Outline the bodies in one frame, the largest first.

        Parameters
        ----------
        image : Image
        tip, base : Match
            Where the electrodes are in this frame.
        time_s : float
            When it was taken: the layer's thickness changes slowly.

        Returns
        -------
        Outline
            Sizes are the largest body's; each body has its own in `extra`. Flagged
            `SPECIMEN_LOST` where the electrodes were lost; an empty outline without that flag says
            that nothing has grown yet.
        """
        scene = self.scene(image, tip, base)
        if scene is None:
            return Outline(self.axis.angle_deg, flags=("SPECIMEN_LOST",))
        bodies = [(p, self._whole(scene, p, time_s)) for p in scene.patches[:MOST_BODIES]]
        grown = [body for _, body in bodies if body is not None]
        grown.sort(key=lambda body: -body.scalars["projected_area_px2"])
        extra = {"bodies": float(len(bodies)), **self.extra}
        extra |= self._tube(scene)
        extra |= _gap(grown, scene, self.tables[len(self.tables) // 2])
        extra |= _bulge(scene.patches) if self.several else {}
        for number, body in enumerate(grown, 1):
            extra |= self._numbers(scene, body, f"body{number}_")
        hidden = [patch for patch, body in bodies if body is None and _is_cut(patch)]
        for number, patch in enumerate(hidden, len(grown) + 1):
            middle = (patch.t_low_px + patch.t_high_px) / 2
            extra[f"body{number}_place_px"] = middle - scene.shift_px[1]
        flags = self._flags(scene)
        if not grown:
            return Outline(self.axis.angle_deg, flags=flags, extra=extra)
        return self._outline(scene, grown, flags, extra)

    def scene(self, source: Image | Crop, tip: Match, base: Match | None) -> Scene | None:
        """Cut out the space between the electrodes and find what stands in it."""
        point = self.point(tip, base)
        if point is None:
            return None
        grid = grid_for(self.axis, point, self.span_s_px, self.span_t_px)
        shift = grid.to_strip(*point)
        strip = straighten(source, grid)
        if self.invert_at is not None:
            strip = replace(strip, grey=self.invert_at - strip.grey)
        if self.film is not None:
            moved = (shift[0] + self.film_at[0] - strip.grid.s_first,
                     shift[1] + self.film_at[1] - strip.grid.t_first)  # fmt: skip
            strip = replace(strip, grey=without_film(strip.grey, self.film, moved))
        seen = np.isfinite(strip.grey)
        if seen.mean() < 0.5:
            return None
        t = strip.grid.t_px
        face = np.interp(t - shift[1], self.face_t_px, self.face_s_px) + shift[0]
        limit = self.tip_face_px + shift[0] + self._tip_moved(tip, point)
        s = strip.grid.s_px[:, None]
        inside = seen & (s > face + _ABOVE_BASE_PX) & (s < limit - _BELOW_TIP_PX)
        dark = darkness_map(strip, inside)
        patches = find_patches(dark, strip, face, self.tube[1], self.several)
        face = face + _face_moved(strip, face, patches)
        highest = limit if not self.has_tip else math.inf
        patches = [_ended(patch, strip, seen, highest) for patch in patches]
        tube = (self.tube[0] + shift[1], self.tube[1])
        return Scene(strip, shift, face, limit, inside, dark, patches, tube)

    def point(self, tip: Match, base: Match | None) -> tuple[float, float] | None:
        """Return where the anchor is in a frame; the other target stands in for a lost one."""
        if not self.anchored_to:
            return self.anchor_px
        found = {"tip": tip, "base": base}
        own = found[self.anchored_to]
        if own is not None and not own.lost:
            return own.x_px, own.y_px
        for name, (dx, dy) in self.others_px.items():
            other = found[name]
            if other is not None and not other.lost:
                return other.x_px - dx, other.y_px - dy
        return None

    def _tip_moved(self, tip: Match, point: tuple[float, float]) -> float:
        """Return how far the tip has moved along the axis against the anchor."""
        if tip.lost or "tip" not in self.others_px:
            return 0.0
        dx, dy = self.others_px["tip"]
        along = self.axis.along
        return (tip.x_px - point[0] - dx) * along[0] + (tip.y_px - point[1] - dy) * along[1]

    def measure(
        self, scene: Scene, patch: Patch, flat: float | None, time_s: float = math.nan
    ) -> Grown | None:
        """Measure one body of a scene; `flat` is the share of its end that is a facet."""
        shape, prior = self._form(patch.top_px - float(np.median(scene.face_px)))
        if len(self.layer) and math.isfinite(time_s):
            time, *columns = self.layer.T
            shell, scatter = (float(np.interp(time_s, time, v)) for v in columns)
            prior = replace(prior, shell_px=shell, scatter_px=scatter)
        return measure_body(
            scene.strip, scene.dark, patch, scene.face_px, self.tables, scene.tube,
            scene.limit_px, flat, shape, prior,
        )  # fmt: skip

    def _form(self, height_px: float) -> tuple[EndShape, SidesPrior]:
        """Return what the movie tells of a body of that height: its end, and its sides' facet."""
        if not len(self.forms):
            return ANY_END, SidesPrior(grain=self.grain)
        height, *columns = self.forms.T
        *end, facet, u_facet = (float(np.interp(height_px, height, v)) for v in columns)
        return EndShape(*end), SidesPrior(facet, u_facet, self.grain)

    def _whole(self, scene: Scene, patch: Patch, time_s: float) -> Grown | None:
        """Measure a body whose end and sides are seen; where they are not, nothing is made up."""
        if patch.beyond or patch.at_border:
            return None
        return self.measure(scene, patch, self.flat, time_s)

    def _tube(self, scene: Scene) -> dict[str, float]:
        if not self.tube[1]:
            return {}
        top = max((p.top_px for p in scene.patches), default=float(np.median(scene.face_px)))
        between = (top + 10.0, scene.limit_px - 8.0)
        profile = self.tables[0].profile
        value, u = measure_tube(scene.dark, scene.strip, scene.tube, between, profile)
        return {"nanotube_px": value, "u_nanotube_px": u}

    def _flags(self, scene: Scene) -> tuple[str, ...]:
        flags = []
        if any(patch.at_border or patch.beyond for patch in scene.patches):
            flags.append("OUT_OF_VIEW")
        near = scene.limit_px - _AT_TIP_PX
        if self.has_tip and any(patch.top_px > near for patch in scene.patches):
            flags.append("AT_TIP")
        if any(map(_is_cut, scene.patches)):
            flags.append("TOUCHING")
        return tuple(flags)

    def _numbers(self, scene: Scene, body: Grown, prefix: str) -> dict[str, float]:
        """Return a body's sizes and the picture positions of root and end, under its own names."""
        out = {}
        for name in _SCALARS:
            out[f"{prefix}{name}"] = body.scalars[name]
            out[f"u_{prefix}{name}"] = body.scalars[f"u_{name}"]
        for name, (s, t) in (("root", body.root_px), ("end", body.end_px)):
            x, y = scene.strip.grid.to_image(s, t)
            out |= {f"{prefix}{name}_x_px": float(x), f"{prefix}{name}_y_px": float(y)}
        out[f"{prefix}place_px"] = float(np.median(body.middle_px)) - scene.shift_px[1]
        out[f"{prefix}tilt_deg"] = _tilt(body)
        return out

    def _outline(
        self, scene: Scene, grown: list[Grown], flags: tuple[str, ...], extra: dict[str, float]
    ) -> Outline:
        grid, first = scene.strip.grid, grown[0]
        known = {k: v for k, v in first.scalars.items() if k in Outline.__dataclass_fields__}
        for name in ("diameter_mean_px", "projected_area_px2"):
            extra |= {name: first.scalars[name], f"u_{name}": first.scalars[f"u_{name}"]}
        gap = scene.limit_px - first.end_px[0]
        root, end = (grid.to_image(*at) for at in (first.root_px, first.end_px))
        middle, left, right = (_lines(grid, grown, share) for share in (0.0, -0.5, 0.5))
        return Outline(
            axis_deg=self.axis.angle_deg,
            model=self.tables[0].profile.model,
            midline_px=middle,
            left_px=left,
            right_px=right,
            diameter_px=np.hypot(*(right - left).T),
            u_diameter_px=np.full(len(middle), first.scalars["u_diameter_mean_px"]),
            base_face_px=(float(root[0]), float(root[1])),
            tip_face_px=(float(end[0]), float(end[1])),
            gap_px=gap,
            u_gap_px=first.scalars["u_length_px"],
            flags=flags,
            extra=extra,
            **known,  # type: ignore[arg-type]
        )


def _ended(patch: Patch, strip: Strip, seen: Mask, highest_px: float) -> Patch:
    """Say of a body whether its end is seen."""
    columns = strip.columns(patch.t_low_px, patch.t_high_px)
    rows = np.flatnonzero(seen[:, columns].any(axis=1))
    last = float(strip.grid.s_px[rows[-1]]) if rows.size else -math.inf
    return replace(patch, beyond=patch.top_px > min(last, highest_px) - _BEYOND_PX)


def _face_moved(strip: Strip, face_px: FloatArray, patches: list[Patch]) -> float:
    """Return how far the face beside the bodies lies from where the base was said to be.

    What stands on the base hides a part of its edge and so draws the base's match after it.
    """
    t, half = strip.grid.t_px, _FACE_COLUMNS // 2
    free = np.ones(len(t), dtype=bool)
    for patch in patches:
        free &= (t < patch.t_low_px - _BESIDE_PX) | (t > patch.t_high_px + _BESIDE_PX)
    steps = []
    for middle in range(half, len(t) - half, _FACE_COLUMNS):
        columns = slice(middle - half, middle + half + 1)
        rows = strip.rows(face_px[middle] - 20.0, face_px[middle] + 20.0)
        if free[columns].all():
            profile = strip.grey[rows, columns].mean(axis=1, dtype=np.float64)
            at = float(face_px[columns].mean())
            steps.append(find_step(profile, strip.grid.s_px[rows], at, 2.0, 1.2, 1).s_px - at)
    moved = np.array([step for step in steps if abs(step) < _FACE_REACH_PX])
    if len(moved) < _LEAST_FACES or len(moved) < 0.7 * len(steps):
        return 0.0
    u = 1.4826 * float(np.median(np.abs(moved - np.median(moved)))) / math.sqrt(len(moved))
    return float(np.median(moved)) if u < _U_FACE_PX else 0.0


def _lines(grid: Grid, grown: list[Grown], share: float) -> FloatArray:
    """Return a line of every body, an empty point between two of them."""
    parts: list[FloatArray] = []
    for body in grown:
        s = np.linspace(body.s_px[0], body.s_px[-1], _stations(len(grown)))
        middle, width = (np.interp(s, body.s_px, v) for v in (body.middle_px, body.width_px))
        parts += [np.full((1, 2), math.nan)] if parts else []
        parts.append(grid.to_image(s, middle + share * width))
    return np.concatenate(parts)


def _stations(bodies: int) -> int:
    """Return the stations of each body, so many that pictures keep all of them."""
    return (_STATIONS - bodies + 1) // bodies


def _tilt(body: Grown) -> float:
    """Return how far the midline leans from the axis, clockwise."""
    slope = np.polyfit(body.s_px, body.middle_px, 1)[0] if len(body.s_px) > 3 else math.nan
    return math.degrees(math.atan(float(slope)))


def _gap(grown: list[Grown], scene: Scene, table: EdgeTable) -> dict[str, float]:
    """Return the least distance between the two largest bodies, negative where they overlap."""
    if len(scene.patches) < 2:
        return {}
    left, right = sorted(scene.patches[:2], key=lambda patch: patch.middle_px)
    touching = any(map(_is_cut, scene.patches))
    apart = math.nan if touching or len(grown) < 2 else _apart(grown)
    if apart > _NEAR_GAP_PX:
        return {"bodies_gap_px": apart, "u_bodies_gap_px": 0.5}
    face = float(np.median(scene.face_px))
    gap, u = fit_gap(scene.dark, scene.strip, left, right, face, table)
    return {"bodies_gap_px": gap, "u_bodies_gap_px": u} if math.isfinite(gap) else {}


def _bulge(patches: list[Patch]) -> dict[str, float]:
    """Return how much farther the silhouette reaches to the right of the largest top than left."""
    if not patches:
        return {}
    low, high = patches[0].t_low_px, patches[0].t_high_px
    for patch in patches[1:]:
        if _is_cut(patch) and patch.t_low_px <= high + 1.0 and patch.t_high_px >= low - 1.0:
            low, high = min(low, patch.t_low_px), max(high, patch.t_high_px)
    return {"bulge_px": low + high - 2.0 * patches[0].middle_px}


def _is_cut(patch: Patch) -> bool:
    """Return whether a neighbour hides a part of a body."""
    return max(patch.cut_low_px, patch.cut_high_px) > -math.inf


def _apart(grown: list[Grown]) -> float:
    """Return the least distance between two bodies' sides, each measured by itself."""
    left, right = sorted(grown[:2], key=lambda body: body.middle_px[0])
    low = max(left.s_px[0], right.s_px[0])
    high = min(left.s_px[-1], right.s_px[-1])
    s = np.linspace(low, high, 40)
    inner = [
        np.interp(s, b.s_px, b.middle_px + k * b.width_px / 2) for b, k in ((left, 1), (right, -1))
    ]
    return float((inner[1] - inner[0]).min())

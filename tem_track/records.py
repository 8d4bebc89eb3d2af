"""The nouns: frozen records whose field names carry their units.

Pixel coordinates: x right, y down, origin at the centre of the top-left pixel. The loading axis
points from the base to the tip; its angle is counted from straight up, positive leaning right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Axis",
    "Box",
    "FloatArray",
    "Frame",
    "Image",
    "Match",
    "Mode",
    "Observation",
    "Outline",
    "Polarity",
    "Reference",
    "Target",
]

Image: TypeAlias = NDArray[Any]
"""A 2-D array in the movie's own depth: uint8, uint16 or float32, indexed [y, x]."""

FloatArray: TypeAlias = NDArray[np.float64]

Mode = Literal["compression", "tension", "growth"]
Polarity = Literal["dark", "bright"]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of a movie.

    Attributes
    ----------
    index : int
        Number of the frame in the movie, from 0.
    time_s : float
        Its time on the movie's clock.
    image : Image
        Grey values, shape (height, width), in the file's own depth. All zero where `ok` is false.
    ok : bool
        False where the file holds a frame here that cannot be decoded.
    note : str
        Why it is not ok.
    """

    index: int
    time_s: float
    image: Image
    ok: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels, as ImageJ and OpenCV write it.

    Attributes
    ----------
    x_px, y_px : float
        Its top left pixel.
    width_px, height_px : float
    """

    x_px: float
    y_px: float
    width_px: float
    height_px: float

    @property
    def centre_px(self) -> tuple[float, float]:
        """Centre (x, y): half a pixel short of the middle of the outer edges."""
        return (self.x_px + (self.width_px - 1) / 2, self.y_px + (self.height_px - 1) / 2)

    def as_tuple(self) -> tuple[float, float, float, float]:
        """Return (x, y, width, height)."""
        return (self.x_px, self.y_px, self.width_px, self.height_px)

    def shifted(self, x_px: float, y_px: float) -> Box:
        """Return the box moved by (x, y)."""
        return Box(self.x_px + x_px, self.y_px + y_px, self.width_px, self.height_px)


@dataclass(frozen=True, slots=True)
class Axis:
    """The loading axis: its angle from straight up, positive clockwise, and what is known of it.

    Attributes
    ----------
    angle_deg, u_angle_deg : float
    """

    angle_deg: float
    u_angle_deg: float = 0.0

    @property
    def along(self) -> tuple[float, float]:
        """Unit vector (x, y) from the base to the tip."""
        a = math.radians(self.angle_deg)
        return (math.sin(a), -math.cos(a))

    @property
    def across(self) -> tuple[float, float]:
        """Unit vector (x, y) at right angles, to the right when the axis points up."""
        a = math.radians(self.angle_deg)
        return (math.cos(a), math.sin(a))


@dataclass(frozen=True, slots=True)
class Reference:
    """A frame in which a target's box is known.

    Attributes
    ----------
    frame : int
        Its index in the movie.
    box : Box
    """

    frame: int
    box: Box


@dataclass(frozen=True, slots=True)
class Target:
    """What is tracked: a box in the reference frame and the point that is read.

    Attributes
    ----------
    name : {'bar', 'tip', 'base'}
    references : tuple of Reference
        The first is the reference frame; further ones show the target's later looks.
    point_px : (float, float)
        Point (x, y) in the first reference that is reported, in pixels.
    polarity : {'dark', 'bright'}
        How matter looks beside vacuum.
    """

    name: Literal["bar", "tip", "base"]
    references: tuple[Reference, ...]
    point_px: tuple[float, float]
    polarity: Polarity = "dark"


@dataclass(frozen=True, slots=True)
class Match:
    """Where a target is in one frame, and how well that is known.

    A lost target has NaN in every number except `score`. The variances are of the reported point;
    a target that fixes only one direction has an infinite variance along the other.

    Attributes
    ----------
    x_px, y_px : float
        Position of the target's point.
    xx_px2, xy_px2, yy_px2 : float
        Covariance of the position (k = 1).
    score : float
        Agreement of the pixels with the template: 1 perfect, 0 none.
    rotation_deg : float
        Rotation against the reference, clockwise positive; 0 where it is not fitted.
    lost : bool
    reason : str
        Why it is lost.
    alternatives : tuple of Match
        Other places of like score; the whole sequence decides between them.
    """

    x_px: float
    y_px: float
    xx_px2: float
    xy_px2: float
    yy_px2: float
    score: float
    rotation_deg: float = 0.0
    lost: bool = False
    reason: str = ""
    alternatives: tuple[Match, ...] = ()

    @classmethod
    def none(cls, score: float = math.nan, reason: str = "") -> Match:
        """Return a lost match."""
        nan = math.nan
        return cls(nan, nan, nan, nan, nan, score, nan, True, reason)

    def u_along_px(self, direction: tuple[float, float]) -> float:
        """Return the standard uncertainty along a unit vector (x, y), in pixels."""
        dx, dy = direction
        variance = 0.0
        for weight, term in (
            (dx * dx, self.xx_px2),
            (2 * dx * dy, self.xy_px2),
            (dy * dy, self.yy_px2),
        ):
            if abs(weight) > 1e-12:
                variance += weight * term
        return math.sqrt(variance) if variance >= 0 else math.nan


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """The specimen in one frame, in pixels of that frame.

    Stations run along the midline from the base's face to the tip's face. What was not seen is
    NaN. Every `u_` is a standard uncertainty (k = 1) of what changes from frame to frame.

    Attributes
    ----------
    axis_deg : float
        Loading axis used, from straight up, clockwise.
    model : str
        Name of the profile model that the data chose.
    midline_px, left_px, right_px : FloatArray
        Points (x, y) of the midline and of the two outer edges, shape (n, 2).
    diameter_px, u_diameter_px : FloatArray
        Outer width perpendicular to the loading axis at each station, shape (n,).
    base_face_px, tip_face_px : (float, float)
        Where the midline meets the two end faces.
    length_px ... volume_px3 : float
        See the columns of the same names in the documentation.
    seat_px : float
        In contact: by how much the end lines that are seen in the picture lie farther apart than
        the faces that the tracks carry; up to a constant.
    broken : bool
        The specimen is in two pieces.
    flags : tuple of str
        `SPECIMEN_LOST`, `OUT_OF_VIEW`, `BENT`, `NECK`, `BROKEN`, `BELOW_RESOLUTION`.
    extra : dict
        Further scalars that a shape knows, by column name with unit suffix.
    """

    axis_deg: float
    model: str = ""
    midline_px: FloatArray = field(default_factory=lambda: np.empty((0, 2)))
    left_px: FloatArray = field(default_factory=lambda: np.empty((0, 2)))
    right_px: FloatArray = field(default_factory=lambda: np.empty((0, 2)))
    diameter_px: FloatArray = field(default_factory=lambda: np.empty(0))
    u_diameter_px: FloatArray = field(default_factory=lambda: np.empty(0))
    base_face_px: tuple[float, float] = (math.nan, math.nan)
    tip_face_px: tuple[float, float] = (math.nan, math.nan)
    length_px: float = math.nan
    u_length_px: float = math.nan
    gap_px: float = math.nan
    u_gap_px: float = math.nan
    seat_px: float = math.nan
    u_seat_px: float = math.nan
    diameter_mid_px: float = math.nan
    u_diameter_mid_px: float = math.nan
    diameter_max_px: float = math.nan
    u_diameter_max_px: float = math.nan
    diameter_min_px: float = math.nan
    u_diameter_min_px: float = math.nan
    diameter_tip_px: float = math.nan
    u_diameter_tip_px: float = math.nan
    diameter_base_px: float = math.nan
    u_diameter_base_px: float = math.nan
    shell_px: float = math.nan
    u_shell_px: float = math.nan
    bow_px: float = math.nan
    u_bow_px: float = math.nan
    volume_px3: float = math.nan
    u_volume_px3: float = math.nan
    broken: bool = False
    flags: tuple[str, ...] = ()
    extra: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """All that was seen in one frame; it depends on that frame and the experiment alone.

    Attributes
    ----------
    frame : int
        Its number in the movie, from 0.
    time_s : float
        Its time on the movie's clock.
    ok : bool
        False where it cannot be decoded; nothing is seen then.
    digest : str
        Fingerprint of its pixels, by which a repeated frame is told.
    bar, tip, base : Match or None
        None where the experiment does not name the target.
    outline : Outline or None
        None where there is no specimen, or none was looked for.
    """

    frame: int
    time_s: float
    ok: bool
    digest: str
    bar: Match | None = None
    tip: Match | None = None
    base: Match | None = None
    outline: Outline | None = None

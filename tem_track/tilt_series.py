"""A tilt series of stills: widths at several tilts, and the section's area against the round one.

The stress takes a round section as wide as the specimen is seen; a section from a tilt series
replaces it by ``area_ratio`` times that circle. What bends towards the beam shows at no single
tilt: two of them, before the test and after, tell it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from tem_track.errors import ConfigError
from tem_track.frames import open_movie
from tem_track.records import Axis, Box, Image
from tem_track.specimen import (
    Bow,
    CrossSection,
    cross_section,
    measure_bow,
    measure_width,
    out_of_plane_bow,
)

__all__ = [
    "TiltSeries",
    "bow_json",
    "measure_out_of_plane_bow",
    "measure_tilt_series",
    "read_area_ratio",
    "section_json",
]


@dataclass(frozen=True, slots=True)
class TiltSeries:
    """Widths against tilt, and the section fitted to them.

    Attributes
    ----------
    angles_deg, widths_px, u_widths_px : tuple of float
    section : CrossSection
        In pixels.
    area_ratio, u_area_ratio : float
        Area over that of a circle as wide as the specimen is seen in the movie.
    """

    angles_deg: tuple[float, ...]
    widths_px: tuple[float, ...]
    u_widths_px: tuple[float, ...]
    section: CrossSection
    area_ratio: float
    u_area_ratio: float


def measure_tilt_series(
    images: Sequence[Path],
    angles_deg: Sequence[float],
    *,
    box: Box | None = None,
    axis_deg: float = 0.0,
    model: Literal["ellipse", "rectangle"] = "ellipse",
    movie_angle_deg: float = 0.0,
    polarity: str = "dark",
) -> TiltSeries:
    """Measure the specimen's width in each image and fit its section.

    Parameters
    ----------
    images : sequence of Path
        Stills of one magnification, the first frame of each is taken.
    angles_deg : sequence of float
        Tilt of each about the specimen's long axis.
    box : Box, optional
        Around a piece of the specimen, vacuum on both sides; by default the whole image.
    axis_deg : float
        The long axis in the images, from straight up, clockwise.
    model : {'ellipse', 'rectangle'}
    movie_angle_deg : float
        Tilt at which the movie was taken.
    polarity : {'dark', 'bright'}

    Raises
    ------
    ConfigError, MovieError
    """
    if len(images) != len(angles_deg):
        raise ConfigError(
            f"cross-section: {len(images)} images but {len(angles_deg)} angles; give one an image,"
            " --angles A,B,..."
        )
    axis = Axis(axis_deg)

    def width(image: Image, around: Box) -> tuple[float, float]:
        return measure_width(image, around, axis, polarity=polarity, section=model)

    found = [_measured(width, path, box, "cross-section") for path in images]
    widths, u_widths = tuple(w for w, _ in found), tuple(u for _, u in found)
    section = cross_section(widths, u_widths, list(angles_deg), model)
    if not math.isfinite(section.area):
        raise ConfigError(f"cross-section: {section.warnings[0]}")
    round_area = math.pi / 4 * _width_at(section, movie_angle_deg) ** 2
    return TiltSeries(
        tuple(angles_deg),
        widths,
        u_widths,
        section,
        section.area / round_area,
        section.u_area / round_area,
    )


def measure_out_of_plane_bow(
    before: Sequence[Path],
    after: Sequence[Path],
    angles_deg: Sequence[float],
    *,
    box: Box | None = None,
    axis_deg: float = 0.0,
    polarity: str = "dark",
) -> Bow:
    """Measure how a test has bent a specimen, in and out of the plane of the untilted picture.

    Parameters
    ----------
    before, after : sequence of Path
        Two images each, one a tilt.
    angles_deg : sequence of float
        The two tilts about the specimen's long axis.
    box : Box, optional
        Around the specimen from end to end, vacuum on both sides; by default the whole image.
    axis_deg : float
        The long axis in the images, from straight up, clockwise.
    polarity : {'dark', 'bright'}

    Returns
    -------
    Bow
        Change of bow in pixels.

    Raises
    ------
    ConfigError, MovieError
    """
    if not len(before) == len(after) == len(angles_deg) == 2:
        raise ConfigError(
            f"bow: {len(before) + len(after)} images and {len(angles_deg)} angles; give two tilts,"
            " --angles A,B, and four images: before at A and B, then after at A and B"
        )
    axis = Axis(axis_deg)

    def bow(image: Image, around: Box) -> tuple[float, float]:
        return measure_bow(image, around, axis, polarity=polarity)

    seen = [[_measured(bow, path, box, "bow") for path in paths] for paths in (before, after)]
    (old_1, old_2), (new_1, new_2) = seen
    pairs = [
        (new[0] - old[0], math.hypot(new[1], old[1]))
        for old, new in ((old_1, new_1), (old_2, new_2))
    ]
    (first, u_first), (second, u_second) = pairs
    angles = float(angles_deg[0]), float(angles_deg[1])
    return out_of_plane_bow((first, second), (u_first, u_second), angles)


def bow_json(bow: Bow) -> str:
    """Return a bow in pixels as text."""
    data = {f"{name}_bow_px": value for name, value in asdict(bow).items()}
    return json.dumps(data, indent=2, allow_nan=False) + "\n"


def _measured(
    measure: Callable[[Image, Box], tuple[float, float]], path: Path, box: Box | None, what: str
) -> tuple[float, float]:
    image = open_movie(path)[0].image
    height, width = image.shape
    try:
        return measure(image, box or Box(0, 0, width, height))
    except ConfigError as error:
        raise ConfigError(f"{path}: {what}: {error}") from None


def _width_at(section: CrossSection, tilt_deg: float) -> float:
    turn = math.radians(tilt_deg - section.angle_deg)
    a, b = section.major * math.cos(turn), section.minor * math.sin(turn)
    return math.hypot(a, b) if section.model == "ellipse" else abs(a) + abs(b)


def section_json(series: TiltSeries) -> str:
    """Return the result as text that ``[specimen] section`` can name."""
    data = asdict(series)
    data["section"] = {
        ("rms_px" if key == "rms" else f"{key}_px2" if "area" in key else key): value
        for key, value in data["section"].items()
    }
    return json.dumps(data, indent=2, allow_nan=False) + "\n"


def read_area_ratio(path: Path) -> tuple[float, float]:
    """Return the area ratio and its uncertainty from a file that `section_json` made.

    Raises
    ------
    ConfigError
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        ratio, u_ratio = float(data["area_ratio"]), float(data["u_area_ratio"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(
            f"specimen.section: {path} is not a result of `tem-track cross-section`"
        ) from None
    if not (ratio > 0 and u_ratio >= 0):
        raise ConfigError(f"specimen.section: {path} holds no area; measure the tilt series again")
    return ratio, u_ratio

"""What a movie file really holds: every frame is decoded once."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tem_track.frames.movie import Movie
from tem_track.frames.overlay import Extremes, find_overlay
from tem_track.records import Box, FloatArray, Frame, Image

__all__ = ["MovieReport", "doubts", "inspect"]

_REGULAR = 0.02
"""Frame intervals that differ by less than this fraction, or by one tick, are regular."""
_PLAYER_RATES = (7.0, 10.0, 15.0, 24.0, 24000 / 1001, 25.0, 30000 / 1001, 30.0, 50.0, 60.0)
_FASTEST_PER_S = 1000.0
_SAME_SCALE = 0.01
_SAME_INTERVAL = 0.01
"""Tags and experiment agree where they differ by less than this fraction."""


@dataclass(frozen=True, slots=True)
class MovieReport:
    """What the header says, and what decoding every frame has found.

    Attributes
    ----------
    path : str
        Empty for an array.
    format, codec, width_px, height_px, bit_depth, grey
        As in `MovieInfo`.
    header_frames : int or None
    header_interval_s : float or None
        What the header promises.
    frames : int
        Frames that are there, bad ones included.
    bad_frames, duplicates : tuple of int
        Frames that cannot be decoded; frames that repeat the good one before them exactly.
    grey_lowest, grey_highest : float
        Grey values used, over all good frames; NaN where there is none.
    interval_s : float
        Median time from frame to frame; NaN where the file has no clock.
    interval_range_s : tuple of float
        Shortest and longest time from frame to frame; NaN where the file has no clock.
    times_regular : bool or None
        Whether all intervals are alike; None where there is no clock.
    duration_s : float
        Time of the last frame.
    overlay_box : Box or None
        A burnt-in overlay that stays still over all frames.
    scale_nm_per_px : float or None
        Scale from the file's tags.
    warnings : tuple of str
    """

    path: str
    format: str
    codec: str
    width_px: int
    height_px: int
    bit_depth: int
    grey: str
    header_frames: int | None
    header_interval_s: float | None
    frames: int
    bad_frames: tuple[int, ...]
    duplicates: tuple[int, ...]
    grey_lowest: float
    grey_highest: float
    interval_s: float
    interval_range_s: tuple[float, float]
    times_regular: bool | None
    duration_s: float
    overlay_box: Box | None
    scale_nm_per_px: float | None
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON: NaN becomes None, the box a list of four numbers."""
        plain = asdict(self)
        plain["overlay_box"] = list(self.overlay_box.as_tuple()) if self.overlay_box else None
        for name, value in plain.items():
            if isinstance(value, float) and not math.isfinite(value):
                plain[name] = None
            elif isinstance(value, tuple):
                plain[name] = [
                    None if isinstance(v, float) and not math.isfinite(v) else v for v in value
                ]
        return plain

    def rows(self) -> list[tuple[str, str]]:
        """Return what a person reads: pairs of a name and its value."""
        return [
            ("file", self.path or "array"),
            ("format", " ".join(part for part in (self.format, self.codec) if part)),
            ("size", f"{self.width_px} x {self.height_px} px, {self.bit_depth} bit, {self.grey}"),
            ("frames", _frames_text(self)),
            ("bad frames", _numbers(self.bad_frames)),
            ("repeated", _numbers(self.duplicates)),
            ("grey used", f"{self.grey_lowest:g} to {self.grey_highest:g}"),
            ("time", _time_text(self)),
            ("scale", f"{self.scale_nm_per_px:g} nm/px" if self.scale_nm_per_px else "not given"),
            ("overlay", _box_text(self.overlay_box)),
            *(("warning", warning) for warning in self.warnings),
        ]


def _frames_text(report: MovieReport) -> str:
    if report.header_frames is None:
        return f"{report.frames} decoded"
    return f"{report.frames} decoded; the header says {report.header_frames}"


def _numbers(frames: tuple[int, ...]) -> str:
    if not frames:
        return "none"
    runs = _runs(frames)
    shown = ", ".join(f"{a}" if a == b else f"{a} to {b}" for a, b in runs[:8])
    return f"{len(frames)}: {shown}" + (", ..." if len(runs) > 8 else "")


def _runs(frames: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return first and last of every unbroken run of rising numbers."""
    firsts = [n for n, before in zip(frames, (-2, *frames), strict=False) if n != before + 1]
    lasts = [n for n, after in zip(frames, (*frames[1:], -2), strict=True) if n + 1 != after]
    return list(zip(firsts, lasts, strict=True))


def _time_text(report: MovieReport) -> str:
    if report.frames == 1:
        return "one frame"
    if report.times_regular is None:
        return "the file has no clock"
    last = f"the last at {report.duration_s:.6g} s"
    if report.times_regular:
        rate = f" ({1 / report.interval_s:.4g} frames/s)" if report.interval_s > 0 else ""
        return f"a frame every {report.interval_s:.4g} s{rate}, regular; {last}"
    shortest, longest = report.interval_range_s
    return (
        f"irregular: {shortest:.3g} to {longest:.3g} s from frame to frame, "
        f"{report.interval_s:.3g} s in the median; {last}"
    )


def _box_text(box: Box | None) -> str:
    if box is None:
        return "no label or scale bar that stays still"
    return "[" + ", ".join(f"{v:g}" for v in box.as_tuple()) + "] stays still over all frames"


class _Survey:
    """What is gathered frame by frame, in memory that does not grow with the movie."""

    def __init__(self) -> None:
        self.bad: list[int] = []
        self.duplicates: list[int] = []
        self.lowest, self.highest = math.inf, -math.inf
        self._before: Image | None = None
        self.extremes = Extremes()

    def add(self, frame: Frame) -> None:
        """Take one frame into account."""
        if not frame.ok:
            self.bad.append(frame.index)
            return
        image = frame.image
        self.lowest = min(self.lowest, float(image.min()))
        self.highest = max(self.highest, float(image.max()))
        if self._before is not None and np.array_equal(image, self._before):
            self.duplicates.append(frame.index)
        else:
            self.extremes.add(image)
        self._before = image


def inspect(movie: Movie) -> MovieReport:
    """Decode every frame once and report what the file really holds.

    Parameters
    ----------
    movie : Movie

    Returns
    -------
    MovieReport
    """
    survey = _Survey()
    for frame in movie:
        survey.add(frame)
    info, times_s = movie.info, movie.times_s
    interval_s, regular = _clock(times_s)
    none_good = survey.lowest > survey.highest
    return MovieReport(
        path=str(movie.path) if movie.path is not None else "",
        format=info.format,
        codec=info.codec,
        width_px=info.width_px,
        height_px=info.height_px,
        bit_depth=info.bit_depth,
        grey=info.grey,
        header_frames=info.header_frames,
        header_interval_s=info.header_interval_s,
        frames=len(movie),
        bad_frames=tuple(survey.bad),
        duplicates=tuple(survey.duplicates),
        grey_lowest=math.nan if none_good else survey.lowest,
        grey_highest=math.nan if none_good else survey.highest,
        interval_s=interval_s,
        interval_range_s=_range(times_s),
        times_regular=regular,
        duration_s=float(times_s[-1] - times_s[0]),
        overlay_box=find_overlay(survey.extremes),
        scale_nm_per_px=info.scale_nm_per_px,
        warnings=_warnings(movie, survey),
    )


def _clock(times_s: FloatArray) -> tuple[float, bool | None]:
    """Return the median interval and whether all are alike."""
    if len(times_s) < 2 or not np.all(np.isfinite(times_s)):
        return math.nan, None
    steps = np.diff(times_s)
    median = float(np.median(steps))
    tolerance_s = max(_REGULAR * median, 0.0011)  # Matroska rounds to whole milliseconds
    return median, bool(np.all(np.abs(steps - median) <= tolerance_s))


def _warnings(movie: Movie, survey: _Survey) -> tuple[str, ...]:
    bad = [f"{len(survey.bad)} frames cannot be decoded"] if survey.bad else []
    return (*bad, *doubts(movie))


def _range(times_s: FloatArray) -> tuple[float, float]:
    steps = np.diff(times_s)
    if not len(steps) or not np.all(np.isfinite(steps)):
        return math.nan, math.nan
    return float(steps.min()), float(steps.max())


def doubts(
    movie: Movie,
    *,
    scale_nm_per_px: float | None = None,
    u_scale_nm_per_px: float | None = None,
) -> tuple[str, ...]:
    """Return what a person should know before trusting what is measured on a movie.

    Decodes nothing. The scale and the frame interval that the experiment states are held against
    those in the file's tags, where it has any.

    Parameters
    ----------
    movie : Movie
    scale_nm_per_px, u_scale_nm_per_px : float, optional
        The experiment's scale and its standard uncertainty, in nm per pixel.
    """
    found = [*movie.info.warnings, *movie.notes]
    promised = movie.info.header_frames
    if promised is not None and promised != len(movie) and not _says_where_it_ends(found):
        found.append(f"the header promises {promised} frames, {len(movie)} are there")
    found += _scale_doubts(movie.info.scale_nm_per_px, scale_nm_per_px, u_scale_nm_per_px)
    found += _clock_doubts(movie)
    return tuple(dict.fromkeys(found))


def _says_where_it_ends(words: list[str]) -> bool:
    return any("frames are there" in text for text in words)


def _scale_doubts(tags: float | None, given: float | None, u_given: float | None) -> list[str]:
    if tags is None or given is None:
        return []
    agreed = max(_SAME_SCALE, 2 * (u_given or 0.0) / given)
    if abs(given / tags - 1) <= agreed:
        return []
    return [
        f"the file's tags say {tags:.4g} nm/px, the experiment {given:.4g} "
        f"({100 * (given / tags - 1):+.3g} %); the experiment's scale is used: check it"
    ]


def _clock_doubts(movie: Movie) -> list[str]:
    mend = "give calibration.frame_interval_s"
    given, tags = movie.given_interval_s, movie.info.frame_interval_s
    if given is not None:
        if tags is None or abs(given / tags - 1) <= _SAME_INTERVAL:
            return []
        return [
            f"the file's tags say a frame every {tags:.4g} s, the experiment every {given:.4g} s; "
            "the experiment's interval is used: check it"
        ]
    if len(movie) < 2:
        return []
    interval_s, regular = _clock(movie.times_s)
    if regular is None:
        return [f"the file has no clock; {mend}"]
    if interval_s <= 0 or 1 / interval_s > _FASTEST_PER_S:
        return [f"{interval_s:g} s from frame to frame is implausible; {mend}"]
    if not regular:
        return ["the frames' times are irregular"]
    rate = 1 / interval_s
    if tags is None and any(abs(rate / usual - 1) < 1e-3 for usual in _PLAYER_RATES):
        usual = f"{rate:.4g} frames/s is what programs write by default"
        return [f"{usual}; if it is not the rate of the recording, {mend}"]
    return []

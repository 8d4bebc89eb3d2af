"""What a movie alone tells: boxes, shape, axis, scale bar, each with how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

from tem_track.records import Axis, Box, Mode, Polarity

__all__ = ["GUESS", "NAMES", "SURE", "AxisFound", "Part", "Proposal", "ScaleBar", "ShapeFound"]

NAMES = ("bar", "tip", "specimen", "base")

SURE = 0.5
"""Confidence below which a finding is drawn and told as unsure."""

GUESS = 0.35
"""Confidence below which a box is left for a person: it is only written as a comment."""


@dataclass(frozen=True, slots=True)
class Part:
    """A box that was looked for.

    Attributes
    ----------
    name : {'bar', 'tip', 'specimen', 'base'}
    box : Box or None
        In the reference frame, in full pixels; None where nothing was found.
    confidence : float
        0 to 1. It orders what to look at first; it is no probability.
    runner_up : str
        The next best answer, in words; empty where there is none.
    note : str
        Why it is unsure, or what a person should do.
    """

    name: str
    box: Box | None
    confidence: float
    runner_up: str = ""
    note: str = ""

    @property
    def words(self) -> str:
        """The note and the runner-up, as one line."""
        second = f"next best: {self.runner_up}" if self.runner_up else ""
        return "; ".join(text for text in (self.note, second) if text)

    @property
    def found(self) -> bool:
        """Whether the box is more than a guess."""
        return self.box is not None and self.confidence >= GUESS


@dataclass(frozen=True, slots=True)
class ShapeFound:
    """The specimen's shape, how sure, and the next best.

    Attributes
    ----------
    shape : str or None
    confidence : float
        0 to 1.
    runner_up : str or None
    """

    shape: str | None
    confidence: float
    runner_up: str | None = None


@dataclass(frozen=True, slots=True)
class AxisFound:
    """The loading axis, how sure, and what it was found from: `motion`, `outline` or `faces`.

    Attributes
    ----------
    axis : Axis or None
    confidence : float
        0 to 1.
    source : str
    """

    axis: Axis | None
    confidence: float
    source: str = ""


@dataclass(frozen=True, slots=True)
class ScaleBar:
    """A burnt-in scale bar.

    Attributes
    ----------
    box : Box
    length_px : float
    u_length_px : float
    label : str
        Its text as read, where that was possible.
    length_nm : float or None
        The length that the text states.
    """

    box: Box
    length_px: float
    u_length_px: float
    label: str = ""
    length_nm: float | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed experiment.

    Attributes
    ----------
    mode : {'compression', 'tension', 'growth'}
    polarity : {'dark', 'bright'}
    size_px : (int, int)
        Rows and columns.
    reference : int
        The frame the boxes are in.
    parts : tuple of Part
        Bar, tip, specimen and base.
    shape : ShapeFound
    axis : AxisFound
    scale_bar : ScaleBar or None
    labels : tuple of Box
        Burnt-in writing.
    tag_scale_nm_per_px : float or None
        Scale from the file's own tags.
    travel_px : dict
        How far tip and base move against the bar along the axis, where they and it are found.
    warnings : tuple of str
    """

    mode: Mode
    polarity: Polarity
    size_px: tuple[int, int]
    reference: int
    parts: tuple[Part, ...]
    shape: ShapeFound
    axis: AxisFound
    scale_bar: ScaleBar | None = None
    labels: tuple[Box, ...] = ()
    tag_scale_nm_per_px: float | None = None
    travel_px: tuple[tuple[str, float], ...] = ()
    warnings: tuple[str, ...] = ()

    def part(self, name: str) -> Part:
        """Return the part of that name."""
        return next(part for part in self.parts if part.name == name)

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the parts that were not found."""
        return tuple(part.name for part in self.parts if not part.found)

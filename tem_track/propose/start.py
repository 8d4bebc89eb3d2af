"""The whole of `tem-track init`: propose, write, draw, and say what is left to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tem_track.errors import ConfigError, MovieError
from tem_track.frames import Movie, open_movie
from tem_track.propose.compose import propose
from tem_track.propose.picture import preview
from tem_track.propose.proposal import SURE, Part, Proposal
from tem_track.propose.scale import with_scale
from tem_track.propose.writing import Given, may_stay_out, unanswered, write_experiment
from tem_track.records import Mode, Polarity

if TYPE_CHECKING:
    from tem_track.analysis import Progress

__all__ = ["Started", "init_experiment"]


@dataclass(frozen=True, slots=True)
class Started:
    """What was written, and what a person still has to say.

    Attributes
    ----------
    path, preview : Path
    proposal : Proposal
    open_keys : tuple of str
        Keys without which the file cannot be run.
    warnings : tuple of str
    not_given : tuple of str
        Values that may stay out, and what is done without them.
    """

    path: Path
    preview: Path
    proposal: Proposal
    open_keys: tuple[str, ...]
    warnings: tuple[str, ...]
    not_given: tuple[str, ...] = ()

    def rows(self) -> list[tuple[str, str]]:
        """Return the findings as rows of words."""
        return [
            *((part.name, _part_words(part)) for part in self.proposal.parts),
            *_other_rows(self.proposal),
            ("preview", str(self.preview)),
            ("still to fill in", ", ".join((*self.open_keys, *self.left_out)) or "nothing"),
            *(("not given", words) for words in self.not_given),
            ("then", self._next()),
        ]

    @property
    def left_out(self) -> tuple[str, ...]:
        """What was not found and a run goes on without, with what is missed then."""
        return may_stay_out(self.proposal)

    def _next(self) -> str:
        path = f'"{self.path}"' if " " in str(self.path) else str(self.path)
        run = f"tem-track run {path}"
        if not self.open_keys and not self.left_out:
            return run
        return f"fill it in, in the file or with tem-track setup {path}; then {run}"

    def as_dict(self) -> dict[str, Any]:
        """Return the findings as plain data."""
        proposal = self.proposal
        axis, bar = proposal.axis.axis, proposal.scale_bar
        return {
            "experiment": str(self.path),
            "preview": str(self.preview),
            "reference": proposal.reference,
            "parts": {
                part.name: {
                    "box_px": None if part.box is None else list(part.box.as_tuple()),
                    "confidence": part.confidence,
                    "runner_up": part.runner_up,
                    "note": part.note,
                }
                for part in proposal.parts
            },
            "shape": proposal.shape.shape,
            "shape_confidence": proposal.shape.confidence,
            "axis_deg": None if axis is None else axis.angle_deg,
            "axis_confidence": proposal.axis.confidence,
            "scale_bar_px": None if bar is None else bar.length_px,
            "scale_bar_label": None if bar is None else bar.label,
            "labels_px": [list(box.as_tuple()) for box in proposal.labels],
            "open": list(self.open_keys),
            "may_stay_out": list(self.left_out),
            "not_given": list(self.not_given),
            "warnings": list(self.warnings),
        }


def init_experiment(
    movie: str | Path,
    *,
    mode: Mode | None = None,
    polarity: Polarity | None = None,
    given: Given | None = None,
    output: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Started:
    """Propose an experiment for a movie and write its file and its preview.

    Parameters
    ----------
    movie : path
    mode : {'compression', 'tension', 'growth'}, optional
        Without it the boxes are sought as in a compression, and the mode is left open.
    polarity : {'dark', 'bright'}, optional
        By default dark objects are looked for, and bright ones where dark ones show no sure bar.
    given : Given, optional
        Scale, stiffness, frame interval, as far as they are known.
    output : path, optional
        Default: the movie's path with the ending `.toml`.
    force : bool
        Overwrite a file that is there.
    progress : callable, optional
        Called as ``progress("look", done, total)`` while the movie is looked at.

    Returns
    -------
    Started
        The file's path, the proposal, and warnings.

    Raises
    ------
    ConfigError
        There is a file already, or a given value is no positive number.
    MovieError
        The movie cannot be read.
    """
    movie = Path(movie)
    path = Path(output) if output is not None else movie.with_suffix(".toml")
    if path == movie:
        raise MovieError(f"{movie}: is no movie's name; give the movie, and --output for the file")
    if path.exists() and not force:
        raise ConfigError(
            f"{path}: is there already; give --force to replace it, or another --output"
        )
    opened = open_movie(movie)
    given = replace(given or Given(), is_mode_known=mode is not None)
    sought: Mode = mode or "compression"
    proposal = (
        _of_either(opened, sought, progress)
        if polarity is None
        else propose(opened, mode=sought, polarity=polarity, progress=progress)
    )
    full, differing = with_scale(proposal, given)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_experiment(proposal, path, movie=movie, given=full)
    picture = path.with_name(path.stem + ".preview.png")
    preview(proposal, opened, picture)
    open_keys = unanswered(proposal, full)
    warnings = (*proposal.warnings, *differing)
    not_given = _not_given(full, opened, proposal.mode)
    return Started(path, picture, proposal, open_keys, warnings, not_given)


def _of_either(movie: Movie, mode: Mode, progress: Progress | None = None) -> Proposal:
    """Return the proposal for dark objects, or for bright ones where these have the better bar.

    Bright objects on dark seen as dark ones on bright may look like two ends and a body as well,
    and the other way round. The bar is what can hardly be mistaken: a sharp, still thing at the
    border. Without one in either view dark is taken, and told as unsure where both are possible.
    """
    dark = propose(movie, mode=mode, progress=progress)
    if dark.part("bar").confidence >= SURE_BAR:
        return dark
    bright = propose(movie, mode=mode, polarity="bright", progress=progress)
    if not all(bright.part(name).found for name in ("tip", "specimen")):
        return dark
    bars = [each.part("bar").confidence for each in (dark, bright)]
    sure = all(bright.part(name).confidence >= SURE for name in ("bar", "tip", "specimen"))
    if sure and bars[1] > bars[0]:
        return replace(bright, warnings=(*bright.warnings, _BRIGHT))
    if bars[0] >= SURE:
        return dark
    return _doubted(dark)


def _doubted(dark: Proposal) -> Proposal:
    """Return a proposal with nothing in it sure, and what a person should say."""
    most = SURE - 0.01
    parts = tuple(replace(part, confidence=min(part.confidence, most)) for part in dark.parts)
    return replace(
        dark,
        parts=parts,
        shape=replace(dark.shape, confidence=min(dark.shape.confidence, most)),
        axis=replace(dark.axis, confidence=min(dark.axis.confidence, most)),
        warnings=(*dark.warnings, _EITHER),
    )


SURE_BAR = 0.8
"""Confidence of a dark bar from which bright objects are not looked for."""

_BRIGHT = (
    "bright objects are recognised, with a clearer bar than dark ones have: polarity = 'bright' was"
    " written; give --polarity dark if it is wrong"
)

_EITHER = (
    "without a clear bar dark objects and bright ones are both possible: dark was taken; give"
    " --polarity bright if specimen, tip and base are brighter than vacuum"
)


def _not_given(given: Given, movie: Movie, mode: Mode) -> tuple[str, ...]:
    """Return in words what stays open and has something in its place."""
    out = []
    if not given.is_mode_known:
        out.append("mode: the boxes are sought as in a compression; growth needs --mode growth")
    if given.frame_interval_s is None:
        own = _own_interval_s(movie)
        clock = f"{own:.6g} s a frame" if own else "as far as it has one"
        out.append(f"calibration.frame_interval_s: the file's own clock is taken, {clock}")
    for key, where, counted in (
        ("u_scale_nm_per_px", "calibration", "scale"),
        ("u_stiffness_N_per_m", "cantilever", "stiffness"),
    ):
        if getattr(given, key) is None and (where != "cantilever" or mode != "growth"):
            out.append(f"{where}.{key}: the {counted} is taken as exact")
    return tuple(out)


def _own_interval_s(movie: Movie) -> float | None:
    """Return the mean time from frame to frame by the file's own clock."""
    first, last = movie[0], movie[len(movie) - 1]
    if last.index == first.index:
        return None
    return float(last.time_s - first.time_s) / (last.index - first.index)


def _part_words(part: Part) -> str:
    if part.box is None or not part.found:
        return f"not found; {part.words}" if part.words else "not found"
    numbers = ", ".join(f"{v:g}" for v in part.box.as_tuple())
    words = f"[{numbers}]  {_how_sure(part.confidence)}"
    return f"{words}; {part.words}" if part.confidence < SURE and part.words else words


def _other_rows(proposal: Proposal) -> list[tuple[str, str]]:
    shape, axis, bar = proposal.shape, proposal.axis, proposal.scale_bar
    rows = dict.fromkeys(("shape", "axis", "scale bar"), "not found")
    if shape.shape is not None:
        rows["shape"] = f"{shape.shape}  {_how_sure(shape.confidence)}"
    if axis.axis is not None:
        rows["axis"] = f"{axis.axis.angle_deg:.1f} deg  {_how_sure(axis.confidence)}"
    if bar is not None:
        rows["scale bar"] = f"{bar.length_px:.1f} px  {bar.label}".rstrip()
    return [*rows.items()]


def _how_sure(confidence: float) -> str:
    return f"confidence {confidence:.2f}" + ("  unsure" if confidence < SURE else "")

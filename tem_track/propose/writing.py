"""A proposal to an experiment file that can be run as it is, or that says what is missing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import AoT, Table
from tomlkit.toml_document import TOMLDocument

from tem_track.propose.proposal import NAMES, SURE, Part, Proposal
from tem_track.shapes import TABLE

__all__ = ["Given", "experiment_text", "may_stay_out", "unanswered", "write_experiment"]


@dataclass(frozen=True, slots=True)
class Given:
    """What a person has said; None is left open in the file.

    Attributes
    ----------
    scale_nm_per_px, u_scale_nm_per_px, stiffness_N_per_m, u_stiffness_N_per_m : float or None
    scale_bar_nm : float or None
        Length that the burnt-in scale bar stands for.
    frame_interval_s : float or None
    material : str
    is_mode_known : bool
        Without it the boxes are those of a compression, and the mode is left open.
    """

    scale_nm_per_px: float | None = None
    u_scale_nm_per_px: float | None = None
    stiffness_N_per_m: float | None = None
    u_stiffness_N_per_m: float | None = None
    frame_interval_s: float | None = None
    scale_bar_nm: float | None = None
    material: str = ""
    is_mode_known: bool = True


_SAYS = {
    "bar": "the beam-blocking bar: the fixed reference",
    "tip": "the cantilever's tip",
    "specimen": "the specimen with its gap, from face to face",
    "base": "the counter electrode",
}


_ASK_MODE = 'mode = "compression"  # needed: compression, tension or growth'
_ASK_SHAPE = f'shape = "rod"  # needed: one of {", ".join(TABLE)}'


def write_experiment(
    proposal: Proposal, path: str | Path, *, movie: str | Path, given: Given | None = None
) -> tuple[str, ...]:
    """Write the experiment file.

    Parameters
    ----------
    proposal : Proposal
    path : path
        The file to write.
    movie : path
        The movie; it is named relative to the file.
    given : Given, optional
        Values that only a person knows. What is not given becomes a commented line.

    Returns
    -------
    tuple of str
        What still has to be filled in, as keys of the file.
    """
    path = Path(path)
    text = experiment_text(proposal, _relative(Path(movie), path.parent), given or Given())
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
    return unanswered(proposal, given or Given())


def unanswered(proposal: Proposal, given: Given) -> tuple[str, ...]:
    """Return the keys without which the file cannot be run."""
    loaded = proposal.mode != "growth"
    open_ends = [] if given.is_mode_known else ["mode"]
    if given.scale_nm_per_px is None:
        open_ends.append("calibration.scale_nm_per_px")
    if loaded and given.stiffness_N_per_m is None:
        open_ends.append("cantilever.stiffness_N_per_m")
    needed = ("bar", "tip") if loaded else ("specimen",)
    open_ends += [f"{name}.box_px" for name in needed if not proposal.part(name).found]
    specimen_open = not loaded and not proposal.part("specimen").found
    if specimen_open or (proposal.part("specimen").found and proposal.shape.shape is None):
        open_ends.append("specimen.shape")
    return tuple(open_ends)


def may_stay_out(proposal: Proposal) -> tuple[str, ...]:
    """Return what was not found and a run goes on without, with what is missed then."""
    loaded = proposal.mode != "growth"
    missed = {"base": "no check by the counter electrode"}
    if loaded:
        missed["specimen"] = "no strain and no stress"
    else:
        missed |= dict.fromkeys(("bar", "tip"), "one less to tell drift by")
    out = []
    for name in NAMES:
        if name in missed and not proposal.part(name).found:
            keys = "specimen.box_px and specimen.shape" if name == "specimen" else f"{name}.box_px"
            out.append(f"{keys} (may stay out: {missed[name]})")
    return tuple(out)


def experiment_text(proposal: Proposal, movie: str, given: Given) -> str:
    """Return the file's text; see `write_experiment`."""
    document = tomlkit.document()
    document.add(
        tomlkit.comment(
            "Proposed by tem-track init from the movie alone. Check the boxes in the preview."
        )
    )
    document.add("movie", tomlkit.string(movie, literal="'" not in movie))
    if given.is_mode_known:
        document.add("mode", tomlkit.item(proposal.mode))
    else:
        document.add(tomlkit.comment(_ASK_MODE))
    if proposal.polarity != "dark":
        document.add("polarity", tomlkit.item(proposal.polarity))
    _add_axis(document, proposal)
    document.add("calibration", _calibration(given))
    if proposal.mode != "growth":
        document.add("cantilever", _cantilever(given))
    for name in NAMES:
        _add_part(document, proposal, proposal.part(name), given)
    if proposal.reference:
        frames = tomlkit.table()
        _put(frames, "reference", proposal.reference, "the boxes are in this frame")
        document.add("frames", frames)
    return _spaced(tomlkit.dumps(document))


def _spaced(text: str) -> str:
    """Put one empty line before every table."""
    lines = [line for line in text.splitlines() if line.strip()]
    return (
        "\n".join(("\n" + line if line.startswith(("[", "# [")) else line) for line in lines) + "\n"
    )


def _add_axis(document: TOMLDocument, proposal: Proposal) -> None:
    found = proposal.axis
    if found.axis is None:
        return
    angle = round(found.axis.angle_deg, 1) + 0.0
    if found.confidence >= SURE:
        document.add("axis_deg", tomlkit.item(angle).comment(_axis_words(proposal)))
    else:
        document.add(
            tomlkit.comment(f"axis_deg = {angle}  # {_axis_words(proposal)}: found again by run")
        )


def _axis_words(proposal: Proposal) -> str:
    found = proposal.axis
    source = {
        "motion": "from the base's motion against the tip",
        "outline": "from the specimen's outline",
        "faces": "from the faces of tip and base",
    }.get(found.source, found.source)
    return f"{source}, confidence {found.confidence:.2f}"


def _calibration(given: Given) -> Table:
    table = tomlkit.table()
    _put_or_ask(
        table, "scale_nm_per_px", given.scale_nm_per_px, "1.25", "needed: size of a pixel in nm"
    )
    _put_or_ask(
        table, "u_scale_nm_per_px", given.u_scale_nm_per_px, "0.0125", "its standard uncertainty"
    )
    _put_or_ask(
        table, "frame_interval_s", given.frame_interval_s, "0.1",
        "seconds from frame to frame, where the file's own clock is not that of the recording",
    )  # fmt: skip
    return table


def _cantilever(given: Given) -> Table:
    table = tomlkit.table()
    _put_or_ask(
        table, "stiffness_N_per_m", given.stiffness_N_per_m, "6.0", "needed: the lever's stiffness"
    )
    _put_or_ask(
        table, "u_stiffness_N_per_m", given.u_stiffness_N_per_m, "0.6", "its standard uncertainty"
    )
    return table


def _add_part(document: TOMLDocument, proposal: Proposal, part: Part, given: Given) -> None:
    if part.box is None or not part.found:
        _ask_for_part(document, proposal, part)
        return
    table = tomlkit.table()
    words = f"{_SAYS[part.name]}; confidence {part.confidence:.2f}"
    table.add(tomlkit.comment(words + (f"; {part.note}" if part.note else "")))
    if part.runner_up:
        table.add(tomlkit.comment(f"next best: {part.runner_up}"))
    table.add("box_px", tomlkit.item([round(v) for v in part.box.as_tuple()]))
    if part.name == "specimen":
        _add_shape(table, proposal, given)
    document.add(part.name, table)


def _add_shape(table: Table, proposal: Proposal, given: Given) -> None:
    shape = proposal.shape
    if shape.shape is None:
        table.add(tomlkit.comment(_ASK_SHAPE))
    else:
        second = f"; next best: {shape.runner_up}" if shape.runner_up else ""
        _put(table, "shape", shape.shape, f"confidence {shape.confidence:.2f}{second}")
    if given.material:
        table.add("material", tomlkit.item(given.material))


def _ask_for_part(document: TOMLDocument, proposal: Proposal, part: Part) -> None:
    loaded = proposal.mode != "growth"
    needed = part.name in (("bar", "tip") if loaded else ("specimen",))
    word = "needed" if needed else "not found, may stay out"
    document.add(tomlkit.comment(f"[{part.name}]  # {word}: {_SAYS[part.name]}"))
    guess = "[x, y, width, height]"
    if part.box is not None:
        guess = f"{[round(v) for v in part.box.as_tuple()]}  # a guess, {part.confidence:.2f};"
    document.add(tomlkit.comment(f"box_px = {guess}  # {part.note}".replace(";  #", ";")))
    if part.name == "specimen":
        document.add(tomlkit.comment(_ASK_SHAPE))


def _put(table: Table, key: str, value: object, words: str) -> None:
    table.add(key, tomlkit.item(value).comment(words))


def _put_or_ask(table: Table, key: str, value: float | None, like: str, words: str) -> None:
    if value is None:
        table.add(tomlkit.comment(f"{key} = {like}  # {words}"))
    else:
        _put(table, key, float(value), words.removeprefix("needed: "))


def _relative(movie: Path, folder: Path) -> str:
    try:
        text = Path(os.path.relpath(movie.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive
        return str(movie.resolve())
    return str(movie.resolve()) if text.count("../") > 3 else text


def merged(text: str, values: Mapping[str, object]) -> str:
    """Return the text of an experiment file with some dotted keys set; its comments survive."""
    document = tomlkit.parse(text)
    for key, value in values.items():
        _set(document, key.split("."), value)
    return tomlkit.dumps(document)


def _set(table: TOMLDocument | Table, keys: list[str], value: object) -> None:
    first, *rest = keys
    if rest:
        if first not in table:
            if value is None:
                return
            table[first] = tomlkit.table()
        _set(table[first], rest, value)
    elif value is None:
        table.pop(first, None)
    elif first in table and table[first].unwrap() == value:
        return
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        table[first] = _tables(value, table.get(first))
    else:
        table[first] = value


def _tables(rows: list[Any], before: object) -> AoT:
    """Return rows as an array of tables; those that were there already keep their comments."""
    out = before if isinstance(before, AoT) else tomlkit.aot()
    same = 0
    while same < min(len(out), len(rows)) and out[same].unwrap() == rows[same]:
        same += 1
    while len(out) > same:
        del out[len(out) - 1]
    for row in rows[same:]:
        table = tomlkit.table()
        for key, value in row.items():
            table.add(key, value)
        table.add(tomlkit.nl())
        out.append(table)
    return out

"""The report: one file, offline, that can be mailed; a point shows its frame."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tem_track.analysis import Progress, Result
from tem_track.config import experiment_to_toml
from tem_track.outputs import summary_rows
from tem_track.outputs.canvas import DASHED, length_words, nice_length_nm
from tem_track.outputs.display import survey
from tem_track.outputs.figures import common_share, events_of
from tem_track.outputs.files import write_text
from tem_track.outputs.marks import boxes_of
from tem_track.outputs.panels import panels_of
from tem_track.outputs.style import COLOURS, PHASE_COLOURS
from tem_track.outputs.words import initial_words, value_words
from tem_track.pages.data import page_data
from tem_track.pages.flagged import worst_first
from tem_track.pages.methods import methods_paragraph
from tem_track.pages.stills import Stills, StillsMaker, make_stills

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = ["assemble", "content_policy", "own_text", "safe_json", "stills_maker", "write_report"]

HERE = Path(__file__).parent
LISTED = 150
MARKS = (
    ("bar_line", "bar's edge"),
    ("zero_line", "tip without load"),
    ("bar_box", "bar"),
    ("tip_box", "tip"),
    ("base_box", "base"),
    ("outline", "outline and axis"),
    ("diameter", "diameter, middle"),
    ("contact", "end faces"),
)
"""What is drawn on a frame, in words."""
BAR_LENGTH = 180
"""Pixels of the longest bar among the area models' stresses."""
DIMENSIONS: tuple[Literal["length"], Literal["diameter"]] = ("length", "diameter")


def stills_maker(result: Result, movie: Movie) -> StillsMaker:
    """Return what makes a report's pictures, to be shown each frame while a film is drawn."""
    frames = [int(frame) for frame in result.points["frame"]]
    events = [row for row, _, _ in events_of(result)]
    keep = [*events, *(item["row"] for item in worst_first(result)[:LISTED])]
    return StillsMaker(movie, frames, keep[:300])


def write_report(
    result: Result,
    movie: Movie,
    path: str | os.PathLike[str],
    progress: Progress | None = None,
    maker: StillsMaker | None = None,
) -> None:
    """Write the report.

    Parameters
    ----------
    result : Result
    movie : Movie
        The movie that the result was measured in; its pictures go into the report.
    path : path
    progress : callable, optional
        Called as ``progress("report", done, total)``.
    maker : StillsMaker, optional
        From `stills_maker`; the movie is read for those pictures that it has not seen.
    """
    frames = [int(frame) for frame in result.points["frame"]]
    maker = maker if maker is not None else stills_maker(result, movie)
    stills = make_stills(movie, frames, maker=maker, progress=progress)
    if progress is not None:
        progress("report", len(stills.rows), len(stills.rows))
    worst = worst_first(result)
    write_text(Path(path), _page(result, movie, stills, worst, Path(path).parent))


def _page(
    result: Result, movie: Movie, stills: Stills, worst: list[dict[str, Any]], folder: Path
) -> str:
    specimen = result.experiment.specimen
    data = page_data(result, movie, stills)
    drawn = {mark[0] for still in data["stills"] for mark in still["marks"]}
    marks = [(name, COLOURS[role], role in DASHED) for role, name in MARKS if role in drawn]
    material = f"{specimen.material} {specimen.growth_direction}".strip() if specimen else ""
    shape = specimen.shape.replace("_", " ") if specimen else "no specimen"
    return assemble(
        "report.html.j2",
        styles=("page.css", "report.css"),
        scripts=("page.js", "plot.js", "report.js"),
        title=_title(Path(result.experiment.movie)),
        subtitle=" · ".join(filter(None, (result.experiment.mode, shape, material))),
        key_numbers=_key_numbers(result),
        warnings=[str(w) for w in result.summary.get("warnings") or []],
        frame_width=movie.info.width_px,
        frame_height=movie.info.height_px,
        still_width=stills.width_px,
        still_height=stills.height_px,
        scale_bar=_scale_bar(result, movie),
        last_row=len(result.points) - 1,
        phases=_phases(result),
        marks=marks,
        curves=bool(panels_of(result)),
        common=common_share(result, "force_nN") > 0,
        summary=[row for row in summary_rows(result) if not row[0].startswith("  on area")],
        area_models=_area_models(result),
        budget=_budget(result),
        budget_of="growth rate" if result.experiment.mode == "growth" else "critical stress",
        worst=worst[:LISTED],
        worst_left_off=max(0, len(worst) - LISTED),
        provenance=_provenance(result, movie),
        stills_note=_stills_note(stills, len(result.points)),
        methods=methods_paragraph(result),
        experiment=experiment_to_toml(result.experiment, folder),
        data=safe_json(data),
        stills=safe_json(stills.sources),
    )


def _title(movie: Path) -> str:
    """Return the movie's name; a folder of pictures is named with the folder that holds it."""
    return movie.name if movie.suffix else "/".join(movie.parts[-2:])


# --------------------------------------------------------------------------- one file, no network


def assemble(template: str, *, styles: Sequence[str], scripts: Sequence[str], **values: Any) -> str:
    """Fill a page's template with its own styles and scripts inlined under a strict policy."""
    style, script = own_text(styles), own_text(scripts)
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template(template).render(
        policy=content_policy(style, script), style=Markup(style), script=Markup(script), **values
    )


def own_text(names: Sequence[str]) -> str:
    """Return the page's own files as one text."""
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


def content_policy(style: str, script: str) -> str:
    """Return the content policy: nothing but this very style and script, and inline pictures."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}';"
        f" script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def safe_json(data: Any) -> Markup:
    """Return data as JSON in which nothing can end the script element that holds it."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return Markup(text)


# --------------------------------------------------------------------------- parts of the page


def _key_numbers(result: Result) -> list[tuple[str, str]]:
    s = result.summary
    found = [
        ("largest force", s.get("max_force_nN"), s.get("u_max_force_nN"), "nN"),
        ("critical stress", s.get("critical_stress_MPa"), s.get("u_critical_stress_MPa"), "MPa"),
        ("Young's modulus", s.get("youngs_modulus_GPa"), s.get("u_youngs_modulus_GPa"), "GPa"),
        ("growth rate", s.get("growth_rate_nm_per_s"), s.get("u_growth_rate_nm_per_s"), "nm/s"),
        ("length reached", s.get("final_length_nm"), s.get("u_final_length_nm"), "nm"),
        ("diameter reached", s.get("final_diameter_nm"), s.get("u_final_diameter_nm"), "nm"),
    ]
    numbers = [(name, value_words(v, u, unit)) for name, v, u, unit in found if v is not None]
    numbers += [(f"initial {which}", initial_words(result, which)) for which in DIMENSIONS]
    return [(name, text) for name, text in numbers if text]


def _scale_bar(result: Result, movie: Movie) -> dict[str, float | str]:
    scale = result.experiment.calibration.scale_nm_per_px
    width, height = movie.info.width_px, movie.info.height_px
    length_nm = nice_length_nm(0.25 * width * scale)
    length, size = length_nm / scale, min(width, height) / 26
    plate, pad = max(length, 4.5 * size) + size, 0.6 * size
    to_right, at_bottom = survey(movie, result.points["frame"].tolist()).corner(boxes_of(result))
    left = width - plate - pad if to_right else pad
    top = height - 2.9 * size if at_bottom else pad
    return {
        "text": length_words(length_nm),
        "size": round(size, 2),
        "plate_x": round(left, 2),
        "plate_y": round(top, 2),
        "plate_width": round(plate, 2),
        "plate_height": round(2.3 * size, 2),
        "x": round(left + (plate - length) / 2, 2),
        "y": round(top + 1.65 * size, 2),
        "length": round(length, 2),
        "thick": round(size / 4, 2),
        "text_x": round(left + plate / 2, 2),
        "text_y": round(top + 1.3 * size, 2),
    }


def _phases(result: Result) -> list[tuple[str, str]]:
    if result.experiment.mode == "growth":
        return []
    seen = set(result.points["phase"])
    return [(phase, colour) for phase, colour in PHASE_COLOURS.items() if phase in seen]


def _bars(
    values: Mapping[str, float], unit: str, used: str | None, decimals: int | None = None
) -> list[dict[str, Any]]:
    """Return bars with their numbers: to the decimals given, to two digits otherwise."""
    top = max((abs(v) for v in values.values()), default=0.0) or 1.0
    return [
        {
            "name": name,
            "text": f"{value:.2g} {unit}" if decimals is None else f"{value:.{decimals}f} {unit}",
            "length": round(BAR_LENGTH * abs(value) / top, 1),
            "used": name == used,
        }
        for name, value in values.items()
    ]


def _area_models(result: Result) -> list[dict[str, Any]]:
    by_model = result.summary.get("critical_stress_by_area_model_MPa") or {}
    numbers = {str(k): float(v) for k, v in by_model.items() if v is not None}
    u = float(result.summary.get("u_critical_stress_MPa") or 0.0)
    decimals = max(0, 1 - math.floor(math.log10(u))) if u > 0 else 1
    return _bars(numbers, "MPa", result.summary.get("area_model"), decimals)


def _budget(result: Result) -> list[dict[str, Any]]:
    budget = result.summary.get("uncertainty_budget") or {}
    numbers = {
        str(k): 100 * float(v)
        for k, v in budget.items()
        if isinstance(v, int | float) and np.isfinite(v) and v > 0
    }
    if not numbers:
        return []
    numbers["all together"] = float(np.hypot.reduce(list(numbers.values())))
    return _bars(numbers, "%", "all together")


def _provenance(result: Result, movie: Movie) -> list[tuple[str, str]]:
    e, info = result.experiment, movie.info
    c, lever = e.calibration, e.cantilever
    rows = [("pixel size", value_words(c.scale_nm_per_px, c.u_scale_nm_per_px, "nm"))]
    if lever is not None:
        k = value_words(lever.stiffness_N_per_m, lever.u_stiffness_N_per_m, "N/m")
        rows.append(("stiffness", k))
        if lever.tilt_deg:
            rows.append(("cantilever tilt", f"{lever.tilt_deg:g}°"))
    angle = value_words(result.axis.angle_deg, result.axis.u_angle_deg)
    rows += [
        ("loading axis", f"{angle}° from straight up, clockwise"),
        ("movie", str(movie.path.name if movie.path else "array")),
        ("frames", f"{len(movie)}, {info.width_px} × {info.height_px} px, {info.bit_depth} bit"),
        ("file", f"{info.format} {info.codec}".strip()),
    ]
    digest = movie.sha256()
    if digest is not None:
        rows.append(("SHA-256", digest))
    rows += [
        ("tem_track", metadata.version("tem-track")),
        ("Python", platform.python_version()),
        ("libraries", ", ".join(f"{n} {metadata.version(n)}" for n in ("numpy", "scipy", "av"))),
    ]
    return rows


def _stills_note(stills: Stills, count: int) -> str:
    note = f"Pictures: {stills.width_px} × {stills.height_px} px"
    if stills.recipe.sigma_px:
        note += f", smoothed by {stills.recipe.sigma_px:g} px to keep the file small"
    if len(stills.rows) < count:
        note += (
            f"; {len(stills.rows)} of {count} frames have their picture, the others show the"
            " nearest one and say so. All points are here"
        )
    return note + ". Measurements were made on the movie itself, not on these pictures."

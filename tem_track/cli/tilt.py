"""Stills at several tilts: a specimen's section, and its bow towards the beam."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tem_track.cli.arguments import Json, numbers
from tem_track.cli.printing import print_rows, warn

__all__ = ["bow", "cross_section"]


class SectionModel(StrEnum):
    """Shapes of a section."""

    ellipse = "ellipse"
    rectangle = "rectangle"


def cross_section(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...")],
    angles: Annotated[str, typer.Option(metavar="A,B,...", help="Tilt of each image, degrees.")],
    box: Annotated[
        str, typer.Option(metavar="X,Y,W,H", help="Around a piece of it; default: the image.")
    ] = "",
    axis_deg: Annotated[float, typer.Option(help="Long axis, from straight up.")] = 0.0,
    model: Annotated[SectionModel, typer.Option()] = SectionModel.ellipse,
    movie_angle_deg: Annotated[float, typer.Option(help="Tilt of the movie.")] = 0.0,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="For [specimen] section.")
    ] = Path("section.json"),
    as_json: Json = False,
) -> None:
    """Fit a section to a tilt series; the experiment can name its result."""
    from tem_track.outputs.files import write_text
    from tem_track.records import Box
    from tem_track.tilt_series import measure_tilt_series, section_json

    corners = _corners(box)
    series = measure_tilt_series(
        images,
        numbers(angles, "--angles"),
        box=Box(*corners) if corners else None,
        axis_deg=axis_deg,
        model=model.value,
        movie_angle_deg=movie_angle_deg,
    )
    write_text(output, section_json(series))
    if as_json:
        print(section_json(series), end="")
    else:
        print_rows(
            [
                ("area over the round one", f"{series.area_ratio:.3f} ± {series.u_area_ratio:.3f}"),
                ("widths", ", ".join(f"{width:.1f} px" for width in series.widths_px)),
                ("section", f"{series.section.major:.1f} x {series.section.minor:.1f} px"),
                ("written", str(output)),
            ]
        )
    warn(list(series.section.warnings))


def bow(
    images: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGES...", help="Before at A and at B, after at A and at B."),
    ],
    angles: Annotated[str, typer.Option(metavar="A,B", help="The two tilts, degrees.")],
    box: Annotated[
        str, typer.Option(metavar="X,Y,W,H", help="From end to end; default: the image.")
    ] = "",
    axis_deg: Annotated[float, typer.Option(help="Long axis, from straight up.")] = 0.0,
    as_json: Json = False,
) -> None:
    """How a test has bent a specimen, towards the beam too, from two tilts before and after."""
    from tem_track.records import Box
    from tem_track.tilt_series import bow_json, measure_out_of_plane_bow

    corners, half = _corners(box), len(images) // 2
    found = measure_out_of_plane_bow(
        images[:half],
        images[half:],
        numbers(angles, "--angles"),
        box=Box(*corners) if corners else None,
        axis_deg=axis_deg,
    )
    if as_json:
        print(bow_json(found), end="")
        return
    rows = (
        ("in the plane", found.in_plane, found.u_in_plane),
        ("out of the plane", found.out_of_plane, found.u_out_of_plane),
    )
    print_rows([(name, f"{value:.2f} ± {u:.2f} px") for name, value, u in rows])


def _corners(box: str) -> list[float]:
    corners = numbers(box, "--box")
    if corners and len(corners) != 4:
        raise typer.BadParameter(f"{box!r} is not X,Y,W,H", param_hint="--box")
    return corners

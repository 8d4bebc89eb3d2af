"""Closed formulas."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tem_track.cli.arguments import Json
from tem_track.cli.printing import print_json, print_rows
from tem_track.constants import FARADAY_C_PER_MOL

__all__ = ["calc"]


calc = typer.Typer(help="The paper's closed formulas.", no_args_is_help=True)

MolarVolume = Annotated[
    float, typer.Option("--molar-volume-cm3-per-mol", help="Li 13, Na 23.7 in the paper.")
]
Faraday = Annotated[
    float, typer.Option("--faraday-C-per-mol", help="CODATA; the paper rounds it to 96500.")
]


@calc.command("ecm-stress")
def calc_ecm_stress(
    overpotential_mV: Annotated[float, typer.Option("--overpotential-mV")],
    molar_volume: MolarVolume,
    faraday: Faraday = FARADAY_C_PER_MOL,
    as_json: Json = False,
) -> None:
    """Stress that an overpotential can build up: F dphi / V_m (equation 3)."""
    from tem_track.mechanics import ecm_stress

    _answer(ecm_stress(overpotential_mV, molar_volume, faraday), as_json)


@calc.command("critical-overpotential")
def calc_critical_overpotential(
    stress_MPa: Annotated[float, typer.Option("--stress-MPa")],
    molar_volume: MolarVolume,
    faraday: Faraday = FARADAY_C_PER_MOL,
    as_json: Json = False,
) -> None:
    """Overpotential that builds up a stress: equation 3 backwards."""
    from tem_track.mechanics import critical_overpotential

    _answer(critical_overpotential(stress_MPa, molar_volume, faraday), as_json)


@calc.command("fracture-stress")
def calc_fracture_stress(
    toughness: Annotated[float, typer.Option("--toughness-MPa-sqrt-m")],
    flaw_um: Annotated[float, typer.Option("--flaw-um", help="The whole size, not half of it.")],
    as_json: Json = False,
) -> None:
    """Fracture stress of a flawed solid: K / sqrt(pi a) (equation 4)."""
    from tem_track.mechanics import fracture_stress

    _answer(fracture_stress(toughness, flaw_um), as_json)


@calc.command("contact-radius")
def calc_contact_radius(
    diameter_nm: Annotated[float, typer.Option("--diameter-nm", help="Before loading.")],
    deformation_nm: Annotated[float, typer.Option("--deformation-nm", help="Loss of height.")],
    force_nN: Annotated[float | None, typer.Option("--force-nN")] = None,
    as_json: Json = False,
) -> None:
    """Contact radius of a flattened particle by equations 1 and 2, and its stress."""
    from tem_track.mechanics import contact_radius

    _answer(contact_radius(diameter_nm, deformation_nm, force_nN), as_json)


@calc.command("rod-stress")
def calc_rod_stress(
    force_nN: Annotated[float, typer.Option("--force-nN")],
    diameter_nm: Annotated[float, typer.Option("--diameter-nm")],
    as_json: Json = False,
) -> None:
    """Stress of a round rod: F / (pi/4 d^2)."""
    from tem_track.mechanics import rod_stress

    _answer(rod_stress(force_nN, diameter_nm), as_json)


def _answer(values: Any, as_json: bool) -> None:
    if as_json:
        print_json(values)
    else:
        print_rows([(name, f"{value:.6g}") for name, value in values.items() if value is not None])

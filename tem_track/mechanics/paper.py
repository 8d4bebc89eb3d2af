"""Every figure of the paper that can be recalculated, beside the program's answer.

Liu et al., "In Situ Observation of Sodium Dendrite Growth and Concurrent Mechanical Property
Measurements Using an Environmental Transmission Electron Microscopy-Atomic Force Microscopy
(ETEM-AFM) Platform". The supporting tables hold the force of no single frame, so formulas and
totals can be checked, curves cannot.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from tem_track.mechanics.bending import euler_load_nN
from tem_track.mechanics.calc import (
    contact_radius,
    critical_overpotential,
    ecm_stress,
    fracture_stress,
    rod_stress,
)
from tem_track.mechanics.corrections import sink_in_nm

__all__ = ["COMPARISONS", "Comparison", "paper_comparison"]

_FARADAY = 9.65e4
"""C/mol, as the paper rounds it."""
_LI, _NA = 13.0, 23.7
"""Molar volumes, cm3/mol, as the paper gives them."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One line of the comparison.

    Attributes
    ----------
    where : str
        Place in the paper.
    what : str
        Quantity and input.
    printed : str
        As the paper has it.
    ours : callable
        Returns the program's value.
    unit : str
    verdict : str
    remark : str
    """

    where: str
    what: str
    printed: str
    ours: Callable[[], float]
    unit: str
    verdict: str
    remark: str


def _rod(force_nN: float, diameter_nm: float) -> Callable[[], float]:
    return lambda: float(rod_stress(force_nN, diameter_nm)["stress_MPa"] or math.nan)


def _diameter(force_nN: float, stress_MPa: float) -> Callable[[], float]:
    return lambda: math.sqrt(force_nN / (stress_MPa * 1e-3) * 4 / math.pi)


def _force(stress_MPa: float, diameter_nm: float) -> float:
    return stress_MPa * 1e-3 * math.pi / 4 * diameter_nm**2


def _ecm(volume: float, potential_mV: float = 100.0) -> Callable[[], float]:
    return lambda: ecm_stress(potential_mV, volume, _FARADAY)["ecm_stress_MPa"]


def _overpotential(stress_MPa: float, volume: float) -> Callable[[], float]:
    return lambda: critical_overpotential(stress_MPa, volume, _FARADAY)["critical_overpotential_mV"]


def _fracture(toughness: float, flaw_um: float) -> Callable[[], float]:
    return lambda: fracture_stress(toughness, flaw_um)["fracture_stress_MPa"]


def _mook_ratio() -> float:
    both = contact_radius(1110.0, 111.0)
    first, second = both["contact_radius_equation_1_nm"], both["contact_radius_equation_2_nm"]
    assert isinstance(first, float)
    assert isinstance(second, float)
    return (second / first) ** 2


def _mook(equation: int, share: float) -> float:
    """Contact radius over the particle's at a deformation of so much of its diameter."""
    both = contact_radius(2.0, 2.0 * share)
    radius = both[f"contact_radius_equation_{equation}_nm"]
    assert isinstance(radius, float)
    return radius


def _particle_force(stress_MPa: float, diameter_nm: float, share: float) -> float:
    """Force in nN for a stress on the contact area of equation 1."""
    return stress_MPa * 1e-3 * math.pi * (diameter_nm / 2 * _mook(1, share)) ** 2


def _smallest(*groups: str) -> Callable[[], float]:
    return lambda: min(stress for g in groups for _, stress in _TABLE_1[g][1])


def _largest(*groups: str) -> Callable[[], float]:
    return lambda: max(stress for g in groups for _, stress in _TABLE_1[g][1])


_ROD, _BALL, _PULLED = "Na rod, compression", "Na particle, compression", "Na rod, tension"
_CARBONATE = ("Na2CO3 hollow sphere", "Na2CO3 pillar")


def _constant(value: float) -> Callable[[], float]:
    return lambda: value


COMPARISONS: tuple[Comparison, ...] = (
    Comparison("Fig. 4", "deflection at 3.6 uN, k = 6 N/m", "-", _constant(3600 / 6), "nm",
               "consistent", "3.6, 4.02 and 0.42 uN are all multiples of 10 nm of deflection"),
    Comparison("Fig. 4", "stress at 3.6 uN on the initial 355 nm", "36", _rod(3600, 355), "MPa",
               "agrees", "the paper says 'maximum diameter', but this is the initial one"),
    Comparison("Fig. 4", "stress at 3.6 uN on the final 385 nm", "36", _rod(3600, 385), "MPa",
               "contradicts", "385 nm is the largest diameter; 36 MPa does not belong to it"),
    Comparison("Fig. 4", "contact diameter for 120 MPa at 3.6 uN", "-", _diameter(3600, 120), "nm",
               "not printed", "the contact diameter can only be calculated backwards"),
    Comparison("Fig. 4", "engineering strain 776 to 678 nm", "-",
               _constant((776 - 678) / 776), "1", "not quoted", "after the test"),
    Comparison("Fig. 4", "true strain 776 to 678 nm", "-", _constant(math.log(776 / 678)), "1",
               "not quoted", "after the test"),
    Comparison("Fig. 4", "volume ratio of the cylinders (355, 776) and (385, 678)", "-",
               _constant(385**2 * 678 / (355**2 * 776)), "1", "kept",
               "2.8 %: a diameter error of 1.4 % explains it"),
    Comparison("Fig. 4", "isochoric diameter at 678 nm", "-",
               _constant(355 * math.sqrt(776 / 678)), "nm", "not quoted",
               "385 nm was measured: the rod barrels"),
    Comparison("Fig. 4", "true stress at 3.6 uN, were the length 678 nm there", "-",
               _rod(3600, 355 * math.sqrt(776 / 678)), "MPa", "not printed",
               "the length at the largest force is not printed"),
    Comparison("Fig. 4", "Euler load, E = 1.3 GPa, one end free", "-",
               lambda: euler_load_nN(1.3, 355, 776), "nN", "near the 3.6 uN",
               "bending is plausible if the end is free"),
    Comparison("Fig. 4", "Euler load, E = 3.5 GPa, one end free", "-",
               lambda: euler_load_nN(3.5, 355, 776), "nN", "far above", ""),
    Comparison("Fig. 4", "sink-in of the base at 3.6 uN, E = 3.9 GPa, nu = 0.32", "-",
               lambda: float(sink_in_nm(np.array([3600.0]), 355, 3.9, 0.32)[0]), "nm",
               "not quoted", "a third of the column's own elastic shortening"),
    Comparison("Fig. 4", "elastic strain at 100 MPa, E = 1.3 GPa", "-", _constant(0.1 / 1.3), "1",
               "not quoted", ""),
    Comparison("Fig. 4", "elastic strain at 100 MPa, E = 3.5 GPa", "-", _constant(0.1 / 3.5), "1",
               "not quoted", ""),
    Comparison("text", "Poisson's ratio from G = 1.53, E = 3.9 GPa", "-",
               _constant(3.9 / (2 * 1.53) - 1), "1", "fair", "0.32 would need E = 4.04 GPa"),
    Comparison("text", "duration of 12.6 % strain at 1.7e-3 per s", "-",
               _constant(98 / 776 / 1.7e-3), "s", "not checkable", "frame times are not printed"),
    Comparison("Fig. 7g-j", "pillar, 4.02 uN on 140 nm", "261", _rod(4020, 140), "MPa", "agrees",
               ""),
    Comparison("Fig. 7l-o", "pillar, 0.42 uN on 40 nm", "336", _rod(420, 40), "MPa",
               "within rounding", "39.89 nm gives 336"),
    Comparison("eq. 1, 2", "area by eq. 2 over eq. 1 at 10 %", "-", _mook_ratio, "1",
               "jumps", "the two never meet; the program marks MOOK_LIMIT and sees no load drop"),
    Comparison("eq. 1", "contact over particle radius at 10 %", "-", lambda: _mook(1, 0.1), "1",
               "not quoted", "a sphere cut off on both sides"),
    Comparison("eq. 2", "contact over particle radius at 10 %", "-", lambda: _mook(2, 0.1), "1",
               "not quoted", "a cylinder of the same volume"),
    Comparison("eq. 2", "contact over particle radius without deformation", "-",
               lambda: _mook(2, 0.0), "1", "not meant", "a contact without a load"),
    *(Comparison("Table 1", f"force for 97 MPa on 1110 nm at {share:.0%}, eq. 1", "-",
                 partial(_particle_force, 97, 1110, share), "nN", "not printed", "")
      for share in (0.02, 0.05, 0.10)),
    Comparison("Fig. 7", "deflection at 4.02 uN, k = 6 N/m", "-", _constant(4020 / 6), "nm",
               "consistent", ""),
    Comparison("Fig. 7", "deflection at 0.42 uN, k = 6 N/m", "-", _constant(420 / 6), "nm",
               "consistent", ""),
    Comparison("Fig. 6", "tension, 313 nm at 3 N/m on 196 nm", "95", _rod(939, 196), "MPa",
               "contradicts", "both `initial` and `min` are printed; nothing is tuned to 95"),
    Comparison("Fig. 6", "neck diameter for 95 MPa at 0.939 uN", "-", _diameter(939, 95), "nm",
               "not printed", "a neck of 33 % of the area would explain 95 MPa"),
    Comparison("Fig. 8", "force for 692 MPa on 242 nm projected", "-",
               _constant(_force(692, 242)), "nN", "implausible",
               "5.3 um of lever travel at 6 N/m; eq. 1 on the outer radius is likelier"),
    Comparison("Fig. 1", "aspect ratio 825 / 260", "3.2", _constant(825 / 260), "1", "agrees", ""),
    Comparison("Fig. 2", "aspect ratio 742 / 309", "2.40", _constant(742 / 309), "1", "agrees",
               ""),
    Comparison("Fig. 1", "mean growth, 825 nm in 665 s", "-", _constant(825 / 665), "nm/s",
               "not quoted", ""),
    Comparison("Fig. 1", "the same as a volume, 260 nm wide", "-",
               _constant(math.pi / 4 * 260**2 * 825 / 665), "nm3/s", "not quoted", ""),
    Comparison("Fig. 1", "the same as a current", "-",
               _constant(math.pi / 4 * 260**2 * 825 / 665 * 1e-21 / _NA * _FARADAY * 1e12), "pA",
               "not quoted", "one electron an ion"),
    Comparison("eq. 3", "Li, 100 mV, 13 cm3/mol", "750", _ecm(_LI), "MPa", "contradicts",
               "by 1.0 %; 12.87 cm3/mol would give 750"),
    Comparison("eq. 3", "Na, 100 mV, 23.7 cm3/mol", "412", _ecm(_NA), "MPa", "contradicts",
               "by 1.2 %; 23.42 cm3/mol would give 412"),
    Comparison("eq. 3", "Na, overpotential for 357 MPa", "86.7", _overpotential(357, _NA), "mV",
               "within 1.2 %", "agrees with 412 MPa per 100 mV, not with 23.7 cm3/mol"),
    Comparison("eq. 3", "Na, overpotential for 357 MPa at 4.12 MPa per mV", "86.7",
               _constant(357 / 4.12), "mV", "agrees", "the paper used its own rounded 412 MPa"),
    Comparison("eq. 4", "LLZO, 1 MPa sqrt(m), 5 um", "150", _fracture(1, 5), "MPa", "contradicts",
               "likely a misprint of 250: 33 mV at 7.5 MPa/mV is 250 MPa"),
    Comparison("eq. 3", "Li, overpotential for 250 MPa", "33", _overpotential(250, _LI), "mV",
               "agrees", "with 250 MPa; 150 MPa would need 20 mV"),
    Comparison("eq. 4", "beta-alumina, 2 MPa sqrt(m), 10 um", "357", _fracture(2, 10), "MPa",
               "agrees", "the flaw size is the whole length"),
    Comparison("eq. 4", "beta-alumina, 2 MPa sqrt(m), 500 nm", "798", _fracture(2, 0.5), "MPa",
               "contradicts", "by a factor of two: 798 MPa is 1 MPa sqrt(m) at 500 nm"),
    Comparison("eq. 4", "1 MPa sqrt(m), 500 nm", "798", _fracture(1, 0.5), "MPa", "agrees",
               "LLZO's toughness, then"),
    Comparison("eq. 3", "Na, overpotential for 798 MPa", "> 100", _overpotential(798, _NA), "mV",
               "true, but far above", "fits Li (107 mV), not Na"),
    Comparison("eq. 3", "Li, overpotential for 798 MPa", "> 100", _overpotential(798, _LI), "mV",
               "agrees", ""),
    Comparison("text", "room temperature over melting, Na", "0.8", _constant(298.15 / 371), "1",
               "agrees", ""),
    Comparison("text", "room temperature over melting, Li", "0.65", _constant(298.15 / 453.65),
               "1", "agrees", ""),
    Comparison("Fig. 4", "area share of a 14 nm layer on 355 nm", "-",
               _constant(1 - (355 - 28) ** 2 / 355**2), "1", "not quoted",
               "the layer carries load: core and outer areas are both printed"),
    Comparison("Fig. 5", "area share of a 14 nm layer on 235 nm", "-",
               _constant(1 - (235 - 28) ** 2 / 235**2), "1", "not quoted", ""),
    Comparison("Fig. 6", "area share of a 2 nm layer on 196 nm", "-",
               _constant(1 - (196 - 4) ** 2 / 196**2), "1", "not quoted", ""),
    Comparison("text", "a nanotube from 20 to 28 nm", "-", _constant(28 / 20), "1", "not quoted",
               "in width; in area 1.96"),
    Comparison("text", "bulk strength that 203 MPa is 300 times of", "-", _constant(203 / 300),
               "MPa", "not checkable", "the reference is not named"),
    Comparison("Table 1", "smallest stress, rods in compression", "36", _smallest(_ROD), "MPa",
               "contradicts", "the range mixes two area definitions"),
    Comparison("Table 1", "largest stress, rods in compression", "131", _largest(_ROD), "MPa",
               "agrees", ""),
    Comparison("Table 1", "smallest stress, particles", "92", _smallest(_BALL), "MPa", "agrees",
               ""),
    Comparison("Table 1", "largest stress, particles", "174", _largest(_BALL), "MPa", "agrees",
               ""),
    Comparison("Table 1", "smallest stress in tension", "95", _smallest(_PULLED), "MPa", "agrees",
               ""),
    Comparison("Table 1", "largest stress of Na", "203", _largest(_ROD, _BALL, _PULLED), "MPa",
               "agrees", "the abstract says > 203"),
    Comparison("Table 1", "smallest stress of Na2CO3", "261", _smallest(*_CARBONATE), "MPa",
               "agrees", ""),
    Comparison("Table 1", "largest stress of Na2CO3", "692", _largest(*_CARBONATE), "MPa",
               "agrees", ""),
    Comparison("Table 1", "smallest stress of Na", "36", _smallest(_ROD, _BALL, _PULLED), "MPa",
               "contradicts", "the table's smallest entry is 92; the 36 MPa rod is not in it"),
)  # fmt: skip


def paper_comparison() -> str:
    """Return the comparison as Markdown; `docs/paper.md` is exactly this text."""
    lines = [
        "# The paper's figures beside the program's",
        "",
        "Generated by `python -m tem_track.mechanics.paper`. Liu et al., *In Situ Observation of "
        "Sodium Dendrite Growth and Concurrent Mechanical Property Measurements Using an "
        "Environmental Transmission Electron Microscopy-Atomic Force Microscopy (ETEM-AFM) "
        "Platform*.",
        "",
        "Every figure that can be recalculated from printed inputs is here. The force of single "
        "frames is printed nowhere, so most rows of Table 1 have no force to compare with.",
        "",
        "| where | what | paper | program | verdict | remark |",
        "|---|---|---|---|---|---|",
        *(_line(item) for item in COMPARISONS),
        "",
        *_table_1(),
        *_DECISIONS,
        "",
    ]
    return "\n".join(lines)


_TABLE_1: dict[str, tuple[float, tuple[tuple[float, float], ...]]] = {
    "Na rod, compression": (6.0, ((235, 113), (253, 131), (247, 106), (361, 111), (322, 126))),
    "Na particle, compression": (6.0, ((1110, 97), (404, 139), (655, 151), (659, 174), (878, 92))),
    "Na rod, tension": (3.0, ((435, 110), (495, 203), (423, 187), (379, 151), (196, 95))),
    "Na2CO3 hollow sphere": (6.0, ((524, 303), (724, 367), (657, 660), (242, 692), (772, 348))),
    "Na2CO3 pillar": (6.0, ((140, 261), (45, 317), (53, 455), (40, 336), (150, 511))),
}
"""Table 1: stiffness (N/m, printed for one specimen of a group at most), (nm, MPa)."""


def _table_1() -> list[str]:
    lines = [
        "## Table 1",
        "",
        "The force and the lever's travel that each entry would need if the listed diameter were "
        "the stress area. Travels of many um are implausible for such a lever: the listed diameter "
        "is then not the stress area. Only the pillars of 140 and 40 nm have a printed force.",
        "",
        "| group | diameter (nm) | stress (MPa) | force (uN) | travel (nm) |",
        "|---|---|---|---|---|",
    ]
    for group, (stiffness, rows) in _TABLE_1.items():
        for diameter, stress in rows:
            force = _force(stress, diameter)
            lines.append(
                f"| {group} | {diameter:g} | {stress:g} | {force / 1000:.4g} "
                f"| {force / stiffness:.4g} |"
            )
    return [*lines, ""]


def _line(item: Comparison) -> str:
    unit = "" if item.unit == "1" else f" {item.unit}"
    ours = f"{item.ours():.5g}{unit}"
    printed = item.printed if item.printed == "-" else f"{item.printed}{unit}"
    cells = (item.where, item.what, printed, ours, item.verdict, item.remark)
    return "| " + " | ".join(cells) + " |"


_DECISIONS = (
    "## What the program does about it",
    "",
    "- A compressed rod's default area is `initial`: it is the one that fits the paper's 36 MPa. "
    "All other areas are printed beside it; the choice is a bracket, not an uncertainty.",
    "- Equation 1 holds up to and including a deformation of 10 % of the diameter, equation 2 "
    "above. `mook_equation` says which in every row, `MOOK_LIMIT` marks the neighbourhood of the "
    "switch, and drops are looked for in the force, so the switch cannot make one.",
    "- In tension both the initial area and the neck's are printed.",
    "- Hollow spheres have `mook` on the outer radius and `projected`.",
    "- Equations 3 and 4 are the formulas as printed, with CODATA's Faraday constant by default "
    "and the molar volume as an argument. This page uses the paper's 9.65e4 C/mol.",
)


def main() -> None:
    """Write the comparison to `docs/paper.md` below the working directory."""
    from pathlib import Path

    Path("docs").mkdir(exist_ok=True)
    Path("docs/paper.md").write_text(paper_comparison(), encoding="utf-8")


if __name__ == "__main__":
    main()

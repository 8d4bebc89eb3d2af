"""The closed formulas of the paper, with units in the arguments' names.

Source: Liu et al. (docs/paper.md), equations 1 to 4. Faraday's constant is CODATA 2018; the paper
rounds it to 9.65e4 C/mol.
"""

from __future__ import annotations

import math

import numpy as np

from tem_track.constants import FARADAY_C_PER_MOL
from tem_track.errors import ConfigError
from tem_track.mechanics.areas import MOOK_SWITCH, cap_radius_nm, cylinder_radius_nm

__all__ = [
    "contact_radius",
    "critical_overpotential",
    "ecm_stress",
    "fracture_stress",
    "rod_stress",
]


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ConfigError(f"{name}: {value} cannot be used; give a number above zero")


def _zero_or_more(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value >= 0):
            raise ConfigError(f"{name}: {value} cannot be used; give zero or a number above it")


def _finite(**values: float) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise ConfigError(f"{name}: {value} cannot be used; give a finite number")


def ecm_stress(
    overpotential_mV: float,
    molar_volume_cm3_per_mol: float,
    faraday_C_per_mol: float = FARADAY_C_PER_MOL,
) -> dict[str, float]:
    """Return the stress that an overpotential can build up, F dphi / V_m (equation 3), in MPa.

    Assumes one electron per ion and complete confinement. 1 J/cm3 is 1 MPa.

    Parameters
    ----------
    overpotential_mV : float
    molar_volume_cm3_per_mol : float
        13 for Li and 23.7 for Na in the paper.
    faraday_C_per_mol : float
        The paper rounds it to 96500.

    Returns
    -------
    dict of str to float
        ``ecm_stress_MPa``.

    Raises
    ------
    ConfigError
        A value that cannot be used; the message names it.
    """
    _zero_or_more(overpotential_mV=overpotential_mV)
    _positive(
        molar_volume_cm3_per_mol=molar_volume_cm3_per_mol, faraday_C_per_mol=faraday_C_per_mol
    )
    stress = faraday_C_per_mol * overpotential_mV * 1e-3 / molar_volume_cm3_per_mol
    return {"ecm_stress_MPa": stress}


def critical_overpotential(
    stress_MPa: float,
    molar_volume_cm3_per_mol: float,
    faraday_C_per_mol: float = FARADAY_C_PER_MOL,
) -> dict[str, float]:
    """Return the overpotential that builds up a stress, equation 3 backwards, in mV.

    Parameters
    ----------
    stress_MPa : float
    molar_volume_cm3_per_mol : float
        13 for Li and 23.7 for Na in the paper.
    faraday_C_per_mol : float
        The paper rounds it to 96500.

    Returns
    -------
    dict of str to float
        ``critical_overpotential_mV``.

    Raises
    ------
    ConfigError
        A value that cannot be used; the message names it.
    """
    _zero_or_more(stress_MPa=stress_MPa)
    _positive(
        molar_volume_cm3_per_mol=molar_volume_cm3_per_mol, faraday_C_per_mol=faraday_C_per_mol
    )
    return {
        "critical_overpotential_mV": stress_MPa * molar_volume_cm3_per_mol / faraday_C_per_mol * 1e3
    }


def fracture_stress(toughness_MPa_sqrt_m: float, flaw_um: float) -> dict[str, float]:
    """Return the fracture stress of a flawed solid, K / sqrt(pi a) (equation 4), in MPa.

    The geometry factor is 1, and a is the flaw size as the paper uses it: the whole pore size or
    crack length, not half of it.

    Parameters
    ----------
    toughness_MPa_sqrt_m : float
    flaw_um : float

    Returns
    -------
    dict of str to float
        ``fracture_stress_MPa``.

    Raises
    ------
    ConfigError
        A value that cannot be used; the message names it.
    """
    _positive(toughness_MPa_sqrt_m=toughness_MPa_sqrt_m, flaw_um=flaw_um)
    return {"fracture_stress_MPa": toughness_MPa_sqrt_m / math.sqrt(math.pi * flaw_um * 1e-6)}


def contact_radius(
    diameter_nm: float, deformation_nm: float, force_nN: float | None = None
) -> dict[str, float | str | None]:
    """Return a flattened particle's contact radius by equations 1 and 2, and its stress.

    Parameters
    ----------
    diameter_nm : float
        Before loading.
    deformation_nm : float
        Loss of height, both sides together.
    force_nN : float or None
        Gives the stresses too.

    Raises
    ------
    ConfigError
        Where the deformation reaches the diameter.
    """
    _positive(diameter_nm=diameter_nm)
    _zero_or_more(deformation_nm=deformation_nm)
    if deformation_nm >= diameter_nm:
        raise ConfigError(
            f"deformation_nm: {deformation_nm} must be smaller than diameter_nm ({diameter_nm})"
        )
    shortening = np.array([deformation_nm])
    first = float(cap_radius_nm(diameter_nm / 2, shortening)[0])
    second = float(cylinder_radius_nm(diameter_nm / 2, shortening)[0])
    equation = 1 if deformation_nm / diameter_nm <= MOOK_SWITCH * (1 + 1e-12) else 2
    result: dict[str, float | str | None] = {
        "contact_radius_nm": first if equation == 1 else second,
        "mook_equation": equation,
        "contact_radius_equation_1_nm": first,
        "contact_radius_equation_2_nm": second,
    }
    if force_nN is not None:
        _finite(force_nN=force_nN)
        result["stress_equation_1_MPa"] = _stress_MPa(force_nN, math.pi * first**2)
        result["stress_equation_2_MPa"] = _stress_MPa(force_nN, math.pi * second**2)
    return result


def rod_stress(force_nN: float, diameter_nm: float) -> dict[str, float | None]:
    """Return the stress of a round rod, F / (pi/4 d^2), in MPa.

    Parameters
    ----------
    force_nN : float
    diameter_nm : float

    Returns
    -------
    dict of str to float
        ``stress_MPa``.

    Raises
    ------
    ConfigError
        A value that cannot be used; the message names it.
    """
    _positive(diameter_nm=diameter_nm)
    _finite(force_nN=force_nN)
    return {"stress_MPa": _stress_MPa(force_nN, math.pi / 4 * diameter_nm**2)}


def _stress_MPa(force_nN: float, area_nm2: float) -> float | None:
    return force_nN / area_nm2 * 1e3 if area_nm2 > 0 else None

"""The scenes there are: what each shows and what its seed chooses."""

from __future__ import annotations

from dataclasses import dataclass

from tem_track.errors import ConfigError
from tem_track.records import Mode

__all__ = ["SCENARIOS", "Scenario", "find_scenario"]

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of scene.

    Attributes
    ----------
    name, description : str
    mode : {'compression', 'tension', 'growth'}
    shape : {'rod', 'particle', 'pillar', 'hollow_sphere'}
    loaded : bool
        Whether the specimen carries load at any time.
    length_nm, diameter_nm, shell_nm, modulus_GPa : (float, float)
        Ranges from which the seed draws.
    stiffness_N_per_m, final_strain : float
    ends : (float, float)
        Radius at the base and at the tip over the mid radius.
    bend_share : float
        Share of later deformation that becomes bow.
    rate_exponent, hardening : float
        How steeply the flow rate follows the stress, and the hardening over the strength.
    material : str
    """

    name: str
    description: str
    mode: Mode
    shape: str
    loaded: bool = True
    length_nm: Range = (500.0, 740.0)
    diameter_nm: Range = (250.0, 360.0)
    shell_nm: Range = (10.0, 16.0)
    modulus_GPa: Range = (1.3, 3.5)
    stiffness_N_per_m: float = 6.0
    final_strain: float = 0.14
    ends: tuple[float, float] = (1.0, 1.0)
    bend_share: float = 0.0
    rate_exponent: float = 8.0
    hardening: float = 0.35
    material: str = "Na"


_ALL = (
    Scenario(
        "rod_compression",
        "a nanorod is pushed into the tip, yields, barrels and is unloaded",
        "compression",
        "rod",
    ),
    Scenario(
        "rod_bending",
        "a slender nanorod that bows while it is compressed",
        "compression",
        "rod",
        length_nm=(600.0, 700.0),
        diameter_nm=(220.0, 260.0),
        bend_share=0.35,
        final_strain=0.10,
    ),
    Scenario(
        "sphere_compression",
        "a sphere is flattened between counter electrode and tip",
        "compression",
        "particle",
        length_nm=(400.0, 520.0),
        diameter_nm=(400.0, 520.0),
        shell_nm=(14.0, 18.0),
        final_strain=0.22,
    ),
    Scenario(
        "particle_compression",
        "a faceted particle with flat ends is compressed",
        "compression",
        "particle",
        length_nm=(420.0, 540.0),
        diameter_nm=(420.0, 540.0),
        shell_nm=(14.0, 18.0),
        final_strain=0.15,
        ends=(0.62, 0.58),
    ),
    Scenario(
        "pillar_compression",
        "a strongly tapered pillar is compressed and springs back",
        "compression",
        "pillar",
        length_nm=(440.0, 560.0),
        diameter_nm=(130.0, 170.0),
        shell_nm=(0.0, 0.0),
        modulus_GPa=(8.0, 14.0),
        final_strain=0.05,
        ends=(1.35, 0.68),
        material="Na2CO3",
    ),
    Scenario(
        "hollow_sphere_compression",
        "a hollow sphere is flattened between counter electrode and tip",
        "compression",
        "hollow_sphere",
        length_nm=(380.0, 500.0),
        diameter_nm=(380.0, 500.0),
        shell_nm=(60.0, 80.0),
        modulus_GPa=(6.0, 10.0),
        final_strain=0.12,
        material="Na2CO3",
    ),
    Scenario(
        "rod_tension",
        "a nanorod that joins both sides is pulled, necks and breaks",
        "tension",
        "rod",
        length_nm=(430.0, 560.0),
        diameter_nm=(200.0, 280.0),
        shell_nm=(4.0, 8.0),
        stiffness_N_per_m=3.0,
        final_strain=0.3,
        hardening=0.12,
    ),
    Scenario(
        "growth",
        "a ball nucleates and becomes a rod with a thickening shell",
        "growth",
        "rod",
    ),
    Scenario(
        "growth_potential",
        "growth under potential steps: one way when high, all ways when low",
        "growth",
        "rod",
    ),
    Scenario(
        "growth_two_bodies",
        "two bodies nucleate apart, grow, touch and merge",
        "growth",
        "particle",
    ),
    Scenario(
        "growth_nanotube",
        "a nanotube swells from 20 to 28 nm, then a ball nucleates on it and grows",
        "growth",
        "rod",
    ),
    Scenario(
        "approach",
        "the counter electrode brings a nanorod near the tip and never touches it",
        "compression",
        "rod",
        loaded=False,
    ),
    Scenario(
        "drift",
        "nothing is loaded; the whole picture wanders",
        "compression",
        "rod",
        loaded=False,
    ),
)

SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _ALL}
"""Every scenario by its name; hyphens are as good as underscores on the command line."""


def find_scenario(name: str) -> Scenario:
    """Return the scenario of that name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    key = name.strip().lower().replace("-", "_")
    if key not in SCENARIOS:
        raise ConfigError(
            f"simulate: there is no scenario '{name}'; there are {', '.join(SCENARIOS)}"
        )
    return SCENARIOS[key]

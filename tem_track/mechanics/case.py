"""Everything that is known of one movie once its points are calculated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tem_track.mechanics.dimensions import Dimensions
from tem_track.mechanics.events import Drop
from tem_track.mechanics.flags import Flags
from tem_track.mechanics.kinematics import Loading
from tem_track.mechanics.measurement import BoolArray, Measurement
from tem_track.mechanics.settings import Settings
from tem_track.mechanics.stresses import Stress
from tem_track.records import FloatArray

__all__ = ["Case", "Events", "frame_at", "number", "value_at"]

_BELOW = 0.05
"""Share of the largest force that a row may lie below an earlier one and still be on the rise."""
_ENOUGH = 8
"""Rows before the first drop that are enough for an elastic line."""
_SEATED = 3.5
"""Median uncertainties by which the end lines have to move for the seats to count."""

FLAT_FACE = 0.35
"""Face over diameter before loading above which a particle is no sphere."""


@dataclass(frozen=True, slots=True)
class Events:
    """Rows at which something happens; None where it does not.

    Attributes
    ----------
    contact, top, release, fracture, bent, neck : int or None
        First load, largest force, first row without load after it, first broken, bent and
        necked rows.
    holds : list of (int, int)
    drops : list of Drop
    phases : list of str
    """

    contact: int | None
    top: int | None
    release: int | None
    fracture: int | None
    bent: int | None
    neck: int | None
    holds: list[tuple[int, int]]
    drops: list[Drop]
    phases: list[str]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Settings, measurement and curve of one movie.

    Attributes
    ----------
    settings : Settings
    table : Measurement
        The pixels.
    loading : Loading
        Deflection, force and contact.
    sizes : Dimensions
        Length, diameters and what they begin with.
    stresses : dict of Stress
        By area model.
    events : Events
    flags : Flags
    points : dict of arrays, shape (n,)
        The columns of ``points.csv``.
    """

    settings: Settings
    table: Measurement
    loading: Loading
    sizes: Dimensions
    stresses: dict[str, Stress]
    events: Events
    flags: Flags
    points: dict[str, NDArray[Any]]

    @property
    def trusted(self) -> BoolArray:
        """Rows that may enter a property: seen, straight, and not a bad picture."""
        return self.shown & ~self.flags["BENT"]

    @property
    def shown(self) -> BoolArray:
        """Rows that show the whole specimen in a good picture, straight or bent."""
        rows = np.ones(len(self.table), dtype=bool)
        for name in ("BAD_FRAME", "DUPLICATE", "LOW_SCORE", "SPECIMEN_LOST", "BROKEN"):
            rows &= ~self.flags[name]
        return rows

    def loading_rows(self) -> BoolArray:
        """Return the trusted rows from first load to the largest force.

        Bent rows are among them only where hardly any other row is left.
        """
        rows = np.arange(len(self.table))
        if self.events.contact is None or self.events.top is None:
            return np.zeros(len(self.table), dtype=bool)
        branch = (rows >= self.events.contact) & (rows <= self.events.top) & self._on_the_rise()
        straight = self.trusted & branch
        if self.mostly_bent:
            return self.shown & branch
        return straight

    def _on_the_rise(self) -> BoolArray:
        """Rows not far below an earlier force: neither an earlier cycle's unloading nor a slip."""
        force = np.where(np.isfinite(self.loading.force_nN), self.loading.force_nN, -np.inf)
        contact, top = self.events.contact or 0, self.events.top
        highest = np.maximum.accumulate(np.where(np.arange(force.size) < contact, -np.inf, force))
        largest = force[top] if top is not None else 0.0
        room = np.maximum(_BELOW * largest, 4 * np.nan_to_num(self.loading.u_force_nN))
        rise: BoolArray = force >= highest - room
        return rise

    def elastic_rows(self) -> BoolArray:
        """Return the rows in which an elastic line is sought: no hold, nothing after a slip.

        A load drop moves the curve, so what comes after the first one counts only where too
        little comes before it.
        """
        rows = self.loading_rows() & (np.array(self.events.phases) != "hold")
        before = np.arange(rows.size) < min((d.row for d in self.events.drops), default=rows.size)
        known = np.isfinite(self.points["strain_eng"]) & np.isfinite(self.loading.force_nN)
        first: BoolArray = rows & before
        return first if int((first & known).sum()) >= _ENOUGH else rows

    def elastic_strain(self) -> tuple[FloatArray, FloatArray, bool]:
        """Return the strain an elastic line is fitted to, its u, and whether seating is in it.

        The slow part that the end lines add to the length (`seating`) is noise of a tenth of the
        elastic shortening where nothing gives way: it counts only where it is beyond doubt.
        """
        columns, points = self.sizes.columns, self.points
        added, u_added = columns["seated_nm"], columns["u_seated_nm"]
        seating, u_seating = columns["seating_nm"], columns["u_seating_nm"]
        rows = self.elastic_rows() & np.isfinite(seating)
        strain, u = points["strain_eng"], points["u_strain_within"]
        if not rows.any():
            return strain, u, False
        if np.max(np.abs(seating[rows])) > _SEATED * float(np.median(u_seating[rows])):
            return strain, u, True
        sign, length = (-1.0 if self.settings.mode == "compression" else 1.0), self.sizes.length
        tracked = np.sqrt(np.clip((u * length.value_nm) ** 2 - u_added**2, 0, None))
        return strain - sign * added / length.value_nm, tracked / length.value_nm, False

    @property
    def mostly_bent(self) -> bool:
        """Whether the loading branch is bent nearly throughout."""
        contact, top = self.events.contact, self.events.top
        if contact is None or top is None:
            return False
        straight = int(self.trusted[contact : top + 1].sum())
        return straight < min(8, int(self.shown[contact : top + 1].sum()))

    @property
    def flat_faces(self) -> bool:
        """Whether a particle meets the plates with faces that no round body has at first touch."""
        faces = min(self.sizes.ends_nm)
        return bool(faces > FLAT_FACE * self.sizes.diameter.value_nm)

    def modulus_area_nm2(self) -> float:
        """Area for elastic strain: the initial circle, of a pillar the cone's d_tip d_base."""
        return self._elastic_area(self.sizes.diameter.value_nm, *self.sizes.ends_nm)

    def area_at_nm2(self, row: int) -> float:
        """Area for elastic strain in one frame, as `modulus_area_nm2` has it before loading."""
        names = ("diameter_mid_nm", "diameter_tip_nm", "diameter_base_nm")
        return self._elastic_area(*(float(self.points[name][row]) for name in names))

    def _elastic_area(self, mid_nm: float, tip_nm: float, base_nm: float) -> float:
        square = mid_nm**2
        if self.settings.shape == "pillar" and tip_nm * base_nm > 0:
            square = tip_nm * base_nm
        return math.pi / 4 * square * self.settings.section_area_ratio


def number(value: float) -> float | None:
    """Return a finite number, None for anything else: JSON has no NaN."""
    return float(value) if math.isfinite(value) else None


def value_at(values: NDArray[Any], row: int | None) -> float | None:
    """Return the value in a row, None without one."""
    return None if row is None else number(float(values[row]))


def frame_at(table: Measurement, row: int | None) -> int | None:
    """Return the frame number of a row."""
    return None if row is None else int(table.frame[row])

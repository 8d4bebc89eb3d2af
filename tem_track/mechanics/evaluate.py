"""The composition: a table of pixels and the settings become points and a summary."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tem_track.errors import ConfigError
from tem_track.mechanics.areas import Mook, area_models
from tem_track.mechanics.bending import surely_bent
from tem_track.mechanics.case import Case, Events
from tem_track.mechanics.columns import COLUMNS
from tem_track.mechanics.dimensions import Dimensions, dimensions
from tem_track.mechanics.displacements import motion_px
from tem_track.mechanics.drift_left import drift_left_nm
from tem_track.mechanics.events import (
    find_drops,
    first_for_good,
    first_lasting,
    first_of_many,
    largest,
    let_go,
    loses_load,
)
from tem_track.mechanics.flags import FLAGS, Flags, measured_flags
from tem_track.mechanics.kinematics import Loading, load, nm_per_px
from tem_track.mechanics.measurement import BoolArray, Measurement, read_measurement
from tem_track.mechanics.neck import neck_mask
from tem_track.mechanics.phases import Course, find_phases
from tem_track.mechanics.settings import Settings
from tem_track.mechanics.stresses import Stress, stress
from tem_track.mechanics.summary import summarise
from tem_track.records import Axis, FloatArray

__all__ = ["Evaluation", "evaluate"]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The mechanics of one movie.

    Attributes
    ----------
    points : dict of str to array
        The columns of `points.csv` in their order, one row a frame; NaN is an empty cell.
    summary : dict
        What `summary.json` holds of the mechanics; None where there is nothing.
    warnings : tuple of str
        The same as in the summary.
    """

    points: dict[str, NDArray[Any]]
    summary: dict[str, Any]
    warnings: tuple[str, ...]


def evaluate(measurement: Mapping[str, NDArray[Any]], settings: Settings) -> Evaluation:
    """Calculate deflection, force, strain, stress and properties from positions in pixels.

    Parameters
    ----------
    measurement : mapping of str to array
        Equally long columns, as in `measurement.csv`.
    settings : Settings

    Returns
    -------
    Evaluation
        Points, summary and warnings.

    Raises
    ------
    ConfigError
        Where a setting or the table cannot be used; the message says how to mend it.
    """
    settings = settings.checked()
    table = read_measurement(measurement)
    # What was not measured is NaN and stays NaN through all formulas.
    with np.errstate(all="ignore"):
        return _evaluated(table, settings)


def _evaluated(table: Measurement, settings: Settings) -> Evaluation:
    flags = measured_flags(table, settings.shape is not None)
    usable = ~(flags["BAD_FRAME"] | flags["DUPLICATE"] | flags["LOW_SCORE"])
    loading = load(table, settings, usable & ~flags["BROKEN"])
    sizes = dimensions(table, settings, loading, usable)
    _neck(flags, settings, sizes, table.load_sought)
    _bend(flags, settings, sizes)
    events = _events(table, loading, sizes, flags, usable, settings)
    sizes = sizes.without(flags["BROKEN"])
    loading = _with_drift_left(table, settings, loading, events, usable)
    stresses = _stresses(settings, sizes, loading, flags, np.array(events.phases))
    points = _points(table, settings, loading, sizes, stresses)
    points |= _closure(table, settings, loading, sizes, events)
    _late_flags(flags, points, events, settings)
    points["phase"] = np.array(events.phases, dtype=object)
    points["flags"] = _joined(flags, len(table))
    _check_strain(points, settings)
    case = Case(settings, table, loading, sizes, stresses, events, flags, points)
    summary = summarise(case)
    ordered = {name: points[name] for name in COLUMNS}
    return Evaluation(ordered, summary, tuple(summary["warnings"]))


def _neck(flags: Flags, settings: Settings, sizes: Dimensions, load_sought: bool) -> None:
    """Add the frames whose smallest width fell significantly, in tension.

    Between ends that are not known the middle of the box may lie in the neck itself; then the
    outline's own word counts, which compares the smallest with the largest width.
    """
    if settings.mode != "tension" or settings.shape is None:
        return
    smallest, mid = sizes.columns["diameter_min_nm"], sizes.columns["diameter_mid_nm"]
    whole = ~(flags["BROKEN"] | flags["SPECIMEN_LOST"])
    mask = whole & neck_mask(
        smallest, mid, sizes.columns["u_diameter_min_nm"], sizes.columns["u_diameter_mid_nm"]
    )
    if not load_sought:
        mask = mask | (whole & flags["NECK"])
    first = first_for_good(mask, whole & np.isfinite(smallest / mid))
    rows = np.arange(mask.size)
    # A neck does not heal: what the outline calls one before, or where none stays, is noise.
    flags["NECK"] = (flags["NECK"] | mask) & (first is not None and rows >= first)


def _bend(flags: Flags, settings: Settings, sizes: Dimensions) -> None:
    """Keep as bent the whole columns whose bow is beyond doubt; a sphere has no bow."""
    columns = sizes.columns
    sure = surely_bent(columns["bow_nm"], columns["u_bow_nm"], columns["diameter_mid_nm"])
    if settings.shape not in ("rod", "pillar"):
        sure[:] = False
    flags["BENT"] = flags["BENT"] & sure & ~flags["BROKEN"]


def _events(
    table: Measurement,
    loading: Loading,
    sizes: Dimensions,
    flags: Flags,
    usable: BoolArray,
    settings: Settings,
) -> Events:
    contact, n = loading.contact.row, len(table)
    seen = usable & ~table.tip_missed & ~flags["SPECIMEN_LOST"]
    fracture = _fracture(table, loading, flags, usable, settings)
    _settle_broken(flags, fracture, np.isfinite(sizes.columns["length_nm"]), settings)
    bent = first_of_many(flags["BENT"], seen)
    neck = first_lasting(flags["NECK"])
    for name, row in (("BENT", bent), ("NECK", neck)):
        # What no later frame confirms is noise: the first flagged frame is the event.
        flags[name] &= row is not None and np.arange(n) >= row
    if not table.load_sought:
        broken = np.arange(n) >= (n if fracture is None else fracture)
        names = ["broken" if row else "" for row in broken]
        return Events(None, None, None, fracture, bent, neck, [], [], names)
    if contact is None and settings.shape is not None:
        return Events(None, None, None, fracture, bent, neck, [], [], ["approach"] * n)
    rows = np.arange(n)
    whole = usable & (rows < (fracture if fracture is not None else n))
    top = largest(loading.force_nN, whole & (rows >= (contact or 0)))
    course = _course(table, loading, sizes, whole, settings)
    names, holds = find_phases(course, contact or 0, top, fracture)
    drops = find_drops(np.where(usable, loading.force_nN, np.nan), loading.u_force_nN)
    return Events(contact, top, _release(names, top), fracture, bent, neck, holds, drops, names)


def _fracture(
    table: Measurement, loading: Loading, flags: Flags, usable: BoolArray, settings: Settings
) -> int | None:
    """First row of two pieces, for good; a compressed specimen must lose its load too."""
    seen = usable & ~table.tip_missed & ~flags["SPECIMEN_LOST"]
    held = usable & ~table.tip_missed & ~(table.bar.lost & table.load_sought)
    fracture = first_for_good(flags["BROKEN"], seen | (flags["BROKEN"] & held))
    if fracture is None:
        return None
    if settings.mode == "tension":
        known = np.where(usable, loading.force_nN, np.nan)
        return let_go(known, loading.u_force_nN, fracture)
    lost = loses_load(loading.force_nN, loading.u_force_nN, fracture)
    return fracture if lost else None


def _settle_broken(
    flags: Flags, fracture: int | None, whole: BoolArray, settings: Settings
) -> None:
    """Call broken what is from the fracture on, in place: two pieces seen before are noise."""
    broken = np.arange(whole.size) >= (whole.size if fracture is None else fracture)
    if settings.shape is not None:
        flags["SPECIMEN_LOST"] |= flags["BROKEN"] & ~broken & ~whole
        flags["SPECIMEN_LOST"] &= ~broken
    flags["BROKEN"] = broken
    flags["BENT"] &= ~broken
    flags["NECK"] &= ~broken


def _course(
    table: Measurement, loading: Loading, sizes: Dimensions, rows: BoolArray, settings: Settings
) -> Course:
    """Collect what tells the phases: the base's own motion where it is tracked, or the sum."""
    moved = motion_px(table.base, table.bar, Axis(settings.axis_deg), settings.mode)
    travel, u = moved.value_px * nm_per_px(settings), moved.u_px * nm_per_px(settings)
    deformation = sizes.columns["deformation_nm"]
    known = rows & np.isfinite(loading.deflection_nm)
    if not (np.isfinite(travel) & known).sum() >= 0.8 * known.sum():
        travel = loading.deflection_nm + deformation
        u = np.hypot(loading.u_deflection_nm, sizes.columns["u_length_nm"])
    if not (np.isfinite(travel) & known).sum() >= 0.5 * known.sum():
        travel, u = loading.deflection_nm, loading.u_deflection_nm
    return Course(
        clock=table.clock,
        force_nN=np.where(rows, loading.force_nN, np.nan),
        u_force_nN=loading.u_force_nN,
        travel_nm=np.where(rows, travel, np.nan),
        u_travel_nm=u,
        gap_open=loading.gap_open,
    )


def _release(names: list[str], top: int | None) -> int | None:
    """First row after the largest force that carries nothing."""
    if top is None:
        return None
    later = (row for row in range(top + 1, len(names)) if names[row] in ("after", "approach"))
    return next(later, None)


def _with_drift_left(
    table: Measurement, settings: Settings, loading: Loading, events: Events, usable: BoolArray
) -> Loading:
    """Add to the uncertainty the drift that nothing took off, where free frames show it."""
    if loading.drift_order or events.contact is None or settings.shape is None:
        return loading
    rows = np.arange(len(table))
    after = usable & np.isin(np.array(events.phases), ("broken", "after"))
    left = drift_left_nm(
        table.clock, loading.deflection_nm, loading.zero_rows, np.flatnonzero(after & (rows > 0))
    )
    return replace(loading, u_drift_nm=np.hypot(loading.u_drift_nm, left))


def _stresses(
    settings: Settings, sizes: Dimensions, loading: Loading, flags: Flags, phase: NDArray[Any]
) -> dict[str, Stress]:
    """Return the stress by every model; a particle that touches nothing has no contact area."""
    geometry = sizes.geometry(settings.section_area_ratio)
    u = {
        name: sizes.columns[f"u_{name}"]
        for name in (
            "deformation_nm",
            "diameter_mid_nm",
            "diameter_max_nm",
            "diameter_min_nm",
            "diameter_tip_nm",
        )
    }
    force = np.where(flags["SPECIMEN_LOST"] | flags["BROKEN"], np.nan, loading.force_nN)
    models = area_models(settings.shape, settings.mode)
    found = {m.name: stress(m, geometry, u, force, loading.u_force_nN) for m in models}
    touching = np.isin(phase, ("load", "hold", "unload", "broken"))
    return {
        name: s.where(touching) if isinstance(s.model, Mook) else s for name, s in found.items()
    }


def _points(
    table: Measurement,
    settings: Settings,
    loading: Loading,
    sizes: Dimensions,
    stresses: dict[str, Stress],
) -> dict[str, NDArray[Any]]:
    points: dict[str, NDArray[Any]] = {
        "frame": table.frame.astype(int),
        "time_s": table.time_s,
    }
    along = Axis(settings.axis_deg).along
    for name, track in (("bar", table.bar), ("tip", table.tip), ("base", table.base)):
        points[f"{name}_x_px"], points[f"{name}_y_px"] = track.x_px, track.y_px
        points[f"u_{name}_px"] = track.u_along_px(along)
        points[f"{name}_score"] = track.score
    for name in ("deflection_nm", "force_nN"):
        points[name] = getattr(loading, name)
        points[f"u_{name}"] = getattr(loading, f"u_{name}")
    points |= sizes.columns
    for name, result in stresses.items():
        if f"stress_{name}_MPa" in COLUMNS:
            points[f"stress_{name}_MPa"] = result.stress_MPa
            points[f"u_stress_{name}_MPa"] = result.u_stress_MPa
    if settings.area_model is not None:
        chosen = stresses[settings.area_model]
        points["area_nm2"], points["u_area_nm2"] = chosen.area_nm2, chosen.u_area_nm2
        points["stress_MPa"], points["u_stress_MPa"] = chosen.stress_MPa, chosen.u_stress_MPa
    points |= _contact_radius(settings, sizes, stresses)
    missing = [name for name in COLUMNS if name not in points]
    return points | {name: np.full(len(table), np.nan) for name in missing}


def _contact_radius(
    settings: Settings, sizes: Dimensions, stresses: dict[str, Stress]
) -> dict[str, FloatArray]:
    """Contact radius of a particle by the chosen equation, or by the switch for `projected`."""
    if "mook" not in stresses or settings.area_model is None:
        return {}
    chosen = stresses[settings.area_model]
    used = chosen if isinstance(chosen.model, Mook) else stresses["mook"]
    assert isinstance(used.model, Mook)
    radius = np.sqrt(used.area_nm2 / math.pi)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = used.u_area_nm2 / (2 * math.pi * radius)
    return {
        "contact_radius_nm": radius,
        "u_contact_radius_nm": np.where(radius > 0, u, np.nan),
        "mook_equation": used.model.equations(sizes.geometry()),
    }


def _closure(
    table: Measurement, settings: Settings, loading: Loading, sizes: Dimensions, events: Events
) -> dict[str, FloatArray]:
    """Actuator and closure; both are zero over the first frames of contact.

    Before contact the closure is the gap that is left, with a minus sign. In contact it is what
    the specimen's end lines have moved apart beyond the tracks, and as unsure as both; empty where
    the end lines are not seen.
    """
    motion = motion_px(table.base, table.bar, Axis(settings.axis_deg), settings.mode)
    moved = motion.value_px * nm_per_px(settings)
    u_moved = motion.u_px * nm_per_px(settings)
    deformation = sizes.columns["deformation_nm"]
    rest = moved - loading.deflection_nm - deformation
    start = events.contact or 0
    first = rest[start:][np.isfinite(rest[start:])][:5]
    if not first.size:
        first = moved[np.isfinite(moved)][:1]
    if not first.size:
        return {}
    zero = float(np.median(first))
    u_seating = sizes.columns["u_seating_nm"]
    u_tracks = np.hypot(u_moved, loading.u_deflection_nm)
    u_open = np.hypot(u_tracks, sizes.columns["u_length_nm"])
    held = (table.number("gap_px") == 0) & ("seat_px" in table.columns)
    closure = np.where(held & ~np.isfinite(u_seating), np.nan, rest - zero)
    return {
        "actuator_nm": moved - zero,
        "u_actuator_nm": u_moved,
        "closure_nm": closure,
        "u_closure_nm": np.where(held, np.hypot(u_seating, u_tracks), u_open),
    }


def _check_strain(points: dict[str, NDArray[Any]], settings: Settings) -> None:
    """Refuse a compression by the whole length: no area and no true strain exist there."""
    if settings.mode != "compression" or settings.shape is None:
        return
    loaded = np.isin(points["phase"], ("load", "hold", "unload"))
    rows = np.flatnonzero(loaded & (points["length_nm"] <= 0))
    if rows.size:
        frame = int(points["frame"][rows[0]])
        raise ConfigError(
            f"specimen.box_px: in frame {frame} the specimen has lost its whole length (strain 1);"
            " draw the boxes so that the tip's ends where the specimen begins"
        )


def _late_flags(
    flags: Flags, points: dict[str, NDArray[Any]], events: Events, settings: Settings
) -> None:
    phase = np.array(events.phases)
    if settings.shape is not None:
        flags["NO_CONTACT"] = np.isin(phase, ("approach", "after"))
    loaded = np.isin(phase, ("load", "hold", "unload"))
    closure, u = points["closure_nm"], points["u_closure_nm"]
    flags["CLOSURE"] = loaded & (np.abs(closure) > 2 * u)
    if settings.area_model == "mook":
        ratio, u_ratio = points["strain_eng"], points["u_strain_eng"]
        near = np.abs(ratio - 0.1) <= np.maximum(2 * np.nan_to_num(u_ratio), 0.002)
        flags["MOOK_LIMIT"] = loaded & near


def _joined(flags: Flags, n: int) -> NDArray[Any]:
    texts = [";".join(name for name in FLAGS if flags[name][row]) for row in range(n)]
    return np.array(texts, dtype=object)

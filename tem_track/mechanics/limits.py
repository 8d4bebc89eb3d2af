"""What is unusual enough to be said, though it can be calculated."""

from __future__ import annotations

from typing import Any

import numpy as np

from tem_track.mechanics.case import Case
from tem_track.mechanics.displacements import motion_px
from tem_track.mechanics.kinematics import nm_per_px
from tem_track.records import Axis

__all__ = ["warnings_of"]

_FAR = 30.0
"""Times its tracked uncertainty that a free tip's path must be to be spoken of, drift taken off."""

_NEAR = 4
"""Known frames that tell how the force goes on into a gap."""
_NOTABLE = 0.01
"""Part of the largest force by which it must change from frame to frame to be spoken of."""

_TORN_PX = 1.5
_TORN_SIGMAS = 8.0
_TORN_USUAL = 6.0
"""What a jump of the base and back, within one frame, must exceed to be spoken of: pixels, times
its u, and times the usual such jump."""
_TORN_TOGETHER = 0.35
"""Part of it by which the length's jump may differ from it."""


def warnings_of(case: Case, summary: dict[str, Any]) -> list[str]:
    """Return one sentence for each thing that a careful reader should know."""
    found = [
        *_calibration(case),
        *_motion(case, summary),
        *_shape(case, summary),
        *_stress(case, summary),
    ]
    return found


def _calibration(case: Case) -> list[str]:
    s = case.settings
    found = []
    if s.u_scale_nm_per_px is None:
        found.append("calibration.u_scale_nm_per_px is not given: the scale counts as exact")
    if not case.table.load_sought:
        found.append("neither lever, bar nor tip is named: only the outline is measured, no force")
        return found
    if s.u_stiffness_N_per_m is None:
        found.append("cantilever.u_stiffness_N_per_m is not given: the stiffness counts as exact")
    if not 0.01 <= s.stiffness_N_per_m <= 100:
        found.append(f"a stiffness of {s.stiffness_N_per_m:g} N/m is outside 0.01 to 100 N/m")
    return found


def _motion(case: Case, summary: dict[str, Any]) -> list[str]:
    loading = case.loading
    found: list[str] = []
    travel = np.nanmax(
        np.abs(loading.deflection_nm), initial=0.0, where=_known(loading.deflection_nm)
    )
    if travel > 5000:
        found.append(f"the lever travels {travel / 1000:.1f} um: check the scale and the tip's box")
    if loading.drift_order:
        found.append(
            f"a drift of {loading.drift_nm_per_s:.3g} nm/s between tip and bar was taken off"
        )
    found += _no_contact(case)
    found += _peak_unseen(case)
    found += _torn(case)
    slope, span = _slope_before(case)
    per = "s" if case.table.timed else "frame"
    if abs(slope * span) > 0.02 * travel > 0 and case.events.contact is not None:
        found.append(
            f"the tip moves by {slope:.3g} nm/{per} before contact: over the test that would be "
            f"{slope * span:.3g} nm of deflection"
        )
    gap, contact = loading.contact.gap_row, case.events.contact
    if gap is not None and contact is not None and abs(gap - contact) > 3 and gap > 0:
        found.append(
            f"contact: the curve says frame {summary['contact_frame']}, the gap in the image "
            f"closes at frame {int(case.table.frame[gap])}"
        )
    if loading.zero.n_frames == 1 and case.settings.mode == "compression" and contact is not None:
        found.append(
            "fewer than three frames before contact: zero is the reference frame; load that it "
            "carries already is missing from every force"
        )
    off = int(case.flags["CLOSURE"].sum())
    loaded = int(np.isin(case.events.phases, ("load", "hold", "unload")).sum())
    if off > max(0.2 * loaded, 3):
        found.append(f"closure is off by more than 2 u in {off} of {loaded} loaded frames")
    return found


def _no_contact(case: Case) -> list[str]:
    """Say it where the tip travels far though nothing is found to press on the specimen."""
    s, table, deflection = case.settings, case.table, case.loading.deflection_nm
    known = _known(deflection)
    if s.mode != "compression" or case.events.contact is not None or not known.any():
        return []
    tracked = motion_px(table.tip, table.bar, Axis(s.axis_deg), s.mode)
    path = float(np.ptp(deflection[known]))
    if path < _FAR * float(np.median(tracked.u_px[known])) * nm_per_px(s):
        return []
    return [
        f"no contact is found, yet the tip moves against the bar by {path:.3g} nm: look whether"
        " [tip] and [bar] are each drawn on its own target, and whether the lever drifts"
    ]


def _peak_unseen(case: Case) -> list[str]:
    """Say it where the force was still rising towards frames in which it is not known."""
    top, force = case.events.top, case.loading.force_nN
    if top is None:
        return []
    known = np.flatnonzero(_known(force))
    for gap, before, after in _gaps_beside(known, top, len(force)):
        rise, fall = _course(force, before), _course(force, after[::-1])
        least = max(2 * float(case.loading.u_force_nN[top]), _NOTABLE * float(force[top]))
        if max(rise, fall) < least:
            continue
        frames = case.table.frame[gap]
        said = (
            f"the force is not known in frames {int(frames[0])} to {int(frames[-1])}, beside its"
            " largest, and was changing fast: it may have been larger there"
        )
        meet = _meeting(force, before, after, rise, fall)
        return [said + (f", some {meet:.3g} nN" if meet > float(force[top]) + least else "")]
    return []


def _gaps_beside(known: Any, top: int, n_rows: int) -> Any:
    """Yield the rows of the gaps beside a row, with the known rows before and after them."""
    at = int(np.searchsorted(known, top))
    for before, after in ((known[:at], known[at:]), (known[: at + 1], known[at + 1 :])):
        first = int(before[-1]) + 1 if before.size else 0
        last = int(after[0]) if after.size else n_rows
        if last > first and before.size:
            yield np.arange(first, last), before, after


def _course(force: Any, rows: Any) -> float:
    """Return by how much the force rises from row to row towards the end of some rows."""
    near = rows[-_NEAR:]
    if near.size < _NEAR or abs(int(near[-1]) - int(near[0])) > 2 * _NEAR:
        return 0.0
    steps = np.abs(near - near[-1]).astype(float)
    return float(-np.polyfit(steps, force[near], 1)[0])


def _meeting(force: Any, before: Any, after: Any, rise: float, fall: float) -> float:
    """Return the force at which the courses from both sides of a gap meet in it; else 0."""
    if not after.size or rise <= 0 or fall <= 0:
        return 0.0
    start, end = float(force[before[-1]]), float(force[after[0]])
    width = float(after[0] - before[-1])
    along = (end - start + fall * width) / (rise + fall)
    return start + rise * along if 0 < along < width else 0.0


def _torn(case: Case) -> list[str]:
    """Say it where base and length jump and come back while the tip stays.

    So looks a picture whose upper and lower part were taken at two moments: nothing within either
    part is amiss, and closure cannot see it.
    """
    points = case.points
    if "actuator_nm" not in points:
        return []
    base, u_base = _jumps(points["actuator_nm"], points["u_actuator_nm"])
    length, u_length = _jumps(points["deformation_nm"], points["u_length_nm"])
    tip, u_tip = _jumps(case.loading.deflection_nm, case.loading.u_deflection_nm)
    size = np.abs(base)
    with np.errstate(invalid="ignore"):
        usual = float(np.median(size[size > 0])) if np.any(size > 0) else 0.0
        torn = size > max(_TORN_PX * nm_per_px(case.settings), _TORN_USUAL * usual)
        torn &= size > _TORN_SIGMAS * u_base
        torn &= np.abs(base - length) < _TORN_TOGETHER * size + 2 * u_length
        torn &= np.abs(length) > 4 * u_length
        torn &= np.abs(tip) < 0.1 * size + 2 * u_tip
    return [
        f"in frame {int(case.table.frame[row])} base and length jump by {size[row]:.2g} nm and back"
        " while the tip stays: a picture torn between two moments, or a jolt; its length and strain"
        " are not to be relied on"
        for row in np.flatnonzero(torn)
    ]


def _jumps(values: Any, u: Any) -> tuple[Any, Any]:
    """Return how far each row lies off the line through its neighbours, and its u; else 0.

    A jump and back leaves half of itself, the other way, in the rows beside it; a step does not.
    """
    found, u_found = np.zeros(len(values)), np.zeros(len(values))
    if len(values) < _NEAR + 1:
        return found, u_found
    found[1:-1] = np.nan_to_num(values[1:-1] - (values[:-2] + values[2:]) / 2)
    u_found[1:-1] = np.nan_to_num(np.sqrt(u[1:-1] ** 2 + (u[:-2] ** 2 + u[2:] ** 2) / 4))
    other_way = -np.sign(found)
    beside = np.minimum(other_way * np.roll(found, 1), other_way * np.roll(found, -1))
    returns = beside > np.abs(found) / 4
    return np.where(returns, found, 0.0), u_found


def _slope_before(case: Case) -> tuple[float, float]:
    """Return the tip's rate before contact where significant, and the time to the top."""
    rows, top = case.loading.zero_rows, case.events.top
    known = rows[np.isfinite(case.loading.deflection_nm[rows])]
    if known.size < 6 or top is None:
        return (0.0, 0.0)
    t, y = case.table.clock[known], case.loading.deflection_nm[known]
    slope, offset = np.polyfit(t - t.mean(), y, 1)
    scatter = float(np.std(y - offset - slope * (t - t.mean())))
    if abs(slope) * float(np.ptp(t)) < 5 * scatter:
        return (0.0, 0.0)
    return (float(slope), float(case.table.clock[top] - t.mean()))


def _known(values: Any) -> Any:
    return np.isfinite(values)


def _largest(case: Case, name: str) -> float:
    values = case.points[name][case.loading_rows()]
    values = values[np.isfinite(values)]
    return float(np.max(np.abs(values))) if values.size else 0.0


def _shape(case: Case, summary: dict[str, Any]) -> list[str]:
    s = case.settings
    found: list[str] = []
    if s.shape is None:
        return found
    if case.mostly_bent:
        found.append(
            "the specimen is bent in nearly all loaded frames; its properties include them"
        )
    strain = _largest(case, "strain_eng")
    limit = 0.5 if s.mode == "compression" else 2.0
    if strain > limit:
        found.append(f"the strain reaches {strain:.2f}, above {limit:g}")
    ratio = summary["aspect_ratio"]
    if ratio is not None and s.shape in ("rod", "pillar") and s.mode == "compression":
        if ratio > 3:
            found.append(f"length over diameter is {ratio:.2f}, above 3: it may buckle")
        if ratio < 1:
            found.append(f"length over diameter is {ratio:.2f}, below 1: its ends hinder it")
    if s.shape == "particle" and case.flat_faces:
        found.append(
            f"the particle's faces are {min(case.sizes.ends_nm):.0f} nm wide before loading: the "
            "equations for a sphere understate the contact at small deformation"
        )
    if s.area_model == "mook" and np.any(case.points["mook_equation"][case.loading_rows()] == 2):
        found.append(
            "deformation exceeds 10 % of the diameter: equation 2 is used there (MOOK_LIMIT)"
        )
    volume = case.points["volume_ratio"][case.loading_rows()]
    volume = volume[np.isfinite(volume)]
    if volume.size and (volume.min() < 0.9 or volume.max() > 1.1):
        found.append(
            f"the volume changes to {volume.min():.2f}-{volume.max():.2f} of the initial one"
        )
    if s.frame_width_px is not None and s.frame_width_px * s.scale_nm_per_px < _largest(
        case, "diameter_max_nm"
    ):
        found.append("the specimen is wider than the frame")
    return found


def _stress(case: Case, summary: dict[str, Any]) -> list[str]:
    found = []
    stress, modulus = summary["critical_stress_MPa"], summary["youngs_modulus_GPa"]
    if stress is not None and stress > 5000:
        found.append(f"a stress of {stress:.0f} MPa is above 5 GPa")
    if modulus is not None:
        if stress is not None and stress > modulus * 100:
            found.append("the critical stress exceeds a tenth of Young's modulus")
        if not 0.1 <= modulus <= 500:
            found.append(f"a modulus of {modulus:.3g} GPa is outside 0.1 to 500 GPa")
    elif case.settings.shape is not None and case.events.contact is not None:
        found.append(f"no Young's modulus: {summary['modulus_reason']}")
    rate = summary.get("strain_rate_per_s")
    if rate is not None and abs(rate) > 0.1:
        found.append(f"a strain rate of {rate:.2g} per s is above 0.1 per s")
    return found

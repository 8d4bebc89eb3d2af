"""From the tracks to deflection and force: contact, zero, drift, corrections."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from tem_track.mechanics.baseline import find_drift
from tem_track.mechanics.contact import (
    FARTHEST_DRIFT_PX,
    Contact,
    find_contact,
    open_gap,
    robust_noise,
)
from tem_track.mechanics.corrections import (
    apex_ratio,
    axial_ratio,
    elongation_of_view,
    lever_factor,
)
from tem_track.mechanics.displacements import Motion, Zero, motion_px, zero_of
from tem_track.mechanics.known import known_median
from tem_track.mechanics.measurement import BoolArray, Measurement, RowArray
from tem_track.mechanics.settings import Settings
from tem_track.records import Axis, FloatArray

__all__ = ["Loading", "load", "nm_per_px"]


@dataclass(frozen=True, slots=True, eq=False)
class Loading:
    """The cantilever's part of the curve.

    Attributes
    ----------
    deflection_nm, u_deflection_nm, force_nN, u_force_nN : FloatArray
        Shape (n,); u holds what changes from frame to frame.
    contact : Contact
    zero : Zero
    zero_rows : RowArray
        Rows before contact; the reference frame alone below three of them.
    gap_open : BoolArray
    u_drift_nm : FloatArray
        Of the drift that was taken off, common to all frames.
    drift_nm_per_s : float
        Mean drift that was taken off the deflection.
    drift_order : int
        0: none was; 1: a line; higher ones only where nothing is loaded.
    lateral_nm : FloatArray
        The tip's motion at right angles to the axis.
    """

    deflection_nm: FloatArray
    u_deflection_nm: FloatArray
    force_nN: FloatArray
    u_force_nN: FloatArray
    contact: Contact
    zero: Zero
    zero_rows: RowArray
    gap_open: BoolArray
    u_drift_nm: FloatArray
    drift_nm_per_s: float
    drift_order: int
    lateral_nm: FloatArray


def nm_per_px(settings: Settings) -> float:
    """Return the scale along the loading axis, seen under its angle against the image plane."""
    return settings.scale_nm_per_px * elongation_of_view(settings.out_of_plane_deg)


def load(measurement: Measurement, settings: Settings, usable: BoolArray) -> Loading:
    """Evaluate the cantilever: where contact begins, the zero, deflection and force.

    Parameters
    ----------
    measurement : Measurement
    settings : Settings
        Already checked.
    usable : BoolArray
        Rows that may decide on contact and zero.
    """
    axis = Axis(settings.axis_deg, settings.u_axis_deg)
    motion = motion_px(measurement.tip, measurement.bar, axis, settings.mode)
    gap, u_gap = measurement.measured("gap_px")
    gap_open = open_gap(gap, u_gap)
    contact = find_contact(
        measurement.clock,
        np.where(usable, motion.value_px, np.nan),
        motion.u_px,
        gap_open & usable,
        np.isfinite(gap) & usable,
        connected=settings.mode == "tension" and settings.shape is not None,
    )
    if settings.shape is not None and _only_drifts(measurement, motion, usable, contact):
        contact = replace(contact, row=None, criterion="the tip drifts; the specimen is unchanged")
    rows = _zero_rows(measurement, settings, contact, usable)
    free = _free_rows(motion, rows, contact, gap_open & usable, usable)
    if settings.shape is None:
        free = free[:0]
    drift = find_drift(
        measurement.clock, motion.value_px, motion.u_px, free, contact.row is not None
    )
    motion = Motion(motion.value_px - drift.value_px, motion.u_px)
    zero = zero_of(motion, rows, _row_of(measurement, settings.reference_frame))
    u = np.hypot(motion.u_px, _excess(motion, rows))
    per_px = nm_per_px(settings) / apex_ratio(settings.behind_apex_um, settings.length_um)
    per_nm = _newton_per_metre(settings)
    deflection = (motion.value_px - zero.value_px) * per_px
    return Loading(
        deflection_nm=deflection,
        u_deflection_nm=u * per_px,
        force_nN=deflection * per_nm,
        u_force_nN=u * per_px * per_nm,
        contact=contact,
        zero=zero,
        zero_rows=rows,
        gap_open=gap_open,
        u_drift_nm=drift.u_px * per_px,
        drift_nm_per_s=drift.px_per_s * per_px if measurement.timed else math.nan,
        drift_order=drift.order,
        lateral_nm=_lateral(measurement, axis, rows) * settings.scale_nm_per_px,
    )


def _only_drifts(
    measurement: Measurement,
    motion: Motion,
    usable: BoolArray,
    contact: Contact,
) -> bool:
    """Whether what looks like load is slow motion while the specimen keeps its length.

    A cubic over the whole movie leaves nothing but noise, there are fewer than three free frames
    that could show a bend, and the length at the largest motion is the one at the beginning.
    """
    rows = np.flatnonzero(usable & np.isfinite(motion.value_px))
    length, u = measurement.measured("length_px")
    if contact.row is None or contact.row == 0 or contact.gap_row not in (None, 0):
        return False
    if rows.size < 20 or np.ptp(motion.value_px[rows]) > FARTHEST_DRIFT_PX:
        return False
    t = (rows - rows.mean()) / rows.size
    y = motion.value_px[rows]
    left = y - np.polyval(np.polyfit(t, y, 3), t)
    noise = max(np.nan_to_num(known_median(motion.u_px[rows])), np.nan_to_num(robust_noise(y)))
    if float(np.std(left)) > 3 * noise:
        return False
    farthest = rows[np.argsort(y)[-7:]]
    change = known_median(length[farthest]) - known_median(length[rows[:7]])
    return bool(np.isnan(change) or abs(change) < max(3 * np.nan_to_num(known_median(u)), 0.3))


def _newton_per_metre(settings: Settings) -> float:
    lever = lever_factor(settings.tilt_deg, settings.tip_height_um, settings.length_um)
    return settings.stiffness_N_per_m * lever * axial_ratio(settings.off_axis_deg)


def _row_of(measurement: Measurement, frame: int) -> int:
    return int(np.argmin(np.abs(measurement.frame - frame)))


def _zero_rows(
    measurement: Measurement, settings: Settings, contact: Contact, usable: BoolArray
) -> RowArray:
    """Rows before contact, or those named by hand; the reference frame below three."""
    before = np.zeros(len(measurement), dtype=bool)
    if settings.zero_frames is not None:
        first, last = settings.zero_frames
        before = (measurement.frame >= first) & (measurement.frame <= last)
    else:
        before[: len(measurement) if contact.row is None else contact.row] = True
    rows = np.flatnonzero(before & usable & ~measurement.tip.lost & ~measurement.bar.lost)
    if rows.size < 3 and settings.zero_frames is None:
        return np.array([_row_of(measurement, settings.reference_frame)])
    return rows


def _free_rows(
    motion: Motion, zero_rows: RowArray, contact: Contact, gap_open: BoolArray, usable: BoolArray
) -> RowArray:
    """Rows in which the tip is free: before contact, and after the largest motion with a gap.

    Without contact these are all rows. With it there is nothing to interpolate between unless
    the movie shows the tip free again.
    """
    if contact.row is None:
        return np.flatnonzero(usable)
    seen = np.where(usable & np.isfinite(motion.value_px), motion.value_px, -np.inf)
    again = np.flatnonzero(gap_open & (np.arange(usable.size) > int(np.argmax(seen))))
    if zero_rows.size < 3 or again.size < 3:
        return zero_rows[:0]
    return np.concatenate([zero_rows, again])


def _excess(motion: Motion, rows: RowArray) -> float:
    """Scatter before contact beyond the tracker's own u: vibration is real noise of force."""
    values, u = motion.value_px[rows], motion.u_px[rows]
    known = np.isfinite(values) & np.isfinite(u)
    n = int(known.sum())
    if n < 5:
        return 0.0
    steady = np.arange(n) - (n - 1) / 2
    slope = float(steady @ values[known] / (steady @ steady))
    left = values[known] - values[known].mean() - slope * steady
    scatter, expected = float(left @ left) / (n - 2), float(np.mean(u[known] ** 2))
    if scatter < expected * (1 + 3 * math.sqrt(2 / (n - 1))):
        return 0.0
    return math.sqrt(scatter - expected)


def _lateral(measurement: Measurement, axis: Axis, rows: RowArray) -> FloatArray:
    across = measurement.tip.along_px(axis.across) - measurement.bar.along_px(axis.across)
    known = across[rows][np.isfinite(across[rows])]
    return across - (float(np.mean(known)) if known.size else math.nan)

"""Columns of pixels into mechanics or growth, without the movie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from tem_track import mechanics
from tem_track.analysis.electrical import electrical_of
from tem_track.analysis.nouns import Measurement, Result
from tem_track.config import Cantilever, Experiment
from tem_track.cores import one_thread_a_routine
from tem_track.errors import ConfigError
from tem_track.records import Axis
from tem_track.shapes import stressed_as

if TYPE_CHECKING:
    import pandas as pd

    from tem_track.growth import Settings as GrowthSettings

__all__ = ["bodies_of", "calculate", "evaluate", "growth_settings_of", "settings_of"]


@one_thread_a_routine(scipy_too=False)
def calculate(
    measurement: Measurement, experiment: Experiment, axis: Axis, warnings: Sequence[str] = ()
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Calculate points and summary from a table of pixels, without the movie.

    Parameters
    ----------
    measurement : mapping of arrays
        What the joined blocks hold or ``measurement.csv`` holds.
    experiment : Experiment
    axis : Axis
    warnings : sequence of str
        What the measuring itself warned of; kept apart in the summary, so that it survives.

    Returns
    -------
    points : DataFrame
        One row a frame; the columns of ``points.csv``.
    summary : dict
        What ``summary.json`` holds.
    """
    import pandas as pd

    electrical, of_the_log = electrical_of(experiment, measurement)
    if experiment.mode == "growth":
        points, found = _grown({**measurement, **electrical}, experiment, axis)
    else:
        evaluation = evaluate(measurement, experiment, axis)
        points, found = evaluation.points, evaluation.summary
    summary = dict(found)
    summary["warnings"] = [*warnings, *of_the_log, *summary.get("warnings", [])]
    summary["measurement_warnings"] = list(warnings)
    return pd.DataFrame(points | electrical, copy=False), summary


@one_thread_a_routine()
def _grown(
    measurement: Measurement, experiment: Experiment, axis: Axis
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return points and summary of growth; the potential serves for the rates of its steps."""
    from tem_track import growth

    return growth.evaluate(measurement, growth_settings_of(experiment, axis))


def evaluate(measurement: Measurement, experiment: Experiment, axis: Axis) -> mechanics.Evaluation:
    """Calculate the mechanics from a table of pixels, without the movie.

    Parameters
    ----------
    measurement : mapping of arrays
        Columns of pixels, shape (n_frames,) each.
    experiment : Experiment
    axis : Axis

    Returns
    -------
    mechanics.Evaluation
    """
    return mechanics.evaluate(measurement, settings_of(experiment, axis))


def bodies_of(result: Result) -> pd.DataFrame:
    """Return one row a body and frame where several bodies grow, an empty table otherwise."""
    import pandas as pd

    if result.experiment.mode != "growth":
        return pd.DataFrame()
    from tem_track.growth import bodies_table

    measurement = {str(name): result.measurement[name].to_numpy() for name in result.measurement}
    settings = growth_settings_of(result.experiment, result.axis)
    return pd.DataFrame(bodies_table(measurement, settings))


def growth_settings_of(experiment: Experiment, axis: Axis) -> GrowthSettings:
    """Return what growth needs of an experiment, as plain numbers."""
    from tem_track.growth import Settings

    return Settings(
        scale_nm_per_px=experiment.calibration.scale_nm_per_px,
        u_scale_nm_per_px=experiment.calibration.u_scale_nm_per_px,
        axis_deg=axis.angle_deg,
        material=experiment.specimen.material if experiment.specimen else "",
        log_by_marker=experiment.log is not None and experiment.log.marker_column is not None,
    )


def settings_of(experiment: Experiment, axis: Axis) -> mechanics.Settings:
    """Return what the mechanics need of an experiment, as plain numbers."""
    specimen, lever = experiment.specimen, experiment.cantilever
    if lever is None and experiment.outline_alone:
        lever = Cantilever(stiffness_N_per_m=1.0)  # there is no deflection that it would multiply
    if lever is None:
        raise ConfigError(f"{experiment.source}: cantilever is missing")
    ratio, u_ratio = 1.0, 0.0
    if specimen is not None and specimen.section is not None:
        from tem_track.tilt_series import read_area_ratio

        ratio, u_ratio = read_area_ratio(experiment.resolve(specimen.section))
    return mechanics.Settings(
        mode=experiment.mode,
        shape=stressed_as(specimen.shape) if specimen else None,
        area_model=specimen.area_model if specimen else None,
        scale_nm_per_px=experiment.calibration.scale_nm_per_px,
        u_scale_nm_per_px=experiment.calibration.u_scale_nm_per_px,
        stiffness_N_per_m=lever.stiffness_N_per_m,
        u_stiffness_N_per_m=lever.u_stiffness_N_per_m,
        tilt_deg=lever.tilt_deg,
        tip_height_um=lever.tip_height_um,
        length_um=lever.length_um,
        behind_apex_um=lever.behind_apex_um,
        axis_deg=axis.angle_deg,
        u_axis_deg=axis.u_angle_deg,
        zero_frames=experiment.frames.zero,
        reference_frame=experiment.frames.reference,
        section_area_ratio=ratio,
        u_section_area_ratio=u_ratio,
        **experiment.corrections.model_dump(exclude_none=True),
    )

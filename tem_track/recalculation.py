"""A finished run once more: its mechanics without the movie, its pictures without measuring."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tem_track.analysis import Progress, Result, calculate
from tem_track.config import Experiment, load_experiment
from tem_track.errors import ConfigError
from tem_track.holding import hold
from tem_track.run import PROVENANCE, movie_of

__all__ = ["recalculate", "redraw"]


def recalculate(folder: Path, config: Path | None = None, *, command: str = "") -> Result:
    """Calculate the mechanics again from the stored pixels, and write the tables.

    Parameters
    ----------
    folder : Path
        A results folder.
    config : Path, optional
        An experiment file with another calibration, cantilever, correction, area model, material,
        zero or quality gate.
    command : str
        How it was asked for, kept in the provenance.

    Returns
    -------
    Result

    Raises
    ------
    ResultsError, ConfigError, ResultsBusyError
        Another mode, shape or box would need another measurement.
    """
    from tem_track import outputs

    stored = outputs.read_results(folder)
    given = stored.experiment if config is None else load_experiment(config)
    _same_test(stored.experiment, given)
    experiment = _with_mechanics_of(stored.experiment, given)
    table = {str(name): stored.measurement[name].to_numpy() for name in stored.measurement}
    interval = experiment.calibration.frame_interval_s
    if interval is not None:
        table["time_s"] = table["frame"] * interval
    warnings = stored.summary.get("measurement_warnings", [])
    points, summary = calculate(table, experiment, stored.axis, warnings)
    result = replace(
        stored,
        points=points,
        summary=summary,
        measurement=stored.measurement.assign(time_s=table["time_s"]),
        experiment=experiment,
    )
    with hold(folder):
        outputs.write_tables(result, folder)
        outputs.note_recalculation(folder / PROVENANCE, command=command)
    return result


def _same_test(measured: Experiment, given: Experiment) -> None:
    """Refuse what the stored pixels cannot answer, rather than leave it unheard."""
    shapes = [e.specimen.shape if e.specimen else None for e in (measured, given)]
    asked = {"mode": (measured.mode, given.mode), "specimen.shape": shapes}
    for target in ("bar", "tip", "specimen", "base"):
        boxes = [getattr(e, target).box_px for e in (measured, given) if getattr(e, target)]
        if len(boxes) == 2:
            asked[f"{target}.box_px"] = boxes
    for key, (old, new) in asked.items():
        if old != new:
            raise ConfigError(
                f"{given.source}: {key} = {new!r} is not what was measured ({old!r}): it needs a"
                " new measurement; use tem-track run"
            )


def _with_mechanics_of(measured: Experiment, given: Experiment) -> Experiment:
    """Return the measured experiment with everything of another that needs no new measurement."""
    specimen = measured.specimen
    if specimen is not None and given.specimen is not None:
        kept = ("area_model", "material", "growth_direction", "section")
        specimen = specimen.model_copy(update={k: getattr(given.specimen, k) for k in kept})
    frames = measured.frames.model_copy(update={"zero": given.frames.zero})
    changed = {
        "calibration": given.calibration,
        "cantilever": given.cantilever,
        "corrections": given.corrections,
        "quality": given.quality,
        "specimen": specimen,
        "frames": frames,
    }
    return measured.model_copy(update=changed)


def redraw(
    folder: Path,
    *,
    progress: Progress,
    frames: list[int] | None = None,
    width_mm: float | None = None,
) -> Result:
    """Draw pictures and report of a results folder again.

    Parameters
    ----------
    folder : Path
        A results folder.
    progress : callable
        Called as ``progress(stage, done, total)``.
    frames : list of int, optional
        The montage's frames, picked by hand.
    width_mm : float, optional
        Width of the curves on paper.

    Raises
    ------
    ResultsError, ConfigError, MovieError, ResultsBusyError
    """
    from tem_track import outputs, pages

    result = outputs.read_results(folder)
    movie = movie_of(result.experiment)
    with hold(folder):
        maker = pages.stills_maker(result, movie)
        outputs.write_pictures(
            result,
            movie,
            folder,
            progress=progress,
            frames=frames,
            width_mm=width_mm,
            watcher=maker.take,
        )
        pages.write_report(result, movie, folder / "report.html", progress, maker)
    return result

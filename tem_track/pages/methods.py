"""A methods paragraph that says what was done to this movie, ready to paste."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from tem_track.analysis import Result
from tem_track.outputs.words import value_words

__all__ = ["methods_paragraph"]

_AREAS = {
    "initial": "the initial mid diameter",
    "mid": "the diameter at half length of the same frame",
    "max": "the largest diameter of the same frame",
    "min": "the smallest diameter of the same frame",
    "contact": "the diameter at the face towards the tip in the same frame",
    "mook": "the contact radius of a compressed sphere (eq. 1 up to a compression of 10 % of the"
    " diameter, eq. 2 above)",
    "mook1": "the contact radius of a truncated sphere (eq. 1)",
    "mook2": "the radius of a cylinder of equal volume (eq. 2)",
    "projected": "the largest diameter of the same frame",
}


def methods_paragraph(result: Result) -> str:
    """Return the paragraph; it names only what the experiment has."""
    if result.experiment.mode == "growth":
        parts = [_movie(result), _specimen(result), _calibration(result)]
    else:
        parts = [_movie(result), _force(result), _specimen(result), _stress(result)]
        parts += [_modulus(result), _calibration(result), _uncertainty()]
    return " ".join(part for part in parts if part)


def _movie(result: Result) -> str:
    name = Path(result.experiment.movie).name
    count = len(result.points)
    return (
        f"All {count} frames of the movie {name} were evaluated with tem_track"
        f" {metadata.version('tem-track')}."
    )


def _force(result: Result) -> str:
    lever = result.experiment.cantilever
    if lever is None:
        return ""
    motion = "away from" if result.experiment.mode == "compression" else "towards"
    return (
        "In every frame the cantilever tip and the beam-blocking bar were located to a fraction of"
        " a pixel by registration against fixed templates averaged from many frames. The"
        " cantilever's deflection is the tip's displacement relative to the bar along the loading"
        f" axis ({result.axis.angle_deg:.1f}° from the vertical), positive {motion} the counter"
        " electrode and zero before contact; the force is the deflection times the stiffness of"
        f" {value_words(lever.stiffness_N_per_m, lever.u_stiffness_N_per_m, 'N/m')}."
    )


def _specimen(result: Result) -> str:
    specimen = result.experiment.specimen
    if specimen is None:
        return ""
    what = specimen.shape.replace("_", " ")
    material = f" ({specimen.material})" if specimen.material else ""
    widths = "its diameters are outer widths perpendicular to the loading axis"
    length = "its length is the distance of its two end faces along the loading axis and "
    sizes = widths if result.experiment.outline_alone else length + widths
    return f"The outline of the {what}{material} was fitted in each frame; {sizes}."


def _stress(result: Result) -> str:
    model = result.summary.get("area_model")
    if model is None or result.experiment.outline_alone:
        return ""
    area = _AREAS.get(str(model), str(model))
    direction = "shortening" if result.experiment.mode == "compression" else "elongation"
    return (
        f"Engineering strain is the {direction} over the initial length. Stress is the force over"
        f" the area given by {area} (area model '{model}'); the critical stress is the stress at"
        " the largest force."
    )


def _modulus(result: Result) -> str:
    method = result.summary.get("modulus_method")
    if result.summary.get("youngs_modulus_GPa") is None or not method:
        return ""
    return f"Young's modulus was taken from the loading curve ({method})."


def _calibration(result: Result) -> str:
    c = result.experiment.calibration
    scale = value_words(c.scale_nm_per_px, c.u_scale_nm_per_px, "nm")
    clock = (
        f" and the frame interval {c.frame_interval_s:g} s"
        if c.frame_interval_s is not None
        else ""
    )
    return f"The pixel size was {scale}{clock}."


def _uncertainty() -> str:
    return (
        "Uncertainties are standard uncertainties (k = 1); those of single points hold what changes"
        " from frame to frame, those of the results also stiffness and scale."
    )

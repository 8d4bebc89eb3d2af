"""Colours, words and sizes that all pictures share.

The colours are those of Okabe and Ito, told apart by colour-blind readers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tem_track.records import FloatArray

__all__ = [
    "COLOURS",
    "FLAG_WORDS",
    "PHASE_COLOURS",
    "PROBLEMS",
    "flag_words",
    "font_file",
    "label",
    "prefixed",
]

COLOURS = {
    "bar_box": "#F0E442",
    "bar_line": "#F0E442",
    "zero_line": "#F0E442",
    "tip_box": "#56B4E9",
    "tip_point": "#56B4E9",
    "base_box": "#E69F00",
    "outline": "#2FD6A0",
    "axis": "#2FD6A0",
    "diameter": "#FF7AC6",
    "contact": "#FFFFFF",
    "gap": "#FFFFFF",
}

PHASE_COLOURS = {
    "approach": "#7A7A7A",
    "load": "#0072B2",
    "hold": "#CC79A7",
    "unload": "#D55E00",
    "after": "#B4B4B4",
    "broken": "#B4B4B4",
}

FLAG_WORDS = {
    "BAR_LOST": "bar lost",
    "TIP_LOST": "tip lost",
    "SPECIMEN_LOST": "specimen not seen",
    "LOW_SCORE": "poor match",
    "BAD_FRAME": "frame cannot be decoded",
    "DUPLICATE": "same picture as before",
    "NO_CONTACT": "no contact",
    "BENT": "bent",
    "NECK": "necking",
    "BROKEN": "broken",
    "CLOSURE": "displacements do not close",
    "MOOK_LIMIT": "near the limit of eq. 1",
    "BELOW_RESOLUTION": "below the resolution",
    "OUT_OF_VIEW": "out of view",
}

PROBLEMS = frozenset(FLAG_WORDS) - {"NECK", "BROKEN", "NO_CONTACT"}
"""Flags that cast doubt on a point; the others only say what happens in it."""

_LABELS = {
    "frame": "frame",
    "time_s": "time (s)",
    "force_nN": "force (nN)",
    "deflection_nm": "deflection (nm)",
    "deformation_nm": "deformation (nm)",
    "actuator_nm": "actuator (nm)",
    "closure_nm": "closure (nm)",
    "strain_eng": "engineering strain",
    "strain_true": "true strain",
    "stress_MPa": "stress (MPa)",
    "length_nm": "length (nm)",
    "diameter_mid_nm": "diameter, middle (nm)",
    "diameter_max_nm": "diameter, largest (nm)",
    "diameter_min_nm": "diameter, smallest (nm)",
    "diameter_tip_nm": "diameter at the tip (nm)",
    "diameter_base_nm": "diameter at the base (nm)",
    "diameter_mean_nm": "diameter, mean (nm)",
    "shell_nm": "shell (nm)",
    "potential_V": "potential (V)",
    "current_A": "current (A)",
    "volume_nm3": "volume (nm\u00b3)",
}


def label(column: str) -> str:
    """Return a column's name as an axis label."""
    return _LABELS.get(column, column)


_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "\u00b5"), (1e-9, "n"), (1e-12, "p"))


def prefixed(values: FloatArray, unit: str) -> tuple[float, str]:
    """Return the unit in which the largest of the values is read without a power of ten.

    >>> prefixed(np.array([np.nan, -3e-9]), "A")
    (1e-09, 'nA')
    """
    known = np.abs(values[np.isfinite(values)])
    largest = float(known.max()) if len(known) else 1.0
    size, letter = next((p for p in _PREFIXES if largest >= p[0]), _PREFIXES[-1])
    return size, letter + unit


def flag_words(flags: str) -> list[str]:
    """Return flags joined by semicolons as words."""
    return [FLAG_WORDS.get(flag, flag) for flag in flags.split(";") if flag]


def font_file(*, bold: bool = False) -> Path:
    """Return the font that comes with matplotlib."""
    import matplotlib as mpl

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return Path(mpl.get_data_path()) / "fonts" / "ttf" / name

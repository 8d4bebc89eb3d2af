"""Lengths and times in the words that microscope files use."""

from __future__ import annotations

import math

from tem_track.errors import MovieError

__all__ = ["common_scale_nm_per_px", "length_nm", "time_interval_s"]

_LENGTHS_NM = {
    "pm": 1e-3,
    "a": 0.1,
    "å": 0.1,
    "ang": 0.1,
    "angstrom": 0.1,
    "nm": 1.0,
    "nanometer": 1.0,
    "um": 1e3,
    "µm": 1e3,
    "μm": 1e3,
    "\\u00b5m": 1e3,
    "micron": 1e3,
    "microns": 1e3,
    "micrometer": 1e3,
    "mm": 1e6,
    "cm": 1e7,
    "m": 1e9,
}
_TIMES_S = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "msec": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "min": 60.0,
    "h": 3600.0,
}
_SAME = 1e-3
_NO_PIXEL = 100.0
"""No detector has pixels this many times longer than wide: such tags are a mistake."""


def length_nm(value: float, unit: str | None) -> float | None:
    """Return a length in nm; None where the unit is no length or the value not positive."""
    factor = _LENGTHS_NM.get((unit or "").strip().lower())
    if factor is None or not (math.isfinite(value) and value > 0):
        return None
    return float(value) * factor


def time_interval_s(value: float, unit: str | None) -> float | None:
    """Return a time in seconds; None where the unit is no time or the value not positive."""
    factor = _TIMES_S.get((unit or "").strip().lower())
    if factor is None or not (math.isfinite(value) and value > 0):
        return None
    return float(value) * factor


def common_scale_nm_per_px(
    name: str, x_nm: float | None, y_nm: float | None
) -> tuple[float | None, tuple[str, ...]]:
    """Return the scale that both axes share, and warnings.

    Raises
    ------
    MovieError
        If the pixels are not square: lengths would depend on the direction.
    """
    if x_nm is None or y_nm is None:
        return None, ()
    ratio = max(x_nm, y_nm) / min(x_nm, y_nm)
    if ratio < 1 + _SAME:
        return x_nm, ()
    found = f"{x_nm:g} nm/px along x, {y_nm:g} along y"
    if ratio > _NO_PIXEL:
        return None, (f"the scale in the file's tags contradicts itself ({found}); it is not used",)
    raise MovieError(f"{name}: pixels are not square ({found}); resample it to square pixels")

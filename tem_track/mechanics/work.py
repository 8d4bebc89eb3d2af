"""Work of a loading loop, by the trapezoidal rule; 1 nN nm is 1e-18 J."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tem_track.records import FloatArray

__all__ = ["Work", "loop_work"]

J_PER_NN_NM = 1e-18
"""Joules in a nN nm."""


@dataclass(frozen=True, slots=True)
class Work:
    """Energies of a loop.

    Attributes
    ----------
    total_J : float
        Done on the specimen up to the largest force.
    elastic_J : float
        Given back on unloading; NaN where it was not unloaded.
    plastic_J : float
        The loop's own area, what stays in it: total less elastic.
    """

    total_J: float
    elastic_J: float
    plastic_J: float


def loop_work(deformation_nm: FloatArray, force_nN: FloatArray, top: int, end: int) -> Work:
    """Integrate force over deformation up to the largest force, and back.

    Parameters
    ----------
    deformation_nm, force_nN : FloatArray
        From first load on, shape (n,); NaN rows are skipped.
    top, end : int
        Row of the largest force; last row of the unloading, `top` where there is none.
    """
    total = _area(deformation_nm[: top + 1], force_nN[: top + 1])
    if end <= top:
        return Work(total, math.nan, math.nan)
    elastic = -_area(deformation_nm[top : end + 1], force_nN[top : end + 1])
    return Work(total, elastic, total - elastic)


def _area(x: FloatArray, y: FloatArray) -> float:
    known = np.isfinite(x) & np.isfinite(y)
    return float(np.trapezoid(y[known], x[known])) * J_PER_NN_NM

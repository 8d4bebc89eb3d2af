"""Statistics of a few numbers, for compiled code to call: NumPy's take longer to begin than to do.

They are compiled into the machine code of whatever calls them, without leave to put sums in another
order, so that code made and code found on disk give the same last digit. Code on disk is made anew
where its caller's file has changed, not where this one has: after a change here, touch the callers.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tem_track.compiled import inner
from tem_track.records import FloatArray

__all__ = ["median", "median_where", "mirrored", "on_lines", "quantile"]


@inner
def _parted_at(values: FloatArray, k: int) -> None:
    """Move the values about until the k-th is in its place and none before it is larger.

    C. A. R. Hoare's method (1961).
    """
    low, high = 0, len(values) - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while pivot < values[j]:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            return


@inner
def median(values: FloatArray) -> float:
    """Return the median; NaN of no values or where one is NaN."""
    n = len(values)
    for i in range(n):
        if math.isnan(values[i]):
            return math.nan
    if n == 0:
        return math.nan
    work = values.copy()
    _parted_at(work, n // 2)
    upper = float(work[n // 2])
    if n % 2 == 1:
        return upper
    lower = work[0]
    for i in range(1, n // 2):
        lower = max(lower, work[i])
    return float((lower + upper) / 2)


@inner
def median_where(values: FloatArray, use: NDArray[np.bool_]) -> float:
    """Return the median of some of the values."""
    kept = np.empty(len(values))
    n = 0
    for i in range(len(values)):
        if use[i]:
            kept[n] = values[i]
            n += 1
    return median(kept[:n])


@inner
def quantile(values: FloatArray, share: float) -> float:
    """Return a quantile of some values, on the straight line between two of them.

    The values are moved about.
    """
    last = len(values) - 1
    k = int(share * last)
    part = share * last - k
    _parted_at(values, k)
    low = values[k]
    if part == 0.0:
        return float(low)
    high = values[k + 1]
    for i in range(k + 2, last + 1):
        high = min(high, values[i])
    return float(low + part * (high - low))


@inner
def mirrored(index: int, n: int) -> int:
    """Return the place that stands for one outside 0 to n - 1; the ends are not repeated."""
    if n == 1:
        return 0
    period = 2 * (n - 1)
    index = abs(index) % period
    return index if index < n else period - index


@inner
def on_lines(at: float, x: FloatArray, y: FloatArray) -> float:
    """Return the value at a place on straight lines between points of rising x, as `np.interp`."""
    last = len(x) - 1
    if math.isnan(at) or at <= x[0]:
        return math.nan if math.isnan(at) else float(y[0])
    if at >= x[last]:
        return float(y[last])
    low, high = 0, last
    while high - low > 1:
        middle = (low + high) // 2
        if x[middle] <= at:
            low = middle
        else:
            high = middle
    return float(y[low] + (y[high] - y[low]) / (x[high] - x[low]) * (at - x[low]))

"""Compiled loops do what NumPy and SciPy do, which take longer to begin."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numba import njit
from scipy.ndimage import median_filter, uniform_filter1d

from tem_track.specimen import few
from tem_track.specimen.finding import crossings, darkness_begins, median_beside, steadied
from tem_track.specimen.half_way import end_lines, half_way
from tem_track.specimen.judging import believed, believed_at_first, carried_on, level_sides
from tem_track.specimen.neck_fit import _rows as neck_rows
from tem_track.specimen.neck_sums import summed
from tem_track.specimen.parting import parted
from tem_track.specimen.profile import U_LOW_PX, U_STEP_PX, EdgeTable, Profile, tabulate
from tem_track.specimen.smooth import smooth_curve
from tem_track.specimen.smoothing import over_holes
from tem_track.specimen.widths import central, outer_line, upper_part, volume, weights_at


@njit
def _few(values: np.ndarray, share: float, at: float) -> tuple[float, float, float]:
    x = np.arange(len(values)).astype(np.float64)
    return few.median(values), few.quantile(values.copy(), share), few.on_lines(at, x, values)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9, 40, 501])
def test_a_few_numbers(n: int) -> None:
    rng = np.random.default_rng(n)
    for values in (rng.normal(size=n), np.round(rng.normal(size=n)), np.arange(n, 0.0, -1.0)):
        for share in (0.0, 0.3, 0.7, 1.0):
            at = rng.uniform(-1, n)
            kept = values.copy()
            found = _few(values, share, at)
            np.testing.assert_array_equal(values, kept)
            wanted = (
                np.median(values),
                np.quantile(values, share),
                np.interp(at, range(n), values),
            )
            np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


def test_of_nothing_there_is_no_median() -> None:
    assert math.isnan(few.median(np.empty(0)))
    assert math.isnan(few.median(np.array([1.0, math.nan, 2.0])))


@pytest.mark.parametrize("width", [3, 7])
@pytest.mark.parametrize("n", [1, 2, 5, 30])
def test_jumps_are_taken_out_by_the_running_median(n: int, width: int) -> None:
    rng = np.random.default_rng(n)
    edges = np.cumsum(rng.normal(size=(n, 2)), axis=0)
    edges[n // 2] += 20.0
    middle = median_filter(edges, size=(width, 1), mode="mirror")
    wanted = np.where(np.abs(edges - middle) > 3.0, middle, edges)
    np.testing.assert_allclose(steadied(edges, width), wanted, rtol=1e-12)
    edges[0, 0] = math.nan
    filled = steadied(edges, width)
    assert np.isfinite(filled[:, 0]).all() == (n > 1)
    assert np.isfinite(filled[:, 1]).all()


@pytest.mark.parametrize("n", [6, 7, 30])
def test_steep_sides_are_told_by_filtered_slopes(n: int) -> None:
    rng = np.random.default_rng(n)
    edges, s = np.cumsum(rng.normal(size=(n, 2)), axis=0), 4.0 * np.arange(n) + 1.5
    steep = np.abs(np.gradient((edges[:, 1] - edges[:, 0]) / 2, s))
    steep = median_filter(uniform_filter1d(steep, 3), 5)
    for share in (0.1, 0.5, 0.9):
        limit = float(np.quantile(steep, share)) * 1.0001
        np.testing.assert_array_equal(level_sides(edges, s, limit), steep < limit)


def _body(left: float, right: float, n: int = 12, m: int = 120) -> tuple[np.ndarray, np.ndarray]:
    t = np.arange(m) - 50.0
    return np.tile(np.where((t > left) & (t < right), 40.0, 100.0), (n, 1)), t


def test_a_step_is_found_from_outside_and_a_neighbour_at_the_border_passed_over() -> None:
    bands, t = _body(-20.5, 24.5)
    bands[:, :6] = 30.0
    edges = crossings(bands, t, 0.0)
    np.testing.assert_allclose(edges, np.tile([-20.5, 24.5], (len(bands), 1)), atol=1.5)
    assert np.isnan(crossings(np.full((5, 120), 100.0), t, 0.0)).all()
    assert np.isnan(crossings(bands, t, 500.0)).all()


def test_a_band_that_was_not_seen_hides_no_opening_behind_it() -> None:
    bands, t = _body(-20.5, 20.5, n=30)
    bands[12:20] = 100.0
    edges = np.tile([-20.5, 20.5], (30, 1))
    edges[12:20] = (-4.0, 4.0)
    edges[13] = math.nan
    good = np.ones(30, dtype=bool)
    good[13] = False
    empty = parted(bands, t, 4.0 * np.arange(30), edges, good, 0.02)
    assert np.flatnonzero(empty).tolist() == [13, 14, 15, 16, 17, 18]


def test_edges_without_a_beginning_are_not_believed() -> None:
    found = np.zeros((10, 2, 8))
    found[..., 1], found[..., 3], found[..., 5] = 0.1, 1.0, 1.0
    start = np.tile([0.0, 0.0], (10, 1))
    start[3], found[4, 1, 5], found[5, 0, 3], found[6, 1, 1] = math.nan, 0.5, 0.2, 9.0
    wrong = [[3, 0], [3, 1], [4, 1], [5, 0], [6, 1]]
    for good in (believed(found, start, np.ones(10, dtype=bool)), believed_at_first(found, start)):
        assert np.argwhere(~good).tolist() == wrong


def test_outermost_edges_stay_where_a_side_strays_from_them() -> None:
    n = 20
    found = np.zeros((n, 2, 8))
    smooth = np.zeros(n)
    smooth[[0, 3, 4, 10, 19]] = 5.0
    whole = np.ones(n, dtype=bool)
    kept = carried_on(smooth, smooth, found, whole, True)
    assert np.flatnonzero(kept[:, 0]).tolist() == [4, 10]
    assert np.flatnonzero(carried_on(smooth, smooth, found, whole, False)[:, 1]).size == 5


def test_the_smooth_curve_is_the_best_of_its_ladder() -> None:
    n = 40
    x = np.linspace(0, 1, n)
    values = 30 + 5 * x**2 + np.random.default_rng(0).normal(0, 0.1, n)
    good = np.ones(n, dtype=bool)
    values[17], good[25] = 80.0, False
    curve = smooth_curve(values, good)
    assert np.abs(curve.value - 30 - 5 * x**2).max() < 0.2
    assert curve.value == pytest.approx(
        curve.vectors @ (curve.shrink * (curve.vectors.T @ curve.value)), abs=0.05
    )
    norm = np.sqrt((curve.hat**2).sum(axis=1))
    np.testing.assert_allclose(curve.u, curve.correlation * curve.scatter * norm, rtol=1e-9)


def test_widths_of_a_cone() -> None:
    s = 4.0 * np.arange(25) + 2.0
    width, u = 60.0 - 0.2 * s, np.full(25, 0.1)
    mid, u_mid, least, u_least, at = central(s, width, u, 0.0, 100.0)
    assert (mid, u_mid, u_least) == pytest.approx((50.0, 0.1, 0.1))
    assert (least, at) == pytest.approx((42.0, 90.0))
    assert outer_line(s, width, u, 100.0, 12.0) == pytest.approx((40.0, -0.2, 0.1))
    assert math.isnan(outer_line(s, width, u, 300.0, 12.0)[0])
    for place in (-3.0, 0.0, 37.0, 104.0):
        weights = weights_at(s, place)
        assert (weights.sum(), weights @ width) == pytest.approx((1.0, 60.0 - 0.2 * place))
    frustum = math.pi / 12 * 100.0 * (60.0**2 + 60.0 * 40.0 + 40.0**2)
    filled, u_filled = volume(s, width, u, 0.0, 100.0)
    assert filled == pytest.approx(frustum, rel=2e-3)
    assert u_filled == pytest.approx(filled * 2 * 0.1 / 50.0 / 3)
    edges = np.column_stack([-width / 2, width / 2])
    good = np.ones((25, 2), dtype=bool)
    left, right, radius = upper_part(s, edges, good)
    assert right == -left == pytest.approx(np.median(width[13:]) / 2)
    assert radius == pytest.approx(np.percentile(width, 95) / 2)


def test_where_darkness_begins_and_what_lies_beside() -> None:
    s = np.arange(60.0)
    without = np.full(60, 100.0)
    profile = np.where(s < 40, 50.0, 100.0)
    profile[10] = math.nan
    assert darkness_begins(profile, without, s, (2.0, 55.0), 0.5) == 39.5
    assert darkness_begins(profile, without, s, (70.0, 80.0), 0.5) == 80.0
    grey = np.full((60, 40), 7.0, np.float32)
    grey[:, :10], grey[:, 30:], grey[3] = 20.0, 20.0, math.nan
    assert median_beside(grey, 0, 60) == 20.0
    assert math.isnan(median_beside(grey, 3, 4))


def test_end_lines_are_those_of_the_averaged_columns() -> None:
    rng = np.random.default_rng(5)
    s = np.arange(-40.0, 41.0)
    step = np.where(s > 1.3, 120.0, 60.0)[:, None] + rng.normal(0, 1.0, (81, 50))
    grey = uniform_filter1d(step, 3, axis=0).astype(np.float32)
    ends = np.array([[0.0, 2.0, 12.0]])
    ways = np.array([[0.0, 1.0, 1.0], [0.5, 0.5, 2.0]])
    found = end_lines(grey, (-40, -25), ends, ways, 1.2)
    for way, (low, high) in enumerate(((-10.0, 14.0), (2.0, 14.0))):
        t = np.arange(50) - 25
        rows = np.abs(s) <= 19.0
        profile = grey[rows][:, (t >= low) & (t <= high)].mean(axis=1, dtype=float)
        wanted = half_way(profile, s[rows], 1.2, 1 + way)
        assert wanted is not None
        np.testing.assert_allclose(found[way, 0], wanted, rtol=1e-6)
    assert np.isnan(end_lines(grey, (-40, -25), ends + 500.0, ways, 1.2)).all()


@pytest.mark.parametrize("level", [0.0, 0.01])
@pytest.mark.parametrize("penalty", [0.1, 1e3, 1e6])
def test_a_curve_over_holes_is_the_dense_systems(penalty: float, level: float) -> None:
    n, rng = 40, np.random.default_rng(3)
    good = np.ones(n, dtype=bool)
    good[[0, 1, 2, 17, 18, 19, 20, 39]] = False
    data = 50.0 + rng.normal(size=n)
    third, first = (np.diff(np.eye(n), order, axis=0) for order in (3, 1))
    rough = third.T @ third + level * first.T @ first
    inverse = np.linalg.inv(np.diag(good.astype(float)) + penalty * rough)
    curve, root, used = over_holes(data, good, penalty, level)
    np.testing.assert_allclose(curve, inverse @ np.where(good, data, 0.0), rtol=1e-6)
    np.testing.assert_allclose(root @ root.T, inverse, rtol=1e-5, atol=1e-6 * inverse.max())
    assert used == pytest.approx(np.diag(inverse)[good].sum(), rel=1e-6)


def _neck_drawn(p: np.ndarray, t: np.ndarray, table: EdgeTable, rows: tuple) -> np.ndarray:
    """Draw the light behind a neck with NumPy: the picture that `summed` compares with."""
    blur, splines, x, powers = rows
    wide = splines.shape[1]
    depth = U_LOW_PX + U_STEP_PX * np.arange(table.value.shape[1])
    radius, middle = splines @ p[:wide] / 2, p[wide] + p[wide + 1] * x
    fine = np.empty((len(x), len(t)))
    for k in range(len(x)):
        looks = [np.interp(radius[k] - np.abs(t - middle[k]), depth, row) for row in table.value]
        at = np.interp(np.log(radius[k]), table.log_radius, np.arange(len(looks)))
        low = min(int(at), len(looks) - 2)
        fine[k] = (1 - (at - low)) * looks[low] + (at - low) * looks[low + 1]
    dark = (powers @ p[wide + 4 :])[:, None] * (blur @ fine)
    return p[wide + 2] * (1 + p[wide + 3] * t / 10.0) * (1 - dark)


def test_a_necks_sums_lead_to_the_picture_they_were_drawn_from() -> None:
    table = tabulate(Profile("round", 0.02, 1.2), 4.0, 40.0)
    drawn = neck_rows(-19.5, 40, 20.0, 1.2)
    rows = drawn.blur, drawn.splines, drawn.x, drawn.powers
    wide, t = drawn.splines.shape[1], np.arange(-40.0, 41.0)
    hollow = np.exp(-((4.0 * np.arange(wide) - 24.0) ** 2) / 200.0)
    truth = np.concatenate([50.0 - 25.0 * hollow, [1.0, 0.5, 150.0, 0.01, 1.0, 0.1, 0, 0, 0, 0]])
    near = truth.copy()
    near[:wide] += 0.1 * np.cos(np.arange(wide))
    near[wide:] += [0.05, -0.05, 1.0, 0.002, 0.02, 0.01, -0.01, 0.0, 0.01, 0.0]
    ladder = table.log_radius
    steps = float(ladder[0]), float(ladder[1] - ladder[0]), len(ladder)
    looked = steps, (U_LOW_PX, U_STEP_PX), table.value
    grey = _neck_drawn(truth, t, table, rows)
    rest = looked, rows, drawn.spans, grey, t / 10.0, (2e-3, 0.01, 0.05), (0.3, math.inf)
    assert summed(truth, t, *rest)[2] < 1e-6
    information, pull, usual = summed(near, t, *rest)
    assert usual > 1e-2
    np.testing.assert_allclose(information, information.T)
    step = np.linalg.solve(information + 1e-6 * np.eye(len(pull)), pull)
    assert np.abs(near + step - truth)[1 : wide - 1].max() < 0.01  # the outermost hardly count
    assert summed(near + step, t, *rest)[2] < 1e-3 * usual

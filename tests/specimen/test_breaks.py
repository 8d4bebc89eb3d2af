from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from tem_track.records import Axis
from tem_track.specimen.breaks import Opening, find_opening, judged
from tem_track.specimen.edges import Edges
from tem_track.specimen.strip import Grid, Strip

MU = 0.01


def drawn(piece_px: float) -> tuple[np.ndarray, np.ndarray, Edges]:
    """Sixty bands of a rod 100 px wide, four without anything, and ten of what is at the tip."""
    n, t = 74, np.arange(-130.0, 131.0)
    widths = np.concatenate([np.full(60, 100.0), np.zeros(4), np.full(10, piece_px)])
    chord = 2 * np.sqrt(np.maximum(widths[:, None] ** 2 / 4 - t**2, 0.0))
    bands = 100 * np.exp(-MU * chord)
    edges = np.column_stack([-widths / 2, widths / 2])
    good = np.repeat((widths > 0)[:, None], 2, axis=1)
    edges[~good] = np.nan
    u = np.full((n, 2), 0.3)
    s = 4.0 * np.arange(n)
    return bands, t, Edges(s, edges, u, np.full((n, 2), 100.0), np.ones((n, 2)), good)


@pytest.mark.parametrize("piece_px", [60.0, 100.0])
def test_a_piece_on_either_side_is_a_break(piece_px: float) -> None:
    bands, t, edges = drawn(piece_px)
    found = find_opening(bands, t, edges, MU, to_tip=False)
    assert found is not None
    assert found.s_low_px == pytest.approx(4.0 * 60 - 2.0)
    assert found.s_high_px == pytest.approx(4.0 * 63 + 2.0)


@pytest.mark.parametrize(("aside_px", "is_broken"), [(0.0, False), (-30.0, True)])
def test_what_looks_like_a_thread_far_aside_is_none(aside_px: float, is_broken: bool) -> None:
    n, t = 60, np.arange(-90.0, 91.0)
    widths = np.full(n, 36.0)
    widths[30:42] = 9.0
    middle = np.where(widths < 10, aside_px, 0.0)
    chord = 2 * np.sqrt(np.maximum(widths[:, None] ** 2 / 4 - (t - middle[:, None]) ** 2, 0.0))
    bands = 100 * np.exp(-MU * chord)
    t_px = np.column_stack([middle - widths / 2, middle + widths / 2])
    good = np.ones((n, 2), dtype=bool)
    good[33:36], good[39] = False, False
    t_px[~good] = np.nan
    each = np.full((n, 2), 0.3)
    edges = Edges(4.0 * np.arange(n), t_px, each, 100 * each, each, good)
    found = find_opening(bands, t, edges, MU, to_tip=True)
    assert (found is not None) == is_broken
    assert found is None or found.s_low_px == pytest.approx(4.0 * 30 - 2.0)


def test_a_sliver_between_a_blunt_end_and_the_tip_is_no_piece() -> None:
    bands, t, edges = drawn(16.0)
    assert find_opening(bands, t, edges, MU, to_tip=False) is None
    assert find_opening(bands, t, edges, MU, to_tip=True) is not None


def test_without_any_body_nothing_is_parted() -> None:
    bands, t, edges = drawn(0.0)
    nothing = Edges(
        edges.s_px, np.full_like(edges.t_px, np.nan), edges.u_px, edges.background,
        edges.contrast, np.zeros_like(edges.good),
    )  # fmt: skip
    assert find_opening(bands, t, nothing, MU, to_tip=True) is None


def slanted(slit_px: float, dark: float) -> tuple[Strip, Edges]:
    """A rod 60 px wide, crossed at 35 degrees by a slit, or by a contour as wide."""
    rng = np.random.default_rng(1)
    s, t = np.arange(200.0)[:, None], np.arange(-60.0, 61.0)[None, :]
    chord = 2 * np.sqrt(np.maximum(30.0**2 - t**2, 0.0)) + 0 * s
    away = np.abs(s - 100.0 - 0.7 * t) * np.cos(np.radians(35.0))
    depth = 0.02 * chord * np.where(away < slit_px / 2, dark, 1.0)
    clean = gaussian_filter(np.exp(-depth), 0.9)
    grey = rng.poisson(150.0 * clean).astype(np.float32)
    centres = np.arange(1.5, 200.0, 4.0)
    each = np.full((50, 2), 0.3)
    sides = np.repeat([[-30.0, 30.0]], 50, axis=0)
    edges = Edges(centres, sides, each, 100 * each, each, np.ones((50, 2), dtype=bool))
    return Strip(Grid(Axis(0.0), (0.0, 0.0), 0, -60, 200, 121), grey), edges


def test_a_slanted_slit_parts_pieces_that_overlap() -> None:
    strip, edges = slanted(7.0, 0.0)
    found = judged(None, strip, edges, 0.02)
    assert found is not None
    assert 60.0 < found.s_low_px < found.s_high_px < 140.0


@pytest.mark.parametrize("dark", [0.35, 0.6, 1.0])
def test_a_pale_contour_across_a_whole_rod_is_no_slit(dark: float) -> None:
    strip, edges = slanted(9.0, dark)
    assert judged(None, strip, edges, 0.02) is None


def test_bands_that_seem_empty_where_a_body_bars_every_way_are_no_opening() -> None:
    strip, edges = slanted(7.0, 1.0)
    assert judged(Opening(90.0, 110.0), strip, edges, 0.02) is None
    at_the_end = Opening(190.0, 200.0)
    assert judged(at_the_end, strip, edges, 0.02) is at_the_end
    parted, edges = slanted(7.0, 0.0)
    assert judged(Opening(90.0, 110.0), parted, edges, 0.02) == Opening(90.0, 110.0)

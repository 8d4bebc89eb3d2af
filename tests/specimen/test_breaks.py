from __future__ import annotations

import numpy as np
import pytest

from tem_track.specimen.breaks import find_opening
from tem_track.specimen.edges import Edges

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

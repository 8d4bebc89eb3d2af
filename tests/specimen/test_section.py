from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from tem_track.errors import ConfigError
from tem_track.records import Box
from tem_track.specimen import cross_section, measure_bow, measure_width, out_of_plane_bow
from tests.specimen.scenes import Scene, draw


def test_the_ellipse_of_the_reference_case() -> None:
    section = cross_section([394.095, 397.353, 377.492], [4.0] * 3, [-15.0, 10.0, 30.0])
    assert section.area == pytest.approx(94247.8, rel=1e-5)
    assert (section.major, section.minor) == pytest.approx((400.0, 300.0), rel=1e-4)
    assert section.u_area / section.area > 0.05
    assert "range of tilts" in section.warnings[0]


def test_a_wide_range_of_tilts_fixes_the_area() -> None:
    tilts = np.linspace(-60, 60, 7)
    widths = 2 * np.hypot(100 * np.cos(np.radians(tilts)), 75 * np.sin(np.radians(tilts)))
    section = cross_section(widths, 0.01 * widths, tilts)
    assert section.area == pytest.approx(math.pi * 100 * 75)
    assert section.u_area / section.area == pytest.approx(0.009, abs=0.003)
    assert section.warnings == ()


def test_a_rectangle() -> None:
    tilts = np.array([-60.0, -40.0, -20.0, 0.0, 20.0, 40.0, 60.0])
    turn = np.radians(tilts - 10)
    widths = 100 * np.abs(np.cos(turn)) + 60 * np.abs(np.sin(turn))
    section = cross_section(widths, [0.5] * 7, tilts, "rectangle")
    assert section.area == pytest.approx(6000.0, rel=1e-4)
    assert section.angle_deg == pytest.approx(10.0, abs=0.01)


def test_the_uncertainty_of_the_area_is_that_of_repeated_series() -> None:
    rng = np.random.default_rng(1)
    tilts = np.linspace(-50, 50, 6)
    true = 2 * np.hypot(100 * np.cos(np.radians(tilts)), 75 * np.sin(np.radians(tilts)))
    runs = [cross_section(true + rng.normal(0, 1, 6), [1.0] * 6, tilts) for _ in range(200)]
    spread = np.std([run.area for run in runs])
    assert spread == pytest.approx(np.mean([run.u_area for run in runs]), rel=0.2)


def test_too_few_tilts_are_refused() -> None:
    with pytest.raises(ConfigError, match="three different tilts"):
        cross_section([1.0, 1.0, 1.0], [0.1] * 3, [0.0, 10.0, 10.0])


def test_a_width_is_measured_in_a_picture() -> None:
    image = draw(Scene(length_px=150.0))
    width, u_width = measure_width(image, Box(80, 130, 141, 90))
    assert width == pytest.approx(70.0, abs=1.5)
    assert 0 < u_width < 1


@pytest.mark.parametrize("tilt_deg", [0.0, 20.0, 45.0, 60.0])
def test_a_tilted_prism_is_measured_from_corner_to_corner(tilt_deg: float) -> None:
    a, b = (90.0 * math.cos(math.radians(tilt_deg)), 60.0 * math.sin(math.radians(tilt_deg)))
    t = np.arange(0, 220, 0.25) - 109.875
    rise = np.clip(((a + b) / 2 - np.abs(t)) / max(min(a, b), 1e-6), 0, 1)
    thick = rise * 90.0 * 60.0 / max(a, b)
    lit = gaussian_filter(np.exp(-0.009 * thick), 4.0).reshape(-1, 4).mean(axis=1)
    drawn = np.random.default_rng(3).poisson(np.tile(150 * lit, (160, 1))).astype(np.uint8)
    width, u_width = measure_width(drawn, Box(20, 20, 180, 120), section="rectangle")
    assert width == pytest.approx(a + b, abs=0.7)
    assert u_width < 0.6


def test_a_picture_without_a_rod_is_refused() -> None:
    with pytest.raises(ConfigError, match="no rod is seen"):
        measure_width(np.full((200, 200), 150, np.uint8), Box(20, 20, 150, 100))


def test_two_tilts_tell_a_bow_out_of_the_plane() -> None:
    tilts = (-15.0, 20.0)
    seen = [3.0 * math.cos(math.radians(a)) + 5.0 * math.sin(math.radians(a)) for a in tilts]
    bow = out_of_plane_bow((seen[0], seen[1]), (0.1, 0.1), tilts)
    assert (bow.in_plane, bow.out_of_plane) == pytest.approx((3.0, 5.0))
    by_hand = 0.1 * math.hypot(*(math.cos(math.radians(a)) for a in tilts))
    assert bow.u_out_of_plane == pytest.approx(by_hand / math.sin(math.radians(35.0)))
    with pytest.raises(ConfigError, match="within 5 degrees"):
        out_of_plane_bow((1.0, 1.0), (0.1, 0.1), (0.0, 4.0))


@pytest.mark.parametrize("bow_px", [0.0, 5.0, -20.0])
def test_a_bow_is_measured_in_a_picture(bow_px: float) -> None:
    scene = Scene(middle_px=lambda s: bow_px * np.sin(np.pi * s / 150.0))
    found, u = measure_bow(draw(scene), Box(60, 110, 180, 151))
    assert found == pytest.approx(bow_px, abs=0.4)
    assert abs(found - bow_px) < 3 * u
    assert u < 0.4

"""What is drawn lies where the truth says, to better than 0.02 px."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from tem_track.simulate import build_scene
from tem_track.simulate.paint import View, transmission
from tem_track.simulate.story import STATIONS, BodyState, pack_bodies

IDEAL = {
    "dose_e_per_px": np.inf, "gamma": 1.0, "fringe": 0.0, "tail": 0.0, "read_noise_e": 0.0,
    "illumination": 0.0, "label": False, "frames": 8,
}  # fmt: skip
NO_PATTERN = np.zeros((8, 8), dtype=np.float32)


def straight_view(angle_deg: float = 0.0, x0: float = 40.0, y0: float = 20.0) -> View:
    a = np.radians(angle_deg)
    along, across = (np.sin(a), -np.cos(a)), (np.cos(a), np.sin(a))
    return View(x0, y0, *along, *across, 0.0, NO_PATTERN, 0.0, 0.0)


def cylinder(u0: float, u1: float, radius: float, mu: float) -> BodyState:
    full = np.full(STATIONS, radius)
    zero = np.zeros(STATIONS)
    return BodyState(u0, u1, full, zero, zero, zero, mu, mu, 1.0, 0.0)


def draw(body: BodyState, view: View, shape: tuple[int, int] = (120, 80)) -> np.ndarray:
    bodies = pack_bodies((body,), NO_PATTERN, 0.0, np.zeros((0, 5)))
    return 1.0 - transmission(shape, (), bodies, view).astype(float)


@pytest.mark.parametrize("radius", [5.0, 14.3, 21.77])
@pytest.mark.parametrize("offset", [0.0, 0.31, 0.5, 0.77])
def test_a_cylinder_absorbs_what_its_integral_says(radius: float, offset: float) -> None:
    mu = 1.1 / (2 * radius)
    dark = draw(cylinder(-80.0, -10.0, radius, mu), straight_view(x0=40 + offset))
    x = np.linspace(-radius, radius, 200_001)
    expected = np.trapezoid(1 - np.exp(-2 * mu * np.sqrt(radius**2 - x**2)), x)
    row = dark[60].sum()
    per_px_of_diameter = np.trapezoid(1 - np.exp(-2 * mu * np.sqrt(radius**2 - x**2)), x) / (
        2 * radius
    )
    assert abs(row - expected) / per_px_of_diameter < 0.02
    middle = (dark[60] * np.arange(80)).sum() / row
    assert abs(middle - (40 + offset)) < 0.005


@pytest.mark.parametrize("end", [-10.0, -10.25, -10.4, -10.75])
def test_an_end_face_lies_where_it_should(end: float) -> None:
    dark = draw(cylinder(-80.0, end, 15.0, 0.05), straight_view())
    column = dark[:, 40]
    length = column.sum() / column[60]
    assert abs(length - (80 + end)) < 0.02


def test_a_sphere_absorbs_its_volume_when_thin() -> None:
    z = np.linspace(-1, 1, STATIONS)
    radius = 20.0 * np.sqrt(1 - z**2)
    zero = np.zeros(STATIONS)
    body = BodyState(-80.0, -40.0, radius, zero, zero, zero, 1e-4, 1e-4, 1.0, 0.0)
    total = draw(body, straight_view(x0=40.3)).sum()
    assert total == pytest.approx(4 / 3 * np.pi * 20**3 * 1e-4, rel=0.003)


@pytest.mark.parametrize("angle", [0.0, 17.0, -30.0])
def test_a_tilted_cylinder_keeps_its_area(angle: float) -> None:
    body = cylinder(-60.0, -20.0, 12.0, 0.05)
    upright = draw(body, straight_view(x0=60.0, y0=5.0)).sum()
    tilted = draw(body, straight_view(angle, x0=60.0, y0=20.0), (120, 140)).sum()
    assert tilted == pytest.approx(upright, rel=0.002)


@pytest.mark.parametrize("target", ["bar", "tip", "base", "specimen"])
def test_everything_moves_by_any_fraction_of_a_pixel(target: str) -> None:
    scene = build_scene("drift", seed=4, camera_jitter_px=0.0, **IDEAL)
    moves = np.array([[0.0, 0.0], [0.25, 0.6], [0.5, 0.5], [-0.4, 0.1], [0.7, -0.85]])
    camera = np.zeros_like(scene.shots.camera_px)
    camera[:5] = moves
    scene = replace(scene, shots=replace(scene.shots, camera_px=camera))
    box = scene.boxes[target]
    window = np.s_[
        max(int(box.y_px), 12) : int(box.y_px + box.height_px) - 12,
        int(box.x_px) : int(min(box.x_px + box.width_px, 625)),
    ]
    first = gaussian_filter(scene.transmitted(0).astype(float), 1.2)
    down, across = np.gradient(first)
    for k in (1, 2, 3, 4):
        now = gaussian_filter(scene.transmitted(k).astype(float), 1.2)
        dx, dy = moves[k]
        back = shift(now, (-dy, -dx), order=5, mode="nearest")
        left = (back - first)[window].ravel()
        slope = np.column_stack([across[window].ravel(), down[window].ravel()])
        error = np.linalg.lstsq(slope, left, rcond=None)[0]
        assert np.abs(error).max() < 0.02

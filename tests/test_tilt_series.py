"""A tilt series of drawn rods, from images to the stress's section."""

from __future__ import annotations

import json
import math
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from tem_track.cli import status_of
from tem_track.errors import ConfigError
from tem_track.tilt_series import measure_tilt_series, read_area_ratio
from tests.specimen.scenes import Scene, draw

MAJOR, MINOR, TURN = 100.0, 75.0, 20.0
ANGLES = [-60.0, -40.0, -20.0, 0.0, 20.0, 40.0, 60.0]


def width_at(angle: float) -> float:
    turn = math.radians(angle - TURN)
    return math.hypot(MAJOR * math.cos(turn), MINOR * math.sin(turn))


def rod_image(angle: float, rng: np.random.Generator) -> np.ndarray:
    """Draw an absorbing elliptical rod: its projected thickness is a half ellipse."""
    width = width_at(angle)
    depth = math.pi * MAJOR * MINOR / 4 * 4 / (math.pi * width)
    x = (np.arange(200 * 16) - 1599.5) / 16
    inside = np.clip(1 - (2 * x / width) ** 2, 0, None)
    profile = np.exp(-0.008 * depth * np.sqrt(inside))
    profile = gaussian_filter1d(profile, 1.0 * 16).reshape(200, 16).mean(axis=1)
    clean = np.tile(150 * profile, (160, 1))
    return np.clip(rng.poisson(clean), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    rng = np.random.default_rng(2)
    folder = tmp_path_factory.mktemp("tilts")
    paths = [folder / f"tilt{i}.png" for i in range(len(ANGLES))]
    for path, angle in zip(paths, ANGLES, strict=True):
        iio.imwrite(path, rod_image(angle, rng))
    return paths


def test_the_area_of_an_elliptical_rod(images: list[Path]) -> None:
    series = measure_tilt_series(images, ANGLES)
    truth = MAJOR * MINOR / width_at(0.0) ** 2
    assert series.area_ratio == pytest.approx(truth, rel=0.02)
    assert abs(series.area_ratio - truth) < 3 * max(series.u_area_ratio, 0.005)
    for width, angle in zip(series.widths_px, ANGLES, strict=True):
        assert width == pytest.approx(width_at(angle), abs=0.6)
    assert series.section.warnings == ()


def test_the_command_and_its_file(
    images: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "section.json"
    angles = ",".join(map(str, ANGLES))
    arguments = ["cross-section", *map(str, images), f"--angles={angles}", "--output", str(output)]
    assert status_of([*arguments, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert read_area_ratio(output) == (answer["area_ratio"], answer["u_area_ratio"])


def test_a_short_range_warns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(4)
    paths = [tmp_path / f"{angle}.png" for angle in (-4, 0, 4)]
    for path in paths:
        iio.imwrite(path, rod_image(float(path.stem), rng))
    arguments = ["cross-section", *map(str, paths), "--angles=-4,0,4"]
    assert status_of([*arguments, "-o", str(tmp_path / "short.json")]) in (0, 4)
    assert "tilts further apart" in capsys.readouterr().err


def test_mistakes(images: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="7 images but 2 angles"):
        measure_tilt_series(images, [0.0, 10.0])
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    with pytest.raises(ConfigError, match=r"specimen.section.*cross-section"):
        read_area_ratio(wrong)


TILTS = (-20.0, 25.0)
IN_PLANE, OUT_OF_PLANE = 6.0, -9.0


@pytest.fixture(scope="module")
def bent_images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A rod at two tilts, first with a slight bow, then with more of it in both directions."""
    folder = tmp_path_factory.mktemp("bent")
    paths = []
    for after in (False, True):
        for tilt in np.radians(TILTS):
            seen = after * (IN_PLANE * np.cos(tilt) + OUT_OF_PLANE * np.sin(tilt))
            bow = 1.5 * np.cos(tilt) + seen
            scene = Scene(
                middle_px=lambda s, bow=bow: bow * np.sin(np.pi * s / 150.0), seed=len(paths)
            )
            paths.append(folder / f"{len(paths)}.png")
            iio.imwrite(paths[-1], draw(scene))
    return paths


def test_a_bow_towards_the_beam_from_images_at_two_tilts(
    bent_images: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["bow", *map(str, bent_images), "--angles=-20,25", "--box=60,110,180,151"]
    assert status_of([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    for name, truth in (("in_plane", IN_PLANE), ("out_of_plane", OUT_OF_PLANE)):
        error, u = found[f"{name}_bow_px"] - truth, found[f"u_{name}_bow_px"]
        assert abs(error) < min(3 * u, 1.5)
    assert status_of(arguments) == 0
    assert "out of the plane" in capsys.readouterr().out


def test_a_bow_takes_two_tilts_and_four_images(
    bent_images: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["bow", *map(str, bent_images[:3]), "--angles=-20,25"]) == 4
    assert "four images" in capsys.readouterr().err
    assert status_of(["bow", *map(str, bent_images), "--angles=-2,2"]) == 4
    assert "within 5 degrees" in capsys.readouterr().err

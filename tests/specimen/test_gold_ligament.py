"""A real recording: a gold ligament that is pulled until it necks and breaks."""

from __future__ import annotations

import itertools

import cv2
import imageio.v3 as iio
import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from tem_track import analyse, open_movie
from tem_track.config import experiment_from_dict
from tem_track.records import Axis, Box, Frame, Match, Outline
from tem_track.specimen import prepare_specimen
from tests.recordings import recording

BOX = Box(140, 350, 190, 190)
AXIS = Axis(48.0)
CLOSE = {750: 750, 903: 906, 1749: 1734, 2415: 2442, 2853: 2832}


def _fixed(along_px: float, axis: Axis) -> Match:
    x, y = BOX.centre_px
    dx, dy = axis.along
    return Match(x + along_px * dx, y + along_px * dy, 1.0, 0.0, 1.0, 1.0)


def _outlined(axis: Axis) -> dict[int, Outline]:
    paths = sorted((recording("gold_ligament") / "frames").glob("*.tif"))
    images = {int(path.stem[-6:]): iio.imread(path) for path in paths}
    tip, base = _fixed(100.0, axis), _fixed(-100.0, axis)
    sample = [(Frame(number, 0.0, image), tip, base) for number, image in images.items()]
    model = prepare_specimen(sample[0], iter(sample), BOX, shape="rod", mode="tension", axis=axis)
    return {number: model.outline(image, tip, base) for number, image in images.items()}


@pytest.fixture(scope="module")
def outlines() -> dict[int, Outline]:
    return _outlined(AXIS)


def test_the_neck_narrows_from_frame_to_frame(outlines: dict[int, Outline]) -> None:
    whole = [o for o in outlines.values() if not o.broken]
    assert len(whole) == len(outlines) - 1
    for before, after in itertools.pairwise(whole):
        u = np.hypot(before.u_diameter_min_px, after.u_diameter_min_px)
        assert after.diameter_min_px < before.diameter_min_px + 2 * u
        assert after.u_diameter_min_px <= 3.0
    assert whole[-1].diameter_min_px < 0.6 * whole[0].diameter_min_px


def test_the_rupture_is_found(outlines: dict[int, Outline]) -> None:
    assert [number for number, o in outlines.items() if o.broken] == [2853]


@pytest.mark.parametrize("off_deg", [-13.0, -8.0, 4.0])
def test_the_rupture_is_found_along_an_axis_that_is_off(off_deg: float) -> None:
    found = _outlined(Axis(AXIS.angle_deg + off_deg))
    assert [number for number, o in found.items() if o.broken] == [2853]


def test_without_lever_bar_and_tip_a_run_gives_the_outline_alone() -> None:
    data = {
        "movie": str(recording("gold_ligament") / "frames"),
        "mode": "tension",
        "axis_deg": AXIS.angle_deg,
        "calibration": {"scale_nm_per_px": 0.1, "frame_interval_s": 1.0},
        "specimen": {"box_px": list(BOX.as_tuple()), "shape": "rod"},
    }
    experiment = experiment_from_dict(data)
    result = analyse(open_movie(experiment.movie_path, frame_interval_s=1.0), experiment)
    points = result.points
    smallest, u = (points[name].to_numpy() for name in ("diameter_min_nm", "u_diameter_min_nm"))
    assert np.all(np.diff(smallest[:-1]) < 2 * np.hypot(u[1:-1], u[:-2]))
    assert np.isnan(smallest[-1])
    assert result.summary["fracture_frame"] == 10
    assert points[["length_nm", "force_nN", "stress_MPa", "diameter_tip_nm"]].isna().all(axis=None)
    assert list(points["phase"]) == [""] * 10 + ["broken"]
    assert not points["flags"].str.contains("LOST").any()
    assert any("only the outline" in text for text in result.summary["warnings"])


def _upper(points: np.ndarray) -> np.ndarray:
    """The piece at the tip: after the break the authors' mask holds no other."""
    parted = np.flatnonzero(np.isnan(points[:, 0]))
    return points[parted[-1] + 1 :] if len(parted) else points


@pytest.mark.parametrize(("frame", "mask"), CLOSE.items())
def test_the_outline_follows_the_authors_mask(
    outlines: dict[int, Outline], frame: int, mask: int
) -> None:
    body = iio.imread(recording("gold_ligament") / "masks" / f"frame_{mask:06d}.tif") > 0
    kernel = np.ones((3, 3), np.uint8)
    border = cv2.morphologyEx(body.astype(np.uint8), cv2.MORPH_GRADIENT, kernel) > 0
    distance = distance_transform_edt(~border)
    outline = outlines[frame]
    points = np.concatenate([_upper(outline.left_px), _upper(outline.right_px)])
    offset = points - np.array([BOX.x_px, BOX.y_px])
    inside = ((offset >= 0) & (offset <= np.array([BOX.width_px, BOX.height_px]))).all(axis=1)
    assert inside.sum() > 10
    x, y = np.rint(points[inside]).astype(int).T
    assert float(np.median(distance[y, x])) <= 4.0

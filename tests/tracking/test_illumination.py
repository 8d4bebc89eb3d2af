"""A soft tip that travels past brightness which stands still in the frame."""

from __future__ import annotations

import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest

from tem_track.records import Box, Frame, Reference, Target
from tem_track.tracking import Tracker, build_trackers, illumination
from tem_track.tracking import tracker as tracker_module
from tem_track.tracking.coarse import Reduced

SIDE, BLACK, STRENGTH = 384, 8.0, 0.05
TIP = Target("tip", (Reference(0, Box(132, 60, 120, 96)),), (192.0, 150.0))
Y, X = np.indices((SIDE, SIDE)).astype(float)
WAY_PX = np.rint(np.linspace(0, 48, 24))
GRAIN = (
    cv2.GaussianBlur(np.random.default_rng(4).standard_normal((SIDE + 60, SIDE)), (0, 0), 3) * 10
)


def beam(strength: float, moved_px: float = 0.0) -> np.ndarray:
    """Smooth random brightness of mean one, with structures of some 40 px."""
    wide = np.random.default_rng(3).standard_normal((SIDE + 100, SIDE + 100))
    smooth = cv2.GaussianBlur(wide, (0, 0), 35)[:, round(moved_px) :][:SIDE, :SIDE]
    return np.asarray(1 + strength * (smooth - smooth.mean()) / smooth.std())


def picture(light: np.ndarray, way_px: float, seed: int, grey_of_dose: float = 1.0) -> np.ndarray:
    """A tip with flanks 25 px deep above vacuum, an opaque corner, shot noise."""
    up = 150 + way_px - Y  # above the tip's face
    side = np.minimum(35 + 0.4 * up - (X - 192), 30 + 0.3 * up + (X - 192))
    inside = np.minimum(side, up)
    rows = np.clip(np.rint(Y - way_px).astype(int) + 60, 0, len(GRAIN) - 1)
    mass = (
        (0.3 + inside / 25)
        * (1 + 0.1 * GRAIN[rows, X.astype(int)])
        / (1 + np.exp(np.clip(-2 * inside, None, 40)))
    )
    mass = mass + 5.0 * ((X > 300) & (Y < 80))
    mean = 150 * light * cv2.GaussianBlur(np.exp(-mass), (0, 0), 1.0)
    counts = np.random.default_rng(seed).poisson(mean)
    return np.clip(np.rint(BLACK + grey_of_dose * counts), 0, 255).astype(np.uint8)


def tracked(images: list[np.ndarray]) -> tuple[Tracker, np.ndarray]:
    """Return the tracker and its error along the way, up to a constant."""
    frames = (Frame(k, float(k), image) for k, image in enumerate(images))
    tracker = build_trackers({0: images[0]}, frames, [TIP])["tip"]
    found = np.array([tracker.locate(image).y_px for image in images])
    return tracker, found - WAY_PX


@pytest.fixture(scope="module")
def uneven() -> list[np.ndarray]:
    return [picture(beam(STRENGTH), way, k) for k, way in enumerate(WAY_PX)]


def test_a_soft_tip_is_not_drawn_by_an_uneven_beam(
    uneven: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker, error = tracked(uneven)
    assert tracker.light is not None
    monkeypatch.setattr(illumination.Lit, "beam", lambda self: None)
    _, undivided = tracked(uneven)
    assert error.std() < 0.1
    assert undivided.std() > 2 * error.std()


def test_the_beam_is_found_where_vacuum_and_tip_are(uneven: list[np.ndarray]) -> None:
    tracker, _ = tracked(uneven)
    assert tracker.light is not None
    ratio = (1 / tracker.light.inverse / beam(STRENGTH))[40:340, 40:280]
    assert ratio.std() / ratio.mean() < 0.012  # of 0.05


def test_what_the_division_does_to_a_place_is_doubted_in_part(
    uneven: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker, error = tracked(uneven)

    def u_px() -> np.ndarray:
        return np.sqrt([tracker.locate(image).yy_px2 for image in uneven])

    doubting = u_px()
    monkeypatch.setattr(tracker_module, "DOUBT_OF_LIGHT", 0.0)
    sure = u_px()
    assert doubting[0] == pytest.approx(sure[0], rel=0.02)  # the reference frame is the origin
    assert (doubting >= sure).all()
    assert (doubting / sure).max() > 1.05
    assert np.std((error - error[0]) / doubting) < 1.5


def test_a_light_that_was_sent_to_another_process_is_the_same(uneven: list[np.ndarray]) -> None:
    tracker, _ = tracked(uneven)
    assert pickle.loads(pickle.dumps(tracker)).locate(uneven[7]) == tracker.locate(uneven[7])


def test_an_even_beam_is_not_divided() -> None:
    tracker, _ = tracked([picture(beam(0.0), way, k) for k, way in enumerate(WAY_PX)])
    assert tracker.light is None


def test_a_beam_that_moves_is_not_divided() -> None:
    still, moving = illumination.Lit(), illumination.Lit()
    for k, way in enumerate(WAY_PX):
        for lit, speed in ((still, 0.0), (moving, 2.0)):
            image = picture(beam(STRENGTH, speed * k), way, k)
            lit.add(image, illumination.cells_of(Reduced(image)))
    assert still.beam().stands_still
    assert not moving.beam().stands_still


def test_what_a_beam_that_moves_would_do_to_a_place_is_doubted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = [picture(beam(STRENGTH, 1.0 * k), way, k) for k, way in enumerate(WAY_PX)]
    tracker, error = tracked(images)
    assert tracker.light is None
    assert tracker.unsure is not None
    u = np.sqrt([tracker.locate(image).yy_px2 for image in images])
    blind = replace(tracker, unsure=None)
    sure = np.sqrt([blind.locate(image).yy_px2 for image in images])
    assert (u >= sure).all()
    assert u[0] == pytest.approx(sure[0], rel=0.02)
    of_u, of_sure = (np.sqrt(np.mean(((error - error[0]) / each) ** 2)) for each in (u, sure))
    assert of_u < 2
    assert of_u < 0.8 * of_sure


def test_what_is_over_exposed_stays_at_the_end_of_the_scale() -> None:
    light = illumination.Light(np.array([[0.8, 1.2, 1.2]], np.float32), 0.0)
    even = light.evened(np.array([[255, 255, 100]], np.uint8))
    assert even[0, 0] == even[0, 1] > 255
    assert even[0, 2] == pytest.approx(120)

"""Writing over bar and tip that a codec has blurred: it stands still, and they do not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tem_track.tracking import build_trackers
from tem_track.tracking.overlay import Still

from . import scenes

FRAMES = 40
FONT = cv2.FONT_HERSHEY_SIMPLEX


def with_writing(frame: np.ndarray, k: int) -> np.ndarray:
    """Write a scale bar on the bar, and over the tip a clock whose figures change."""
    out = np.array(frame)
    out[44:50, 258:308] = 255
    cv2.putText(out, "200 nm", (256, 34), FONT, 0.45, 255, 1)
    cv2.putText(out, f"{0.2 * k:07.2f}", (96, 124), FONT, 0.45, 255, 1)
    return scenes.jpeg(out, 70)


@pytest.fixture(scope="module", params=[150, 245])
def followed(request):
    """Errors along the axis and u of bar and tip, with vacuum darker and as bright as the ink."""
    path, scene = scenes.motions(FRAMES, 6), scenes.Scene(grey_per_dose=request.param)
    images = [with_writing(f, k) for k, f in enumerate(scenes.render(scene, path, 8))]
    trackers = build_trackers({0: images[0]}, scenes.sample(images), scenes.targets())
    found = {}
    for name, tracker in trackers.items():
        matches = [tracker.locate(image) for image in images]
        error = np.array([m.y_px for m in matches]) - scenes.truth(path)[name][:, 1]
        found[name] = (error - np.nanmedian(error), np.sqrt([m.yy_px2 for m in matches]))
    return found


@pytest.mark.parametrize("name", ["bar", "tip"])
def test_the_target_is_followed_and_not_the_writing(followed, name):
    error, u = followed[name]
    assert np.isfinite(error).all()
    assert np.sqrt(np.mean(error**2)) < 0.1
    assert np.sqrt(np.mean((error / u) ** 2)) < 1.6


def test_vacuum_beside_a_sharp_edge_is_no_writing():
    rng = np.random.default_rng(3)
    frames = np.clip(rng.normal(30, 4, (20, 90, 100)), 0, 255)
    frames[:, 81:, :] = np.clip(rng.normal(230, 6, (20, 9, 100)), 0, 255)
    frames[:, :, 92:] = np.clip(rng.normal(230, 6, (20, 90, 8)), 0, 255)
    still = Still.begin(frames[0].astype(np.uint8), 0, 0, (90, 100))
    for frame in frames[1:]:
        still.add(frame.astype(np.uint8))
    assert not still.mask().any()

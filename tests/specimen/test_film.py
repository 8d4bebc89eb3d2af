"""A film behind a moving specimen: learnt where it is seen, taken out where that helps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from tem_track.records import Axis, FloatArray, Frame, Match
from tem_track.specimen import SpecimenModel, prepare_specimen
from tests.specimen.scenes import Scene, draw, found, specimen_box

UP = Axis(0.0)
SHARE = 0.04
FRAMES = 24


def _film(seed: int) -> FloatArray:
    grain = gaussian_filter(np.random.default_rng(seed).normal(size=(520, 420)), 2.0)
    return SHARE * grain / float(grain.std())


def _scenes() -> list[Scene]:
    """A ball on a base that moves up by more than a radius, with a gap that stays open."""
    ball = Scene(
        length_px=110.0,
        radius_px=lambda s: np.sqrt(np.maximum(55.0**2 - (s - 55.0) ** 2, 0.0)),
        gap_px=96.0,
    )
    return [
        replace(ball, base_shift_px=90.0 * k / FRAMES, gap_px=96.0 - 90.0 * k / FRAMES, seed=k)
        for k in range(FRAMES)
    ]


def _shown(scene: Scene, film: FloatArray, bar_px: tuple[float, float]) -> Frame:
    """Draw a scene before a film that lies where the bar does."""
    clean = draw(scene).astype(np.float64)
    rows, columns = clean.shape
    at = shift(film, (bar_px[1], bar_px[0]), order=1, mode="wrap")[:rows, :columns]
    return Frame(scene.seed, float(scene.seed), (clean * (1.0 + at)).clip(0, 255).astype(np.uint8))


def _sample(*, still: bool) -> list[tuple[Frame, Match, Match | None, Match]]:
    rng = np.random.default_rng(3)
    film, seen = _film(1), []
    for k, scene in enumerate(_scenes()):
        bar = (float(rng.normal()), float(rng.normal()))
        frame = _shown(scene, film if still else _film(100 + k), bar)
        match = Match(200.0 + bar[0], 40.0 + bar[1], 1e-3, 0.0, 1e-3, 1.0)
        seen.append((frame, *found(scene), match))
    return seen


def _prepared(sample: list[tuple[Frame, Match, Match | None, Match]]) -> SpecimenModel:
    box = specimen_box(_scenes()[0])
    return prepare_specimen(
        sample[0], iter(sample), box, shape="particle", mode="compression", axis=UP
    )


def _scatter(model: SpecimenModel, sample: list[tuple[Frame, Match, Match | None, Match]]) -> float:
    widths = [model.outline(f.image, *rest).diameter_mid_px for f, *rest in sample[4:-4]]
    return float(np.std(widths))


@pytest.fixture(scope="module")
def still() -> tuple[SpecimenModel, list[tuple[Frame, Match, Match | None, Match]]]:
    sample = _sample(still=True)
    return _prepared(sample), sample


def test_a_film_that_stands_still_is_taken_out_and_the_diameter_scatters_less(
    still: tuple[SpecimenModel, list[tuple[Frame, Match, Match | None, Match]]],
) -> None:
    model, sample = still
    assert model.film is not None
    assert model.film.left < 0.5 * SHARE
    without = replace(model, film=None)
    assert _scatter(model, sample) < _scatter(without, sample)
    looks = [each.outline(*_image(sample[10])).u_diameter_mid_px for each in (model, without)]
    assert looks[0] < 0.95 * looks[1]


def test_the_film_is_seen_as_it_is(
    still: tuple[SpecimenModel, list[tuple[Frame, Match, Match | None, Match]]],
) -> None:
    film = still[0].film
    assert film is not None
    seen = film.near.min(axis=2) > 0.8
    i, j = np.nonzero(seen)
    rows = 40 - film.s_first - i[:, None] - np.arange(film.rows)
    true = _film(1)[rows, (200 + film.t_first + j)[:, None]].mean(axis=1)
    rest = film.banded[seen] - true
    assert seen.sum() > 2000
    assert float(np.std(rest)) < 0.35 * float(np.std(true))
    assert np.corrcoef(film.banded[seen], true)[0, 1] > 0.95


def test_where_the_bar_is_lost_the_film_stays_in(
    still: tuple[SpecimenModel, list[tuple[Frame, Match, Match | None, Match]]],
) -> None:
    model, sample = still
    frame, tip, base, _ = sample[10]
    lost = model.outline(frame.image, tip, base, Match.none(reason="hidden"))
    plain = replace(model, film=None).outline(frame.image, tip, base)
    assert lost.diameter_mid_px == plain.diameter_mid_px
    assert lost.u_diameter_mid_px > model.outline(*_image(sample[10])).u_diameter_mid_px


def _image(seen: tuple[Frame, Match, Match | None, Match]) -> tuple:  # type: ignore[type-arg]
    return (seen[0].image, *seen[1:])


def test_a_film_that_does_not_stand_still_is_left_alone() -> None:
    assert _prepared(_sample(still=False)).film is None


def test_without_a_film_none_is_found() -> None:
    sample = [
        (Frame(k, float(k), draw(s)), *found(s), Match(200.0, 40.0, 1e-3, 0.0, 1e-3, 1.0))
        for k, s in enumerate(_scenes())
    ]
    assert _prepared(sample).film is None

"""The fit of edges on bands drawn here: bias, scatter against its own u, correlated noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from tem_track.records import FloatArray
from tem_track.specimen.edges import Edges, fit_edges
from tem_track.specimen.ensemble import Ensemble, choose_profile
from tem_track.specimen.noise import Noise, measure_noise
from tem_track.specimen.profile import Profile, darkness, tabulate

RADIUS_PX, BANDS, FILM, FILM_PX, DOSE = 60.0, 160, 0.03, 2.2, 150.0
LOOK = Profile("shell", mu_per_px=0.007, blur_px=0.9, shell_px=6.0, shell_ratio=0.8)
T_PX = np.arange(-110.0, 111.0)


def _texture(rng: np.random.Generator, rows: int) -> FloatArray:
    field = gaussian_filter(rng.normal(size=(rows, len(T_PX))), FILM_PX)
    return np.asarray(field / field.std())


def _bands() -> tuple[FloatArray, FloatArray]:
    """Bands of four rows of a rod whose middle wanders, before a textured film."""
    rng = np.random.default_rng(3)
    middle = 3.0 * np.sin(np.arange(BANDS) / 25.0)
    depth = np.arange(-60.0, 2 * RADIUS_PX + 60.0, 0.05)
    clean = darkness(depth, RADIUS_PX, LOOK)
    value = np.interp(T_PX - middle[:, None] + RADIUS_PX, depth, clean)
    light = (1.0 - value).repeat(4, axis=0) * (1.0 + FILM * _texture(rng, 4 * BANDS))
    counts = rng.poisson(DOSE * light) / DOSE
    return 200.0 * counts.reshape(BANDS, 4, -1).mean(axis=1), middle


def _fitted(noise: Noise) -> tuple[Edges, FloatArray]:
    bands, middle = _bands()
    start = np.column_stack([middle - 0.95 * RADIUS_PX, middle + 0.95 * RADIUS_PX])
    table = tabulate(LOOK, 20.0, 90.0, noise)
    edges = fit_edges(bands, 4.0 * np.arange(BANDS), float(T_PX[0]), start, table)
    return edges, edges.t_px - np.column_stack([middle - RADIUS_PX, middle + RADIUS_PX])


def test_edges_are_where_they_are_and_as_sure_as_they_say() -> None:
    edges, error = _fitted(Noise(1 / (4 * DOSE), 0.7 * FILM, FILM_PX, 0.01, 3.0))
    assert edges.good.mean() > 0.97
    assert np.abs(error.mean(axis=0)).max() < 0.25
    scatter = error[edges.good].std()
    assert scatter == pytest.approx(float(np.median(edges.u_px)), rel=0.3)
    assert edges.shell_px == pytest.approx(6.0, abs=3 * edges.u_shell_px)


def test_knowing_the_film_makes_an_edge_surer() -> None:
    _, informed = _fitted(Noise(1 / (4 * DOSE), 0.7 * FILM, FILM_PX, 0.01, 3.0))
    white = 1 / (4 * DOSE) + (0.7 * FILM) ** 2
    _, ignorant = _fitted(Noise(white, 1e-4, 2.0, 0.01, 3.0))
    assert informed.std() < 0.95 * ignorant.std()


def test_the_noise_is_measured_beside_the_specimen() -> None:
    rng = np.random.default_rng(5)
    rows = 1.0 + FILM * _texture(rng, 400) + rng.normal(0.0, 0.04, (400, len(T_PX)))
    none = np.zeros(0)
    noise = measure_noise([200.0 * rows], np.empty((0, 0)), none, none)
    assert noise.shot == pytest.approx(0.04**2, rel=0.15)
    assert noise.film == pytest.approx(FILM, rel=0.15)
    assert noise.film_px == pytest.approx(FILM_PX, rel=0.25)
    assert measure_noise([], np.empty((0, 0)), none, none) == Noise()


def _mean_look(profile: Profile, seed: int) -> Ensemble:
    """Return what the edges of a body with a profile look like on the average, with some grain."""
    depth = np.arange(-14.0, 64.0, 0.5) + 0.25
    radius = np.array([48.0, 50.0, 52.0])
    fine = np.arange(-24.0, 80.0, 0.1)
    value = np.array([1 - np.interp(depth, fine, darkness(fine, r, profile)) for r in radius])
    value += np.random.default_rng(seed).normal(size=value.shape) * 0.002
    return Ensemble(depth, radius, value, (depth < radius[:, None]).astype(float), 52.0)


@pytest.mark.parametrize("bevel", [0.15, 0.8])
def test_a_crystal_on_another_facet_has_no_layer(bevel: float) -> None:
    crystal = Profile("round", 0.01, 0.9, facet=0.9, bevel=bevel, equator_px=52.0)
    start = Profile("round", 0.012, 0.9, equator_px=52.0)
    kinds = ("round", "shell")
    found, _ = choose_profile(_mean_look(crystal, 1), start, kinds, u_facet=0.5)
    assert found.model == "round"
    assert found.bevel == pytest.approx(bevel, rel=0.3)


def test_a_crystals_layer_is_seen() -> None:
    layered = Profile("shell", 0.01, 0.9, 7.0, 0.6, facet=0.5, bevel=0.6, equator_px=52.0)
    start = Profile("round", 0.012, 0.9, equator_px=52.0)
    found, _ = choose_profile(_mean_look(layered, 1), start, ("round", "shell"), u_facet=0.5)
    assert found.model == "shell"
    assert found.shell_px == pytest.approx(7.0, abs=0.7)


def test_a_crystals_edge_softer_than_the_picture_is_less_sure() -> None:
    sure, soft = (
        choose_profile(
            _mean_look(Profile("round", 0.01, blur, facet=0.5, equator_px=52.0), 2),
            Profile("round", 0.01, 0.9, equator_px=52.0),
            ("round",),
            u_facet=0.5,
        )[0]
        for blur in (0.9, 2.2)
    )
    assert soft.u_edge_px > sure.u_edge_px + 0.5


@pytest.mark.parametrize("filling", [0.0, 0.07])
def test_a_hollow_ball_that_is_not_quite_empty(filling: float) -> None:
    hollow = Profile("hollow", 0.03, 0.9, shell_px=6.0, filling=filling, equator_px=52.0)
    start = Profile("round", 0.008, 0.9, equator_px=52.0)
    found, _ = choose_profile(_mean_look(hollow, 3), start, ("hollow",), u_facet=0.02)
    assert found.filling == pytest.approx(filling, abs=0.02)
    assert (found.filling > 0) == (filling > 0)
    assert found.shell_px == pytest.approx(6.0, abs=0.3)


def test_a_pale_layer_on_a_crystal_may_be_its_thin_edge() -> None:
    start = Profile("round", 0.014, 0.82, equator_px=52.0)
    pale, dark = (
        choose_profile(
            _mean_look(replace(layer, blur_px=0.82, equator_px=52.0), 4),
            start,
            ("round", "shell"),
            u_facet=0.5,
        )[0]
        for layer in (
            Profile("shell", 0.014, 1.0, shell_px=4.0, shell_ratio=0.25, facet=0.26, bevel=0.12),
            Profile("shell", 0.014, 1.0, shell_px=7.0, shell_ratio=0.7, facet=0.5, bevel=0.6),
        )
    )
    assert (pale.model, dark.model) == ("shell", "shell")
    assert pale.u_edge_px > dark.u_edge_px + 0.3
    assert pale.u_shell_px > 0.4


def test_a_layer_hardly_darker_than_its_ball_is_none() -> None:
    faint = Profile("shell", 0.009, 0.85, shell_px=17.0, shell_ratio=1.1, equator_px=52.0)
    start = Profile("round", 0.009, 0.85, equator_px=52.0)
    found, _ = choose_profile(_mean_look(faint, 5), start, ("round", "shell"))
    assert found.model == "round"
